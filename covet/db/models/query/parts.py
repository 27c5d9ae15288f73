"""Many keys in parts: as many in one statement as the database takes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from covet.db.errors import StatementTooLong

__all__ = ["read_parts"]

K = TypeVar("K")


async def read_parts(keys: Sequence[K], size: int, read: Callable[[Sequence[K]], Awaitable[Any]]) -> list[Any]:
    """Return the rows that ``read`` gives for all parts of the keys.

    Args:
        keys: The keys.
        size: The most of them in one statement. A statement that turns out to be too long for the server, which its driver
            says before it is sent, is made of half as many.
        read: Reads the rows of some keys.
    """
    found: list[Any] = []
    for start in range(0, len(keys), size):
        part = keys[start : start + size]
        try:
            found += await read(part)
        except StatementTooLong:
            if len(part) == 1:
                raise
            found += await read_parts(part, (len(part) + 1) // 2, read)
    return found
