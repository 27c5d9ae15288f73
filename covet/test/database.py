"""The databases of a test run: made once for each worker, migrated, handed to each test untouched, dropped at the end."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from covet.apps import apps
from covet.concurrency import to_thread
from covet.conf import override, settings
from covet.db import connections
from covet.db.migrations.execute import migrate_all

if TYPE_CHECKING:
    from covet.conf.service_url import DatabaseConfig
    from covet.db.database import Database

__all__ = ["flush", "isolated", "test_config", "test_databases"]


def test_config(config: DatabaseConfig, folder: Path) -> DatabaseConfig:
    """Return the configuration of the database that tests use in place of this one.

    Its name is ``test_name`` of the configuration, or ``test_`` and the name; COVET_TEST_SUFFIX and pytest-xdist's
    worker are added, so that runs beside each other do not meet. SQLite gets a file in the run's own folder.
    """
    suffix = os.environ.get("COVET_TEST_SUFFIX", "")
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    tail = f"{suffix}_{worker}" if worker else suffix
    if config.backend == "sqlite":
        stem = "memory" if ":memory:" in config.name else Path(config.name).stem
        return replace(config, name=str(folder / f"test_{config.test_name or stem}{tail}.sqlite3"))
    return replace(config, name=f"{config.test_name or f'test_{config.name}'}{tail}")


test_config.__test__ = False  # type: ignore[attr-defined]  # pytest would take it for a test


@asynccontextmanager
async def test_databases(*, keep: bool = False, migrate: bool = True) -> AsyncIterator[None]:
    """Put test databases in the place of ``DATABASES`` inside the block: created, migrated, dropped afterwards.

    Args:
        keep: Leave them for the next run, and take those of the last run if they are there.
        migrate: Run all migrations; without it the databases stay empty.
    """
    async with AsyncExitStack() as stack:
        home = tempfile.gettempdir() if keep else stack.enter_context(tempfile.TemporaryDirectory(prefix="covet-test-"))
        originals = dict(settings.DATABASES)
        configs = {alias: test_config(config, Path(home)) for alias, config in originals.items()}
        made: dict[tuple[str, str | None, int | None, str], str] = {}
        for alias, config in configs.items():
            where = (config.backend, config.host, config.port, config.name)
            if where in made:
                continue  # an alias that names the same database twice, such as a replica
            made[where] = alias
            await _create(originals[alias], config, keep=keep)
            if not keep:
                stack.push_async_callback(_drop, originals[alias], config)
        await stack.enter_async_context(override(DATABASES=configs))
        stack.push_async_callback(_close_all)
        if migrate:
            for alias in made.values():
                await migrate_all(connections[alias])
        yield


test_databases.__test__ = False  # type: ignore[attr-defined]  # pytest would take it for a test


@asynccontextmanager
async def isolated(aliases: Iterable[str], *, transaction: bool = False) -> AsyncIterator[None]:
    """Give one test the databases, and leave no trace of it.

    Without ``transaction`` everything of an alias runs on one connection, in a transaction that is rolled back; with
    it, commits are real, and every table is emptied afterwards.
    """
    chosen = [connections[alias] for alias in aliases]
    if transaction:
        try:
            yield
        finally:
            for database in chosen:
                await flush(database)
        return
    async with AsyncExitStack() as stack:
        for database in chosen:
            await stack.enter_async_context(database.pinned())
        yield


async def flush(database: Database) -> None:
    """Empty every table of the models, and make what ``migrate`` leaves in them (content types, permissions) again."""
    await database.truncate(
        [
            model._meta.db_table
            for model in apps.get_models(include_auto_created=True)
            if model._meta.can_migrate(database)
        ]
    )
    if apps.is_installed("covet.contenttypes"):
        from covet.contenttypes.models import ContentType

        ContentType.objects.clear_cache()  # its rows have other keys now
    await migrate_all(database)  # nothing to apply; its signals make the rows again


async def _close_all() -> None:
    await connections.close()


def _maintenance(original: DatabaseConfig) -> Database:
    """Return a database of the same server from which others can be created."""
    from covet.db.database import Database

    return Database("maintenance", replace(original, name="postgres" if original.backend == "postgresql" else ""))


async def _create(original: DatabaseConfig, config: DatabaseConfig, *, keep: bool) -> None:
    if config.backend == "sqlite":
        if not keep:
            await to_thread(Path(config.name).unlink, missing_ok=True)
        return
    server = _maintenance(original)
    try:
        name = server.dialect.quote(config.name)
        if config.backend == "postgresql":
            there = bool(await server.fetch("SELECT 1 FROM pg_database WHERE datname = $1", (config.name,)))
            if there and not keep:
                await server.execute(f"DROP DATABASE {name} WITH (FORCE)")  # a quoted identifier
            if not there or not keep:
                await server.execute(f"CREATE DATABASE {name}")
        else:
            if not keep:
                await server.execute(f"DROP DATABASE IF EXISTS {name}")  # a quoted identifier
            await server.execute(f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4")
    finally:
        await server.close()


async def _drop(original: DatabaseConfig, config: DatabaseConfig) -> None:
    if config.backend == "sqlite":
        return  # its folder goes
    server = _maintenance(original)
    try:
        force = " WITH (FORCE)" if config.backend == "postgresql" else ""
        await server.execute(f"DROP DATABASE IF EXISTS {server.dialect.quote(config.name)}{force}")
    finally:
        await server.close()
