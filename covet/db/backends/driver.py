"""What a database driver must offer: ``Driver`` makes connections and explains errors, ``Connection`` runs statements.

The statement methods are plain functions that return an awaitable, so that no layer of ours stands between the caller
and the driver's own coroutine.
"""

from __future__ import annotations

import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from msgspec import Struct

from covet.db.backends.features import Features
from covet.db.errors import DatabaseError
from covet.db.sql.dialect import Dialect
from covet.exceptions import ImproperlyConfigured
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.conf.service_url import DatabaseConfig
    from covet.db.backends import uncancelled as cancelling
    from covet.db.sql.statements import Insert
else:
    cancelling = late_module(__name__, "covet.db.backends.uncancelled", "cancelling")

__all__ = [
    "CONNECT_TIMEOUT_S",
    "Connection",
    "Driver",
    "Inserted",
    "Make",
    "Outcome",
    "Row",
    "Rows",
    "StreamOver",
    "Unmade",
    "drop_stream",
    "seconds",
    "why_unreachable",
]

# Any: what a column holds is known to the caller only.
Row: TypeAlias = Sequence[Any]
Rows: TypeAlias = Sequence[Row]
Inserted: TypeAlias = "tuple[Rows, int | None]"
#: ``make(rows, alias, fetch_mode) -> list of results``.
Make: TypeAlias = "Callable[[Rows, str, Any], list[Any]]"

CONNECT_TIMEOUT_S = 10.0


class Outcome(Struct, frozen=True):
    """All that came back for a statement of whatever kind: what a cursor shows.

    Attributes:
        columns: A tuple for each column, its name first and its type second, as PEP 249 describes them; empty without rows.
        rows: The rows, as tuples.
        count: How many rows were read or changed; -1 where the database does not tell.
        last_id: The automatic key of an insert, where the database tells it.
        more: Further results of the same text, as a procedure may give.
    """

    columns: tuple[tuple[Any, ...], ...] = ()
    rows: Rows = ()
    count: int = -1
    last_id: int | None = None
    more: tuple[Outcome, ...] = ()


class Unmade(Struct, frozen=True):
    """What comes in place of results that could not be made of the rows: the statement itself went well.

    Attributes:
        error: Why not.
    """

    error: BaseException


class StreamOver(BaseException):
    """Thrown into a stream whose transaction is over: the server has closed its cursor, and others use the connection."""


class Connection(ABC):
    """One session with a database. One statement at a time; who may use it is the pool's and the transaction's business.

    Attributes:
        is_dirty: Must not go back to the pool as it is: it holds session state, or has lived long enough.
        tick: The pool's tick when it was last used.
        opened_at: The loop's time when it was made.
        idle_since: The loop's time when it was put aside.
        must_close: Close instead of reset.
        holder: The transaction or stream that had it last, for messages.
    """

    __slots__ = ("holder", "idle_since", "is_dirty", "must_close", "opened_at", "tick")

    def __init__(self) -> None:
        self.is_dirty = False
        self.must_close = False
        self.tick = 0
        self.opened_at = 0.0
        self.idle_since = 0.0
        self.holder: object = None

    @abstractmethod
    def fetch(self, sql: str, args: Sequence[Any]) -> Awaitable[Rows]:
        """Run a statement and return its rows."""

    def begin_fetch(self, sql: str, args: Sequence[Any]) -> Awaitable[Rows]:
        """Run a statement and return its rows; for who asks ``forget_changed`` when it fails, which ``fetch`` does by itself."""
        return self.fetch(sql, args)

    async def forget_changed(self, error: BaseException) -> bool:
        """After a failure: forget what was prepared for tables that have changed since, and tell whether the statement can run again."""
        return False

    @abstractmethod
    def execute(self, sql: str, args: Sequence[Any]) -> Awaitable[int]:
        """Run a statement and return how many rows it changed."""

    @abstractmethod
    def insert(self, sql: str, args: Sequence[Any]) -> Awaitable[Inserted]:
        """Run an insert and return its RETURNING rows, or the automatic key."""

    @abstractmethod
    def execute_many(self, sql: str, args_list: Sequence[Sequence[Any]]) -> Awaitable[int | None]:
        """Run a statement once for each of the argument lists; all or none take effect.

        Returns how many rows they changed; ``None`` where the driver does not tell.
        """

    @abstractmethod
    def read(self, sql: str, args: Sequence[Any]) -> Awaitable[tuple[list[str], Rows]]:
        """Run a statement and return the names of its columns with the rows: for text that people wrote."""

    @abstractmethod
    def outcome(self, sql: str, args: Sequence[Any]) -> Awaitable[Outcome]:
        """Run a statement of whatever kind and return all that is known of it: for cursors."""

    @abstractmethod
    def stream(self, sql: str, args: Sequence[Any], chunk_size: int) -> AsyncIterator[Rows]:
        """Run a statement and give its rows in chunks, by a cursor of the server where there is one.

        A ``StreamOver`` comes at a ``yield``: nothing may be sent or read on its account then.
        """

    @property
    @abstractmethod
    def is_closed(self) -> bool:
        """Whether it can run nothing any more."""

    @property
    @abstractmethod
    def in_transaction(self) -> bool:
        """Whether the server has a transaction open."""

    @abstractmethod
    def begin(self) -> Awaitable[Any]:
        """Start a transaction that may write."""

    async def commit(self) -> None:
        """Commit the transaction."""
        await self.execute("COMMIT", ())

    def commit_uncancelled(self) -> Awaitable[None]:
        """Commit; a cancellation meanwhile is raised when that is done, and ends a commit by force that takes too long."""
        return cancelling.uncancelled(self.commit(), self.terminate)

    async def rollback(self) -> None:
        """Roll the transaction back, if the server still has one."""
        if self.in_transaction:
            await self.execute("ROLLBACK", ())

    async def savepoint(self, name: str) -> None:
        """Set a savepoint."""
        await self.execute(f"SAVEPOINT {name}", ())

    async def release(self, name: str) -> None:
        """Forget a savepoint and keep what was done since."""
        await self.execute(f"RELEASE SAVEPOINT {name}", ())

    async def rollback_to(self, name: str) -> None:
        """Undo what was done since a savepoint, and forget it."""
        await self.execute(f"ROLLBACK TO SAVEPOINT {name}", ())
        await self.execute(f"RELEASE SAVEPOINT {name}", ())

    @abstractmethod
    async def settle(self) -> None:
        """After a cancelled statement: wait until the server has stopped it. Raises or closes when that is not sure."""

    @abstractmethod
    async def reset(self) -> None:
        """Bring the session back to how it was when it was opened."""

    @abstractmethod
    async def ping(self) -> None:
        """Ask the server for a sign of life; raises when there is none."""

    @abstractmethod
    async def close(self) -> None:
        """Say good-bye and close."""

    @abstractmethod
    def terminate(self) -> None:
        """Close at once, without a word to the server."""

    async def kill(self) -> None:  # noqa: B027  # most servers stop by themselves
        """Stop what the server still does for a statement whose connection had to be closed."""

    def forget_statements(self) -> None:  # noqa: B027  # most drivers prepare nothing
        """Forget prepared statements: the tables have changed under them."""

    async def defer_constraints(self, deferred: bool) -> None:  # noqa: B027  # most databases have nothing to put off
        """Inside a transaction that never commits (tests): check deferrable rules at once, or later again."""

    async def check_foreign_keys(self) -> DatabaseError | None:
        """Return the violation that a commit would find, on databases that cannot be asked to check early."""
        return None

    async def check_as_commit(self) -> None:
        """Check at once what a commit would: for the block that plays a transaction in a test."""
        await self.defer_constraints(False)
        violation = await self.check_foreign_keys()
        if violation is not None:
            raise violation


class Driver(ABC):
    """One kind of database: how to connect, what errors mean.

    Args:
        config: The entry of ``DATABASES``.
        alias: Its name there, for messages.
    """

    vendor: ClassVar[str] = ""
    # Statements of its own keep state in the session that a reset cannot find.
    shares_one_connection: bool = False
    # Reads outside of transactions may follow each other on one connection.
    shares_readers: bool = False
    # A pooler stands before the server and may hand each transaction to another session.
    pools_transactions: bool = False

    def __init__(self, config: DatabaseConfig, alias: str) -> None:
        self.config = config
        self.alias = alias
        self.dialect: Dialect = self.make_dialect()
        self.features = Features()

    @abstractmethod
    def make_dialect(self) -> Dialect:
        """Return the dialect to use until a server has told its version."""

    @abstractmethod
    async def connect(self, *, read_only: bool = False) -> Connection:
        """Open a connection. The first one learns the server's version: ``dialect`` and ``features`` are then final.

        Raises:
            ConnectionFailed: With one line on why and what to do.
        """

    @abstractmethod
    def translate(self, error: BaseException, sql: str) -> DatabaseError | None:
        """Return the error of our tree that a driver's error means; ``None`` for what is no database error."""

    async def complete(self, error: DatabaseError, connection: Connection) -> None:  # noqa: B027  # most tell all at once
        """Add to an error what another question to the server can tell; the connection is free for it."""

    def check_session(self, sql: str, *, in_transaction: bool = False) -> None:  # noqa: B027  # a session of one's own may be changed
        """Refuse a statement that would change a session which is not ours to change."""

    def ends_with_transaction(self, sql: str) -> bool:
        """Whether all that a statement changes in the session is as before when its transaction has ended."""
        return False

    def no_reset_undoes(self, sql: str) -> bool:
        """Whether a statement leaves in the session what only closing the connection takes away."""
        return False

    def together(self, insert: Insert, sql: str) -> Any | None:
        """Return what lets the inserts of one shape share statements, and counts them; ``None`` where each goes alone."""
        return None

    def was_not_sent(self, error: BaseException) -> bool:
        """Whether the statement failed before it left: the connection had died while it was kept."""
        return False


async def drop_stream(chunks: Any) -> None:
    """End a connection's stream whose cursor has gone with its transaction, without a word on the wire."""
    with suppress(StreamOver, StopAsyncIteration):
        await chunks.athrow(StreamOver())


def seconds(alias: str, name: str, value: Any) -> float:
    """Return an option that is a number of seconds.

    Raises:
        ImproperlyConfigured: It is none, or less than nothing.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not number >= 0:
        raise ImproperlyConfigured(
            f"DATABASES['{alias}']: the option {name} is a number of seconds, such as 5 or 0.5, not '{value}'."
        )
    return number


def why_unreachable(error: BaseException, server: str, where: str, mode: str) -> str:
    """Return what an ``OSError`` at the connecting means, and what to do.

    Args:
        error: What was raised.
        server: What should listen there.
        where: Host and port, or the socket's path.
        mode: The option that asks for TLS; empty where it is not a must.
    """
    if isinstance(error, socket.gaierror):
        return f"The host of {where} cannot be looked up: {error.strerror}. Is its name right in DATABASES?"
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"The certificate of {server} on {where} is not trusted: {error.verify_message.rstrip('.')}. Check which authority, and "
            f"which name, {mode} is to hold it to."
        )
    if mode and ("WRONG_VERSION_NUMBER" in str(error) or "rejected SSL upgrade" in str(error)):
        return (
            f"{server[0].upper()}{server[1:]} on {where} speaks no TLS, and {mode} asks for it. Turn TLS on at the server; where nobody can listen "
            f"in between, leave {mode} out."
        )
    if isinstance(error, ssl.SSLError):
        return f"TLS with {server} on {where} failed: {error}"
    if isinstance(error, ConnectionError) and not isinstance(error, ConnectionRefusedError):
        return f"What listens at {where} hung up, or speaks another protocol ({error}). Are host and port in DATABASES right?"
    return f"Nothing answers at {where}. Is {server} running, and are host and port in DATABASES right?"
