"""The tables of the shared test apps, on each of the three databases in turn."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from covet.db.database import Database
    from tests.conftest import Scratch

# Models read settings when they are defined, and this file is loaded before those are made: so imports come late.


async def create_tables(database: Database, models: Iterable[Any]) -> None:
    """Create the tables of these models."""
    from covet.db.models.table import table_of

    async with database.schema_editor() as editor:
        for model in models:
            await editor.create_table(table_of(model))


@pytest.fixture
async def blog(database: Database) -> AsyncIterator[Database]:
    """The database with the tables of the blog."""
    from tests._apps.blog.models import MODELS

    await create_tables(database, MODELS)
    yield database


@pytest.fixture
async def tree(database: Database) -> AsyncIterator[Database]:
    """The database with the tables of the tree app."""
    from tests._apps.tree.models import MODELS

    await create_tables(database, MODELS)
    yield database


@pytest.fixture
async def three(scratch: Scratch) -> AsyncIterator[tuple[Database, ...]]:
    """SQLite as ``default`` beside ``postgresql`` and ``mysql``, all three at once, with the tables of the blog."""
    from covet.conf import override
    from covet.db import connections
    from tests._apps.blog.models import MODELS

    urls = {
        "default": await scratch("sqlite"),
        "postgresql": await scratch("postgresql"),
        "mysql": await scratch("mysql"),
    }
    with override(DATABASES=urls):
        databases = tuple(connections[alias] for alias in urls)
        for database in databases:
            await create_tables(database, MODELS)
        yield databases
        for database in databases:
            await database.close()
