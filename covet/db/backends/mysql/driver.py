"""MySQL and MariaDB by asyncmy, or aiomysql with our own reader: how to connect, and error numbers to our errors."""

from __future__ import annotations

import asyncio
import re
import ssl
import sys
from typing import Any, ClassVar

from covet.concurrency import to_thread
from covet.db import errors as e
from covet.db.backends.driver import CONNECT_TIMEOUT_S, Connection, Driver, seconds, why_unreachable
from covet.db.backends.features import Features, require_version, version_tuple
from covet.db.backends.mysql.connection import CANCELLED, NOT_CONNECTED, MySQLConnection
from covet.db.backends.mysql.dialect import MySQLDialect
from covet.db.backends.mysql.libraries import choose_library
from covet.exceptions import ImproperlyConfigured

__all__ = ["MySQLDriver"]

_SQL_MODE = "STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
_LEVELS = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE", "READ UNCOMMITTED")
# The capability that makes an update tell how many rows it has matched.
_FOUND_ROWS = 0x02
_KEY_COLUMNS = """
SELECT table_name, column_name FROM information_schema.statistics
WHERE table_schema = DATABASE() AND index_name = %s AND table_name = COALESCE(%s, table_name) ORDER BY table_name, seq_in_index
"""


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
        level = re.sub("[-_]", " ", str(options.get("isolation_level", "READ COMMITTED"))).upper()
        if level not in _LEVELS:
            raise ImproperlyConfigured(
                f"DATABASES['{alias}']: there is no isolation_level '{level.lower()}'; there are {', '.join(_LEVELS).lower()}."
            )
        self._set_up = f"SET time_zone = '+00:00', sql_mode = '{mode}', autocommit = 1"
        self._isolation = f"SET SESSION TRANSACTION ISOLATION LEVEL {level}"
        self._timeout = seconds(alias, "connect_timeout", options.get("connect_timeout", CONNECT_TIMEOUT_S))
        # How many bytes a statement may have with its values; the first connection asks.
        self.longest = sys.maxsize

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
        context = await self._tls()
        charset = str(options.get("charset", "utf8mb4"))
        try:
            raw = self._make(charset, context)
        except AttributeError:
            # Both libraries look a name up, and take what is not there for one that is. Another one is their own mistake.
            if self.library.charset(charset) is not None:
                raise
            raise ImproperlyConfigured(f"DATABASES['{self.alias}']: there is no charset '{charset}'.") from None
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
            if self.longest == sys.maxsize:
                self.longest = int((await connection.fetch("SELECT @@SESSION.max_allowed_packet", ()))[0][0])
        except BaseException:
            raw.close()
            raise
        return connection

    async def _tls(self) -> ssl.SSLContext | None:
        if not _wants_ssl(self.config.options):
            return None
        try:
            return await to_thread(_ssl_context, self.config.options)
        except OSError as error:
            raise e.ConnectionFailed(
                f"What ssl_ca, ssl_cert and ssl_key name cannot be read: {error}.", alias=self.alias
            ) from error

    def _make(self, charset: str, context: ssl.SSLContext | None) -> Any:
        """Return a connection that is not connected yet."""
        config = self.config
        options = config.options
        raw = self.library.connection(
            host=config.host or "localhost",
            port=config.port or 3306,
            user=config.user or None,
            password=config.password,
            **{self.library.database: config.name},
            unix_socket=options.get("unix_socket") or options.get("socket"),
            charset=charset,
            # An update counts the rows it found, as everywhere else, not only those that it changed.
            client_flag=_FOUND_ROWS,
            ssl=context,
            autocommit=None,
            connect_timeout=self._timeout,
        )
        raw.needs_tls = context is not None and _ssl_mode(options) not in ("preferred", "prefer")
        return raw

    def too_long(self, size: int) -> e.StatementTooLong:
        """Return the error for a statement of so many bytes."""
        return e.StatementTooLong(
            f"The statement and its values have {size / 2**20:.1f} MiB, and the server takes {self.longest / 2**20:.1f} "
            "(max_allowed_packet). Send it in parts, or raise that limit of the server.",
            alias=self.alias,
        )

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
        elif code in (2003, 2026) or isinstance(error, OSError):
            what = why_unreachable(error.__cause__ or error, "the server", where, "ssl_mode")
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
            if CANCELLED in message or NOT_CONNECTED in message:
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
        try:
            rows = await connection.fetch(_KEY_COLUMNS, (error.constraint, error.table))
        except (self.library.error, OSError):
            # The server has gone meanwhile: what was violated is the news, without its columns.
            return
        tables = {row[0] for row in rows}
        if len(tables) == 1:
            error.table = tables.pop()
            error.columns = tuple(row[1] for row in rows)

    def was_not_sent(self, error: BaseException) -> bool:
        """Whether aiomysql noticed that the connection was closed before it wrote anything."""
        return isinstance(error, self.library.error) and NOT_CONNECTED in str(error)


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
    1845: e.NotSupportedError,  # a change that ALGORITHM= or LOCK= does not allow
    1846: e.NotSupportedError,
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
    1139: e.DataError,  # a regular expression that is none
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


def _ssl_mode(options: dict[str, Any]) -> str:
    return str(options.get("ssl_mode", options.get("sslmode", ""))).lower().replace("-", "_")


def _wants_ssl(options: dict[str, Any]) -> bool:
    mode = _ssl_mode(options)
    if mode in ("disabled", "disable"):
        return False
    return bool(mode or options.get("ssl") or options.get("ssl_ca") or options.get("ssl_cert"))


def _ssl_context(options: dict[str, Any]) -> ssl.SSLContext:
    given = options.get("ssl")
    if isinstance(given, ssl.SSLContext):
        return given
    mode = _ssl_mode(options)
    authority = options.get("ssl_ca")
    context = ssl.create_default_context(cafile=authority)
    if mode in ("verify_ca", "required", "require", "preferred", "prefer") or not mode:
        context.check_hostname = False
    if authority is None and mode not in ("verify_ca", "verify_identity", "verify_full"):
        context.verify_mode = ssl.CERT_NONE
    if options.get("ssl_cert"):
        context.load_cert_chain(options["ssl_cert"], options.get("ssl_key"))
    return context
