"""A site with users and sessions, migrated, on each database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.conftest import Scratch

SITE: dict[str, Any] = {
    "INSTALLED_APPS": ["covet.contenttypes", "covet.auth", "covet.sessions", "tests._apps.members"],
    "MIDDLEWARE": [
        "covet.sessions.middleware.SessionMiddleware",
        "covet.middleware.csrf.CsrfMiddleware",
        "covet.auth.middleware.AuthenticationMiddleware",
    ],
    "ROOT_URLCONF": "tests._apps.members.urls",
    "ALLOWED_HOSTS": ["testserver"],
}


@pytest.fixture
async def site(vendor: str, scratch: Scratch) -> AsyncIterator[str]:
    """The site's database is the vendor's; its tables are those that ``migrate`` makes."""
    from covet.apps.lifecycle import setup, started
    from covet.conf import override
    from covet.db import connections
    from covet.db.migrations.execute import migrate_all

    async with override(DATABASES={"default": await scratch(vendor)}, **SITE):
        setup()
        async with started():
            await migrate_all(connections["default"])
            yield vendor
            await connections["default"].close()


@pytest.fixture
async def browser(site: str) -> AsyncIterator[Any]:
    """A client of the site."""
    from covet.asgi import get_asgi_application
    from covet.test.client import AsyncClient

    async with AsyncClient(get_asgi_application()) as client:
        yield client
