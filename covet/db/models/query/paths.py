"""``author__name__icontains`` to relations, a column and the rest; looked up once per model and name.

A *hop* is one join: from a table to another on equal columns. A *path* is hops, the field they end at, and the names
left over, which are transforms and a look-up. A key that the last hop only repeats is trimmed: ``author__id`` is the
local column ``author_id``, and ``tags__pk`` stops at the table between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from covet.exceptions import FieldError
from covet.text import suggest

if TYPE_CHECKING:
    from covet.db.models.fields.base import Field
    from covet.db.models.options import Options
    from covet.db.models.query.joins import Joins, Source
    from covet.db.sql.nodes import Node

__all__ = ["Hop", "Path", "find", "is_object", "parent_hops", "relation_hops", "resolve_path", "unknown_name"]

# More joins than any database makes, and more steps than any document has. Names may come from outside.
_MOST_STEPS = 100
# So many names are remembered for each model; further ones are looked up each time.
_MOST_NAMES = 10_000
# What of a name stands in a message.
_SHOWN = 200


class Hop(Struct, frozen=True, eq=False):
    """One join; two uses of one relation are the same object, by which joins are shared.

    Attributes:
        name: The relation's name in queries, for messages.
        target: The options of the model arrived at.
        on: Pairs of a column here and a column there.
        many: One row here may have several there.
        null: A row here may have none there.
        forward: The field whose column is on this side, when the hop follows a foreign key.
        restrict: What else joined rows must fulfil, from the two aliases (generic relations).
        condition: What else they must fulfil, from the statement's joins, the join itself and the aliases that may be
            shared (``FilteredRelation``).
        has_name: The join has a name in the query (``FilteredRelation``), which means the first of several.
    """

    name: str
    target: Options
    on: tuple[tuple[str, str], ...]
    many: bool = False
    null: bool = False
    forward: Field[Any] | None = None
    restrict: Callable[[str, str], Node] | None = None
    condition: Callable[[Joins, Source, set[str] | None], Node] | None = None
    has_name: bool = False


class Path(Struct, frozen=True, eq=False):
    """Where a name in a query leads.

    Attributes:
        hops: The joins to make, in order.
        field: The field at the end, whose column is in the last table.
        rest: The names after it: transforms, and perhaps a look-up.
        at: The options of the model that the last relation leads to.
        relation: The relation named last, when the path ends at one; its objects may stand as values.
        names: The names used up.
        untrimmed: The same with the join that only repeats a key, where one was trimmed and the name asked for it.
    """

    hops: tuple[Hop, ...]
    field: Field[Any]
    rest: tuple[str, ...]
    at: Options
    relation: Any = None
    names: tuple[str, ...] = ()
    untrimmed: Path | None = None

    @property
    def many(self) -> bool:
        """Whether a row may be joined to several."""
        return any(hop.many for hop in self.hops)


def is_object(path: Path) -> bool:
    """Whether a path ends at a ``ForeignObject``, whose values are tuples and instances."""
    relation = path.relation
    return getattr(relation, "from_fields", None) is not None and path.names[-1] == relation.name


def resolve_path(meta: Options, name: str, where: str = "") -> Path:
    """Return where ``name`` leads from the model of ``meta``.

    Args:
        meta: The options of the model that the query is about.
        name: The name as the user wrote it.
        where: How the user wrote it (``"filter(autor__name=…)"``), for the message.

    Raises:
        FieldError: The model has no such field; the message suggests one.
    """
    key = ("path ", name)  # no field is called that, so it is no pair of look-ups
    path: Path | None = meta.plans.get(key)
    if path is None:
        if name.count("__") > _MOST_STEPS:
            raise too_long(meta, name)
        path = _walk(meta, name, where)
        if len(meta.plans) < _MOST_NAMES:
            meta.plans[key] = path
    return path


def too_long(meta: Options, name: str) -> FieldError:
    """Return the error for a name of more steps than any query needs."""
    return FieldError(
        f"A name of {name.count('__') + 1} steps is too long: {meta.object_name} is asked for '{name[:40]}…'. "
        f"{_MOST_STEPS} is the most.",
        model=meta.model,
        name=name[:_SHOWN],
    )


def relation_hops(meta: Options, name: str, where: str) -> tuple[tuple[Hop, ...], Options, Any]:
    """Return the joins of a path of relations, with the model that they lead to and the last of the relations.

    Raises:
        FieldError: A name is unknown.
        ValueError: A name is no relation.
    """
    if name.count("__") > _MOST_STEPS:
        raise too_long(meta, name)
    hops: list[Hop] = []
    current = meta
    found: Any = None
    for part in name.split("__"):
        found = _names(current).get(part)
        if found is None and not hops:
            raise unknown_name(current, part, where)
        if found is None or isinstance(found, _Column) or not found.is_relation:
            raise ValueError(f"'{part[:_SHOWN]}' is no relation of {current.object_name} (in {where[:_SHOWN]}).")
        hops += parent_hops(current, found.model)
        hops += found.hops
        current = found.hops[-1].target
    return tuple(hops), current, found


def find(meta: Options, name: str) -> Any:
    """Return the field or relation that is called ``name`` in queries, or ``None``."""
    return _names(meta).get(name)


def unknown_name(meta: Options, name: str, where: str = "", known: Iterable[str] = ()) -> FieldError:
    """Return the error for a name that the model does not have."""
    names = {name for name in _names(meta) if name.isidentifier()} | {*known}
    if len(name) > _SHOWN:
        # No field is called that; neither a search for the like of it nor its whole text is of use.
        name, where = f"{name[:_SHOWN]}…", ""
    place = f" (in {where[:_SHOWN]})" if where else ""
    pair = getattr(meta._forward_map.get(name), "pair", None)
    if pair is not None:
        return FieldError(
            f"{meta.object_name}.{name} may refer to any model, so that no query can join it{place}. Name its columns, "
            f"'{pair[0]}' and '{pair[1]}', or go by a GenericRelation of the other model.",
            model=meta.model,
            name=name,
        )
    hint = suggest(name, names)
    tail = f"Did you mean '{hint}'?" if hint else f"Choices are: {', '.join(sorted(names))}."
    return FieldError(
        f"{meta.object_name} has no field '{name}'{place}. {tail}", model=meta.model, name=name, hint=hint or ""
    )


def parent_hops(meta: Options, owner: Any) -> tuple[Hop, ...]:
    """Return the hops from a child's table to the parent's table that holds a field of ``owner``."""
    if owner is None or owner._meta.concrete_model is meta.concrete_model or owner._meta.abstract:
        return ()
    key = ("parent ", owner)
    hops: tuple[Hop, ...] | None = meta.plans.get(key)
    if hops is None:
        hops = meta.plans[key] = _parent_hops(meta, owner._meta.concrete_model) or ()
    return hops


def _parent_hops(meta: Options, owner: Any) -> tuple[Hop, ...] | None:
    concrete: Any = meta.concrete_model
    for parent, link in concrete._meta.parents.items():
        if link is None:
            continue
        if parent._meta.concrete_model is owner:
            return tuple(link.hops)
        further = _parent_hops(parent._meta, owner)
        if further is not None:
            return (*link.hops, *further)
    return None


class _Column(Struct, frozen=True):
    """A foreign key named by its column (``author_id``): never a hop."""

    field: Field[Any]


def _names(meta: Options) -> dict[str, Any]:
    names: dict[str, Any] | None = meta.plans.get("names")
    if names is not None:
        return names
    names = {}
    for field in meta.fields:
        names[field.name] = field
    for field in meta.many_to_many:
        names[field.name] = field
    for field in (*meta.private_fields, *getattr(meta, "private_fields_with_parents", ())):
        if hasattr(field, "hops") or getattr(field, "concrete", False):
            names.setdefault(field.name, field)
    for relation in meta.all_related_objects:
        # A hidden relation has a name that nobody can type; managers and prefetching use it.
        names.setdefault(relation.query_name, relation)
    for field in meta.fields:
        if field.attname != field.name:
            names.setdefault(field.attname, _Column(field))
    if meta.pk is not None:
        names.setdefault("pk", _Column(meta.pk))
    meta.plans["names"] = names
    return names


def _walk(meta: Options, name: str, where: str) -> Path:
    parts = name.split("__")
    hops: list[Hop] = []
    current = meta
    field: Field[Any] | None = None
    relation: Any = None
    used = 0
    for part in parts:
        found = _names(current).get(part)
        if found is None:
            break
        used += 1
        if isinstance(found, _Column):
            field, relation = found.field, found.field if found.field.is_relation else None
            hops += parent_hops(current, field.model)
            break
        if not found.is_relation:
            field, relation = found, None
            hops += parent_hops(current, found.model)
            break
        # ``model`` is the model that has the name: the declaring one, or for a reverse side the target.
        hops += parent_hops(current, found.model)
        relation = found
        hops += found.hops
        current = found.hops[-1].target
    if not used:
        raise unknown_name(meta, parts[0], where)
    if field is None:
        forward: Any = hops[-1].forward
        field = current.pk if forward is None else forward.target_field
        assert field is not None
    whole = tuple(hops), field
    while hops and hops[-1].forward is not None and len(hops[-1].on) == 1 and hops[-1].on[0][1] == field.column:
        field = hops.pop().forward
        assert field is not None
    rest, names = tuple(parts[used:]), tuple(parts[:used])
    # ``author`` is its own column; only ``author__id`` and relations by a table between speak of the row behind the key.
    is_named = relation is None or not relation.concrete or relation.many_to_many
    untrimmed = Path(*whole, rest, current, relation, names) if is_named and len(whole[0]) != len(hops) else None
    return Path(tuple(hops), field, rest, current, relation, names, untrimmed)
