"""Assertions about what a block of code asked of the databases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Self

from covet.db.connections import connections
from covet.db.database import Database
from covet.db.observe import QueryRecord, record_queries

__all__ = ["CaptureQueriesContext", "assert_queries"]


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


class CaptureQueriesContext:
    """The statements that a database runs inside the block: ``with CaptureQueriesContext(connection) as captured:``.

    ``len(captured)``, ``captured[0]["sql"]`` and ``for query in captured`` read them, inside the block and after it.

    Args:
        connection: The database; the default one when left out.
    """

    def __init__(self, connection: Database | None = None) -> None:
        self.connection = connections["default"] if connection is None else connection
        self.captured_queries: list[QueryRecord] = []
        self._recording: AbstractContextManager[list[QueryRecord]] | None = None

    def __enter__(self) -> Self:
        self._recording = record_queries([self.connection.alias])
        self.captured_queries = self._recording.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._recording is not None:
            self._recording.__exit__(None, None, None)

    def __len__(self) -> int:
        return len(self.captured_queries)

    def __iter__(self) -> Iterator[QueryRecord]:
        return iter(self.captured_queries)

    def __getitem__(self, index: int) -> QueryRecord:
        return self.captured_queries[index]
