"""Migrations that give way: a lock that is not granted in time, a statement that takes too long, and another try."""

from __future__ import annotations

import asyncio

import pytest

from covet.conf import override
from covet.db import migrations, models, transaction
from covet.db.database import Database
from covet.db.errors import LockTimeout
from covet.db.migrations import limits
from covet.db.migrations.errors import MigrationFailed
from covet.db.migrations.execute import Executor, _Silent
from covet.db.migrations.limits import limits_of
from covet.db.migrations.migration import Migration


def history(make_loader, **attributes):
    item = migrations.CreateModel("Item", [("id", models.BigAutoField(primary_key=True))])
    add = migrations.AddField("item", "views", models.IntegerField(null=True))
    return make_loader(("blog.0001", [item]), ("blog.0002", [add], ["blog.0001"], attributes))


class Watcher(_Silent):
    """Lets a reader go when the migration gives way for the first time."""

    def __init__(self):
        self.pauses = []
        self.gave_way = asyncio.Event()

    def retried(self, step, pause_s):
        self.pauses.append(pause_s)
        self.gave_way.set()


async def hold(database, started, let_go):
    """Another client, in a transaction that has read the table."""
    other = Database("other", database.config)
    try:
        async with transaction.atomic(using=other):
            await other.fetch("SELECT * FROM blog_item")
            started.set()
            await let_go.wait()
    finally:
        await other.close()


@pytest.mark.vendors("postgresql", "mysql")  # SQLite's writers wait for the file: busy_timeout
@pytest.mark.parametrize("atomic", [True, False])
async def test_a_migration_that_gets_no_lock_gives_way_and_tries_again(database, make_loader, monkeypatch, atomic):
    monkeypatch.setattr(limits, "_FIRST_PAUSE_S", 0.01)
    loader = history(make_loader, atomic=atomic, lock_timeout_s=0.2)
    await Executor(database, loader).migrate([("blog", "0001")])
    watcher, started = Watcher(), asyncio.Event()
    reader = asyncio.create_task(hold(database, started, watcher.gave_way))
    await started.wait()

    async with asyncio.timeout(60):
        # It takes a moment until the reader has gone.
        with override(MIGRATION_LOCK_RETRIES=1000):
            await Executor(database, loader, watcher).migrate()
        await reader

    assert watcher.pauses
    assert await Executor(database, loader).applied() == {("blog", "0001"), ("blog", "0002")}
    assert [column.name for column in await database.introspection.columns("blog_item")] == ["id", "views"]


@pytest.mark.vendors("postgresql", "mysql")
async def test_after_the_last_try_the_migration_fails_and_nothing_has_changed(database, make_loader, monkeypatch):
    monkeypatch.setattr(limits, "_FIRST_PAUSE_S", 0.01)
    loader = history(make_loader, lock_timeout_s=0.1)
    await Executor(database, loader).migrate([("blog", "0001")])
    started, let_go = asyncio.Event(), asyncio.Event()
    reader = asyncio.create_task(hold(database, started, let_go))
    await started.wait()

    async with asyncio.timeout(60):
        with override(MIGRATION_LOCK_RETRIES=1), pytest.raises(MigrationFailed, match=r"blog\.0002 failed") as caught:
            await Executor(database, loader).migrate()
        let_go.set()
        await reader

    assert isinstance(caught.value.__cause__, LockTimeout)
    assert [column.name for column in await database.introspection.columns("blog_item")] == ["id"]
    await Executor(database, loader).migrate()
    assert [column.name for column in await database.introspection.columns("blog_item")] == ["id", "views"]


@pytest.mark.vendors("postgresql")
@pytest.mark.parametrize("atomic", [True, False])
async def test_a_statement_that_takes_too_long_is_stopped(database, make_loader, atomic):
    loader = make_loader(
        ("blog.0001", [migrations.RunSQL("SELECT pg_sleep(30)")], [], {"atomic": atomic, "statement_timeout_s": 0.05})
    )

    async with asyncio.timeout(60):
        with pytest.raises(MigrationFailed, match=r"blog\.0001 failed"):
            await Executor(database, loader).migrate()


def test_the_migration_says_its_limits_and_the_settings_those_of_the_others():
    migration = Migration("0001", "blog")
    with override(MIGRATION_LOCK_TIMEOUT_S={"default": 3}, MIGRATION_STATEMENT_TIMEOUT_S=60, MIGRATION_LOCK_RETRIES=2):
        assert limits_of(migration, "default") == limits.Limits(3.0, 60.0, 2)
        assert limits_of(migration, "other") == limits.Limits(None, 60.0, 2)
        migration.lock_timeout_s, migration.statement_timeout_s = 1, None
        assert limits_of(migration, "default") == limits.Limits(1.0, None, 2)


async def test_other_errors_are_not_tried_again():
    tries = 0

    async def fail():
        nonlocal tries
        tries += 1
        raise ValueError

    with pytest.raises(ValueError):
        await limits.retried(fail, 5, lambda pause_s: None)
    assert tries == 1
