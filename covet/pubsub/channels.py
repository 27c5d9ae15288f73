"""``channel(name)``: publish JSON values to everybody who listens, in this process or in all of them.

A value is encoded once, by its publisher. Each listener has a bounded queue; ``overflow`` says what happens to a reader
that falls behind, so that one slow socket never holds memory without end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

from covet.json import dumps, loads
from covet.pubsub.base import MAX_MESSAGE_BYTES, Broker, ChannelError, Inbox, MessageTooLarge, Overflow, check_topic
from covet.pubsub.part import broker_of
from covet.pubsub.presence import Presence

__all__ = ["Channel", "channel"]

DEFAULT_LIMIT = 100


class Channel:
    """A named channel; cheap to make, nothing is connected before it is used.

    Used by ``async with``, it listens from the moment the block is entered, and whoever was given as ``presence`` is
    present until the block ends. Without the block, ``publish`` and ``listen`` work alone.
    """

    def __init__(
        self,
        name: str,
        *,
        broker: Broker,
        presence: Any = None,
        limit: int = DEFAULT_LIMIT,
        overflow: Overflow = "drop_oldest",
    ) -> None:
        self.name = check_topic(name)
        self.presence = Presence(name, broker)
        self._broker = broker
        self._who = presence
        self._limit = limit
        self._overflow: Overflow = overflow
        self._inbox: Inbox | None = None
        self._reference: str | None = None

    def __repr__(self) -> str:
        return f"<Channel {self.name!r}>"

    @property
    def dropped(self) -> int:
        """How many messages this channel's own listener has lost by its overflow rule."""
        return 0 if self._inbox is None else self._inbox.dropped

    @property
    def is_entered(self) -> bool:
        """Inside ``async with``."""
        return self._inbox is not None

    async def publish(self, value: Any) -> None:
        """Send a JSON value to everybody who listens now.

        Raises:
            MessageTooLarge: The encoded value is over 1 MiB.
            RedisUnavailable: The broker is Redis and cannot be reached.
        """
        await self.publish_bytes(dumps(value))

    async def publish_bytes(self, payload: bytes) -> None:
        """Send a value that is JSON already."""
        if len(payload) > MAX_MESSAGE_BYTES:
            raise MessageTooLarge(len(payload), MAX_MESSAGE_BYTES)
        await self._broker.publish(self.name, payload)

    async def listen(self) -> AsyncIterator[Any]:
        """Yield what is published, from the first step on; inside ``async with``, from the entering on.

        Raises:
            SlowReader: The rule is ``close`` and this listener fell behind.
        """
        async for payload in self.listen_bytes():
            yield loads(payload)

    async def listen_bytes(self) -> AsyncIterator[bytes]:
        """Like ``listen``, with the values still encoded."""
        if self._inbox is not None:
            while (payload := await self.next_bytes()) is not None:
                yield payload
            return
        inbox = Inbox(self.name, self._limit, self._overflow)
        await self._broker.subscribe(self.name, inbox)
        try:
            while (payload := await inbox.get()) is not None:
                yield payload
        finally:
            await self._broker.unsubscribe(self.name, inbox)

    async def next_bytes(self) -> bytes | None:
        """Return the next encoded value of an entered channel; None when the broker has closed it."""
        if self._inbox is None:
            raise ChannelError(
                f"Channel {self.name!r} is not entered; write `async with channel({self.name!r}) as ch:`."
            )
        return await self._inbox.get()

    async def __aenter__(self) -> Self:
        if self._inbox is not None:
            raise RuntimeError(
                f"Channel {self.name!r} is entered already; make another one with channel({self.name!r})."
            )
        inbox = Inbox(self.name, self._limit, self._overflow)
        await self._broker.subscribe(self.name, inbox)
        self._inbox = inbox
        if self._who is not None:
            try:
                self._reference = await self.presence.enter(self._who)
            except BaseException:
                await self._leave()
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave()

    async def _leave(self) -> None:
        inbox, self._inbox = self._inbox, None
        reference, self._reference = self._reference, None
        try:
            if reference is not None:
                await self.presence.leave(reference)
        finally:
            if inbox is not None:
                inbox.close()
                await self._broker.unsubscribe(self.name, inbox)


def channel(
    name: str,
    presence: Any = None,
    *,
    using: str = "default",
    limit: int = DEFAULT_LIMIT,
    overflow: Overflow = "drop_oldest",
    broker: Broker | None = None,
) -> Channel:
    """Return the channel of that name.

    Args:
        name: 1 to 200 visible characters, no spaces.
        presence: Who is present while the channel is entered: a loaded user, a text, or a mapping with ``key``.
        using: The alias in ``settings.CHANNELS``.
        limit: How many messages may wait for a reader.
        overflow: What happens to the message that does not fit: ``drop_oldest``, ``drop_newest`` or ``close``.
        broker: A broker to use instead of the configured one.

    Example:
        async with channel("room.lobby", presence=await ws.user) as ch:
            await ch.publish({"text": "hello"})
            async for message in ch.listen():
                ...
    """
    return Channel(name, broker=broker or broker_of(using), presence=presence, limit=limit, overflow=overflow)
