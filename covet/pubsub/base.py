"""The Broker protocol, the bounded queue of one listener, and the fan-out inside a process that all brokers share.

A broker moves bytes between processes. Inside a process each topic is subscribed once, however many listeners it has,
and every listener has its own bounded queue with a named rule for the reader that falls behind.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, Protocol, TypeAlias, get_args

from msgspec import Struct

from covet.exceptions import CovetError

__all__ = [
    "MAX_MESSAGE_BYTES",
    "MAX_TOPIC_LENGTH",
    "PRESENCE_TTL_S",
    "Broker",
    "ChannelError",
    "FanOut",
    "Inbox",
    "MessageTooLarge",
    "Overflow",
    "Roll",
    "SlowReader",
    "check_topic",
    "leave_notice",
    "presence_topic",
]

MAX_TOPIC_LENGTH = 200
MAX_MESSAGE_BYTES = 1024 * 1024
# A member of a process that died without saying so is gone after this long; living processes renew at a third of it.
PRESENCE_TTL_S = 45.0

Overflow: TypeAlias = Literal["drop_oldest", "drop_newest", "close"]


class ChannelError(CovetError, ValueError):
    """A channel cannot be used as asked: its name, its rule or its message is not allowed."""


class MessageTooLarge(ChannelError):
    """A message is longer than the broker carries."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"A message of {size} bytes is over the limit of {limit}. Publish a key, and let readers fetch the rest."
        )
        self.size = size
        self.limit = limit


class SlowReader(CovetError):
    """A listener with ``overflow="close"`` fell behind by more messages than its queue holds, and was closed."""

    def __init__(self, topic: str, limit: int) -> None:
        super().__init__(f"The reader of channel {topic!r} fell behind by more than {limit} messages and was closed.")
        self.topic = topic
        self.limit = limit


class Roll(Struct, frozen=True):
    """Who is present in a topic: payloads by reference, and those that were found dead just now."""

    present: Mapping[str, bytes]
    expired: Mapping[str, bytes]


class Broker(Protocol):
    """What carries messages and presence for ``channel()``.

    Every method may be called before ``open()``: a broker opens on first use. Methods raise
    ``covet.exceptions.CovetError`` subclasses, never a driver's own errors.
    """

    async def open(self) -> None:
        """Connect; a second call does nothing."""

    async def close(self) -> None:
        """Disconnect and end every listener; the broker may be opened again."""

    async def publish(self, topic: str, payload: bytes) -> None:
        """Hand ``payload`` to every listener of ``topic``, in every process."""

    async def subscribe(self, topic: str, inbox: Inbox) -> None:
        """Deliver to ``inbox`` whatever is published from now on; returns when that is certain."""

    async def unsubscribe(self, topic: str, inbox: Inbox) -> None:
        """Deliver no more to ``inbox``; unknown ones are ignored."""

    async def enter(self, topic: str, reference: str, payload: bytes) -> None:
        """Note that a member is present in ``topic``, and keep it so until ``leave`` or the death of this process."""

    async def leave(self, topic: str, reference: str) -> bool:
        """Forget a member; tells whether it was still there."""

    async def roll(self, topic: str) -> Roll:
        """Everybody present in ``topic``, in all processes. An expired member is reported to one caller only."""


class Inbox:
    """The bounded queue of one listener.

    Args:
        topic: The name of the channel, for messages.
        limit: How many messages may wait.
        overflow: What happens to the one that does not fit: ``drop_oldest`` loses the longest waiting,
            ``drop_newest`` the new one, ``close`` ends the listener with ``SlowReader``.
    """

    __slots__ = ("_closed", "_failure", "_items", "_waiter", "dropped", "limit", "overflow", "topic")

    def __init__(self, topic: str, limit: int, overflow: Overflow) -> None:
        if overflow not in get_args(Overflow):
            raise ChannelError(
                f"Channel {topic!r} has overflow={overflow!r}; write one of {', '.join(get_args(Overflow))}."
            )
        if limit < 1:
            raise ChannelError(f"Channel {topic!r} has limit={limit}; a queue holds at least one message.")
        self.topic = topic
        self.limit = limit
        self.overflow: Overflow = overflow
        self.dropped = 0
        self._items: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False
        self._failure: BaseException | None = None

    def __len__(self) -> int:
        return len(self._items)

    def put(self, payload: bytes) -> None:
        """Add a message, or apply the rule; never waits."""
        if self._closed:
            return
        if len(self._items) >= self.limit:
            self.dropped += 1
            if self.overflow == "close":
                self._items.clear()
                self.close(SlowReader(self.topic, self.limit))
                return
            if self.overflow == "drop_newest":
                return
            self._items.popleft()
        self._items.append(payload)
        self._wake()

    def close(self, failure: BaseException | None = None) -> None:
        """End the listener: what waits is still read, then ``get`` returns None or raises ``failure``."""
        if self._closed:
            return
        self._closed = True
        self._failure = failure
        self._wake()

    async def get(self) -> bytes | None:
        """Return the next message, waiting for it; None once the listener has ended. One reader at a time."""
        while not self._items:
            if self._closed:
                if self._failure is not None:
                    raise self._failure
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._items.popleft()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class FanOut:
    """Topic to the inboxes that listen to it in this process."""

    __slots__ = ("_inboxes",)

    def __init__(self) -> None:
        self._inboxes: dict[str, dict[Inbox, None]] = {}

    def __contains__(self, topic: str) -> bool:
        return topic in self._inboxes

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics that have listeners."""
        return tuple(self._inboxes)

    def add(self, topic: str, inbox: Inbox) -> bool:
        """Add a listener; tells whether it is the first of its topic."""
        inboxes = self._inboxes.get(topic)
        if inboxes is None:
            self._inboxes[topic] = {inbox: None}
            return True
        inboxes[inbox] = None
        return False

    def discard(self, topic: str, inbox: Inbox) -> bool:
        """Remove a listener; tells whether it was the last of its topic."""
        inboxes = self._inboxes.get(topic)
        if inboxes is None or inbox not in inboxes:
            return False
        del inboxes[inbox]
        if inboxes:
            return False
        del self._inboxes[topic]
        return True

    def deliver(self, topic: str, payload: bytes) -> None:
        """Put a message in every inbox of its topic."""
        for inbox in self._inboxes.get(topic, ()):
            inbox.put(payload)

    def each(self, action: Callable[[Inbox], None]) -> None:
        """Call ``action`` with every inbox."""
        for inboxes in list(self._inboxes.values()):
            for inbox in list(inboxes):
                action(inbox)

    def clear(self) -> None:
        """Close and forget every inbox."""
        self.each(Inbox.close)
        self._inboxes.clear()


def check_topic(name: str) -> str:
    """Return ``name`` if it may name a channel.

    Raises:
        ChannelError: It is empty, too long, or has spaces or control characters.
    """
    if not name or len(name) > MAX_TOPIC_LENGTH or not name.isprintable() or any(letter.isspace() for letter in name):
        raise ChannelError(
            f"A channel's name has 1 to {MAX_TOPIC_LENGTH} visible characters without spaces, not {name[:40]!r}."
        )
    return name


def presence_topic(topic: str) -> str:
    """Return the topic that carries the comings and goings of ``topic``; the space keeps it out of users' names."""
    return f"{topic} presence"


def leave_notice(payloads: Iterable[bytes]) -> bytes:
    """Return the message that tells that members have left; ``payloads`` are JSON objects already."""
    return b'{"joins":[],"leaves":[' + b",".join(payloads) + b"]}"
