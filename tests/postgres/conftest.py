"""A PostgreSQL database with the extensions and the tables of the models below."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from covet.db.database import Database
    from tests.conftest import Scratch

EXTENSIONS = ("hstore", "pg_trgm", "unaccent", "btree_gist", "bloom")


@pytest.fixture(scope="module")
async def server(scratch: Scratch) -> AsyncIterator[Database]:
    """The ``default`` alias on PostgreSQL, with the extensions and the tables, for all tests of a module."""
    from covet.conf import override
    from covet.conf.service_url import parse_database
    from covet.db import connections
    from covet.db.database import Database
    from covet.db.models.table import table_of
    from tests.postgres.models import MODELS

    url = await scratch("postgresql")
    opened = Database("default", parse_database(url))
    with override(DATABASES={"default": url}), connections.using({"default": opened}):
        for name in EXTENSIONS:
            await opened.execute(f"CREATE EXTENSION IF NOT EXISTS {name}")
        async with opened.schema_editor() as editor:
            for model in MODELS:
                await editor.create_table(table_of(model))
        yield opened
        await opened.close()


@pytest.fixture
async def pg(server: Database) -> AsyncIterator[Database]:
    """The database of the module, with empty tables."""
    from tests.postgres.models import MODELS

    await server.truncate([model._meta.db_table for model in MODELS])
    yield server
