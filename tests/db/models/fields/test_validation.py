"""What ``clean`` refuses, choices in all their forms, and what the checks say about a declaration."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from covet import timezone
from covet.conf import override
from covet.db.models import fields
from covet.db.models.choices import Choices, IntegerChoices, TextChoices
from covet.db.models.expressions import F
from covet.exceptions import ValidationError


class Status(TextChoices):
    DRAFT = "d", "Draft"
    PUBLISHED = "p"
    __empty__ = "(none)"


class Size(IntegerChoices):
    SMALL = 1
    VERY_LARGE = 10, "Huge"


def named(field: Any, name: str = "thing") -> Any:
    field.set_attributes_from_name(name)
    return field


@pytest.mark.row("fields.choices")
def test_members_have_values_labels_and_names() -> None:
    assert Status.choices == [(None, "(none)"), ("d", "Draft"), ("p", "Published")]
    assert Status.labels == ["(none)", "Draft", "Published"]
    assert Status.values == [None, "d", "p"]
    assert Status.names == ["__empty__", "DRAFT", "PUBLISHED"]
    assert str(Status.DRAFT) == "d"
    assert Status.DRAFT == "d"
    assert Status.DRAFT.label == "Draft"
    assert Size.VERY_LARGE.label == "Huge"
    assert Size.choices == [(1, "Small"), (10, "Huge")]
    assert "d" in Status
    assert "x" not in Status


def test_the_functional_form_and_members_without_values() -> None:
    Medal = TextChoices("Medal", "GOLD SILVER")
    assert Medal.choices == [("GOLD", "Gold"), ("SILVER", "Silver")]


def test_two_members_with_one_value_are_refused() -> None:
    with pytest.raises(ValueError, match="duplicate"):

        class Twice(TextChoices):
            A = "a"
            B = "a"


def test_other_types_mix_in() -> None:
    class Day(dt.date, Choices):
        MOON = 1969, 7, 20, "Moon landing"

    assert Day.choices == [(dt.date(1969, 7, 20), "Moon landing")]


@pytest.mark.parametrize(
    "choices",
    [
        [("d", "Draft"), ("p", "Published")],
        {"d": "Draft", "p": "Published"},
        {"Open": {"d": "Draft"}, "Done": [("p", "Published")]},
        [("Open", [("d", "Draft")]), ("p", "Published")],
        lambda: [("d", "Draft"), ("p", "Published")],
        lambda: {"d": "Draft", "p": "Published"},
    ],
)
@pytest.mark.row("fields.choices")
def test_choices_come_in_several_forms(choices: Any) -> None:
    field = named(fields.CharField(max_length=1, choices=choices))
    assert field.flatchoices == [("d", "Draft"), ("p", "Published")]
    assert field.clean("d", None) == "d"
    with pytest.raises(ValidationError) as caught:
        field.clean("x", None)
    assert caught.value.code == "invalid_choice"
    assert "'x'" in str(caught.value)


@pytest.mark.row("fields.choices")
def test_a_function_of_choices_is_not_called_before_it_is_needed() -> None:
    calls: list[int] = []

    def choices() -> list[tuple[int, str]]:
        calls.append(1)
        return [(1, "one")]

    field = named(fields.IntegerField(choices=choices))
    assert field.deconstruct()[3]["choices"] is choices
    assert not calls
    assert field.choices == [(1, "one")]


@pytest.mark.row("fields.choices")
def test_members_are_written_as_plain_values() -> None:
    written = fields.CharField(max_length=1, choices=Status).deconstruct()[3]["choices"]
    assert written == [(None, "(none)"), ("d", "Draft"), ("p", "Published")]
    assert type(written[1][0]) is str


def test_null_and_blank_have_codes_of_their_own() -> None:
    with pytest.raises(ValidationError) as caught:
        named(fields.CharField(max_length=1)).clean(None, None)
    assert caught.value.code == "null"
    with pytest.raises(ValidationError) as caught:
        named(fields.CharField(max_length=1)).clean("", None)
    assert caught.value.code == "blank"
    assert named(fields.CharField(max_length=1, blank=True)).clean("", None) == ""


@pytest.mark.row("fields.options")
def test_all_validators_run_and_all_errors_are_kept() -> None:
    def no(value: Any) -> None:
        raise ValidationError("No.", code="no")

    field = named(fields.CharField(max_length=2, validators=[no]))
    with pytest.raises(ValidationError) as caught:
        field.clean("abc", None)
    assert {error.code for error in caught.value.error_list} == {"no", "max_length"}


@pytest.mark.row("fields.options")
def test_own_messages_replace_those_of_validators() -> None:
    field = named(fields.CharField(max_length=2, error_messages={"max_length": "Too long."}))
    with pytest.raises(ValidationError, match=r"^Too long\.$"):
        field.clean("abc", None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (fields.EmailField(), "nobody"),
        (fields.URLField(), "example"),
        (fields.SlugField(), "two words"),
        (fields.PositiveIntegerField(), -1),
        (fields.SmallIntegerField(), 2**15),
        (fields.IntegerField(), 2**31),
        (fields.DecimalField(max_digits=3, decimal_places=1), "12.34"),
        (fields.JSONField(), object()),
    ],
)
def test_each_kind_has_its_rule(field: Any, value: Any) -> None:
    with pytest.raises(ValidationError):
        named(field).clean(value, None)


def test_unicode_slugs_are_allowed_when_asked_for() -> None:
    assert named(fields.SlugField(allow_unicode=True)).clean("straße", None) == "straße"
    with pytest.raises(ValidationError):
        named(fields.SlugField()).clean("straße", None)


def test_a_naive_datetime_warns_and_is_taken_in_the_current_zone() -> None:
    field = named(fields.DateTimeField(), "when")
    with pytest.warns(RuntimeWarning, match="when received a naive datetime"):
        found = field.get_prep_value(dt.datetime(2024, 5, 1, 12))
    assert found.tzinfo is not None
    with override(USE_TZ=False):
        assert field.get_prep_value(dt.datetime(2024, 5, 1, 12)).tzinfo is None


def test_auto_now_sets_the_value_on_the_instance() -> None:
    class Row:
        when: Any = None

    row: Any = Row()
    field = named(fields.DateTimeField(auto_now_add=True), "when")
    assert field.pre_save(row, add=False) is None
    before = timezone.now()
    assert before <= field.pre_save(row, add=True) <= timezone.now()
    assert row.when is not None


def test_defaults_are_made_for_each_instance() -> None:
    field = fields.JSONField(default=list)
    assert field.get_default() == []
    assert field.get_default() is not field.get_default()
    assert fields.CharField(max_length=1).get_default() == ""
    assert fields.CharField(max_length=1, null=True).get_default() is None
    assert fields.IntegerField().get_default() is None
    assert fields.BinaryField().get_default() == b""
    assert repr(fields.IntegerField(db_default=3).get_default()) == "<database default>"


def ids(field: Any) -> set[str]:
    return {message.id for message in field.check()}


@pytest.mark.parametrize(
    ("field", "id"),
    [
        (named(fields.CharField()), "fields.E120"),
        (named(fields.CharField(max_length=-1)), "fields.E121"),
        (named(fields.CharField(max_length=True)), "fields.E121"),
        (named(fields.CharField(max_length=3), "name_"), "fields.E001"),
        (named(fields.CharField(max_length=3), "a__b"), "fields.E002"),
        (named(fields.CharField(max_length=3), "pk"), "fields.E003"),
        (named(fields.CharField(max_length=3, choices=["a"])), "fields.E005"),
        (named(fields.CharField(max_length=3, choices=5)), "fields.E004"),
        (named(fields.CharField(max_length=3, choices=[("long", "x")])), "fields.E009"),
        (named(fields.IntegerField(db_index=None)), "fields.E006"),
        (named(fields.IntegerField(primary_key=True, null=True)), "fields.E007"),
        (named(fields.IntegerField(validators=[3])), "fields.E008"),
        (named(fields.IntegerField(max_length=3)), "fields.W122"),
        (named(fields.IntegerField(db_default=F("other"))), "fields.E012"),
        (named(fields.DecimalField(max_digits=3)), "fields.E130"),
        (named(fields.DecimalField(decimal_places=3)), "fields.E132"),
        (named(fields.DecimalField(max_digits=1, decimal_places=2)), "fields.E134"),
        (named(fields.DecimalField(max_digits=1, decimal_places=-2)), "fields.E131"),
        (named(fields.DateField(auto_now=True, auto_now_add=True)), "fields.E160"),
        (named(fields.DateTimeField(default=timezone.now())), "fields.W161"),
        (named(fields.JSONField(default={})), "fields.E010"),
        (named(fields.BinaryField(default="x")), "fields.E170"),
        (named(fields.BinaryField(default=1.5)), "fields.E170"),
        (named(fields.BinaryField(default=5)), "fields.E014"),
        (named(fields.IntegerField(default="many")), "fields.E014"),
        (named(fields.DateField(default="2026-02-30")), "fields.E014"),
        (named(fields.GenericIPAddressField(blank=True)), "fields.E150"),
        (named(fields.BigAutoField()), "fields.E100"),
    ],
)
@pytest.mark.row("fields.names", "checks.models")
def test_a_wrong_declaration_is_named_by_the_checks(field: Any, id: str) -> None:
    assert id in ids(field)
    assert all(message.msg for message in field.check())


def test_the_missing_length_says_what_to_write() -> None:
    (found,) = named(fields.CharField()).check()
    assert found.msg == "CharField needs the option 'max_length'."
    assert "CharField(max_length=100)" in found.hint


class Pair(fields.CharField):
    """A field of a project's own, which reads fewer texts than it is given."""

    def to_python(self, value: Any) -> Any:
        first, second = value.split(",")
        return first, second


def test_right_declarations_have_nothing_to_say() -> None:
    for field in (
        Pair(max_length=3, default="no pair"),
        fields.CharField(max_length=3, choices=[("a", "A")]),
        fields.DecimalField(max_digits=3, decimal_places=1),
        fields.DateTimeField(default=timezone.now),
        fields.JSONField(default=dict),
        fields.JSONField(default="text"),
        fields.IntegerField(default="5"),
        fields.DecimalField(max_digits=3, decimal_places=1, default="1.5"),
        fields.BinaryField(default=b"x"),
        fields.BinaryField(default=bytes),
        fields.BinaryField(null=True, default=None),
        fields.FileField(default="none.png"),
        fields.BigAutoField(primary_key=True),
    ):
        assert named(field).check() == []


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: fields.GenericIPAddressField(protocol="v5"), "protocol"),
        (lambda: fields.GenericIPAddressField(protocol="IPv4", unpack_ipv4=True), "unpack_ipv4"),
        (
            lambda: fields.GeneratedField(expression=F("a"), output_field=fields.IntegerField(), db_persist=None),
            "db_persist",
        ),
        (
            lambda: fields.GeneratedField(
                expression=F("a"), output_field=fields.IntegerField(), db_persist=True, default=3
            ),
            "default",
        ),
        (
            lambda: fields.GeneratedField(expression=3, output_field=fields.IntegerField(), db_persist=True),
            "expression",
        ),
    ],
)
def test_impossible_options_raise_at_once(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        (fields.CharField(max_length=50), "a text"),
        (fields.IntegerField(), "a whole number"),
        (fields.FloatField(), "a number"),
    ],
)
@pytest.mark.parametrize("convert", ["get_prep_value", "to_python"])
async def test_a_call_without_await_is_no_value(field: Any, wanted: str, convert: str) -> None:
    """The text of a coroutine would be stored as any other."""

    async def make_password() -> str:
        return "secret"

    given = make_password()
    try:
        with pytest.raises((TypeError, ValidationError)) as caught:
            getattr(named(field), convert)(given)
    finally:
        given.close()

    if convert == "get_prep_value":
        assert str(caught.value).startswith(f"Field 'thing' expects {wanted}, not the coroutine of ")
        assert str(caught.value).endswith("make_password(): write 'await' before the call.")
