"""``connection_created``: every session is introduced to receivers, and again once it was set back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from covet.db import transaction
from covet.db.backends.signals import connection_created
from covet.db.errors import DatabaseError

if TYPE_CHECKING:
    from covet.db.database import Database

_SET = {
    "postgresql": "SET statement_timeout = 12345",
    "mysql": "SET SESSION lock_wait_timeout = 1234",
    "sqlite": "PRAGMA cache_size = -1234",
}
_READ = {
    "postgresql": ("SHOW statement_timeout", "12345ms"),
    "mysql": ("SELECT @@SESSION.lock_wait_timeout", 1234),
    "sqlite": ("PRAGMA cache_size", -1234),
}


@pytest.fixture
def told() -> Iterator[list[dict[str, Any]]]:
    heard: list[dict[str, Any]] = []

    async def prepare(sender: Any, connection: Any, database: Any, using: str, **named: Any) -> None:
        heard.append({"sender": sender, "database": database, "using": using})
        await connection.execute(_SET[database.vendor], ())

    connection_created.connect(prepare)
    yield heard
    connection_created.disconnect(prepare)


async def value(database: Database) -> Any:
    return (await database.fetch(_READ[database.vendor][0]))[0][0]


@pytest.mark.row("connections.setup")
async def test_receivers_prepare_each_session(database: Database, told: list[dict[str, Any]]) -> None:
    assert await value(database) == _READ[database.vendor][1]
    async with transaction.atomic():
        assert await value(database) == _READ[database.vendor][1]
    assert {one["using"] for one in told} == {"default"}
    assert all(one["database"] is database for one in told)
    before = len(told)
    await value(database)
    assert len(told) == before


@pytest.mark.vendors("postgresql", "mysql")
async def test_a_session_that_was_set_back_is_introduced_again(database: Database, told: list[dict[str, Any]]) -> None:
    other = {"postgresql": "SET statement_timeout = 999", "mysql": "SET SESSION lock_wait_timeout = 999"}
    await database.execute(other[database.vendor])

    for _ in range(3):
        assert await value(database) == _READ[database.vendor][1]
    assert len(told) >= 2


async def test_what_a_receiver_raises_goes_to_who_asked(database: Database) -> None:
    def refuse(sender: Any, **named: Any) -> None:
        raise RuntimeError("not today")

    connection_created.connect(refuse)
    try:
        with pytest.raises((RuntimeError, DatabaseError), match="not today"):
            await database.fetch("SELECT 1")
    finally:
        connection_created.disconnect(refuse)

    assert (await database.fetch("SELECT 1"))[0][0] == 1
