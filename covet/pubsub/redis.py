"""The broker that reaches every process connected to one Redis server.

One connection of this process listens; a topic is subscribed there once, when its first local listener comes, and
``subscribe`` returns when Redis has confirmed it, so nothing published afterwards is missed. After a lost connection
everything is subscribed again; what was published meanwhile is gone (delivery is at most once).

Presence is kept in two keys a topic: a hash of payloads and a sorted set of expiry times by Redis' own clock. The
process renews its members; who died is removed by the first script that looks.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from covet.pubsub.base import PRESENCE_TTL_S, FanOut, Inbox, Roll, leave_notice, presence_topic
from covet.redis import RedisPools, RedisUnavailable, redis_errors

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import PubSub

__all__ = ["RedisBroker"]

logger = logging.getLogger("covet.pubsub")

CONFIRM_TIMEOUT_S = 5.0
POLL_S = 15.0
RETRY_FIRST_S = 0.05
RETRY_LAST_S = 5.0

_ENTER = """
local time = redis.call('TIME')
local deadline = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
for i = 2, #ARGV, 2 do
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    redis.call('ZADD', KEYS[2], deadline, ARGV[i])
end
redis.call('PEXPIRE', KEYS[1], ARGV[1] * 4)
redis.call('PEXPIRE', KEYS[2], ARGV[1] * 4)
return 1
"""
_LEAVE = """
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('HDEL', KEYS[1], ARGV[1])
"""
_ROLL = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local dead = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now)
local expired = {}
for _, reference in ipairs(dead) do
    local payload = redis.call('HGET', KEYS[1], reference)
    redis.call('ZREM', KEYS[2], reference)
    if payload then
        redis.call('HDEL', KEYS[1], reference)
        expired[#expired + 1] = reference
        expired[#expired + 1] = payload
    end
end
return {redis.call('HGETALL', KEYS[1]), expired}
"""


class RedisBroker:
    """Carries messages and presence through a Redis server.

    Args:
        pools: Where the client comes from.
        url: The server, or its name in ``REDIS_URL``.
        prefix: Stands before every key and topic, so that projects can share a server.
        ttl_s: After how long a member of a dead process is gone.
    """

    def __init__(self, pools: RedisPools, url: str, *, prefix: str = "covet", ttl_s: float = PRESENCE_TTL_S) -> None:
        self._pools = pools
        self._url = pools.url(url)
        self._prefix = prefix
        self._ttl_s = ttl_s
        self._fan_out = FanOut()
        self._members: dict[str, dict[str, bytes]] = {}
        self._pubsub: PubSub | None = None
        self._reader: asyncio.Task[None] | None = None
        self._renewer: asyncio.Task[None] | None = None
        self._confirmed: dict[bytes, asyncio.Future[None]] = {}
        # Guards the connection's life and its SUBSCRIBE/UNSUBSCRIBE commands: their order is the order of listeners.
        self._lock = asyncio.Lock()

    async def open(self) -> None:
        """Connect the listening connection and start its reader."""
        async with self._lock:
            await self._open()

    async def close(self) -> None:
        """Tell Redis that our members are gone, stop the reader, end every listener."""
        members, self._members = self._members, {}
        # First of all: who is renewed after leaving would be present until the time to live is over.
        await _end(self._renewer)
        with contextlib.suppress(RedisUnavailable):
            for topic, payloads in members.items():
                for reference in payloads:
                    await self._script(_LEAVE, topic, reference)
                await self.publish(presence_topic(topic), leave_notice(payloads.values()))
        async with self._lock:
            await _end(self._reader)
            self._renewer = self._reader = None
            self._fan_out.clear()
            pubsub, self._pubsub = self._pubsub, None
            if pubsub is not None:
                await pubsub.aclose()  # type: ignore[no-untyped-call]

    async def publish(self, topic: str, payload: bytes) -> None:
        """Publish to every process, this one included.

        Raises:
            RedisUnavailable: The server cannot be reached.
        """
        with redis_errors(self._url):
            await self._client.execute_command("PUBLISH", self._key(topic), payload)  # type: ignore[no-untyped-call]

    async def subscribe(self, topic: str, inbox: Inbox) -> None:
        """Deliver to ``inbox`` what is published from now on, in any process.

        Raises:
            RedisUnavailable: The server cannot be reached.
        """
        async with self._lock:
            await self._open()
            if not self._fan_out.add(topic, inbox):
                return
            try:
                await self._subscribe(topic)
            except BaseException:
                self._fan_out.discard(topic, inbox)
                await self._unsubscribe(topic)
                raise

    async def unsubscribe(self, topic: str, inbox: Inbox) -> None:
        """Deliver no more to ``inbox``; the last one of a topic ends its subscription."""
        async with self._lock:
            if self._fan_out.discard(topic, inbox):
                await self._unsubscribe(topic)

    async def enter(self, topic: str, reference: str, payload: bytes) -> None:
        """Note a member, and renew it until it leaves."""
        await self.open()
        await self._script(_ENTER, topic, self._ttl_ms, reference, payload)
        self._members.setdefault(topic, {})[reference] = payload

    async def leave(self, topic: str, reference: str) -> bool:
        """Forget a member."""
        members = self._members.get(topic, {})
        members.pop(reference, None)
        if not members:
            self._members.pop(topic, None)
        return bool(await self._script(_LEAVE, topic, reference))

    async def roll(self, topic: str) -> Roll:
        """Everybody present in any process; removes those whose process died."""
        present, expired = await self._script(_ROLL, topic)
        return Roll(present=_pairs(present), expired=_pairs(expired))

    @property
    def _client(self) -> Redis:
        return self._pools.client(self._url)

    @property
    def _ttl_ms(self) -> int:
        return int(self._ttl_s * 1000)

    def _key(self, topic: str) -> bytes:
        return f"{self._prefix}:channel:{topic}".encode()

    async def _open(self) -> None:
        """Connect, once; the caller holds the lock."""
        if self._pubsub is not None:
            return
        # A topic of our own keeps the connection in subscribed state, so that the reader always has what to wait for.
        pubsub = self._client.pubsub()
        try:
            with redis_errors(self._url):
                await pubsub.subscribe(self._key(" control"))
        except BaseException:
            # Gives back the connection that it may have taken from the pool.
            await pubsub.aclose()  # type: ignore[no-untyped-call]
            raise
        self._pubsub = pubsub
        self._reader = asyncio.create_task(self._read(pubsub), name=f"covet pubsub reader {self._prefix}")
        self._renewer = asyncio.create_task(self._renew(), name=f"covet pubsub presence {self._prefix}")

    async def _subscribe(self, topic: str) -> None:
        assert self._pubsub is not None
        key = self._key(topic)
        confirmed = self._confirmed[key] = asyncio.get_running_loop().create_future()
        try:
            with redis_errors(self._url):
                await self._pubsub.subscribe(key)
                await asyncio.wait_for(confirmed, CONFIRM_TIMEOUT_S)
        finally:
            self._confirmed.pop(key, None)

    async def _unsubscribe(self, topic: str) -> None:
        """Tell Redis to send a topic no more; the caller holds the lock."""
        if self._pubsub is None:
            return
        # A connection that is down has no subscriptions either: when it comes back, this topic is not asked for.
        with contextlib.suppress(RedisUnavailable), redis_errors(self._url):
            await self._pubsub.unsubscribe(self._key(topic))

    async def _read(self, pubsub: PubSub) -> None:
        """Deliver what comes in, for as long as the broker is open; reconnect when the connection is lost."""
        from redis.exceptions import RedisError

        start = len(self._key(""))
        delay_s = RETRY_FIRST_S
        while True:
            try:
                message = await pubsub.get_message(timeout=POLL_S)
            except (RedisError, OSError, TimeoutError) as error:
                logger.warning("Redis pub/sub connection lost (%s); trying again in %.2f s", error, delay_s)
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, RETRY_LAST_S)
                with contextlib.suppress(RedisError, OSError, TimeoutError):
                    await pubsub.connect()  # type: ignore[no-untyped-call]
                continue
            delay_s = RETRY_FIRST_S
            if message is not None:
                self._take(message, start)

    def _take(self, message: dict[str, Any], start: int) -> None:
        if message["type"] == "message":
            self._fan_out.deliver(message["channel"][start:].decode(), message["data"])
        elif message["type"] == "subscribe":
            confirmed = self._confirmed.get(message["channel"])
            if confirmed is not None and not confirmed.done():
                confirmed.set_result(None)

    async def _renew(self) -> None:
        """Keep our members alive, and tell listeners about those of dead processes."""
        while True:
            await asyncio.sleep(self._ttl_s / 3)
            for topic, members in list(self._members.items()):
                renewed = dict(members)
                pairs = [item for pair in renewed.items() for item in pair]
                try:
                    await self._script(_ENTER, topic, self._ttl_ms, *pairs)
                    # Who left while the script was on its way may have been put back by it.
                    for reference in renewed.keys() - self._members.get(topic, {}).keys():
                        await self._script(_LEAVE, topic, reference)
                    roll = await self.roll(topic)
                    if roll.expired:
                        await self.publish(presence_topic(topic), leave_notice(roll.expired.values()))
                except RedisUnavailable as error:
                    logger.warning("Presence in %r was not renewed: %s", topic, error)

    async def _script(self, source: str, topic: str, *args: str | bytes | int) -> Any:
        # The braces put both keys in one slot of a cluster.
        keys = (f"{self._prefix}:presence:{{{topic}}}:who", f"{self._prefix}:presence:{{{topic}}}:until")
        with redis_errors(self._url):
            return await self._client.execute_command("EVAL", source, 2, *keys, *args)  # type: ignore[no-untyped-call]


async def _end(task: asyncio.Task[None] | None) -> None:
    """Cancel a task and wait until it has ended."""
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _pairs(flat: list[bytes]) -> dict[str, bytes]:
    return {flat[index].decode(): flat[index + 1] for index in range(0, len(flat), 2)}
