"""What a new connection is set to, which servers are refused, and introspection under Django's names."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from covet.conf.service_url import parse_database
from covet.db import transaction
from covet.db.database import Database
from covet.db.errors import InternalError, NotSupportedError
from covet.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from covet.db.backends.driver import Driver


@pytest.fixture
async def with_options(database: Database) -> AsyncIterator[Any]:
    made: list[Database] = []

    def make(**options: Any) -> Database:
        opened = Database("default", replace(database.config, options={**database.config.options, **options}))
        made.append(opened)
        return opened

    yield make
    for one in made:
        await one.close()


@pytest.mark.row("connections.setup")
@pytest.mark.vendors("postgresql", "mysql")
async def test_the_isolation_level_of_a_session_is_an_option(with_options: Any) -> None:
    db = with_options(isolation_level="REPEATABLE-READ")
    async with transaction.atomic(db):
        ask = "SHOW transaction_isolation" if db.vendor == "postgresql" else "SELECT @@transaction_isolation"
        if db.vendor == "mysql" and "MariaDB" in db.features.server:
            ask = "SELECT @@tx_isolation"
        assert (await db.fetch(ask))[0][0].lower().replace("-", " ") == "repeatable read"


@pytest.mark.row("connections.setup")
@pytest.mark.vendors("postgresql")
async def test_the_role_of_a_session_survives_its_reset(with_options: Any) -> None:
    db = with_options(role="pg_monitor")
    assert (await db.fetch("SELECT current_user"))[0][0] == "pg_monitor"
    await db.execute("SET statement_timeout = 5000")
    assert (await db.fetch("SELECT current_user"))[0][0] == "pg_monitor"
    assert (await db.fetch("SHOW statement_timeout"))[0][0] == "0"


@pytest.mark.row("connections.setup")
@pytest.mark.vendors("postgresql")
@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"isolation_level": "none; DROP"}, "there is no isolation_level 'none; drop'"),
        ({"pool": True}, "'pool': {'max_size': 20}"),
        ({"assume_role": "x"}, "Write 'role'"),
    ],
)
async def test_options_that_cannot_be_are_refused_with_what_to_write(
    with_options: Any, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        with_options(**options)
    assert says in str(caught.value)


@pytest.mark.row("connections.setup")
@pytest.mark.vendors("sqlite")
async def test_sqlite_takes_a_transaction_mode_and_a_command(with_options: Any) -> None:
    db = with_options(transaction_mode="deferred", init_command="PRAGMA cache_size = 123; PRAGMA temp_store = 2")
    assert (await db.fetch("PRAGMA cache_size"))[0][0] == 123
    other = sqlite3.connect(db.config.name, timeout=0)
    async with transaction.atomic(db):
        # Nothing is locked yet: another process may write.
        other.execute("CREATE TABLE theirs (id integer)")
    other.close()
    with pytest.raises(ImproperlyConfigured, match="no transaction_mode 'LAZY'"):
        with_options(transaction_mode="lazy")


@pytest.mark.row("connections.setup")
@pytest.mark.vendors("sqlite")
async def test_a_broken_file_is_an_internal_error(tmp_path: Path, database: Database) -> None:
    path = tmp_path / "broken.sqlite3"
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE t (a)")
        raw.executemany("INSERT INTO t VALUES (?)", [("x" * 500,)] * 100)
    raw.close()
    content = bytearray(path.read_bytes())
    content[4096 : len(content)] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    db = Database("default", parse_database(f"sqlite:///{path}"))
    with pytest.raises(InternalError, match="malformed"):
        await db.fetch("SELECT a FROM t")
    await db.close()


@pytest.mark.row("connections.versions")
async def test_a_server_that_is_too_old_is_refused_when_it_is_connected_to(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind: type[Driver] = type(database.driver)
    monkeypatch.setattr(kind, "minimum", (99, 1))
    if database.vendor == "mysql":
        monkeypatch.setattr(kind, "minimum_mariadb", (99, 1))
    with pytest.raises(NotSupportedError, match=r"is too old: Covet needs 99\.1 or later"):
        await database.fetch("SELECT 1")
    monkeypatch.undo()
    assert (await database.fetch("SELECT 1"))[0][0] == 1


@pytest.mark.row("connections.settings")
@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("CONN_MAX_AGE", "max_lifetime_s"),
        ("CONN_HEALTH_CHECKS", "leave it out"),
        ("DISABLE_SERVER_SIDE_CURSORS", "pgbouncer"),
        ("AUTOCOMMIT", "set_autocommit"),
        ("TIME_ZONE", "UTC"),
    ],
)
def test_keys_of_ported_settings_are_refused_with_what_to_write(key: str, says: str) -> None:
    with pytest.raises(ValueError, match=f"it has the key '{key}'.*{says}"):
        parse_database({"ENGINE": "django.db.backends.postgresql", "NAME": "x", key: 1})


@pytest.mark.row("connections.introspection")
async def test_the_schema_is_read_under_djangos_names(database: Database) -> None:
    await database.execute("CREATE TABLE maker (id integer PRIMARY KEY, code varchar(9) NOT NULL)")
    await database.execute("CREATE UNIQUE INDEX maker_code ON maker (code)")
    await database.execute(
        "CREATE TABLE thing (id integer PRIMARY KEY, maker_id integer NOT NULL, size integer, "
        "CONSTRAINT thing_maker FOREIGN KEY (maker_id) REFERENCES maker (id), CONSTRAINT thing_size CHECK (size > 0))"
    )
    await database.execute("CREATE INDEX thing_by_size ON thing (size)")
    await database.execute("CREATE VIEW shown AS SELECT id FROM thing")
    reader = database.introspection

    assert await reader.table_names() == ["maker", "thing"]
    assert await reader.table_names(include_views=True) == ["maker", "shown", "thing"]
    assert [column.name for column in await reader.get_table_description("thing")] == ["id", "maker_id", "size"]
    assert await reader.get_relations("thing") == {"maker_id": ("id", "maker")}
    assert await reader.get_primary_key_columns("thing") == ["id"]
    assert await reader.get_sequences("maker") == [] or database.vendor == "sqlite"
    found = await reader.get_constraints("thing")
    keys = [entry for entry in found.values() if entry["primary_key"]]
    assert [entry["columns"] for entry in keys] == [["id"]]
    assert found["thing_maker"]["foreign_key"] == ("maker", "id")
    assert found["thing_size"]["check"]
    assert found["thing_by_size"]["index"]
    assert not found["thing_by_size"]["unique"]
    assert (await reader.get_constraints("maker"))["maker_code"]["unique"]


@pytest.mark.vendors("postgresql")
async def test_a_connection_that_cannot_be_set_up_is_cut(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server has accepted it, and nobody would close it: it would hold one of the server's places."""
    from covet.db.backends.postgresql import driver

    met: list[Any] = []

    def fail(raw: Any) -> None:
        met.append(raw)
        raise RuntimeError("not set up")

    monkeypatch.setattr(driver, "use_native_arrays", fail)
    one = Database("default", database.config)
    with pytest.raises(RuntimeError, match="not set up"):
        await one.fetch("SELECT 1", ())
    await one.close()

    assert [raw.is_closed() for raw in met] == [True]
