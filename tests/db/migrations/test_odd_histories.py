"""Histories that are odd but could be anybody's: step by step forwards, back, and forwards again, on each database."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from covet.db import connections, migrations, models
from covet.db.migrations.execute import Executor
from covet.db.migrations.graph import MigrationGraph
from covet.db.migrations.state import ProjectState
from tests.db.migrations.conftest import difference, loader_of
from tests.db.migrations.test_property import schema, wipe

M = migrations


def key() -> tuple[str, Any]:
    return ("id", models.BigAutoField(primary_key=True))


def fk(to: str, **options: Any) -> Any:
    return models.ForeignKey(to, on_delete=models.CASCADE, **options)


def char(**options: Any) -> Any:
    return models.CharField(max_length=30, **options)


def link(to: str) -> Any:
    return models.OneToOneField(to, on_delete=models.CASCADE, parent_link=True, primary_key=True)


HISTORIES: dict[str, list[Any]] = {
    "two apps that refer to each other": [
        ("shop.0001", [M.CreateModel("Order", [key()])]),
        ("stock.0001", [M.CreateModel("Part", [key(), ("order", fk("shop.order", null=True))])], ["shop.0001"]),
        ("shop.0002", [M.AddField("order", "part", fk("stock.part", null=True))], ["shop.0001", "stock.0001"]),
        (
            "stock.0002",
            [M.RenameModel("Part", "Piece"), M.RenameField("piece", "order", "sale")],
            ["stock.0001", "shop.0002"],
        ),
        (
            "shop.0003",
            [M.RenameModel("Order", "Sale"), M.AddField("sale", "n", char(default="x"))],
            ["shop.0002", "stock.0002"],
        ),
        ("stock.0003", [M.RemoveField("piece", "sale")], ["stock.0002", "shop.0003"]),
        ("shop.0004", [M.DeleteModel("Sale")], ["shop.0003", "stock.0003"]),
    ],
    "many-to-many with itself through a model": [
        (
            "soc.0001",
            [
                M.CreateModel("Person", [key(), ("name", char())]),
                M.CreateModel(
                    "Bond",
                    [
                        key(),
                        ("a", fk("soc.person", related_name="+")),
                        ("b", fk("soc.person", related_name="+")),
                        ("since", models.DateField(null=True)),
                    ],
                    {"unique_together": {("a", "b")}},
                ),
                M.AddField(
                    "person",
                    "friends",
                    models.ManyToManyField("self", symmetrical=False, through="soc.Bond", through_fields=("a", "b")),
                ),
            ],
        ),
        ("soc.0002", [M.RenameModel("Person", "Human"), M.RenameField("bond", "a", "one")], ["soc.0001"]),
        ("soc.0003", [M.RenameModel("Bond", "Tie"), M.AlterUniqueTogether("tie", set())], ["soc.0002"]),
        ("soc.0004", [M.AddField("human", "fans", models.ManyToManyField("self", symmetrical=False))], ["soc.0003"]),
        ("soc.0005", [M.RenameModel("Human", "Being"), M.RenameField("being", "fans", "followers")], ["soc.0004"]),
    ],
    "a model and its field renamed, and more of it": [
        (
            "blog.0001",
            [
                M.CreateModel("Author", [key(), ("name", char(unique=True))]),
                M.CreateModel(
                    "Post",
                    [key(), ("title", char()), ("author", fk("blog.author"))],
                    {
                        "indexes": [models.Index(fields=["title", "-author"], name="post_by")],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=["author"], condition=models.Q(title="x"), name="post_one_x"
                            ),
                            models.CheckConstraint(condition=~models.Q(title="bad"), name="post_good"),
                        ],
                    },
                ),
            ],
        ),
        (
            "blog.0002",
            [
                M.RenameModel("Post", "Article"),
                M.RenameField("article", "title", "headline"),
                M.AlterField("article", "headline", char(db_index=True)),
                M.RenameField("article", "author", "writer"),
                M.AddField("author", "best", fk("blog.article", null=True, related_name="+")),
                M.RenameModel("Author", "Writer"),
                M.RenameIndex("article", new_name="article_by", old_name="post_by"),
            ],
            ["blog.0001"],
        ),
        (
            "blog.0003",
            [
                M.RenameModel("Article", "Page"),
                M.CreateModel("Article", [key(), ("page", fk("blog.page"))]),
                M.RenameField("page", "headline", "tmp"),
                M.AddField("page", "headline", char(default="y")),
                M.RenameField("page", "headline", "other"),
                M.RenameField("page", "tmp", "headline"),
            ],
            ["blog.0002"],
        ),
    ],
    "four levels of inheritance": [
        (
            "mti.0001",
            [
                M.CreateModel("Place", [("id", models.AutoField(primary_key=True)), ("name", char())]),
                M.CreateModel("Bar", [("place_ptr", link("mti.place")), ("beer", char())], bases=("mti.place",)),
                M.CreateModel("Pub", [("bar_ptr", link("mti.bar")), ("ale", char())], bases=("mti.bar",)),
                M.CreateModel(
                    "Inn", [("pub_ptr", link("mti.pub")), ("beds", models.IntegerField())], bases=("mti.pub",)
                ),
                M.CreateModel("Guest", [key(), ("inn", fk("mti.inn"))]),
            ],
        ),
        ("mti.0002", [M.AlterField("place", "id", models.BigAutoField(primary_key=True))], ["mti.0001"]),
        (
            "mti.0003",
            [M.RenameModel("Bar", "Tavern"), M.AddField("place", "slug", char(null=True, unique=True))],
            ["mti.0002"],
        ),
        ("mti.0004", [M.RenameModel("Place", "Spot"), M.RemoveField("guest", "inn")], ["mti.0003"]),
        ("mti.0005", [M.DeleteModel("Inn"), M.DeleteModel("Pub")], ["mti.0004"]),
    ],
    "a key of two columns that others refer to": [
        (
            "cpk.0001",
            [
                M.CreateModel(
                    "Seat",
                    [
                        ("pk", models.CompositePrimaryKey("hall", "number")),
                        ("hall", models.IntegerField()),
                        ("number", models.IntegerField()),
                    ],
                ),
                M.CreateModel(
                    "Ticket",
                    [
                        key(),
                        ("hall", models.IntegerField()),
                        ("number", models.IntegerField()),
                        (
                            "seat",
                            models.ForeignObject(
                                "cpk.Seat",
                                on_delete=models.CASCADE,
                                from_fields=("hall", "number"),
                                to_fields=("hall", "number"),
                            ),
                        ),
                    ],
                ),
            ],
        ),
        (
            "cpk.0002",
            [M.RenameField("seat", "number", "place"), M.AddField("seat", "row", char(default="A"))],
            ["cpk.0001"],
        ),
        ("cpk.0003", [M.RenameModel("Seat", "Chair"), M.AlterField("chair", "row", char(null=True))], ["cpk.0002"]),
    ],
    "branches that were merged": [
        ("br.0001", [M.CreateModel("Item", [key()])]),
        ("br.0002_a", [M.AddField("item", "a", char(default="a"))], ["br.0001"]),
        (
            "br.0002_b",
            [M.AddField("item", "b", char(default="b")), M.AddIndex("item", models.Index(fields=["b"], name="by_b"))],
            ["br.0001"],
        ),
        ("br.0003_merge", [], ["br.0002_a", "br.0002_b"]),
        ("br.0004", [M.AlterUniqueTogether("item", {("a", "b")})], ["br.0003_merge"]),
    ],
    "names that must be quoted": [
        (
            "odd.0001",
            [
                M.CreateModel(
                    "Group",
                    [key(), ("select", char(db_column="Select")), ("order", models.IntegerField(db_column='a "b" c'))],
                    {"db_table": "Order"},
                ),
                M.CreateModel(
                    "User",
                    [key(), ("groups", models.ManyToManyField("odd.group", db_table="user 100% of groups"))],
                    {"db_table": 'the "users"'},
                ),
            ],
        ),
        (
            "odd.0002",
            [M.AlterField("group", "select", char(db_column="Select", unique=True, default="100% 'x' %s"))],
            ["odd.0001"],
        ),
        ("odd.0003", [M.AlterModelTable("group", "group"), M.AlterModelTable("user", "user")], ["odd.0002"]),
        ("odd.0004", [M.AddIndex("group", models.Index(fields=["order", "-select"], name="the index"))], ["odd.0003"]),
        ("odd.0005", [M.AlterField("user", "groups", models.ManyToManyField("odd.group"))], ["odd.0004"]),
    ],
    "very long names": [
        (
            "long.0001",
            [
                M.CreateModel("A" * 60, [key(), ("b" * 50, char(unique=True, default=""))]),
                M.CreateModel(
                    "C" * 60,
                    [key(), ("d" * 50, fk("long." + "a" * 60)), ("e" * 50, models.ManyToManyField("long." + "a" * 60))],
                ),
            ],
        ),
        (
            "long.0002",
            [M.AlterUniqueTogether("c" * 60, {("id", "d" * 50)}), M.RenameField("c" * 60, "e" * 50, "f" * 50)],
            ["long.0001"],
        ),
        ("long.0003", [M.RenameModel("A" * 60, "A" * 59 + "B")], ["long.0002"]),
    ],
    "a column that is referred to, and is no key": [
        (
            "tof.0001",
            [
                M.CreateModel("Country", [key(), ("code", models.CharField(max_length=2, unique=True))]),
                M.CreateModel("City", [key(), ("country", fk("tof.country", to_field="code", null=True))]),
                M.CreateModel(
                    "Mayor", [("city", models.OneToOneField("tof.city", on_delete=models.CASCADE, primary_key=True))]
                ),
                M.CreateModel("Aide", [key(), ("mayor", fk("tof.mayor"))]),
            ],
        ),
        ("tof.0002", [M.AlterField("country", "code", models.CharField(max_length=40, unique=True))], ["tof.0001"]),
        ("tof.0003", [M.RenameField("country", "code", "iso"), M.RenameModel("Country", "State")], ["tof.0002"]),
        (
            "tof.0004",
            [M.AlterField("city", "country", fk("tof.state", to_field="iso", db_constraint=False, null=True))],
            ["tof.0003"],
        ),
        ("tof.0005", [M.RemoveField("city", "country"), M.RenameField("mayor", "city", "town")], ["tof.0004"]),
    ],
    "another key": [
        (
            "npk.0001",
            [
                M.CreateModel("Thing", [key(), ("code", char())]),
                M.CreateModel("Note", [key(), ("n", models.IntegerField(null=True))]),
            ],
        ),
        (
            "npk.0002",
            [M.RemoveField("thing", "id"), M.AlterField("thing", "code", char(primary_key=True))],
            ["npk.0001"],
        ),
        ("npk.0003", [M.AddField("note", "thing", fk("npk.thing", null=True))], ["npk.0002"]),
        ("npk.0004", [M.AlterField("note", "n", models.PositiveIntegerField(default=1))], ["npk.0003"]),
    ],
    "deleted and made anew in one migration": [
        ("re.0001", [M.CreateModel("Box", [key(), ("a", char()), ("tags", models.ManyToManyField("re.Box"))])]),
        (
            "re.0002",
            [
                M.DeleteModel("Box"),
                M.CreateModel(
                    "Box",
                    [
                        ("uid", models.UUIDField(primary_key=True, default=uuid.uuid4)),
                        ("tags", models.ManyToManyField("re.Box")),
                    ],
                ),
            ],
            ["re.0001"],
        ),
        ("re.0003", [M.CreateModel("Lid", [key(), ("box", fk("re.box"))]), M.RemoveField("box", "tags")], ["re.0002"]),
    ],
    "computed columns and renamed sources": [
        (
            "gen.0001",
            [
                M.CreateModel(
                    "Cart",
                    [
                        key(),
                        ("price", models.IntegerField()),
                        ("count", models.IntegerField(default=1)),
                        (
                            "total",
                            models.GeneratedField(
                                expression=models.F("price") * models.F("count"),
                                output_field=models.BigIntegerField(),
                                db_persist=True,
                            ),
                        ),
                    ],
                )
            ],
        ),
        (
            "gen.0002",
            [M.RenameField("cart", "price", "amount"), M.AddField("cart", "note", char(default="100%"))],
            ["gen.0001"],
        ),
        ("gen.0003", [M.RemoveField("cart", "total"), M.RemoveField("cart", "count")], ["gen.0002"]),
    ],
    "tables that others look after": [
        (
            "un.0001",
            [
                M.RunSQL(
                    "CREATE TABLE un_legacy (id bigint PRIMARY KEY, name varchar(30) NOT NULL)", "DROP TABLE un_legacy"
                ),
                M.CreateModel(
                    "Legacy", [("id", models.BigIntegerField(primary_key=True)), ("name", char())], {"managed": False}
                ),
                M.CreateModel(
                    "Own",
                    [
                        key(),
                        ("legacy", fk("un.legacy")),
                        ("all", models.ManyToManyField("un.legacy", related_name="+")),
                    ],
                ),
            ],
        ),
        ("un.0002", [M.AddField("legacy", "ghost", char(null=True)), M.RenameModel("Own", "Mine")], ["un.0001"]),
        ("un.0003", [M.RemoveField("mine", "legacy"), M.RemoveField("mine", "all")], ["un.0002"]),
    ],
    "rows in order, and relations of every kind": [
        (
            "ord.0001",
            [
                M.CreateModel("Quiz", [key()]),
                M.CreateModel("Task", [key(), ("quiz", fk("ord.quiz"))], {"order_with_respect_to": "quiz"}),
            ],
        ),
        ("ord.0002", [M.RenameField("task", "quiz", "test"), M.RenameModel("Quiz", "Test")], ["ord.0001"]),
        (
            "ord.0003",
            [
                M.AlterOrderWithRespectTo("task", None),
                M.AlterField("task", "test", models.OneToOneField("ord.test", on_delete=models.CASCADE)),
            ],
            ["ord.0002"],
        ),
        (
            "ord.0004",
            [M.RemoveField("task", "test"), M.AddField("task", "test", models.ManyToManyField("ord.test"))],
            ["ord.0003"],
        ),
    ],
}


# A migration in between takes its table away.
NO_ROWS = {"deleted and made anew in one migration"}
ROWS_AFTER = {"two apps that refer to each other": 3, "rows in order, and relations of every kind": 2}


async def forwards(database: Any, steps: list[Any]) -> None:
    await Executor(database, loader_of(*steps)).migrate()


async def write_rows(database: Any, state: ProjectState) -> dict[str, int]:
    """One row in each table of the models, with what it must refer to, and how many there are by table."""
    made: dict[Any, Any] = {}
    # What has children is brought by them.
    queue = [
        model
        for model in state.apps.get_models()
        if not any(model in other.__bases__ for other in state.apps.get_models())
    ]
    while queue:
        model = queue.pop(0)
        needs = [field for field in model._meta.concrete_fields if field.is_relation and not field.null]
        if any(field.related_model not in made for field in needs if not field.remote_field.parent_link):
            queue.append(model)
            continue
        values: dict[str, Any] = {}
        for field in model._meta.concrete_fields:
            if (
                field.generated
                or getattr(field.remote_field, "parent_link", False)
                or isinstance(field, models.AutoField | models.BigAutoField)
                or field.name == "_order"
            ):
                continue
            if field.is_relation:
                if field.related_model in made:
                    values[field.name] = made[field.related_model]
            elif isinstance(field, models.CharField):
                values[field.name] = "x"
            elif isinstance(field, models.IntegerField):
                values[field.name] = 7
        made[model] = await model.objects.using(database.alias).create(**values)
        for parent in model._meta.get_parent_list():
            made[parent] = made[model]
    return {model._meta.db_table: 1 for model in made}


@pytest.mark.parametrize("name", [name for name in HISTORIES if name not in NO_ROWS])
async def test_rows_of_the_first_step_are_there_at_the_end(database: Any, name: str) -> None:
    steps = HISTORIES[name]
    # So many migrations that every model has its table and none is gone.
    await forwards(database, steps[: ROWS_AFTER.get(name, 1)])
    loader = loader_of(*steps)
    first = loader_of(*steps[: ROWS_AFTER.get(name, 1)]).state()
    with connections.using({"default": database}):
        rows = await write_rows(database, first)
        assert rows

        await forwards(database, steps)

        for model in loader.state().apps.get_models():
            if model._meta.db_table in rows:
                assert await model.objects.using(database.alias).count() == 1
        await executor_back(database, loader)


async def executor_back(database: Any, loader: Any) -> None:
    """Columns that come back may not be NULL: without rows they can."""
    tables = [table for table in await database.introspection.tables() if not table.startswith("covet_migration")]
    await database.truncate(tables)
    for label in loader.packages:
        await Executor(database, loader).migrate([(label, None)])
    assert await schema(database) == {}


@pytest.mark.parametrize("name", list(HISTORIES))
async def test_each_step_has_a_way_back_and_the_end_is_as_if_made_at_once(database: Any, name: str) -> None:
    steps = HISTORIES[name]
    schemas = [await schema(database)]
    for count in range(1, len(steps) + 1):
        await forwards(database, steps[:count])
        schemas.append(await schema(database))

    loader = loader_of(*steps)
    executor = Executor(database, loader)
    for number in range(len(steps), 0, -1):
        migration = loader.migrations[tuple(steps[number - 1][0].split("."))]
        own = [parent[1] for parent in migration.dependencies if parent[0] == migration.app_label]
        if len(own) > 1 or name == "branches that were merged":
            continue
        await executor.migrate([(migration.app_label, own[0] if own else None)])
        assert await schema(database) == schemas[number - 1], steps[number - 1][0]
    for label in loader.packages:
        await executor.migrate([(label, None)])
    assert await schema(database) == {}

    await forwards(database, steps)
    assert await schema(database) == schemas[-1]
    await wipe(database)
    state: ProjectState = loader.state()
    fresh = difference(ProjectState(), state, graph=MigrationGraph(list(loader.packages)))
    made = [
        (f"{found.app_label}.{found.name}", found.operations, [".".join(parent) for parent in found.dependencies])
        for migrations_of_app in fresh.migrations.values()
        for found in migrations_of_app
    ]
    if name == "tables that others look after":
        await database.execute("CREATE TABLE un_legacy (id bigint PRIMARY KEY, name varchar(30) NOT NULL)")
    await forwards(database, made)
    assert await schema(database) == schemas[-1]
