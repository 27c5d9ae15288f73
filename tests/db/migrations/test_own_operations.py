"""Operations of a project's own, the bar at a terminal, and the index that a unique text has for patterns."""

from __future__ import annotations

import pytest

from covet.db import migrations, models
from covet.db.migrations.errors import Irreversible
from covet.db.migrations.execute import Executor
from tests.db.migrations.test_processes import MODELS, Project, answer


class Own(migrations.Operation):
    """Makes a table that no model has; its hooks are coroutines."""

    reversible = True

    def __init__(self, name):
        self.name = name

    def state_forwards(self, app_label, state):
        pass

    async def database_forwards(self, app_label, schema_editor, from_state, to_state):
        await schema_editor.execute(f"CREATE TABLE {self.name} (n integer NOT NULL)")

    async def database_backwards(self, app_label, schema_editor, from_state, to_state):
        await schema_editor.execute(f"DROP TABLE {self.name}")

    def describe(self):
        return f"Make table {self.name}"


class OneWay(Own):
    """As written for Django: plain functions, and no way back."""

    reversible = False

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        self.seen = (app_label, schema_editor.alias, sorted(to_state.models))


async def test_an_operation_of_ones_own_runs_both_ways(database, make_loader):
    loader = make_loader(("blog.0001", [Own("by_hand")]))
    executor = Executor(database, loader)

    await executor.migrate()
    assert "by_hand" in await database.introspection.tables()
    await executor.migrate([("blog", None)])
    assert "by_hand" not in await database.introspection.tables()


async def test_plain_hooks_are_taken_and_what_has_no_way_back_says_so(database, make_loader):
    create = migrations.CreateModel("Item", [("id", models.BigAutoField(primary_key=True))])
    operation = OneWay("x")
    executor = Executor(database, make_loader(("blog.0001", [create, operation])))

    await executor.migrate()

    assert operation.seen == ("blog", "default", [("blog", "item")])
    with pytest.raises(Irreversible, match=r"blog\.0001 cannot be undone.*Make table x"):
        await executor.migrate([("blog", None)])
    assert "blog_item" in await database.introspection.tables()


async def test_a_unique_number_made_text_gets_its_index_for_patterns(database, make_loader):
    key = ("id", models.BigAutoField(primary_key=True))
    loader = make_loader(
        ("blog.0001", [migrations.CreateModel("Item", [key, ("code", models.IntegerField(unique=True))])]),
        (
            "blog.0002",
            [migrations.AlterField("item", "code", models.CharField(max_length=20, unique=True))],
            ["blog.0001"],
        ),
    )
    executor = Executor(database, loader)

    async def patterns():
        return [one for one in await database.introspection.indexes("blog_item") if one.name.endswith("_like")]

    await executor.migrate()
    assert len(await patterns()) == (1 if database.vendor == "postgresql" else 0)
    await executor.migrate([("blog", "0001")])
    assert await patterns() == []


async def test_a_bar_at_a_terminal_says_what_is_done(tmp_path):
    project = Project(tmp_path, f"sqlite:///{tmp_path / 'db.sqlite3'}")
    await project.run("makemigrations")
    project.models(MODELS + "    a = models.IntegerField(null=True)\n    b = models.IntegerField(null=True)\n")
    await project.run("makemigrations", "--name", "two")

    code, shown = await answer(project, [], "migrate")

    assert code == 0
    assert "blog.0002_two… ━" in shown and "2/3 Add field b to item" in shown
    assert "blog.0002_two… OK (" in shown
