"""One tree of errors for all drivers: every failure of a database arrives as one of these, with its alias and SQL.

The driver's own error is the ``__cause__``. Values of rows and passwords never stand in a message.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from covet.exceptions import CovetError

__all__ = [
    "CheckViolation",
    "ConnectionFailed",
    "ConnectionLost",
    "DataError",
    "DatabaseError",
    "DeadlockDetected",
    "ExclusionViolation",
    "ForeignKeyViolation",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "LockTimeout",
    "NotNullViolation",
    "NotSupportedError",
    "OperationalError",
    "PoolTimeout",
    "ProgrammingError",
    "QueryCanceled",
    "SerializationFailure",
    "StatementTooLong",
    "TransactionError",
    "TransactionManagementError",
    "UnfitValue",
    "UniqueViolation",
]

_SHOWN_SQL = 600
# PostgreSQL's and MySQL's; SQLite has a text alone.
_NO_TABLE = frozenset({"42P01", 1146})


class DatabaseError(CovetError):
    """The root of all database errors.

    Args:
        message: What is wrong, and what to do where that is known.
        alias: The database, as ``DATABASES`` calls it.
        sql: The statement, without its values.
        code: The database's own code: SQLSTATE, MySQL's error number, SQLite's name.
    """

    #: Says where the table is that a message is about, by alias and message, or nothing: ``covet.db.routers`` knows.
    tell_where: ClassVar[Callable[[str, str], str]] = staticmethod(lambda alias, message: "")

    def __init__(self, message: str, *, alias: str = "", sql: str = "", code: str | int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.alias = alias
        self.sql = sql
        self.code = code

    def __str__(self) -> str:
        text = f"{self.message} (database '{self.alias}')" if self.alias else self.message
        if self.code in _NO_TABLE or self.message.startswith("No such table"):
            text = f"{text} {type(self).tell_where(self.alias, self.message) or _ask_migrated(self.alias)}"
        if self.sql:
            shown = self.sql if len(self.sql) <= _SHOWN_SQL else f"{self.sql[:_SHOWN_SQL]}…"
            text = f"{text}\nSQL: {shown}"
        return text


def _ask_migrated(alias: str) -> str:
    option = f" --database {alias}" if alias not in ("", "default") else ""
    return f"Has it been migrated? Run 'python manage.py migrate{option}'."


class InterfaceError(DatabaseError):
    """The driver was used in a way that it cannot serve: a closed database, a wrong number of arguments."""


class DataError(DatabaseError):
    """A value does not fit: too long, out of range, not of the column's type."""


class UnfitValue(DataError, ValueError):
    """A value that no database takes, such as a text with a NUL character; it was not sent."""


class InternalError(DatabaseError):
    """The database has met a fault of its own: broken data on disk, a state that it should never be in."""


class OperationalError(DatabaseError):
    """The database could not do its work, through no fault of the statement."""


class ConnectionFailed(OperationalError):
    """No connection could be made; the message has one line on why and what to do, never the password."""


class ConnectionLost(OperationalError):
    """An open connection broke; what was in its transaction is gone. The pool replaces the connection."""


class StatementTooLong(OperationalError):
    """A statement with its values is longer than the server takes (``max_allowed_packet``); it was not sent."""


class PoolTimeout(OperationalError):
    """No connection of the pool became free in time; the message names the setting."""


class LockTimeout(OperationalError):
    """A lock was not granted in time, or not at once where ``nowait`` was asked for."""


class QueryCanceled(OperationalError):
    """The database stopped the statement: a statement time-out, or an administrator."""


class SerializationFailure(OperationalError):
    """The transaction conflicts with another and may be tried again."""


class DeadlockDetected(OperationalError):
    """Two transactions waited for each other; this one was rolled back and may be tried again."""


class IntegrityError(DatabaseError):
    """A rule of the schema refused the statement.

    Attributes:
        constraint: The name of the rule, where the database tells it.
        table: The table, where the database tells it.
        columns: The columns of the rule, where the database tells them.
    """

    def __init__(
        self,
        message: str,
        *,
        alias: str = "",
        sql: str = "",
        code: str | int | None = None,
        constraint: str | None = None,
        table: str | None = None,
        columns: Sequence[str] = (),
    ) -> None:
        super().__init__(message, alias=alias, sql=sql, code=code)
        self.constraint = constraint
        self.table = table
        self.columns = tuple(columns)


class UniqueViolation(IntegrityError):
    """A unique rule or a primary key: a row with these values exists."""


class ForeignKeyViolation(IntegrityError):
    """A foreign key points at no row, or rows still point at the row that should go."""


class NotNullViolation(IntegrityError):
    """A column that must have a value got NULL."""


class CheckViolation(IntegrityError):
    """A check constraint refused the row."""


class ExclusionViolation(IntegrityError):
    """An exclusion constraint refused the row."""


class ProgrammingError(DatabaseError):
    """The statement is wrong: syntax, or a table, column or function that does not exist."""


class NotSupportedError(DatabaseError):
    """This database, or this version of it, cannot do what was asked."""


class TransactionError(DatabaseError):
    """A transaction was used in a way that cannot work."""


class TransactionManagementError(TransactionError):
    """A statement or call at the wrong time: after the block ended, in a broken transaction, outside ``atomic``."""
