"""Which models and fields a query of instances reads: ``only``, ``defer`` and ``select_related``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from covet.db.models.query.paths import find, unknown_name
from covet.exceptions import FieldError
from covet.text import suggest

if TYPE_CHECKING:
    from covet.db.models.fields.base import Field
    from covet.db.models.query.plan import Query

__all__ = ["Related", "loaded_fields", "single_relation"]


# No field's name is longer; the text of one that is does not belong into a message.
_SHOWN = 200


class Related(Struct, eq=False):
    """A model in the result: the row's own, or one that ``select_related`` joined; two that look alike are two.

    Attributes:
        model: The model.
        fields: The fields read, in the order of their columns.
        partial: Fields of the model are left out.
        name: The relation's name on the parent.
        relation: The relation itself; ``None`` for the row's own model.
        null: The join may have found no row.
        children: The models joined to this one.
    """

    model: Any
    fields: tuple[Field[Any], ...]
    partial: bool = False
    name: str = ""
    relation: Any = None
    null: bool = False
    children: list[Related] = field(default_factory=list)


def loaded_fields(plan: Query, prefix: tuple[str, ...], meta: Any = None) -> tuple[tuple[Any, ...], bool]:
    """Return the fields to read of the model at ``prefix``, and whether some are left out."""
    extras = plan.extras
    meta = meta or plan.model._meta
    fields = tuple(meta.concrete_fields)
    if extras.only is None and not extras.defer:
        return fields, False
    here = "__".join(prefix)
    start = f"{here}__" if here else ""
    wanted = _names_at(extras.only, start, meta) if extras.only is not None else None
    deferred = _names_at(extras.defer, start, meta)
    traversed = {path[len(start) :].partition("__")[0] for path in extras.select_related if path.startswith(start)}
    kept = []
    keys = meta.pk_fields
    for one in fields:
        if one.primary_key or one in keys or one.name in traversed:
            if one.name in traversed and {one.name, one.attname} & deferred:
                raise FieldError(
                    f"{meta.object_name}.{one.name} is deferred and named in select_related(): choose one."
                )
            kept.append(one)
        elif {one.name, one.attname} & deferred:
            continue
        elif wanted is None or {one.name, one.attname} & wanted or (prefix and not wanted):
            kept.append(one)
    return tuple(kept), len(kept) != len(fields)


def _names_at(names: Iterable[str], start: str, meta: Any) -> set[str]:
    found = set()
    for name in names:
        if not name.startswith(start):
            continue
        tail = name[len(start) :]
        head, deeper, _ = tail.partition("__")
        if deeper:
            continue
        if head != "pk" and find(meta, head) is None:
            raise unknown_name(meta, head, "only() or defer()")
        found.add(head)
    return found


def single_relation(meta: Any, name: str) -> Any:
    """Return the relation to at most one row, or raise for what ``select_related`` cannot follow."""
    found = find(meta, name)
    relation = found if found is not None and getattr(found, "is_relation", False) and hasattr(found, "hops") else None
    if relation is not None and not any(hop.many for hop in relation.hops):
        return relation
    choices = sorted(
        one.name
        for one in [*meta.fields, *meta.related_objects]
        if one.is_relation and hasattr(one, "hops") and not any(hop.many for hop in one.hops)
    )
    if found is None:
        if len(name) > _SHOWN:
            raise unknown_name(meta, name)
        hint = suggest(name, choices)
        tail = f"Did you mean '{hint}'?" if hint else f"Choices are: {', '.join(choices) or 'none'}."
        raise FieldError(f"{meta.object_name} has no field '{name}' (in select_related('{name}')). {tail}", name=name)
    raise FieldError(
        f"select_related('{name}') follows relations to one row; {meta.object_name}.{name} is none. "
        f"Use prefetch_related('{name}') for many rows. Choices are: {', '.join(choices) or 'none'}.",
        model=meta.model,
        name=name,
    )
