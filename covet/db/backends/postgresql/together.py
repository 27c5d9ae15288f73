"""Inserts of one shape that tasks ask for at the same time travel together: one statement, one answer, one commit.

While few of its shape are under way an insert goes alone and at once. Further ones go with those that are asked for in the same turn of the
event loop; none waits for another's answer. Whatever the server refuses it has undone altogether, and each row is then
inserted by the statement of its own, with an answer or an error of its own.

A lock that one row has to wait for would keep the others waiting, and its holder may wait for one of these, which no database sees. So the
statement waits for no lock longer than ``_LOCK_MS``: it is refused then, like any other.
"""

from __future__ import annotations

import asyncio
import contextvars
import copy
import datetime as dt
import decimal
import logging
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from covet.db.backends.postgresql.failures import FAILURES, has_refused
from covet.db.errors import ConnectionLost, DatabaseError, InternalError

if TYPE_CHECKING:
    from covet.db.backends.driver import Connection, Driver, Inserted, Rows
    from covet.db.backends.pool import Pool
    from covet.db.database import Database
    from covet.db.sql.statements import Insert

__all__ = ["Together", "together_for"]

log = logging.getLogger("covet.db.backends")

_LOCK_MS = 20
# Classes of SQLSTATE that say nothing against the statement: a value, a rule of the table, a conflict with others, a time-out.
_OF_A_ROW = frozenset({"22", "23", "40", "55", "57"})
_MOST_ROWS = 64
# Up to so many inserts at a time are quicker each by itself.
_ALONE = 4
# As many rows at least are worth a second statement beside the first.
_ENOUGH_FOR_TWO = 12
# A longer text or document takes longer to send than is saved: it goes alone, so that ``_MOST_ROWS`` bounds what is sent.
_MOST_LENGTH = 65_536
# For how long what the server has told of a table holds.
_KNOWN_S = 60.0
# So many inserts go alone after a refusal; twice as many after each further one.
_REST = 16
_MOST_REST = 4096

# The types of columns whose values travel as arrays, as they are: PostgreSQL's own, and no arrays, ranges or enumerations.
_TYPES: Final = frozenset({
    "bool", "bpchar", "bytea", "cidr", "date", "float4", "float8", "inet", "int2", "int4", "int8", "interval", "json", "jsonb", "numeric",
    "text", "time", "timestamp", "timestamptz", "timetz", "uuid", "varchar",
})  # fmt: skip
_LONG_TYPES: Final = frozenset({"bpchar", "bytea", "json", "jsonb", "text", "varchar"})

# Classes of values that are one value each: a list in the place of a number would come apart in an array. Grows with what a project stores.
_SINGLE_BASES: Final = (
    str, bytes, bool, int, float, decimal.Decimal, dt.date, dt.time, dt.timedelta, uuid.UUID, type(None),
)  # fmt: skip
_SINGLE: set[type[Any]] = {*_SINGLE_BASES, dt.datetime}

# Whether rows may be shared at all, whether a trigger may swallow some, and of each column the type, and whether its limit keeps values short.
# A trigger of the whole statement would run once for all rows, a rule may do anything, and a foreign server knows nothing of the time-out. Rows
# of serializable transactions would share the conflicts of the others.
_FACTS = f"""
SELECT
    NOT c.relhasrules
    AND (c.relkind = 'r' OR c.relkind = 'p' AND NOT EXISTS (
        SELECT FROM pg_partition_tree(c.oid) p JOIN pg_class f ON f.oid = p.relid WHERE f.relkind = 'f'))
    AND NOT EXISTS (
        SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 4 = 4
        AND (t.tgtype & 1 = 0 OR t.tgnewtable IS NOT NULL))
    AND current_setting('default_transaction_isolation') LIKE 'read %' AS may_share,
    EXISTS (
        SELECT FROM pg_trigger t WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 7 = 7
        AND (t.tgrelid = c.oid OR t.tgrelid IN (SELECT relid FROM pg_partition_tree(c.oid)))) AS swallows,
    ARRAY(
        SELECT y.typname::text FROM unnest($2::text[]) WITH ORDINALITY n (name, place)
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = n.name
        LEFT JOIN pg_type y ON y.oid = a.atttypid AND y.typnamespace = 'pg_catalog'::regnamespace
        ORDER BY n.place) AS types,
    ARRAY(
        SELECT a.atttypmod BETWEEN 1 AND {_MOST_LENGTH} FROM unnest($2::text[]) WITH ORDINALITY n (name, place)
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = n.name
        ORDER BY n.place) AS bounded
FROM pg_class c WHERE c.oid = to_regclass($1)
"""

# Local to the statement's own transaction, and done before the first row is read; a shorter time-out that is set already stays.
_LIMIT = (
    f"(SELECT set_config('lock_timeout', CASE WHEN current_setting('lock_timeout')::interval BETWEEN '1 ms' AND '{_LOCK_MS} ms' "
    f"THEN current_setting('lock_timeout') ELSE '{_LOCK_MS}' END, true)) IS NOT NULL"
)

_CUT_OFF = "The statement that several rows were inserted by was cut off, so nobody knows whether they are in."
_SWALLOWED = (
    "Several rows were inserted by one statement, and a trigger that was made in the last minute left some of them out, so nobody knows which keys "
    "are whose. From now on it is known."
)

_Member = tuple["asyncio.Future[Any]", Sequence[Any]]


class Together:
    """The inserts of one shape on one database.

    Args:
        driver: The database's.
        insert: One row, whose values are parameters in the order of the columns.

    Attributes:
        room: How many more go at once by themselves, fewer than none where others share already. Who finds room takes it himself, for
            that costs less than a call, and gives it back.
    """

    __slots__ = (
        "_columns", "_context", "_driver", "_known_until", "_long", "_pool", "_queue", "_rest", "_returning", "_sent", "_sql", "_strikes",
        "_table", "room",
    )  # fmt: skip

    def __init__(self, driver: Driver, insert: Insert) -> None:
        quote = driver.dialect.quote
        self._driver = driver
        self._table = quote(insert.table)
        self._columns = insert.columns
        self._returning = ", ".join([quote(name) for name in insert.returning])
        # What the statements run in is no member's: its request and its language are nobody else's business.
        self._context = contextvars.Context()
        self.room = _ALONE
        self._pool: Pool | None = None
        self._begin(None)

    def _begin(self, pool: Pool | None) -> None:
        """Begin anew with another pool: the database was closed, or the loop of the one before is gone."""
        self._pool = pool
        self._queue: list[_Member] = []
        self._sent: dict[asyncio.Task[None], list[_Member]] = {}
        self._sql = ""
        self._long: tuple[int, ...] = ()
        self._known_until = float("-inf")
        self._rest = self._strikes = 0

    async def insert(self, database: Database, sql: str, args: Sequence[Any]) -> Inserted:
        """Insert a row while others are under way; it is told to listeners like any other, by its own text and values."""
        self.room -= 1
        try:
            return await database.insert_by(self._row, sql, args)
        finally:
            self.room += 1

    async def _row(self, database: Database, sql: str, args: Sequence[Any]) -> Rows | None:
        """Send a row with others and return what RETURNING gives for it; ``None`` where it is to be inserted alone."""
        pool = database.pool_for_insert(sql)
        if pool is None:
            return None
        if pool is not self._pool:
            self._begin(pool)
        if self._rest:
            self._rest -= 1
            return None
        if not self._sql:
            self._ask(pool)
            return None
        if not self._fit(args):
            return None
        queue = self._queue
        if not queue:
            pool.loop.call_soon(self._flush, pool, queue, context=self._context)
        answer: asyncio.Future[Any] = pool.loop.create_future()
        queue.append((answer, args))
        try:
            return await answer  # type: ignore[no-any-return]  # as ``_send`` sets it
        except asyncio.CancelledError:
            self._stop_forsaken()
            raise

    def _fit(self, args: Sequence[Any]) -> bool:
        """Whether each value is one value, and none is long."""
        if not _SINGLE.issuperset(map(type, args)):
            for value in args:
                if not isinstance(value, _SINGLE_BASES):
                    return False
                _SINGLE.add(type(value))
        for place in self._long:
            value = args[place]
            if isinstance(value, (str, bytes)) and len(value) > _MOST_LENGTH:
                return False
        return True

    # Sending

    def _flush(self, pool: Pool, queue: list[_Member]) -> None:
        """Send what has been asked for in this turn of the loop."""
        members = [member for member in queue if not member[0].done()]
        queue.clear()
        self._ask(pool)
        # Where nothing else is on its way two statements keep client and server busy at the same time.
        size = _MOST_ROWS if self._sent or len(members) < _ENOUGH_FOR_TWO else min(_MOST_ROWS, (len(members) + 1) // 2)
        for start in range(0, len(members), size):
            part = members[start : start + size]
            if len(part) == 1 or not self._sql:
                _send_away(part)
                continue
            task = pool.later(self._send(pool, self._sql, part))
            self._sent[task] = part
            task.add_done_callback(self._sent.__delitem__)

    async def _send(self, pool: Pool, sql: str, members: list[_Member]) -> None:
        """Insert the rows of some members by one statement, and give each its own answer.

        What is known of the table may change before this task begins, so the statement is handed in.
        """
        columns = list(zip(*[args for _, args in members], strict=True))
        try:
            rows = await self._run(pool, sql, columns)
        except asyncio.CancelledError:
            # By the last member that left, or by the pool that closes and waits no longer.
            _fail(members, partial(ConnectionLost, _CUT_OFF, alias=self._driver.alias, sql=sql))
            raise
        except BaseException as error:
            if has_refused(error) or self._driver.was_not_sent(error):
                self._rest_after(pool, len(members), error)
                _send_away(members)
                return
            # Raised in two tasks, one error would tell of both.
            _fail(members, partial(self._own, error, sql))
            if not isinstance(error, Exception):
                raise
            return
        if self._returning and 0 < len(rows) < len(members):
            # A trigger that is younger than what is known of the table. The rows are in; which of them is nobody's knowledge.
            self._known_until = float("-inf")
            _fail(members, partial(InternalError, _SWALLOWED, alias=self._driver.alias, sql=sql))
            return
        self._strikes = 0
        for place, (answer, _) in enumerate(members):
            if not answer.done():
                answer.set_result((rows[place],) if rows else ())

    async def _run(self, pool: Pool, sql: str, args: Sequence[Any]) -> Rows:
        connection: Connection = pool.kept.pop() if pool.kept else await pool.acquire()
        try:
            rows = await connection.fetch(sql, args)
        except BaseException as error:
            if self._driver.was_not_sent(error) or isinstance(self._driver.translate(error, sql), ConnectionLost):
                connection.terminate()
            pool.release_after(connection, error)
            raise
        pool.release(connection)
        return rows

    def _rest_after(self, pool: Pool, count: int, error: BaseException) -> None:
        """Let the next inserts go alone: where one row was refused the next may be as well, and then all are sent twice."""
        self._strikes += 1
        self._rest = max(count, min(_REST << self._strikes, _MOST_REST))
        log.debug("%d inserts that were sent together go alone: %s", count, type(error).__name__)
        if str(getattr(error, "sqlstate", ""))[:2] not in _OF_A_ROW:
            # The table may be another one by now.
            self._known_until = float("-inf")
            self._ask(pool)

    def _own(self, error: BaseException, sql: str) -> BaseException:
        """Return the error for one member."""
        found = copy.copy(error) if isinstance(error, DatabaseError) else self._driver.translate(error, sql)
        if found is None:
            return error
        found.__cause__ = error
        return found

    def _stop_forsaken(self) -> None:
        """After a cancellation: cancel a statement that nobody waits for any more, as any other would be."""
        for task, members in self._sent.items():
            if all(answer.done() for answer, _ in members):
                task.cancel()

    # What the server knows of the table

    def _ask(self, pool: Pool) -> None:
        """Ask what the table is like, unless that is known; until then inserts go alone, or by what was known."""
        now = pool.loop.time()
        if now >= self._known_until:
            self._known_until = now + _KNOWN_S
            pool.loop.call_soon(self._begin_to_look, pool, context=self._context)

    def _begin_to_look(self, pool: Pool) -> None:
        pool.later(self._look(pool)).add_done_callback(partial(_tell_fault, self._table))

    async def _look(self, pool: Pool) -> None:
        sql = ""
        try:
            found = await self._run(pool, _FACTS, (self._table, list(self._columns)))
            if found:
                sql = self._statement(*found[0])
        except (DatabaseError, *FAILURES):
            # Inserts go alone, and meet what is the matter by themselves.
            log.debug("Whether inserts into %s may be sent together could not be asked", self._table, exc_info=True)
        finally:
            # What ends late, as when the loop of an earlier pool is collected, says nothing of this one.
            if pool is self._pool:
                self._sql = sql

    def _statement(self, may_share: bool, swallows: bool, types: Sequence[str], bounded: Sequence[bool]) -> str:
        """Return the statement for what the server has told of the table; empty where rows may not share one."""
        if not may_share or len(types) != len(self._columns) or not _TYPES.issuperset(types):
            return ""
        self._long = tuple([place for place, kind in enumerate(types) if kind in _LONG_TYPES and not bounded[place]])
        return self._text(types, swallows=swallows)

    def _text(self, types: Sequence[str], *, swallows: bool) -> str:
        """Return the statement: each parameter has the type of its column, as those of a single row have."""
        quote = self._driver.dialect.quote
        arrays = ", ".join([f"${number}::pg_catalog.{kind}[]" for number, kind in enumerate(types, 1)])
        columns = ", ".join([quote(name) for name in self._columns])
        text = f"INSERT INTO {self._table} ({columns}) SELECT * FROM unnest({arrays}) WHERE {_LIMIT}"
        if not self._returning:
            return text
        text = f"{text} RETURNING {self._returning}"
        if not swallows:
            return text
        # Where a trigger has left a row out nobody could say which: that is an error here, and each row is inserted alone.
        return (
            f"WITH covet_rows AS ({text}) SELECT {self._returning} FROM covet_rows WHERE (SELECT CASE WHEN count(*) = cardinality($1) "
            "THEN 1 ELSE 1 / (count(*) - count(*)) END FROM covet_rows) IS NOT NULL"
        )


def together_for(driver: Driver, insert: Insert, sql: str) -> Together | None:
    """Return what lets inserts of a shape share statements, where all their values are parameters as they are.

    Args:
        driver: The database's.
        insert: One row.
        sql: Its statement.
    """
    places = ", ".join([f"${number}" for number in range(1, len(insert.columns) + 1)])
    is_plain = insert.columns and insert.conflict is None and f") VALUES ({places})" in sql
    return Together(driver, insert) if is_plain else None


def _send_away(members: Sequence[_Member]) -> None:
    """Let members insert their rows alone."""
    for answer, _ in members:
        if not answer.done():
            answer.set_result(None)


def _fail(members: Sequence[_Member], make: Callable[[], BaseException]) -> None:
    """Give each member that still waits an error of its own."""
    for answer, _ in members:
        if not answer.done():
            answer.set_exception(make())


def _tell_fault(table: str, task: asyncio.Task[None]) -> None:
    """Tell of an error that is none of the database's, as a loop does of a task that nobody waits for; closing would keep it to itself."""
    if not task.cancelled() and (error := task.exception()) is not None:
        told = {
            "message": f"Whether inserts into {table} may be sent together could not be read",
            "exception": error,
            "task": task,
        }
        task.get_loop().call_exception_handler(told)
