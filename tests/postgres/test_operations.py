"""PostgreSQL's operations of migrations: forwards, backwards, written down, on other databases, and after a failed try."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from covet.db import models
from covet.db.errors import CheckViolation, ExclusionViolation, NotNullViolation, UniqueViolation
from covet.db.migrations.errors import Irreversible, MigrationError, MigrationFailed, StateError
from covet.db.migrations.migration import Migration
from covet.db.migrations.model_state import ModelState
from covet.db.migrations.operations import AddField, AddIndex, CreateModel, RemoveConstraint, RenameField
from covet.db.migrations.state import ProjectState
from covet.db.migrations.write import migration_source
from covet.db.models import F, Index, Q
from covet.db.models.functions import Upper
from covet.postgres.constraints import ExclusionConstraint
from covet.postgres.fields import ArrayField, DateTimeRangeField, EnumField, HStoreField, IntegerRangeField, Range
from covet.postgres.indexes import GinIndex, OpClass
from covet.postgres.operations import (
    AddConstraintNotValid,
    AddEnumValue,
    AddForeignKeyNotValid,
    AddIndexConcurrently,
    BackfillBatches,
    BtreeGistExtension,
    CreateCollation,
    CreateEnum,
    CreateExtension,
    DropEnum,
    HStoreExtension,
    RemoveCollation,
    RemoveIndexConcurrently,
    RenameEnumValue,
    SetNotNullSafely,
    TrigramExtension,
    ValidateConstraint,
    ValidateForeignKey,
)

if TYPE_CHECKING:
    from covet.db.database import Database
    from covet.db.migrations.operations.base import Operation

only_postgresql = pytest.mark.vendors("postgresql")
row = pytest.mark.row("postgres.operations", on="postgresql")


def start(**fields: Any) -> ProjectState:
    state = ProjectState({})
    state.add_model(ModelState("shop", "Item", {"id": models.BigAutoField(primary_key=True), **fields}, {}, None))
    return state


async def create(database: Database, state: ProjectState) -> None:
    migration = Migration.build("0001", "shop", [])
    for model in list(state.models.values()):
        migration.operations.append(CreateModel(model.name, list(model.fields.items()), model.options))
    async with database.schema_editor() as editor:
        await migration.apply(ProjectState({}), editor)


async def run(
    database: Database, state: ProjectState, *operations: Operation, atomic: bool = True, backwards: bool = False
) -> ProjectState:
    migration = Migration.build("0002", "shop", operations)
    migration.atomic = atomic
    async with database.schema_editor(atomic=atomic) as editor:
        if backwards:
            await migration.unapply(state, editor)
            return state
        return await migration.apply(state, editor)


async def values(database: Database, sql: str, *args: Any) -> list[Any]:
    return [found[0] for found in await database.fetch(sql, args)]


INVALID = "SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE NOT i.indisvalid"


@row
@only_postgresql
async def test_extensions_come_and_go(database: Database) -> None:
    state = start()
    for operation, name in ((HStoreExtension(), "hstore"), (CreateExtension("btree_gin"), "btree_gin")):
        await run(database, state, operation)
        await run(database, state, operation)
        assert await values(database, "SELECT extname::text FROM pg_extension WHERE extname = $1", name) == [name]
        await run(database, state, operation, backwards=True)
        assert await values(database, "SELECT extname::text FROM pg_extension WHERE extname = $1", name) == []
    assert HStoreExtension().describe() == "Create extension hstore"
    assert TrigramExtension().name_fragment == "create_extension_pg_trgm"


@row
@only_postgresql
async def test_routers_forbid_extensions_by_their_hints(database: Database) -> None:
    from covet.conf import override

    with override(DATABASE_ROUTERS=["tests.postgres.routing.NoExtensions"]):
        await run(database, start(), HStoreExtension(hints={"kind": "extension"}))
        assert await values(database, "SELECT 1 FROM pg_extension WHERE extname = 'hstore'") == []
        await run(database, start(), HStoreExtension())
        assert await values(database, "SELECT 1 FROM pg_extension WHERE extname = 'hstore'") == [1]


@row
@only_postgresql
async def test_a_collation_that_ignores_case(database: Database) -> None:
    made = CreateCollation("no case", "und-u-ks-level2", provider="icu", deterministic=False)
    await run(database, start(), made)
    assert await values(database, "SELECT 'a' = 'A' COLLATE \"no case\"") == [True]
    removed = RemoveCollation("no case", "und-u-ks-level2", provider="icu", deterministic=False)
    await run(database, start(), removed)
    await run(database, start(), removed, backwards=True)
    await run(database, start(), made, backwards=True)
    assert await values(database, "SELECT 1 FROM pg_collation WHERE collname = 'no case'") == []
    assert (made.describe(), removed.describe()) == ("Create collation no case", "Remove collation no case")
    with pytest.raises(StateError, match="libc, icu or builtin"):
        CreateCollation("x", "y", provider="x; DROP")


@row
@only_postgresql
async def test_enum_types_and_their_field(database: Database) -> None:
    pairs = [("new", "New"), ("it's", "Paid")]
    state = start()
    await create(database, state)
    kind = EnumField(pairs, "Order State", null=True)
    state = await run(database, state, CreateEnum("Order State", ["new", "it's"]), AddField("Item", "kind", kind))
    item = state.apps.get_model("shop", "Item")
    await item.objects.create(kind="it's")
    await run(database, state, AddEnumValue("Order State", "sent", after="new"))
    await run(database, state, RenameEnumValue("Order State", "it's", "paid"))
    await item.objects.create(kind="sent")
    assert await item.objects.order_by("kind").values_list("kind", flat=True) == ["sent", "paid"]
    assert await item.objects.filter(kind__in=["paid", "new"]).count() == 1
    rows = await item.objects.order_by("kind")
    rows[0].kind, rows[1].kind = "paid", None
    assert await item.objects.bulk_update(rows, ["kind"]) == 2
    assert await item.objects.order_by("pk").values_list("kind", flat=True) == [None, "paid"]
    await run(database, state, RenameEnumValue("Order State", "it's", "paid"), backwards=True)
    assert await item.objects.filter(kind="it's").count() == 1
    with pytest.raises(Irreversible, match="no way back"):
        await run(database, state, AddEnumValue("Order State", "x", before="new"), backwards=True)
    with pytest.raises(StateError, match="both"):
        AddEnumValue("x", "y", before="a", after="b")
    await run(database, start(), CreateEnum("other", ["a"]))
    await run(database, start(), DropEnum("other", ["a"]))
    await run(database, start(), DropEnum("other", ["a"]), backwards=True)
    await run(database, start(), CreateEnum("other", ["a"]), backwards=True)
    assert await values(database, "SELECT 1 FROM pg_type WHERE typname = 'other'") == []
    again = EnumField(*(), **kind.deconstruct()[3])
    assert again.deconstruct()[3] == kind.deconstruct()[3]
    assert [choice for choice, _label in kind.flatchoices] == ["new", "it's"]


@row
@only_postgresql
async def test_an_index_is_built_and_dropped_concurrently(database: Database) -> None:
    state = start(name=models.TextField(default=""))
    await create(database, state)
    index = Index(fields=["name"], name="by_name")
    made = AddIndexConcurrently("Item", index)
    after = await run(database, state, made, atomic=False)
    assert "by_name" in [found.name for found in await database.introspection.indexes("shop_item")]
    await run(database, after, RemoveIndexConcurrently("Item", "by_name"), atomic=False)
    assert "by_name" not in [found.name for found in await database.introspection.indexes("shop_item")]
    await run(database, after, RemoveIndexConcurrently("Item", "by_name"), atomic=False, backwards=True)
    assert "by_name" in [found.name for found in await database.introspection.indexes("shop_item")]
    await run(database, state, made, atomic=False, backwards=True)
    assert "by_name" not in [found.name for found in await database.introspection.indexes("shop_item")]
    assert made.describe().startswith("Concurrently create index by_name")
    for operation in (made, RemoveIndexConcurrently("Item", "by_name")):
        where = state if operation is made else after
        with pytest.raises(MigrationError, match="atomic = False"):
            await run(database, where, operation)


@row
@only_postgresql
async def test_an_invalid_index_of_a_failed_try_is_built_anew(database: Database) -> None:
    state = start(number=models.IntegerField(default=1))
    await create(database, state)
    item = state.apps.get_model("shop", "Item")
    await item.objects.bulk_create([item(), item()])
    with pytest.raises(UniqueViolation):
        await database.execute("CREATE UNIQUE INDEX CONCURRENTLY by_number ON shop_item (number)")
    assert await values(database, INVALID) == ["by_number"]
    made = AddIndexConcurrently("Item", Index(fields=["number"], name="by_number"))
    await run(database, state, made, atomic=False)
    assert await values(database, INVALID) == []
    assert [
        index.unique for index in await database.introspection.indexes("shop_item") if index.name == "by_number"
    ] == [False]
    broken = AddIndexConcurrently("Item", Index(1 / F("number"), name="broken"))
    await item.objects.update(number=0)
    with pytest.raises(MigrationFailed):
        await run(database, state, broken, atomic=False)
    assert await values(database, INVALID) == []


@row
@only_postgresql
async def test_a_check_is_added_first_and_validated_later(database: Database) -> None:
    state = start(number=models.IntegerField())
    await create(database, state)
    item = state.apps.get_model("shop", "Item")
    await item.objects.create(number=-1)
    rule = models.CheckConstraint(condition=Q(number__gte=0), name="positive")
    added = AddConstraintNotValid("Item", rule)
    after = await run(database, state, added)
    with pytest.raises(CheckViolation):
        await item.objects.create(number=-1)
    with pytest.raises(MigrationFailed, match="Validate constraint positive on Item"):
        await run(database, after, ValidateConstraint("Item", "positive"))
    await item.objects.update(number=1)
    await run(database, after, ValidateConstraint("Item", "positive"))
    assert await values(database, "SELECT convalidated FROM pg_constraint WHERE conname = 'positive'") == [True]
    await run(database, after, ValidateConstraint("Item", "positive"), backwards=True)
    await run(database, state, added, backwards=True)
    await item.objects.create(number=-1)
    assert added.describe() == "Create constraint positive on Item, not validated"
    with pytest.raises(StateError, match="only a CheckConstraint"):
        AddConstraintNotValid("Item", models.UniqueConstraint(fields=["number"], name="u"))


@row
@only_postgresql
@pytest.mark.parametrize("atomic", [True, False])
async def test_a_foreign_key_is_added_first_and_validated_later(database: Database, atomic: bool) -> None:
    state = start()
    state.add_model(ModelState("shop", "Maker", {"id": models.BigAutoField(primary_key=True)}, {}, None))
    await create(database, state)
    field = models.ForeignKey("shop.Maker", on_delete=models.CASCADE, null=True)
    added = AddForeignKeyNotValid("Item", "maker", field)
    after = await run(database, state, added, atomic=atomic)
    query = "SELECT convalidated FROM pg_constraint WHERE contype = 'f'"
    assert await values(database, query) == [False]
    assert any(index.columns == ("maker_id",) for index in await database.introspection.indexes("shop_item"))
    validated = ValidateForeignKey("Item", "maker")
    await run(database, after, validated)
    assert await values(database, query) == [True]
    await run(database, after, validated, backwards=True)
    await run(database, state, added, atomic=atomic, backwards=True)
    assert await values(database, query) == []
    assert (validated.describe(), validated.name_fragment) == (
        "Validate foreign key maker of Item",
        "validate_item_maker",
    )
    with pytest.raises(StateError, match="needs null=True"):
        AddForeignKeyNotValid("Item", "maker", models.ForeignKey("shop.Maker", on_delete=models.CASCADE))


@row
@only_postgresql
async def test_a_column_is_made_not_null_by_way_of_a_check(database: Database) -> None:
    state = start(number=models.IntegerField(null=True))
    await create(database, state)
    item = state.apps.get_model("shop", "Item")
    await item.objects.create()
    changed = SetNotNullSafely("Item", "number", models.IntegerField(db_default=4))
    with pytest.raises(MigrationError, match="atomic = False"):
        await run(database, state, changed)
    with pytest.raises(MigrationFailed, match="by way of a check"):
        await run(database, state, changed, atomic=False)
    await database.execute("ALTER TABLE shop_item DROP CONSTRAINT shop_item_number_not_null")
    await item.objects.update(number=1)
    after = await run(database, state, changed, atomic=False)
    with pytest.raises(NotNullViolation):
        await item.objects.create(number=None)
    await after.apps.get_model("shop", "Item").objects.create()
    assert await item.objects.order_by("pk").values_list("number", flat=True) == [1, 4]
    assert await values(database, "SELECT conname::text FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0") == []
    await run(database, state, changed, atomic=False, backwards=True)
    await item.objects.create(number=None)
    with pytest.raises(StateError, match="null=True"):
        SetNotNullSafely("Item", "number", models.IntegerField(null=True))
    with pytest.raises(MigrationError, match="type of the column"):
        await run(database, state, SetNotNullSafely("Item", "number", models.TextField()), atomic=False)


@row
async def test_rows_are_filled_in_batches_on_every_database(database: Database) -> None:
    state = start(name=models.CharField(max_length=20), shout=models.CharField(max_length=20, null=True))
    await create(database, state)
    item = state.apps.get_model("shop", "Item")
    await item.objects.bulk_create([item(name=f"n{number}") for number in range(7)])
    await item.objects.filter(name="n3").update(shout="kept")
    fill = BackfillBatches("Item", {"shout": Upper("name")}, batch_size=2)
    await run(database, state, fill, atomic=False)
    expected = ["N0", "N1", "N2", "kept", "N4", "N5", "N6"]
    assert await item.objects.order_by("pk").values_list("shout", flat=True) == expected
    await run(database, state, fill, atomic=False)
    await run(database, state, fill, atomic=False, backwards=True)
    assert await item.objects.order_by("pk").values_list("shout", flat=True) == expected

    seen: list[int] = []

    async def turn(rows: list[Any]) -> list[str]:
        seen.append(len(rows))
        for one in rows:
            one.shout = one.name[::-1]
        return ["shout"]

    by_function = BackfillBatches("Item", turn, condition=~Q(name="n0"), batch_size=4)
    await run(database, state, by_function)
    assert seen == [4, 2]
    assert await item.objects.order_by("pk").values_list("shout", flat=True) == [
        "N0", "1n", "2n", "3n", "4n", "5n", "6n"
    ]  # fmt: skip
    assert fill.describe() == "Fill shout of Item in batches"
    assert fill.name_fragment == "fill_item_shout"
    assert by_function.describe() == "Fill Item in batches by turn"
    for wrong in ({}, turn):
        with pytest.raises(StateError):
            BackfillBatches("Item", wrong)
    with pytest.raises(StateError, match="batch_size"):
        BackfillBatches("Item", {"shout": 1}, batch_size=0)


async def test_a_fill_that_was_broken_goes_on_where_it_stopped(database: Database) -> None:
    state = start(name=models.CharField(max_length=20), done=models.BooleanField(null=True))
    await create(database, state)
    item = state.apps.get_model("shop", "Item")
    await item.objects.bulk_create([item(name=f"n{number}") for number in range(5)])
    calls: list[list[str]] = []

    def fails_once(rows: list[Any]) -> list[str]:
        calls.append([one.name for one in rows])
        if len(calls) == 2:
            raise RuntimeError("pulled the plug")
        for one in rows:
            one.done = True
        return ["done"]

    fill = BackfillBatches("Item", fails_once, condition=Q(done__isnull=True), batch_size=2)
    with pytest.raises(MigrationFailed, match="pulled the plug"):
        await run(database, state, fill, atomic=False)
    await run(database, state, fill, atomic=False)
    assert calls == [["n0", "n1"], ["n2", "n3"], ["n2", "n3"], ["n4"]]
    assert await item.objects.filter(done=True).count() == 5


@pytest.mark.vendors("sqlite", "mysql")
async def test_on_other_databases_the_plain_operation_is_carried_out(database: Database) -> None:
    state = start(number=models.IntegerField(null=True))
    state.add_model(ModelState("shop", "Maker", {"id": models.BigAutoField(primary_key=True)}, {}, None))
    await create(database, state)
    index = Index(fields=["number"], name="by_number")
    rule = models.CheckConstraint(condition=Q(number__gte=0), name="positive")
    key = models.ForeignKey("shop.Maker", on_delete=models.CASCADE, null=True)
    steps: list[Operation] = [
        HStoreExtension(),
        CreateEnum("x", ["a"]),
        CreateCollation("x", "C"),
        AddIndexConcurrently("Item", index),
        AddConstraintNotValid("Item", rule),
        ValidateConstraint("Item", "positive"),
        AddForeignKeyNotValid("Item", "maker", key),
        ValidateForeignKey("Item", "maker"),
        SetNotNullSafely("Item", "number", models.IntegerField()),
        RemoveIndexConcurrently("Item", "by_number"),
    ]
    after = await run(database, state, *steps)
    item = after.apps.get_model("shop", "Item")
    with pytest.raises(CheckViolation):
        await item.objects.create(number=-1)
    await run(database, state, *steps, backwards=True)
    await state.apps.get_model("shop", "Item").objects.create(number=-1)


def test_what_is_written_to_a_file_makes_the_same_operations_again() -> None:
    operations: list[Operation] = [
        HStoreExtension(),
        BtreeGistExtension(hints={"x": 1}),
        CreateExtension("citext"),
        CreateCollation("c", "und", provider="icu", deterministic=False),
        CreateEnum("e", ["a", "b"]),
        AddEnumValue("e", "c", before="a"),
        CreateModel(
            "Item",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("tags", ArrayField(ArrayField(models.CharField(max_length=3)), size=2, default=list)),
                ("span", IntegerRangeField(default=Range(1, 3))),
                ("hours", DateTimeRangeField(default_bounds="[]", null=True)),
                ("data", HStoreField(null=True)),
                ("kind", EnumField([("a", "A")], "e")),
            ],
            {
                "constraints": [ExclusionConstraint(name="apart", expressions=[("span", "&&"), (F("kind"), "=")])],
                "indexes": [GinIndex(OpClass("data", "gin_trgm_ops"), name="g", fastupdate=False)],
            },
        ),
        AddIndexConcurrently("Item", Index(fields=["span"], name="i")),
        RemoveIndexConcurrently("Item", "i"),
        AddConstraintNotValid("Item", models.CheckConstraint(condition=Q(id__gt=0), name="k")),
        ValidateConstraint("Item", "k"),
        AddForeignKeyNotValid("Item", "other", models.ForeignKey("shop.Item", on_delete=models.CASCADE, null=True)),
        ValidateForeignKey("Item", "other"),
        BackfillBatches("Item", {"data": F("data")}, condition=Q(id__gt=3), batch_size=10, sleep_s=0.5),
        SetNotNullSafely("Item", "hours", DateTimeRangeField(default_bounds="[]")),
    ]
    source = migration_source(Migration.build("0001", "shop", operations))
    names: dict[str, Any] = {}
    exec(source, names)  # our own text
    made = names["Migration"]("0001", "shop").operations
    assert made == operations
    assert "covet.postgres.operations.AddIndexConcurrently(" in source
    assert "covet.postgres.fields.ArrayField(" in source
    state = ProjectState({})
    for operation in made:
        operation.state_forwards("shop", state)
    from covet.db.migrations.signature import signature

    tags = state.model("shop", "Item").field("tags")
    assert signature(tags) == signature(tags.clone())
    assert signature(tags) != signature(ArrayField(ArrayField(models.CharField(max_length=4)), size=2, default=list))


@row
@only_postgresql
async def test_altering_arrays_and_ranges_changes_the_column(database: Database) -> None:
    from covet.db.migrations.operations import AlterField

    state = start(tags=ArrayField(models.IntegerField()), span=IntegerRangeField(null=True))
    await create(database, state)
    item = state.apps.get_model("shop", "Item")
    await item.objects.create(tags=[1, 2], span=Range(1, 2))
    after = await run(
        database,
        state,
        AlterField("Item", "tags", ArrayField(models.CharField(max_length=5), db_default=["it's", "\\"])),
        AddIndex("Item", GinIndex(fields=["tags"], name="g")),
    )
    changed = after.apps.get_model("shop", "Item")
    assert (await changed.objects.get()).tags == ["1", "2"]
    made = await changed.objects.create()
    assert (await changed.objects.get(pk=made.pk)).tags == ["it's", "\\"]


def shop() -> ProjectState:
    """A model with all kinds of fields and rules, as the state of a project."""
    state = ProjectState({})
    fields = {
        "id": models.BigAutoField(primary_key=True),
        "tags": ArrayField(ArrayField(models.CharField(max_length=3)), size=2, default=list),
        "span": IntegerRangeField(default=Range(1, 3)),
        "hours": DateTimeRangeField(default_bounds="[]", null=True),
        "data": HStoreField(null=True),
        "kind": EnumField([("a", "A")], "e"),
    }
    apart = ExclusionConstraint(
        name="apart", expressions=[("span", "&&"), (F("kind"), "=")], condition=Q(span__isempty=False)
    )
    options = {
        "constraints": [apart],
        "indexes": [
            GinIndex(OpClass("data", "gin_trgm_ops"), name="g", fastupdate=False),
            GinIndex(fields=["tags"], name="t"),
        ],
    }
    state.add_model(ModelState("shop", "Item", fields, options, None))
    return state


def test_what_was_written_is_found_unchanged_and_a_change_is_found() -> None:
    from covet.db.migrations.autodetect import detect
    from covet.db.migrations.graph import MigrationGraph
    from covet.db.migrations.questioner import Answers

    wanted = shop()
    found = detect(ProjectState({}), wanted, MigrationGraph(), Answers())
    (migration,) = found.migrations["shop"]
    names: dict[str, Any] = {}
    exec(migration_source(migration), names)  # our own text
    written = names["Migration"]("0001", "shop").mutate_state(ProjectState({}))
    assert detect(written, wanted, MigrationGraph(), Answers()).migrations == {}

    changed = shop()
    model = changed.model("shop", "Item")
    fields = {**model.fields, "tags": ArrayField(ArrayField(models.CharField(max_length=4)), size=2, default=list)}
    changed.put(ModelState("shop", "Item", fields, {**model.options, "constraints": []}, None))
    (migration,) = detect(written, changed, MigrationGraph(), Answers()).migrations["shop"]
    assert sorted(operation.describe().lower() for operation in migration.operations) == [
        "alter field tags on item",
        "remove constraint apart from item",
    ]


@row
@only_postgresql
async def test_rules_follow_a_renamed_field(database: Database) -> None:
    for name in ("btree_gist", "pg_trgm", "hstore"):
        await database.execute(f"CREATE EXTENSION IF NOT EXISTS {name}")
    state = start(span=IntegerRangeField(), room=models.IntegerField(), name=models.TextField(default=""))
    model = state.model("shop", "Item")
    rules = {
        "constraints": [ExclusionConstraint(name="apart", expressions=[("span", "&&"), (F("room"), "=")])],
        "indexes": [GinIndex(OpClass("name", "gin_trgm_ops"), name="g")],
    }
    state.put(ModelState("shop", "Item", model.fields, rules, None))
    await create(database, state)
    renames = [RenameField("Item", old, new) for old, new in (("span", "time"), ("room", "place"), ("name", "title"))]
    after = await run(database, state, *renames)
    item = after.apps.get_model("shop", "Item")
    await item.objects.create(time=Range(1, 3), place=1)
    with pytest.raises(ExclusionViolation):
        await item.objects.create(time=Range(2, 3), place=1)
    await run(database, after, RemoveConstraint("Item", "apart"))
    await item.objects.create(time=Range(2, 3), place=1)
    assert after.model("shop", "Item").options["constraints"][0].referenced_fields == {"time", "place"}


@row
@only_postgresql
async def test_a_migration_that_was_broken_goes_on(database: Database) -> None:
    from covet.db.migrations.journal import Journal

    state = start(number=models.IntegerField(null=True))
    await create(database, state)
    item = state.apps.get_model("shop", "Item")
    await item.objects.create()
    steps = [
        AddIndexConcurrently("Item", Index(fields=["number"], name="by_number")),
        SetNotNullSafely("Item", "number", models.IntegerField()),
    ]
    migration = Migration.build("0002", "shop", steps)
    migration.atomic = False

    async def attempt() -> bool:
        async with database.schema_editor(atomic=False) as editor:
            editor.log = await Journal(database).begin(migration.key, backwards=False)
            await migration.apply(state, editor)
            return editor.log.is_resumed

    with pytest.raises(MigrationFailed, match="by way of a check"):
        await attempt()
    await item.objects.update(number=1)
    # As if the process had been killed before it could write down that the index is there.
    await database.execute("DELETE FROM covet_migration_journal WHERE kind = 'operation'")
    assert await attempt()
    with pytest.raises(NotNullViolation):
        await item.objects.create()
    assert [index.name for index in await database.introspection.indexes("shop_item")].count("by_number") == 1


@row
@only_postgresql
async def test_sqlmigrate_tells_the_statements_without_a_look_at_the_database(database: Database) -> None:
    state = start(number=models.IntegerField(null=True))
    steps: list[Operation] = [
        HStoreExtension(),
        CreateEnum("e", ["it's"]),
        AddIndexConcurrently("Item", Index(fields=["number"], name="i")),
        AddConstraintNotValid("Item", models.CheckConstraint(condition=Q(number__gt=0), name="k")),
        ValidateConstraint("Item", "k"),
        BackfillBatches("Item", {"number": 1}),
        SetNotNullSafely("Item", "number", models.IntegerField()),
        RemoveIndexConcurrently("Item", "i"),
    ]
    migration = Migration.build("0002", "shop", steps)
    async with database.schema_editor(collect=True) as editor:
        await migration.apply(state, editor)
    assert editor.collected_sql == [
        'CREATE EXTENSION IF NOT EXISTS "hstore";',
        "CREATE TYPE \"e\" AS ENUM ('it''s');",
        'CREATE INDEX CONCURRENTLY "i" ON "shop_item" ("number");',
        'ALTER TABLE "shop_item" ADD CONSTRAINT "k" CHECK ("number" > 0) NOT VALID;',
        'ALTER TABLE "shop_item" VALIDATE CONSTRAINT "k";',
        'ALTER TABLE "shop_item" ADD CONSTRAINT "shop_item_number_not_null" CHECK ("number" IS NOT NULL) NOT VALID;',
        'ALTER TABLE "shop_item" VALIDATE CONSTRAINT "shop_item_number_not_null";',
        'ALTER TABLE "shop_item" ALTER COLUMN "number" SET NOT NULL;',
        'ALTER TABLE "shop_item" DROP CONSTRAINT "shop_item_number_not_null";',
        'DROP INDEX CONCURRENTLY IF EXISTS "i";',
    ]


def test_operations_name_themselves() -> None:
    index = Index(fields=["number"], name="i")
    described = {
        operation.name_fragment: operation.describe()
        for operation in (
            CreateCollation("C", "und"),
            RemoveCollation("C", "und"),
            CreateEnum("E", ["a"]),
            DropEnum("E", ["a"]),
            AddEnumValue("E", "b"),
            RenameEnumValue("E", "a", "c"),
            AddIndexConcurrently("Item", index),
            ValidateConstraint("Item", "K"),
            SetNotNullSafely("Item", "number", models.IntegerField()),
        )
    }
    assert described == {
        "create_collation_c": "Create collation C",
        "remove_collation_c": "Remove collation C",
        "create_enum_e": "Create enum E (a)",
        "drop_enum_e": "Drop enum E",
        "e_b": "Add value b to enum E",
        "rename_e_c": "Rename value a of enum E to c",
        "item_i": "Concurrently create index i on Item (number)",
        "validate_item_k": "Validate constraint K on Item",
        "item_number_not_null": "Make number of Item NOT NULL by way of a check",
    }
