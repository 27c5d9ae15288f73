"""Rows by a list of keys: what ``await row.author`` and its like ask again and again.

Keys that are one run of integers, as those of rows written one after the other and those of small tables mostly are, are
asked for by their ends: ``id BETWEEN 1 AND 100`` is the same rows as ``id IN (1, 2, …, 100)``. The database goes to the first
of them once, where it would look each key up; and PostgreSQL, which reads a small table whole, compares each row twice, where
it would compare it with one key after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, Literal

from covet.db.models.expressions.leaves import SCALARS
from covet.db.models.query.names import optimizer
from covet.db.models.query.plan import NO_EXTRAS, Query
from covet.db.models.query.run import RowsPlan, compile_rows

if TYPE_CHECKING:
    from covet.db.database import Database

__all__ = ["fetch_among"]

# With fewer, one way costs what the other does, and each has a statement of its own to prepare.
_LEAST_RUN = 10


async def fetch_among(queryset: Any, lookup: str, keys: list[Any], database: Database) -> list[Any]:
    """Return the rows of ``queryset.filter(lookup=keys)``, for an ``…__in``, in any order. Each key is given once.

    The filtered query of plain keys is built for the first statement of its shape alone.
    """
    query: Query = queryset.query
    plain = query.extras is NO_EXTRAS and query.high is None and not query.low and not query.order_values
    manner = queryset._manner
    plain = plain and manner.kind == "model" and manner.known is manner.caching is None and not manner.prefetch
    if not plain or not keys or not SCALARS.issuperset(classes := set(map(type, keys))):
        return await queryset.filter(**{lookup: keys})  # type: ignore[no-any-return]  # a queryset gives its rows
    is_optimized = optimizer.is_on
    if is_optimized is None:
        is_optimized = optimizer.look()
    values: tuple[Any, ...] = (keys,)
    plan: Any = None
    if is_optimized and len(keys) >= _LEAST_RUN and classes == {int}:
        keys = sorted(keys)
        first, last = keys[0], keys[-1]
        if last - first == len(keys) - 1:
            plan = _kept(("ends", lookup, query.key()), database, lambda: _by_ends(query, lookup))
            if plan:
                values = (first, last)
    if not plan:
        among = ("among", lookup, query.key(), is_optimized)
        plan = _kept(among, database, lambda: _filtered(query, lookup, keys))
    if plan.empty:
        return []
    sql, args = plan.bind((*query.values, *values))
    rows = await database.fetch(sql, args)
    return plan.make(rows, database.alias, manner.mode) if rows else []


def _kept(key: Hashable, database: Database, build: Callable[[], Query | None]) -> RowsPlan | Literal[False]:
    """Return the plan of a query, from the database's cache or made now; ``False`` where there is no such query."""
    plan: RowsPlan | Literal[False] | None = database.statements.get(key)
    if plan is None:
        query = build()
        plan = database.statements[key] = query is not None and compile_rows(query, "model", database, None)
    return plan


def _by_ends(query: Query, lookup: str) -> Query | None:
    """Return the query that takes the first and the last of the keys; ``None`` where it may be another question, or slower.

    The server guesses that a range of unknown ends holds a part of the table. For one table and a unique column that changes
    nothing; beside other conditions, and the joins that they may need, it could.
    """
    meta = query.model._meta
    name = lookup.removesuffix("__in")
    field = meta.pk if name == "pk" else meta.fields_map.get(name)
    if query.where:
        return None
    if field is None or field.model is not meta.concrete_model or not field.unique or not field.keeps_integers:
        return None
    if any(field.get_lookup(own) is not None for own in ("in", "range")):
        return None
    return _filtered(query, f"{name}__range", (0, 0))


def _filtered(query: Query, lookup: str, values: Any) -> Query:
    """Return the query with a condition, and without its order: who asks by keys gives each row to whom it belongs."""
    return query.ordered(()).filtered((), {lookup: values}, negate=False, where="filter")
