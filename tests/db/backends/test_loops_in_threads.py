"""Which event loop a statement runs in is told by its thread: two loops of one thread, and one loop run by one thread after another."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest

MANY = """
import asyncio, sys, threading
from covet.conf import settings

settings.configure(DATABASES={"default": sys.argv[1]}, INSTALLED_APPS=[])
from covet.db import connections, transaction
from covet.db.errors import InterfaceError

db = connections["default"]
count = "SELECT count(*) FROM things"


async def work():
    async with transaction.atomic():
        await db.fetch(count)
    return (await db.fetch(count))[0][0]


async def refused():
    found = []
    for statement in (db.fetch(count), db.execute("INSERT INTO things (id) VALUES (2)"), work()):
        try:
            await statement
        except InterfaceError as error:
            found.append("is open in another event loop" in str(error))
    return found


def in_thread(function, *args):
    found = []
    thread = threading.Thread(target=lambda: found.append(function(*args)))
    thread.start()
    thread.join()
    return found[0]


if sys.argv[2] == "uvloop":
    import uvloop
    make = uvloop.new_event_loop
else:
    make = asyncio.new_event_loop
first, second = make(), make()
first.run_until_complete(db.execute("CREATE TABLE things (id integer)"))
first.run_until_complete(db.execute("INSERT INTO things (id) VALUES (1)"))
first.run_until_complete(work())

# Two loops of one thread, of which one runs and the other one has the connections.
print(second.run_until_complete(refused()), first.run_until_complete(work()))

# The loop with the connections is run by another thread, and the other loop by this one: now alone, now beside it.
print(in_thread(first.run_until_complete, work()), second.run_until_complete(refused()))


async def beside():
    return await asyncio.to_thread(second.run_until_complete, refused()), await work()


print(in_thread(first.run_until_complete, beside()))
print(first.run_until_complete(work()))
first.run_until_complete(db.close())
print(second.run_until_complete(work()))
second.run_until_complete(db.close())
"""


@pytest.mark.row("connections.pool")
@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
async def test_a_loop_is_known_by_whether_it_runs_here_and_now(kind: str, vendor: str, scratch: Any) -> None:
    command = [sys.executable, "-W", "ignore", "-c", MANY, await scratch(vendor), kind]
    ended = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=120, check=False)

    refused = "[True, True, True]"
    assert (ended.stdout, ended.stderr) == (f"{refused} 1\n1 {refused}\n({refused}, 1)\n1\n1\n", "")
