"""The broker of one process: messages go straight from ``publish`` to the listeners' queues."""

from __future__ import annotations

from covet.pubsub.base import FanOut, Inbox, Roll

__all__ = ["MemoryBroker"]


class MemoryBroker:
    """Carries messages inside this process; nothing to connect, nothing that can fail."""

    def __init__(self) -> None:
        self._fan_out = FanOut()
        self._present: dict[str, dict[str, bytes]] = {}

    async def open(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """End every listener and forget who was present."""
        self._fan_out.clear()
        self._present.clear()

    async def publish(self, topic: str, payload: bytes) -> None:
        """Put ``payload`` in the queue of every listener."""
        self._fan_out.deliver(topic, payload)

    async def subscribe(self, topic: str, inbox: Inbox) -> None:
        """Deliver to ``inbox`` from now on."""
        self._fan_out.add(topic, inbox)

    async def unsubscribe(self, topic: str, inbox: Inbox) -> None:
        """Deliver no more to ``inbox``."""
        self._fan_out.discard(topic, inbox)

    async def enter(self, topic: str, reference: str, payload: bytes) -> None:
        """Note a member."""
        self._present.setdefault(topic, {})[reference] = payload

    async def leave(self, topic: str, reference: str) -> bool:
        """Forget a member."""
        members = self._present.get(topic, {})
        found = members.pop(reference, None) is not None
        if not members:
            self._present.pop(topic, None)
        return found

    async def roll(self, topic: str) -> Roll:
        """Everybody in ``topic``; members of one process cannot expire."""
        return Roll(present=dict(self._present.get(topic, {})), expired={})
