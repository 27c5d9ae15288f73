"""``capture_on_commit_callbacks`` and the options of test databases."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from covet.conf import override
from covet.conf.service_url import parse_database
from covet.db import connections, transaction
from covet.db.backends.blocks import captured
from covet.exceptions import ImproperlyConfigured
from covet.test import capture_on_commit_callbacks
from covet.test.database import test_config as config_for_tests
from covet.test.database import test_databases as databases_for_tests

if TYPE_CHECKING:
    from covet.db.database import Database
    from tests.conftest import Scratch


@pytest.fixture
async def pinned(database: Database) -> AsyncIterator[Database]:
    async with database.pinned():
        yield database


def note(ran: list[str], name: str) -> Any:
    return lambda: ran.append(name)


async def test_callbacks_are_listed_in_place_of_being_run(pinned: Database) -> None:
    ran: list[str] = []
    first, second = note(ran, "first"), note(ran, "second")

    async with capture_on_commit_callbacks() as callbacks:
        async with transaction.atomic():
            transaction.on_commit(first)
        await transaction.on_commit(second)
        with pytest.raises(RuntimeError, match="no"):
            async with transaction.atomic():
                transaction.on_commit(note(ran, "undone"))
                raise RuntimeError("no")

    assert callbacks == [first, second]
    assert ran == []
    assert captured == {}
    async with transaction.atomic():
        transaction.on_commit(note(ran, "as usual"))
    assert ran == ["as usual"]


async def test_execute_runs_them_in_order_and_what_they_ask_for(pinned: Database) -> None:
    ran: list[str] = []

    async def outer() -> None:
        ran.append("outer")
        async with transaction.atomic():
            transaction.on_commit(note(ran, "inner"))

    async with capture_on_commit_callbacks(execute=True) as callbacks:
        async with transaction.atomic():
            transaction.on_commit(outer)
            transaction.on_commit(note(ran, "next"))
        assert ran == []

    assert ran == ["outer", "next", "inner"]
    assert len(callbacks) == 3


async def test_an_open_block_around_it_is_looked_into_and_captures_nest(pinned: Database) -> None:
    ran: list[str] = []
    async with transaction.atomic():
        transaction.on_commit(note(ran, "before"))
        async with capture_on_commit_callbacks() as callbacks:
            transaction.on_commit(note(ran, "inside"))
            async with capture_on_commit_callbacks(execute=True) as nested:
                transaction.on_commit(note(ran, "nested"))
    assert ran == ["nested", "before"]
    assert (len(callbacks), len(nested)) == (1, 1)


async def test_a_failing_callback_raises_unless_it_is_robust(
    pinned: Database, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("broken")

    with caplog.at_level(logging.ERROR):
        async with capture_on_commit_callbacks(execute=True):
            transaction.on_commit(fail, robust=True)
    assert "An on_commit function failed" in caplog.text
    with pytest.raises(RuntimeError, match="broken"):
        async with capture_on_commit_callbacks(execute=True):
            transaction.on_commit(fail)
    assert captured == {}


# ── TEST


def test_the_key_test_is_read_in_djangos_spelling() -> None:
    given = {"NAME": "n", "MIRROR": "default", "MIGRATE": False, "CHARSET": "utf8mb4", "DEPENDENCIES": ["default"]}
    config = parse_database({"ENGINE": "django.db.backends.mysql", "NAME": "shop", "TEST": given})
    assert (config.test_name, config.test.mirror, config.test.migrate) == ("n", "default", False)
    assert (config.test.charset, config.test.dependencies) == ("utf8mb4", ("default",))
    assert parse_database("postgres://h/shop?test_name=x").test_name == "x"
    with pytest.raises(ValueError, match=r"'test\.mirrors'.*Did you mean 'mirror'"):
        parse_database({"url": "postgres://h/shop", "test": {"mirrors": "x"}})


def test_a_suffix_goes_to_the_name_that_was_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COVET_TEST_SUFFIX", "_s")
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    config = parse_database({"url": "postgres://h/shop", "TEST": {"NAME": "mine"}})
    assert config_for_tests(config, tmp_path).name == "mine_s"


async def test_a_mirror_reads_what_a_test_wrote_to_the_other(tmp_path: Path) -> None:
    given = {
        "default": f"sqlite:///{tmp_path}/one.sqlite3",
        "replica": {"url": f"sqlite:///{tmp_path}/two.sqlite3", "TEST": {"MIRROR": "default"}},
    }
    async with override(DATABASES=given), databases_for_tests(migrate=False):
        await connections["default"].execute("CREATE TABLE t (a INTEGER)")
        async with connections["default"].pinned():
            await connections["default"].execute("INSERT INTO t VALUES (1)")
            assert await connections["replica"].fetch("SELECT a FROM t") == [(1,)]
        assert await connections["replica"].fetch("SELECT a FROM t") == []


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ({"MIRROR": "nowhere"}, {}, "name an alias of DATABASES that mirrors none"),
        ({"MIRROR": "second"}, {"MIRROR": "first"}, "that mirrors none"),
        ({"DEPENDENCIES": ["second"]}, {"DEPENDENCIES": ["first"]}, "in a circle: first → second → first"),
        ({"DEPENDENCIES": ["third"]}, {}, "names 'third'"),
    ],
    ids=["unknown", "both", "circle", "missing"],
)
async def test_databases_that_cannot_be_made_are_named(first: Any, second: Any, words: str, tmp_path: Path) -> None:
    given = {
        "first": {"url": f"sqlite:///{tmp_path}/one.sqlite3", "TEST": first},
        "second": {"url": f"sqlite:///{tmp_path}/two.sqlite3", "TEST": second},
    }
    async with override(DATABASES=given):
        with pytest.raises(ImproperlyConfigured, match=words):
            async with databases_for_tests(migrate=False):
                pass


async def test_databases_are_made_after_those_they_depend_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from covet.test import database as module

    given = {
        "first": {"url": f"sqlite:///{tmp_path}/one.sqlite3", "TEST": {"DEPENDENCIES": ["second"]}},
        "second": f"sqlite:///{tmp_path}/two.sqlite3",
    }
    async with override(DATABASES=given), databases_for_tests(migrate=False):
        configs = {alias: connections[alias].config for alias in given}
        assert module._in_order(configs) == ["second", "first"]


async def test_servers_make_the_database_as_test_says(scratch: Scratch) -> None:
    postgresql, mysql = parse_database(await scratch("postgresql")), parse_database(await scratch("mysql"))
    given = {
        "default": _with(postgresql, charset="UTF8", template="template0"),
        "other": _with(mysql, charset="latin1", collation="latin1_bin"),
    }
    async with override(DATABASES=given), databases_for_tests(migrate=False):
        assert await connections["default"].fetch("SHOW server_encoding") == [("UTF8",)]
        (row,) = await connections["other"].fetch("SELECT @@character_set_database, @@collation_database")
        assert tuple(row) == ("latin1", "latin1_bin")


@pytest.mark.parametrize(
    ("server", "test", "words"),
    [
        ("postgresql", {"collation": "x"}, "TEMPLATE"),
        ("postgresql", {"charset": "UTF8'; --"}, "names no character set"),
        ("mysql", {"template": "x"}, "leave TEST"),
        ("mysql", {"charset": "utf8mb4; DROP"}, "names no character set"),
    ],
    ids=["collation", "postgresql", "template", "mysql"],
)
async def test_options_that_a_server_lacks_are_refused(
    server: str, test: dict[str, str], words: str, scratch: Scratch
) -> None:
    async with override(DATABASES={"default": _with(parse_database(await scratch(server)), **test)}):
        with pytest.raises(ImproperlyConfigured, match=words):
            async with databases_for_tests(migrate=False):
                pass


def _with(config: Any, **test: Any) -> dict[str, Any]:
    return {
        "backend": config.backend,
        "name": config.name,
        "user": config.user,
        "password": config.password,
        "host": config.host,
        "port": config.port,
        "test": test,
    }
