"""A pool in a forked process, and blocks that only read beside the one writer of SQLite."""

from __future__ import annotations

import asyncio
import contextvars
import os
import warnings
from typing import TYPE_CHECKING

import pytest

from covet.db import transaction
from covet.db.errors import DatabaseError

if TYPE_CHECKING:
    from covet.db.database import Database


def in_a_fork(database: Database) -> str:
    """What a forked child reads, with an event loop of its own; how it went comes through a pipe."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # Python warns that a fork beside threads may lock up; that is what this is about.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            # The parent's loop runs in this thread, as far as the child's copy of asyncio knows.
            asyncio._set_running_loop(None)
            loop = asyncio.new_event_loop()
            said = loop.run_until_complete(_read(database))
        except BaseException as error:
            said = repr(error)
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


async def _read(database: Database) -> str:
    rows = await database.fetch("SELECT name FROM pet ORDER BY name")
    await database.execute("INSERT INTO pet VALUES ('of the child')")
    await database.close()
    return ",".join(row[0] for row in rows)


@pytest.mark.row("connections.pool")
async def test_a_forked_child_opens_connections_of_its_own(database: Database) -> None:
    await database.execute("CREATE TABLE pet (name varchar(20))")
    await database.execute("INSERT INTO pet VALUES ('cat')")
    assert len(await database.fetch("SELECT name FROM pet ORDER BY name")) == 1

    assert in_a_fork(database) == "cat"

    # The parent's are as they were.
    rows = await database.fetch("SELECT name FROM pet ORDER BY name")
    assert [row[0] for row in rows] == ["cat", "of the child"]


@pytest.mark.row("transactions.isolation")
@pytest.mark.vendors("sqlite")
async def test_a_block_that_only_reads_leaves_the_writer_to_others(database: Database) -> None:
    await database.execute("CREATE TABLE pet (name varchar(20))")
    async with transaction.atomic(read_only=True):
        assert await database.fetch("SELECT name FROM pet") == []
        await asyncio.create_task(
            database.execute("INSERT INTO pet VALUES ('cat')"),  # type: ignore[arg-type]  # a coroutine
            context=contextvars.Context(),
        )
        # One snapshot for the whole block.
        assert await database.fetch("SELECT name FROM pet") == []
    with pytest.raises(DatabaseError):
        async with transaction.atomic(read_only=True):
            await database.execute("DELETE FROM pet")
    assert len(await database.fetch("SELECT name FROM pet")) == 1
    assert database._readers is not None
    assert database._readers.in_use == 0
    await database.execute("DELETE FROM pet")
