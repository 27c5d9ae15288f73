"""Errors that an ``await`` too few or too many makes say so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from covet.http import HTMLResponse
from covet.http.foreign import explain


class Shelf:
    async def find(self) -> str:
        return "book"


async def _attribute(call: Any) -> Any:
    return call.title


async def _item(call: Any) -> Any:
    return call["title"]


async def _loop(call: Any) -> Any:
    return [one for one in call]


async def _length(call: Any) -> Any:
    return len(call)


@pytest.mark.parametrize(
    ("use", "said"),
    [
        (_attribute, "Shelf.find() was not awaited: write await before it."),
        (_item, "A call was not awaited: write await before it."),
        (_loop, "A call was not awaited: write await before it."),
        (_length, "A call was not awaited: write await before it."),
    ],
    ids=["attribute", "item", "loop", "length"],
)
async def test_what_was_used_before_it_was_awaited_is_told(use: Callable[[Any], Any], said: str) -> None:
    call = Shelf().find()
    with pytest.raises((AttributeError, TypeError)) as caught:
        await use(call)
    call.close()

    explain(caught.value)
    explain(caught.value)

    assert caught.value.__notes__ == [said]


async def test_an_await_too_many_is_told() -> None:
    value: Any = "text"
    with pytest.raises(TypeError) as caught:
        await value

    explain(caught.value)

    assert caught.value.__notes__ == ["What stands behind await is a value already: take the await away."]


def test_brackets_behind_a_property_are_told() -> None:
    value: Any = True
    with pytest.raises(TypeError) as caught:
        value()

    explain(caught.value)

    assert caught.value.__notes__ == ["What Django has as a method may be a property here: take the brackets away."]


def test_a_header_that_is_set_as_in_django_is_told() -> None:
    response: Any = HTMLResponse("x")
    with pytest.raises(TypeError) as caught:
        response["X-Name"] = "value"

    explain(caught.value)

    assert caught.value.__notes__ == ["Write response.headers['X-Name'] = value."]


def test_an_argument_by_another_name_is_told() -> None:
    response: Any = HTMLResponse("x")
    with pytest.raises(TypeError) as caught:
        response.set_cookie("name", "value", http_only=True)

    explain(caught.value)

    assert caught.value.__notes__ == ["Response has no 'http_only' here: write httponly=…."]


def test_an_import_inside_a_view_is_told() -> None:
    with pytest.raises(ImportError) as caught:
        from covet.core.paginator import Paginator  # type: ignore[import-not-found]  # noqa: F401

    explain(caught.value)

    assert len(caught.value.__notes__) == 1
    assert "covet.paginator" in caught.value.__notes__[0]


def test_an_import_of_which_nothing_is_known_is_left_alone() -> None:
    with pytest.raises(ImportError) as caught:
        import nothing_of_that_name  # type: ignore[import-not-found]  # noqa: F401

    explain(caught.value)

    assert not hasattr(caught.value, "__notes__")


def test_other_errors_are_left_alone() -> None:
    for error in (ValueError("'coroutine' object"), TypeError("'int' object is not iterable")):
        explain(error)
        assert not hasattr(error, "__notes__")
