"""Slow statements: logged with their plan, without their values."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from covet.conf import override
from covet.db import transaction
from covet.db.observe import record_queries

if TYPE_CHECKING:
    from covet.db.database import Database

pytestmark = pytest.mark.row("connections.query_log")

PLANS = {"postgresql": "Seq Scan on person", "sqlite": "SCAN person", "mysql": "table=person"}


@pytest.fixture
async def db(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    # However long a machine with much to do takes to explain one.
    monkeypatch.setattr("covet.db.backends.plans._LIMIT_S", 60.0)
    await database.execute("CREATE TABLE person (id integer PRIMARY KEY, name varchar(40), password varchar(40))")
    await database.fetch("SELECT 1")  # a connection that is free
    yield database


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.WARNING, "covet.db.slow")
    return caplog


async def test_a_slow_statement_is_logged_with_its_plan_and_place_and_no_values(
    db: Database, log: pytest.LogCaptureFixture
) -> None:
    mark = db.dialect.placeholder(1)
    with override(SLOW_QUERY_MS=0), record_queries() as records:
        await db.fetch(f"SELECT id FROM person WHERE name = {mark} AND id <> 4711", ["Ada Lovelace"])

    assert PLANS[db.vendor] in records[0].plan
    assert PLANS[db.vendor] in log.text
    assert "test_slow.py:" in log.text
    assert "Lovelace" not in log.text
    assert "4711" not in records[0].plan


async def test_writes_are_explained_and_not_run_again(db: Database, log: pytest.LogCaptureFixture) -> None:
    await db.execute("INSERT INTO person (id, name) VALUES (1, '0')")
    with override(SLOW_QUERY_MS=0), record_queries() as records:
        await db.execute("UPDATE person SET id = id + 1")

    assert [row[0] for row in await db.fetch("SELECT id FROM person")] == [2]
    assert records[0].plan


async def test_a_statement_that_names_a_secret_has_no_plan(db: Database, log: pytest.LogCaptureFixture) -> None:
    with override(SLOW_QUERY_MS=0), record_queries() as records:
        await db.fetch("SELECT id FROM person WHERE password = 'xyzzy'")

    assert records[0].plan == ""
    assert "Scan" not in log.text


async def test_a_transaction_is_left_alone_and_a_plan_that_fails_is_no_error(db: Database) -> None:
    with override(SLOW_QUERY_MS=0), record_queries() as records:
        async with transaction.atomic():
            await db.execute("CREATE TABLE fresh (id integer)")
            assert len(await db.fetch("SELECT id FROM fresh")) == 0
            await db.execute("INSERT INTO person (id) VALUES (7)")
    assert len(await db.fetch("SELECT id FROM person")) == 1
    # Other connections do not see the table yet, except on MySQL, which commits it.
    assert records[1].plan.startswith("(no plan: ") or not records[1].plan or db.vendor == "mysql"


async def test_the_plan_of_the_same_text_is_asked_for_once_in_a_while(db: Database) -> None:
    with override(SLOW_QUERY_MS=0), record_queries() as records:
        await db.fetch("SELECT id FROM person WHERE id = 1")
        db.plans["SELECT id FROM person WHERE id = 1"] = (db.plans["SELECT id FROM person WHERE id = 1"][0], "kept")
        await db.fetch("SELECT id FROM person WHERE id = 1")

    assert records[1].plan == "kept"


async def test_quick_statements_are_not_explained_nor_logged(db: Database, log: pytest.LogCaptureFixture) -> None:
    with override(SLOW_QUERY_MS=60_000), record_queries() as records:
        await db.fetch("SELECT id FROM person")

    assert records[0].plan == ""
    assert not [record for record in log.records if record.name == "covet.db.slow"]
