"""LISTEN and NOTIFY: what is sent by a commit is heard, in order; what can go wrong has a name."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from covet.db import transaction
from covet.db.errors import ConnectionLost, NotSupportedError, OperationalError
from covet.postgres.listen import Listener, listen, notify

if TYPE_CHECKING:
    from covet.db.database import Database

LISTENERS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"


@pytest.mark.row("postgres.listen", on="postgresql")
async def test_messages_arrive_with_the_commit(pg: Database) -> None:
    async with listen("orders", 'it\'s "odd"') as notes:
        with pytest.raises(RuntimeError):
            async with transaction.atomic():
                await notify("orders", "never")
                raise RuntimeError
        async with transaction.atomic():
            await notify("orders", "first")
            await notify('it\'s "odd"', "second")
        await notify("elsewhere", "not heard")
        await notify("orders")
        found = [await anext(notes) for _ in range(3)]
    assert [(note.channel, note.payload) for note in found] == [
        ("orders", "first"),
        ('it\'s "odd"', "second"),
        ("orders", ""),
    ]
    assert [note async for note in notes] == []
    assert await pg.fetch(LISTENERS) == []


@pytest.mark.row("postgres.listen", on="postgresql")
async def test_who_waits_in_another_task_is_done_at_the_end_of_the_block(pg: Database) -> None:
    async def read(notes: Listener) -> list[str]:
        return [note.payload async for note in notes]

    async with listen("orders") as notes:
        reading = asyncio.create_task(read(notes))
        await asyncio.sleep(0)

    async with asyncio.timeout(60):
        assert await reading == []


@pytest.mark.row("postgres.listen", on="postgresql")
async def test_who_waits_is_woken_and_can_be_cancelled(pg: Database) -> None:
    async def wait() -> str:
        async with listen("orders") as notes:
            ready.set()
            async for note in notes:
                return note.payload
        return ""

    for cancelled in (False, True):
        ready = asyncio.Event()
        task = asyncio.create_task(wait())
        await ready.wait()
        if cancelled:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            await notify("orders", "x")
            assert await task == "x"
    assert await pg.fetch(LISTENERS) == []


async def test_a_listener_that_falls_behind_is_told(pg: Database) -> None:
    async with listen("orders", limit=2) as notes:
        async with transaction.atomic():
            for number in range(4):
                await notify("orders", str(number))
        assert [(await anext(notes)).payload for _ in range(2)] == ["0", "1"]
        with pytest.raises(OperationalError, match="More than 2 messages of orders"):
            await anext(notes)


async def test_a_lost_connection_is_told(pg: Database) -> None:
    async with listen("orders") as notes:
        ((pid,),) = await pg.fetch(LISTENERS)
        await pg.fetch("SELECT pg_terminate_backend($1::integer)", (pid,))
        with pytest.raises(ConnectionLost, match="may have been missed"):
            await anext(notes)


@pytest.mark.vendors("sqlite", "mysql")
async def test_other_databases_carry_no_messages(database: Database) -> None:
    with pytest.raises(NotSupportedError, match="needs PostgreSQL"):
        await notify("orders")
    with pytest.raises(NotSupportedError, match="needs PostgreSQL"):
        async with listen("orders"):
            pass
    with pytest.raises(ValueError, match="one channel"):
        listen()
