"""Rate limits: six algorithms, counted in this process or in Redis, alike to the last digit."""

from typing import TYPE_CHECKING

from covet.loading import late_names

if TYPE_CHECKING:
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

if not TYPE_CHECKING:
    __getattr__, __dir__ = late_names(
        __name__,
        {
            "covet.limits.algorithms": (
                "ALGORITHMS",
                "Algorithm",
                "FixedWindow",
                "Gcra",
                "LeakyBucket",
                "Rate",
                "SlidingCounter",
                "SlidingLog",
                "TokenBucket",
                "Verdict",
            ),
            "covet.limits.stores": ("MemoryStore", "RedisStore", "Store", "store_of"),
        },
    )
