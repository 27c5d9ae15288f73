"""Migration files in packages: how they are found, named, ordered, and what is said when they do not fit."""

from __future__ import annotations

import gc
import py_compile
import shutil
import sys
import textwrap

import pytest

from covet.apps import Apps
from covet.conf import override
from covet.db.migrations.errors import AmbiguousName, BadMigration, ConflictingMigrations, MigrationNotFound
from covet.db.migrations.execute import Executor, migrate_all, unapplied
from covet.db.migrations.loader import Loader, migration_packages, swappable_models
from covet.db.migrations.part import MigrationsPart


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """``write(app, name, body)`` adds a migration to an importable app; the apps are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def write(app: str, name: str = "", body: str = "", *, models: str = "") -> None:
        folder = tmp_path / app
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").touch()
        if models:
            (folder / "models.py").write_text(textwrap.dedent(models))
        if name:
            (folder / "migrations").mkdir(exist_ok=True)
            (folder / "migrations" / "__init__.py").touch()
            source = f"from covet.db import migrations, models\nclass Migration(migrations.Migration):\n    {body or 'pass'}\n"
            (folder / "migrations" / f"{name}.py").write_text(source)

    yield write
    for name in set(sys.modules) - before:
        if name.startswith("ldr"):
            del sys.modules[name]


def load(*apps: str) -> Loader:
    return Loader({app: f"{app}.migrations" for app in apps})


def texts(keys):
    return [".".join(key) for key in keys]


def test_first_and_latest_stand_for_the_ends_of_another_app(packages):
    packages("ldr_a", "0001_x")
    packages("ldr_a", "0002_y", "dependencies = [('ldr_a', '0001_x')]")
    packages("ldr_b", "0001_first", "dependencies = [('ldr_a', '__first__')]")
    packages("ldr_c", "0001_last", "dependencies = [('ldr_a', '__latest__')]")

    loader = load("ldr_c", "ldr_b", "ldr_a")

    assert texts(loader.graph.parents(("ldr_b", "0001_first"))) == ["ldr_a.0001_x"]
    assert texts(loader.graph.parents(("ldr_c", "0001_last"))) == ["ldr_a.0002_y"]
    assert texts(loader.graph.full_plan()) == ["ldr_a.0001_x", "ldr_a.0002_y", "ldr_c.0001_last", "ldr_b.0001_first"]


def test_run_before_makes_another_app_wait(packages):
    packages("ldr_a", "0001_x")
    packages("ldr_b", "0001_y", "run_before = [('ldr_a', '0001_x')]")

    assert texts(load("ldr_a", "ldr_b").graph.full_plan()) == ["ldr_b.0001_y", "ldr_a.0001_x"]


def test_a_migration_is_found_by_the_beginning_of_its_name(packages):
    packages("ldr_a", "0001_x")
    packages("ldr_a", "0002_y", "dependencies = [('ldr_a', '0001_x')]")
    loader = load("ldr_a")

    assert loader.find("ldr_a", "0002") == ("ldr_a", "0002_y")
    with pytest.raises(AmbiguousName, match="0001_x, 0002_y"):
        loader.find("ldr_a", "000")
    with pytest.raises(MigrationNotFound, match="no migration '7'"):
        loader.find("ldr_a", "7")
    with pytest.raises(MigrationNotFound, match=r"Did you mean 'ldr_a'\?"):
        loader.find("ldr_aa", "0001")


def test_an_app_that_is_not_installed_cannot_be_waited_for(packages):
    packages("ldr_a", "0001_x", "dependencies = [('ldr_gone', '__first__')]")

    with pytest.raises(MigrationNotFound, match="'ldr_gone', which is not installed"):
        load("ldr_a")


def test_private_files_are_no_migrations(packages, tmp_path):
    packages("ldr_a", "0001_x")
    (tmp_path / "ldr_a" / "migrations" / "_notes.py").write_text("1 / 0")

    assert list(load("ldr_a").migrations) == [("ldr_a", "0001_x")]


def test_compiled_files_without_their_source_are_migrations_too(packages, tmp_path):
    packages("ldr_a", "0001_x")
    packages("ldr_a", "0002_y")
    folder = tmp_path / "ldr_a" / "migrations"
    for name in ("0001_x", "0002_y"):
        py_compile.compile(str(folder / f"{name}.py"), str(folder / f"{name}.pyc"))
    (folder / "0002_y.py").unlink()

    assert list(load("ldr_a").migrations) == [("ldr_a", "0001_x"), ("ldr_a", "0002_y")]


def test_migrations_in_an_archive_are_found(packages, tmp_path, monkeypatch):
    packages("ldr_zipped", "0001_x")
    (tmp_path / "ldr_zipped" / "migrations" / "_notes.py").touch()
    (tmp_path / "ldr_zipped" / "migrations" / "tools").mkdir()
    (tmp_path / "ldr_zipped" / "migrations" / "tools" / "__init__.py").touch()
    archive = shutil.make_archive(str(tmp_path / "apps"), "zip", tmp_path, "ldr_zipped")
    shutil.rmtree(tmp_path / "ldr_zipped")
    monkeypatch.syspath_prepend(archive)

    assert list(load("ldr_zipped").migrations) == [("ldr_zipped", "0001_x")]


@pytest.mark.parametrize("was_on", [True, False])
def test_reading_leaves_the_collector_as_it_was(packages, was_on):
    packages("ldr_a", "0001_x", "1 / 0")
    was_on_before = gc.isenabled()
    (gc.enable if was_on else gc.disable)()
    try:
        with pytest.raises(BadMigration):
            load("ldr_a")
        assert gc.isenabled() is was_on
    finally:
        (gc.enable if was_on_before else gc.disable)()


def test_a_folder_without_init_is_no_migrations_package(packages, tmp_path):
    packages("ldr_a")
    (tmp_path / "ldr_a" / "migrations").mkdir()

    loader = load("ldr_a")

    assert loader.unmigrated == ["ldr_a"]
    with pytest.raises(MigrationNotFound, match="makemigrations ldr_a"):
        loader.require_app("ldr_a")


def test_a_package_that_fails_to_import_is_named(packages, tmp_path):
    packages("ldr_a", "0001_x")
    (tmp_path / "ldr_a" / "migrations" / "__init__.py").write_text("import no_such_module_anywhere")

    with pytest.raises(BadMigration, match=r"ldr_a.*no_such_module_anywhere"):
        load("ldr_a")


def test_branches_are_a_conflict_for_commands_and_checks(packages):
    packages("ldr_a", "0001_x")
    packages("ldr_a", "0002_y", "dependencies = [('ldr_a', '0001_x')]")
    packages("ldr_a", "0002_z", "dependencies = [('ldr_a', '0001_x')]")
    apps = Apps()
    apps.setup(["ldr_a"], [MigrationsPart])

    with pytest.raises(ConflictingMigrations, match="0002_y, 0002_z in ldr_a"):
        Loader.from_apps(apps).require_no_conflicts()
    (message,) = apps.part(MigrationsPart).check(apps)
    assert message.id == "migrations.E002"


def test_files_that_do_not_fit_are_a_finding_of_check(packages):
    packages("ldr_a", "0001_x", "dependencies = [('ldr_a', '0000')]")
    apps = Apps()
    apps.setup(["ldr_a"], [MigrationsPart])

    (message,) = apps.part(MigrationsPart).check(apps)

    assert message.id == "migrations.E001" and "0000" in message.msg


def test_migrations_may_lie_elsewhere_or_nowhere(packages):
    packages("ldr_a", "0001_x")
    packages("ldr_b", "0001_y")
    apps = Apps()
    apps.setup(["ldr_a", "ldr_b"], [])

    with override(MIGRATION_MODULES={"ldr_a": None, "ldr_b": "ldr_a.migrations"}):
        assert migration_packages(apps) == {"ldr_a": None, "ldr_b": "ldr_a.migrations"}
        loader = Loader.from_apps(apps)

    assert loader.unmigrated == ["ldr_a"]
    assert list(loader.migrations) == [("ldr_b", "0001_x")]


@pytest.mark.row("relations.swappable")
def test_the_user_model_is_swappable_without_any_app():
    apps = Apps()
    apps.setup([], [])

    with override(AUTH_USER_MODEL="people.Person"):
        assert swappable_models(apps) == {"people.person": "AUTH_USER_MODEL"}


MODELS = """
from covet.db import models

class Egg(models.Model):
    hen = models.ForeignKey("ldr_farm.Hen", on_delete=models.CASCADE, null=True, related_name="eggs")

class Hen(models.Model):
    egg = models.ForeignKey(Egg, on_delete=models.CASCADE, null=True, related_name="+")
    friends = models.ManyToManyField("self")
"""


async def test_tables_of_an_app_without_migrations_are_made_once(database, packages):
    packages("ldr_farm", models=MODELS)
    packages(
        "ldr_a", "0001_x", "operations = [migrations.CreateModel('X', [('id', models.BigAutoField(primary_key=True))])]"
    )
    apps = Apps()
    with apps.use():
        apps.setup(["ldr_a", "ldr_farm"], ["covet.db.models.part.ModelsPart"])

    assert texts(await unapplied(database, apps)) == ["ldr_a.0001_x"]
    await migrate_all(database, apps)

    made = set(await database.introspection.tables())
    assert {"ldr_a_x", "ldr_farm_egg", "ldr_farm_hen", "ldr_farm_hen_friends"} <= made
    assert await unapplied(database, apps) == []
    egg = apps.get_model("ldr_farm", "Egg")
    hen = await apps.get_model("ldr_farm", "Hen").objects.using(database.alias).create(egg=None)
    await egg.objects.using(database.alias).create(hen=hen)
    await Executor(database, Loader.from_apps(apps)).migrate(sync=True)
    assert await egg.objects.using(database.alias).count() == 1


@pytest.mark.row("managers.migrations", "inheritance.mixins")
def test_historical_models_carry_managers_and_mixins(packages):
    packages(
        "ldr_zoo",
        models="""
        from covet.db import models

        class Named:
            def shout(self):
                return self.name.upper()

        class Alive(models.Manager):
            use_in_migrations = True
            def __init__(self, flag=True):
                super().__init__()
                self.flag = flag

        class Living(models.QuerySet):
            pass

        class Animal(Named, models.Model):
            name = models.CharField(max_length=10)
            objects = Alive(flag=False)
            plain = models.Manager()
            class Meta:
                abstract = True

        class Lion(Animal):
            pass
        """,
    )
    from covet.db.migrations.state import ProjectState

    apps = Apps()
    with apps.use():
        apps.setup(["ldr_zoo"], ["covet.db.models.part.ModelsPart"])

    lion = ProjectState.from_apps(apps).apps.get_model("ldr_zoo", "Lion")

    assert lion is not apps.get_model("ldr_zoo", "Lion")
    assert type(lion.objects).__name__ == "Alive" and lion.objects.flag is False
    assert [manager.name for manager in lion._meta.managers] == ["objects"]
    assert lion(name="leo").shout() == "LEO"


@pytest.mark.row("managers.migrations")
def test_managers_that_meta_names_are_plain_ones_in_the_history(packages):
    """As in Django: theirs are not kept, the names are, and ``objects`` is there beside them."""
    packages(
        "ldr_ward",
        models="""
        from covet.db import models

        class Own(models.Manager):
            def get_queryset(self):
                return super().get_queryset().none()

        class Kept(models.Manager):
            use_in_migrations = True

        class Owned(models.Model):
            objects = Own()
            everywhere = models.Manager()
            class Meta:
                abstract = True
                base_manager_name = "everywhere"

        class Bed(Owned):
            class Meta(Owned.Meta):
                default_manager_name = "everywhere"

        class Room(Owned):
            kept = Kept()

        class Seat(models.Model):
            objects = models.IntegerField()
            kept = Kept()
        """,
    )
    from covet.db.migrations.state import ProjectState
    from covet.db.models import Manager

    apps = Apps()
    with apps.use():
        apps.setup(["ldr_ward"], ["covet.db.models.part.ModelsPart"])

    history = ProjectState.from_apps(apps).apps
    bed, room, seat = (history.get_model("ldr_ward", name) for name in ("Bed", "Room", "Seat"))

    assert [(manager.name, type(manager)) for manager in bed._meta.managers] == [
        ("objects", Manager),
        ("everywhere", Manager),
    ]
    assert bed._meta.base_manager.name == bed._meta.default_manager.name == "everywhere"
    assert [manager.name for manager in room._meta.managers] == ["kept", "objects", "everywhere"]
    assert room._meta.base_manager.name == "everywhere" and room._meta.default_manager.name == "kept"
    assert [manager.name for manager in seat._meta.managers] == ["kept"] and seat(objects=3).objects == 3
