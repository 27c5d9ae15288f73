"""Loading relations to many rows for many instances at once, and handing the rows out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from covet.db.models.expressions.refs import F
from covet.db.models.query.parts import read_parts
from covet.db.models.query.paths import find
from covet.db.models.query.prefetch import PREFETCHED
from covet.db.models.query.run import read_database

__all__ = ["read_among", "read_by", "read_many", "set_prefetched", "set_prefetched_by_key", "set_prefetched_many"]

# Keys of several parts in one statement: each makes a condition of its own.
_FEW_KEYS = 250
# What a row brings along: the key of the instance it belongs to, and its place among that instance's rows.
_OWNER = "_prefetch_owner"
_PLACE = "_prefetch_place"


async def set_prefetched(
    relation: Any, instances: list[Any], queryset: Any, to_attr: str | None, alias: str | None
) -> list[Any]:
    """Load the rows that refer to the instances by a foreign key, and hand them out."""
    field = relation.field
    name = relation.get_accessor_name() or ""
    base = queryset if queryset is not None else relation.related_model._default_manager.get_queryset()
    waiting = _waiting(instances, name, queryset, to_attr)
    owners: dict[Any, Any] = {getattr(one, field.target_field.attname): one for one in waiting}

    async def read(keys: list[Any]) -> dict[Any, list[Any]]:
        by_key: dict[Any, list[Any]] = {key: [] for key in keys}
        for row in await _read(base, field.attname, keys, alias):
            by_key.setdefault(getattr(row, field.attname), []).append(row)
        return by_key

    by_key = await _as_spelled(list(owners), field.target_field, read)
    for key, owner in owners.items():
        for row in by_key[key]:
            field.set_cached_value(row, owner)
    for one in waiting:
        _hand_out(one, name, by_key[getattr(one, field.target_field.attname)], to_attr, base)
    return _collected(instances, name, to_attr)


async def set_prefetched_by_key(
    name: str,
    instances: list[Any],
    queryset: Any,
    to_attr: str | None,
    alias: str | None,
    *,
    base: Any,
    lookup: str,
    given: dict[str, Any],
    key_of: Callable[[Any], Any],
    owner_key: Callable[[Any], Any],
    known: Callable[[Any, Any], None],
) -> list[Any]:
    """Load the rows that name the instances' keys in a plain field, and hand them out.

    Args:
        name: The relation's name on the instances.
        instances: Instances of one model.
        queryset: The user's own queryset; ``None`` without one.
        to_attr: The attribute that gets the list, in place of the manager.
        alias: The database.
        base: The queryset to read.
        lookup: The field that holds the key.
        given: What else the rows must have.
        key_of: The key of an instance, as the field holds it.
        owner_key: The key that a row found names.
        known: Tells a row found which instance it belongs to.
    """
    waiting = _waiting(instances, name, queryset, to_attr)
    by_key: dict[Any, list[Any]] = {key_of(one): [] for one in waiting}
    owners = {key_of(one): one for one in waiting}
    for field, value in given.items():
        base = base._chain(base.query.preceded(field, value))
    for row in await _read(base, lookup, [key for key in by_key if key is not None], alias):
        key = owner_key(row)
        known(row, owners[key])
        by_key[key].append(row)
    for one in waiting:
        _hand_out(one, name, by_key[key_of(one)], to_attr, base)
    return _collected(instances, name, to_attr)


async def set_prefetched_many(
    many: Any, instances: list[Any], queryset: Any, to_attr: str | None, alias: str | None, *, reverse: bool
) -> list[Any]:
    """Load the related rows of a many-to-many relation for all instances, and hand them out."""
    relation = many.remote_field
    source, target = many.through_keys()
    if reverse:
        source, target = target, source
    name = (relation.get_accessor_name() or "") if reverse else many.name
    lookup = many.name if reverse else relation.query_name
    model = many.model if reverse else relation.model
    base = queryset if queryset is not None else model._default_manager.get_queryset()
    waiting = _waiting(instances, name, queryset, to_attr)
    keys = list({getattr(one, source.target_field.attname): None for one in waiting})
    by_key = await _as_spelled(keys, source.target_field, lambda some: read_many(base, lookup, some, alias))
    for one in waiting:
        _hand_out(one, name, by_key[getattr(one, source.target_field.attname)], to_attr, base)
    return _collected(instances, name, to_attr)


async def _as_spelled(
    keys: list[Any], field: Any, read: Callable[[list[Any]], Awaitable[dict[Any, list[Any]]]]
) -> dict[Any, list[Any]]:
    """Return the rows of each key, however the project spells it: a new instance may have the text of a number for a key.

    Where the database takes texts for the same that Python does not, it is asked for each key by itself.
    """
    by_key = await read(keys)
    others = by_key.keys() - set(keys)
    if not others and len(set(map(type, keys))) < 2:
        return by_key
    for key in keys:
        spelled = field.to_python(key)
        if not by_key[key] and spelled in by_key:
            by_key[key] = by_key[spelled]
            others.discard(spelled)
    if others:
        for key in keys:
            by_key[key] = [row for rows in (await read([key])).values() for row in rows]
    return by_key


async def read_among(base: Any, attname: str, keys: list[Any]) -> dict[Any, list[Any]]:
    """Return the rows of ``base`` whose field holds one of the keys, by key; each key has a list.

    A database that compares texts more loosely than Python may give rows of other keys: these are there too.
    """
    by_key: dict[Any, list[Any]] = {key: [] for key in keys}
    for row in await _read(base, attname, keys, None):
        by_key.setdefault(getattr(row, attname), []).append(row)
    return by_key


async def read_by(base: Any, lookup: str, keys: list[Any], key_of: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    """Return the rows of ``base`` that refer to one of the keys, as ``read_among`` does, by what ``key_of`` says."""
    by_key: dict[Any, list[Any]] = {key: [] for key in keys}
    for row in await _read(base, lookup, keys, None):
        by_key.setdefault(key_of(row), []).append(row)
    return by_key


async def read_many(base: Any, lookup: str, keys: list[Any], alias: str | None = None) -> dict[Any, list[Any]]:
    """Return the rows of ``base`` that a many-to-many relation leads to from the keys, as ``read_among`` does."""
    by_key: dict[Any, list[Any]] = {key: [] for key in keys}
    known: dict[Any, Any] = {}

    def owned(start: Any) -> Any:
        owned = start.annotate(**{_OWNER: F(lookup)})
        # Of the join that was made for the keys, whatever else of the relation the queryset joins.
        return owned._chain(owned.query.reading(_OWNER, after=1))

    for row in await _read(base, lookup, keys, alias, change=owned):
        key = row.__dict__.pop(_OWNER)
        # One row related to several instances comes several times; it is one object, unless it was joined to other rows.
        by_key.setdefault(key, []).append(row if base.query.extras.reads else known.setdefault(row.pk, row))
    return by_key


def _waiting(instances: list[Any], name: str, queryset: Any, to_attr: str | None) -> list[Any]:
    """Return the instances whose rows are not loaded yet; a queryset of its own loads anew."""
    if queryset is not None or to_attr is not None:
        return instances
    return [one for one in instances if name not in one.__dict__.get(PREFETCHED, ())]


async def _read(
    base: Any, lookup: str, keys: list[Any], alias: str | None, change: Callable[[Any], Any] | None = None
) -> list[Any]:
    """Return the rows of ``base`` whose relation is among the keys; in chunks where the database needs them."""
    if not keys:
        return []
    is_numbered = base.query.is_sliced
    if is_numbered:
        base = _sliced_for_each(base, lookup)
    if alias is not None and base._db is None:
        base = base.using(alias)
    size = max(read_database(base).dialect.max_params - len(base.query.all_values()) - 1, 1)
    if isinstance(keys[0], tuple):
        size = _FEW_KEYS

    async def read(some: Any) -> Any:
        query = base.query.preceded(f"{lookup}__in", some)
        part = base._chain(query.reading(_PLACE, after=1) if is_numbered else query)
        return await (part if change is None else change(part))

    return await read_parts(keys, size, read)


def _sliced_for_each(base: Any, lookup: str) -> Any:
    """Return a sliced queryset that is cut for each instance on its own: by the row's number among that instance's."""
    from covet.db.models.expressions.windows import Window  # rarely asked for
    from covet.db.models.functions.window import RowNumber

    query = base.query
    low, high = query.low, query.high
    whole = query.copy()
    whole.low, whole.high = 0, None
    order = list(query.order_items) if query.order is not None else list(base.model._meta.ordering)
    relation = find(base.model._meta, lookup)
    parts = [F(name) for name in getattr(relation, "from_fields", None) or (lookup,)]
    numbered = base._chain(whole).alias(**{_PLACE: Window(RowNumber(), partition_by=parts, order_by=order or ["pk"])})
    numbered = numbered.filter(**{f"{_PLACE}__gt": low})
    return numbered if high is None else numbered.filter(**{f"{_PLACE}__lte": high})


def _hand_out(instance: Any, name: str, rows: list[Any], to_attr: str | None, base: Any) -> None:
    if to_attr is not None:
        setattr(instance, to_attr, rows)
        return
    # A refinement of the prefetched rows is a new query of this instance's rows, so the manager makes the queryset.
    manager = getattr(instance, name)
    manager._forget()
    queryset = _same_rows(manager, base)
    queryset._cache = rows
    queryset._prefetched = True
    instance.__dict__.setdefault(PREFETCHED, {})[name] = queryset


def _same_rows(manager: Any, base: Any) -> Any:
    """Return the query for what was prefetched for one instance: the rows of ``base`` that are related to it."""
    queryset = manager.get_queryset()
    first = queryset.query
    merged = base.query.copy()
    merged.where = first.where + base.query.where
    merged.sources = first.sources + base.query.sources
    merged.values = first.values + base.query.values
    return queryset._chain(merged)


def _collected(instances: list[Any], name: str, to_attr: str | None) -> list[Any]:
    if to_attr is not None:
        return [row for one in instances for row in getattr(one, to_attr)]
    return [row for one in instances for row in one.__dict__[PREFETCHED][name]._cache]
