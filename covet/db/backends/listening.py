"""Who hears of the statements that run, and who stands around them; free while nobody does.

Listeners belong to a context and to the tasks started in it. With ``DEBUG`` every statement is kept in a log as well, and with
``SLOW_QUERY_MS`` the slow ones are logged with their plan: these two hear of the statements of all contexts.
"""

from __future__ import annotations

import contextvars
import functools
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

from msgspec import Struct

from covet.conf import settings

__all__ = [
    "LOG_LIMIT",
    "Execute",
    "Gate",
    "QueryRecord",
    "Wrapper",
    "Wrapping",
    "admit",
    "fresh_log",
    "log_of",
    "recorders",
    "watch",
    "wrapped",
]

log = logging.getLogger("covet.db.backends")
slow_log = logging.getLogger("covet.db.slow")

LOG_LIMIT = 9000
# From here on the page of errors tells a statement's plan, where no setting says otherwise.
_SLOW_IN_DEBUG_S = 0.1

Execute: TypeAlias = Callable[[str, Any, bool, dict[str, Any]], Awaitable[Any]]
Wrapper: TypeAlias = Callable[[Execute, str, Any, bool, dict[str, Any]], Awaitable[Any]]


class QueryRecord(Struct, frozen=True):
    """One statement that ran. ``record["sql"]`` and ``record["time"]`` (seconds, as text) are there for Django's habit.

    Attributes:
        alias: The database.
        sql: The text that the driver got.
        args: Its values, as the driver got them; for ``execute_many`` the lists of values.
        duration_s: How long it took, waiting for a connection included.
        where: ``file:line`` of the code that asked for it.
        error: The error it ended with, if any.
        plan: How the database would run it, if it was slow (``SLOW_QUERY_MS``; with ``DEBUG`` 100 ms) and that can be told.
    """

    alias: str
    sql: str
    args: Sequence[Any]
    duration_s: float
    where: str
    error: BaseException | None = None
    plan: str = ""

    def __getitem__(self, key: str) -> str:
        if key == "sql":
            return self.sql
        if key == "time":
            return f"{self.duration_s:.3f}"
        raise KeyError(key)


# Who listens to the statements of this context and of the tasks started in it.
recorders: contextvars.ContextVar[tuple[Any, ...]] = contextvars.ContextVar("covet_db_recorders", default=())

# The statements by alias; of the whole process, or of one request.
_whole: dict[str, deque[QueryRecord]] = {}
_logs: contextvars.ContextVar[dict[str, deque[QueryRecord]]] = contextvars.ContextVar("covet_db_logs", default=_whole)


class Watch:
    """Whether anybody listens at all.

    Attributes:
        get: Returns the listeners of the calling context. Without those of the whole process it is the context variable's own
            ``get``, which costs a statement nothing worth counting.
        slow_s: From how long on a statement is slow; ``None`` asks nobody.
    """

    __slots__ = ("_is_set_up", "get", "slow_s")

    def __init__(self) -> None:
        self.get: Callable[[], tuple[Any, ...]] = recorders.get
        self.slow_s: float | None = None
        self._is_set_up = False
        settings.watchers.append(self._settings_changed)

    def _settings_changed(self, names: frozenset[str], begins: bool) -> None:
        if names & {"DEBUG", "SLOW_QUERY_MS"}:
            self._is_set_up = False
            self.configure()

    def configure(self) -> None:
        """Read the settings, once; databases do it when they are made."""
        if self._is_set_up or not settings.configured:
            return
        self._is_set_up = True
        limit_ms = settings.SLOW_QUERY_MS
        self.slow_s = limit_ms / 1000 if limit_ms is not None else _SLOW_IN_DEBUG_S if settings.DEBUG else None
        everywhere = (*((_keep,) if settings.DEBUG else ()), *((_tell_slow,) if limit_ms is not None else ()))
        if everywhere:
            self.get = lambda: (*recorders.get(), *everywhere)
        else:
            self.get = recorders.get


watch = Watch()


def _keep(record: QueryRecord) -> None:
    log_of(record.alias).append(record)
    if log.isEnabledFor(logging.DEBUG):
        log.debug(
            "(%.3f) %s; args=%s; alias=%s",
            record.duration_s,
            record.sql,
            record.args,
            record.alias,
            extra={"duration": record.duration_s, "sql": record.sql, "params": record.args, "alias": record.alias},
        )


def _tell_slow(record: QueryRecord) -> None:
    if watch.slow_s is None or record.duration_s < watch.slow_s:
        return
    plan = f"\n{record.plan}" if record.plan else ""
    slow_log.warning(
        "%.0f ms on '%s' from %s: %s%s", record.duration_s * 1e3, record.alias, record.where, record.sql, plan
    )


def log_of(alias: str) -> deque[QueryRecord]:
    """Return the log that the statements of this context go to, for one database."""
    logs = _logs.get()
    found = logs.get(alias)
    if found is None:
        found = logs[alias] = deque(maxlen=LOG_LIMIT)
    return found


@contextmanager
def fresh_log() -> Iterator[None]:
    """Give this context, and the tasks started in it, a log of its own: each request has one."""
    token = _logs.set({})
    try:
        yield
    finally:
        _logs.reset(token)


class Gate:
    """A listener that is asked before a statement is sent."""

    __slots__ = ()

    def admit(self, place: str) -> None:
        """Raise to refuse the statement that the code at ``place`` asks for."""


def admit(listeners: Sequence[Any], place: str) -> None:
    """Ask every gate among the listeners."""
    for listener in listeners:
        if isinstance(listener, Gate):
            listener.admit(place)


class Wrapping:
    """Stands among the listeners for a function around the statements of one database; it hears nothing."""

    __slots__ = ("alias", "wrapper")

    def __init__(self, alias: str, wrapper: Wrapper) -> None:
        self.alias = alias
        self.wrapper = wrapper

    def __call__(self, record: QueryRecord) -> None:
        """Nothing: what has run is no business of a wrapper."""


def wrapped(listeners: Sequence[Any], alias: str, execute: Execute) -> Execute:
    """Return what runs a statement through all wrappers of a database, the one installed first outermost."""
    for listener in reversed(listeners):
        if isinstance(listener, Wrapping) and listener.alias == alias:
            execute = functools.partial(listener.wrapper, execute)
    return execute
