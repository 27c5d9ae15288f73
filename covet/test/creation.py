"""Creates, copies and drops the databases of test runs."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from covet.concurrency import to_thread
from covet.db import transaction
from covet.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from covet.conf.service_url import DatabaseConfig
    from covet.db.database import Database

__all__ = ["copy", "create", "drop", "maintenance"]


def maintenance(original: DatabaseConfig) -> Database:
    """Return a database of the same server from which others can be created."""
    from covet.db.database import Database

    return Database("maintenance", replace(original, name="postgres" if original.backend == "postgresql" else ""))


async def create(original: DatabaseConfig, config: DatabaseConfig, *, keep: bool = False) -> None:
    """Create an empty database; with ``keep`` one that is there stays as it is."""
    if config.backend == "sqlite":
        if not keep:
            await to_thread(Path(config.name).unlink, missing_ok=True)
        return
    server = maintenance(original)
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


async def drop(original: DatabaseConfig, config: DatabaseConfig) -> None:
    """Drop a database; the folder of a SQLite file is its owner's to delete."""
    if config.backend == "sqlite":
        return  # its folder goes
    server = maintenance(original)
    try:
        force = " WITH (FORCE)" if config.backend == "postgresql" else ""
        await server.execute(f"DROP DATABASE IF EXISTS {server.dialect.quote(config.name)}{force}")
    finally:
        await server.close()


# What a copy of tables leaves behind.
_BESIDE_TABLES = """
SELECT (SELECT COUNT(*) FROM information_schema.views WHERE table_schema = %s)
     + (SELECT COUNT(*) FROM information_schema.triggers WHERE trigger_schema = %s)
     + (SELECT COUNT(*) FROM information_schema.routines WHERE routine_schema = %s)
     + (SELECT COUNT(*) FROM information_schema.events WHERE event_schema = %s)
"""
_COLUMNS = """
SELECT column_name FROM information_schema.columns
WHERE table_schema = %s AND table_name = %s AND COALESCE(generation_expression, '') = '' ORDER BY ordinal_position
"""


async def copy(original: DatabaseConfig, template: DatabaseConfig, config: DatabaseConfig) -> bool:
    """Create a database that holds what the template holds; nobody may be connected to that.

    Returns:
        Whether it could be done; if not, the database is there and empty.
    """
    if config.backend == "sqlite":
        await to_thread(shutil.copyfile, template.name, config.name)
        return True
    if config.backend == "postgresql":
        await create(original, replace(config, test=replace(config.test, template=template.name, charset=None)))
        return True
    await create(original, config)
    from covet.db.database import Database

    database = Database("copy", config)
    try:
        if (await database.fetch(_BESIDE_TABLES, (template.name,) * 4))[0][0]:
            return False
        async with transaction.atomic(using=database):
            # For the sake of one connection: the setting is its own.
            await database.execute("SET foreign_key_checks = 0")
            await _copy_tables(database, template.name)
            await database.execute("SET foreign_key_checks = 1")
    finally:
        await database.close()
    return True


async def _copy_tables(database: Database, template: str) -> None:
    def quoted(name: str) -> str:
        return database.dialect.quote(name).replace("%%", "%")

    found = await database.fetch(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = %s", (template,)
    )
    for (table,) in found:
        source = f"{quoted(template)}.{quoted(table)}"
        await database.execute((await database.fetch(f"SHOW CREATE TABLE {source}"))[0][1])
        columns = ", ".join(quoted(name) for (name,) in await database.fetch(_COLUMNS, (template, table)))
        await database.execute(f"INSERT INTO {quoted(table)} ({columns}) SELECT {columns} FROM {source}")  # noqa: S608  # quoted names
