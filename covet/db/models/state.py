"""Where an instance stands: new or read, from which database, with which peers.

Rows that were read together share one ``State``; it is copied for one instance on the first change. Hot code of the ORM
reads and writes the shared object at ``instance._row_state``; everybody else uses ``instance._state``, which gives this
instance a state of its own first, so that ``article._state.adding = True`` changes one article and not its neighbours.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

__all__ = ["BOUND", "LOADED", "PARTLY_LOADED", "Loader", "Pending", "State", "new_state"]

Loader: TypeAlias = Callable[[Any], Awaitable[Any]]


class Pending:
    """What was assigned and is not in the database or storage yet: an object without a key, a file. Saving takes it over."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class State:
    """The facts about one instance, or about all rows of one result.

    Attributes:
        adding: The row is not in the database yet.
        db: The alias that the row was read from or written to.
        peers: What knows the other rows of the same result (``relations.peers``), or ``None``.
        loader: When set, ``await instance`` returns ``await loader(instance)``.
        partial: Some fields may be missing: an instance that knows its key only, or the result of ``only``/``defer``.
        origin: ``("Article", "author")`` when a relation made the instance; error texts name it.
        fetch_mode: How missing parts are loaded (``models.FETCH_*``); ``None`` is the default mode.
        shared: Other instances use this object too.
    """

    __slots__ = ("adding", "db", "fetch_mode", "loader", "origin", "partial", "peers", "shared")

    def __init__(
        self,
        adding: bool = True,
        db: str | None = None,
        *,
        peers: Any = None,
        loader: Loader | None = None,
        partial: bool = False,
        origin: tuple[str, str] | None = None,
        fetch_mode: Any = None,
        shared: bool = False,
    ) -> None:
        self.adding = adding
        self.db = db
        self.peers = peers
        self.loader = loader
        self.partial = partial
        self.origin = origin
        self.fetch_mode = fetch_mode
        self.shared = shared

    def copy(self) -> State:
        """Return a state of one instance's own, with the same facts."""
        return State(
            self.adding,
            self.db,
            peers=self.peers,
            loader=self.loader,
            partial=self.partial,
            origin=self.origin,
            fetch_mode=self.fetch_mode,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # Peers and loaders belong to the process; what a pickle keeps is where the row came from.
        return _restore, (self.adding, self.db, self.partial, self.origin)

    def __repr__(self) -> str:
        return f"State(adding={self.adding}, db={self.db!r}, partial={self.partial})"


class _Loaded(dict[str, State]):
    """States by alias, made when they are first asked for: a look-up in C, for every row that is read alone or saved."""

    __slots__ = ("partial",)

    def __init__(self, *, partial: bool) -> None:
        self.partial = partial

    def __missing__(self, alias: str) -> State:
        state = self[alias] = State(False, alias, partial=self.partial, shared=True)
        return state


#: ``LOADED[alias]`` is the state shared by all rows read alone from that database, or saved to it.
LOADED = _Loaded(partial=False)
#: The same for rows of which fields are missing.
PARTLY_LOADED = _Loaded(partial=True)


def BOUND(state: State, alias: str) -> State:
    """Return the state of an instance that is new, and whose relations say which database it belongs to."""
    if state is not _NEW:
        state = state.copy()
        state.db = alias
        return state
    found = _bound.get(alias)
    if found is None:
        found = _bound[alias] = State(True, alias, shared=True)
    return found


_bound: dict[str, State] = {}

# Shared as well: most new instances are saved at once, which replaces their state.
_NEW = State(True, None, shared=True)


def new_state() -> State:
    """Return the state shared by all instances that were built and not saved."""
    return _NEW


def _restore(adding: bool, db: str | None, partial: bool, origin: tuple[str, str] | None) -> State:
    return State(adding, db, partial=partial, origin=origin)
