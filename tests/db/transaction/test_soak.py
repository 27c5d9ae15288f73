"""Many tasks on few connections, cancelled and timed out at random: nothing is lost, doubled, leaked or left dirty."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

from covet.apps import apps
from covet.db import models, transaction
from covet.db.backends.postgresql.together import _ALONE
from covet.db.database import Database
from covet.db.errors import IntegrityError, OperationalError, TransactionError
from covet.db.models.table import table_of

TASKS = 1000
ACCOUNTS = 50


@dataclass
class Book:
    """What the tasks know of the notes they wrote: those that stand for certain, and those that may."""

    chance: random.Random
    number: int = 0
    stand: set[int] = field(default_factory=set)
    may_stand: set[int] = field(default_factory=set)
    stopped: int = 0


async def write(db: Database, book: Book) -> None:
    """Move an amount between two accounts, and note it, in one transaction that may be cut off anywhere."""
    book.number += 1
    number = book.number
    first, second = sorted(book.chance.sample(range(ACCOUNTS), 2))
    mark = db.dialect.placeholder
    book.may_stand.add(number)
    async with transaction.atomic(db):
        await db.execute(f"UPDATE account SET balance = balance - 1 WHERE id = {mark(1)}", (first,))
        await db.execute(f"INSERT INTO note (n) VALUES ({mark(1)})", (number,))
        if book.chance.random() < 0.1:
            raise ZeroDivisionError
        await db.execute(f"UPDATE account SET balance = balance + 1 WHERE id = {mark(1)}", (second,))
    book.stand.add(number)


async def one_step(db: Database, book: Book) -> None:
    kind = book.chance.random()
    try:
        if kind < 0.5:
            await write(db, book)
        elif kind < 0.75:
            async with asyncio.timeout(book.chance.uniform(0, 0.05)):
                await write(db, book)
        else:
            await db.fetch("SELECT sum(balance) FROM account")
    except (ZeroDivisionError, TimeoutError, OperationalError, TransactionError):
        book.stopped += 1


async def work(db: Database, book: Book, until: float) -> None:
    loop = asyncio.get_running_loop()
    while loop.time() < until:
        task = asyncio.create_task(one_step(db, book))
        if book.chance.random() < 0.2:
            loop.call_later(book.chance.uniform(0, 0.1), task.cancel)
        await asyncio.wait([task])
        if task.cancelled():
            book.stopped += 1
        elif (error := task.exception()) is not None:
            raise error


async def soak(db: Database, seconds: float) -> None:
    await db.execute("CREATE TABLE account (id integer PRIMARY KEY, balance integer NOT NULL)")
    await db.execute("CREATE TABLE note (n integer NOT NULL)")
    mark = db.dialect.placeholder
    await db.execute_many(
        f"INSERT INTO account (id, balance) VALUES ({mark(1)}, {mark(2)})",
        [(number, 100) for number in range(ACCOUNTS)],
    )
    book = Book(random.Random(20))
    until = asyncio.get_running_loop().time() + seconds
    await asyncio.gather(*[work(db, book, until) for _ in range(TASKS)])

    kept = Counter(row[0] for row in await db.fetch("SELECT n FROM note"))
    assert book.stand <= kept.keys(), "a committed row is lost"
    assert kept.keys() <= book.may_stand
    assert set(kept.values()) <= {1}, "a row is doubled"
    assert (await db.fetch("SELECT sum(balance) FROM account"))[0][0] == 100 * ACCOUNTS, "half a transaction stands"
    assert book.stand
    assert book.stopped
    await nothing_is_left(db)


async def nothing_is_left(db: Database) -> None:
    """Wait for what goes on behind the statements, and look at what the pools have got back."""
    pools = [pool for pool in (db._writer, db._readers) if pool is not None]
    for pool in pools:
        # What goes on behind the statements: connections that are cleaned, and ones that SQLite's readers are about to move to.
        while behind := [*pool._tasks, *getattr(db._shared, "_moves", ())]:
            await asyncio.gather(*behind)
            await asyncio.sleep(0)  # they leave their sets in a turn of the loop, which gather need not take
        # A thread may still be at a statement that nobody waits for any more; what has leaked never comes back.
        async with asyncio.timeout(60):
            while pool.in_use:
                await asyncio.sleep(0.001)
        assert pool.size <= pool.max_size <= 10
        assert not any(connection.in_transaction or connection.is_dirty for connection in pool.kept)


with apps.isolate():

    class Letter(models.Model):
        n = models.IntegerField()
        twin = models.IntegerField(unique=True)

        class Meta:
            app_label = "soak"


async def post(book: Book) -> None:
    """Insert a row on its own; now and then one whose number somebody else has taken."""
    book.number += 1
    number = book.number
    taken = book.chance.random() < 0.02
    book.may_stand.add(number)
    letter = await Letter.objects.create(n=number, twin=1 if taken else number)
    found = await Letter.objects.filter(pk=letter.pk).values_list("n", flat=True)
    assert found == [number], "a key of somebody else's"
    book.stand.add(number)


async def posts(book: Book, until: float) -> None:
    loop = asyncio.get_running_loop()
    while loop.time() < until:
        task = asyncio.create_task(post(book))
        kind = book.chance.random()
        if kind < 0.1:
            loop.call_later(book.chance.uniform(0, 0.05), task.cancel)
        elif kind < 0.15:
            loop.call_soon(task.cancel)
        await asyncio.wait([task])
        if task.cancelled():
            book.stopped += 1
        elif (error := task.exception()) is not None:
            if not isinstance(error, (IntegrityError, OperationalError)):
                raise error
            book.stopped += 1


async def cut(db: Database, until: float) -> None:
    """Now and then end a session in the middle of what it does."""
    watcher = Database("default", db.config)
    while asyncio.get_running_loop().time() < until:
        await asyncio.sleep(0.3)
        await watcher.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'INSERT%' "
            "AND pid <> pg_backend_pid() LIMIT 1"
        )
    await watcher.close()


async def soak_inserts(db: Database, seconds: float) -> None:
    async with db.schema_editor() as editor:
        await editor.create_table(table_of(Letter))
    await Letter.objects.create(n=0, twin=1)
    book = Book(random.Random(21), number=1)
    until = asyncio.get_running_loop().time() + seconds
    cutting = [cut(db, until)] if db.vendor == "postgresql" else []
    await asyncio.gather(*[posts(book, until) for _ in range(TASKS // 5)], *cutting)

    kept = Counter([n async for n in Letter.objects.exclude(n=0).values_list("n", flat=True)])
    assert book.stand <= kept.keys(), "a committed row is lost"
    assert kept.keys() <= book.may_stand
    assert set(kept.values()) <= {1}, "a row is doubled"
    assert book.stand
    assert book.stopped
    await nothing_is_left(db)


@pytest.mark.vendors("postgresql")
async def test_five_seconds_of_inserts_that_travel_together_lose_and_double_none(database: Database) -> None:
    await soak_inserts(database, 5)
    (together,) = [plan.together for key, plan in database.statements.items() if key[0] == "insert"]
    shared = "SELECT count(*) FROM (SELECT FROM soak_letter GROUP BY xmin::text HAVING count(*) > 1) AS several"
    assert (await database.fetch(shared))[0][0] > 10
    assert together.room == _ALONE
    assert not together._sent
    assert not together._queue


@pytest.mark.soak
@pytest.mark.vendors("postgresql")
async def test_a_minute_of_inserts_that_travel_together_loses_and_doubles_none(database: Database) -> None:
    await soak_inserts(database, 60)


@pytest.mark.row("connections.pool")
async def test_five_seconds_of_cancellations_leave_everything_whole(database: Database) -> None:
    await soak(database, 5)


@pytest.mark.soak
async def test_a_minute_of_cancellations_leaves_everything_whole(database: Database) -> None:
    await soak(database, 60)
