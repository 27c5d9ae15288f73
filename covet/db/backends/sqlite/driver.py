"""SQLite by aiosqlite: each statement is one hop to the connection's thread; WAL, one writer, several readers."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Sequence
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, urlencode

import aiosqlite

from covet.db import errors as e
from covet.db.backends.driver import Connection, Driver, Inserted, Outcome, Rows, Unmade, seconds
from covet.db.backends.features import Features, require_version
from covet.db.backends.sqlite.dialect import SQLiteDialect
from covet.db.backends.sqlite.functions import register_functions
from covet.db.backends.sqlite.worker import Worker, close_cursors, execute_many, roll_back
from covet.exceptions import ImproperlyConfigured
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.db.backends import direct
else:
    # With ``covet.accel``, whose native half a command that only looks at the settings of a database does without.
    direct = late_module(__name__, "covet.db.backends.direct")

__all__ = [
    "SQLiteConnection",
    "SQLiteDriver",
    "run_execute",
    "run_fetch",
    "run_insert",
    "run_made",
    "run_outcome",
    "run_read",
]

_BUSY_TIMEOUT_S = 5.0
_URI_OPTIONS = ("mode", "cache", "immutable", "vfs", "nolock", "psow")
_PRAGMAS = {
    "journal_mode": ("WAL", "DELETE", "TRUNCATE", "PERSIST", "MEMORY", "OFF"),
    "synchronous": ("NORMAL", "FULL", "EXTRA", "OFF", "0", "1", "2", "3"),
}
_BEGIN = {"IMMEDIATE": "BEGIN IMMEDIATE", "DEFERRED": "BEGIN", "EXCLUSIVE": "BEGIN EXCLUSIVE"}


# How long a cancelled statement may take to end before it is interrupted again.
_AGAIN_S = 0.05


def run_fetch(raw: sqlite3.Connection, sql: str, args: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return the rows of a statement; in the connection's thread, as those below."""
    return raw.execute(sql, args).fetchall()


def run_made(raw: sqlite3.Connection, sql: str, args: Sequence[Any]) -> Any:
    """Return the results of a statement, made with no change of thread in between.

    Args:
        raw: The connection.
        sql: The statement.
        args: Its values, then what makes the results, and what that takes besides the rows.
    """
    values, make, alias, mode = args
    rows = raw.execute(sql, values).fetchall()
    try:
        return make(rows, alias, mode) if rows else rows
    except Exception as error:
        return Unmade(error)


def run_read(raw: sqlite3.Connection, sql: str, args: Sequence[Any]) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return the names of the columns, and the rows."""
    cursor = raw.execute(sql, args)
    return [column[0] for column in cursor.description or ()], cursor.fetchall()


def run_outcome(raw: sqlite3.Connection, sql: str, args: Sequence[Any]) -> Outcome:
    """Return all that is known of a statement."""
    cursor = raw.execute(sql, args)
    rows = cursor.fetchall()
    count = len(rows) if rows and cursor.rowcount < 0 else cursor.rowcount
    return Outcome(tuple(cursor.description or ()), rows, count, cursor.lastrowid)


def run_execute(raw: sqlite3.Connection, sql: str, args: Sequence[Any]) -> int:
    """Return how many rows a statement changed."""
    return max(0, raw.execute(sql, args).rowcount)


def run_insert(raw: sqlite3.Connection, sql: str, args: Sequence[Any]) -> Inserted:
    """Return the rows of RETURNING, and the row id."""
    cursor = raw.execute(sql, args)
    return cursor.fetchall(), cursor.lastrowid


class SQLiteConnection(Connection):
    """An aiosqlite connection behind our protocol."""

    __slots__ = ("_begin", "_cursors", "_gate", "_put", "_raw", "is_memory", "is_read_only", "thread", "worker")

    def __init__(
        self,
        thread: Any,
        worker: Worker,
        *,
        is_memory: bool,
        is_read_only: bool = False,
        begin: str = "BEGIN IMMEDIATE",
    ) -> None:
        super().__init__()
        self.thread = thread
        self.worker = worker
        self._put = thread._tx.put_nowait
        self._gate = direct.Gate(asyncio.get_running_loop())
        self._raw = thread._conn
        # Of the streams that are being read.
        self._cursors: set[sqlite3.Cursor] = set()
        self.is_memory = is_memory
        self.is_read_only = is_read_only
        self._begin = "BEGIN" if is_read_only else begin

    def fetch(self, sql: str, args: Sequence[Any]) -> Awaitable[Rows]:
        """Run a statement and return its rows, in one hop."""
        return self._hop(run_fetch, sql, args)

    def read(self, sql: str, args: Sequence[Any]) -> Awaitable[tuple[list[str], Rows]]:
        """Run a statement and return the names of its columns with the rows, in one hop."""
        return self._hop(run_read, sql, args)

    def outcome(self, sql: str, args: Sequence[Any]) -> Awaitable[Outcome]:
        """Run a statement and return all that is known of it, in one hop."""
        return self._hop(run_outcome, sql, args)

    def execute(self, sql: str, args: Sequence[Any]) -> Awaitable[int]:
        """Run a statement and return how many rows it changed."""
        return self._hop(run_execute, sql, args)

    def insert(self, sql: str, args: Sequence[Any]) -> Awaitable[Inserted]:
        """Run an insert and return its RETURNING rows and the row id."""
        return self._hop(run_insert, sql, args)

    def execute_many(self, sql: str, args_list: Sequence[Sequence[Any]]) -> Awaitable[int]:
        """Run a statement for each argument list, in a transaction, and return how many rows they changed."""
        return self._hop(execute_many, sql, args_list)

    async def _hop(self, function: Any, *args: Any) -> Any:
        """Run a function in the connection's thread. A cancelled one is interrupted, or it would run on unseen.

        It is what aiosqlite does for its own methods, without their coroutine.
        """
        thread = self.thread
        if not thread._running or thread._connection is None:
            raise ValueError("Connection closed")
        future = direct.Prompt(self._gate)
        self._put((future, partial(function, self._raw, *args)))
        try:
            return await future
        except asyncio.CancelledError:
            self._raw.interrupt()
            raise

    async def stream(self, sql: str, args: Sequence[Any], chunk_size: int) -> AsyncIterator[Rows]:
        """Step through the rows, one hop for each chunk."""
        cursor: sqlite3.Cursor = await self._hop(sqlite3.Connection.execute, sql, args)
        self._cursors.add(cursor)
        try:
            while chunk := await self._hop(lambda _: cursor.fetchmany(chunk_size)):
                yield chunk
                if cursor not in self._cursors:
                    what = "The rows that were still to be read are gone: their transaction has been rolled back."
                    raise e.OperationalError(what, sql=sql)
        finally:
            if cursor in self._cursors:
                self._cursors.discard(cursor)
                if not self.is_closed:
                    await self._hop(lambda _: cursor.close())

    def _take_cursors(self) -> list[sqlite3.Cursor]:
        """Return those of the streams, which are over with this."""
        taken = [*self._cursors]
        self._cursors.clear()
        return taken

    @property
    def is_closed(self) -> bool:
        """Whether the thread has stopped."""
        return not self.thread._running or self.thread._connection is None

    @property
    def in_transaction(self) -> bool:
        """What SQLite says."""
        return not self.is_closed and self._raw.in_transaction

    async def begin(self) -> None:
        """Take the write lock at once: a reader that turns writer half-way may fail without waiting."""
        await self._hop(run_execute, self._begin, ())

    async def rollback(self) -> None:
        """Roll back, if SQLite has not done it by itself."""
        await self._hop(roll_back, self._take_cursors())

    async def settle(self) -> None:
        """The thread takes one thing after the other: when this comes back, the interrupted statement is over."""
        after = asyncio.ensure_future(self._hop(lambda raw: None))
        try:
            while not (await asyncio.wait({after}, timeout=_AGAIN_S))[0]:
                # A statement that had not begun yet when it was interrupted has begun since, and would run to its end.
                if not self.is_closed:
                    self._raw.interrupt()
            await after
        finally:
            after.cancel()

    async def reset(self) -> None:
        """A changed session (PRAGMA, ATTACH, temporary tables) is closed, unless the data lives in it."""
        if not self.must_close:
            return
        if not self.is_memory:
            await self.close()
            return
        for pragma in (
            "foreign_keys = ON",
            "legacy_alter_table = OFF",
            "ignore_check_constraints = OFF",
            "query_only = OFF",
        ):
            await self._hop(run_execute, f"PRAGMA {pragma}", ())

    async def ping(self) -> None:
        """Ask for a constant."""
        await self._hop(run_fetch, "SELECT 1", ())

    async def close(self) -> None:
        """Close and stop the thread."""
        if self._cursors and not self.is_closed:
            await self._hop(close_cursors, self._take_cursors())
        await self.thread.close()

    def terminate(self) -> None:
        """Interrupt what runs, and let the thread close by itself."""
        if not self.is_closed:
            self._raw.interrupt()
            if self._cursors:
                self._put((None, partial(close_cursors, self._raw, self._take_cursors())))
            self.thread.stop()

    async def check_foreign_keys(self) -> e.DatabaseError | None:
        """Return the first violation that a commit would refuse."""
        rows = await self.fetch("PRAGMA foreign_key_check", ())
        if not rows:
            return None
        table, _, parent, _ = rows[0]
        return e.ForeignKeyViolation(f"A row of {table} points at no row of {parent}.", table=table)


def _remembered(thread: Any) -> list[sqlite3.Connection]:
    """Return the list that will hold what a thread opens: aiosqlite forgets it where who asked for it was cancelled meanwhile."""
    opened: list[sqlite3.Connection] = []
    connect = thread._connector

    def remember() -> sqlite3.Connection:
        opened.append(connect())
        return opened[-1]

    thread._connector = remember
    return opened


def _work(worker: Worker, opened: list[sqlite3.Connection]) -> None:
    """Do a thread's work and leave nothing open, which Python 3.13 warns of; to close again does nothing."""
    worker.run()
    for connection in opened:
        connection.close()


class SQLiteDriver(Driver):
    """Opens files and in-memory databases.

    Options of the URL: ``busy_timeout`` (seconds), ``journal_mode``, ``synchronous``, ``cache_size``, ``transaction_mode`` (``IMMEDIATE``,
    ``DEFERRED``, ``EXCLUSIVE``), ``init_command``, and those of SQLite's own URIs (``mode``, ``cache``, ``immutable``, …).
    """

    vendor: ClassVar[str] = "sqlite"
    minimum: ClassVar[tuple[int, ...]] = (3, 38)

    def __init__(self, config: Any, alias: str) -> None:
        super().__init__(config, alias)
        name = str(config.name)
        self.is_memory = name in (":memory:", "") or config.options.get("mode") == "memory"
        self.shares_one_connection = self.is_memory
        self.shares_readers = True
        self.features = Features(
            server=f"SQLite {sqlite3.sqlite_version}",
            version=sqlite3.sqlite_version_info,
        )
        mode = str(config.options.get("transaction_mode") or "IMMEDIATE").upper()
        if mode not in _BEGIN:
            raise ImproperlyConfigured(
                f"DATABASES['{alias}']: there is no transaction_mode '{mode}'; there are {', '.join(_BEGIN)}."
            )
        self._begin = _BEGIN[mode]
        timeout = config.options.get("busy_timeout", config.options.get("timeout", _BUSY_TIMEOUT_S))
        self._busy_timeout = seconds(alias, "busy_timeout", timeout)
        for pragma, words in _PRAGMAS.items():
            # SQLite passes over a word that it does not know, and goes on as it was.
            given = config.options.get(pragma)
            if given is not None and str(given).upper() not in words:
                raise ImproperlyConfigured(
                    f"DATABASES['{alias}']: there is no {pragma} '{given}'; there are {', '.join(words)}."
                )

    def no_reset_undoes(self, sql: str) -> bool:
        """Whether only closing takes away what a statement leaves: always, since SQLite cannot reset a session."""
        return True

    def make_dialect(self) -> SQLiteDialect:
        """Return the dialect."""
        return SQLiteDialect()

    async def connect(self, *, read_only: bool = False) -> SQLiteConnection:
        """Open the file (made when it does not exist) and set the pragmas."""
        require_version(self.features.server, self.features.version, self.minimum, self.alias)
        options = dict(self.config.options)
        target, uri = self._target(options)
        thread: Any = aiosqlite.connect(
            target,
            uri=uri,
            timeout=self._busy_timeout,
            isolation_level=None,
            cached_statements=512,
            check_same_thread=False,
        )
        worker = Worker(thread._tx, asyncio.get_running_loop())
        # A script that forgets to close its connections ends all the same; what was not committed is rolled back.
        thread._thread = Thread(target=_work, args=(worker, _remembered(thread)), daemon=True)
        try:
            await thread
        except (sqlite3.Error, OSError) as error:
            # aiosqlite has told its thread to end, and does not wait: it would report to a loop that may be closed.
            thread._thread.join()
            raise self._connect_error(error) from error
        try:
            await thread._execute(self._prepare, thread._conn, options, read_only and not self.is_memory)
        except sqlite3.Error as error:
            await thread.close()
            raise self._connect_error(error) from error
        except BaseException:
            thread.stop()
            raise
        return SQLiteConnection(
            thread,
            worker,
            is_memory=self.is_memory,
            is_read_only=read_only or options.get("mode") == "ro",
            begin=self._begin,
        )

    def _target(self, options: dict[str, Any]) -> tuple[str, bool]:
        name = str(self.config.name) or ":memory:"
        uri = {key: str(options[key]) for key in _URI_OPTIONS if key in options}
        if name.startswith("file:"):
            return name, True
        if not uri:
            return name, False
        return f"file:{quote(name)}?{urlencode(uri)}", True

    def _prepare(self, raw: sqlite3.Connection, options: dict[str, Any], read_only: bool) -> None:
        """Runs in the connection's thread."""
        self.dialect.max_params = raw.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
        register_functions(raw)
        if not self.is_memory and not read_only and options.get("mode") != "ro":
            raw.execute(f"PRAGMA journal_mode = {options.get('journal_mode', 'WAL')}").fetchall()
        # NORMAL is safe in WAL: a power cut may lose the last commits, never the file.
        raw.execute(f"PRAGMA synchronous = {options.get('synchronous', 'NORMAL')}")
        raw.execute("PRAGMA foreign_keys = ON")
        if "cache_size" in options:
            raw.execute(f"PRAGMA cache_size = {int(options['cache_size'])}")
        if options.get("init_command"):
            raw.executescript(str(options["init_command"]))
        if read_only:
            raw.execute("PRAGMA query_only = ON")

    def _connect_error(self, error: BaseException) -> e.ConnectionFailed:
        name = str(self.config.name)
        folder = os.path.dirname(os.path.abspath(name))
        if not os.path.isdir(folder):
            what = f"The SQLite file '{name}' cannot be opened: there is no folder '{folder}'. Make it first."
        elif "not a database" in str(error):
            what = f"The file '{name}' is no SQLite database. Check NAME in DATABASES."
        elif os.path.isdir(name):
            what = f"'{name}' is a folder. NAME in DATABASES is the path of a file in it."
        elif self.config.options.get("mode") == "ro" and "readonly" in str(error):
            what = (
                f"The SQLite file '{name}' cannot be opened: it is in WAL mode, which writes files beside it even to read, and they cannot "
                "be written. Add immutable=1 to mode=ro if nobody changes the file meanwhile, or let its folder be written."
            )
        else:
            what = f"The SQLite file '{name}' cannot be opened ({error}). Check that it and its folder may be read and written."
        return e.ConnectionFailed(what, alias=self.alias, code=getattr(error, "sqlite_errorname", None))

    def translate(self, error: BaseException, sql: str) -> e.DatabaseError | None:
        """Return our error for SQLite's; the message is the only thing that tells what was violated."""
        if (isinstance(error, ValueError) and "onnection closed" in str(error)) or "no active connection" in str(error):
            return e.ConnectionLost("The connection is closed.", alias=self.alias, sql=sql)
        if isinstance(error, OverflowError):
            return e.DataError("An integer is too large: SQLite stores 64 bits.", alias=self.alias, sql=sql)
        if isinstance(error, UnicodeEncodeError):
            what = "A text holds half a surrogate pair, which is no character."
            return e.DataError(what, alias=self.alias, sql=sql)
        if not isinstance(error, sqlite3.Error):
            return None
        message = str(error)
        code = getattr(error, "sqlite_errorname", "") or ""
        text = f"{message[:1].upper()}{message[1:]}."
        if isinstance(error, sqlite3.IntegrityError):
            return self._violation(message, sql, code)
        kind: type[e.DatabaseError]
        if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            kind = e.LockTimeout
            text = "The database is locked: another process held its write lock for longer than busy_timeout."
        elif code == "SQLITE_INTERRUPT":
            kind = e.QueryCanceled
        elif code in ("SQLITE_TOOBIG", "SQLITE_MISMATCH", "SQLITE_RANGE") or isinstance(error, sqlite3.DataError):
            kind = e.DataError
        elif isinstance(error, sqlite3.NotSupportedError):
            kind = e.NotSupportedError
        elif code == "SQLITE_ERROR" or isinstance(error, sqlite3.ProgrammingError):
            kind = e.ProgrammingError
            if "type 'b" in message or "type is not supported" in message or "type '" in message:
                kind = e.DataError
        elif isinstance(error, sqlite3.InternalError) or code.startswith(
            ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_INTERNAL")
        ):
            kind = e.InternalError
        elif isinstance(error, sqlite3.InterfaceError):
            kind = e.InterfaceError
        else:
            kind = e.OperationalError
        return kind(text, alias=self.alias, sql=sql, code=code)

    def _violation(self, message: str, sql: str, code: str) -> e.IntegrityError:
        rule, _, what = message.partition(" constraint failed: ")
        kind = _VIOLATIONS.get(code, e.IntegrityError)
        table: str | None = None
        columns: list[str] = []
        constraint: str | None = None
        if what.startswith("index '"):
            constraint = what[7:].rstrip("'")
        elif kind is e.CheckViolation:
            constraint = what
        else:
            for part in filter(None, what.split(", ")):
                table, _, column = part.rpartition(".")
                columns.append(column)
        text = f"{rule} constraint failed" + (f": {what}" if what else "") + "."
        if kind is e.ForeignKeyViolation:
            text = "FOREIGN KEY constraint failed: a row points at no row, or rows still point at one that should go."
        return kind(
            text,
            alias=self.alias,
            sql=sql,
            code=code,
            constraint=constraint,
            table=table or _table_of(sql),
            columns=columns,
        )


_VIOLATIONS: dict[str, type[e.IntegrityError]] = {
    "SQLITE_CONSTRAINT_UNIQUE": e.UniqueViolation,
    "SQLITE_CONSTRAINT_PRIMARYKEY": e.UniqueViolation,
    "SQLITE_CONSTRAINT_ROWID": e.UniqueViolation,
    "SQLITE_CONSTRAINT_FOREIGNKEY": e.ForeignKeyViolation,
    "SQLITE_CONSTRAINT_NOTNULL": e.NotNullViolation,
    "SQLITE_CONSTRAINT_CHECK": e.CheckViolation,
}
_TABLE = re.compile(r'\s*(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+"?((?<=")[^"]+|\w+)', re.IGNORECASE)


def _table_of(sql: str) -> str | None:
    found = _TABLE.match(sql)
    return found[1] if found else None
