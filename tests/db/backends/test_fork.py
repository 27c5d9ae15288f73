"""A pool in a forked process, and blocks that only read beside the one writer of SQLite."""

from __future__ import annotations

import asyncio
import contextvars
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from covet.db import transaction
from covet.db.errors import DatabaseError
from tests.conftest import repository_root

if TYPE_CHECKING:
    from covet.db.database import Database
    from tests.conftest import Scratch


# In a process of its own: a fork beside the threads of a whole test run may copy a lock that one of them holds.
FORKS = """
import asyncio
import os
import sys
import warnings

from covet.conf import settings

settings.configure(SECRET_KEY="x" * 50, INSTALLED_APPS=[])
from covet.conf.service_url import parse_database
from covet.db.database import Database

READ = "SELECT name FROM pet ORDER BY name"


def in_a_fork(database):
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # Python warns that a fork beside threads may lock up; that is what this is about.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            # The parent's loop runs in this thread, as far as the child's copy of asyncio knows.
            asyncio._set_running_loop(None)
            said = asyncio.new_event_loop().run_until_complete(of_the_child(database))
        except BaseException as error:
            said = repr(error)
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


async def of_the_child(database):
    rows = await database.fetch(READ)
    await database.execute("INSERT INTO pet VALUES ('of the child')")
    await database.close()
    return ",".join(row[0] for row in rows)


async def main():
    database = Database("default", parse_database(sys.argv[1]))
    await database.execute("CREATE TABLE pet (name varchar(20))")
    await database.execute("INSERT INTO pet VALUES ('cat')")
    assert len(await database.fetch(READ)) == 1
    print(in_a_fork(database))
    # The parent's are as they were.
    print(*[row[0] for row in await database.fetch(READ)], sep=",")
    await database.close()


asyncio.run(main())
"""


@pytest.mark.row("connections.pool")
async def test_a_forked_child_opens_connections_of_its_own(vendor: str, scratch: Scratch, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", FORKS, await scratch(vendor)),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(repository_root())},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()

    assert (process.returncode, out.decode().split("\n")) == (0, ["cat", "cat,of the child", ""]), err.decode()


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
