"""Cached results in Redis: right across processes and machines, by one script for each step of the protocol.

Keys, all under the store's prefix: ``m:<name>`` is the mark of a table or tag, ``w:<name>`` its writers with the ends of their
leases, ``e:<key>`` an entry with the marks that it was made under. Every script runs alone, so that a mark, a writer and an
entry are always seen together; ``covet.db.stores`` tells why that is enough.

A mark that Redis has lost is made anew, different from all before, so eviction only costs entries. A server that comes back
with data of an earlier moment (a restored dump, a replica that lagged when it took over) may give entries that are older
than their timeout allows nobody to notice: keep no dumps of this database, or let timeouts be short.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final

from covet.db.stores import EVERYTHING, Found, Marks
from covet.redis import RedisPools, redis_errors

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["RedisStore"]

#: After so long a writer that said nothing more is taken for dead.
LEASE_S: Final = 120.0
#: A mark lives longer than the entries that carry it.
_MARK_TTL_S: Final = 7 * 24 * 3600

_MARKS: Final = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local function marks(names, fresh, ttl)
    local found = {}
    for i, name in ipairs(names) do
        if redis.call('ZREMRANGEBYSCORE', KEYS[1] .. 'w:' .. name, '-inf', now) > 0 then
            redis.call('SET', KEYS[1] .. 'm:' .. name, fresh, 'PX', ttl)
        end
        if redis.call('EXISTS', KEYS[1] .. 'w:' .. name) == 1 then return nil end
        local mark = redis.call('GET', KEYS[1] .. 'm:' .. name)
        if not mark then
            mark = fresh
            redis.call('SET', KEYS[1] .. 'm:' .. name, mark, 'PX', ttl)
        end
        found[i] = mark
    end
    return table.concat(found, ',')
end
"""
_GET: Final = (
    _MARKS
    + """
local names = {}
for i = 4, #ARGV do names[#names + 1] = ARGV[i] end
local seen = marks(names, ARGV[2], ARGV[3])
if not seen then return {false, false} end
local entry = redis.call('HMGET', KEYS[1] .. 'e:' .. ARGV[1], 'm', 'v')
if entry[1] == seen then return {seen, entry[2]} end
return {seen, false}
"""
)
_SET: Final = (
    _MARKS
    + """
local names = {}
for i = 7, #ARGV do names[#names + 1] = ARGV[i] end
if marks(names, ARGV[2], ARGV[3]) ~= ARGV[4] then return 0 end
local key = KEYS[1] .. 'e:' .. ARGV[1]
redis.call('HSET', key, 'm', ARGV[4], 'v', ARGV[5])
redis.call('PEXPIRE', key, ARGV[6])
for _, name in ipairs(names) do redis.call('PEXPIRE', KEYS[1] .. 'm:' .. name, ARGV[3]) end
return 1
"""
)
_BEGIN: Final = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
for i = 3, #ARGV do
    local key = KEYS[1] .. 'w:' .. ARGV[i]
    redis.call('ZADD', key, now + tonumber(ARGV[2]), ARGV[1])
    redis.call('PERSIST', key)
end
return 1
"""
_END: Final = """
for i = 3, #ARGV do
    redis.call('ZREM', KEYS[1] .. 'w:' .. ARGV[i], ARGV[1])
    redis.call('SET', KEYS[1] .. 'm:' .. ARGV[i], ARGV[1], 'PX', ARGV[2])
end
return 1
"""


class RedisStore:
    """Keeps entries in Redis, for all processes that name the same server and prefix.

    Args:
        pools: The clients.
        name: A URL, or a name of REDIS_URL.
        prefix: Stands before all keys, so that projects can share a server.
        lease_s: After how long a writer that died is given up.
        owns_pools: Nobody else uses the clients, so that ``close`` closes them.
    """

    def __init__(
        self,
        pools: RedisPools,
        name: str = "default",
        *,
        prefix: str = "covet:query",
        lease_s: float = LEASE_S,
        owns_pools: bool = False,
    ) -> None:
        self._owns_pools = owns_pools
        self._pools = pools
        self._url = pools.url(name)
        # In braces the prefix is what Redis Cluster finds a server by: one for all keys.
        self._prefix = f"{{{prefix}}}:"
        self._lease_s = lease_s
        self._scripts: dict[str, Any] = {}

    async def get(self, key: str, names: Collection[str]) -> Found:
        """Return the entry of a key if it is fresh, and the marks of the names.

        Raises:
            RedisUnavailable: The server does not answer.
        """
        marks, value = await self._run(_GET, key, _fresh(), _ms(_MARK_TTL_S), EVERYTHING, *names)
        return Found(value or None, None if not marks else (marks.decode(),))

    async def set(self, key: str, value: bytes, names: Collection[str], marks: Marks, timeout_s: float) -> bool:
        """Keep an entry, if the marks of its names are still those.

        Raises:
            RedisUnavailable: The server does not answer.
        """
        ttl = _ms(max(_MARK_TTL_S, 2 * timeout_s))
        times = (ttl, marks[0], value, _ms(timeout_s))
        return bool(await self._run(_SET, key, _fresh(), *times, EVERYTHING, *names))

    async def begin(self, names: Collection[str]) -> str:
        """Make names busy for all processes.

        Raises:
            RedisUnavailable: The server does not answer.
        """
        writer = _fresh()
        await self._run(_BEGIN, writer, _ms(self._lease_s), *names)
        return writer

    async def end(self, names: Collection[str], writer: str) -> None:
        """Give names new marks; this writer keeps them busy no more.

        Raises:
            RedisUnavailable: The server does not answer.
        """
        await self._run(_END, writer or _fresh(), _ms(_MARK_TTL_S), *names)

    async def clear(self) -> None:
        """Make every entry out of date; Redis drops each when its time is over.

        Raises:
            RedisUnavailable: The server does not answer.
        """
        await self.end([EVERYTHING], "")

    async def close(self) -> None:
        """Close the clients, if they are this store's own; a later call opens them again."""
        if self._owns_pools:
            await self._pools.close()

    async def _run(self, text: str, *arguments: str | bytes | int) -> Any:
        client: Redis = self._pools.client(self._url)
        script = self._scripts.get(text)
        if script is None:
            script = self._scripts[text] = client.register_script(text)
        with redis_errors(self._url):
            return await asyncio.wait_for(script(keys=[self._prefix], args=arguments, client=client), _ANSWER_S)


#: A query must not wait longer for its cache than it would for its database.
_ANSWER_S: Final = 2.0


def _fresh() -> str:
    return uuid.uuid4().hex


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
