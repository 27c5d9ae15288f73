"""Who is in a channel, across processes.

Each entering has a reference of its own, so a user with three tabs is one key with three entries, and is gone when the
last tab is. A process renews its members; those of a process that died are gone after the broker's time to live.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any

from msgspec import Struct

from covet.exceptions import CovetError, NotLoaded
from covet.json import dumps, loads
from covet.pubsub.base import Broker, ChannelError, Inbox, leave_notice, presence_topic

__all__ = ["Member", "Presence", "PresenceChange"]


class Member(Struct, frozen=True):
    """One entering of somebody: the key says who, the reference which one, the rest is what was told about them."""

    key: str
    reference: str
    meta: Mapping[str, Any]


class PresenceChange(Struct, frozen=True):
    """Who came and who went, in one message."""

    joins: tuple[Member, ...]
    leaves: tuple[Member, ...]


class Presence:
    """The members of one channel."""

    __slots__ = ("_broker", "_entered", "_topic")

    def __init__(self, topic: str, broker: Broker) -> None:
        self._topic = topic
        self._broker = broker
        self._entered: dict[str, bytes] = {}

    async def enter(self, who: Any) -> str:
        """Note that ``who`` is here, and return the reference to leave with.

        Args:
            who: A loaded user (its primary key is the key), a text or number (itself the key), or a mapping with
                ``key`` whose other items are kept with it.

        Raises:
            NotLoaded: ``who`` is a user that has not been awaited: a claim is not presence.
            ChannelError: ``who`` is something else.
        """
        key, meta = _describe(who)
        reference = secrets.token_urlsafe(12)
        payload = dumps({"key": key, "reference": reference, "meta": meta})
        await self._broker.enter(self._topic, reference, payload)
        self._entered[reference] = payload
        try:
            await self._broker.publish(presence_topic(self._topic), b'{"joins":[' + payload + b'],"leaves":[]}')
        except BaseException:
            # Nobody hears of the reference to leave with: the member would be present for as long as this process lives.
            with contextlib.suppress(CovetError):
                await self.leave(reference)
            raise
        return reference

    async def leave(self, reference: str) -> None:
        """Note that a member which entered here has gone; one that is gone already is ignored."""
        payload = self._entered.pop(reference, None)
        if await self._broker.leave(self._topic, reference) and payload is not None:
            await self._broker.publish(presence_topic(self._topic), leave_notice([payload]))

    async def members(self) -> list[Member]:
        """Everybody present now, one entry for each entering."""
        roll = await self._broker.roll(self._topic)
        if roll.expired:
            await self._broker.publish(presence_topic(self._topic), leave_notice(roll.expired.values()))
        return [_member(loads(payload)) for payload in roll.present.values()]

    async def list(self) -> dict[str, list[Mapping[str, Any]]]:
        """Who is present: what was told about each entering, by key."""
        found: dict[str, list[Mapping[str, Any]]] = {}
        for member in await self.members():
            found.setdefault(member.key, []).append(member.meta)
        return found

    async def changes(self) -> AsyncIterator[PresenceChange]:
        """Yield who comes and goes, from the first step on."""
        topic = presence_topic(self._topic)
        inbox = Inbox(topic, 1000, "drop_oldest")
        await self._broker.subscribe(topic, inbox)
        try:
            while (payload := await inbox.get()) is not None:
                change = loads(payload)
                yield PresenceChange(
                    joins=tuple(_member(item) for item in change["joins"]),
                    leaves=tuple(_member(item) for item in change["leaves"]),
                )
        finally:
            await self._broker.unsubscribe(topic, inbox)


def _member(item: dict[str, Any]) -> Member:
    return Member(key=item["key"], reference=item["reference"], meta=item["meta"])


def _describe(who: Any) -> tuple[str, Mapping[str, Any]]:
    if isinstance(who, (str, int)) and not isinstance(who, bool):
        return str(who), {}
    if isinstance(who, Mapping):
        if "key" not in who:
            raise ChannelError("A mapping given as presence needs a 'key' that says who it is.")
        return str(who["key"]), {name: value for name, value in who.items() if name != "key"}
    if hasattr(type(who), "pk") or "pk" in getattr(who, "__dict__", {}):
        # A model's state by the name under which rows share it; asking for _state would make a copy.
        state = getattr(who, "_row_state", None)
        if getattr(state, "loader", None) is not None:
            raise NotLoaded("This user is a claim that nobody has checked; write presence=await ws.user.")
        # Anonymous users have no key of their own: each of their sockets counts under one name.
        return ("anonymous", {}) if who.pk is None else (str(who.pk), {"name": str(who)})
    raise ChannelError(
        f"presence takes a loaded user, a text, a number or a mapping with 'key', not {type(who).__name__}."
    )
