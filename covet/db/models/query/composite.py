"""Conditions on keys of several columns: ``pk=(1, 2)`` becomes conditions on the fields, before any SQL is thought of.

No database compares rows of values in all the ways that ``pk`` may be compared, so none is asked to.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from copy import copy
from operator import is_
from typing import TYPE_CHECKING, Any

from covet.db.models.expressions.base import Expression
from covet.db.models.expressions.q import OneRow, Q
from covet.db.models.expressions.subqueries import Exists, Subquery
from covet.db.models.query.paths import Path, is_object
from covet.db.sql import nodes
from covet.exceptions import FieldError
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.db.models.expressions import inference, refs
    from covet.db.models.expressions import scope as scopes
    from covet.db.models.options import Options
    from covet.db.models.query.plan import Query
else:
    refs = late_module(__name__, "covet.db.models.expressions.refs")
    inference = late_module(__name__, "covet.db.models.expressions.inference")
    scopes = late_module(__name__, "covet.db.models.expressions.scope", "scopes")

__all__ = ["among", "expanded_names", "key_values", "split_in", "split_keys"]

# SQL parsers limit how deep a tree may be, and read a long chain of OR as a deep one.
_WIDTH = 50


class KeyPart(Expression[Any]):
    """One part of a key of several columns that ``OuterRef`` names: ``pk=OuterRef("pk")`` compares the parts one by one.

    Args:
        reference: What names the key.
        position: Which part it is.
        count: How many parts the key must have.
    """

    def __init__(self, reference: refs.OuterRef, position: int, count: int) -> None:
        super().__init__()
        self.sources = (reference,)
        self.position, self.count = position, count

    def shape(self, values: list[Any]) -> Hashable:
        """Return the reference and the part."""
        return (KeyPart, self.sources[0].shape(values), self.position, self.count)

    def resolve(self, scope: scopes.Scope) -> scopes.Resolved:
        """Return the outer query's column."""
        name, around = self.sources[0].name, scope.outer
        while not isinstance(name, str):
            name, around = name.name, around.outer
        return around.key_part(name, self.position, self.count)  # type: ignore[attr-defined, no-any-return]  # a builder


class KeyAmong(Subquery):
    """Whether several columns are those of a row of a queryset, which may be a slice.

    Args:
        names: The columns.
        queryset: It selects as many.
    """

    is_conditional = True

    def __init__(self, names: Sequence[str], queryset: Any) -> None:
        super().__init__(queryset)
        self.names = tuple(names)

    def shape(self, values: list[Any]) -> Hashable:
        """Return the columns and the queryset's shape."""
        return (KeyAmong, self.names, self.queryset.shape(values))

    def resolve(self, scope: scopes.Scope) -> scopes.Resolved:
        """Return ``(…) IN (SELECT …)``."""
        columns = nodes.Row(tuple([scope.ref(name).node for name in self.names]))
        return scopes.Resolved(
            scope.compare_list(scopes.Resolved(columns, None), "in", scope.query(self.queryset)), inference.BOOLEAN
        )

    @property
    def conditional(self) -> bool:
        """It is a condition."""
        return True


def split_keys(condition: Q, query: Query) -> Q:
    """Return a tree in which conditions on composite keys are conditions on their fields."""
    children = []
    changed = False
    for child in condition.children:
        new: Any
        if child.__class__ is tuple:
            new = _of_one_row(child, query)
            if new is None:
                value = split_in(child[1], query)
                new = child if value is child[1] else (child[0], value)
        else:
            new = split_in(child, query)
        changed |= new is not child
        children.append(new)
    return Q.create(children, condition.connector, condition.negated) if changed else condition


def split_in(value: Any, query: Query) -> Any:
    """Return a condition, or an expression with the conditions in it (``When``, ``filter`` of an aggregate), split likewise."""
    if isinstance(value, Q):
        return split_keys(value, query)
    if value.__class__ is tuple:
        items = tuple([split_in(item, query) for item in value])
        return value if all(map(is_, items, value)) else items
    if not (hasattr(value, "shape") and hasattr(value, "walk")):
        return value
    parts = vars(value)
    changed = {
        name: new
        for name, part in parts.items()
        if name != "_constructed" and (new := split_in(part, query)) is not part
    }
    if not changed:
        return value
    new = copy(value)
    vars(new).update(changed)
    return new


def _of_one_row(child: tuple[str, Any], query: Query) -> Q | None:
    """Return what a condition is split into; behind a relation to many rows all of it is about one of them."""
    name, value = child
    if query.named(name)[0] is not None:
        return None
    try:
        path = query.path(name, f"filter({name}=…)")
    except FieldError:
        return None  # a mistake that the query itself names
    condition = _split(path, name, value)
    if condition is None or not path.many:
        return condition
    return OneRow.about(condition, "__".join(path.names), absent=_wants_null(path, value))


def _wants_null(path: Path, value: Any) -> bool:
    return value is True if path.rest == ("isnull",) else value is None


def _split(path: Path, name: str, value: Any) -> Q | None:
    if is_object(path):
        return _of_object(path, value, name)
    if not path.field.is_composite:
        return None
    prefix = list(path.names)
    if prefix[-1] == "pk":
        prefix.pop()
    owner = path.at
    names = ["__".join([*prefix, field.attname]) for field in owner.pk_fields]
    lookup = "__".join(path.rest) or "exact"
    if lookup == "isnull":
        return Q((f"{names[0]}__isnull", value))
    if lookup == "exact":
        if value is None:  # no row has such a key; where a row may be missing, it asks for those without
            return Q((f"{names[0]}__isnull", True)) if path.hops else Q((f"{names[0]}__in", []))
        if hasattr(value, "query"):
            return Q(_in_one_row(names, value, name))
        return _equal(names, key_values(owner, value, name))
    if lookup == "in":
        return _among(names, value, owner, name)
    if lookup in {"gt", "gte", "lt", "lte"}:
        return _beside(names, key_values(owner, value, name), lookup)
    if lookup == "range":
        low, high = value
        return _beside(names, key_values(owner, low, name), "gte") & _beside(
            names, key_values(owner, high, name), "lte"
        )
    raise FieldError(
        f"The primary key of {owner.object_name} has several parts, and '{lookup}' cannot compare it. Use exact, in, gt, "
        "gte, lt, lte, range or isnull, or name one of the fields.",
        model=owner.model,
        name=name,
    )


def _of_object(path: Path, value: Any, name: str) -> Q:
    """Return the condition on a ``ForeignObject`` as conditions on the fields that name its row."""
    relation = path.relation
    names = ["__".join([*path.names[:-1], field.attname]) for field in relation.local_related_fields]
    lookup = "__".join(path.rest) or "exact"
    if lookup == "isnull" or (lookup == "exact" and value is None):
        if value is not None and not isinstance(value, bool):
            raise ValueError(f"{name} takes True or False, not {value!r}.")
        missing = Q.create([(f"{one}__isnull", True) for one in names], "OR")
        return missing if value is None or value else ~missing
    if lookup == "exact":
        return _equal(names, _object_key(relation, value, name))
    if lookup != "in":
        raise FieldError(
            f"{relation} has several columns, and '{lookup}' cannot compare it. Use exact, in or isnull, or name one of "
            f"{', '.join(relation.from_fields)}.",
            model=path.at.model,
            name=name,
        )
    if hasattr(value, "query") or hasattr(value, "get_queryset"):
        queryset = value.get_queryset() if hasattr(value, "get_queryset") else value
        return Q(_in_queryset(names, queryset, name, [field.attname for field in relation.foreign_related_fields]))
    keys = [_object_key(relation, one, name) for one in value if one is not None]
    return among(names, keys) if keys else Q((f"{names[0]}__in", []))


def _object_key(relation: Any, value: Any, where: str) -> Sequence[Any]:
    """Return the key that a ``ForeignObject`` is compared with, given as an instance, a tuple or a list."""
    if hasattr(value, "_meta"):
        return relation.key_of(value)  # type: ignore[no-any-return]  # a tuple
    if isinstance(value, refs.OuterRef):
        return _parts(value, len(relation.to_fields))
    if not isinstance(value, (tuple, list)) or len(value) != len(relation.to_fields):
        raise ValueError(
            f"{relation} is compared with an instance of {relation.related_model._meta.object_name} or with a tuple of "
            f"its {', '.join(relation.to_fields)}, not with {value!r} (in {where}=…)."
        )
    return value


def among(names: Sequence[str], keys: Iterable[Sequence[Any]]) -> Q:
    """Return the condition that the fields have the values of one of the keys."""
    return _any([_equal(names, one) for one in dict.fromkeys(map(tuple, keys))])


def key_values(meta: Options, value: Any, where: str) -> Sequence[Any]:
    """Return the parts of a key that was given as a tuple, a list, an instance or a reference to one further out.

    Raises:
        ValueError: It has another number of parts.
    """
    if hasattr(value, "_meta"):
        value = value.pk
    count = len(meta.pk_fields)
    if isinstance(value, refs.OuterRef):
        return _parts(value, count)
    if not isinstance(value, (tuple, list)) or len(value) != count:
        names = ", ".join(field.attname for field in meta.pk_fields)
        raise ValueError(
            f"The primary key of {meta.object_name} is a tuple of {count} values ({names}), not {value!r} (in {where}=…)."
        )
    return value


def _parts(reference: refs.OuterRef, count: int) -> list[KeyPart]:
    return [KeyPart(reference, position, count) for position in range(count)]


def _equal(names: Sequence[str], values: Sequence[Any]) -> Q:
    return Q.create(list(zip(names, values, strict=True)))


def _among(names: Sequence[str], value: Any, meta: Options, where: str) -> Q:
    if hasattr(value, "query") or hasattr(value, "get_queryset"):
        queryset = value.get_queryset() if hasattr(value, "get_queryset") else value
        return Q(_in_queryset(names, queryset, where))
    keys = [key_values(meta, one, where) for one in value]
    if not keys:
        return Q((f"{names[0]}__in", []))
    return among(names, keys)


def _in_one_row(names: Sequence[str], queryset: Any, where: str) -> Subquery:
    query = queryset.query
    if query.high is None or query.high - query.low != 1:
        raise ValueError(f"{where} takes a queryset of one row, as in {where}=queryset[:1]; {where}__in takes any.")
    return _in_queryset(names, queryset, where)


def _in_queryset(names: Sequence[str], queryset: Any, where: str, columns: Sequence[str] | None = None) -> Subquery:
    query = queryset.query
    outputs = query.extras.outputs
    if outputs is None:
        outputs = columns or [field.attname for field in queryset.model._meta.pk_fields]
    else:
        outputs = expanded_names(queryset.model._meta, outputs)
    if len(outputs) != len(names):
        raise ValueError(f"{where} takes a queryset of {len(names)} columns, not of {len(outputs)}.")
    if query.is_sliced:
        return KeyAmong(names, queryset._chain(query.with_extras(outputs=tuple(outputs), select_related=())))
    plain = queryset._chain(query.with_extras(outputs=None))
    plain._manner = plain._manner.but(kind="model")
    return Exists(
        plain.order_by().filter(**{inner: refs.OuterRef(outer) for inner, outer in zip(outputs, names, strict=True)})
    )


def expanded_names(meta: Options, names: Sequence[str]) -> list[str]:
    """Return names of values in which ``pk`` of a composite key is replaced by its fields."""
    found: list[str] = []
    for name in names:
        if name == "pk" and meta.pk is not None and meta.pk.is_composite:
            found += [field.attname for field in meta.pk_fields]
        else:
            found.append(name)
    return found


def _any(conditions: list[Q]) -> Q:
    """Return the conditions joined by OR, as a tree that is wide and not deep."""
    while len(conditions) > 1:
        conditions = [Q.create(conditions[start : start + _WIDTH], "OR") for start in range(0, len(conditions), _WIDTH)]
    return conditions[0]


def _beside(names: Sequence[str], values: Sequence[Any], lookup: str) -> Q:
    """Return the condition that a key comes before or after another, the first part counting most."""
    strict = lookup.removesuffix("e")
    steps = []
    for position, name in enumerate(names):
        last = position == len(names) - 1
        same = list(zip(names[:position], values[:position], strict=True))
        steps.append(Q.create([*same, (f"{name}__{lookup if last else strict}", values[position])]))
    return Q.create(steps, "OR")
