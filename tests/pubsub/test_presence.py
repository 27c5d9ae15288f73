"""Who is in a channel: several tabs, crashes, and what listeners are told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from covet.exceptions import NotLoaded
from covet.pubsub import ChannelError, PresenceChange, channel
from covet.pubsub.base import Broker
from covet.pubsub.memory import MemoryBroker
from covet.pubsub.redis import _ENTER, _LEAVE, RedisBroker
from covet.redis import RedisPools, RedisUnavailable


class Somebody:
    """As much of a user as presence looks at."""

    def __init__(self, pk: int | None, loader: Any = None) -> None:
        self.pk = pk
        self._row_state = type("State", (), {"loader": loader})()

    def __str__(self) -> str:
        return f"user {self.pk}"


async def test_members_are_there_for_the_time_of_the_block(broker: Broker) -> None:
    watcher = channel("room", broker=broker)

    async with channel("room", presence="ann", broker=broker):
        async with channel("room", presence={"key": "bob", "colour": "red"}, broker=broker):
            both = await watcher.presence.list()
        one = await watcher.presence.list()

    assert both == {"ann": [{}], "bob": [{"colour": "red"}]}
    assert one == {"ann": [{}]}
    assert await watcher.presence.list() == {}


async def test_a_user_with_two_tabs_stays_until_both_are_closed(broker: Broker) -> None:
    user = Somebody(7)
    watcher = channel("room", broker=broker)

    async with channel("room", presence=user, broker=broker):
        async with channel("room", presence=user, broker=broker):
            assert await watcher.presence.list() == {"7": [{"name": "user 7"}, {"name": "user 7"}]}
        assert list(await watcher.presence.list()) == ["7"]

    assert await watcher.presence.list() == {}


async def test_an_anonymous_user_is_counted_under_one_name(broker: Broker) -> None:
    async with channel("room", presence=Somebody(None), broker=broker) as ch:
        assert await ch.presence.list() == {"anonymous": [{}]}


async def test_a_claim_that_nobody_checked_is_not_presence(broker: Broker) -> None:
    with pytest.raises(NotLoaded, match=r"await ws\.user"):
        async with channel("room", presence=Somebody(7, loader=lambda user: user), broker=broker):
            pass

    assert await channel("room", broker=broker).presence.list() == {}


@pytest.mark.parametrize("who", [{"colour": "red"}, object(), True])
async def test_what_cannot_be_present_is_refused(broker: Broker, who: Any) -> None:
    with pytest.raises(ChannelError, match="presence"):
        async with channel("room", presence=who, broker=broker):
            pass


async def next_change(changes: Any) -> PresenceChange:
    async with asyncio.timeout(60):
        change: PresenceChange = await anext(changes)
        return change


async def test_changes_tell_who_comes_and_goes(broker: Broker) -> None:
    changes = channel("room", broker=broker).presence.changes()
    coming = asyncio.create_task(next_change(changes))
    await _until_listening(broker, "room presence")

    async with channel("room", presence="ann", broker=broker):
        joined = await coming
    left = await next_change(changes)
    await changes.aclose()

    assert [member.key for member in joined.joins] == ["ann"]
    assert joined.leaves == ()
    assert [member.reference for member in left.leaves] == [member.reference for member in joined.joins]


async def test_members_of_a_dead_process_are_gone_after_their_time(
    redis_broker: RedisBroker, pools: RedisPools
) -> None:
    dead = RedisBroker(pools, "default", prefix=redis_broker._prefix)
    await dead.enter("room", "reference", b'{"key":"ann","reference":"reference","meta":{}}')
    for task in (
        dead._reader,
        dead._renewer,
    ):  # what dying looks like from outside: nothing is renewed, nothing is said
        assert task is not None
        task.cancel()
    watcher = channel("room", broker=redis_broker)
    changes = watcher.presence.changes()
    leaving = asyncio.create_task(next_change(changes))
    await _until_listening(redis_broker, "room presence")
    assert list(await watcher.presence.list()) == ["ann"]

    # Time passes by the server's clock, which nobody can turn: so the member's time is turned back instead.
    ((key, deadlines),) = (await _deadlines(redis_broker)).items()
    assert set(deadlines) == {b"reference"}
    await redis_broker._client.zadd(key, {b"reference": 0.0})

    assert await watcher.presence.list() == {}
    change = await leaving
    await changes.aclose()
    await dead.close()

    assert [member.key for member in change.leaves] == ["ann"]


async def test_living_members_are_renewed_beyond_their_time(redis_broker: RedisBroker, pools: RedisPools) -> None:
    quick = RedisBroker(pools, "default", prefix=redis_broker._prefix, ttl_s=3)  # renewed each second
    async with channel("room", presence="ann", broker=quick):
        ((key, first),) = (await _deadlines(quick)).items()
        async with asyncio.timeout(60):
            while (later := (await _deadlines(quick))[key]) == first:
                await asyncio.sleep(0.02)
    await quick.close()

    assert later.keys() == first.keys()
    assert all(later[reference] > first[reference] for reference in first)


class Unheard(MemoryBroker):
    """Carries nothing."""

    async def publish(self, topic: str, payload: bytes) -> None:
        raise RedisUnavailable("redis://nowhere", "it is gone")


async def test_who_could_not_be_announced_is_not_present() -> None:
    broker = Unheard()

    with pytest.raises(RedisUnavailable):
        async with channel("room", presence="ann", broker=broker):
            pass

    assert (await broker.roll("room")).present == {}


class Overtaken(RedisBroker):
    """Whose renewal of a member is on its way while the member leaves."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.is_renewing = False
        self.was_put_back = asyncio.Event()

    async def _script(self, source: str, topic: str, *args: str | bytes | int) -> Any:
        if source == _ENTER and self.is_renewing:
            self.is_renewing = False
            await self.leave(topic, str(args[1]))
            found = await super()._script(source, topic, *args)
            self.was_put_back.set()
            return found
        return await super()._script(source, topic, *args)


async def test_who_leaves_while_being_renewed_has_left(redis_broker: RedisBroker, pools: RedisPools) -> None:
    broker = Overtaken(pools, "default", prefix=redis_broker._prefix, ttl_s=0.3)
    await broker.enter("room", "reference", b'{"key":"ann","reference":"reference","meta":{}}')
    broker.is_renewing = True

    async with asyncio.timeout(60):
        await broker.was_put_back.wait()
        # Not because the time of who was put back is over.
        members = f"{broker._prefix}:presence:{{room}}:who"
        await redis_broker._client.persist(members)
        while await redis_broker._client.exists(members):
            await asyncio.sleep(0.005)
    await broker.close()


async def test_the_end_of_a_broker_renews_nobody_who_has_left(redis_broker: RedisBroker, pools: RedisPools) -> None:
    order: list[str] = []
    is_renewing = asyncio.Event()

    class Slow(RedisBroker):
        async def _script(self, source: str, topic: str, *args: str | bytes | int) -> Any:
            if source == _ENTER and self._members:
                is_renewing.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    order.append("renewed no more")
            if source == _LEAVE:
                order.append("left")
            return await super()._script(source, topic, *args)

    broker = Slow(pools, "default", prefix=redis_broker._prefix, ttl_s=0.03)
    await broker.enter("room", "reference", b'{"key":"ann","reference":"reference","meta":{}}')
    await is_renewing.wait()

    await broker.close()

    assert order == ["renewed no more", "left"]


async def _deadlines(broker: RedisBroker) -> dict[bytes, dict[bytes, float]]:
    """Until when each member is there, in milliseconds of the server's clock, by the key that holds it."""
    keys = [key async for key in broker._client.scan_iter(match=f"{broker._prefix}:presence:*:until")]
    return {key: dict(await broker._client.zrange(key, 0, -1, withscores=True)) for key in keys}


async def _until_listening(broker: Broker, topic: str) -> None:
    """Wait until the broker has a listener of that topic, confirmed."""
    async with asyncio.timeout(60):
        while topic not in broker._fan_out or getattr(broker, "_confirmed", None):  # type: ignore[attr-defined]
            await asyncio.sleep(0.005)
