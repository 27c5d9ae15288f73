"""LISTEN and NOTIFY: messages that the database itself carries, sent when a transaction commits."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Any, NamedTuple, Self

from covet.db import connections
from covet.db.errors import ConnectionLost, OperationalError
from covet.postgres.vendor import require_postgresql

__all__ = ["Listener", "Notification", "listen", "notify"]


class Notification(NamedTuple):
    """One message.

    Attributes:
        channel: Where it was sent to.
        payload: Its text.
        pid: The process number of the sender's connection, as the server counts.
    """

    channel: str
    payload: str
    pid: int


async def notify(channel: str, payload: str = "", *, using: str = "default") -> None:
    """Send a message; inside a transaction it leaves with the commit, and never after a rollback.

    Args:
        channel: The channel's name.
        payload: The text, of less than 8000 bytes.
        using: The database alias.
    """
    database = connections[using]
    require_postgresql(database.dialect, "notify()")
    await database.fetch("SELECT PG_NOTIFY($1::text, $2::text)", (channel, payload))


def listen(*channels: str, using: str = "default", limit: int = 1000) -> Listener:
    """Return what hears channels, by a connection of its own that no pool counts.

    ``async with listen("orders") as notes:`` and then ``async for note in notes:``.

    Args:
        channels: The channels' names.
        using: The database alias.
        limit: How many messages may wait to be read.

    Raises:
        ValueError: No channel is named.
    """
    if not channels:
        raise ValueError("listen() needs the name of one channel at least.")
    return Listener(channels, using, limit)


class Listener:
    """Hears channels from ``async with`` on until its end, and gives the messages one by one."""

    def __init__(self, channels: tuple[str, ...], using: str, limit: int) -> None:
        self.channels = channels
        self.using = using
        self.limit = limit
        self._waiting: deque[Notification] = deque()
        self._wake = asyncio.Event()
        self._failure: OperationalError | None = None
        self._connection: Any = None

    async def __aenter__(self) -> Self:
        """Connect and begin to listen: what is sent from now on is heard.

        Raises:
            ConnectionFailed: The server cannot be reached.
            NotSupportedError: The database is none of PostgreSQL.
        """
        database = connections[self.using]
        require_postgresql(database.dialect, "listen()")
        connection: Any = await database.driver.connect()
        try:
            connection.raw.add_termination_listener(self._lost)
            for channel in self.channels:
                await connection.raw.add_listener(channel, self._heard)
        except BaseException:
            connection.terminate()
            raise
        self._connection = connection
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        connection, self._connection = self._connection, None
        # Whoever waits for a message, in another task, is told that there will be none.
        self._wake.set()
        connection.raw.remove_termination_listener(self._lost)
        if connection.is_closed:
            return
        try:
            await connection.close()
        except BaseException:
            connection.terminate()
            raise

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Notification:
        """Return the next message.

        Raises:
            ConnectionLost: The server is gone, and messages may have been missed: read again what they are about.
            OperationalError: More than ``limit`` messages were waiting.
        """
        while not self._waiting:
            if self._failure is not None:
                raise self._failure
            if self._connection is None:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        return self._waiting.popleft()

    def _heard(self, connection: Any, pid: int, channel: str, payload: str) -> None:
        if self._failure is not None:
            return
        if len(self._waiting) >= self.limit:
            self._failure = OperationalError(
                f"More than {self.limit} messages of {', '.join(self.channels)} wait to be read. Read faster, or give "
                "listen() a greater limit.",
                alias=self.using,
            )
        else:
            self._waiting.append(Notification(channel, payload, pid))
        self._wake.set()

    def _lost(self, connection: Any) -> None:
        self._failure = ConnectionLost(
            f"The connection that listened to {', '.join(self.channels)} is gone; messages may have been missed.",
            alias=self.using,
        )
        self._wake.set()
