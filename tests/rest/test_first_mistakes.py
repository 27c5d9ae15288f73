"""Mistakes that nothing would have told of: a marker that was not called, a decorator that requests never pass."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, Any

import pytest

from covet.exceptions import ImproperlyConfigured
from covet.rest import Depends, Header, Query, Router
from covet.rest.part import RestPart
from covet.urls import include, path

api = Router()


def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def guard(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("not in use")

    return guard


@guarded
@api.get("/above")
async def above() -> str:
    return "reached"


@guarded
@guarded
@api.get("/twice")
async def twice() -> str:
    return "reached"


@api.get("/below")
@guarded
async def below() -> str:
    return "not reached"


@api.get("/plain")
async def plain() -> str:
    return "reached"


@api.get("/first")
async def renamed() -> str:
    return "first"


@api.get("/second")
async def renamed() -> str:  # type: ignore[no-redef]  # noqa: F811
    return "second"


async def test_check_finds_a_decorator_above_the_routers(site: Any) -> None:
    """Requests never pass it, so it must not look as if it guarded anything."""
    client = await site([path("", include(api))], installed=["covet.rest"])

    found = [one for one in client.application.apps.part(RestPart).check(None) if one.id == "rest.E002"]

    assert [one.obj for one in found] == ["/above", "/twice"]
    assert found[0].msg == (
        "A decorator stands above the router's at tests.rest.test_first_mistakes.above, where requests do not pass it."
    )


async def find() -> int:
    return 3


@pytest.mark.parametrize(
    ("annotation", "default", "said"),
    [
        (Annotated[int, Depends], ..., r"the argument 'given' names Depends without calling it. Write Depends\(\)"),
        (Annotated[str, Header], ..., r"names Header without calling it. Write Header\(\)"),
        (str, Query, r"names Query without calling it. Write Query\(\)"),
    ],
    ids=["depends", "header", "default"],
)
async def test_a_marker_that_was_not_called_is_refused(site: Any, annotation: Any, default: Any, said: str) -> None:
    async def read(given: Any) -> None: ...

    async def read_default(given: Any = default) -> None: ...

    handler = read if default is ... else read_default
    handler.__annotations__["given"] = annotation
    mine = Router()
    mine.get("/x")(handler)

    with pytest.raises(ImproperlyConfigured, match=said):
        await site([path("", include(mine))])


async def test_a_dependency_that_was_called_is_refused(site: Any) -> None:
    mine = Router()
    mine.get("/x", dependencies=[Depends(find())])(plain)

    with pytest.raises(ImproperlyConfigured, match=r"Depends\(\) takes the function itself. Write Depends\(find\)"):
        await site([path("", include(mine))])
