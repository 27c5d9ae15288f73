"""The joins of one statement: aliases, what may be shared, and which must be LEFT.

A join to at most one row may always be shared. A join to many rows is shared only within one ``filter()`` call (and by
ordering, annotations and outputs), because two calls may mean two different rows. Whether a join is LEFT is decided
last: it is, where there may be no partner, unless some condition cannot hold without one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NoReturn

from covet.db.sql import nodes as n
from covet.db.sql.statements import Join, TableRef

if TYPE_CHECKING:
    from covet.db.models.options import Options
    from covet.db.models.query.paths import Hop

__all__ = ["Aliases", "Joins", "OnJoin", "RowJoins", "Source", "hop_condition", "join_condition"]


class Aliases:
    """Hands out the aliases of one statement, subqueries included: a name never means two tables."""

    __slots__ = ("metas", "taken")

    def __init__(self) -> None:
        self.taken: set[str] = set()
        # What the tables of models hold.
        self.metas: dict[str, Options] = {}

    def take(self, table: str) -> str:
        """Return the table's own name the first time, and ``T2``, ``T3``, … after that."""
        alias = table
        number = len(self.taken)
        while alias in self.taken:
            number += 1
            alias = f"T{number}"
        self.taken.add(alias)
        return alias


class Source:
    """One table in ``FROM``: the first, or a join."""

    __slots__ = ("alias", "beside", "condition", "found", "hop", "meta", "outside", "parent", "required")

    def __init__(self, alias: str, meta: Options, parent: Source | None = None, hop: Hop | None = None) -> None:
        self.alias = alias
        self.meta = meta
        self.parent = parent
        self.hop = hop
        # What the first table of a subquery about a relation hangs on, in the statement around it.
        self.outside: Source | None = None
        # What a ``FilteredRelation`` adds to the join, and the joins made for that: they stand before this one.
        self.condition: n.Node | None = None
        self.beside: tuple[Source, ...] = ()
        # A condition fails where this join finds no row, so INNER gives the same result.
        self.required = False
        # A condition on the key that the join follows fails where it is NULL, and the database holds that the row is there.
        self.found = False

    @property
    def may_be_missing(self) -> bool:
        """Whether the join may find no row for a row of the first table."""
        source: Source | None = self
        while source is not None and source.hop is not None:
            if source.hop.null and not source.required and not source.found:
                return True
            source = source.parent
        return False

    def way(self, length: int) -> tuple[Source, ...]:
        """Return the last sources on the way here, this one included, past the edge of a subquery."""
        found = [self]
        while len(found) < length:
            before = found[-1].parent or found[-1].outside
            assert before is not None
            found.append(before)
        return tuple(reversed(found))

    def require(self) -> None:
        """Note that rows without a partner here cannot match."""
        source: Source | None = self
        while source is not None and not source.required:
            source.required = True
            source = source.parent


class Joins:
    """The tables of one ``SELECT``.

    Args:
        meta: The options of the first table's model.
        aliases: Where aliases come from.
        alias: The alias of the first table, in place of a new one.
        plain: Share joins to one row as sparingly as those to many: what ``QUERY_OPTIMIZER=False`` asks for.
    """

    __slots__ = ("_shared", "aliases", "base", "crossed", "known", "plain", "sources")

    def __init__(self, meta: Options, aliases: Aliases, *, alias: str | None = None, plain: bool = False) -> None:
        self.aliases = aliases
        self.plain = plain
        self.base = Source(alias or aliases.take(meta.db_table), meta)
        aliases.metas[self.base.alias] = meta
        self.sources: list[Source] = []
        self.crossed: list[Join] = []
        # The columns, with the aliases of their tables, that are not NULL in any row of the result.
        self.known: set[tuple[str | None, str]] = set()
        self._shared: dict[tuple[str, Hop], list[Source]] = {}

    def reach(self, hops: Iterable[Hop], used: set[str] | None = None, start: Source | None = None) -> Source:
        """Return the source at the end of the hops, joining what is not joined yet.

        Args:
            hops: The joins to make.
            used: The aliases to many rows that may be shared; ``None`` shares all.
            start: Where the hops begin; the first table without it.
        """
        source = start or self.base
        for hop in hops:
            source = self._step(source, hop, used)
        return source

    def _step(self, source: Source, hop: Hop, used: set[str] | None) -> Source:
        existing = self._shared.setdefault((source.alias, hop), [])
        guarded = hop.many or self.plain
        # Of several the last one is meant; but a filtered relation's name means the first, if no other use of the table
        # was before it (as in Django, where that one bears the name).
        if hop.has_name and used is None and existing and existing[0].alias == hop.target.db_table:
            return existing[0]
        for found in reversed(existing):
            if not guarded or used is None or found.alias in used:
                return found
        if self.plain and used is None:
            # Two joins to one row are the same row, so what hangs on the other will do as well.
            for other in self.sources:
                if other.hop is hop and other.parent is not None and _way(other.parent) == _way(source):
                    return other
        new = Source(self.aliases.take(hop.target.db_table), hop.target, source, hop)
        self.aliases.metas[new.alias] = hop.target
        existing.append(new)
        new.found = self._finds(new)
        if guarded and used is not None:
            used.add(new.alias)
        if hop.condition is not None:
            new.condition = hop.condition(self, new, used)
        self.sources.append(new)
        return new

    def know(self, columns: Iterable[n.Column]) -> None:
        """Note columns that are not NULL in any row of the result; the joins that follow them find a row."""
        self.known.update((column.alias, column.name) for column in columns)
        aliases = {alias for alias, _ in self.known}
        for source in self.sources:
            if source.alias in aliases:
                source.require()
            source.found = self._finds(source)

    def _finds(self, source: Source) -> bool:
        """Whether the key that a join follows is not NULL and, as the database holds, refers to a row."""
        hop = source.hop
        assert hop is not None and source.parent is not None
        if hop.restrict is not None or hop.condition is not None or not getattr(hop.forward, "db_constraint", False):
            return False
        return all((source.parent.alias, left) in self.known for left, _ in hop.on)

    def hang_on(self, here: Source, hop: Hop) -> None:
        """Note which row of the statement around the rows of this one hang on, and by which relation."""
        self.base.outside = here
        if hop.condition is not None:
            self.base.condition = hop.condition(self, self.base, None)
            self.base.beside = tuple(self.sources)

    def joined(self, here: Source, hop: Hop, used: set[str]) -> Source | None:
        """Return the join of a relation that is among those used, if there is one."""
        return next((found for found in self._shared.get((here.alias, hop), ()) if found.alias in used), None)

    def nodes(self) -> tuple[Join, ...]:
        """Return the ``JOIN`` clauses, in an order in which each follows what it joins to."""
        return (*self.nodes_of(self.sources), *self.crossed)

    def cross(self, table: str) -> None:
        """Join every row of another table, whose name then stands for itself."""
        self.crossed.append(Join("INNER", TableRef(table, self.aliases.take(table)), n.And(())))

    def nodes_of(self, sources: Iterable[Source]) -> tuple[Join, ...]:
        """Return the ``JOIN`` clauses of some of the sources."""
        return tuple(self._nodes(sources))

    def _nodes(self, sources: Iterable[Source]) -> Iterator[Join]:
        for source in sources:
            assert source.hop is not None and source.parent is not None
            kind = "LEFT" if source.may_be_missing else "INNER"
            yield Join(kind, TableRef(source.meta.db_table, source.alias), join_condition(source))


class RowJoins(Joins):
    """The tables of a subquery about one row of a relation, while names are still said from the statement's first table.

    Args:
        outer: The tables of the statement.
        prefix: The hops that lead to the row.
    """

    __slots__ = ("_outer", "_prefix")

    def __init__(self, outer: Joins, prefix: tuple[Hop, ...]) -> None:
        super().__init__(prefix[-1].target, outer.aliases)
        self._outer = outer
        self._prefix = prefix

    def reach(self, hops: Iterable[Hop], used: set[str] | None = None, start: Source | None = None) -> Source:
        """Return the source at the end of the hops: from the row on, where they lead there, and else outside."""
        hops = tuple(hops)
        length = len(self._prefix)
        if start is None and hops[:length] == self._prefix:
            return super().reach(hops[length:])
        if start is self.base or start in self.sources:
            return super().reach(hops, None, start)
        return self._outer.reach(hops, used, start)


class OnJoin(Joins):
    """The tables that the condition in the ``ON`` of a join may name: those on the way to it, and those beside the way.

    Args:
        within: The tables of the statement that the join belongs to.
        base: The first table, from which names are said.
        hops: The way, as names say it.
        joined: The join.
        used: The aliases to many rows that joins beside the way may share; ``None`` shares all.
        refuse: Raises for a way that leads on from the join.
    """

    __slots__ = ("_hops", "_refuse", "_used", "_way", "_within", "beside")

    def __init__(
        self,
        within: Joins,
        base: Source,
        hops: tuple[Hop, ...],
        joined: Source,
        used: set[str] | None,
        refuse: Callable[[Hop], NoReturn],
    ) -> None:
        self.base = base
        self.plain = within.plain
        self.sources = []
        self.beside: list[Source] = []
        self._within = within
        self._hops = hops
        self._way = joined.way(len(hops))
        self._used = used
        self._refuse = refuse

    def reach(self, hops: Iterable[Hop], used: set[str] | None = None, start: Source | None = None) -> Source:
        """Return the table at the end of the hops, joining what lies beside the way and is not joined yet."""
        source = start or self.base
        rest = list(hops)
        for here, there in zip(self._hops, self._way, strict=True) if start is None else ():
            if not rest or rest[0] is not here:
                break
            source = there
            del rest[0]
        if not rest:
            return source
        if source is self._way[-1]:
            self._refuse(rest[0])
        # Not the way of a subquery about one row: what lies beside belongs to the statement of the join.
        found = Joins.reach(self._within, rest, self._used, source)
        if found is not self._way[-1]:
            self.beside.append(found)
        return found


def _way(source: Source) -> tuple[Hop, ...]:
    """Return the hops from the first table to a source."""
    hops: list[Hop] = []
    current: Source | None = source
    while current is not None and current.hop is not None:
        hops.append(current.hop)
        current = current.parent
    return tuple(hops)


def join_condition(source: Source) -> n.Node:
    """Return the condition in the ``ON`` of a join, or in the WHERE of a subquery that begins with it."""
    parent = source.parent or source.outside
    assert source.hop is not None and parent is not None
    return hop_condition(source.hop, parent.alias, source.alias, source)


def hop_condition(hop: Hop, here: str, there: str, joined: Source | None = None) -> n.Node:
    """Return the condition that joins two aliases; what a ``FilteredRelation`` adds is about the join itself."""
    parts: list[n.Node] = [n.Binary("=", n.Column(here, left), n.Column(there, right)) for left, right in hop.on]
    if hop.restrict is not None:
        parts.append(hop.restrict(here, there))
    if joined is not None and joined.condition is not None:
        parts.append(joined.condition)
    return parts[0] if len(parts) == 1 else n.And(tuple(parts))
