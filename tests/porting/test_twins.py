"""Django's a-prefixed methods, and other attributes that are not there."""

from typing import Any

import pytest

from covet import auth
from covet.db import models, transaction
from covet.exceptions import FieldError
from covet.porting.twins import explain_twin


class TwinRow(models.Model):
    views = models.IntegerField(default=0)

    class Meta:
        app_label = "twins"


@pytest.mark.parametrize(
    ("owner", "name", "says"),
    [
        (TwinRow(), "asave", r"write await ….save\(…\)"),
        (TwinRow(), "aviews", r"Did you mean 'views'\?"),
        (TwinRow(), "zzzzzz", "no attribute 'zzzzzz'$"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_meant_is_told(owner: Any, name: str, says: str) -> None:
    with pytest.raises(AttributeError, match=says):
        getattr(owner, name)


@pytest.mark.parametrize(
    ("owner", "name", "says"),
    [
        (TwinRow.objects, "aget", ["Nothing has a twin with an 'a' here: write await ….get(…)."]),
        (TwinRow.objects.all(), "afirst", ["Nothing has a twin with an 'a' here: write await ….first(…)."]),
        (auth, "alogin", ["Nothing has a twin with an 'a' here: write await ….login(…)."]),
        (TwinRow.objects, "anothing", []),
        ([], "asort", []),
    ],
    ids=["manager", "queryset", "module", "unknown", "foreign"],
)
def test_an_error_about_a_twin_is_explained_once(owner: Any, name: str, says: list[str]) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(owner, name)
    explain_twin(caught.value)
    explain_twin(caught.value)
    assert getattr(caught.value, "__notes__", []) == says


async def test_with_in_place_of_async_with_says_so() -> None:
    block: Any = transaction.atomic()
    with pytest.raises(TypeError, match=r"entered by 'async with transaction.atomic\(\):'"), block:
        pass


class TwinNote(models.Model):
    row = models.OneToOneField(TwinRow, on_delete=models.CASCADE, related_name="note")
    text = models.TextField()

    class Meta:
        app_label = "twins"


@pytest.mark.parametrize(
    ("name", "says"),
    [("search", "'covet.postgres' in INSTALLED_APPS brings it"), ("nearest", "Look-ups are: ")],
)
def test_a_look_up_of_postgresql_names_its_app(name: str, says: str) -> None:
    with pytest.raises(FieldError, match=says):
        TwinRow.objects.filter(**{f"views__{name}": "x"})


def test_an_unloaded_reverse_row_says_that_it_is() -> None:
    row = TwinRow(pk=1)
    # By _state it has one of its own; all new rows of the process share the other, and would no longer be new.
    row._state.adding, row._state.db = False, "default"

    assert repr(row.note) == "<TwinNote: not loaded>"  # type: ignore[attr-defined]
    assert repr(TwinNote()) == "<TwinNote: TwinNote object (None)>"
