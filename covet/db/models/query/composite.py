"""Keys of several columns: ``pk=(1, 2)`` becomes conditions on the fields, before any SQL is thought of.

No database compares rows of values in all the ways that ``pk`` may be compared, so none is asked to. The same holds for names
that a query gives to a key (``annotate(key=F("pk"))``): each part has a name of its own, and the key is the tuple of them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
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

__all__ = ["Key", "among", "expanded_names", "key_values", "named_key", "part_names", "split_in", "split_keys"]

# SQL parsers limit how deep a tree may be, and read a long chain of OR as a deep one.
_WIDTH = 50


class Key(Expression[Any]):
    """A key of several columns under a name of the query: ``annotate(key=F("pk"))``. It is read, ordered and compared by part.

    Args:
        path: The name of the key itself.
        names: What the query calls the parts.
    """

    def __init__(self, path: str, names: Sequence[str]) -> None:
        super().__init__()
        self.path = path
        self.sources = tuple([refs.F(name) for name in names])

    def shape(self, values: list[Any]) -> Hashable:
        """Return the names: the parts are annotations of their own."""
        return (Key, self.path, *[source.name for source in self.sources])

    def resolve(self, scope: scopes.Scope) -> scopes.Resolved:
        """Raise: it is no single value.

        Raises:
            FieldError: Always.
        """
        names = ", ".join([source.name for source in self.sources])
        raise FieldError(
            f"The key {self.path} has several parts and is no single value: name one of {names}.", name=self.path
        )


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
    annotation, rest = query.named(name)
    if annotation is not None:
        return _of_named(annotation.expression, rest, name, value, query) if annotation.is_key else None
    try:
        path = query.path(name, f"filter({name}=…)")
    except FieldError:
        return None  # a mistake that the query itself names
    condition = _split(path, name, value, query)
    if condition is None or not path.many:
        return condition
    return OneRow.about(condition, "__".join(path.names), absent=_wants_null(path, value))


def _wants_null(path: Path, value: Any) -> bool:
    return value is True if path.rest == ("isnull",) else value is None


def _of_named(key: Key, rest: str, name: str, value: Any, query: Query) -> Q:
    """Return the condition on a key that has a name in the query, as conditions on its parts."""
    names = [source.name for source in key.sources]
    return _compared(query.path(key.path, name), names, rest or "exact", name, value, query, may_lack=True)


def _split(path: Path, name: str, value: Any, query: Query) -> Q | None:
    if not path.field.is_composite and not is_object(path):
        return None
    return _compared(
        path, _parts_of(path), "__".join(path.rest) or "exact", name, value, query, may_lack=bool(path.hops)
    )


def _parts_of(path: Path) -> list[str]:
    """Return the names of the fields that a key consists of, or that a ``ForeignObject`` names its row by."""
    prefix = list(path.names)
    relation: Any = path.relation
    if is_object(path):
        return ["__".join([*prefix[:-1], field.attname]) for field in relation.local_related_fields]
    if prefix[-1] == "pk":
        prefix.pop()
    return ["__".join([*prefix, field.attname]) for field in path.at.pk_fields]


def part_names(query: Query, name: str) -> list[str] | None:
    """Return the names of the parts of a key of several columns that a name stands for; ``None`` if it stands for another value.

    It may be that of the row, of one it is related to, a ``ForeignObject``, or a name that the query gives to one of these.
    """
    annotation, rest = query.named(name)
    if annotation is not None:
        return [source.name for source in annotation.expression.sources] if annotation.is_key and not rest else None
    try:
        path = query.path(name, "")
    except FieldError:
        return None  # a mistake that the query itself names
    return _parts_of(path) if not path.rest and (path.field.is_composite or is_object(path)) else None


def named_key(query: Query, expression: Any, name: str) -> Key | None:
    """Return the key that an expression is, whose parts are to be called ``name__part``; ``None`` if it is another value."""
    if type(expression) is not refs.F or (names := part_names(query, expression.name)) is None:
        return None
    annotation = query.annotation(expression.name)
    path = expression.name if annotation is None else annotation.expression.path
    return Key(path, [f"{name}__{part.rpartition('__')[2]}" for part in names])


def _compared(path: Path, names: list[str], lookup: str, where: str, value: Any, query: Query, *, may_lack: bool) -> Q:
    """Return a look-up of a key as conditions on its parts.

    Args:
        path: Where the key is.
        names: The parts.
        lookup: How they are compared.
        where: What the user wrote.
        value: What they are compared with.
        query: The query that the condition is for.
        may_lack: A row may have no such key.
    """
    if isinstance(value, Subquery) and not value.is_conditional:
        value = value.queryset
    if is_object(path):
        missing = _object_missing(names, lookup, where, value)
        if missing is not None:
            return missing
        what, columns = str(path.relation), [field.attname for field in path.relation.foreign_related_fields]
    elif lookup == "isnull":
        return Q((f"{names[0]}__isnull", value))
    elif lookup == "exact" and value is None:
        # No row has such a key; where one may be missing, it asks for those without.
        return Q((f"{names[0]}__isnull", True)) if may_lack else Q((f"{names[0]}__in", []))
    else:
        what, columns = f"The primary key of {path.at.object_name}", None

    def parts(given: Any) -> Sequence[Any]:
        if type(given) is refs.F and (found := part_names(query, given.name)) is not None and len(found) == len(names):
            return [refs.F(part) for part in found]
        return key_values(path.at, given, where) if columns is None else _object_key(path.relation, given, where)

    if lookup == "exact":
        return Q(_in_one_row(names, value, where, columns)) if hasattr(value, "query") else _equal(names, parts(value))
    if lookup == "in":
        return _among(names, value, where, parts, columns)
    if lookup in {"gt", "gte", "lt", "lte"}:
        return _beside(names, parts(value), lookup)
    if lookup == "range":
        low, high = value
        return _beside(names, parts(low), "gte") & _beside(names, parts(high), "lte")
    raise FieldError(
        f"{what} has several parts, and '{lookup}' cannot compare it. Use exact, in, gt, gte, lt, lte, range or isnull, "
        f"or name one of {', '.join(names)}.",
        model=path.at.model,
        name=where,
    )


def _object_missing(names: Sequence[str], lookup: str, where: str, value: Any) -> Q | None:
    """Return the condition that a ``ForeignObject`` names no row, if that is what is asked."""
    if lookup != "isnull" and not (lookup == "exact" and value is None):
        return None
    if value is not None and not isinstance(value, bool):
        raise ValueError(f"{where} takes True or False, not {value!r}.")
    missing = Q.create([(f"{one}__isnull", True) for one in names], "OR")
    return missing if value is None or value else ~missing


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


def _among(
    names: Sequence[str], value: Any, where: str, parts: Callable[[Any], Sequence[Any]], columns: Sequence[str] | None
) -> Q:
    if hasattr(value, "query") or hasattr(value, "get_queryset"):
        queryset = value.get_queryset() if hasattr(value, "get_queryset") else value
        return Q(_in_queryset(names, queryset, where, columns))
    # Keys that no row has are left out, as other values that are NULL are.
    keys = [parts(one) for one in value if one is not None]
    return among(names, keys) if keys else Q((f"{names[0]}__in", []))


def _in_one_row(names: Sequence[str], queryset: Any, where: str, columns: Sequence[str] | None) -> Subquery:
    query = queryset.query
    if query.high is None or query.high - query.low != 1:
        raise ValueError(f"{where} takes a queryset of one row, as in {where}=queryset[:1]; {where}__in takes any.")
    return _in_queryset(names, queryset, where, columns)


def _in_queryset(names: Sequence[str], queryset: Any, where: str, columns: Sequence[str] | None = None) -> Subquery:
    query = queryset.query
    outputs = query.extras.outputs
    if outputs is None:
        outputs = columns or [field.attname for field in queryset.model._meta.pk_fields]
    else:
        outputs = expanded_names(query, outputs)
    if len(outputs) != len(names):
        raise ValueError(f"{where} takes a queryset of {len(names)} columns, not of {len(outputs)}.")
    if query.is_sliced:
        return KeyAmong(names, queryset._chain(query.with_extras(outputs=tuple(outputs), select_related=())))
    plain = queryset._chain(query.with_extras(outputs=None))
    plain._manner = plain._manner.but(kind="model")
    return Exists(
        plain.order_by().filter(**{inner: refs.OuterRef(outer) for inner, outer in zip(outputs, names, strict=True)})
    )


def expanded_names(query: Query, names: Sequence[str]) -> list[str]:
    """Return names of values in which each key of several columns is replaced by its parts."""
    found: list[str] = []
    for name in names:
        found += part_names(query, name) or [name]
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
