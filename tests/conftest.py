"""What all of Covet's own tests share: the addresses of the services, and scratch databases on all three vendors."""

from __future__ import annotations

import gc
import importlib.util
import os
import signal
import sys
import threading
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import pytest

if TYPE_CHECKING:
    from covet.db.database import Database

VENDORS = ("sqlite", "postgresql", "mysql")
_POSTGRES = os.environ.setdefault("COVET_TEST_POSTGRES_URL", "postgres://covet:covet@127.0.0.1:54329/covet")
_VECTOR = os.environ.setdefault("COVET_TEST_PGVECTOR_URL", "postgres://covet:covet@127.0.0.1:54339/covet")
os.environ.setdefault("COVET_TEST_PGBOUNCER_URL", "postgres://covet:covet@127.0.0.1:64329/covet")
_MYSQL = os.environ.setdefault("COVET_TEST_MYSQL_URL", "mysql://covet:covet@127.0.0.1:33069/covet?driver=aiomysql")
os.environ.setdefault("COVET_TEST_REDIS_URL", "redis://127.0.0.1:63799/0")
os.environ.setdefault("COVET_TEST_MEMCACHED_URL", "memcached://127.0.0.1:21219")

if importlib.util.find_spec("sniffio") is None:
    # httpcore looks for it before it makes a lock, several times for each request: every time through all folders.
    sys.modules["sniffio"] = None  # type: ignore[assignment]

Scratch = Callable[[str], Awaitable[str]]


def scratch_name() -> str:
    """A database name of this process's own: workers and parallel runs must not share one."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    return f"scratch{os.environ.get('COVET_TEST_SUFFIX', '')}_{worker}"


def _with_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def _postgres(url: str, *statements: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _mysql(url: str, *statements: str, drop_tables: bool = False) -> None:
    import aiomysql

    parts = urlsplit(url)
    connection = await aiomysql.connect(
        host=parts.hostname,
        port=parts.port,
        user=parts.username,
        password=parts.password,
        db=parts.path[1:] or None,
        autocommit=True,
    )
    try:
        async with connection.cursor() as cursor:
            for statement in statements:
                with warnings.catch_warnings():
                    # "Can't drop database; database doesn't exist": that is what IF EXISTS is for.
                    warnings.simplefilter("ignore")
                    await cursor.execute(statement)
            if drop_tables:
                await cursor.execute("SET foreign_key_checks = 0")
                await cursor.execute("SHOW FULL TABLES")
                for name, kind in await cursor.fetchall():
                    quoted = name.replace("`", "``")
                    await cursor.execute(f"DROP {'VIEW' if kind == 'VIEW' else 'TABLE'} `{quoted}`")
    finally:
        await connection.ensure_closed()


@pytest.fixture(scope="module", autouse=True)
def _registry_of_the_module() -> Iterator[None]:
    """The registry that a module's fixtures make current ends with the module."""
    from covet.apps.registry import _current

    before = _current.get()
    yield
    _current.set(before)


@pytest.fixture(autouse=True)
def _registry_of_the_test() -> Iterator[None]:
    """The registry that a test makes current ends with it: one that is not async has no context of its own."""
    from covet.apps.registry import _current

    before = _current.get()
    yield
    _current.set(before)


@pytest.fixture(scope="session")
async def scratch(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scratch]:
    """``await scratch(vendor)`` gives the URL of an empty database of that vendor; its tables are dropped first.

    Besides the vendors there is ``"pgvector"``: the PostgreSQL server that has this extension.
    """
    name = scratch_name()
    servers = {"postgresql": _POSTGRES, "pgvector": _VECTOR}
    made: dict[str, str] = {}
    folder = tmp_path_factory.mktemp("scratch")

    async def give(vendor: str) -> str:
        if vendor == "sqlite":
            for file in folder.glob("scratch.sqlite3*"):
                file.unlink()
            return f"sqlite:///{folder / 'scratch.sqlite3'}"
        if vendor not in made:
            if vendor in servers:
                await _postgres(
                    servers[vendor], f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', f'CREATE DATABASE "{name}"'
                )
                made[vendor] = _with_database(servers[vendor], name)
            else:
                await _mysql(
                    _MYSQL, f"DROP DATABASE IF EXISTS `{name}`", f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4"
                )
                made[vendor] = _with_database(_MYSQL, name)
        elif vendor in servers:
            await _postgres(made[vendor], "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
        else:
            await _mysql(made[vendor], drop_tables=True)
        return made[vendor]

    yield give
    for vendor in made.keys() & servers.keys():
        await _postgres(servers[vendor], f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    if "mysql" in made:
        await _mysql(_MYSQL, f"DROP DATABASE IF EXISTS `{name}`")


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> str:
    """Each of the three vendors in turn."""
    return str(request.param)


@pytest.fixture
async def database(vendor: str, scratch: Scratch) -> AsyncIterator[Database]:
    """The ``default`` alias on an empty database, once for each vendor."""
    from covet.conf import override
    from covet.conf.service_url import parse_database
    from covet.db import connections
    from covet.db.database import Database

    url = await scratch(vendor)
    opened = Database("default", parse_database(url))
    # The setting for those who read it, the object for those who have asked for the alias before.
    with override(DATABASES={"default": url}), connections.using({"default": opened}):
        yield opened
        await opened.close()


def pytest_configure(config: pytest.Config) -> None:
    """A minimal configuration before collection: test modules define models, which read settings."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
        # A shell lets what it starts in the background ignore Ctrl-C, and so would every process the tests start.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    from covet.conf import settings
    from tests._measuring import Measuring
    from tests.conformance.plugin import register

    register(config)
    config.pluginmanager.register(Measuring(), "covet-measuring")
    _settle_hypothesis(config)
    if not settings.configured:
        settings.configure(
            SECRET_KEY="tests-only-" + "x" * 40,
            DEBUG=False,
            INSTALLED_APPS=[],
            DATABASES={"default": "sqlite://:memory:"},
        )


@pytest.hookimpl(trylast=True)
def pytest_sessionstart() -> None:
    """After coverage has started, which a worker does here."""
    from tests._environ import share_coverage

    share_coverage()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep what is collected from the garbage collector: it stays to the end, and is more than all that a test makes.

    A full collection would look through it each time, for the better part of a second, and tests ask for many.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()  # what is garbage already may have something to complain of
        gc.freeze()
        if was_on:
            gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """``--dist loadfile`` is ours, which also keeps folders together; any other is xdist's own."""
    if config.getoption("dist") != "loadfile":
        return None
    from tests._scheduling import ByFile

    return ByFile(config, log)


def _settle_hypothesis(config: pytest.Config) -> None:
    """The same examples in every run, however long each takes: a run says something about the code and nothing else.

    ``--hypothesis-profile`` and ``--hypothesis-seed`` are for those who look for more.
    """
    from hypothesis import HealthCheck, settings

    if not config.getoption("--hypothesis-profile") and config.getoption("--hypothesis-seed") is None:
        slow = (HealthCheck.too_slow,)
        settings.register_profile(
            "covet", derandomize=True, database=None, deadline=None, print_blob=True, suppress_health_check=slow
        )
        settings.load_profile("covet")


def repository_root() -> Path:
    """The checkout's top folder."""
    return Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[Any]) -> None:
    """Leave out what is not for this run: long runs unless ``-m soak`` asks for them, and vendors a test is not about."""
    soaking = "soak" in (config.getoption("-m") or "")
    kept, left = [], []
    for item in items:
        (kept if (soaking or not item.get_closest_marker("soak")) and _is_for_its_vendor(item) else left).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


def _is_for_its_vendor(item: Any) -> bool:
    vendors, ways = item.get_closest_marker("vendors"), item.get_closest_marker("ways")
    if vendors is not None and item.callspec.params["vendor"] not in vendors.args:
        return False
    return ways is None or any(way in item.callspec.id.split("-") for way in ways.args)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    """In CI nothing is skipped: a test that could not run is named, and ``pytest_sessionfinish`` fails the run."""
    if os.environ.get("CI") and terminalreporter.stats.get("skipped"):
        terminalreporter.write_line("In CI nothing may be skipped; see the lines above.", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run in CI that skipped something."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped") and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
