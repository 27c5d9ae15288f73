"""See the statements that run: for tests that count them, debug pages and slow-query logs. Free while nobody looks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from covet.db.database import QueryRecord, recorders

__all__ = ["QueryRecord", "log_slow_queries", "observe_queries", "record_queries"]

log = logging.getLogger("covet.db.slow")


@contextmanager
def observe_queries(listener: Callable[[QueryRecord], None]) -> Iterator[None]:
    """Call ``listener`` after each statement of this context, and of the tasks started in it."""
    token = recorders.set((*recorders.get(), listener))
    try:
        yield
    finally:
        recorders.reset(token)


@contextmanager
def record_queries(aliases: Collection[str] | None = None) -> Iterator[list[QueryRecord]]:
    """Gather the statements that run inside the block, in this task and in those it starts.

    Args:
        aliases: Only these databases; all when left out.
    """
    records: list[QueryRecord] = []

    def keep(record: QueryRecord) -> None:
        if aliases is None or record.alias in aliases:
            records.append(record)

    with observe_queries(keep):
        yield records


@contextmanager
def log_slow_queries(over_s: float) -> Iterator[None]:
    """Log statements that take longer than ``over_s``, with the place that asked for them, never with their values."""

    def look(record: QueryRecord) -> None:
        if record.duration_s > over_s:
            log.warning("%.0f ms on '%s' from %s: %s", record.duration_s * 1e3, record.alias, record.where, record.sql)

    with observe_queries(look):
        yield
