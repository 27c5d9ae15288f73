"""Rows loaded as a schema reads them: joined, prefetched, and of each table only the columns that are shown.

What the schema cannot say, such as a property that it shows, or a validator that is handed the whole row, has all columns.
``QUERY_OPTIMIZER=False`` reads all columns of everything; the bytes of the answer are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from covet.conf import settings
from covet.db.models.query.prefetch import PREFETCHED, Prefetch, accessors
from covet.schema.relations import Needs

if TYPE_CHECKING:
    from covet.db.models.base import Model
    from covet.db.models.query.queryset import QuerySet

__all__ = ["joined", "lookups_of", "prefetched"]

Q = TypeVar("Q", bound="QuerySet[Any, Any]")


def joined(rows: Q, needed: Needs, *, beside: Iterable[str] = ()) -> Q:
    """Return the queryset with the single rows that a schema shows joined, and only the columns that it reads.

    Args:
        rows: Instances, not sliced and not read yet.
        needed: What the schema reads of their model.
        beside: Further names that must be there, such as those of the order.
    """
    extras = rows.query.extras
    # Whoever chose columns, or joined more than the schema shows, had a reason.
    chosen = extras.only is not None or extras.defer or not {*extras.select_related} <= {*needed.select}
    if needed.select:
        rows = rows.select_related(*needed.select)
    if chosen or extras.combined is not None or not settings.QUERY_OPTIMIZER:
        return rows
    names = _names(rows.model, needed)
    return rows.only(*names, *beside) if names else rows


def prefetched(rows: Q, needed: Needs) -> Q:
    """Return the queryset with the lists of rows that a schema shows prefetched, each with only the columns it reads."""
    if not needed.prefetch:
        return rows
    own = {getattr(one, "lookup", one).partition("__")[0] for one in rows._manner.prefetch}
    return rows.prefetch_related(*[_lookup(rows.model, needed, path, own) for path in needed.prefetch])


def lookups_of(instances: Sequence[Model], needed: Needs) -> list[str | Prefetch]:
    """Return what ``prefetch_related_objects`` loads for instances; what they hold already is not read anew."""
    model = type(instances[0])
    held: set[str] = set()
    for instance in instances:
        held.update(instance.__dict__.get(PREFETCHED, ()))
    relations = accessors(model._meta)
    for path in needed.select:
        relation = relations.get(path)
        if relation is not None and any(relation.is_cached(instance) for instance in instances):
            held.add(path)
    return [_lookup(model, needed, path, held) for path in (*needed.select, *needed.prefetch)]


def _lookup(model: type[Model], needed: Needs, path: str, held: set[str]) -> str | Prefetch:
    """Return how the rows at a path are prefetched: by their columns, where nobody has loaded them in another way."""
    columns = needed.columns.get(path)
    if columns is None or path.partition("__")[0] in held or not settings.QUERY_OPTIMIZER:
        return path
    related: Any = model
    is_list = False
    for name in path.split("__"):
        relation = accessors(related._meta)[name]
        is_list = bool(relation.many_to_many or relation.one_to_many)
        related = relation.related_model
    manager = related._default_manager if is_list else related._base_manager
    return Prefetch(path, manager.get_queryset().only(*columns))


def _names(model: type[Model], needed: Needs) -> list[str]:
    """Return the columns of the rows and of all that is joined to them; none where every one of them is read whole."""
    names: list[str] = []
    whole = 0
    for path in ("", *needed.select):
        related: Any = model
        for name in path.split("__") if path else ():
            related = accessors(related._meta)[name].related_model
        columns = needed.columns.get(path)
        whole += columns is None
        prefix = f"{path}__" if path else ""
        names += [
            prefix + name
            for name in (columns if columns is not None else [field.name for field in related._meta.concrete_fields])
        ]
    return [] if whole == 1 + len(needed.select) else names
