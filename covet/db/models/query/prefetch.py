"""``prefetch_related``: relations of all rows loaded level by level, one statement for each.

A relation says how it is loaded (``relation.prefetch(instances, queryset, alias)``); this module walks the paths.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from covet.exceptions import FieldError
from covet.text import suggest

if TYPE_CHECKING:
    from covet.db.models.query.queryset import QuerySet

__all__ = ["PREFETCHED", "Prefetch", "accessors", "prefetch_related_objects", "prefetch_rows"]

#: Where an instance keeps prefetched rows: a dict of querysets by the relation's name.
PREFETCHED = "_prefetched_objects_cache"


class Prefetch:
    """A relation to prefetch, by a queryset of its own or into an attribute of its own.

    Args:
        lookup: The path of relations, as in ``prefetch_related``.
        queryset: What to read in place of all related rows.
        to_attr: The attribute that gets the list, in place of the relation's manager.

    Raises:
        ValueError: The queryset gives no instances.
    """

    def __init__(self, lookup: str, queryset: QuerySet[Any, Any] | None = None, to_attr: str | None = None) -> None:
        if queryset is not None and hasattr(queryset, "get_queryset"):
            queryset = queryset.get_queryset()
        manner = None if queryset is None else getattr(queryset, "_manner", None)
        if queryset is not None and manner is None:
            raise TypeError(f"Prefetch takes a queryset, not {queryset!r}.")
        if manner is not None and manner.kind != "model":
            raise ValueError("Prefetch takes a queryset of instances, not one after values() or values_list().")
        self.lookup = lookup
        self.queryset = queryset
        self.to_attr = to_attr

    def __repr__(self) -> str:
        return f"Prefetch({self.lookup!r}, to_attr={self.to_attr!r})"


class _Step(Struct):
    """One lookup on its way: the names so far are done."""

    lookup: str
    names: tuple[str, ...]
    queryset: Any = None
    to_attr: str | None = None


async def prefetch_related_objects(instances: Sequence[Any], *lookups: str | Prefetch) -> None:
    """Load relations of instances that are in memory already; those loaded before are not read again.

    Args:
        instances: Instances of one model.
        lookups: As for ``prefetch_related``.
    """
    rows = list(instances)
    if rows and lookups:
        await prefetch_rows(rows, lookups, None)


async def prefetch_rows(rows: Sequence[Any], lookups: Iterable[Any], alias: str | None) -> None:
    """Load the relations named by ``lookups`` for all rows.

    Raises:
        FieldError: A name is no relation.
        ValueError: A path is asked for twice, with different querysets.
    """
    done: dict[tuple[str, ...], list[Any]] = {(): list(rows)}
    given: set[tuple[str, ...]] = set()
    pending = list(lookups)
    while pending:
        item = pending.pop(0)
        step = _step(item)
        key = (*step.names[:-1], step.to_attr or step.names[-1])
        if key in given and step.queryset is not None:
            raise ValueError(
                f"'{step.lookup}' is prefetched twice, the second time by a queryset of its own: put that one first."
            )
        given.add(key)
        reached: tuple[str, ...] = ()
        for position, name in enumerate(step.names):
            last = position == len(step.names) - 1
            queryset = step.queryset if last else None
            to_attr = step.to_attr if last else None
            here = (*reached, to_attr or name)
            if here not in done:
                nested = queryset._manner.prefetch if queryset is not None else ()
                if nested and queryset is not None:
                    # Their levels follow this one, so that one statement serves all rows of each.
                    queryset = queryset._chain(queryset.query)
                    queryset._manner = queryset._manner.but(prefetch=())
                    pending = [_under(here, step, one) for one in nested] + pending
                done[here] = await _load(done[reached], name, queryset, to_attr, alias, step.lookup)
            reached = here
            if not done[here]:
                break


def _step(item: Any) -> _Step:
    if isinstance(item, _Step):
        return item
    if isinstance(item, Prefetch):
        return _Step(item.lookup, tuple(item.lookup.split("__")), item.queryset, item.to_attr)
    if isinstance(item, str):
        return _Step(item, tuple(item.split("__")))
    raise TypeError(f"prefetch_related() takes names and Prefetch objects, not {item!r}.")


def _under(here: tuple[str, ...], parent: _Step, item: Any) -> _Step:
    inner = _step(item)
    return _Step(f"{parent.lookup}__{inner.lookup}", (*here, *inner.names), inner.queryset, inner.to_attr)


async def _load(
    rows: list[Any], name: str, queryset: Any, to_attr: str | None, alias: str | None, lookup: str
) -> list[Any]:
    """Load one relation for rows that may be of several models; return the related rows."""
    related: list[Any] = []
    by_model: dict[type[Any], list[Any]] = {}
    for row in rows:
        by_model.setdefault(type(row), []).append(row)
    for model, members in by_model.items():
        attribute = members[0].__dict__.get(name)
        if isinstance(attribute, list):
            # The target of an earlier Prefetch(to_attr=…).
            related += [one for member in members for one in member.__dict__.get(name, ())]
            continue
        relation = accessors(model._meta).get(name)
        if relation is None:
            raise _unknown(model._meta, name, lookup)
        if to_attr is not None and to_attr in model._meta.fields_map:
            raise ValueError(f"Prefetch(to_attr='{to_attr}') conflicts with a field of {model.__name__}.")
        related += await relation.prefetch(members, queryset, to_attr, alias)
    return list({id(one): one for one in related}.values())


def accessors(meta: Any) -> dict[str, Any]:
    """Return the relations of a model by the attribute that gives them."""
    found: dict[str, Any] | None = meta.plans.get("accessors")
    if found is None:
        found = {}
        for relation in meta.related_objects:
            name = relation.get_accessor_name()
            if name:
                found[name] = relation
        for field in (*meta.private_fields_with_parents, *meta.fields, *meta.many_to_many):
            if field.is_relation and hasattr(field, "prefetch"):
                found[field.name] = field
        meta.plans["accessors"] = found
    return found


def _unknown(meta: Any, name: str, lookup: str) -> FieldError:
    names = sorted(accessors(meta))
    hint = suggest(name, names)
    tail = f"Did you mean '{hint}'?" if hint else f"Relations are: {', '.join(names) or 'none'}."
    return FieldError(
        f"{meta.object_name} has no relation '{name}' (in prefetch_related('{lookup}')). {tail}",
        model=meta.model,
        name=name,
        hint=hint or "",
    )
