"""A migration that needs an extension which is not installed says which operation installs it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

import covet.postgres.operations
from covet.conf import override
from covet.conf.service_url import parse_database
from covet.db import connections, models
from covet.db.database import Database
from covet.db.migrations.errors import MigrationFailed
from covet.db.migrations.extensions import _OPERATIONS, extension_hint
from covet.db.migrations.migration import Migration
from covet.db.migrations.operations import AddConstraint, AddIndex, CreateModel, RunSQL
from covet.db.migrations.state import ProjectState
from covet.postgres.constraints import ExclusionConstraint
from covet.postgres.fields import HStoreField, IntegerRangeField, VectorField
from covet.postgres.indexes import BloomIndex, GinIndex, OpClass
from covet.postgres.operations import CreateExtension

if TYPE_CHECKING:
    from tests.conftest import Scratch

pytestmark = pytest.mark.row("postgres.operations", on="postgresql")


@pytest.fixture
async def pg(scratch: Scratch) -> AsyncIterator[Database]:
    url = await scratch("postgresql")
    opened = Database("default", parse_database(url))
    with override(DATABASES={"default": url}), connections.using({"default": opened}):
        for name in ("hstore", "pg_trgm", "unaccent", "btree_gin", "btree_gist", "bloom", "pgcrypto"):
            await opened.execute(f"DROP EXTENSION IF EXISTS {name} CASCADE")
        yield opened
        await opened.close()


async def run(db: Database, *operations: Any) -> None:
    async with db.schema_editor() as editor:
        await Migration.build("0001", "shop", operations).apply(ProjectState({}), editor)


def create(**fields: Any) -> CreateModel:
    return CreateModel("Item", [("id", models.BigAutoField(primary_key=True)), *fields.items()])


NAMED = create(name=models.CharField(max_length=20), number=models.IntegerField(), span=IntegerRangeField(null=True))
BY_TRIGRAM = GinIndex(OpClass("name", "gin_trgm_ops"), name="by_trigram")
CASES = {
    "hstore": ("HStoreExtension()", [create(data=HStoreField())]),
    "vector": ("VectorExtension()", [create(place=VectorField(dimensions=3))]),
    "trigram": ("TrigramExtension()", [NAMED, AddIndex("Item", BY_TRIGRAM)]),
    "gin": ("BtreeGinExtension()", [NAMED, AddIndex("Item", GinIndex(fields=["number"], name="by_number"))]),
    "gist": (
        "BtreeGistExtension()",
        [
            NAMED,
            AddConstraint("Item", ExclusionConstraint(name="apart", expressions=[("span", "&&"), ("number", "=")])),
        ],
    ),
    "bloom": ("BloomExtension()", [NAMED, AddIndex("Item", BloomIndex(fields=["number"], name="bloomed"))]),
    "function": ("CryptoExtension()", [RunSQL("SELECT gen_salt('md5')")]),
    "unaccent": ("UnaccentExtension()", [RunSQL("SELECT unaccent('x')")]),
    "any": ('CreateExtension("ltree")', [RunSQL("CREATE TABLE paths (path ltree)")]),
}


@pytest.mark.parametrize("case", CASES)
async def test_the_operation_that_is_missing_is_named(pg: Database, case: str) -> None:
    operation, operations = CASES[case]
    with pytest.raises(MigrationFailed) as caught:
        await run(pg, *operations)
    text = str(caught.value)
    assert f"is not installed in the database: add {operation} of covet.postgres.operations before it." in text
    assert text.endswith("Nothing of it was kept.")


async def test_with_the_extension_before_it_the_same_is_made(pg: Database) -> None:
    await run(pg, CreateExtension("pg_trgm"), NAMED, AddIndex("Item", BY_TRIGRAM))
    assert await pg.fetch("SELECT 1 FROM pg_indexes WHERE indexname = 'by_trigram'", ()) == [(1,)]


async def test_an_extension_that_the_server_has_not_is_no_matter_of_the_migration(pg: Database) -> None:
    with pytest.raises(MigrationFailed, match="The server has no such extension"):
        await run(pg, CreateExtension("nowhere_at_all"))


def test_what_is_told_is_there_and_nothing_is_told_of_other_errors() -> None:
    for operation in _OPERATIONS.values():
        assert hasattr(covet.postgres.operations, operation.removesuffix("()"))
    assert 'superuser run CREATE EXTENSION "hstore"' in extension_hint('permission denied to create extension "hstore"')
    for other in (
        'type "colour" does not exist',
        'operator class "my_ops" does not exist for access method "gin"',
        'access method "mine" does not exist',
        "function mine(text) does not exist",
        'relation "shop_item" already exists',
    ):
        assert extension_hint(other) == "", other
