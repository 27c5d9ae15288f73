"""Cursors: plain SQL in Python's own database style, awaited, with ``%s`` and ``%(name)s`` whichever the driver."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self

from covet.db.backends.driver import Outcome
from covet.db.errors import InterfaceError, NotSupportedError, ProgrammingError
from covet.db.sql.placeholders import Params, raw_statement

if TYPE_CHECKING:
    from covet.db.database import Database

__all__ = ["Cursor"]

_NOTHING = Outcome()


class Cursor:
    """What ``connection.cursor()`` gives: ``execute``, then the rows.

    Its statements run where those of the ORM run at the same place: inside ``atomic`` on the connection of the block, else each
    on a connection of the pool. Statements that need one session together belong into a block.

    Args:
        database: Where to run.

    Attributes:
        db: The database.
        arraysize: How many rows ``fetchmany()`` gives.
    """

    __slots__ = ("_found", "_has_run", "_is_closed", "_place", "_rest", "arraysize", "db")

    def __init__(self, database: Database) -> None:
        self.db = database
        self.arraysize = 1
        self._found = _NOTHING
        self._rest: tuple[Outcome, ...] = ()
        self._place = 0
        self._has_run = False
        self._is_closed = False

    if not TYPE_CHECKING:  # a checker finds it by itself

        def __enter__(self) -> NoReturn:
            raise TypeError("A cursor is entered by 'async with connection.cursor() as cursor:', not by 'with'.")

        def __exit__(self, *found: object) -> None: ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let the rows go; the cursor can run nothing any more."""
        self._is_closed = True
        self._found, self._rest = _NOTHING, ()

    # Running

    async def execute(self, sql: str, params: Params | None = None) -> Self:
        """Run a statement and return the cursor.

        Args:
            sql: The text, with ``%s`` or ``%(name)s`` where values go and ``%%`` for a percent sign.
            params: The values. Without any, percent signs are left alone.

        Raises:
            DatabaseError: One of its subclasses; ``ProgrammingError`` when places and values do not fit.
        """
        self._check_open()
        text, args = self._statement(sql, params)
        self._take(await self.db.outcome(text, args))
        return self

    async def executemany(self, sql: str, param_list: Iterable[Params]) -> Self:
        """Run a statement once for each set of values; outside a transaction all or none take effect."""
        self._check_open()
        self._take(_NOTHING)
        args_list = []
        text = ""
        for params in param_list:
            text, args = self._statement(sql, params)
            args_list.append(args)
        await self.db.execute_many(text, args_list)
        return self

    async def callproc(self, name: str, params: Sequence[Any] = ()) -> Sequence[Any]:
        """Call a stored procedure (on PostgreSQL: a function) and return the values that it was called with.

        What it returns is read like rows.

        Raises:
            NotSupportedError: SQLite has none.
        """
        if self.db.vendor == "sqlite":
            raise NotSupportedError("SQLite has no stored procedures.", alias=self.db.alias)
        call = "SELECT * FROM" if self.db.vendor == "postgresql" else "CALL"
        quoted = ".".join(self.db.dialect.quote(part) for part in name.split("."))
        places = ", ".join(["%s"] * len(params))
        if self.db.dialect.doubles_percent:
            quoted = quoted.replace("%%", "%")
        if params:
            quoted = quoted.replace("%", "%%")
        await self.execute(f"{call} {quoted}({places})", params or None)
        return params

    def _statement(self, sql: str, params: Params | None) -> tuple[str, Sequence[Any]]:
        if params is None:
            return sql, ()
        if isinstance(params, (str, bytes)) or not hasattr(params, "__getitem__"):
            raise TypeError(f"A cursor takes its values as a list, a tuple or a dictionary, not {params!r}.")
        return raw_statement(sql, params, self.db.dialect, "A cursor")

    def _take(self, found: Outcome) -> None:
        self._found = found
        self._rest = found.more
        self._place = 0
        self._has_run = True

    # Rows

    async def fetchone(self) -> Sequence[Any] | None:
        """Return the next row; ``None`` after the last."""
        rows = self._rows()
        if self._place >= len(rows):
            return None
        self._place += 1
        return rows[self._place - 1]

    async def fetchmany(self, size: int | None = None) -> Sequence[Sequence[Any]]:
        """Return the next rows, ``size`` at most (``arraysize`` when left out)."""
        rows = self._rows()
        start, self._place = self._place, min(len(rows), self._place + (self.arraysize if size is None else size))
        return rows[start : self._place]

    async def fetchall(self) -> Sequence[Sequence[Any]]:
        """Return the rows that are left."""
        rows = self._rows()
        start, self._place = self._place, len(rows)
        return rows[start:]

    async def __aiter__(self) -> AsyncIterator[Sequence[Any]]:
        while (row := await self.fetchone()) is not None:
            yield row

    async def nextset(self) -> bool:
        """Go to the next result of the same call, as a procedure may give several; return whether there is one."""
        self._check_open()
        if not self._rest:
            return False
        self._found, self._rest, self._place = self._rest[0], self._rest[1:], 0
        return True

    @property
    def description(self) -> tuple[tuple[Any, ...], ...] | None:
        """A tuple for each column of the rows, its name first; ``None`` for a statement without rows."""
        return self._found.columns or None

    @property
    def rowcount(self) -> int:
        """How many rows were read or changed; -1 when that is not known."""
        return self._found.count

    @property
    def lastrowid(self) -> int | None:
        """The automatic key of an insert, on databases that tell it (PostgreSQL has RETURNING for that)."""
        return self._found.last_id

    def _rows(self) -> Sequence[Sequence[Any]]:
        self._check_open()
        if not self._has_run:
            raise ProgrammingError("The cursor has run nothing yet: await execute() first.", alias=self.db.alias)
        if not self._found.columns:
            raise ProgrammingError("The last statement of the cursor gives no rows.", alias=self.db.alias)
        return self._found.rows

    def _check_open(self) -> None:
        if self._is_closed:
            raise InterfaceError("The cursor is closed.", alias=self.db.alias)
