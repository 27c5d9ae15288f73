"""Rate limits: six algorithms, counted in this process or in Redis, alike to the last digit."""

from covet.limits.algorithms import (
    ALGORITHMS,
    Algorithm,
    FixedWindow,
    Gcra,
    LeakyBucket,
    Rate,
    SlidingCounter,
    SlidingLog,
    TokenBucket,
    Verdict,
)
from covet.limits.stores import MemoryStore, RedisStore, Store, store_of

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "FixedWindow",
    "Gcra",
    "LeakyBucket",
    "MemoryStore",
    "Rate",
    "RedisStore",
    "SlidingCounter",
    "SlidingLog",
    "Store",
    "TokenBucket",
    "Verdict",
    "store_of",
]
