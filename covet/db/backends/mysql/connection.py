"""A session with MySQL or MariaDB: statements as text, answers by our own reader or asyncmy's, streams unbuffered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from covet.db import errors as e
from covet.db.backends.driver import Connection, Inserted, Outcome, Rows, StreamOver
from covet.db.backends.mysql.literals import literal

if TYPE_CHECKING:
    from covet.db.backends.mysql.driver import MySQLDriver

__all__ = ["CANCELLED", "NOT_CONNECTED", "MySQLConnection", "RowStream"]

# The protocol's numbers: commands, status flags.
_QUERY = 0x03
_RESET_CONNECTION = 0x1F
_IN_TRANSACTION = 0x01
_NO_BACKSLASH_ESCAPES = 0x200
NOT_CONNECTED = "Not connected"
CANCELLED = "Cancelled during execution"


class MySQLConnection(Connection):
    """An aiomysql connection behind our protocol."""

    __slots__ = ("_driver", "_read_answer", "_set_up", "_streaming", "raw")

    def __init__(self, raw: Any, driver: MySQLDriver, set_up: str) -> None:
        super().__init__()
        self.raw = raw
        self._driver = driver
        self._set_up = set_up
        self._streaming: RowStream | None = None
        read = driver.library.read
        self._read_answer = raw._read_query_result if read is None else partial(read, raw)

    async def _query(self, sql: str, args: Sequence[Any]) -> Any:
        raw = self.raw
        if self.is_closed:
            # Seen before anything is sent, so the statement may safely go to another connection.
            raw.close()
            raise self._driver.library.error(0, NOT_CONNECTED)
        if self._streaming is not None:
            await self._make_way(self._streaming)
        await raw._execute_command(_QUERY, self._text(sql, args))
        await self._read_answer()
        result = raw._result
        while raw._result.has_next:
            # A procedure, or several statements: their errors belong to this call, not to the next.
            await self._read_answer()
        return result

    async def _send(self, sql: str, args: Sequence[Any]) -> None:
        """Send a statement whose answer the library is to read: the long way, which keeps the names of columns."""
        raw = self.raw
        if self.is_closed:
            raw.close()
            raise self._driver.library.error(0, NOT_CONNECTED)
        if self._streaming is not None:
            await self._make_way(self._streaming)
        await raw._execute_command(_QUERY, self._text(sql, args))
        raw._result = None

    def _text(self, sql: str, args: Sequence[Any]) -> bytes:
        if args:
            backslashes = not self.raw.server_status & _NO_BACKSLASH_ESCAPES
            try:
                sql = sql % tuple([literal(value, backslashes) for value in args])
            except (TypeError, ValueError) as error:
                message = f"The statement and its {len(args)} values do not fit: {error}. A literal % is written %%."
                raise e.ProgrammingError(message, alias=self._driver.alias, sql=sql) from error
        try:
            text = sql.encode()
        except UnicodeEncodeError as error:
            raise e.DataError("A text holds half a surrogate pair, which is no character.", sql="") from error
        if len(text) >= self._driver.longest:
            # Sent, it would cost the connection, and a transaction with it: the server reads no further and hangs up.
            raise self._driver.too_long(len(text))
        return text

    async def fetch(self, sql: str, args: Sequence[Any]) -> Rows:
        """Run a statement and return its rows as tuples."""
        return (await self._query(sql, args)).rows or []

    # Nothing is prepared, so there is nothing to forget.
    begin_fetch = fetch

    async def read(self, sql: str, args: Sequence[Any]) -> tuple[list[str], Rows]:
        """Run a statement and return the names of its columns with the rows; by the library, which keeps the names."""
        await self._send(sql, args)
        rows = RowStream(self._driver.library.result(self.raw))
        await rows.result.init_unbuffered_query()
        await rows.read_ahead()
        return [column[0] for column in rows.result.description or ()], rows.ahead

    async def outcome(self, sql: str, args: Sequence[Any]) -> Outcome:
        """Run a statement and return all that is known of it, further results of a procedure too."""
        await self._send(sql, args)
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

    async def execute_many(self, sql: str, args_list: Sequence[Sequence[Any]]) -> int:
        """Run a statement for each argument list, in a transaction, and return how many rows they changed (or matched, for an update)."""
        if self.in_transaction:
            return sum([await self.execute(sql, args) for args in args_list])
        await self.begin()
        try:
            changed = sum([await self.execute(sql, args) for args in args_list])
        except Exception:
            await self.rollback()
            raise
        await self.commit()
        return changed

    async def stream(self, sql: str, args: Sequence[Any], chunk_size: int) -> AsyncIterator[Rows]:
        """Read the rows as the server sends them. Another statement meanwhile makes the rest wait in memory."""
        raw = self.raw
        await self._send(sql, args)
        rows = RowStream(self._driver.library.result(self.raw))
        self._streaming = rows
        try:
            await rows.result.init_unbuffered_query()
            while chunk := await rows.take(chunk_size):
                yield chunk
        except StreamOver:
            # What ends the transaction reads what is left out of its way: two must not read at once.
            rows.drop()
            raise
        finally:
            if rows.is_wanted:
                if self._streaming is rows:
                    self._streaming = None
                if rows.result.unbuffered_active and not self.is_closed:
                    if self.in_transaction:
                        await rows.result._finish_unbuffered_query()
                    else:
                        # MySQL cannot stop sending; a new connection is cheaper than the rest of a long answer.
                        raw.close()

    async def _make_way(self, rows: RowStream) -> None:
        """Read what is left of an answer, so that another statement can be sent."""
        await rows.read_ahead()
        if not rows.is_wanted and self._streaming is rows:
            self._streaming = None

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
        if self.raw._close_reason != CANCELLED:
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

    __slots__ = ("ahead", "is_wanted", "result")

    def __init__(self, result: Any) -> None:
        self.result = result
        self.ahead: list[Any] = []
        self.is_wanted = True

    def drop(self) -> None:
        """Keep no rows any more: nobody will take them."""
        self.is_wanted = False
        self.ahead = []

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
        if row is not None and self.is_wanted:
            self.ahead.append(row)
