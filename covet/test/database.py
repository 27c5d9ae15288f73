"""The databases of a test run: made once for each worker, migrated, handed to each test untouched, dropped at the end."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from covet.apps import apps
from covet.concurrency import to_thread
from covet.conf import override, settings
from covet.db import connections
from covet.db.migrations.execute import migrate_all
from covet.exceptions import ImproperlyConfigured
from covet.test.content import keep_content, put_back

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
async def test_databases(
    *, keep: bool = False, migrate: bool = True, run_migrations: bool = True
) -> AsyncIterator[None]:
    """Put test databases in the place of ``DATABASES`` inside the block: created, migrated, dropped afterwards.

    Args:
        keep: Leave them for the next run, and take those of the last run if they are there.
        migrate: Bring the databases to the latest state; without it they stay empty.
        run_migrations: Do so by migrations; without it tables are made from the models as they are.
    """
    async with AsyncExitStack() as stack:
        home = tempfile.gettempdir() if keep else stack.enter_context(tempfile.TemporaryDirectory(prefix="covet-test-"))
        originals = dict(settings.DATABASES)
        mirrors = _mirrors(originals)
        configs = {
            alias: test_config(config, Path(home)) for alias, config in originals.items() if alias not in mirrors
        }
        if not run_migrations:
            configs = {alias: replace(one, test=replace(one.test, migrate=False)) for alias, one in configs.items()}
        made: dict[tuple[str, str | None, int | None, str], str] = {}
        for alias in _in_order(configs):
            config = configs[alias]
            where = (config.backend, config.host, config.port, config.name)
            if where in made:
                continue  # an alias that names the same database twice, such as a replica
            made[where] = alias
            await _create(originals[alias], config, keep=keep)
            if not keep:
                stack.push_async_callback(_drop, originals[alias], config)
        configs |= {alias: configs[mirror] for alias, mirror in mirrors.items()}
        await stack.enter_async_context(override(DATABASES=configs))
        stack.push_async_callback(_close_all)
        # One object serves both aliases: what a test writes to the one, in its transaction, the other reads.
        stack.enter_context(connections.using({alias: connections[mirror] for alias, mirror in mirrors.items()}))
        if migrate:
            for alias in made.values():
                await _migrate(connections[alias])
        yield


def _mirrors(configs: Mapping[str, DatabaseConfig]) -> dict[str, str]:
    """Return which alias is the same as which other in tests."""
    found = {alias: config.test.mirror for alias, config in configs.items() if config.test.mirror is not None}
    for alias, mirror in found.items():
        if mirror not in configs or mirror in found:
            raise ImproperlyConfigured(
                f"DATABASES['{alias}'] has TEST = {{'MIRROR': '{mirror}'}}: name an alias of DATABASES that mirrors none."
            )
    return found


def _in_order(configs: Mapping[str, DatabaseConfig]) -> list[str]:
    """Return the aliases so that each follows those it depends on."""
    placed: dict[str, None] = {}

    def place(alias: str, waiting: tuple[str, ...]) -> None:
        if alias in waiting:
            circle = " → ".join([*waiting[waiting.index(alias) :], alias])
            raise ImproperlyConfigured(f"TEST['DEPENDENCIES'] of DATABASES go in a circle: {circle}.")
        for other in configs[alias].test.dependencies:
            if other not in configs:
                raise ImproperlyConfigured(
                    f"TEST['DEPENDENCIES'] of DATABASES['{alias}'] names '{other}', which has no test database of its own."
                )
            place(other, (*waiting, alias))
        placed[alias] = None

    for alias in configs:
        place(alias, ())
    return list(placed)


async def _migrate(database: Database) -> None:
    """Make the tables, by migrations or as the models are now."""
    if database.config.test.migrate:
        await migrate_all(database)
        return
    async with override(MIGRATION_MODULES=dict.fromkeys([config.label for config in apps.get_app_configs()])):
        await migrate_all(database)


test_databases.__test__ = False  # type: ignore[attr-defined]  # pytest would take it for a test


@asynccontextmanager
async def isolated(aliases: Iterable[str], *, transaction: bool = False) -> AsyncIterator[None]:
    """Give one test the databases, and leave no trace of it.

    Without ``transaction`` everything of an alias runs on one connection, in a transaction that is rolled back; with
    it, commits are real, and afterwards the tables hold what they held before, which is what migrations have written.
    """
    chosen = list(dict.fromkeys(connections[alias] for alias in aliases))  # a mirror is the other's own object
    if transaction:
        for database in chosen:
            await keep_content(database)
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
    """Empty every table of the models, and put back what ``migrate`` leaves in them (also content types, permissions)."""
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
    await put_back(database)
    await _migrate(database)  # nothing to apply; its signals make the rows again


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
                await server.execute(f"CREATE DATABASE {name}{_postgresql_options(config, server)}")
        else:
            if not keep:
                await server.execute(f"DROP DATABASE IF EXISTS {name}")  # a quoted identifier
            await server.execute(f"CREATE DATABASE IF NOT EXISTS {name}{_mysql_options(config)}")
    finally:
        await server.close()


def _postgresql_options(config: DatabaseConfig, server: Database) -> str:
    test, options = config.test, ""
    if test.collation is not None:
        raise ImproperlyConfigured(
            "PostgreSQL takes the collation of a database from its template: write TEST = {'TEMPLATE': …}."
        )
    if test.charset is not None:
        options += f" ENCODING '{_word(test.charset)}'"
    if test.template is not None:
        options += f" TEMPLATE {server.dialect.quote(test.template)}"
    return options


def _mysql_options(config: DatabaseConfig) -> str:
    test = config.test
    if test.template is not None:
        raise ImproperlyConfigured("MySQL and MariaDB make no database from another: leave TEST['TEMPLATE'] out.")
    collation = f" COLLATE {_word(test.collation)}" if test.collation is not None else ""
    return f" CHARACTER SET {_word(test.charset or 'utf8mb4')}{collation}"


def _word(name: str) -> str:
    """Return the name of a character set or collation, which stands in SQL as it is."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise ImproperlyConfigured(f"'{name}' in TEST of DATABASES names no character set or collation.")
    return name


async def _drop(original: DatabaseConfig, config: DatabaseConfig) -> None:
    if config.backend == "sqlite":
        return  # its folder goes
    server = _maintenance(original)
    try:
        force = " WITH (FORCE)" if config.backend == "postgresql" else ""
        await server.execute(f"DROP DATABASE IF EXISTS {server.dialect.quote(config.name)}{force}")
    finally:
        await server.close()
