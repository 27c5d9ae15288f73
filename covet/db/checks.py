"""What ``manage.py check`` says of ``DATABASES``: entries that cannot work, drivers that are missing; it connects by ``--database``."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from typing import Any

from covet.checks import CheckMessage, Error, Warning
from covet.conf import settings
from covet.conf.service_url import parse_database
from covet.db.connections import DEFAULT_ALIAS, connections
from covet.db.database import Database
from covet.db.errors import DatabaseError
from covet.db.routers import router
from covet.exceptions import ImproperlyConfigured, MissingDependency

__all__ = ["check_answers", "check_databases"]


def check_databases() -> Iterator[CheckMessage]:
    """Give what is wrong with the databases and routers of the settings."""
    known = settings.DATABASES
    if known and DEFAULT_ALIAS not in known:
        yield Error(
            f"DATABASES has no entry '{DEFAULT_ALIAS}'.",
            hint=f"Name the database that models use by default '{DEFAULT_ALIAS}'; there are: {', '.join(known)}.",
            id="db.E001",
        )
    for alias, entry in known.items():
        yield from _check_entry(alias, entry)
    try:
        router.routers  # noqa: B018  # making them is the check
    except ImproperlyConfigured as error:
        yield Error(str(error), hint="Correct DATABASE_ROUTERS.", id="db.E004")


async def check_answers(alias: str) -> AsyncIterator[CheckMessage]:
    """Give what is wrong where a database is asked for a number."""
    try:
        database = connections[alias]
    except (ImproperlyConfigured, MissingDependency, ValueError):
        return  # the entry itself is wrong: that is told without connecting
    try:
        await database.fetch("SELECT 1")
    except DatabaseError as error:
        yield Error(f"The database '{alias}' ({database.config.label}) cannot be used: {error}", id="db.E006")


def _check_entry(alias: str, entry: Any) -> Iterator[CheckMessage]:
    try:
        database = Database(alias, parse_database(entry))
    except MissingDependency as error:
        yield Error(f"DATABASES['{alias}']: {error}", hint="Install the driver, or use another database.", id="db.E002")
        return
    except (ImproperlyConfigured, ValueError) as error:
        yield Error(f"DATABASES['{alias}']: {error}", hint="Correct the entry.", id="db.E003")
        return
    if database.vendor == "sqlite" and sqlite3.sqlite_version_info < (3, 38):
        yield Error(
            f"DATABASES['{alias}'] is SQLite, and this Python brings SQLite {sqlite3.sqlite_version}.",
            hint="Covet needs SQLite 3.38 or later: use a newer Python build.",
            id="db.E005",
        )
    if database.vendor == "sqlite" and database.driver.shares_one_connection and not settings.DEBUG:
        yield Warning(
            f"DATABASES['{alias}'] is an in-memory database: its data is gone when the process ends.",
            hint="Name a file, such as sqlite:///db.sqlite3.",
            id="db.W001",
        )
    if str(database.config.options.get("statement_cache_size", "")) == "0" and database.vendor == "postgresql":
        yield Warning(
            f"DATABASES['{alias}'] keeps no prepared statements (statement_cache_size=0), which costs about three times the "
            "CPU of a query.",
            hint="Behind PgBouncer in transaction mode write pgbouncer=true instead; else leave it out.",
            id="db.W002",
        )
