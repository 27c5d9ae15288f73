"""Where limits are counted: in this process, or in Redis for all of them together."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from covet.limits.algorithms import Algorithm, State, Verdict
from covet.redis import RedisPools, StoresByUrl, redis_errors

__all__ = ["MemoryStore", "RedisStore", "Store", "store_of"]

_HEAD: Final = """
local now, cost, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local period, burst, hair = tonumber(ARGV[4]), tonumber(ARGV[5]), 1e-6
if not now then
    local clock = redis.call('TIME')
    now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
end
local s = {}
local kept_state = redis.call('GET', KEYS[1])
if kept_state then for number in string.gmatch(kept_state, '%S+') do s[#s + 1] = tonumber(number) end end
local new, allowed, remaining, reset, retry, delay, keep = nil, 1, 0, 0, 0, 0, 0
"""
_TAIL: Final = """
if new then
    -- By another clock than its own the server does not know when a key is over.
    if ARGV[1] ~= '' then keep = keep + 3600 end
    for i = 1, #new do new[i] = string.format('%.17g', new[i]) end
    redis.call('SET', KEYS[1], table.concat(new, ' '), 'PX', math.max(1, math.ceil(keep * 1000)))
end
local function text(number) return string.format('%.17g', number) end
return {allowed, text(remaining), text(reset), text(retry), text(delay)}
"""


class Store(Protocol):
    """Counts what limits ask for."""

    async def hit(self, algorithm: Algorithm, key: str, cost: int = 1) -> Verdict:
        """Count one request of a key, if it is allowed, and say whether it is."""


class MemoryStore:
    """Counts in this process: each worker has its own numbers.

    Args:
        clock: Tells the time in seconds.
        max_keys: How many keys are remembered; the oldest go first.
    """

    def __init__(self, clock: Callable[[], float] = time.time, *, max_keys: int = 100_000) -> None:
        self._clock = clock
        self._max_keys = max_keys
        # In the order of last use, so that what is forgotten first stands first.
        self._states: dict[str, tuple[State, float]] = {}

    async def hit(self, algorithm: Algorithm, key: str, cost: int = 1) -> Verdict:
        """Count one request of a key; nothing is awaited, so nothing comes between reading and writing."""
        now = self._clock()
        state, until = self._states.get(key, ((), math.inf))
        new, verdict, keep_s = algorithm.decide(() if until < now else state, now, cost)
        if new is not None:
            self._states.pop(key, None)
            self._states[key] = new, now + keep_s
            self._forget(now)
        return verdict

    def _forget(self, now: float) -> None:
        """Drop a few keys that are over, or the oldest when there are too many."""
        for _ in range(2):
            oldest = next(iter(self._states))
            if self._states[oldest][1] >= now and len(self._states) <= self._max_keys:
                return
            del self._states[oldest]

    def __len__(self) -> int:
        return len(self._states)


class RedisStore:
    """Counts in Redis, by one script a request: right across processes and machines, by the server's clock.

    Args:
        pools: The clients.
        name: A URL, or a name of REDIS_URL.
        prefix: Stands before all keys.
        clock: Tells the time in seconds, in place of the server; the server then forgets each key an hour late.
    """

    def __init__(
        self,
        pools: RedisPools,
        name: str = "default",
        *,
        prefix: str = "covet:limit",
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._pools = pools
        self._name = name
        self._prefix = prefix
        self._clock = clock
        self._scripts: dict[str, Any] = {}

    async def hit(self, algorithm: Algorithm, key: str, cost: int = 1) -> Verdict:
        """Count one request of a key.

        Raises:
            RedisUnavailable: The server does not answer.
        """
        now = "" if self._clock is None else repr(self._clock())
        client = self._pools.client(self._name)
        script = self._scripts.get(algorithm.name)
        if script is None:
            script = self._scripts[algorithm.name] = client.register_script(_HEAD + algorithm.lua + _TAIL)
        numbers: list[str | int] = [now, cost, algorithm.limit, repr(algorithm.period_s), algorithm.burst]
        with redis_errors(self._pools.url(self._name)):
            found = await script(keys=[f"{self._prefix}:{key}"], args=numbers, client=client)
        allowed, remaining, reset_s, retry_s, delay_s = map(float, found)
        return Verdict(
            bool(allowed),
            _limit_of(algorithm),
            int(remaining),
            reset_s,
            None if retry_s < 0 else retry_s,
            delay_s,
        )


def _limit_of(algorithm: Algorithm) -> int:
    return algorithm.burst if algorithm.name in ("token-bucket", "leaky-bucket", "gcra") else algorithm.limit


_stores: StoresByUrl[Store] = StoresByUrl("THROTTLE_STORE", "count", MemoryStore, RedisStore)


def store_of(name: str | None = None) -> Store:
    """Return the project's store: that of ``THROTTLE_STORE``, or another URL's; the same one for every caller.

    Raises:
        ImproperlyConfigured: The URL names no store.
    """
    return _stores.get(name)
