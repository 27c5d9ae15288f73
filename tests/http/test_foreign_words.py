"""Errors that an ``await`` too few or too many makes say so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

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


def test_other_errors_are_left_alone() -> None:
    for error in (ValueError("'coroutine' object"), TypeError("'int' object is not iterable")):
        explain(error)
        assert not hasattr(error, "__notes__")
