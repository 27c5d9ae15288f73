"""The pytest plugin, as a project uses it: a small project's own tests are run, and their outcome is read."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from covet.test.templates import shared_by_workers
from tests.conftest import repository_root

SETTINGS = """
SECRET_KEY = "plugin-tests-" + "x" * 40
INSTALLED_APPS = ["covet.contenttypes", "covet.auth", "covet.sessions", "tests._apps.members"]
MIDDLEWARE = [
    "covet.sessions.middleware.SessionMiddleware",
    "covet.middleware.csrf.CsrfMiddleware",
    "covet.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "tests._apps.members.urls"
DATABASES = {{"default": {default!r}, "other": {other!r}}}
"""

# Plugins of other packages: no test of these is about them, and to import them takes a quarter of each run.
_OTHERS = (
    "anyio",
    "cacheprovider",
    "faker",
    "hypothesispytest",
    "platformdirs",
    "pytest_cov",
    "schemathesis",
    "time_machine",
)
OPTIONS = [option for name in _OTHERS for option in ("-p", f"no:{name}")]

INI = """
[pytest]
covet_settings = project_settings
pythonpath = .
asyncio_mode = auto
asyncio_default_fixture_loop_scope = session
asyncio_default_test_loop_scope = session
"""


class Project:
    """A folder with settings and tests."""

    def __init__(
        self, folder: Path, default: str = "sqlite:///real.sqlite3", other: str = "sqlite:///real2.sqlite3"
    ) -> None:
        self.folder = folder
        (folder / "project_settings.py").write_text(SETTINGS.format(default=default, other=other))
        (folder / "pytest.ini").write_text(INI)

    def test(self, source: str, *options: str, ini: str | None = None) -> tuple[dict[str, int], str]:
        """Run one file of tests; returns the counts of the outcomes, and the output."""
        (self.folder / "test_it.py").write_text(source)
        if ini is not None:
            (self.folder / "pytest.ini").write_text(ini)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("COVET_SETTINGS", "PYTEST_"))}
        environment["PYTHONPATH"] = str(repository_root())
        environment["COVET_TEST_SUFFIX"] = (
            f"_plugin{os.environ.get('PYTEST_XDIST_WORKER', '')}{os.environ.get('COVET_TEST_SUFFIX', '')}"
        )
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *OPTIONS, *options], cwd=self.folder, env=environment,
            capture_output=True, text=True, timeout=180,
        )  # fmt: skip
        output = done.stdout + done.stderr
        return {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|error|warning)", output)}, output


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project on two SQLite files."""
    return Project(tmp_path)


ISOLATION = """
import asyncio
import pytest
from covet.auth.models import User
from covet.db import connections, transaction

@pytest.mark.parametrize("turn", [1, 2])
async def test_rows_are_gone_in_the_next_test(db, turn):
    assert await User.objects.count() == 0
    await User.objects.create_user("ann")
    await User.objects.using("other").create(username="bob")

@pytest.mark.parametrize("turn", [1, 2])
@pytest.mark.db
async def test_the_marker_stands_for_the_fixture(turn):
    assert await User.objects.count() == 0
    await User.objects.create_user("ann")

@pytest.mark.parametrize("turn", [1, 2])
@pytest.mark.db(transaction=True)
async def test_commits_are_real_with_transaction(turn):
    assert await User.objects.count() == 0
    from covet.auth.models import Permission
    assert await Permission.objects.filter(codename="add_user").count() == 1
    async with transaction.atomic():
        user = await User.objects.create_user("ann")
        await user.user_permissions.add(await Permission.objects.get(codename="add_user"))

@pytest.mark.parametrize("turn", [1, 2])
async def test_the_fixture_says_the_same(transactional_db, turn):
    assert await User.objects.count() == 0
    async with transaction.atomic():
        await User.objects.create_user("ann")

async def test_atomic_rolls_back_to_its_own_start(db):
    await User.objects.create_user("ann")
    with pytest.raises(ZeroDivisionError):
        async with transaction.atomic():
            await User.objects.create_user("bob")
            1 / 0
    assert [user.username for user in await User.objects.all()] == ["ann"]

async def test_on_commit_runs_at_the_end_of_the_outermost_block(db):
    ran = []
    async with transaction.atomic():
        async with transaction.atomic():
            transaction.on_commit(lambda: ran.append("inner"))
        assert ran == []
    assert ran == ["inner"]

async def test_tasks_share_the_connection(db):
    await User.objects.create_user("ann")
    counts = await asyncio.gather(*(User.objects.count() for _ in range(5)))
    assert counts == [1] * 5
"""


@pytest.mark.parametrize("vendor", ["sqlite", "postgresql", "mysql"])
def test_each_test_has_the_databases_to_itself(vendor: str, tmp_path: Path) -> None:
    """On every vendor: rolled back, or emptied when commits are real; the project's own database is never touched."""
    url = {"postgresql": os.environ["COVET_TEST_POSTGRES_URL"], "mysql": os.environ["COVET_TEST_MYSQL_URL"]}.get(vendor)
    project = Project(tmp_path, *([url] if url else []))

    outcome, output = project.test(ISOLATION)

    assert outcome == {"passed": 11}, output
    assert not (tmp_path / "real.sqlite3").exists()


CLIENTS = """
import httpx
import pytest
from covet.auth.models import User
from covet.conf import settings as live

async def test_the_client_sees_the_rows_of_the_test(client, db):
    user = await User.objects.create_user("ann", password="correct horse battery")
    assert (await client.get("/whoami")).json()["authenticated"] is False
    await client.force_login(user)
    assert (await client.get("/whoami")).json()["name"] == "ann"
    await client.logout()
    assert (await client.get("/whoami")).json()["authenticated"] is False

async def test_the_live_server_sees_the_rows_of_the_test(live_server, db):
    await User.objects.create_user("ann", password="correct horse battery")
    async with httpx.AsyncClient(base_url=str(live_server), timeout=60) as browser:
        answer = await browser.post("/login", json={"username": "ann", "password": "correct horse battery"})
    assert answer.json() == {"name": "ann"}

async def test_queries_are_counted(client, db, assert_queries):
    await User.objects.create_user("ann")
    with assert_queries(1):
        await User.objects.count()
    with assert_queries(2, exact=False) as records:
        await User.objects.count()
    assert len(records) == 1
    with pytest.raises(AssertionError, match="1 statements ran, 3 were expected") as raised:
        with assert_queries(3):
            await User.objects.count()
    assert "test_it.py" in str(raised.value)
    assert "SELECT" in str(raised.value)

def test_settings_change_for_one_test(settings):
    settings.PAGE_SIZE = 7
    assert live.PAGE_SIZE == 7 == settings.PAGE_SIZE

def test_settings_are_back_in_the_next():
    assert live.PAGE_SIZE == 50
"""


@pytest.mark.row("guards.assert_queries")
def test_clients_counts_and_settings(project: Project) -> None:
    """The fixtures of a project's everyday tests."""
    outcome, output = project.test(CLIENTS)

    assert outcome == {"passed": 5}, output


BLOCKING = """
from covet.auth.models import User

def test_a_test_that_blocks_reaches_the_live_server_and_its_rows(live_server, db):
    import json
    import urllib.request
    from covet import run_sync
    run_sync(User.objects.create_user("ann", password="correct horse battery"))
    body = json.dumps({"username": "ann", "password": "correct horse battery"}).encode()
    asked = urllib.request.Request(f"{live_server}/login", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked) as answer:
        assert json.load(answer) == {"name": "ann"}
    assert run_sync(User.objects.count()) == 1

def test_a_failing_test_that_blocks_fails(live_server):
    assert live_server.url == "http://nowhere"

async def test_the_admin_may_everything(admin_client, admin_user):
    assert admin_user.is_superuser and await admin_user.check_password("password")
    assert (await admin_client.get("/whoami")).json()["name"] == "admin"

async def test_the_admin_is_made_once(db, admin_user):
    from covet.test.login import make_admin
    assert await make_admin() == admin_user

async def test_views_are_called_by_themselves(rf):
    from tests._apps.members.urls import nothing
    assert (await nothing(rf.get("/"))).body == b'{"untouched":true}'
"""


@pytest.mark.parametrize("vendor", ["sqlite", "postgresql"])
def test_blocking_tests_and_further_fixtures(vendor: str, tmp_path: Path) -> None:
    """A test that is not async may block on the live server; an admin and requests by hand are there."""
    url = os.environ["COVET_TEST_POSTGRES_URL"] if vendor == "postgresql" else None

    outcome, output = Project(tmp_path, *([url] if url else [])).test(BLOCKING)

    assert outcome == {"passed": 4, "failed": 1}, output
    assert "http://nowhere" in output


def test_wrong_use_is_told_in_one_message(project: Project) -> None:
    """An unknown alias or option, and settings that cannot be loaded."""
    outcome, output = project.test(
        "import pytest\n"
        "@pytest.mark.db(databases=['defualt'])\nasync def test_alias(): pass\n"
        "@pytest.mark.db(transactional=True)\nasync def test_option(): pass\n"
    )
    assert outcome == {"error": 2}, output
    assert "names ['defualt']; DATABASES has ['default', 'other']" in output
    assert "does not take transactional" in output

    _, output = project.test("def test_nothing(): pass", "--settings", "nowhere")
    assert "no module 'nowhere'" in output
    assert "Traceback" not in output


def test_without_settings_the_plugin_keeps_quiet(project: Project) -> None:
    """A package that has covet installed and no project runs its tests; the fixtures say what they need."""
    ini = INI.replace("covet_settings = project_settings\n", "")
    outcome, output = project.test("def test_plain(): pass\nasync def test_db(db): pass\n", ini=ini)

    assert outcome == {"passed": 1, "error": 1}, output
    assert "covet_settings" in output


def test_a_loop_of_its_own_for_each_test_is_refused_with_the_lines_to_write(project: Project) -> None:
    """Pools belong to one event loop."""
    ini = "\n".join(line for line in INI.splitlines() if "loop_scope" not in line)
    outcome, output = project.test(
        "async def test_db(db):\n    from covet.auth.models import User\n    await User.objects.count()\n", ini=ini
    )

    assert outcome == {"error": 1}, output
    assert 'asyncio_default_test_loop_scope = "session"' in output


def test_a_kept_database_is_used_again(tmp_path: Path) -> None:
    """``--reuse-db`` leaves it; ``--create-db`` makes it anew."""
    project = Project(tmp_path, os.environ["COVET_TEST_POSTGRES_URL"])
    source = "from covet.auth.models import User\nasync def test_it(db):\n    assert await User.objects.count() == 0\n"

    for options in (["--reuse-db"], ["--reuse-db"], ["--reuse-db", "--create-db"], []):
        outcome, output = project.test(source, *options)
        assert outcome == {"passed": 1}, output


ROUTED = """
import pytest
from covet.db import connections
from covet.sessions.models import Session

class SessionsApart:
    def db_for_read(self, model, **hints):
        return "other" if model is Session else None

    db_for_write = db_for_read

    def allow_migrate(self, alias, app_label, **hints):
        return (alias == "other") is (app_label == "sessions")

@pytest.mark.parametrize("turn", [1, 2])
@pytest.mark.db(transaction=True)
async def test_each_table_is_in_one_database(turn):
    assert await Session.objects.count() == 0
    await Session.objects.create(session_key="a", session_data="", expire_date="2030-01-01T00:00:00Z")
    assert "covet_session" not in await connections["default"].introspection.table_names()
    assert "auth_permission" not in await connections["other"].introspection.table_names()
"""


def test_tables_that_a_router_keeps_elsewhere_are_left_alone_by_real_commits(project: Project) -> None:
    """They are neither read before the test nor emptied after it."""
    settings = project.folder / "project_settings.py"
    settings.write_text(settings.read_text() + '\nDATABASE_ROUTERS = ["test_it.SessionsApart"]\n')

    outcome, output = project.test(ROUTED)

    assert outcome == {"passed": 2}, output


TABLES_OF_THE_MODELS = """
import pytest
from covet.auth.models import Permission, User
from covet.db import connections

@pytest.mark.parametrize("turn", [1, 2])
@pytest.mark.db(transaction=True)
async def test_tables_are_there_and_no_migration_was_applied(turn):
    await User.objects.create_user("ann")
    assert await Permission.objects.filter(codename="add_user").count() == 1
    tables = await connections["default"].introspection.tables()
    assert "auth_user" in {table.lower() for table in tables} or len(tables) > 3
    if "covet_migrations" in tables:
        assert await connections["default"].fetch("SELECT * FROM covet_migrations") == []
"""


def test_tables_can_be_made_from_the_models_without_migrations(project: Project) -> None:
    outcome, output = project.test(TABLES_OF_THE_MODELS, "--nomigrations")
    assert outcome == {"passed": 2}, output

    settings = project.folder / "project_settings.py"
    settings.write_text(
        settings.read_text()
        + '\nDATABASES["default"] = {"url": "sqlite:///real.sqlite3", "TEST": {"MIGRATE": False}}\n'
    )
    outcome, output = project.test(TABLES_OF_THE_MODELS)
    assert outcome == {"passed": 2}, output


SHOP = """
from covet.db import models

class Country(models.Model):
    code = models.CharField(max_length=2, unique=True)
    area = models.DecimalField(max_digits=12, decimal_places=2)
    data = models.JSONField(default=dict)
    near = models.ManyToManyField("self")

class City(models.Model):
    country = models.ForeignKey(Country, on_delete=models.CASCADE)
"""

SHOP_MIGRATION = """
from decimal import Decimal
from covet.db import migrations, models

async def fill(apps, schema_editor):
    Country, City = apps.get_model("shop", "Country"), apps.get_model("shop", "City")
    using = schema_editor.alias
    nl = await Country.objects.using(using).create(code="nl", area=Decimal("41850.25"), data={"seas": ["north"]})
    be = await Country.objects.using(using).create(code="be", area=30528)
    await nl.near.add(be)
    await City.objects.using(using).create(country=be)

class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(fill)]
"""

CONTENT = """
from decimal import Decimal
import pytest
from shop.models import City, Country

async def holds_what_migrations_wrote():
    found = await Country.objects.prefetch_related("near").order_by("-code")
    assert [(one.code, one.area, one.data) for one in found] == [
        ("nl", Decimal("41850.25"), {"seas": ["north"]}), ("be", 30528, {})
    ]
    assert [one.code for one in found[0].near.all()] == ["be"]
    assert [city.country_id for city in await City.objects.all()] == [found[1].pk]
    return [one.pk for one in found]

async def test_before(db):
    await holds_what_migrations_wrote()
    await Country.objects.all().delete()

@pytest.mark.parametrize("turn", [1, 2])
@pytest.mark.db(transaction=True)
async def test_commits(turn):
    keys = await holds_what_migrations_wrote()
    made = await Country.objects.create(code="de", area=1)
    assert made.pk == max(keys) + 1
    await Country.objects.filter(code="nl").delete()

async def test_behind(db):
    await holds_what_migrations_wrote()
"""


def shop_project(folder: Path, vendor: str) -> Project:
    """A project with an app whose migrations write rows."""
    names = {"postgresql": "COVET_TEST_POSTGRES_URL", "mysql": "COVET_TEST_MYSQL_URL"}
    project = Project(folder, os.environ[names[vendor]] if vendor in names else "sqlite:///real.sqlite3")
    shop = folder / "shop"
    (shop / "migrations").mkdir(parents=True)
    (shop / "__init__.py").touch()
    (shop / "migrations" / "__init__.py").touch()
    (shop / "models.py").write_text(SHOP)
    settings = folder / "project_settings.py"
    settings.write_text(settings.read_text().replace('"tests._apps.members"]', '"tests._apps.members", "shop"]'))
    environment = {
        **os.environ,
        "COVET_SETTINGS_MODULE": "project_settings",
        "PYTHONPATH": f"{folder}:{repository_root()}",
    }
    subprocess.run(
        [sys.executable, "-m", "covet", "makemigrations", "shop"], cwd=folder, env=environment, check=True, timeout=60
    )
    (shop / "migrations" / "0002_fill.py").write_text(SHOP_MIGRATION)
    return project


def test_rows_of_migrations_are_put_back_after_real_commits(tmp_path: Path) -> None:
    project = shop_project(tmp_path, "sqlite")
    settings = tmp_path / "project_settings.py"

    outcome, output = project.test(CONTENT)

    assert outcome == {"passed": 4}, output
    config = 'DATABASES["default"] = {"url": DATABASES["default"], "TEST": {"SERIALIZE": False}}\n'
    settings.write_text(settings.read_text() + config)
    outcome, output = project.test(CONTENT)
    assert outcome == {"passed": 2, "failed": 2}, output


SYNC = """
import asyncio
import pytest
from hypothesis import HealthCheck, given, settings, strategies
from covet import run_sync
from covet.auth.models import User

def ask(turn):
    assert run_sync(User.objects.count()) == 0
    run_sync(User.objects.create_user("ann"))

@pytest.mark.parametrize("turn", [1, 2])
def test_by_the_fixture(db, turn):
    ask(turn)

@pytest.mark.parametrize("turn", [1, 2])
@pytest.mark.db
def test_by_the_marker(turn):
    ask(turn)

@pytest.mark.parametrize("turn", [1, 2])
def test_by_commits(transactional_db, turn):
    ask(turn)

class TestMethods:
    def test_by_a_method(self, db):
        ask(1)

def test_a_fixture_that_is_not_async_is_before_it(db, settings):
    settings.PAGE_SIZE = 7
    from covet.conf import settings as live
    assert live.PAGE_SIZE == 7
    ask(1)

def test_a_loop_of_its_own(db):
    async def three():
        return 3
    assert asyncio.run(three()) == 3

@settings(max_examples=3, database=None, suppress_health_check=list(HealthCheck))
@given(number=strategies.integers())
async def test_of_hypothesis(db, number):
    assert await User.objects.count() == 0 and asyncio.get_running_loop()

def test_what_needs_no_database_stays_on_the_main_thread():
    import threading
    assert threading.current_thread() is threading.main_thread()
    with pytest.raises(RuntimeError, match="fixture db"):
        run_sync(User.objects.count())
"""


def test_a_test_that_is_not_async_reaches_the_database(project: Project) -> None:
    outcome, output = project.test(SYNC)

    assert outcome == {"passed": 11}, output


IN_PARALLEL = (
    CONTENT
    + """
import os
from covet.db import IntegrityError, connections, transaction

@pytest.mark.parametrize("turn", range(2))
@pytest.mark.db(transaction=True)
async def test_rules_are_there(turn):
    with pytest.raises(IntegrityError):
        await Country.objects.create(code="nl", area=1)
    with pytest.raises(IntegrityError):
        async with transaction.atomic():
            await City.objects.create(country_id=10**6)
    assert connections["default"].config.name.removesuffix(".sqlite3").endswith(os.environ["PYTEST_XDIST_WORKER"])
"""
)


@pytest.mark.parametrize("vendor", ["sqlite", "postgresql", "mysql"])
def test_workers_copy_what_one_of_them_has_migrated(tmp_path: Path, vendor: str) -> None:
    project = shop_project(tmp_path, vendor)
    migration = tmp_path / "shop" / "migrations" / "0002_fill.py"
    told = f"    open({str(tmp_path / 'runs')!r}, 'a').write(schema_editor.alias + '\\n')\n"
    source = migration.read_text()
    migration.write_text(source.replace("    Country, City =", told + "    Country, City =", 1))

    outcome, output = project.test(IN_PARALLEL, "-n", "2", "--dist", "each")

    assert outcome == {"passed": 12}, output
    assert sorted((tmp_path / "runs").read_text().split()) == ["default", "other"]


def test_what_cannot_be_copied_is_migrated_by_each_worker(tmp_path: Path) -> None:
    """MariaDB and MySQL copy tables only."""
    project = shop_project(tmp_path, "mysql")
    migration = tmp_path / "shop" / "migrations" / "0002_fill.py"
    told = f"    open({str(tmp_path / 'runs')!r}, 'a').write(schema_editor.alias + '\\n')\n"
    source = migration.read_text().replace("    Country, City =", told + "    Country, City =", 1)
    view = "migrations.RunSQL('CREATE VIEW codes AS SELECT code FROM shop_country')"
    migration.write_text(source.replace("RunPython(fill)]", f"RunPython(fill), {view}]"))

    outcome, output = project.test(CONTENT, "-n", "2", "--dist", "each")

    assert outcome == {"passed": 8}, output
    # Once for the template, once for each worker; the SQLite file is copied.
    assert sorted((tmp_path / "runs").read_text().split()) == ["default"] * 3 + ["other"]


def test_the_last_worker_drops_what_they_shared(tmp_path: Path) -> None:
    """Workers that begin and end in any order; one whose migrations fail leaves it to the next."""
    folder, happened = tmp_path / "shared", []

    async def make() -> None:
        happened.append("make")
        if happened.count("make") == 1:
            raise ZeroDivisionError

    async def drop() -> None:
        happened.append("drop")

    async def worker(first: asyncio.Event, go: asyncio.Event) -> None:
        async with shared_by_workers(folder, make, drop):
            happened.append("in")
            first.set()
            await go.wait()

    async def run() -> None:
        with pytest.raises(ZeroDivisionError):
            async with shared_by_workers(folder, make, drop):
                pass
        one, two, go = asyncio.Event(), asyncio.Event(), asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(worker(one, go))
            await one.wait()
            tasks.create_task(worker(two, go))
            await two.wait()
            go.set()

    asyncio.run(run())
    assert happened == ["drop", "make", "drop", "make", "in", "in", "drop"]
    assert list(tmp_path.iterdir()) == []


def test_what_django_calls_otherwise_is_told(project: Project) -> None:
    """An import that a file of tests begins with, and what a test asks for."""
    counts, output = project.test("from covet.test import TestCase\n")

    assert counts == {"error": 1}
    assert "What to write instead" in output
    assert (
        "Instead of django.test.TestCase there is: test functions of pytest with the fixtures db and client." in output
    )

    counts, output = project.test(
        "def test_it():\n    from covet.http import HttpResponse\n\n\n"
        "def test_other():\n    import nowhere\n\n\ndef test_third():\n    assert 1 == 2\n"
    )

    assert counts == {"failed": 3}
    assert output.count("What to write instead") == 1
    assert "from covet.http import Response" in output
