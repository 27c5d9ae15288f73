"""What goes wrong with PostgreSQL, as our errors: SQLSTATE, asyncpg's own complaints, a server that cannot be reached."""

from __future__ import annotations

import asyncio
import os
import re
from typing import TYPE_CHECKING

from asyncpg import exceptions as pg

from covet.db import errors as e
from covet.db.backends.driver import why_unreachable
from covet.db.backends.postgresql.opening import BEGIN_NAME, COMMIT_NAME

if TYPE_CHECKING:
    from covet.conf.service_url import DatabaseConfig

__all__ = ["FAILURES", "has_refused", "not_connected", "rolled_back", "session_changed", "translate"]

#: What asyncpg raises where the server refuses something or is gone; anything else is a fault of the code.
FAILURES = (
    pg.PostgresError, pg.InterfaceError, pg.InternalClientError, ConnectionError, asyncio.IncompleteReadError, TimeoutError
)  # fmt: skip

# The options that name files.
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_DETAIL_KEY = re.compile(r"Key \((.+?)\)=")

# SQLSTATE, or its class (the first two characters), to the error and what to say.
_STATES: dict[str, type[e.DatabaseError]] = {
    "08": e.ConnectionLost,
    "0A": e.NotSupportedError,
    "21": e.ProgrammingError,
    "22": e.DataError,
    "23": e.IntegrityError,
    "23502": e.NotNullViolation,
    "23503": e.ForeignKeyViolation,
    "23505": e.UniqueViolation,
    "23514": e.CheckViolation,
    "23P01": e.ExclusionViolation,
    "25": e.TransactionError,
    "25P02": e.TransactionManagementError,
    "26": e.ProgrammingError,
    "28": e.ConnectionFailed,
    "34": e.ProgrammingError,
    "3B": e.TransactionError,
    "3D": e.ConnectionFailed,
    "3F": e.ProgrammingError,
    "40001": e.SerializationFailure,
    "40P01": e.DeadlockDetected,
    "42": e.ProgrammingError,
    "44": e.ProgrammingError,
    "53": e.OperationalError,
    "54": e.OperationalError,
    "55": e.OperationalError,
    "55P03": e.LockTimeout,
    "57": e.OperationalError,
    "57014": e.QueryCanceled,
    "57P01": e.ConnectionLost,
    "57P02": e.ConnectionLost,
    "57P03": e.ConnectionFailed,
    "58": e.OperationalError,
    "XX": e.InternalError,
}


def not_connected(error: BaseException, config: DatabaseConfig, alias: str, timeout_s: float) -> e.ConnectionFailed:
    """Return the error for a connection that could not be opened: what is the matter, and what to do."""
    where = f"{config.host or 'localhost'}:{config.port or 5432}"
    missing = [name for name in _FILES if not os.path.exists(str(config.options.get(name, os.curdir)))]
    if isinstance(error, pg.InvalidCatalogNameError):
        what = f"There is no database '{config.name}' on {where}. Create it: createdb {config.name}"
    elif isinstance(error, pg.InvalidAuthorizationSpecificationError):
        what = f"PostgreSQL on {where} refused user '{config.user}'. Check the user and password in DATABASES."
    elif isinstance(error, pg.TooManyConnectionsError):
        what = f"PostgreSQL on {where} takes no more connections. Lower pool.max_size, or raise its max_connections."
    elif isinstance(error, TimeoutError):
        what = f"PostgreSQL on {where} did not answer in {timeout_s:g} s. Check host, port and firewall."
    elif isinstance(error, FileNotFoundError) and missing:
        what = f"There is no file '{config.options[missing[0]]}', which the option {missing[0]} names."
    elif isinstance(error, OSError):
        is_must = str(config.options.get("sslmode", "")).startswith(("require", "verify"))
        what = why_unreachable(error, "PostgreSQL", where, "sslmode" if is_must else "")
    elif isinstance(error, pg.TargetServerAttributeNotMatched):
        wanted = config.options.get("target_session_attrs")
        what = f"PostgreSQL on {where} is not what target_session_attrs asks for: {wanted}."
    elif isinstance(error, pg.CannotConnectNowError):
        what = f"PostgreSQL on {where} is starting up or shutting down. Try again in a moment."
    else:
        what = f"PostgreSQL on {where} could not be reached: {error}"
    return e.ConnectionFailed(what, alias=alias, code=getattr(error, "sqlstate", None))


_NULLABLE_SIDE = "cannot be applied to the nullable side of an outer join"


def translate(error: BaseException, sql: str, alias: str) -> e.DatabaseError | None:
    """Return our error for an SQLSTATE, or for asyncpg's own complaints."""
    if isinstance(error, pg.DataError) and "query argument" in str(error):
        # asyncpg's own complaint, before anything was sent.
        return e.DataError(f"A value does not fit its parameter: {_without_value(error)}", alias=alias, sql=sql)
    if isinstance(error, pg.PostgresError):
        return _server_error(error, sql, alias)
    if isinstance(error, pg.InterfaceError):
        if "connection is closed" in str(error):
            what = "The connection to PostgreSQL has been closed, by the server or on the way to it."
            return e.ConnectionLost(what, alias=alias, sql=sql)
        kind: type[e.DatabaseError] = e.ConnectionLost if "closed in the middle" in str(error) else e.InterfaceError
        return kind(str(error).partition("\n")[0], alias=alias, sql=sql)
    if isinstance(error, pg.InternalClientError):
        # The server's farewell came while nobody asked for anything, and has confused asyncpg's bookkeeping.
        why = "the server has ended the session" if "cannot switch to state" in str(error) else str(error).rstrip(".")
        return e.ConnectionLost(f"The connection to PostgreSQL broke: {why}.", alias=alias, sql=sql)
    if isinstance(error, (ConnectionError, asyncio.IncompleteReadError)):
        return e.ConnectionLost(f"The connection to PostgreSQL broke: {error}", alias=alias, sql=sql)
    if isinstance(error, TimeoutError):
        return e.QueryCanceled("The statement took longer than command_timeout.", alias=alias, sql=sql)
    return None


def has_refused(error: BaseException) -> bool:
    """Whether it is certain that nothing of a statement, outside of a transaction, has taken effect.

    A server that goes down, or a pooler that has lost it, may have committed before.
    """
    if not isinstance(error, pg.PostgresError):
        return False
    if "query argument" in str(error) and isinstance(error, pg.DataError):
        # asyncpg's own complaint, before anything was sent.
        return True
    state = str(getattr(error, "sqlstate", None) or "08")
    return getattr(error, "severity_en", None) == "ERROR" and state != "40003" and not state.startswith(("08", "57P"))


def _server_error(error: pg.PostgresError, sql: str, alias: str) -> e.DatabaseError:
    state = str(getattr(error, "sqlstate", None) or "")
    kind = _STATES.get(state) or _STATES.get(state[:2]) or e.DatabaseError
    message = str(error.args[0]) if error.args else type(error).__name__
    if state == "26000" and (BEGIN_NAME in message or COMMIT_NAME in message):
        return e.ConnectionLost(
            "The session has lost the statements that were prepared in it, by a DISCARD or DEALLOCATE inside a function or in a pooler. "
            "Nothing of the transaction has taken effect, and its connection is closed. Behind a pooler in transaction mode write "
            "pgbouncer=true in the database's URL.",
            alias=alias,
            sql=sql,
            code=state,
        )
    if isinstance(error, pg.InvalidCachedStatementError):
        # Outside a transaction the statement has been run anew, so this is told only where one was lost.
        return e.SerializationFailure(
            "A table or a setting that this statement was prepared for has changed, by a migration while the program runs, or in this "
            "very transaction. The transaction is lost and nothing of it has taken effect; it may be run again, which prepares the "
            "statement anew: call a function with @transaction.retry() in place of the block.",
            alias=alias,
            sql=sql,
            code=state,
        )
    hint = getattr(error, "hint", None)
    if message.endswith(_NULLABLE_SIDE):
        hint = (
            "Lock the rows themselves, select_for_update(of=('self',)), or leave the relation that may be NULL out of "
            "select_related()."
        )
    text = f"{message[:1].upper()}{message[1:]}." + (f" {hint}" if hint else "")
    if not issubclass(kind, e.IntegrityError):
        return kind(text, alias=alias, sql=sql, code=state)
    column = getattr(error, "column_name", None)
    return kind(
        text,
        alias=alias,
        sql=sql,
        code=state,
        constraint=getattr(error, "constraint_name", None),
        table=getattr(error, "table_name", None),
        columns=(column,) if column else _detail_columns(getattr(error, "detail", None)),
    )


def _detail_columns(detail: str | None) -> tuple[str, ...]:
    """Return the columns of ``Key (a, b)=(…) already exists``; the values after them are nobody's business."""
    found = _DETAIL_KEY.search(detail or "")
    return tuple(name.strip().strip('"') for name in found[1].split(",")) if found else ()


def _without_value(error: BaseException) -> str:
    """Return asyncpg's complaint without the value in it: ``invalid input for query argument $1: 'x' (…)``."""
    text = str(error).partition("\n")[0]
    head, _, rest = text.partition(": ")
    reason = rest.rpartition("(")[2].rstrip(")") if rest.endswith(")") else ""
    return f"{head} ({reason})" if reason else head


def session_changed(sql: str, alias: str) -> e.NotSupportedError:
    """Return the error for a statement that would leave something in a session which is somebody else's next."""
    return e.NotSupportedError(
        "This statement changes the session, and with pgbouncer=true each transaction may get another one. Use SET LOCAL, "
        "set_config(…, true), pg_advisory_xact_lock, ON COMMIT DROP or a table instead, inside atomic; or a database entry that goes "
        "round PgBouncer.",
        alias=alias,
        sql=sql,
    )


def rolled_back() -> e.TransactionManagementError:
    """Return the error for a COMMIT that the server has turned into a ROLLBACK."""
    what = "COMMIT rolled the transaction back, because a statement in it had failed and its error was caught inside the block."
    return e.TransactionManagementError(what)
