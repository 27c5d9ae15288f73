"""Tells the store of cached results which tables are written, and when: before a write takes effect, and after it.

The process itself counts the same writes (``unchanged_since``), for rows that were read ahead and not given out yet.

Every statement passes ``Database``, so writes of the ORM, of bulk operations and cascades, and raw SQL are all seen, by the
tables that their text names. Not seen is what the text does not say: triggers, functions and procedures that write elsewhere,
and whatever reaches the database by another way. Inside a transaction the tables are gathered, and told at its commit.

A failing store never fails a statement. It is logged once until it works again, and counted; names that it could not be told
are told with the next call, and until then this process takes nothing from the cache for them. One that hung is left alone for some
seconds while there is nothing to tell it, so that not each read waits for it.
"""

from __future__ import annotations

import contextvars
import logging
import re
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

from msgspec import Struct

from covet.apps import apps
from covet.conf import settings
from covet.exceptions import CovetError, ImproperlyConfigured
from covet.loading import import_string, late_module
from covet.redis import RedisPart, RedisPools

if TYPE_CHECKING:
    from covet.db import stores
    from covet.db.backends.session import Frame
else:
    stores = late_module(__name__, "covet.db.stores")

__all__ = ["CacheCall", "Counts", "Freshness", "cache_listeners", "freshness", "tables_in", "tables_written"]

log = logging.getLogger("covet.db.cache")

T = TypeVar("T")

_MEMORY: Final = "memory://"
_TEXTS: Final = 4096
# What lets each read wait for two seconds is asked five times a minute.
_REST_S: Final = 10.0
_NAME: Final = r'(?:(?:"[^"]+"|`[^`]+`|[\w$]+)\s*\.\s*)*(?:"(?:[^"]|"")+"|`(?:[^`]|``)+`|[\w$]+)'


#: What MySQL, SQLite and PostgreSQL let stand between a verb and its table.
_MANNERS: Final = r"(?:\s+(?:ONLY|IGNORE|LOW_PRIORITY|HIGH_PRIORITY|DELAYED|QUICK|OR\s+\w+))*"


@cache
def _target() -> re.Pattern[str]:
    return re.compile(
        rf"[\s(]*(?:(?:INSERT|REPLACE){_MANNERS}(?:\s+INTO)?|(UPDATE){_MANNERS}|(DELETE){_MANNERS}\s+FROM(?:\s+ONLY)?)"
        rf"\s+(?!ONLY\b)({_NAME})",
        re.IGNORECASE,
    )


@cache
def _alone() -> re.Pattern[str]:
    # MySQL writes several tables by one UPDATE or DELETE.
    return re.compile(rf"\s*(?:(?:AS\s+)?{_NAME}\s*)?SET\b", re.IGNORECASE)


@cache
def _any_table() -> re.Pattern[str]:
    return re.compile(
        rf"(?:\b(?:INTO(?:\s+TABLE)?|UPDATE{_MANNERS}|FROM|JOIN|USING|ONLY(?:\s*\()?|COPY|TABLE|TRUNCATE(?!\s+TABLE)|"
        rf"RENAME(?!\s+TABLE)|TO)(?:\s+IF\s+(?:NOT\s+)?EXISTS)?|,)\s*(?!ONLY\b)({_NAME})",
        re.IGNORECASE,
    )


@cache
def _comment() -> re.Pattern[str]:
    return re.compile(r"--[^\n]*|#[^\n]*|/\*.*?\*/", re.DOTALL)


@cache
def _word() -> re.Pattern[str]:
    return re.compile(r"(?:\s|\(|--[^\n]*\n|#[^\n]*\n|/\*.*?\*/)*([A-Z]+)", re.IGNORECASE | re.DOTALL)


@cache
def _changes() -> re.Pattern[str]:
    return re.compile(r"\b(?:INSERT|UPDATE|DELETE|MERGE|REPLACE|TRUNCATE|ANALYZE)\b", re.IGNORECASE)


_MAY_WRITE: Final = frozenset(
    ("INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "TRUNCATE", "ALTER", "DROP", "CREATE", "RENAME", "COPY", "LOAD")
)
#: What these do nobody can read from their text.
_OPAQUE: Final = frozenset(("CALL", "DO", "EXECUTE", "EXEC", "REFRESH"))


def tables_written(sql: str) -> tuple[str, ...]:
    """Return the names of the tables that a statement may write, in lower case; none for one that only reads.

    ``("*",)`` is any table: a procedure was called, or something is written and nobody can read what.
    """
    found = _word().match(sql)
    word = "" if found is None else found[1].upper()
    several = ";" in sql.rstrip().rstrip(";")
    if not several:
        target = _target().match(sql)
        if target is not None and _is_alone(sql, target):
            return (_bare(target[3]),)
        if word in _OPAQUE:
            return (stores.EVERYTHING,)
        if word not in _MAY_WRITE and (word not in {"WITH", "EXPLAIN"} or _changes().search(sql) is None):
            return ()
    elif any(part.split(None, 1)[0].upper() in _OPAQUE for part in sql.split(";") if part.strip()):
        return (stores.EVERYTHING,)
    # What looks like a comment may stand in a text, so what is before the comments are gone counts as well.
    names = dict.fromkeys((*tables_in(sql), *tables_in(_comment().sub(" ", sql))))
    return tuple(names) or (stores.EVERYTHING,)


def _is_alone(sql: str, target: re.Match[str]) -> bool:
    """Whether the table that a statement begins with is the only one that it writes."""
    end = target.end()
    if target[1] is not None:
        return _alone().match(sql, end) is not None
    return target[2] is None or not sql[end:].lstrip().startswith((",", "."))  # a, b; or a.*, b.*


def tables_in(sql: str) -> tuple[str, ...]:
    """Return all names in a text that stand where a table can, in lower case; more than those that are tables."""
    return tuple(dict.fromkeys(_bare(name) for name in _any_table().findall(sql)))


def _bare(name: str) -> str:
    """Return the last part of a name without its quotes."""
    last: str = re.findall(r'"(?:[^"]|"")+"|`(?:[^`]|``)+`|[\w$]+', name)[-1]
    mark = last[0]
    if mark in '"`':
        last = last[1:-1].replace(mark * 2, mark)
    return last.replace("%%", "%").lower()


class Counts(Struct):
    """What the result cache did in this process.

    Attributes:
        hits: Results that came from the store.
        misses: Results that were not there, and were read from the database.
        stored: Of those, the ones kept; the others were overtaken by a write.
        bypassed: Cached querysets that had to ask the database: in a transaction that wrote, with a lock, in random order.
        invalidations: Writes that the store was told of.
        failures: Calls that the store did not answer.
    """

    hits: int = 0
    misses: int = 0
    stored: int = 0
    bypassed: int = 0
    invalidations: int = 0
    failures: int = 0


class CacheCall(Struct, frozen=True):
    """One call of the store of cached results.

    Attributes:
        operation: ``"get"`` or ``"set"``.
        outcome: ``"hit"``, ``"miss"``, ``"stored"``, or ``"refused"`` for a result that a write has overtaken.
        key: The entry.
        names: The tables and tags that it is made from.
        duration_s: How long the store took.
    """

    operation: str
    outcome: str
    key: str
    names: tuple[str, ...]
    duration_s: float


# Who hears of the calls of this context and of the tasks started in it; ``covet.db.observe.observe_cache`` adds to it.
cache_listeners: contextvars.ContextVar[tuple[Callable[[CacheCall], None], ...]] = contextvars.ContextVar(
    "covet_db_cache_listeners", default=()
)


def _tell(operation: str, outcome: str, key: str, names: Collection[str], started: float) -> None:
    call = CacheCall(operation, outcome, key, tuple(names), time.perf_counter() - started)
    for listener in cache_listeners.get():
        listener(call)


class Freshness:
    """The store of the project, and what passes between it and the databases.

    Attributes:
        active: Writes have to be told or counted. False costs a statement nothing: nobody has kept anything yet.
        clock: How many writes were counted.
        counts: What happened so far.
        cascades: Returns the tables that the database itself writes with one; the models know them.
    """

    def __init__(self) -> None:
        self.active = False
        self.clock = 0
        self.counts = Counts()
        self.cascades: Callable[[str], Iterable[str]] = lambda table: ()
        self._tells = False
        self._until = 0.0
        self._changed: dict[str, int] = {}
        self._store: stores.ResultStore | None = None
        self._targets: dict[str, tuple[str, ...]] = {}
        # What the store has not been told, each name with the number of the call that should have.
        self._owed: dict[str, int] = {}
        self._calls_owed = 0
        self._is_down = False
        self._asking = 0
        # A store that hung is left alone until then by who has nothing to tell.
        self._rests_until = 0.0
        self._now: Callable[[], float] = time.monotonic
        settings.watchers.append(self._settings_changed)

    def _settings_changed(self, names: frozenset[str], begins: bool) -> None:
        if names & {"QUERY_CACHE", "REDIS_URL"}:
            self._store = None
            self._owed.clear()
            self._is_down = False
            self.active = self._tells = False
            # Writes from now on may go unseen.
            self.note((stores.EVERYTHING,))
            if settings.QUERY_CACHE != _MEMORY:
                self.watch()

    @property
    def store(self) -> stores.ResultStore:
        """The store that QUERY_CACHE names, made when it is first asked for.

        Raises:
            ImproperlyConfigured: It names none.
        """
        if self._store is None:
            self._store = _make_store(settings.QUERY_CACHE)
        return self._store

    def use(self, store: stores.ResultStore) -> None:
        """Take another store, in place of the one that QUERY_CACHE names; a cache room hands its own over."""
        self._store = store
        self._owed.clear()
        self._is_down = False
        self.watch()

    def watch(self) -> None:
        """Begin to look at writes, and to tell the store of them."""
        self.active = self._tells = True

    def attend(self, for_s: float) -> int:
        """Begin to count writes; return the count so far, for ``unchanged_since``.

        Args:
            for_s: How long somebody will ask. The first write after that ends the counting, unless a store is told of writes.
        """
        self.active = True
        self._until = max(self._until, time.monotonic() + for_s)
        return self.clock

    def note(self, names: Collection[str]) -> None:
        """Count a write of these tables."""
        self.clock += 1
        changed = self._changed
        is_over = self.active and not self._tells and time.monotonic() > self._until
        if is_over or len(changed) > _TEXTS:
            # Who still asks, after so long a time, hears that everything may have changed.
            changed.clear()
            names = (stores.EVERYTHING,)
        if is_over:
            self.active = False
        for name in names:
            changed[name] = self.clock

    def unchanged_since(self, clock: int, tables: Collection[str]) -> bool:
        """Whether this process has written none of the tables since the count was ``clock``."""
        changed = self._changed
        return changed.get(stores.EVERYTHING, 0) <= clock and all(changed.get(name, 0) <= clock for name in tables)

    def configure(self) -> None:
        """Look at writes from the start where other processes may have cached what they change."""
        # A database may be used by itself, without settings: then nobody can have named a store.
        if not self._tells and settings.configured and settings.QUERY_CACHE != _MEMORY:
            self.watch()

    # Writes

    def targets(self, sql: str) -> tuple[str, ...]:
        """Return the tables that a statement may write, those included that the database writes with them."""
        found = self._targets.get(sql)
        if found is None:
            if len(self._targets) >= _TEXTS:
                self._targets.clear()
            tables = tables_written(sql)
            more = [other for table in tables for other in self.cascades(table)]
            found = self._targets[sql] = tuple(dict.fromkeys((*tables, *more)))
        return found

    async def around(self, frame: Frame | None, names: Collection[str], run: Callable[[], Awaitable[T]]) -> T:
        """Run a statement that writes, and tell the store before and after; inside a block only note it."""
        self.note(names)
        try:
            if frame is not None and not frame.is_base:
                frame.transaction.written.update(names)
                return await run()
            if not self._tells:
                return await run()
            writer = await self.begin(names)
            try:
                return await run()
            finally:
                await self.end(names, writer)
        finally:
            # Again: what was read meanwhile may be older.
            self.note(names)

    async def begin(self, names: Collection[str]) -> str:
        """Tell the store that these tables and tags are about to change."""
        self.counts.invalidations += 1
        return await self._ask(lambda: self.store.begin(names), "", names)

    async def end(self, names: Collection[str], writer: str) -> None:
        """Tell the store that they have changed."""
        await self._ask(lambda: self.store.end(names, writer), None, names)

    async def drop(self, names: Collection[str]) -> None:
        """Make what was made from these tables and tags out of date, now."""
        await self.end(names, await self.begin(names))

    async def clear(self) -> None:
        """Forget all results."""
        self.note((stores.EVERYTHING,))
        await self._ask(self.store.clear, None, (stores.EVERYTHING,))

    async def close(self) -> None:
        """Let the store go of its connections."""
        if self._store is not None:
            await self._store.close()

    # Reads

    async def get(self, key: str, names: Collection[str]) -> stores.Found:
        """Return what the store has; nothing, and no marks, where it does not answer or knows too little."""
        if not cache_listeners.get():
            return await self._get(key, names)
        started = time.perf_counter()
        found = await self._get(key, names)
        _tell("get", "miss" if found.value is None else "hit", key, names, started)
        return found

    async def _get(self, key: str, names: Collection[str]) -> stores.Found:
        if self._owed:
            await self._ask(_nothing, None)
            if stores.EVERYTHING in self._owed or not self._owed.keys().isdisjoint(names):
                return stores.Found()
        return await self._ask(lambda: self.store.get(key, names), stores.Found())

    async def set(self, key: str, value: bytes, names: Collection[str], marks: stores.Marks, timeout_s: float) -> bool:
        """Keep a result."""
        started = time.perf_counter()
        is_kept = await self._ask(lambda: self.store.set(key, value, names, marks, timeout_s), False)
        if cache_listeners.get():
            _tell("set", "stored" if is_kept else "refused", key, names, started)
        return is_kept

    async def _ask(self, call: Callable[[], Awaitable[T]], otherwise: T, told: Collection[str] = ()) -> T:
        if self._is_down and (self._asking or self._may_rest(told)):
            # A server that hangs costs each who asks it seconds: one finds out whether it works again, and not all the time.
            self._owe(told)
            return otherwise
        self._asking += 1
        try:
            if self._owed:
                await self._pay()
            result = await call()
            if self._is_down:
                self._is_down = False
                if self._owed:
                    await self._pay()
        except (CovetError, OSError) as error:
            if isinstance(error, ImproperlyConfigured):
                raise
            self._owe(told)
            if isinstance(error, TimeoutError) or isinstance(error.__cause__, TimeoutError):
                self._rests_until = self._now() + _REST_S
            if not self._is_down:
                self._is_down = True
                log.warning("The store of cached results does not answer; queries ask the database. %s", error)
            return otherwise
        finally:
            self._asking -= 1
        return result

    def _may_rest(self, told: Collection[str]) -> bool:
        """Whether a store that hung need not be asked yet: what it has missed it is told as soon as it can be."""
        return not told and not self._owed and self._now() < self._rests_until

    def _owe(self, told: Collection[str]) -> None:
        """Count a call without an answer, and keep the names that it should have told."""
        self.counts.failures += 1
        self._calls_owed += 1
        self._owed.update(dict.fromkeys(told, self._calls_owed))
        if len(self._owed) > _TEXTS:
            # Tags may be made of anything, and a store may be down for long.
            self._owed = {stores.EVERYTHING: self._calls_owed}

    async def _pay(self) -> None:
        """Tell the store of the writes that it has missed."""
        owed = self._owed.copy()
        names = set(owed)
        await self.store.end(names, await self.store.begin(names))
        # Written again while this one waited, it is owed again.
        self._owed = {name: number for name, number in self._owed.items() if owed.get(name) != number}


async def _nothing() -> None:
    """Ask the store for nothing: what is owed to it is told all the same."""


def _make_store(name: str) -> stores.ResultStore:
    if name == _MEMORY:
        return stores.MemoryStore()
    if "://" not in name and "." in name:
        store: stores.ResultStore = import_string(name)()
        return store
    if "://" in name and not name.startswith(("redis://", "rediss://", "unix://")):
        raise ImproperlyConfigured(
            f"QUERY_CACHE: {name.partition('://')[0]}:// is no store. Write memory://, a redis:// URL, a name of REDIS_URL, or "
            "the dotted path of a store."
        )
    # Late: most projects cache nothing, or in memory.
    from covet.db.redis_store import RedisStore

    current: Any = apps.current()
    if current.has_part(RedisPart):
        return RedisStore(current.part(RedisPart).pools, name)
    return RedisStore(RedisPools(_redis_names()), name, owns_pools=True)


def _redis_names() -> dict[str, str]:
    return {"default": settings.REDIS_URL} if settings.REDIS_URL else {}


freshness = Freshness()
