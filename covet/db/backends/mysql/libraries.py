"""The two libraries that speak the protocol: asyncmy (Cython) where it is installed, else aiomysql with our own reader."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

from covet.exceptions import ImproperlyConfigured, MissingDependency

__all__ = ["Library", "choose_library"]


class Library(Struct, frozen=True):
    """One library, as far as the driver must tell them apart.

    Attributes:
        name: The package.
        connection: Makes an unconnected connection.
        connect: Connects it, and logs in.
        result: Reads an unbuffered answer of a connection.
        error: The root of its errors.
        database: The name of the argument that takes the database.
        charset: Gives what it knows of a charset; ``None`` of one that there is not.
        read: Reads a buffered answer into ``_result`` of a connection; ``None`` where the connection's own way is ours.
    """

    name: str
    connection: Any
    connect: Callable[[Any], Awaitable[None]]
    result: Any
    error: type[Exception]
    database: str
    charset: Callable[[str], Any]
    read: Any = None


def choose_library(wanted: str | None) -> Library:
    """Return the library of that name; without one, the fastest that is installed.

    Raises:
        MissingDependency: It is not installed.
        ImproperlyConfigured: There is no such library.
    """
    if wanted not in (None, "aiomysql", "asyncmy"):
        raise ImproperlyConfigured(f"'{wanted}' is no driver for MySQL. Known: aiomysql, asyncmy.")
    if wanted != "aiomysql":
        try:
            return _asyncmy()
        except ImportError:
            if wanted:
                raise MissingDependency("asyncmy", extra="mysql", feature="The option driver=asyncmy") from None
    try:
        return _aiomysql()
    except ImportError:
        raise MissingDependency("aiomysql", extra="mysql", feature="A MySQL or MariaDB database") from None


def _asyncmy() -> Library:
    from asyncmy import errors
    from asyncmy.charset import charset_by_name
    from asyncmy.connection import Connection, MySQLResult

    from covet.db.backends.mysql.asyncmy_reader import connect, read_answer

    return Library(
        "asyncmy", Connection, connect, MySQLResult, errors.MySQLError, "database", charset_by_name, read_answer
    )


def _aiomysql() -> Library:
    import pymysql.err
    from pymysql.charset import charset_by_name

    from covet.db.backends.mysql.reader import FastConnection, MySQLResult

    return Library(
        "aiomysql", FastConnection, FastConnection._connect, MySQLResult, pymysql.err.MySQLError, "db", charset_by_name
    )
