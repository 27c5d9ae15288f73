"""A site with content types and a small app, migrated, on each database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.conftest import Scratch


@pytest.fixture
async def site(vendor: str, scratch: Scratch) -> AsyncIterator[Any]:
    """The ``default`` database of the site, with all its tables."""
    from covet.apps.lifecycle import setup, started
    from covet.conf import override
    from covet.conf.service_url import parse_database
    from covet.db import connections
    from covet.db.database import Database
    from covet.db.migrations.execute import migrate_all

    url = await scratch(vendor)
    installed = ["covet.contenttypes", "tests._apps.shelf"]
    database = Database("default", parse_database(url))
    async with override(DATABASES={"default": url}, INSTALLED_APPS=installed):
        with connections.using({"default": database}):
            setup()
            async with started():
                await migrate_all(database)
                yield database
                await database.close()
