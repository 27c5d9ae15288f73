"""The databases of the project by alias; they open themselves when first used, and close with the lifespan."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from covet.conf import settings
from covet.conf.service_url import DatabaseConfig, parse_database
from covet.db.backends.listening import log_of
from covet.db.database import Database
from covet.exceptions import ImproperlyConfigured
from covet.text import suggest

__all__ = ["DEFAULT_ALIAS", "ConnectionDoesNotExist", "Connections", "connection", "connections", "reset_queries"]

DEFAULT_ALIAS = "default"


class ConnectionDoesNotExist(ImproperlyConfigured):
    """There is no database of that alias in ``DATABASES``."""


class _Made(dict[str, Database]):
    """The databases that somebody has asked for; one that is not there yet is made."""

    def __missing__(self, alias: str) -> Database:
        database = self[alias] = Database(alias, _config(alias))
        return database


def _config(alias: str) -> DatabaseConfig:
    known = settings.DATABASES
    if alias not in known:
        near = suggest(alias, known)
        hint = f"Did you mean '{near}'?" if near else f"Known: {', '.join(known) or 'none'}."
        raise ConnectionDoesNotExist(f"There is no database '{alias}' in DATABASES. {hint}")
    return parse_database(known[alias])


class Connections(Mapping[str, Database]):
    """``connections["default"]`` is the database of that alias; it is made when it is first asked for."""

    def __init__(self) -> None:
        self._databases = _Made()
        self._set_aside: list[_Made] = []
        settings.watchers.append(self._settings_changed)

    def _settings_changed(self, names: frozenset[str], begins: bool) -> None:
        """Give an override of DATABASES databases of its own, and take back the others when it ends."""
        if "DATABASES" not in names:
            return
        if begins:
            self._set_aside.append(self._databases)
            self._databases = _Made()
        else:
            # Nothing was set aside when this module was first imported inside the override.
            self._databases = self._set_aside.pop() if self._set_aside else _Made()

    def __getitem__(self, alias: str) -> Database:
        return self._databases[alias]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*settings.DATABASES, *self._databases]))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, alias: object) -> bool:
        return alias in self._databases or alias in settings.DATABASES

    def all(self, initialized_only: bool = False) -> list[Database]:
        """Return the databases of all aliases; those that somebody has asked for with ``initialized_only``."""
        return self.made if initialized_only else [self[alias] for alias in self]

    @property
    def made(self) -> list[Database]:
        """The databases that somebody has asked for."""
        return list(self._databases.values())

    @contextmanager
    def using(self, databases: Mapping[str, Database]) -> Iterator[None]:
        """Put these databases under their aliases for a while: tests with scratch databases, tenants."""
        before = {alias: self._databases.get(alias) for alias in databases}
        self._databases.update(databases)
        try:
            yield
        finally:
            for alias, database in before.items():
                if database is None:
                    self._databases.pop(alias, None)
                else:
                    self._databases[alias] = database

    async def close_all(self, grace_s: float = 10.0) -> None:
        """Close every open database, all at the same time."""
        await asyncio.gather(*[database.close(grace_s) for database in self.made])

    async def close(self) -> None:
        """Close every open database and forget them all, so that changed settings count."""
        await self.close_all()
        self.forget()

    def forget(self) -> None:
        """Forget all databases, so that changed settings count; open ones must have been closed."""
        self._databases.clear()


connections = Connections()


class DefaultConnection:
    """The database of the alias ``"default"``, whichever that is at the time."""

    def __getattr__(self, name: str) -> Any:
        return getattr(connections[DEFAULT_ALIAS], name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(connections[DEFAULT_ALIAS], name, value)

    def __repr__(self) -> str:
        return repr(connections[DEFAULT_ALIAS])


# To type checkers it is the database itself.
connection: Database = cast(Database, DefaultConnection())


def reset_queries() -> None:
    """Empty the log of statements, ``connection.queries``, of every database."""
    for database in connections.made:
        log_of(database.alias).clear()
