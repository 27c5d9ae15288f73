"""Assertions about what a block of code asked of the databases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from covet.db.observe import QueryRecord, record_queries

__all__ = ["assert_queries"]


@contextmanager
def assert_queries(count: int, *, using: str | None = None, exact: bool = True) -> Iterator[Sequence[QueryRecord]]:
    """Assert that the block runs so many statements; the records are given to look into.

    Args:
        count: How many.
        using: Count those of this alias only.
        exact: With False, ``count`` is the most that may run.

    Raises:
        AssertionError: With every statement that ran, and the line of code that asked for it.
    """
    with record_queries(None if using is None else [using]) as records:
        yield records
    ran = len(records)
    if ran == count or (not exact and ran < count):
        return
    listed = "\n".join(
        f"  {number}. {record.sql}" + (f"\n     asked for at {record.where}" if record.where else "")
        for number, record in enumerate(records, 1)
    )
    wanted = f"{count}" if exact else f"at most {count}"
    raise AssertionError(f"{ran} statements ran, {wanted} were expected:\n{listed or '  (none)'}")
