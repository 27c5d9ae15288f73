"""MySQL and MariaDB by asyncmy, or aiomysql with our own reader: values escaped by us, error numbers to our errors.

Longer than most modules for its tables of error numbers.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from covet.concurrency import to_thread
from covet.db import errors as e
from covet.db.backends.driver import CONNECT_TIMEOUT_S, Connection, Driver, Inserted, Outcome, Rows
from covet.db.backends.features import Features, require_version, version_tuple
from covet.db.backends.mysql.dialect import MySQLDialect
from covet.db.backends.mysql.libraries import choose_library

__all__ = ["MySQLConnection", "MySQLDriver"]

_SQL_MODE = "STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
# The protocol's numbers: commands, capabilities, status flags.
_QUERY = 0x03
_RESET_CONNECTION = 0x1F
_FOUND_ROWS = 0x02
_IN_TRANSACTION = 0x01
_NO_BACKSLASH_ESCAPES = 0x200
_NOT_CONNECTED = "Not connected"
_CANCELLED = "Cancelled during execution"
_KEY_COLUMNS = """
SELECT table_name, column_name FROM information_schema.statistics
WHERE table_schema = DATABASE() AND index_name = %s AND table_name = COALESCE(%s, table_name) ORDER BY table_name, seq_in_index
"""


class MySQLConnection(Connection):
    """An aiomysql connection behind our protocol."""

    __slots__ = ("_driver", "_set_up", "_streaming", "raw")

    def __init__(self, raw: Any, driver: MySQLDriver, set_up: str) -> None:
        super().__init__()
        self.raw = raw
        self._driver = driver
        self._set_up = set_up
        self._streaming: RowStream | None = None

    async def _query(self, sql: str, args: Sequence[Any]) -> Any:
        raw = self.raw
        if self.is_closed:
            # Seen before anything is sent, so the statement may safely go to another connection.
            raw.close()
            raise self._driver.library.error(0, _NOT_CONNECTED)
        if self._streaming is not None:
            await self._streaming.read_ahead()
        await raw._execute_command(_QUERY, self._text(sql, args))
        await raw._read_query_result()
        result = raw._result
        while raw._result.has_next:
            # A procedure, or several statements: their errors belong to this call, not to the next.
            await raw._read_query_result()
        return result

    def _text(self, sql: str, args: Sequence[Any]) -> bytes:
        if args:
            backslashes = not self.raw.server_status & _NO_BACKSLASH_ESCAPES
            try:
                sql = sql % tuple([_literal(value, backslashes) for value in args])
            except (TypeError, ValueError) as error:
                message = f"The statement and its {len(args)} values do not fit: {error}. A literal % is written %%."
                raise e.ProgrammingError(message, alias=self._driver.alias, sql=sql) from error
        try:
            return sql.encode()
        except UnicodeEncodeError as error:
            raise e.DataError("A text holds half a surrogate pair, which is no character.", sql="") from error

    async def fetch(self, sql: str, args: Sequence[Any]) -> Rows:
        """Run a statement and return its rows as tuples."""
        return (await self._query(sql, args)).rows or []

    async def read(self, sql: str, args: Sequence[Any]) -> tuple[list[str], Rows]:
        """Run a statement and return the names of its columns with the rows; by the library, which keeps the names."""
        raw = self.raw
        if self.is_closed:
            raw.close()
            raise self._driver.library.error(0, _NOT_CONNECTED)
        if self._streaming is not None:
            await self._streaming.read_ahead()
        await raw._execute_command(_QUERY, self._text(sql, args))
        raw._result = None
        rows = RowStream(self._driver.library.result(raw))
        await rows.result.init_unbuffered_query()
        await rows.read_ahead()
        return [column[0] for column in rows.result.description or ()], rows.ahead

    async def outcome(self, sql: str, args: Sequence[Any]) -> Outcome:
        """Run a statement and return all that is known of it, further results of a procedure too."""
        raw = self.raw
        if self.is_closed:
            raw.close()
            raise self._driver.library.error(0, _NOT_CONNECTED)
        if self._streaming is not None:
            await self._streaming.read_ahead()
        await raw._execute_command(_QUERY, self._text(sql, args))
        raw._result = None
        found = [await self._read_result()]
        while found[-1].has_next:
            found.append(await self._read_result())
        # A procedure ends with an answer of its own that has nothing to show.
        shown = [result for result in found if result.description] or found[:1]
        outcomes = [
            Outcome(result.description or (), result.rows or (), result.affected_rows, result.insert_id or None)
            for result in shown
        ]
        return replace(outcomes[0], more=tuple(outcomes[1:]))

    async def _read_result(self) -> Any:
        result = self._driver.library.result(self.raw)
        await result.read()
        if result.server_status is not None:
            self.raw.server_status = result.server_status
        return result

    async def execute(self, sql: str, args: Sequence[Any]) -> int:
        """Run a statement and return how many rows it changed (or matched, for an update)."""
        return (await self._query(sql, args)).affected_rows or 0

    async def insert(self, sql: str, args: Sequence[Any]) -> Inserted:
        """Run an insert and return its RETURNING rows, or the first automatic key."""
        result = await self._query(sql, args)
        return result.rows or [], result.insert_id or None

    async def execute_many(self, sql: str, args_list: Sequence[Sequence[Any]]) -> None:
        """Run a statement for each argument list, in a transaction."""
        if self.in_transaction:
            for args in args_list:
                await self._query(sql, args)
            return
        await self.begin()
        try:
            for args in args_list:
                await self._query(sql, args)
        except Exception:
            await self.rollback()
            raise
        await self.commit()

    async def stream(self, sql: str, args: Sequence[Any], chunk_size: int) -> AsyncIterator[Rows]:
        """Read the rows as the server sends them. Another statement meanwhile makes the rest wait in memory."""
        raw = self.raw
        if self._streaming is not None:
            await self._streaming.read_ahead()
        await raw._execute_command(_QUERY, self._text(sql, args))
        raw._result = None
        rows = RowStream(self._driver.library.result(raw))
        self._streaming = rows
        try:
            await rows.result.init_unbuffered_query()
            while chunk := await rows.take(chunk_size):
                yield chunk
        finally:
            if self._streaming is rows:
                self._streaming = None
            if rows.result.unbuffered_active and not self.is_closed:
                if self.in_transaction:
                    await rows.result._finish_unbuffered_query()
                else:
                    # MySQL cannot stop sending; a new connection is cheaper than the rest of a long answer.
                    raw.close()

    @property
    def is_closed(self) -> bool:
        """Whether the socket is gone."""
        return bool(self.raw._stream_broken)

    @property
    def in_transaction(self) -> bool:
        """What the server said last about its transaction."""
        return bool(self.raw.server_status & _IN_TRANSACTION)

    async def begin(self) -> None:
        """Start a transaction."""
        await self._query("BEGIN", ())

    async def rollback(self) -> None:
        """Roll back; the server is asked always, since it tells of its transaction only with its next answer."""
        await self._query("ROLLBACK", ())

    async def settle(self) -> None:
        """A cancelled statement has closed the connection already; anything else is over."""

    async def kill(self) -> None:
        """Stop a cancelled statement on the server: closing the socket alone lets it run to its end."""
        if self.raw._close_reason != _CANCELLED:
            return
        try:
            helper = await self._driver.connect()
        except e.ConnectionFailed:
            return
        try:
            await helper.execute(f"KILL {int(self.raw.server_thread_id[0])}", ())
        except self._driver.library.error:
            # It had ended meanwhile, or this user may not kill.
            return
        finally:
            await helper.close()

    async def reset(self) -> None:
        """Drop locks, variables and temporary tables, and set the session up again."""
        await self.raw._execute_command(_RESET_CONNECTION, b"")
        await self.raw._read_query_result()
        await self._query(self._set_up, ())

    async def ping(self) -> None:
        """Ask the server for a sign of life."""
        await self.raw.ping(reconnect=False)

    async def close(self) -> None:
        """Say good-bye and close."""
        await self.raw.ensure_closed()

    def terminate(self) -> None:
        """Cut the connection."""
        self.raw.close()


class RowStream:
    """The rows of one unbuffered answer; what another statement needs out of its way waits in ``ahead``."""

    __slots__ = ("ahead", "result")

    def __init__(self, result: Any) -> None:
        self.result = result
        self.ahead: list[Any] = []

    async def take(self, count: int) -> list[Any]:
        """Return the next rows, at most ``count``."""
        while len(self.ahead) < count and self.result.unbuffered_active:
            await self._read_one()
        taken, self.ahead = self.ahead[:count], self.ahead[count:]
        return taken

    async def read_ahead(self) -> None:
        """Read all that is left, so that the connection is free for another statement."""
        while self.result.unbuffered_active:
            await self._read_one()

    async def _read_one(self) -> None:
        row = await self.result._read_rowdata_packet_unbuffered()
        if row is not None:
            self.ahead.append(row)


class MySQLDriver(Driver):
    """Connects by asyncmy where it is installed, else by aiomysql.

    Options of the URL: ``driver`` (``asyncmy`` or ``aiomysql``), ``unix_socket``, ``connect_timeout``, ``charset``, ``sql_mode``, ``isolation_level``, ``ssl_mode``
    (``disabled``, ``required``, ``verify_ca``, ``verify_identity``), ``ssl_ca``, ``ssl_cert``, ``ssl_key``, ``init_command``.
    """

    vendor: ClassVar[str] = "mysql"
    minimum: ClassVar[tuple[int, ...]] = (8, 4)
    minimum_mariadb: ClassVar[tuple[int, ...]] = (10, 11)

    def __init__(self, config: Any, alias: str) -> None:
        super().__init__(config, alias)
        self.library = choose_library(config.options.get("driver"))
        self.features = Features(server="MySQL", rolls_back_ddl=False, defers_foreign_keys=False)
        options = config.options
        mode = _simple(options.get("sql_mode", _SQL_MODE), "sql_mode")
        level = _simple(str(options.get("isolation_level", "READ COMMITTED")).replace("-", " "), "isolation_level")
        self._set_up = f"SET time_zone = '+00:00', sql_mode = '{mode}', autocommit = 1"
        self._isolation = f"SET SESSION TRANSACTION ISOLATION LEVEL {level}"
        self._timeout = float(options.get("connect_timeout", CONNECT_TIMEOUT_S))

    def make_dialect(self) -> MySQLDialect:
        """Return the dialect that promises nothing which only one of the servers has."""
        return MySQLDialect()

    async def connect(self, *, read_only: bool = False) -> MySQLConnection:
        """Open a connection, in UTC and strict mode."""
        config = self.config
        options = config.options
        set_up = f"{self._set_up}; {self._isolation}"
        if options.get("init_command"):
            set_up = f"{set_up}; {options['init_command']}"
        raw = self.library.connection(
            host=config.host or "localhost",
            port=config.port or 3306,
            user=config.user or None,
            password=config.password,
            **{self.library.database: config.name},
            unix_socket=options.get("unix_socket") or options.get("socket"),
            charset=str(options.get("charset", "utf8mb4")),
            # An update counts the rows it found, as everywhere else, not only those that it changed.
            client_flag=_FOUND_ROWS,
            ssl=await to_thread(_ssl_context, options) if _wants_ssl(options) else None,
            autocommit=None,
            connect_timeout=self._timeout,
        )
        try:
            async with asyncio.timeout(self._timeout):
                await self.library.connect(raw)
                connection = MySQLConnection(raw, self, set_up)
                await connection._query(set_up, ())
        except (self.library.error, OSError, TimeoutError, ssl.SSLError) as error:
            raw.close()
            raise self._connect_error(error) from error
        except BaseException:
            raw.close()
            raise
        try:
            self._learn(raw.server_version)
        except e.NotSupportedError:
            raw.close()
            raise
        return connection

    def _learn(self, text: str) -> None:
        if self.features.version:
            return
        is_mariadb = "mariadb" in text.lower()
        version = version_tuple(text.removeprefix("5.5.5-") if is_mariadb else text)
        name = "MariaDB" if is_mariadb else "MySQL"
        shown = ".".join(map(str, version))
        require_version(f"{name} {shown}", version, self.minimum_mariadb if is_mariadb else self.minimum, self.alias)
        self.features = Features(f"{name} {shown}", version, rolls_back_ddl=False, defers_foreign_keys=False)
        self.dialect = MySQLDialect(version, is_mariadb=is_mariadb)

    def _connect_error(self, error: BaseException) -> e.ConnectionFailed:
        config = self.config
        socket = config.options.get("unix_socket") or config.options.get("socket")
        where = str(socket or f"{config.host or 'localhost'}:{config.port or 3306}")
        code = error.args[0] if error.args and isinstance(error.args[0], int) else None
        if code == 2003 and isinstance(error.__cause__, TimeoutError):
            error = error.__cause__
        if code == 1049:
            what = f"There is no database '{config.name}' on {where}. Create it: CREATE DATABASE {config.name}"
        elif code in (1044, 1045, 1698):
            what = f"The server on {where} refused user '{config.user}'. Check the user and password in DATABASES."
        elif code in (1040, 1203):
            what = (
                f"The server on {where} takes no more connections. Lower pool.max_size, or raise its max_connections."
            )
        elif isinstance(error, TimeoutError) or isinstance(error.__cause__, TimeoutError):
            what = f"The server on {where} did not answer in {self._timeout:g} s. Check host, port and firewall."
        elif code == 2003 or isinstance(error, OSError):
            what = f"Nothing answers at {where}. Is the server running, and are host and port in DATABASES right?"
        else:
            what = (
                f"The server on {where} could not be reached (error {code}): {error.args[-1] if error.args else error}"
            )
        return e.ConnectionFailed(what, alias=self.alias, code=code)

    def translate(self, error: BaseException, sql: str) -> e.DatabaseError | None:
        """Return our error for a server's number, or for aiomysql's own complaints."""
        if isinstance(error, self.library.error):
            code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
            message = str(error.args[-1]) if error.args else type(error).__name__
            if code in _INTEGRITY:
                return self._violation(code, message, sql)
            kind = _NUMBERS.get(code)
            if kind is None:
                kind = next(
                    (_CLASSES[c.__name__] for c in type(error).__mro__ if c.__name__ in _CLASSES), e.DatabaseError
                )
            if _CANCELLED in message or _NOT_CONNECTED in message:
                kind = e.ConnectionLost
            text = _without_values(message) if kind is e.DataError else message
            return kind(f"{text}.", alias=self.alias, sql=sql, code=code or None)
        if isinstance(error, (ConnectionError, asyncio.IncompleteReadError)):
            return e.ConnectionLost(f"The connection to the server broke: {error}", alias=self.alias, sql=sql)
        return None

    def _violation(self, code: int, message: str, sql: str) -> e.IntegrityError:
        kind = _INTEGRITY[code]
        table = _first(_TABLE, sql)
        constraint: str | None = None
        columns: tuple[str, ...] = ()
        if kind is e.UniqueViolation:
            key = message.rpartition(" for key ")[2].strip("'")
            owner, _, constraint = key.rpartition(".")
            table = owner or table
            text = f"Duplicate entry for key '{constraint}'."
        elif kind is e.ForeignKeyViolation:
            constraint = _first(_CONSTRAINT, message)
            columns = tuple(name.strip(" `") for name in (_first(_KEY, message) or "").split(",") if name)
            table = _first(_FK_TABLE, message) or table
            text = "A foreign key points at no row." if code in (1452, 1216) else "Rows still point at this row."
        elif kind is e.NotNullViolation:
            column = _first(_COLUMN, message)
            columns = (column,) if column else ()
            text = f"Column '{column}' cannot be null."
        else:
            constraint = _first(_CHECK, message)
            text = f"Check constraint '{constraint}' is violated."
        return kind(text, alias=self.alias, sql=sql, code=code, constraint=constraint, table=table, columns=columns)

    async def complete(self, error: e.DatabaseError, connection: Connection) -> None:
        """Look up the columns of the key that a duplicate broke: the message has only its name."""
        if not isinstance(error, e.UniqueViolation) or error.columns or not error.constraint:
            return
        rows = await connection.fetch(_KEY_COLUMNS, (error.constraint, error.table))
        tables = {row[0] for row in rows}
        if len(tables) == 1:
            error.table = tables.pop()
            error.columns = tuple(row[1] for row in rows)

    def was_not_sent(self, error: BaseException) -> bool:
        """Whether aiomysql noticed that the connection was closed before it wrote anything."""
        return isinstance(error, self.library.error) and _NOT_CONNECTED in str(error)


_TABLE = re.compile(r"\s*(?:INSERT\s+INTO|REPLACE\s+INTO|UPDATE|DELETE\s+FROM)\s+`?((?<=`)[^`]+|\w+)", re.IGNORECASE)
_CONSTRAINT = re.compile(r"CONSTRAINT `([^`]+)`")
_KEY = re.compile(r"FOREIGN KEY \(([^)]+)\)")
_FK_TABLE = re.compile(r"fails \(`[^`]+`\.`([^`]+)`")
_COLUMN = re.compile(r"(?:Column|Field) '([^']+)'")
_CHECK = re.compile(r"onstraint [`']([^`']+)[`']", re.IGNORECASE)
_QUOTED = re.compile(r": '.*?' for ", re.DOTALL)

_INTEGRITY: dict[int, type[e.IntegrityError]] = {
    1022: e.UniqueViolation,
    1062: e.UniqueViolation,
    1586: e.UniqueViolation,
    1048: e.NotNullViolation,
    1364: e.NotNullViolation,
    1216: e.ForeignKeyViolation,
    1217: e.ForeignKeyViolation,
    1451: e.ForeignKeyViolation,
    1452: e.ForeignKeyViolation,
    3819: e.CheckViolation,
    4025: e.CheckViolation,
}
_NUMBERS: dict[int, type[e.DatabaseError]] = {
    1205: e.LockTimeout,
    3572: e.LockTimeout,
    1213: e.DeadlockDetected,
    1020: e.SerializationFailure,
    1317: e.QueryCanceled,
    1969: e.QueryCanceled,
    3024: e.QueryCanceled,
    1053: e.ConnectionLost,
    1927: e.ConnectionLost,
    2006: e.ConnectionLost,
    2013: e.ConnectionLost,
    2014: e.InterfaceError,
    1264: e.DataError,
    1265: e.DataError,
    1292: e.DataError,
    1366: e.DataError,
    1367: e.DataError,
    1406: e.DataError,
    1411: e.DataError,
    1365: e.DataError,
    1690: e.DataError,
    3140: e.DataError,
    1054: e.ProgrammingError,
    1061: e.ProgrammingError,
    1064: e.ProgrammingError,
    1091: e.ProgrammingError,
    1146: e.ProgrammingError,
    1050: e.ProgrammingError,
    1051: e.ProgrammingError,
    1060: e.ProgrammingError,
    1304: e.ProgrammingError,
    1305: e.ProgrammingError,
    1235: e.NotSupportedError,
}
# By name, since each library has a tree of its own.
_CLASSES: dict[str, type[e.DatabaseError]] = {
    "IntegrityError": e.IntegrityError,
    "DataError": e.DataError,
    "NotSupportedError": e.NotSupportedError,
    "ProgrammingError": e.ProgrammingError,
    "InterfaceError": e.InterfaceError,
    "OperationalError": e.OperationalError,
    "InternalError": e.InternalError,
}


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found[1] if found else None


def _without_values(message: str) -> str:
    """Return ``Incorrect datetime value for column …`` of ``Incorrect datetime value: 'x' for column …``."""
    return _QUOTED.sub(" for ", message)


def _simple(value: Any, option: str) -> str:
    """Return an option that goes into a SET statement, if it is made of words only."""
    text = str(value)
    if not re.fullmatch(r"[A-Za-z_, ]*", text):
        raise e.ConnectionFailed(f"'{text}' cannot be the option {option} in DATABASES.")
    return text


def _wants_ssl(options: dict[str, Any]) -> bool:
    mode = str(options.get("ssl_mode", options.get("sslmode", ""))).lower().replace("-", "_")
    if mode in ("disabled", "disable"):
        return False
    return bool(mode or options.get("ssl") or options.get("ssl_ca") or options.get("ssl_cert"))


def _ssl_context(options: dict[str, Any]) -> ssl.SSLContext:
    given = options.get("ssl")
    if isinstance(given, ssl.SSLContext):
        return given
    mode = str(options.get("ssl_mode", options.get("sslmode", ""))).lower().replace("-", "_")
    authority = options.get("ssl_ca")
    context = ssl.create_default_context(cafile=authority)
    if mode in ("verify_ca", "required", "require", "preferred", "prefer") or not mode:
        context.check_hostname = False
    if authority is None and mode not in ("verify_ca", "verify_identity", "verify_full"):
        context.verify_mode = ssl.CERT_NONE
    if options.get("ssl_cert"):
        context.load_cert_chain(options["ssl_cert"], options.get("ssl_key"))
    return context


def _literal(value: Any, backslashes: bool) -> str:
    """Return a value as SQL text: the protocol's text commands take no parameters."""
    spell = _SPELL.get(value.__class__)
    if spell is not None:
        return spell(value)
    if isinstance(value, str):
        return _text_literal(str(value), backslashes)
    for kind, spelled in _SPELL.items():
        if isinstance(value, kind):
            return spelled(value)
    raise TypeError(f"a value of type {type(value).__name__} cannot be sent")


_ESCAPES = str.maketrans({"\0": "\\0", "\n": "\\n", "\r": "\\r", "\x1a": "\\Z", '"': '\\"', "'": "\\'", "\\": "\\\\"})


def _text_literal(value: str, backslashes: bool) -> str:
    return f"'{value.translate(_ESCAPES)}'" if backslashes else "'" + value.replace("'", "''") + "'"


def _float_literal(value: float) -> str:
    text = repr(value)
    if text in ("inf", "-inf", "nan"):
        raise ValueError(f"{text} cannot be stored")
    return text if "e" in text else f"{text}e0"


def _bytes_literal(value: bytes | bytearray | memoryview) -> str:
    return f"X'{bytes(value).hex()}'"


_SPELL: dict[type, Callable[[Any], str]] = {
    type(None): lambda value: "NULL",
    bool: lambda value: "1" if value else "0",
    int: int.__repr__,
    float: _float_literal,
    Decimal: lambda value: format(value, "f"),
    bytes: _bytes_literal,
    bytearray: _bytes_literal,
    memoryview: _bytes_literal,
    dt.datetime: lambda value: f"'{value.replace(tzinfo=None).isoformat(' ', 'microseconds')}'",
    dt.date: lambda value: f"'{value.isoformat()}'",
    dt.time: lambda value: f"'{value.replace(tzinfo=None).isoformat('microseconds')}'",
    dt.timedelta: lambda value: f"'{_time_span(value)}'",
    UUID: lambda value: f"'{value.hex}'",
}


def _time_span(value: dt.timedelta) -> str:
    sign = "-" if value < dt.timedelta() else ""
    seconds = abs(value)
    hours, rest = divmod(seconds, dt.timedelta(hours=1))
    minutes, rest = divmod(rest, dt.timedelta(minutes=1))
    return f"{sign}{hours:02d}:{minutes:02d}:{rest.seconds:02d}.{rest.microseconds:06d}"
