"""Transactions with an isolation level or an access mode of their own: what is said to each database, and when."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeAlias, TypeVar

from msgspec import Struct

from covet.db.backends.blocks import Atomic
from covet.db.backends.places import place_of_caller
from covet.db.backends.uncancelled import uncancelled
from covet.db.errors import NotSupportedError, TransactionManagementError

if TYPE_CHECKING:
    from covet.db.database import Database

__all__ = ["Access", "AccessBlock", "Isolation"]

P = ParamSpec("P")
T = TypeVar("T")

Isolation: TypeAlias = Literal["read uncommitted", "read committed", "repeatable read", "serializable"]

_LEVELS = ("read uncommitted", "read committed", "repeatable read", "serializable")


class Access(Struct, frozen=True):
    """How a transaction sees others, and what it may do.

    Attributes:
        isolation: The level; ``None`` is the database's own.
        read_only: Nothing may be written.
        deferrable: PostgreSQL waits for a snapshot that cannot fail.
    """

    isolation: Isolation | None = None
    read_only: bool = False
    deferrable: bool = False

    def __post_init__(self) -> None:
        if self.isolation is not None and self.isolation not in _LEVELS:
            raise ValueError(f"There is no isolation level {self.isolation!r}; there are {', '.join(_LEVELS)}.")

    @property
    def modes(self) -> str:
        """The transaction modes of SQL's ``SET TRANSACTION``."""
        level = "" if self.isolation is None else f"ISOLATION LEVEL {self.isolation.upper()}"
        words = (level, "READ ONLY" if self.read_only else "", "DEFERRABLE" if self.deferrable else "")
        return ", ".join(filter(None, words))


class AccessBlock(Atomic):
    """An ``atomic`` block with modes of its own. It has to be the outermost one: a transaction that runs keeps its modes.

    On a test's pinned connection, whose transaction runs already, it is a plain block.

    Args:
        database: Finds the database when the block is entered.
        access: The modes.
    """

    def __init__(self, database: Callable[[], Database], access: Access) -> None:
        super().__init__(database, durable=True)
        self._access = access
        self._only_reads = access.read_only

    async def __aenter__(self) -> AccessBlock:
        database = self._database()
        if self._access.deferrable and database.vendor != "postgresql":
            raise NotSupportedError(
                "atomic(deferrable=True) is PostgreSQL's alone; leave it out here.", alias=database.alias
            )
        parent = database._scope.get() or database._pinned
        if parent is not None and not parent.is_base:
            raise TransactionManagementError(
                f"atomic({self._access.modes.lower()}) at {place_of_caller(2)} must be the outermost block, but stands in the "
                f"one opened at {parent.place}: a transaction keeps the modes that it began with.",
                alias=database.alias,
            )
        if parent is None and database.vendor == "mysql":
            # MySQL takes it before BEGIN only, and for the one transaction that follows.
            self._before = (f"SET TRANSACTION {self._access.modes}",)
        await super().__aenter__()
        if parent is None:
            try:
                await self._set_up(database)
            except BaseException as error:
                await self.__aexit__(type(error), error, error.__traceback__)
                raise
        return self

    async def _set_up(self, database: Database) -> None:
        frame = database._scope.get()
        assert frame is not None
        if database.vendor == "mysql":
            # BEGIN has used it up: the session is as it was.
            frame.transaction.connection.is_dirty = frame.transaction.connection.must_close = False
        elif database.vendor == "postgresql":
            await database.execute(f"SET TRANSACTION {self._access.modes}")
        elif self._access.read_only and not database.uses_readers:
            await database.execute("PRAGMA query_only = ON")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        database = self._database()
        frame = database._scope.get()
        try:
            if frame is not None and database.vendor == "sqlite" and self._access.read_only and frame.parent is None:
                connection = frame.transaction.connection
                if not connection.is_closed and not database.uses_readers:
                    await uncancelled(connection.execute("PRAGMA query_only = OFF", ()), connection.terminate)
        finally:
            await super().__aexit__(kind, error, traceback)

    def __call__(self, function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        """Run an async function inside the block."""
        if not inspect.iscoroutinefunction(function):
            raise TypeError(
                f"@atomic decorates async functions; {getattr(function, '__qualname__', function)} is not one."
            )

        @functools.wraps(function)
        async def run(*args: P.args, **kwargs: P.kwargs) -> T:
            async with AccessBlock(self._database, self._access):
                return await function(*args, **kwargs)

        return run
