"""The site of a test, on both ways of a request; and a library on each of the three databases behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.handlers.sites import site

if TYPE_CHECKING:
    from tests.conftest import Scratch

__all__ = ["site"]


class Known:
    """A user as ``request.user`` promises it: it answers once it is awaited."""

    is_authenticated = True
    is_staff = False

    def __init__(self, *perms: str) -> None:
        self.perms = frozenset(perms)

    def __await__(self) -> Any:
        yield from ()
        return self

    async def has_perm(self, name: str) -> bool:
        return name in self.perms


class Unknown(Known):
    is_authenticated = False


def UserFromHeader(get_response: Any) -> Any:
    """Middleware: the header ``X-User`` names the permissions of who asks; without it nobody is logged in."""

    async def middleware(request: Any) -> Any:
        header = request.headers.get("x-user")
        request.user = Unknown() if header is None else Known(*header.split())
        return await get_response(request)

    return middleware


KNOWN = {"X-User": "-"}


@pytest.fixture
async def library(vendor: str, scratch: Scratch, site: Any) -> AsyncIterator[Callable[..., Any]]:
    """``client = await library(api)``: a site of this router, on an empty library in each database."""
    from covet.conf.service_url import parse_database
    from covet.db import connections
    from covet.db.database import Database
    from covet.db.models.table import table_of
    from covet.urls import include, path
    from tests.rest.library import MODELS

    url = await scratch(vendor)
    database = Database("default", parse_database(url))
    async with database.schema_editor() as editor:
        for model in MODELS:
            await editor.create_table(table_of(model))
    await database.close()

    async def build(*routers: Any, atomic_requests: bool = False, **settings: Any) -> Any:
        settings.setdefault("middleware", ["tests.rest.conftest.UserFromHeader"])
        default = {"url": url, "atomic_requests": atomic_requests}
        patterns = [path("api/", include(router)) for router in routers]
        return await site(patterns, DATABASES={"default": default}, **settings)

    yield build
    # The site's settings hold until the site goes, after this; so do their databases.
    await connections.close_all()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each way of a request meets a server's database once, and SQLite twice: six pairs would say no more than four."""
    left_out = {("postgresql", "protocol"), ("mysql", "asgi")}

    def pair(item: pytest.Item) -> tuple[Any, Any]:
        params = getattr(getattr(item, "callspec", None), "params", {})
        return params.get("vendor"), params.get("site")

    here = str(Path(__file__).parent)
    items[:] = [item for item in items if not (str(item.path).startswith(here) and pair(item) in left_out)]
