"""The result cache as a whole: ``from covet.db.models import query_cache``, then ``await query_cache.invalidate(Article)``.

``queryset.cache()`` puts results in; writes take them out by themselves. This is for what no statement of ours says: a
trigger, another program, a tag.
"""

from __future__ import annotations

from msgspec.structs import replace

from covet.db.freshness import Counts, freshness
from covet.db.models.query.result_cache import invalidate
from covet.db.stores import ResultStore

__all__ = ["Counts", "clear", "counts", "invalidate", "use"]


async def clear() -> None:
    """Make every cached result out of date."""
    await freshness.clear()


def counts() -> Counts:
    """Return what the cache did so far in this process: hits, misses, and the rest."""
    return replace(freshness.counts)


def use(store: ResultStore) -> None:
    """Keep results in another store than ``QUERY_CACHE`` names; for rooms and tests that have one at hand."""
    freshness.use(store)
