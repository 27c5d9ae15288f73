"""The list that a query gives, and what its rows know of each other: whatever one of them needs is loaded for all.

The list is no more than a list to whoever has it. Rows refer to their batch, and a batch refers to them weakly: nobody keeps a
row alive that the project has let go.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Iterable
from sys import getrefcount
from typing import TYPE_CHECKING, Any

from covet.db.connections import DEFAULT_ALIAS, connections

if TYPE_CHECKING:
    from covet.db.models.state import State

__all__ = ["Batch", "Result", "one_loader"]


class Batch:
    """The rows that were read together: what one of them needs is loaded for all that are still alive.

    Attributes:
        refs: Weak references to rows whose list is gone, or that were added later.
        result: A weak reference to the list of the rows; ``None`` where there is none.
        number: Which rows of the result these are: 0 its own, from 1 those joined to them.
        locks: A lock for each thing being loaded, with the number of its users: ``gather`` makes one statement.
        ahead: What was read for the rows and not asked for yet (``relations.ahead``).
    """

    __slots__ = ("ahead", "locks", "number", "refs", "result")

    def __init__(self, rows: Iterable[Any] = (), number: int = 0) -> None:
        self.refs: list[weakref.ref[Any]] = list(map(weakref.ref, rows))
        self.result: weakref.ref[Result] | None = None
        self.number = number
        self.locks: dict[Any, Any] | None = None
        self.ahead: dict[Any, Any] | None = None

    def alive(self) -> list[Any]:
        """Return the rows that somebody still holds."""
        rows = [row for ref in self.refs if (row := ref()) is not None]
        result = None if self.result is None else self.result()
        if result is None:
            return rows
        if self.number:
            return result.joined[self.number - 1] + rows
        try:
            found = [row for row in result if row._row_state.peers is self]
        except AttributeError:
            # The list is in the hands of the project, which has put other things into it.
            found = [row for row in result if _is_row(row) and row._row_state.peers is self]
        return found + rows if rows else found

    def add(self, row: Any) -> None:
        """Count one more row in."""
        self.refs.append(weakref.ref(row))

    def keep(self, key: Any, rows: list[Any]) -> None:
        """Keep a list of what was loaded for the rows for as long as their own list lives."""
        result = None if self.result is None else self.result()
        if result is not None:
            if result.loaded is None:
                result.loaded = {}
            result.loaded[key] = rows


class one_loader:  # reads as what it does: async with one_loader(…)
    """Let one task load ``name`` for the batch; the others wait and then find it loaded.

    Those of another ``atomic`` block do not wait: the loader's statement may have to wait for their block. The lock is made by
    the first that has to wait, since mostly nobody has.
    """

    __slots__ = ("entry", "key", "locks")

    #: The lock, if there is one, and how many load or wait.
    entry: Any

    def __init__(self, state: State, name: Any) -> None:
        self.entry = None
        batch = state.peers
        if batch is None:
            return
        if batch.locks is None:
            batch.locks = {}
        self.locks = batch.locks
        self.key = (name, connections[state.db or DEFAULT_ALIAS].current_block())
        self.entry = self.locks.get(self.key)
        if self.entry is None:
            self.entry = self.locks[self.key] = [None, 0]

    async def __aenter__(self) -> None:
        entry = self.entry
        if entry is None:
            return
        entry[1] += 1
        if entry[1] == 1:
            return
        try:
            lock = entry[0]
            if lock is None:
                lock = entry[0] = asyncio.Lock()
                # In place of the one that loads; nobody else can have it yet.
                await lock.acquire()
            await lock.acquire()
        except BaseException:
            self._leave()
            raise

    async def __aexit__(self, *exc_info: object) -> None:
        if self.entry is not None:
            if self.entry[0] is not None:
                self.entry[0].release()
            self._leave()

    def _leave(self) -> None:
        self.entry[1] -= 1
        if not self.entry[1]:
            del self.locks[self.key]


class Result(list[Any]):
    """The list that a query gives; while it lives, it is what its rows know each other by.

    A weak reference to every row would cost more time and memory than the row itself, and most rows die with their
    list. So only the rows that outlive it (``rows[::2]`` was kept) get one, when the list goes.

    Attributes:
        batches: The batch of the rows, and of each relation that was joined.
        joined: The rows of those relations.
        loaded: What was loaded for the rows later, by relation. Those lists go when the rows are gone, so that whatever was
            loaded for them alone needs no weak references either.
    """

    __slots__ = ("__weakref__", "batches", "joined", "loaded")

    batches: tuple[Batch, ...]
    joined: tuple[list[Any], ...]
    loaded: dict[Any, list[Any]] | None

    def __del__(self) -> None:
        if self.joined:
            self._refer_to_joined()
        elif self:
            # No row is referred to less often than once, so the sum tells of those that are held elsewhere, without a comparison
            # for each. After a loop its variable still holds the last row: no reason to look at all of them.
            held = sum(map(getrefcount, self)) - _HELD_ONCE * len(self)
            if held and held != getrefcount(self[-1]) - _HELD_AT_END:
                self.batches[0].refs += _references([row for row in self if getrefcount(row) > _HELD_IN_LOOP])
        if self.loaded:
            # Here, since the attributes of a list go before its items.
            self.clear()

    def _refer_to_joined(self) -> None:
        """Refer to all rows, as soon as one of them outlives the list: with it lives what it is joined to."""
        if any(max(map(getrefcount, rows), default=0) > held for rows, held in self._held()):
            for batch, (rows, _held) in zip(self.batches, self._held(), strict=True):
                batch.refs += _references(rows)

    def _held(self) -> list[tuple[list[Any], int]]:
        """Return the lists of rows, each with how often a row is referred to that nobody else holds."""
        return [(self, _HELD_ONCE), *[(rows, _HELD_ONCE + 1) for rows in self.joined]]

    def __reduce__(self) -> tuple[Any, ...]:
        # Copies and pickles are plain lists.
        return list, (list(self),)


def _references(rows: list[Any]) -> list[weakref.ref[Any]]:
    if all(hasattr(kind, "_meta") for kind in set(map(type, rows))):
        return list(map(weakref.ref, rows))
    return [weakref.ref(row) for row in rows if _is_row(row)]


def _is_row(value: Any) -> bool:
    return hasattr(value, "_row_state")


#: What ``getrefcount`` says of something that one list refers to.
_HELD_ONCE = max(map(getrefcount, [object()]))
#: The same, asked of the last of a list.
_HELD_AT_END = next(getrefcount(ones[-1]) for ones in [[object()]])
#: The same, asked of the variable of a loop over the list.
_HELD_IN_LOOP = max([getrefcount(one) for one in [object()]])
