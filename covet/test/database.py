"""The databases of a test run: made once for each worker, migrated, handed to each test untouched, dropped at the end."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from covet.apps import apps
from covet.conf import override, settings
from covet.db import connections
from covet.db.migrations.execute import migrate_all
from covet.exceptions import ImproperlyConfigured
from covet.test.content import keep_content, models_of, put_back
from covet.test.creation import copy, create, drop
from covet.test.templates import shared_by_workers, template_folder

if TYPE_CHECKING:
    from covet.conf.service_url import DatabaseConfig
    from covet.db.database import Database

__all__ = ["flush", "isolated", "test_config", "test_databases"]


def test_config(config: DatabaseConfig, folder: Path, worker: str | None = None) -> DatabaseConfig:
    """Return the configuration of the database that tests use in place of this one.

    Its name is ``test_name`` of the configuration, or ``test_`` and the name; COVET_TEST_SUFFIX and pytest-xdist's
    worker are added, so that runs beside each other do not meet. SQLite gets a file in the run's own folder.
    """
    suffix = os.environ.get("COVET_TEST_SUFFIX", "")
    worker = worker or os.environ.get("PYTEST_XDIST_WORKER", "")
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
            if not keep:
                stack.push_async_callback(drop, originals[alias], config)
        folder = template_folder() if migrate and not keep else None
        if folder is not None:
            templates = {
                alias: replace(test_config(originals[alias], folder, worker="template"), test=config.test)
                for alias, config in configs.items()
            }
            await stack.enter_async_context(_copies(folder, originals, mirrors, templates, made.values()))
        migrated = set()
        for alias in made.values():
            if folder is not None and await copy(originals[alias], templates[alias], configs[alias]):
                migrated.add(alias)
            elif folder is None:
                await create(originals[alias], configs[alias], keep=keep)
        configs |= {alias: configs[mirror] for alias, mirror in mirrors.items()}
        await stack.enter_async_context(override(DATABASES=configs))
        stack.push_async_callback(_close_all)
        # One object serves both aliases: what a test writes to the one, in its transaction, the other reads.
        stack.enter_context(connections.using({alias: connections[mirror] for alias, mirror in mirrors.items()}))
        if migrate:
            for alias in made.values():
                if alias not in migrated:
                    await _migrate(connections[alias])
        yield


def _copies(
    folder: Path,
    originals: Mapping[str, DatabaseConfig],
    mirrors: Mapping[str, str],
    templates: dict[str, DatabaseConfig],
    aliases: Iterable[str],
) -> AbstractAsyncContextManager[None]:
    """Have migrated databases that the workers of this run copy; see ``shared_by_workers``."""
    chosen = list(aliases)

    async def make() -> None:
        for alias in chosen:
            await create(originals[alias], templates[alias])
        whole = templates | {alias: templates[mirror] for alias, mirror in mirrors.items()}
        async with override(DATABASES=whole):
            with connections.using({alias: connections[mirror] for alias, mirror in mirrors.items()}):
                try:
                    for alias in chosen:
                        await _migrate(connections[alias])
                finally:
                    # Nobody may be connected to what is copied.
                    await connections.close()

    async def away() -> None:
        for alias in chosen:
            await drop(originals[alias], templates[alias])

    return shared_by_workers(folder, make, away)


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
    await database.truncate([model._meta.db_table for model in models_of(database, include_auto_created=True)])
    if apps.is_installed("covet.contenttypes"):
        from covet.contenttypes.models import ContentType

        ContentType.objects.clear_cache()  # its rows have other keys now
    await put_back(database)
    await _migrate(database)  # nothing to apply; its signals make the rows again


async def _close_all() -> None:
    await connections.close()
