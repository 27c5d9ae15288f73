"""Migrations of vectors: the extension, columns, indexes, other dimensions, and what inspectdb makes of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from covet.conf import override
from covet.conf.service_url import parse_database
from covet.db import connections, models
from covet.db.database import Database
from covet.db.migrations.autodetect import detect
from covet.db.migrations.errors import MigrationFailed
from covet.db.migrations.graph import MigrationGraph
from covet.db.migrations.inspect import models_source, read_tables
from covet.db.migrations.migration import Migration
from covet.db.migrations.model_state import ModelState
from covet.db.migrations.operations import AddField, AddIndex, AlterField, CreateModel, RemoveIndex
from covet.db.migrations.questioner import Answers
from covet.db.migrations.state import ProjectState
from covet.db.migrations.write import migration_source
from covet.postgres.fields import VectorField
from covet.postgres.indexes import HnswIndex, IvfflatIndex, OpClass
from covet.postgres.operations import AddIndexConcurrently, VectorExtension

if TYPE_CHECKING:
    from tests.conftest import Scratch

pytestmark = pytest.mark.row("postgres.vector_migrations", on="postgresql")

HNSW = HnswIndex(fields=["embedding"], name="nearest", opclasses=["vector_l2_ops"], m=8, ef_construction=32)
IVFFLAT = IvfflatIndex(OpClass("embedding", "vector_cosine_ops"), name="by_angle", lists=4)


@pytest.fixture
async def pg(scratch: Scratch) -> AsyncIterator[Database]:
    url = await scratch("pgvector")
    opened = Database("default", parse_database(url))
    with override(DATABASES={"default": url}), connections.using({"default": opened}):
        yield opened
        await opened.close()


async def run(db: Database, state: ProjectState, *operations: Any, atomic: bool = True) -> ProjectState:
    migration = Migration.build("0001", "shop", operations)
    migration.atomic = atomic
    async with db.schema_editor(atomic=atomic) as editor:
        return await migration.apply(state, editor)


def create(**fields: Any) -> CreateModel:
    return CreateModel("Item", [("id", models.BigAutoField(primary_key=True)), *fields.items()])


async def test_the_extension_comes_with_the_table_and_goes_again(pg: Database) -> None:
    migration = Migration.build("0001", "shop", [VectorExtension(), create(embedding=VectorField(dimensions=3))])
    async with pg.schema_editor() as editor:
        state = await migration.apply(ProjectState({}), editor)
    item = state.apps.get_model("shop", "Item")
    await item.objects.create(embedding=[1, 2, 3])
    assert await item.objects.values_list("embedding", flat=True) == [[1.0, 2.0, 3.0]]
    async with pg.schema_editor() as editor:
        await migration.unapply(ProjectState({}), editor)
    assert await pg.fetch("SELECT 1 FROM pg_extension WHERE extname = 'vector'", ()) == []

    # Made anew, the type is another one to the server; the connections find it.
    async with pg.schema_editor() as editor:
        await migration.apply(ProjectState({}), editor)
    await item.objects.create(embedding=[4, 5, 6])
    assert await item.objects.values_list("embedding", flat=True) == [[4.0, 5.0, 6.0]]


async def test_columns_and_indexes_are_made_and_told(pg: Database) -> None:
    state = await run(pg, ProjectState({}), VectorExtension(), create())
    state = await run(pg, state, AddField("Item", "embedding", VectorField(dimensions=2, default=lambda: [0.5, 1])))
    state = await run(pg, state, AddIndex("Item", HNSW))
    state = await run(pg, state, AddIndexConcurrently("Item", IVFFLAT), atomic=False)
    indexes = dict(await pg.fetch("SELECT indexname::text, indexdef FROM pg_indexes WHERE tablename = 'shop_item'", ()))
    assert indexes["nearest"].endswith("USING hnsw (embedding vector_l2_ops) WITH (m='8', ef_construction='32')")
    assert indexes["by_angle"].endswith("USING ivfflat (embedding vector_cosine_ops) WITH (lists='4')")

    tables, _missing = await read_tables(pg)
    source = models_source(tables, "postgresql")
    assert "    embedding = VectorField(dimensions=2)" in source
    assert "from covet.postgres.fields import VectorField" in source
    assert "Index nearest is a hnsw index; write it by hand." in source

    await run(pg, state, RemoveIndex("Item", "nearest"))
    left = await pg.fetch("SELECT indexname::text FROM pg_indexes WHERE tablename = 'shop_item'", ())
    assert sorted(row[0] for row in left) == ["by_angle", "shop_item_pkey"]


async def test_other_dimensions_change_the_column(pg: Database) -> None:
    state = await run(
        pg,
        ProjectState({}),
        VectorExtension(),
        create(embedding=VectorField(dimensions=2), free=VectorField(null=True)),
    )
    wider = AlterField("Item", "embedding", VectorField(dimensions=3))
    state = await run(pg, state, wider)
    item = state.apps.get_model("shop", "Item")
    await item.objects.create(embedding=[1, 2, 3])
    (column,) = [one for one in await pg.introspection.columns("shop_item") if one.name == "embedding"]
    assert column.type == "vector(3)"
    # Vectors of other dimensions that are there are not cut off.
    with pytest.raises(MigrationFailed, match="Expected 4 dimensions, not 3"):
        await run(pg, state, AlterField("Item", "embedding", VectorField(dimensions=4)))
    state = await run(pg, state, AlterField("Item", "embedding", VectorField()))
    await state.apps.get_model("shop", "Item").objects.create(embedding=[1])
    tables, _missing = await read_tables(pg)
    source = models_source(tables, "postgresql")
    assert "    embedding = VectorField()\n" in source
    assert "    free = VectorField(blank=True, null=True)\n" in source


def of_items(dimensions: int, *indexes: Any) -> ProjectState:
    state = ProjectState({})
    fields: Any = {"id": models.BigAutoField(primary_key=True), "embedding": VectorField(dimensions=dimensions)}
    state.add_model(ModelState("shop", "Item", fields, {"indexes": list(indexes)}, None))
    return state


def test_what_was_written_is_found_unchanged_and_a_change_is_found() -> None:
    wanted = of_items(3, HNSW, IVFFLAT)
    (migration,) = detect(ProjectState({}), wanted, MigrationGraph(), Answers()).migrations["shop"]
    migration.operations.insert(0, VectorExtension())
    source = migration_source(migration)
    assert "covet.postgres.fields.VectorField(dimensions=3)" in source
    assert "covet.postgres.operations.VectorExtension()" in source
    names: dict[str, Any] = {}
    exec(source, names)  # our own text
    written = names["Migration"]("0001", "shop")
    assert written.operations == migration.operations
    state = written.mutate_state(ProjectState({}))
    assert detect(state, wanted, MigrationGraph(), Answers()).migrations == {}

    other = HnswIndex(fields=["embedding"], name="nearest", opclasses=["vector_l2_ops"], m=16)
    (changed,) = detect(state, of_items(4, other, IVFFLAT), MigrationGraph(), Answers()).migrations["shop"]
    assert sorted(operation.describe().lower() for operation in changed.operations) == [
        "alter field embedding on item",
        "create index nearest on item (embedding)",
        "remove index nearest from item",
    ]


async def test_sqlmigrate_tells_the_statements(pg: Database) -> None:
    steps = [VectorExtension(), create(embedding=VectorField(dimensions=3)), AddIndex("Item", HNSW)]
    async with pg.schema_editor(collect=True) as editor:
        await Migration.build("0001", "shop", steps).apply(ProjectState({}), editor)
    extension, table, index = editor.collected_sql
    assert extension == 'CREATE EXTENSION IF NOT EXISTS "vector";'
    assert '"embedding" vector(3) NOT NULL' in table
    assert index == (
        'CREATE INDEX "nearest" ON "shop_item" USING hnsw ("embedding" vector_l2_ops) WITH (m = 8, ef_construction = 32);'
    )
    assert VectorExtension().describe() == "Create extension vector"


def test_indexes_are_told_apart_by_what_they_are_given() -> None:
    path, args, kwargs = HNSW.deconstruct()
    assert (path, args) == ("covet.postgres.indexes.HnswIndex", ())
    assert kwargs == {
        "name": "nearest",
        "fields": ["embedding"],
        "opclasses": ("vector_l2_ops",),
        "m": 8,
        "ef_construction": 32,
    }
    assert HNSW.clone() == HNSW and IVFFLAT.clone() == IVFFLAT
    assert HnswIndex(fields=["embedding"], name="nearest", opclasses=["vector_l2_ops"]) != HNSW
    assert IVFFLAT.parameters() == ("lists = 4",)
    assert IvfflatIndex(fields=["embedding"]).parameters() == ()
