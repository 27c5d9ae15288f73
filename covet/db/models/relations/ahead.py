"""``await article.tags.all()`` in a loop: the rows that a manager gives are read for all peers by one statement.

What was read for the other peers waits in their batch until each asks for it, and is given once: who asks again wants to
know what is in the database now. It is not given either where it could be older than a query's answer ought to be: once
this process has written one of the tables, in another transaction, after a lock was taken, or after ``AHEAD_S`` seconds,
since other processes write too. A batch whose rows were read for nothing reads one by one from then on, so a loop that
writes what it reads costs what it costs without this.

Managers that filter, order or slice are asked as they are: this is for the whole set alone.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from covet.db.freshness import freshness
from covet.db.models.query.plan import NO_EXTRAS
from covet.db.models.query.prefetch import PREFETCHED
from covet.db.models.query.run import rows_plan
from covet.db.models.relations.peers import FETCH_PEERS, one_loader, siblings

if TYPE_CHECKING:
    from covet.db.database import Database
    from covet.db.models.query.queryset import QuerySet
    from covet.db.models.query.results import Batch
    from covet.db.models.relations.managers import BoundManager

__all__ = ["AHEAD_S", "read_ahead", "wants_peers"]

#: For how long rows may wait for the peer that they were read for.
AHEAD_S = 5.0


class Ahead:
    """Rows by the key of the peer that will ask for them, and what makes them too old."""

    __slots__ = ("block", "clock", "rows", "tables", "until")

    def __init__(self, rows: dict[Any, list[Any]], block: object, clock: int, tables: tuple[str, ...]) -> None:
        self.rows = rows
        self.block = block
        self.clock = clock
        self.tables = tables
        self.until = time.monotonic() + AHEAD_S

    def is_fresh(self, block: object) -> bool:
        """Whether a query of this block would find the same rows, as far as this process can know."""
        return (
            self.block is block
            and freshness.unchanged_since(self.clock, self.tables)
            and time.monotonic() <= self.until
        )


def wants_peers(instance: Any) -> bool:
    """Whether rows of the instance's relations may be read for its peers too."""
    state = instance._row_state
    return state.peers is not None and (state.fetch_mode is None or state.fetch_mode is FETCH_PEERS)


async def read_ahead(manager: BoundManager, queryset: QuerySet[Any, Any], database: Database) -> list[Any] | None:
    """Return the rows of a manager's own queryset, read for all peers; ``None`` where it has to be asked by itself."""
    instance = manager.instance
    batch: Batch = instance._row_state.peers
    name = (manager.accessor, manager.base)
    block = database.current_block()
    key = manager._key()
    found, rows = _waiting(batch, name, key, block)
    if found:
        return rows
    async with one_loader(instance._row_state, ("rows", name)):
        found, rows = _waiting(batch, name, key, block)
        if found:
            return rows
        return await _read(manager, queryset, database, batch, name)


def _waiting(batch: Batch, name: Any, key: Any, block: object) -> tuple[bool, list[Any] | None]:
    """Return whether it is known what to do, and the rows that were waiting; no rows where the query has to run."""
    store = batch.ahead
    if store is None or name not in store:
        return False, None
    ahead: Ahead | None = store[name]
    if ahead is None:
        return True, None
    if not ahead.is_fresh(block):
        store[name] = None
        return True, None
    rows = ahead.rows.pop(key, None)
    if not ahead.rows:
        del store[name]
    return True, rows


async def _read(
    manager: BoundManager, queryset: QuerySet[Any, Any], database: Database, batch: Batch, name: Any
) -> list[Any] | None:
    base = manager.all_rows().using(database.alias)
    query = base.query
    manner = base._manner
    if manner.kind != "model" or manner.prefetch or manner.caching is not None or query.is_sliced:
        return None
    if query.with_extras(select_related=()).extras != NO_EXTRAS:
        # Annotations, distinct(), only() and the like: not surely the same rows for many instances as for one.
        return None
    tables = rows_plan(queryset.query, "model", database).tables()
    if tables is None:
        return None
    peers = {manager.key_of(row): row for row in siblings(manager.instance) if _asks_alike(row, manager)}
    if len(peers) < 2:
        return None
    clock, block = freshness.attend(2 * AHEAD_S), database.current_block()
    rows = await manager.read_rows(base, list(peers))
    if batch.ahead is None:
        batch.ahead = {}
    if len(rows) > len(peers):
        # The database takes keys for the same that Python does not: only it can say whose these rows are.
        batch.ahead[name] = None
        return None
    own = rows.pop(manager._key())
    if rows:
        batch.ahead[name] = Ahead(rows, block, clock, tables)
    return own


def _asks_alike(row: Any, manager: BoundManager) -> bool:
    """Whether a peer would ask the same of the same database, and has not been told yet."""
    instance = manager.instance
    return (
        type(row) is type(instance)
        and row._row_state.db == instance._row_state.db
        and not row._row_state.adding
        and manager.accessor not in row.__dict__.get(PREFETCHED, ())
        and manager.key_of(row) is not None
    )
