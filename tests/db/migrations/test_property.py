"""For any two sets of models, migrating from one to the other gives the schema that creating the other gives."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from covet.conf.service_url import parse_database
from covet.db import connections, models, transaction
from covet.db.backends.introspection import ConstraintInfo, IndexInfo
from covet.db.database import Database
from covet.db.migrations.autodetect import detect
from covet.db.migrations.execute import Executor
from covet.db.migrations.graph import MigrationGraph
from covet.db.migrations.loader import Loader
from covet.db.migrations.migration import Migration
from covet.db.migrations.model_state import ModelState
from covet.db.migrations.questioner import Unasked
from covet.db.migrations.signature import signature
from covet.db.migrations.state import ProjectState

NAMES = ("Ant", "Bee", "Cat")


class Zero(Unasked):
    """Existing rows get a value of the column's kind."""

    def default_for_new(self, app_label, model_name, field_name, field):
        return "x" if isinstance(field, (models.CharField, models.TextField)) else 0

    default_for_not_null = default_for_new


PLAIN = st.sampled_from(
    [
        lambda: models.IntegerField(),
        lambda: models.IntegerField(null=True, db_index=True),
        lambda: models.PositiveSmallIntegerField(default=3),
        lambda: models.CharField(max_length=20, unique=True, null=True),
        lambda: models.CharField(max_length=10, default="a%sb"),
        lambda: models.TextField(null=True),
        lambda: models.BooleanField(default=True),
        lambda: models.DecimalField(max_digits=5, decimal_places=2, null=True),
        lambda: models.BigIntegerField(db_default=5),
    ]
)


KEYS = st.sampled_from(
    [
        lambda: models.BigAutoField(primary_key=True),
        lambda: models.AutoField(primary_key=True),
        lambda: models.IntegerField(primary_key=True),
        lambda: models.CharField(max_length=20, primary_key=True),
    ]
)


@st.composite
def projects(draw):
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=3))
    states = []
    for name in names:
        fields = {"id": draw(KEYS)()}
        for letter in draw(st.lists(st.sampled_from("abc"), unique=True)):
            fields[letter] = draw(PLAIN)()
        for letter in draw(st.lists(st.sampled_from("xy"), unique=True)):
            target = f"zoo.{draw(st.sampled_from(names))}"
            fields[letter] = draw(
                st.sampled_from(
                    [
                        models.ForeignKey(target, on_delete=models.CASCADE, null=True, related_name="+"),
                        models.OneToOneField(target, on_delete=models.SET_NULL, null=True, related_name="+"),
                        models.ManyToManyField(target, related_name="+"),
                    ]
                )
            )
        columns = [key for key in fields if key in "abc"]
        options = {}
        if len(columns) >= 2 and draw(st.booleans()):
            options["unique_together"] = {tuple(columns[:2])}
        if columns and draw(st.booleans()):
            options["indexes"] = [models.Index(fields=[f"-{columns[0]}"], name=f"{name.lower()}_by")]
        if columns and draw(st.booleans()):
            condition = models.Q(**{f"{columns[-1]}__isnull": False}) | models.Q(**{f"{columns[-1]}__isnull": True})
            options["constraints"] = [models.CheckConstraint(condition=condition, name=f"{name.lower()}_check")]
        if draw(st.booleans()):
            options["db_table"] = f"the_{name.lower()}s"
        if "x" in fields and not fields["x"].many_to_many and draw(st.booleans()):
            options["order_with_respect_to"] = "x"
        states.append(ModelState("zoo", name, fields, options))
    if "Ant" in names and draw(st.booleans()):
        # Always of one parent: migrations cannot follow a change of bases, and say so.
        link = models.OneToOneField("zoo.Ant", on_delete=models.CASCADE, parent_link=True, primary_key=True)
        child = ModelState("zoo", "Kid", {"link": link, "k": draw(PLAIN)()}, bases=("zoo.ant",))
        states.append(child)
    return ProjectState({state.key: state for state in states})


def loader_of(migrations: list[Migration]) -> Loader:
    loader = Loader({})
    loader.packages = {"zoo": "zoo"}
    loader.migrated = {"zoo": None}
    loader.migrations = {migration.key: migration for migration in migrations}
    loader.build()
    return loader


def found(old: ProjectState, new: ProjectState, graph: MigrationGraph) -> list[Migration]:
    return detect(old, new, graph, Zero()).migrations.get("zoo", [])


async def schema(database: Database) -> dict[str, object]:
    """Everything that introspection sees, without the order in which things were added."""
    reader = database.introspection
    return {
        table: (
            sorted(map(repr, await reader.columns(table))),
            sorted(repr(_unordered(constraint)) for constraint in await reader.constraints(table)),
            sorted(repr(_unnumbered(index)) for index in await reader.indexes(table)),
        )
        for table in await reader.tables()
        if not table.startswith("covet_migration")
    }


def _unnumbered(index: IndexInfo) -> IndexInfo:
    """SQLite numbers the indexes of its unique rules by their place; PostgreSQL's keys keep the table's former name."""
    return replace(index, name="auto") if index.primary_key or index.name.startswith("sqlite_autoindex") else index


def _unordered(constraint: ConstraintInfo) -> ConstraintInfo:
    """MariaDB tells the columns of a check in the order in which they stand in the table."""
    if constraint.kind == "primary":
        return replace(constraint, name="")
    return replace(constraint, columns=tuple(sorted(constraint.columns))) if constraint.kind == "check" else constraint


def surviving(first: ProjectState, second: ProjectState) -> dict[str, list[str]]:
    """The fields, by model, that are the same before and after: what they hold must survive."""
    found: dict[str, list[str]] = {}
    for key in first.models.keys() & second.models.keys():
        old, new = first.models[key].fields, second.models[key].fields
        names = [name for name in old if name in new and signature(old[name]) == signature(new[name])]
        plain = [name for name in names if not old[name].is_relation]
        if plain and key[1] != "kid":
            found[key[1]] = plain
    return found


async def write_rows(database: Database, state: ProjectState) -> None:
    """One row in each table."""
    for _, name in state.models:
        if name != "kid":
            values = {
                # A text that every other type takes: databases refuse to make a number of what is none.
                key: "1" if isinstance(field, (models.CharField, models.TextField)) else 7
                for key, field in state.models["zoo", name].fields.items()
                if not (
                    field.is_relation
                    or (field.has_default() and not isinstance(field, models.CharField))
                    or isinstance(field, models.AutoField | models.BigAutoField)
                )
            }
            await state.apps.get_model("zoo", name).objects.using(database.alias).create(**values)


async def read_rows(database: Database, state: ProjectState, names: dict[str, list[str]]) -> dict[str, list[Any]]:
    """What these fields hold."""
    return {
        name: [
            tuple(row)
            for row in await state.apps.get_model("zoo", name).objects.using(database.alias).values_list(*fields)
        ]
        for name, fields in sorted(names.items())
    }


async def wipe(database: Database) -> None:
    """Drop every table, whatever refers to it."""
    if database.vendor == "postgresql":
        await database.execute("DROP SCHEMA public CASCADE")
        await database.execute("CREATE SCHEMA public")
        return
    tables = [database.dialect.quote(name) for name in await database.introspection.tables()]
    if database.vendor == "sqlite":
        await database.execute("PRAGMA foreign_keys = OFF")
        for table in tables:
            await database.execute(f"DROP TABLE {table}")
        await database.execute("PRAGMA foreign_keys = ON")
        return
    async with transaction.atomic(using=database):
        # For the sake of one connection: the setting is its own.
        await database.execute("SET foreign_key_checks = 0")
        for table in tables:
            await database.execute(f"DROP TABLE {table}")
        await database.execute("SET foreign_key_checks = 1")


async def check(first: ProjectState, second: ProjectState, database: Database) -> None:
    with connections.using({"default": database}):
        try:
            await wipe(database)
            await compare(first, second, database)
        finally:
            await database.close()


async def compare(first: ProjectState, second: ProjectState, database: Database) -> None:
    empty = ProjectState()
    one = found(empty, first, MigrationGraph())
    loader = loader_of(one)
    await Executor(database, loader).migrate()
    at_first = await schema(database)
    await write_rows(database, first)
    before = await read_rows(database, first, surviving(first, second))
    two = found(loader.state(), second, loader.graph)
    loader = loader_of([*one, *two])
    assert not found(loader.state(), second, loader.graph), "makemigrations finds something again"
    executor = Executor(database, loader)
    await executor.migrate()
    assert await read_rows(database, second, surviving(first, second)) == before
    at_second = await schema(database)

    # A column that may not be NULL cannot come back to rows that have no value for it.
    await database.truncate(
        [name for name in await database.introspection.tables() if not name.startswith("covet_migration")]
    )
    last = one[-1].name if one else None
    await executor.migrate([("zoo", last)])
    assert await schema(database) == at_first

    await wipe(database)
    await Executor(database, loader_of(found(empty, second, MigrationGraph()))).migrate()
    assert at_second == await schema(database)


# A schema takes a server much longer than SQLite in memory; COVET_SOAK_EXAMPLES says how many "make soak" has time for.
EXAMPLES = {"sqlite": 40, "postgresql": 6, "mysql": 4}


@pytest.mark.parametrize("vendor", list(EXAMPLES))
def test_migrating_is_the_same_as_creating(vendor, addresses):
    @settings(
        max_examples=int(os.environ.get("COVET_SOAK_EXAMPLES", EXAMPLES[vendor])),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        derandomize=True,
    )
    @given(projects(), projects())
    def holds(first, second):
        url = "sqlite://:memory:" if vendor == "sqlite" else addresses[vendor]
        with asyncio.Runner() as runner:
            runner.run(check(first, second, Database("default", parse_database(url))))

    holds()


@pytest.fixture
async def addresses(vendor, scratch):
    """The address of an empty database of the vendor."""
    return {vendor: await scratch(vendor)}
