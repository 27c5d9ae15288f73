"""Through PgBouncer itself, in transaction mode: what ``test_pooler`` shows of a pooler that takes turns by the letter."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from covet.conf.service_url import parse_database
from covet.db import connections, transaction
from covet.db.database import Database
from covet.db.errors import DatabaseError, UniqueViolation
from covet.db.migrations.lock import migration_lock
from covet.db.models import F, Prefetch
from tests._apps.blog.models import MODELS, Article, Author, Tag
from tests.db.backends.test_pooler import work
from tests.db.migrations.test_processes import MODELS as PROJECT_MODELS
from tests.db.migrations.test_processes import Project
from tests.db.models.conftest import create_tables

pytestmark = [pytest.mark.row("connections.pool"), pytest.mark.vendors("postgresql")]

Through = Callable[..., Database]


@pytest.fixture
async def through(database: Database) -> AsyncIterator[Through]:
    """Makes databases that reach the scratch database by PgBouncer."""
    await database.execute("CREATE TYPE mood AS ENUM ('glad', 'sad')")
    await database.execute("CREATE TABLE visit (id serial PRIMARY KEY, who varchar(20) UNIQUE, mood mood)")
    made: list[Database] = []

    def make(**options: Any) -> Database:
        size = options.pop("size", 8)
        url = urlunsplit(urlsplit(os.environ["COVET_TEST_PGBOUNCER_URL"])._replace(path=f"/{database.config.name}"))
        made.append(Database("default", parse_database({"url": url, "options": options, "pool": {"max_size": size}})))
        return made[-1]

    yield make
    for one in made:
        await one.close()


async def _sessions(db: Database, *, at_least: int = 1) -> set[int]:
    """The server's sessions that some tasks at once meet; none gives its own back before so many have been met.

    One that is given back early serves all of them where the server takes its time to start another.
    """
    met: set[int] = set()
    enough = asyncio.Event()

    async def ask() -> None:
        async with transaction.atomic(db):
            ((pid,),) = await db.fetch("SELECT pg_backend_pid()")
            met.add(int(pid))
            if len(met) >= at_least:
                enough.set()
            await enough.wait()
            await db.fetch("SELECT pg_sleep(0.01)")

    async with asyncio.timeout(60):
        await asyncio.gather(*[ask() for _ in range(12)])
    return met


async def test_sessions_change_under_the_connections(through: Through) -> None:
    assert 1 < len(await _sessions(through(pgbouncer=True), at_least=2)) <= 3


async def test_everything_works_with_the_option(through: Through) -> None:
    db = through(pgbouncer=True)
    await _sessions(db)
    await work(db)


async def test_prepared_statements_are_missed_without_it(through: Through) -> None:
    db = through()

    async def ask(number: int) -> None:
        for turn in range(20):
            await db.fetch(f"SELECT who FROM visit WHERE id = $1 AND {number % 4} < {turn + 10}", (number,))

    # All are waited for: one that went on would open a connection again after the pool was closed.
    ends = await asyncio.gather(*[ask(number) for number in range(12)], return_exceptions=True)
    failures = [end for end in ends if end is not None]
    assert failures and all(isinstance(end, DatabaseError) and "repared statement" in str(end) for end in failures)


async def test_many_tasks_read_and_write_beside_each_other(through: Through) -> None:
    db = through(pgbouncer=True)

    async def visit(number: int) -> None:
        await db.execute("INSERT INTO visit (who, mood) VALUES ($1, 'glad')", (f"v{number}",))
        async with transaction.atomic(db):
            ((id,),) = await db.fetch("SELECT id FROM visit WHERE who = $1 FOR UPDATE", (f"v{number}",))
            await db.execute("UPDATE visit SET mood = 'sad' WHERE id = $1", (id,))
        with pytest.raises(UniqueViolation):
            await db.execute("INSERT INTO visit (who) VALUES ($1)", (f"v{number}",))

    await asyncio.gather(*[visit(number) for number in range(30)])
    assert await db.fetch("SELECT mood, count(*) FROM visit GROUP BY mood") == [("sad", 30)]


async def test_a_cancelled_statement_leaves_the_next_task_nothing(through: Through) -> None:
    db = through(pgbouncer=True, size=2)
    for _ in range(5):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), transaction.atomic(db):
                await db.execute("INSERT INTO visit (who) VALUES ('gone')")
                await db.fetch("SELECT pg_sleep(60)")
    assert await db.fetch("SELECT id FROM visit") == []
    assert db._writer is not None
    async with asyncio.timeout(60):
        while db._writer.in_use:  # the last one is settled and rolled back in the background
            await asyncio.sleep(0.01)
    ((open_,),) = await db.fetch(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
    )
    assert open_ == 0


async def test_the_orm_needs_nothing_of_a_session(through: Through, database: Database) -> None:
    await create_tables(database, MODELS)
    with connections.using({"default": through(pgbouncer=True)}):
        authors = await Author.objects.bulk_create([Author(name=f"a{n}", age=n) for n in range(20)])
        await asyncio.gather(*[Article.objects.create(title=f"t{n}", author=one) for n, one in enumerate(authors)])
        tag = await Tag.objects.create(label="x")
        await tag.articles.add(*await Article.objects.all())
        await Author.objects.filter(age__gt=3).update(age=F("age") + 1)
        for one in authors[:3]:
            one.name = "new"
        await Author.objects.bulk_update(authors[:3], ["name"])
        async with transaction.atomic():
            locked = await Author.objects.select_for_update().get(pk=authors[0].pk)
            await locked.save()
            async with transaction.atomic():
                await Author.objects.filter(pk=authors[1].pk).delete()
        assert len([row async for row in Article.objects.iterator(chunk_size=4)]) == 19
        found = await Author.objects.prefetch_related(Prefetch("articles__tags")).order_by("age")
        assert [len(author.articles.all()) for author in found] == [1] * 19
        assert await asyncio.gather(*[Author.objects.get(pk=one.pk) for one in found]) == found
        assert await Author.objects.filter(name="new").count() == 2


@pytest.mark.parametrize("options", [{"pgbouncer": True}, {"statement_cache_size": 0}], ids=["told", "not told"])
async def test_one_process_migrates_at_a_time(through: Through, database: Database, options: dict[str, Any]) -> None:
    """Also for whoever has not said that there is a pooler: its sessions outlive us, and so would a lock of one."""
    waited = asyncio.Event()
    order: list[str] = []

    async def second(db: Database) -> None:
        async with migration_lock(db, waited.set):
            order.append("second")

    for other in (database, through(**options)):
        waited.clear()
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks, migration_lock(through(**options)):
            tasks.create_task(second(other))
            await waited.wait()
            # A pooler that is busy gives other sessions to whoever asks next.
            await _sessions(through(**options))
            order.append("first")
    assert order == ["first", "second"] * 2
    locks = (
        "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND database = "
        "(SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    # A session that was told to end does so by itself, and its lock with it.
    async with asyncio.timeout(60):
        while await database.fetch(locks):
            await asyncio.sleep(0.01)


async def test_processes_migrate_at_once(through: Through, database: Database, tmp_path: Path) -> None:
    url = urlunsplit(
        urlsplit(os.environ["COVET_TEST_PGBOUNCER_URL"])._replace(
            path=f"/{database.config.name}", query="pgbouncer=true"
        )
    )
    project = Project(tmp_path, url)
    await project.run("makemigrations")
    project.models(PROJECT_MODELS + "    n = models.IntegerField(default=1, db_index=True)\n")
    await project.run("makemigrations", "--name", "n")

    async with asyncio.timeout(120):
        results = await asyncio.gather(*[project.run("migrate") for _ in range(4)])

    assert [code for code, _, _ in results] == [0] * 4, results
    assert sum(out.count("Applying") for _, out, _ in results) == 2, results
    code, _, err = await project.run("migrate", "blog", "zero")
    assert code == 0, err
