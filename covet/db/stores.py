"""Where cached results of queries live: the protocol of a store, and the store in the memory of one process.

A store knows *names* (tables and tags) and *entries* (bytes under a key, made from some names). It keeps one promise: an
entry is given only while nothing was written under any of its names since before the entry's query began. How that
holds against writes at the same moment:

* A reader asks for the entry by ``get`` and, if there is none, is given the *marks* of its names as they are now. It runs
  its query afterwards, and hands the marks back to ``set``.
* A writer calls ``begin`` before its commit and ``end`` after it. In between its names are busy: ``get`` gives neither an
  entry nor marks, and ``set`` stores nothing. ``end`` gives the names new marks.
* So let a reader's query see the data from before a commit. Its marks are from before the query. Either the writer is busy when
  ``set`` comes, or it is done and the marks have changed: stored it is never. And nobody reads an old entry after the
  commit: from before it until ``end`` the names are busy, and after that no entry has their marks.
* A writer that dies between the two leaves its names busy until its lease is over; then they get new marks.

Another store, such as one of a cache room, implements ``ResultStore`` and is named by ``QUERY_CACHE``.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Collection
from typing import Final, Protocol, TypeAlias

from msgspec import Struct

__all__ = ["EVERYTHING", "Found", "Marks", "MemoryStore", "ResultStore"]

#: The name that every entry has beside its own; what is written under it ends them all.
EVERYTHING: Final = "*"

#: What a store says of some names at one moment; opaque to everybody else.
Marks: TypeAlias = tuple[str, ...]


class Found(Struct, frozen=True):
    """What a store has under a key.

    Attributes:
        value: The entry; ``None`` where there is none.
        marks: What to hand to ``set`` with a new entry; ``None`` while one of the names is being written.
    """

    value: bytes | None = None
    marks: Marks | None = None


class ResultStore(Protocol):
    """Keeps entries, and forgets them when one of their names is written."""

    async def get(self, key: str, names: Collection[str]) -> Found:
        """Return the entry of a key if it is fresh, and the marks of the names.

        Args:
            key: The entry.
            names: The tables and tags that it was, or will be, made from; always the same ones for a key, in one order.
        """

    async def set(self, key: str, value: bytes, names: Collection[str], marks: Marks, timeout_s: float) -> bool:
        """Keep an entry for so many seconds, if the marks of its names are still those; return whether it was kept."""

    async def begin(self, names: Collection[str]) -> str:
        """Make names busy, before a write under them takes effect; return what ``end`` takes."""

    async def end(self, names: Collection[str], writer: str) -> None:
        """Give names new marks, after the write has taken effect or was given up; they are busy no more."""

    async def clear(self) -> None:
        """Forget all entries."""

    async def close(self) -> None:
        """Let go of connections; the store may be used again."""


class MemoryStore:
    """Keeps entries in the memory of this process, and hears of this process' writes alone.

    With several workers each has entries of its own, and a write in one of them leaves those of the others until their
    timeout: for such a site name a Redis server.

    Args:
        max_entries: How many entries are kept; the one unused for longest goes first.
        max_bytes: How large all entries may be together.
        clock: Tells the time in seconds.
    """

    def __init__(
        self,
        *,
        max_entries: int = 10_000,
        max_bytes: int = 64 * 1024 * 1024,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._clock = clock
        # In the order of last use.
        self._entries: dict[str, tuple[bytes, Marks, float]] = {}
        self._size = 0
        self._marks: dict[str, int] = {}
        self._busy: dict[str, int] = {}
        self._count = itertools.count(1)
        self._epoch = next(self._count)

    def __len__(self) -> int:
        return len(self._entries)

    async def get(self, key: str, names: Collection[str]) -> Found:
        """Return the entry of a key if it is fresh, and the marks of the names."""
        marks = self._now(names)
        if marks is None:
            return Found()
        entry = self._entries.get(key)
        if entry is None:
            return Found(None, marks)
        value, kept, until = entry
        if kept != marks or until <= self._clock():
            self._drop(key)
            return Found(None, marks)
        self._entries[key] = self._entries.pop(key)
        return Found(value, marks)

    async def set(self, key: str, value: bytes, names: Collection[str], marks: Marks, timeout_s: float) -> bool:
        """Keep an entry, if the marks of its names are still those and it is not larger than the whole store."""
        if self._now(names) != marks or len(value) > self._max_bytes:
            return False
        self._drop(key)
        self._entries[key] = value, marks, self._clock() + timeout_s
        self._size += len(value)
        while len(self._entries) > self._max_entries or self._size > self._max_bytes:
            self._drop(next(iter(self._entries)))
        return True

    async def begin(self, names: Collection[str]) -> str:
        """Make names busy."""
        for name in names:
            self._busy[name] = self._busy.get(name, 0) + 1
        return ""

    async def end(self, names: Collection[str], writer: str) -> None:
        """Give names new marks; they are busy no more."""
        for name in names:
            self._marks[name] = next(self._count)
            left = self._busy.get(name, 0) - 1
            if left > 0:
                self._busy[name] = left
            else:
                self._busy.pop(name, None)
        if len(self._marks) > 2 * self._max_entries:
            # Tags may be made of anything, and only a new epoch can tell an old mark from one that was forgotten.
            await self.clear()

    async def clear(self) -> None:
        """Forget all entries."""
        self._entries.clear()
        self._marks.clear()
        self._size = 0
        self._epoch = next(self._count)

    async def close(self) -> None:
        """Do nothing: there are no connections."""

    def _now(self, names: Collection[str]) -> Marks | None:
        every = (EVERYTHING, *names)
        if self._busy and not self._busy.keys().isdisjoint(every):
            return None
        return (str(self._epoch), *[str(self._marks.get(name, 0)) for name in every])

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._size -= len(entry[0])
