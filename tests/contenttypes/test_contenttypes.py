"""Content types: the rows that migrate makes, and look-ups that read each of them once."""

from __future__ import annotations

import pytest

from covet.apps import apps
from covet.db import connections, transaction
from covet.db.migrations.autodetect import detect
from covet.db.migrations.execute import Executor
from covet.db.migrations.loader import Loader
from covet.db.migrations.questioner import Answers
from covet.db.migrations.state import ProjectState
from covet.db.observe import record_queries


@pytest.fixture
def types(site):
    """The manager, which knows nothing yet."""
    from covet.contenttypes.models import ContentType

    ContentType.objects.clear_cache()
    return ContentType.objects


def book():
    return apps.get_model("shelf", "Book")


def novel():
    return apps.get_model("shelf", "Novel")


async def test_every_model_has_a_row_after_migrate(types):
    rows = [(row.app_label, row.model) for row in await types.order_by("app_label", "model")]

    assert rows == [("contenttypes", "contenttype"), ("shelf", "book"), ("shelf", "novel")]


async def test_migrating_again_makes_no_second_row(site, types):
    await Executor(site, Loader.from_apps(apps)).migrate()

    assert await types.count() == 3


async def test_a_model_is_looked_up_once(types):
    with record_queries() as queries:
        first = await types.get_for_model(book())
        again = await types.get_for_model(book())
        by_id = await types.get_for_id(first.pk)
        by_name = await types.get_by_natural_key("shelf", "book")

    assert first is again is by_id is by_name
    assert len(queries) == 1


async def test_several_models_take_one_query(types):
    with record_queries() as queries:
        found = await types.get_for_models(book(), novel(), for_concrete_models=False)

    assert [found[model].model for model in (book(), novel())] == ["book", "novel"]
    assert len(queries) == 1


async def test_a_proxy_stands_for_its_model_unless_asked(types):
    assert (await types.get_for_model(novel())).model == "book"
    assert (await types.get_for_model(novel(), for_concrete_model=False)).model == "novel"
    assert (await types.get_for_model(book()(title="x"))).model == "book"


async def test_a_missing_row_is_made_and_forgotten_with_its_transaction(types):
    # By SQL: the collector would look into the tables of every app whose models refer to content types.
    table = connections["default"].dialect.quote(types.model._meta.db_table)
    await connections["default"].execute(f"DELETE FROM {table} WHERE model = 'book'")
    types.clear_cache()

    with pytest.raises(ValueError, match="stop"):
        async with transaction.atomic():
            made = await types.get_for_model(book())
            raise ValueError("stop")

    assert not await types.filter(pk=made.pk).exists()
    kept = await types.get_for_model(book())
    assert await types.filter(pk=kept.pk).exists()
    assert await types.get_for_model(book()) is kept


async def test_a_content_type_leads_to_its_model_and_rows(types):
    row = await book().objects.create(title="Emma")
    content_type = await types.get_for_model(row)

    assert content_type.model_class() is book()
    assert (await content_type.get_object_for_this_type(title="Emma")).pk == row.pk
    assert [item.title for item in await content_type.get_all_objects_for_this_type(title__startswith="E")] == ["Emma"]
    assert (str(content_type), content_type.name) == ("Shelf | book", "book")
    assert content_type.natural_key() == ("shelf", "book")


async def test_a_content_type_outlives_its_model(types):
    gone = await types.create(app_label="shelf", model="scroll")

    assert gone.model_class() is None
    assert (gone.name, str(gone)) == ("scroll", "shelf | scroll")
    with pytest.raises(LookupError, match=r"shelf\.scroll"):
        await gone.get_object_for_this_type(pk=1)


async def test_a_renamed_model_keeps_its_row(site, types):
    executor = Executor(site, Loader.from_apps(apps))
    key = (await types.get(app_label="shelf", model="book")).pk

    await executor.migrate([("shelf", "0001_initial")])
    assert (await types.get(pk=key)).model == "tome"
    await executor.migrate()

    assert (await types.get(pk=key)).model == "book"


async def test_the_migrations_are_those_of_the_models(site):
    loader = Loader.from_apps(apps)

    assert not detect(loader.state(), ProjectState.from_apps(apps), loader.graph, Answers())


async def test_another_database_under_the_alias_has_keys_of_its_own(site, types):
    from covet.conf.service_url import parse_database
    from covet.db.database import Database
    from covet.db.migrations.execute import migrate_all

    here = await types.get_for_model(book())
    other = Database("default", parse_database("sqlite://:memory:"))
    with connections.using({"default": other}):
        await migrate_all(other)
        await types.filter(model="book").update(id=77)
        there = await types.get_for_model(book())
        await other.close()

    assert there.pk == 77
    assert await types.get_for_model(book()) is here


async def test_migrate_runs_as_a_command_inside_the_loop(site, types):
    import io
    import json

    from covet.management import call_command

    shown, listed = io.StringIO(), io.StringIO()
    await call_command("migrate", "shelf", "zero", stdout=shown)
    await call_command("migrate", stdout=shown)
    await call_command("showmigrations", "shelf", as_json=True, stdout=listed)

    assert "Unapplying shelf.0002_book… OK" in shown.getvalue()
    assert "Applying shelf.0001_initial… OK" in shown.getvalue()
    assert [row["applied"] for row in json.loads(listed.getvalue())] == [True, True]


async def test_a_plan_is_shown_and_not_carried_out(site, types):
    import io
    import json

    from covet.management import call_command

    shown, listed, checked = io.StringIO(), io.StringIO(), io.StringIO()
    await call_command("migrate", "shelf", "0001", "--plan", stdout=shown)
    await call_command("migrate", "shelf", "zero", "--plan", as_json=True, stdout=listed)
    code = await call_command("migrate", "shelf", "zero", "--check", stdout=checked)

    # What the way back locks stands further in, below each step.
    assert [line for line in shown.getvalue().splitlines() if not line.startswith(" " * 8)] == [
        "Planned:",
        "  shelf.0002_book (undone)",
        "    + Undo: Create proxy model Novel",
        "    ~ Undo: Rename model Tome to Book",
    ]
    assert "shelf_book" in shown.getvalue()
    assert [(row["name"], row["backwards"]) for row in json.loads(listed.getvalue())] == [
        ("0002_book", True),
        ("0001_initial", True),
    ]
    assert code == 1
    assert ("shelf", "0002_book") in await Executor(site, Loader.from_apps(apps)).applied()
