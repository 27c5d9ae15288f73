"""One configured database: its pool, its dialect, its cache of compiled statements, and the way of every statement.

A statement runs on the open transaction's connection, on a test's pinned one, or on one of the pool. ``fetch``, ``insert``
and ``execute`` have a short way for the common case (no transaction, nobody listening, a statement that leaves no trace
in the session), since their Python is most of what a small query costs. Longer than most modules: three times the same
few lines stand there for speed.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import time
import warnings
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from threading import get_ident
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from covet.db.backends.driver import Connection, Driver, Inserted, Make, Outcome, Rows, Unmade
from covet.db.backends.features import Features
from covet.db.backends.listening import (
    LOG_LIMIT,
    QueryRecord,
    Wrapper,
    Wrapping,
    admit,
    log_of,
    recorders,
    watch,
    wrapped,
)
from covet.db.backends.pool import Pool
from covet.db.backends.signals import connection_created
from covet.db.backends.traces import leaves_no_trace, only_reads
from covet.db.errors import ConnectionLost, DatabaseError, IntegrityError, InterfaceError
from covet.db.freshness import freshness
from covet.db.sql.dialect import Dialect
from covet.exceptions import ImproperlyConfigured
from covet.loading import import_string, late_module

if TYPE_CHECKING:
    from covet.conf.service_url import DatabaseConfig
    from covet.db.backends import blocks, holders, pinned, places, plans, session
    from covet.db.backends import cursor as cursors
    from covet.db.backends import uncancelled as cancelling
    from covet.db.backends.introspection import Introspection
    from covet.db.backends.schema import SchemaEditor
else:
    blocks = late_module(__name__, "covet.db.backends.blocks")
    cancelling = late_module(__name__, "covet.db.backends.uncancelled", "cancelling")
    cursors = late_module(__name__, "covet.db.backends.cursor", "cursors")
    session = late_module(__name__, "covet.db.backends.session")
    plans = late_module(__name__, "covet.db.backends.plans")
    holders = late_module(__name__, "covet.db.backends.holders")
    places = late_module(__name__, "covet.db.backends.places")
    pinned = late_module(__name__, "covet.db.backends.pinned")

__all__ = ["BoundedCache", "Database", "QueryRecord", "recorders"]

#: Sends a row with those of other tasks and returns what RETURNING gives for it, or ``None``: it is to go alone.
SendRow: TypeAlias = "Callable[[Database, str, Sequence[Any]], Awaitable[Rows | None]]"

K = TypeVar("K")
V = TypeVar("V")

_GRACE_S = 10.0
_SQLITE_READERS = 4
_CLOSE_CURSOR_S = 5.0
_ONE_WRITER = (
    "SQLite writes by one connection at a time, and a transaction has held it all the while. Make that transaction shorter (it "
    "should wait for nothing but the database)"
)


class BoundedCache(dict[K, V]):
    """A dict that forgets its oldest entry beyond ``limit``; looking up stays the dict's own."""

    __slots__ = ("limit",)

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def __setitem__(self, key: K, value: V) -> None:
        if len(self) >= self.limit and key not in self:
            del self[next(iter(self))]
        super().__setitem__(key, value)


class Database:
    """One entry of ``DATABASES``.

    Attributes:
        alias: Its name in ``DATABASES``.
        config: The entry itself.
        vendor: ``"postgresql"``, ``"mysql"`` or ``"sqlite"``.
        dialect: How SQL is written for it. On MySQL it is replaced once the server's version is known.
        statements: Compiled statements by shape, filled by whoever compiles; bounded.
    """

    def __init__(self, alias: str, config: DatabaseConfig) -> None:
        self.alias = alias
        self.config = config
        self.driver = _make_driver(config, alias)
        self.vendor = self.driver.vendor
        self.dialect: Dialect = self.driver.dialect
        self.statements: BoundedCache[Any, Any] = BoundedCache(4096)
        # SQL text → the pool whose connection it may use without leaving a trace. Empty while closed or pinned.
        self._routes: BoundedCache[str, Pool] = BoundedCache(4096)
        #: Statements that are known to leave nothing in the session behind their transaction.
        self.traceless: BoundedCache[str, bool] = BoundedCache(4096)
        # What stands for the readers where one connection serves many tasks.
        self._shared: Any = None
        # The plans of statements that were slow, and when each was asked for.
        self.plans: BoundedCache[str, tuple[float, str]] = BoundedCache(200)
        self._scope: contextvars.ContextVar[session.Frame | None] = contextvars.ContextVar(
            f"covet_db_{alias}", default=None
        )
        #: Gives the open ``atomic`` block that the calling code stands in, or ``None``; one for all tasks in it.
        self.current_block: Callable[[], object] = self._scope.get
        self._writer: Pool | None = None
        self._readers: Pool | None = None
        self._opening: asyncio.Lock | None = None
        self._pinned: session.Frame | None = None
        freshness.configure()
        watch.configure()
        _living.add(self)

    def __repr__(self) -> str:
        return f"<Database '{self.alias}': {self.config.label}>"

    @property
    def features(self) -> Features:
        """What the server can do; complete once a connection has been made."""
        return self.driver.features

    @property
    def settings_dict(self) -> dict[str, Any]:
        """A copy of ``config`` as Django writes an entry of ``DATABASES``; the password stands in it."""
        return self.config.settings_dict

    @property
    def in_atomic_block(self) -> bool:
        """Whether the calling code stands in an open ``atomic`` block of this database."""
        frame = self._scope.get()
        return frame is not None and not frame.ended and not (frame.parent is None and frame.transaction.is_manual)

    @property
    def open_block(self) -> session.Frame | None:
        """The open ``atomic`` block that the calling code stands in; ``None`` outside, on a test's pinned connection too."""
        frame = self._frame()
        return None if frame is None or frame.is_base or frame.ended else frame

    @property
    def writer_pool(self) -> Pool:
        """The pool of the connections that may write; the database is open."""
        if self._writer is None:
            raise InterfaceError("The database is not open.", alias=self.alias)
        return self._writer

    @property
    def spare_pool(self) -> Pool | None:
        """The pool whose connections may read beside the work; ``None`` while the database is closed."""
        return self._readers or self._writer

    @property
    def uses_readers(self) -> bool:
        """Whether what only reads has connections of its own, which cannot write."""
        return self._readers is not None

    @property
    def is_open(self) -> bool:
        """Whether the pool is there."""
        return self._writer is not None

    # Statements

    async def _write(self, names: Sequence[str], method: str, sql: str, args: Sequence[Any]) -> Any:
        """Run a statement that writes tables of which cached results may exist."""
        return await freshness.around(self._frame(), names, lambda: self._run(method, sql, args))

    async def fetch(self, sql: str, args: Sequence[Any] = ()) -> Rows:
        """Run a statement and return the driver's rows.

        Args:
            sql: The statement, with the driver's own placeholders (``$1``, ``%s``, ``?``).
            args: The values, in the form that the driver takes.

        Raises:
            DatabaseError: One of its subclasses, with alias and SQL.
        """
        if freshness.active and (names := freshness.targets(sql)):
            return await self._write(names, "fetch", sql, args)  # type: ignore[no-any-return]  # by the method's name
        if not watch.get():
            frame = self._scope.get()
            if frame is not None:
                return await frame.transaction.run(frame, "fetch", sql, args)  # type: ignore[no-any-return]  # by the method's name
            pool = self._routes.get(sql)
            if pool is not None and pool.here._thread_id == get_ident():
                kept = pool.kept
                connection = kept.pop() if kept else await pool.acquire()
                try:
                    rows = await connection.begin_fetch(sql, args)
                except BaseException as error:
                    if not await self._may_repeat(pool, connection, error, sql):
                        found = await self._failed(pool, connection, error, sql)
                        if found is error:
                            raise
                        raise found from error
                else:
                    pool.release(connection)
                    return rows
        return await self._run("fetch", sql, args)  # type: ignore[no-any-return]  # by the method's name

    def pool_to_read(self, sql: str) -> Pool | None:
        """Return the pool that keeps a connection on which a statement that only reads can run now; ``None`` sends it to ``fetch``.

        For who can do without a coroutine of ours round the driver's; it asks what ``fetch`` asks.
        """
        if watch.get() or self._scope.get() is not None:
            return None
        pool = self._routes.get(sql)
        return pool if pool is not None and pool.kept and pool.here._thread_id == get_ident() else None

    async def settle_failure(self, pool: Pool, connection: Connection, error: BaseException, sql: str) -> None:
        """Give the connection of a statement that failed back, and raise, unless it has not run and can do so by ``fetch``."""
        if not await self._may_repeat(pool, connection, error, sql):
            found = await self._failed(pool, connection, error, sql)
            if found is error:
                raise error
            raise found from error

    async def fetch_made(self, sql: str, args: Sequence[Any], make: Make, mode: Any) -> list[Any]:
        """Return what ``make`` makes of the rows of a statement, ``[]`` of none.

        Args:
            sql: The statement.
            args: The values.
            make: Called where the rows are read, which may be another thread.
            mode: What it takes besides the rows and the alias.

        Raises:
            DatabaseError: As ``fetch`` does; what ``make`` raises comes as it is.
        """
        shared = self._shared
        is_short = self._routes.get(sql) is shared is not None and self._scope.get() is None
        if is_short and not freshness.active and not watch.get() and shared.here._thread_id == get_ident():
            try:
                made = await shared.fetch_made(sql, (args, make, self.alias, mode))
            except BaseException as error:
                found = await self._failed(shared, shared, error, sql)
                if found is error:
                    raise
                raise found from error
            if made.__class__ is Unmade:
                raise made.error
            return made  # type: ignore[no-any-return]  # what ``make`` returned
        rows = await self.fetch(sql, args)
        return make(rows, self.alias, mode) if rows else []

    async def insert(self, sql: str, args: Sequence[Any] = ()) -> Inserted:
        """Run an insert and return ``(rows of RETURNING, automatic key)``; which of them is filled hangs on the database."""
        if freshness.active and (names := freshness.targets(sql)):
            return await self._write(names, "insert", sql, args)  # type: ignore[no-any-return]  # by the method's name
        if not watch.get():
            frame = self._scope.get()
            if frame is not None:
                return await frame.transaction.run(frame, "insert", sql, args)  # type: ignore[no-any-return]  # by the method's name
            pool = self._routes.get(sql)
            if pool is not None and pool.here._thread_id == get_ident():
                kept = pool.kept
                connection = kept.pop() if kept else await pool.acquire()
                try:
                    result = await connection.insert(sql, args)
                except BaseException as error:
                    if not self.driver.was_not_sent(error):
                        found = await self._failed(pool, connection, error, sql)
                        if found is error:
                            raise
                        raise found from error
                    connection.terminate()
                    pool.release_after(connection, error)
                else:
                    pool.release(connection)
                    return result
        return await self._run("insert", sql, args)  # type: ignore[no-any-return]  # by the method's name

    async def insert_by(self, send: SendRow, sql: str, args: Sequence[Any]) -> Inserted:
        """Run an insert as ``insert`` does, but by what sends rows of several tasks together.

        Args:
            send: Called with the database, the statement and its values; it returns ``None`` where the row is to go alone after all.
            sql: The statement.
            args: The values.
        """
        if freshness.active and (names := freshness.targets(sql)):
            return await freshness.around(self._frame(), names, lambda: self._run("insert", sql, args, send))
        if watch.get():
            return await self._run("insert", sql, args, send)  # type: ignore[no-any-return]  # by the method's name
        rows = await send(self, sql, args)
        return await self.insert(sql, args) if rows is None else (rows, None)

    def pool_for_insert(self, sql: str) -> Pool | None:
        """Return the pool of a statement that has run before; ``None`` in a transaction, in a test's, and in another loop."""
        pool = self._routes.get(sql)
        return pool if pool is not None and pool.here._thread_id == get_ident() and self._scope.get() is None else None

    async def execute(self, sql: str, args: Sequence[Any] = ()) -> int:
        """Run a statement and return how many rows it changed."""
        if freshness.active and (names := freshness.targets(sql)):
            return await self._write(names, "execute", sql, args)  # type: ignore[no-any-return]  # by the method's name
        if not watch.get():
            frame = self._scope.get()
            if frame is not None:
                return await frame.transaction.run(frame, "execute", sql, args)  # type: ignore[no-any-return]  # by the method's name
            pool = self._routes.get(sql)
            if pool is not None and pool.here._thread_id == get_ident():
                kept = pool.kept
                connection = kept.pop() if kept else await pool.acquire()
                try:
                    count = await connection.execute(sql, args)
                except BaseException as error:
                    if not self.driver.was_not_sent(error):
                        found = await self._failed(pool, connection, error, sql)
                        if found is error:
                            raise
                        raise found from error
                    connection.terminate()
                    pool.release_after(connection, error)
                else:
                    pool.release(connection)
                    return count
        return await self._run("execute", sql, args)  # type: ignore[no-any-return]  # by the method's name

    async def read(self, sql: str, args: Sequence[Any] = ()) -> tuple[list[str], Rows]:
        """Run a statement and return the names of its columns with the driver's rows."""
        if freshness.active and (names := freshness.targets(sql)):
            return await self._write(names, "read", sql, args)  # type: ignore[no-any-return]  # by the method's name
        return await self._run("read", sql, args)  # type: ignore[no-any-return]  # by the method's name

    async def outcome(self, sql: str, args: Sequence[Any] = ()) -> Outcome:
        """Run a statement and return all that is known of it: what cursors run by."""
        if freshness.active and (names := freshness.targets(sql)):
            return await self._write(names, "outcome", sql, args)  # type: ignore[no-any-return]  # by the method's name
        return await self._run("outcome", sql, args)  # type: ignore[no-any-return]  # by the method's name

    def cursor(self) -> cursors.Cursor:
        """Return a cursor: ``async with connection.cursor() as c: await c.execute("SELECT … %s", [1])``."""
        return cursors.Cursor(self)

    async def execute_many(self, sql: str, args_list: Sequence[Sequence[Any]]) -> int | None:
        """Run a statement once for each list of values; outside a transaction all or none take effect.

        Returns how many rows were changed, all lists taken together; ``None`` where the driver does not tell, as on PostgreSQL.
        """
        if not args_list:
            return 0
        if freshness.active and (names := freshness.targets(sql)):
            return await self._write(names, "execute_many", sql, args_list)  # type: ignore[no-any-return]  # by the method's name
        return await self._run("execute_many", sql, args_list)  # type: ignore[no-any-return]  # by the method's name

    async def stream(self, sql: str, args: Sequence[Any] = (), chunk_size: int = 2000) -> AsyncGenerator[Rows, None]:
        """Run a statement and give its rows in chunks, without holding them all; the connection is held until the end.

        Inside a transaction other statements of the block may run between two chunks; on MySQL and MariaDB the rest of the
        rows then waits in memory.
        """
        listeners = watch.get()
        if not listeners:
            async with aclosing(self._stream(sql, args, chunk_size)) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        place = places.place_of_caller(2)
        source: AsyncGenerator[Rows, None] | None = None

        async def execute(sql: str, args: Any, many: bool, context: dict[str, Any]) -> Any:
            nonlocal source
            admit(listeners, place)
            started = time.perf_counter()
            failure: BaseException | None = None
            source = self._stream(sql, args, chunk_size)
            try:
                return await _next(source)
            except BaseException as error:
                failure = error
                raise
            finally:
                record = QueryRecord(self.alias, sql, args, time.perf_counter() - started, place, failure)
                for listener in listeners:
                    listener(record)

        try:
            # What is waited for, and may be refused, is the first chunk.
            part = await wrapped(listeners, self.alias, execute)(sql, args, False, {"connection": self})
            while part is not None and source is not None:
                yield part
                part = await _next(source)
        finally:
            if source is not None:
                await source.aclose()

    async def _stream(self, sql: str, args: Sequence[Any], chunk_size: int) -> AsyncGenerator[Rows, None]:
        frame = self._frame()
        if frame is not None:
            async with aclosing(frame.transaction.stream(frame, sql, args, chunk_size)) as parts:  # type: ignore[type-var]  # it is a generator
                async for chunk in parts:
                    yield chunk
            return
        pool = await self._pool_for(sql)
        is_clean = leaves_no_trace(sql)
        if not is_clean:
            self.driver.check_session(sql)
        connection = await pool.acquire()
        if connection.is_closed:
            # It had died in the pool, maybe with all the others: nothing was sent.
            pool.release_after(connection, InterfaceError("It is closed."))
            pool.drop_closed()
            connection = await pool.acquire()
        if not is_clean:
            self._mark(connection, sql)
        connection.holder = holders.Streaming(asyncio.current_task(), places.place_of_caller())
        chunks = connection.stream(sql, args, chunk_size)
        failure: BaseException | None = None
        try:
            async for chunk in chunks:
                yield chunk
        except GeneratorExit:
            # Left between two chunks: no statement runs, and once its cursor is closed the session is as good as new.
            raise
        except BaseException as error:
            failure = error
            found = self.explain(error, sql)
            if found is error:
                raise
            raise found from error
        finally:
            connection.holder = None
            try:
                await cancelling.uncancelled(chunks.aclose(), connection.terminate, limit_s=_CLOSE_CURSOR_S)  # type: ignore[attr-defined]  # each driver's stream is a generator
            except BaseException as error:
                failure = failure or error
                if not isinstance(error, asyncio.CancelledError):
                    connection.terminate()
            if failure is None:
                pool.release(connection) if not connection.is_closed else pool.release_after(connection, TimeoutError())
            else:
                pool.release_after(connection, failure)

    def explain(self, error: BaseException, sql: str) -> BaseException:
        """Return the error of ``covet.db.errors`` that a driver's error means; others are returned as they are."""
        if isinstance(error, DatabaseError):
            error.alias = error.alias or self.alias
            error.sql = error.sql or sql
            return error
        return self.driver.translate(error, sql) or error

    async def _may_repeat(self, pool: Pool, connection: Connection, error: BaseException, sql: str) -> bool:
        """Tell whether a statement that failed has not run, and can do so the long way; its connection is given back then."""
        if self.driver.was_not_sent(error):
            connection.terminate()
            pool.release_after(connection, error)
            return True
        try:
            may_repeat = await connection.forget_changed(error)
        except BaseException as failure:
            pool.release_after(connection, failure)
            raise self.explain(failure, sql) from error
        if may_repeat:
            pool.release(connection)
        return may_repeat

    async def _failed(self, pool: Pool, connection: Connection, error: BaseException, sql: str) -> BaseException:
        """Give the connection back after a failure and return what to raise."""
        found = self.explain(error, sql)
        try:
            if isinstance(found, IntegrityError) and not connection.is_closed:
                await self.driver.complete(found, connection)
            if isinstance(found, ConnectionLost):
                connection.terminate()
        finally:
            pool.release_after(connection, error)
        return found

    async def _run(self, method: str, sql: str, args: Sequence[Any], send: SendRow | None = None) -> Any:
        """The long way: transactions, pinned connections, listeners, statements seen for the first time."""
        listeners = watch.get()
        if not listeners:
            return await self._run_routed(method, sql, args, send)
        asked = sql

        # Here, since wrappers stand between it and the code that asked.
        place = places.place_of_caller(2)

        async def execute(sql: str, args: Any, many: bool, context: dict[str, Any]) -> Any:
            admit(listeners, place)
            started = time.perf_counter()
            plan = ""
            failure: BaseException | None = None
            try:
                # A wrapper may have made another statement of it.
                result = await self._run_routed(method, sql, args, send if sql is asked else None)
            except BaseException as error:
                failure = error
                raise
            finally:
                duration_s = time.perf_counter() - started
                try:
                    if failure is None and not many and watch.slow_s is not None and duration_s >= watch.slow_s:
                        plan = await plans.plan_of(self, sql, args)
                finally:
                    record = QueryRecord(self.alias, sql, args, duration_s, place, failure, plan)
                    for listener in listeners:
                        listener(record)
            return result

        run = wrapped(listeners, self.alias, execute)
        return await run(sql, args, method == "execute_many", {"connection": self})

    @contextmanager
    def execute_wrapper(self, wrapper: Wrapper) -> Iterator[None]:
        """Call ``wrapper`` around each statement of this database, in this context and in the tasks started in it.

        Args:
            wrapper: ``async def wrapper(execute, sql, params, many, context)``; it returns what ``await execute(sql, params,
                many, context)`` returned, or raises and nothing runs. ``params`` are as the driver takes them, a list of them with
                ``many``; ``context["connection"]`` is the database. Wrappers nest, the first one outermost.
        """
        if not callable(wrapper):
            raise TypeError(f"execute_wrapper() takes an async function, not {wrapper!r}.")
        token = recorders.set((*recorders.get(), Wrapping(self.alias, wrapper)))
        try:
            yield
        finally:
            recorders.reset(token)

    @property
    def queries(self) -> list[QueryRecord]:
        """The statements that ran while ``DEBUG`` is on, the newest last: of this request, else of the process."""
        found = log_of(self.alias)
        if len(found) == LOG_LIMIT:
            warnings.warn(
                f"The log of statements is full: the last {LOG_LIMIT} are left. Call reset_queries() from time to time.",
                RuntimeWarning,
                stacklevel=2,
            )
        return list(found)

    async def _run_routed(self, method: str, sql: str, args: Sequence[Any], send: SendRow | None = None) -> Any:
        frame = self._frame()
        if frame is not None:
            return await frame.transaction.run(frame, method, sql, args)
        if send is not None and (rows := await send(self, sql, args)) is not None:
            return rows, None
        for _ in range(2):
            pool = await self._pool_for(sql)
            is_clean = leaves_no_trace(sql)
            if not is_clean:
                self.driver.check_session(sql)
            connection = await pool.acquire()
            if not is_clean:
                self._mark(connection, sql)
            try:
                result = await getattr(connection, method)(sql, args)
            except BaseException as error:
                if not self.driver.was_not_sent(error):
                    found = await self._failed(pool, connection, error, sql)
                    if found is error:
                        raise
                    raise found from error
                # The connection had died in the pool and nothing was sent: another one can do it.
                connection.terminate()
                pool.release_after(connection, error)
                pool.drop_closed()
                last = error
                continue
            pool.release(connection)
            # Not before: meanwhile the database may have been closed, or pinned by a test.
            if is_clean and self._pinned is None and pool in (self._writer, self._readers):
                self._routes[sql] = self._shared if self._shared is not None and pool is self._readers else pool
            return result
        raise self.explain(last, sql) from last

    def _mark(self, connection: Connection, sql: str) -> None:
        """Have the pool bring a connection, in whose session a statement may leave something, back to how it was."""
        connection.is_dirty = True
        connection.must_close = connection.must_close or self.driver.no_reset_undoes(sql)

    def look_for_traces(self, connection: Connection, sql: str) -> None:
        """Before a statement of a transaction: note, or refuse, what it may leave in the session behind the transaction.

        Raises:
            NotSupportedError: The session is somebody else's next.
        """
        if leaves_no_trace(sql) or self.driver.ends_with_transaction(sql):
            self.traceless[sql] = True
            return
        self.driver.check_session(sql, in_transaction=True)
        self._mark(connection, sql)

    def _frame(self) -> session.Frame | None:
        frame = self._scope.get()
        if frame is None:
            return self._pinned
        return frame

    async def _pool_for(self, sql: str) -> Pool:
        """Return the pool whose connections may run this statement: on SQLite only one of them may write."""
        await self.open()
        if self._readers is not None and only_reads(sql):
            return self._readers
        assert self._writer is not None
        return self._writer

    # Opening and closing

    async def open(self) -> None:
        """Open the pool and make sure that the database answers. Statements do it by themselves.

        Raises:
            ConnectionFailed: It does not.
        """
        loop = asyncio.get_running_loop()
        writer = self._writer
        if writer is not None:
            if writer.loop is loop:
                return
            if not writer.loop.is_closed():
                raise InterfaceError(
                    f"Database '{self.alias}' is open in another event loop. Close it there first, or use one loop.",
                    alias=self.alias,
                )
            # The loop it belonged to is gone, and its connections with it.
            for pool in filter(None, (writer, self._readers)):
                pool.abandon()
            self._writer = self._readers = self._opening = self._shared = None
            self._routes.clear()
        if self._opening is None:
            self._opening = asyncio.Lock()
        async with self._opening:
            if self._writer is None:
                await self._open_pools()

    async def _open_pools(self) -> None:
        driver = self.driver
        pool = self.config.pool
        is_sqlite = self.vendor == "sqlite"
        one = driver.shares_one_connection
        writer = Pool(
            self._connect,
            pool,
            alias=self.alias,
            max_size=1 if is_sqlite else None,
            keeps_forever=one,
            busy=_ONE_WRITER if is_sqlite else "",
            introduce=self._introduce,
        )
        try:
            await writer.fill()
        except BaseException:
            await writer.close(0)
            raise
        if is_sqlite and not one:
            self._readers = Pool(
                self._connect_reader,
                pool,
                alias=self.alias,
                max_size=min(pool.max_size, _SQLITE_READERS),
                min_size=0,
                introduce=self._introduce,
            )
            if driver.shares_readers and self._readers.max_size > 1:
                self._shared = import_string("covet.db.backends.sqlite.sharing:SharedReader")(self._readers)
        self._writer = writer

    async def _connect(self) -> Connection:
        connection = await self.driver.connect()
        if self.dialect is not self.driver.dialect:
            self.dialect = self.driver.dialect
            self.statements.clear()
        return await self._introduced(connection)

    async def _introduced(self, connection: Connection) -> Connection:
        """Return a connection that receivers of ``connection_created`` have seen."""
        try:
            await self._introduce(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def _introduce(self, connection: Connection) -> None:
        if connection_created.has_listeners(type(connection)):
            await connection_created.send(type(connection), connection=connection, database=self, using=self.alias)

    async def _connect_reader(self) -> Connection:
        return await self._introduced(await self.driver.connect(read_only=True))

    def _forget_parent(self) -> None:
        """In a forked child: leave the connections to the process that opened them, and begin with none."""
        _inherited.append((self._writer, self._readers, self._shared, self._pinned))
        self._writer = self._readers = self._shared = self._opening = self._pinned = None
        self._routes.clear()
        # They count what is under way, and none of that will come back here.
        self.statements.clear()
        # The block that the fork happened in is the parent's.
        self._scope = contextvars.ContextVar(f"covet_db_{self.alias}", default=None)
        self.current_block = self._scope.get

    async def close(self, grace_s: float = _GRACE_S) -> None:
        """Close all connections: idle ones at once, busy ones when they are done, in ``grace_s`` seconds at most."""
        pools = [pool for pool in (self._readers, self._writer) if pool is not None]
        self._readers = self._writer = self._shared = None
        if self._opening is not None and not self._opening.locked():
            # A lock that somebody has waited for belongs to the loop of that moment.
            self._opening = None
        self._routes.clear()
        for pool in pools:
            if pool.loop.is_closed():
                pool.abandon()
            else:
                await pool.close(grace_s)

    # Transactions: covet.db.transaction is their public face

    async def begin(
        self, place: str, before: Sequence[str] = (), only_reads: bool = False, *, is_second: bool = False
    ) -> session.Frame:
        """Open the outermost block of a transaction: a connection of the pool, and BEGIN on it.

        Args:
            place: Where the block stands, for messages.
            before: Statements that change the session first; the connection is closed, or reset, afterwards.
            only_reads: It need not be a connection that may write.
            is_second: The connection that was tried first had died in the pool.
        """
        pool = self._writer
        if pool is None or pool.here._thread_id != get_ident():
            await self.open()
            pool = self._writer
            assert pool is not None
        if only_reads and self._readers is not None:
            pool = self._readers
        kept = pool.kept
        connection = kept.pop() if kept else await pool.acquire()
        try:
            if before:
                connection.is_dirty = connection.must_close = True
                for statement in before:
                    await connection.execute(statement, ())
            await connection.begin()
        except BaseException as error:
            again = not is_second and self.driver.was_not_sent(error)
            if again:
                connection.terminate()
            pool.release_after(connection, error)
            if not again:
                found = self.explain(error, "BEGIN")
                if found is error:
                    raise
                raise found from error
            pool.drop_closed()
        else:
            transaction = session.Transaction(connection, pool, self)
            transaction.top = frame = session.Frame(transaction, None, "", place, asyncio.current_task(pool.loop))
            return frame
        return await self.begin(place, before, only_reads, is_second=True)

    @asynccontextmanager
    async def pinned(self) -> AsyncIterator[None]:
        """For tests: run every statement of this alias, from whatever task, on one connection in one transaction.

        ``atomic`` becomes a savepoint, statements take turns, and everything is rolled back at the end.
        """
        if self._pinned is not None:
            raise InterfaceError("The database is pinned already.", alias=self.alias)
        frame = await self.begin(places.place_of_caller(3))
        pinned.pin(frame)
        try:
            await frame.transaction.connection.defer_constraints(False)
            self._routes.clear()
            self._pinned = frame
            yield
        finally:
            self._pinned = None
            await frame.transaction.abandon(frame, "the test is over")
            if freshness.active:
                # What was written and cached meanwhile is undone.
                await freshness.clear()

    async def truncate(self, tables: Sequence[str]) -> None:
        """Empty tables: automatic keys begin anew, foreign keys do not get in the way. For tests with real commits."""
        if not tables:
            return
        names = [self.dialect.quote(name) for name in tables]
        if self.vendor == "postgresql":
            await self.execute(f"TRUNCATE TABLE {', '.join(names)} RESTART IDENTITY CASCADE")
            return
        if self.vendor == "mysql":
            # One text, hence one connection: the switch is the session's own.
            names = [name.replace("%%", "%") for name in names]
            script = "; ".join(f"TRUNCATE TABLE {name}" for name in names)
            await self.execute(f"SET foreign_key_checks = 0; {script}; SET foreign_key_checks = 1")
            return
        async with blocks.Atomic(lambda: self, before=("PRAGMA foreign_keys = OFF",)):
            for name in names:
                await self.execute(f"DELETE FROM {name}")  # noqa: S608  # a quoted name
            if await self.fetch("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'"):
                for table in tables:
                    await self.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))

    def forget_statements(self) -> None:
        """Let the transaction's connection forget its prepared statements; those of the pool notice by themselves."""
        frame = self._frame()
        if frame is not None and not frame.transaction.connection.is_closed:
            frame.transaction.connection.forget_statements()

    # Schema

    def schema_editor(self, *, collect: bool = False, atomic: bool | None = None) -> SchemaEditor:
        """Return the editor of tables, an async context manager.

        Args:
            collect: Only gather the SQL, run nothing.
            atomic: Run in a transaction; by default where the database can roll DDL back.
        """
        editor: type[SchemaEditor] = import_string(f"covet.db.backends.{self.vendor}.schema:Editor")
        return editor(self, collect=collect, atomic=atomic)

    @property
    def introspection(self) -> Introspection:
        """Return the reader of tables, columns, indexes and constraints."""
        reader: type[Introspection] = import_string(f"covet.db.backends.{self.vendor}.introspection:Reader")
        return reader(self)


# The databases of this process, and in a forked child the pools of its parent: closing them here would end them there.
_living: weakref.WeakSet[Database] = weakref.WeakSet()
_inherited: list[Any] = []


def _after_fork() -> None:
    for database in list(_living):
        database._forget_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


async def _next(chunks: AsyncIterator[Rows]) -> Rows | None:
    try:
        return await anext(chunks)
    except StopAsyncIteration:
        return None


_DRIVERS = {
    "postgresql": "covet.db.backends.postgresql.driver:PostgreSQLDriver",
    "mysql": "covet.db.backends.mysql.driver:MySQLDriver",
    "sqlite": "covet.db.backends.sqlite.driver:SQLiteDriver",
}


def _make_driver(config: DatabaseConfig, alias: str) -> Driver:
    path = _DRIVERS.get(config.backend, config.backend)
    try:
        kind = import_string(path)
    except ImproperlyConfigured as error:
        if error.__cause__ is not None and isinstance(error.__cause__, ImproperlyConfigured):
            raise error.__cause__ from None
        raise
    driver: Driver = kind(config, alias)
    return driver
