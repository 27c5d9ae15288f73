"""Look-ups and transforms: what ``__icontains`` or ``__year__gte`` do to a column and a value.

A look-up is a function ``(operand, right, build) -> Node``. ``Right`` hands out the right-hand side: a run-time value
as a parameter with the adaptation that the look-up wants, or an expression's node. This module reads as one table.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from covet.db.errors import UnfitValue
from covet.db.models.expressions.q import Q
from covet.db.models.fields.base import Field
from covet.db.models.fields.numbers import IntegerField
from covet.db.models.query.json_lookups import JSON_LOOKUPS
from covet.db.models.query.operands import Build, Lookup, Operand, Right, chained, registered
from covet.db.models.query.paths import Path, unknown_name
from covet.db.sql import nodes as n
from covet.exceptions import FieldError
from covet.loading import late_module
from covet.text import suggest

if TYPE_CHECKING:
    from covet.db.models.expressions import inference, json_paths
    from covet.db.models.query import names
else:
    json_paths = late_module(__name__, "covet.db.models.expressions.json_paths")
    inference = late_module(__name__, "covet.db.models.expressions.inference")
    names = late_module(__name__, "covet.db.models.query.names")

__all__ = [
    "LOOKUPS",
    "KeyOf",
    "Operand",
    "Right",
    "apply_transform",
    "check_rest",
    "is_lookup",
    "lookup_of",
    "may_need_zone",
    "reads_zone",
    "refuse_lookup",
    "split_rest",
]

_TEXT = n.ColumnType("text")
_INTEGER = n.ColumnType("integer")
_DATE_PARTS = frozenset({"year", "iso_year", "quarter", "month", "week", "day", "week_day", "iso_week_day"})
_TIME_PARTS = frozenset({"hour", "minute", "second"})
_OF_POSTGRES = frozenset(
    {"search", "trigram_similar", "trigram_strict_word_similar", "trigram_word_similar", "unaccent"}
)
_RELATION_LOOKUPS = frozenset({"exact", "in", "isnull", "gt", "gte", "lt", "lte", "range"})


def _compare(op: str) -> Lookup:
    def lookup(left: Operand, right: Right, build: Build) -> n.Node:
        if left.part == "year" and right.node is None and left.source is not None:
            return _year(op, left, right, build)
        if op in {">=", "<"} and right.node is None and isinstance(left.field, IntegerField):
            return n.Binary(op, left.node, right.value(first=_ceiled))
        return n.Binary(op, left.node, right.value())

    return lookup


def _ceiled(value: Any) -> Any:
    """Return the whole number that a fraction stands for where whole numbers are compared: 3 is the first beyond 2.5."""
    return math.ceil(value) if isinstance(value, (float, Decimal)) and math.isfinite(value) else value


def _year(op: str, left: Operand, right: Right, build: Build) -> n.Node:
    """Compare a year by the bounds of the year, so that an index on the column is used."""
    source = left.source
    assert source is not None and source.field is not None
    zone = build.zone if source.kind == "datetime" else None
    adapt = source.field.adapter(build.dialect)
    limits = n.Limits(dt.MINYEAR, dt.MAXYEAR, before=True)
    first = n.Param(right.slots[0], chained(_YearBound(zone, last=False), adapt), source.type, limits=limits)
    last = n.Param(right.slots[0], chained(_YearBound(zone, last=True), adapt), source.type, limits=limits)
    if op == "=":
        return n.And((n.Binary(">=", source.node, first), n.Binary("<=", source.node, last)))
    return n.Binary(op, source.node, first if op in {"<", ">="} else last)


class _YearBound:
    """Turns a year into the first or last moment of it."""

    __slots__ = ("last", "zone")

    def __init__(self, zone: dt.tzinfo | None, *, last: bool) -> None:
        self.zone, self.last = zone, last

    def __call__(self, value: Any) -> Any:
        year = int(value)
        day = dt.date(year, 12, 31) if self.last else dt.date(year, 1, 1)
        if self.zone is None:
            return day
        # The first and the last moment of all have no other in another zone.
        zone = dt.UTC if year in (dt.MINYEAR, dt.MAXYEAR) else self.zone
        return dt.datetime.combine(day, dt.time.max if self.last else dt.time.min, tzinfo=zone)


def _like(kind: str, before: str, after: str) -> Lookup:
    def lookup(left: Operand, right: Right, build: Build) -> n.Node:
        text, right = _texts(left, right, build)
        return n.Match(kind, text, right.pattern(before, after, build.dialect))

    return lookup


def _iexact(left: Operand, right: Right, build: Build) -> n.Node:
    text, right = _texts(left, right, build)
    pattern = right.node if right.node is not None else right.mapped(str, _TEXT)
    return n.Match("iexact", text, pattern)


def _texts(left: Operand, right: Right, build: Build) -> tuple[n.Node, Right]:
    """Return both sides as texts: UUIDs without their dashes, which not every database keeps."""
    if left.kind != "uuid":
        return _as_text(left), right
    text = _as_text(left)
    if build.vendor != "sqlite":
        text = _undashed(text)
    node = None if right.node is None else _undashed(n.Cast(right.node, _TEXT))
    return text, Right(right.slots, node, right.dialect, right.field, _digits, is_pattern=right.is_pattern)


def _undashed(node: n.Node) -> n.Node:
    return n.Func("REPLACE", (node, n.Bound("-", _TEXT), n.Bound("", _TEXT)), type=_TEXT)


def _digits(value: Any) -> str:
    return str(value).replace("-", "")


def _regex(kind: str) -> Lookup:
    def lookup(left: Operand, right: Right, build: Build) -> n.Node:
        change = _checked_regex if build.vendor == "sqlite" else str
        pattern = right.node if right.node is not None else right.mapped(change, _TEXT)
        return n.Match(kind, _as_text(left), pattern)

    return lookup


def _checked_regex(value: Any) -> str:
    """Return a regular expression that Python reads: SQLite's come to it row by row, where its error would be lost."""
    text = str(value)
    try:
        re.compile(text)
    except re.error as error:
        raise UnfitValue(f"{text[:80]!r} is no regular expression: {error}.") from None
    return text


def _as_text(left: Operand) -> n.Node:
    if isinstance(left.node, n.JSONPath):
        return n.JSONPath(left.node.operand, left.node.path, True)
    return left.node if left.kind in n.TEXT_KINDS or left.field is None else n.Cast(left.node, _TEXT)


LOOKUPS: dict[str, Lookup] = {
    "exact": _compare("="),
    "gt": _compare(">"),
    "gte": _compare(">="),
    "lt": _compare("<"),
    "lte": _compare("<="),
    "iexact": _iexact,
    **{name: _like(*pattern) for name, pattern in n.PATTERNS.items()},
    "regex": _regex("regex"),
    "iregex": _regex("iregex"),
}
# These are written by the builder itself: their right-hand side is no single value.
_SHAPED = frozenset({"in", "range", "isnull"})


def may_need_zone(rest: tuple[str, ...]) -> bool:
    """Whether names after a field may read a datetime in the current time zone."""
    return any(name in _DATE_PARTS or name in _TIME_PARTS or name in {"date", "time"} for name in rest)


def reads_zone(item: Any) -> bool:
    """Whether a name, or an expression with names in it, reads a part of a date or moment."""
    if item.__class__ is str:
        return "__" in item and may_need_zone(tuple(item.split("__")[1:]))
    if item.__class__ is tuple or item.__class__ is list:
        return any(map(reads_zone, item))
    if isinstance(item, Q):
        return any(
            reads_zone(child[0]) or (child[1].__class__ is not str and reads_zone(child[1]))
            if child.__class__ is tuple
            else reads_zone(child)
            for child in item.children
        )
    if not hasattr(item, "walk"):
        return False
    # Whatever an expression is made of: its names, sources, filter, partitions and order.
    return any(reads_zone(part) for name, part in vars(item).items() if name != "_constructed")


def split_rest(field: Field[Any] | None, rest: tuple[str, ...], made: Any = None) -> tuple[tuple[str, ...], str]:
    """Return the transforms and the look-up in the names that follow a field, or what a transform ``made``.

    Raises:
        LookupError: A name is neither; its argument is that name.
    """
    transforms: list[str] = []
    kind = _kind(field)
    for position, name in enumerate(rest):
        if kind == "json" and not (position == len(rest) - 1 and is_lookup(field, name, made)):
            transforms.append(name)
            continue
        if name in _transforms_of(kind) or registered(made, field, "get_transform", name) is not None:
            transforms.append(name)
            field, made = _transformed(field, name, made)
            kind = _kind(field)
            continue
        last = position == len(rest) - 1
        if last and is_lookup(field, name, made):
            return tuple(transforms), name
        raise LookupError(name)
    return tuple(transforms), "exact"


def is_lookup(field: Field[Any] | None, name: str, made: Any = None) -> bool:
    """Whether a name is a look-up of this field, or of the transform that ``made`` it."""
    if name in LOOKUPS or name in _SHAPED or registered(made, field, "get_lookup", name) is not None:
        return True
    return _kind(field) == "json" and name in JSON_LOOKUPS


def lookup_of(left: Operand, name: str) -> Lookup | None:
    """Return the function of a built-in look-up, by what the left-hand side is."""
    if left.kind == "json" and name in JSON_LOOKUPS:
        return JSON_LOOKUPS[name]
    return LOOKUPS.get(name)


def check_rest(path: Path, where: str) -> bool:
    """Raise for names after a field that mean nothing; return whether a datetime's zone matters.

    Raises:
        FieldError: With the name that was probably meant.
    """
    rest = path.rest
    if path.relation is None:
        refuse_lookup(path.field, rest[-1] if rest else "exact")
    if not rest:
        return False
    if path.relation is not None and rest[0] not in _RELATION_LOOKUPS:
        raise unknown_name(path.at, rest[0], where)
    try:
        split_rest(path.field, rest)
    except LookupError as error:
        name = str(error.args[0])
        kind = _kind(path.field)
        known = {*LOOKUPS, *_SHAPED, *_transforms_of(kind), *_registered(path.field)}
        hint = suggest(name, known)
        place = f" (in {where})" if where else ""
        tail = f"Did you mean '{hint}'?" if hint else f"Look-ups are: {', '.join(sorted(known))}."
        if name in _OF_POSTGRES and not hint:
            tail = "On texts 'covet.postgres' in INSTALLED_APPS brings it, with PostgreSQL."
        raise FieldError(
            f"{path.field.model._meta.object_name}.{path.field.name} has no look-up '{name}'{place}. {tail}",
            model=path.field.model,
            name=name,
            hint=hint or "",
        ) from None
    return _kind(path.field) == "datetime" and may_need_zone(rest)


def refuse_lookup(field: Field[Any] | None, name: str) -> None:
    """Raise for a look-up that a field's column cannot answer, such as an encrypted one.

    Raises:
        FieldError: The field does not allow it.
    """
    allowed = None if field is None else field.allowed_lookups
    if field is None or allowed is None or name in allowed:
        return
    raise FieldError(
        f"{field} is {type(field).__name__}: the database cannot answer '{name}' of it. "
        f"Look-ups that work are: {', '.join(sorted(allowed))}.",
        model=field.model,
        name=name,
        hint="",
    )


def _registered(field: Field[Any]) -> set[str]:
    """Return the names that were registered for a field or its class."""
    owners = [field, *type(field).__mro__]
    return {name for owner in owners for name in getattr(owner, "__dict__", {}).get("class_lookups", {})}


def apply_transform(operand: Operand, name: str, build: Build) -> Operand:
    """Return what a transform makes of the left-hand side."""
    field, kind = operand.field, operand.kind
    custom = operand.get_transform(name)
    if custom is not None:
        made = custom(operand.side(build))
        resolved = made.resolve(build)
        if getattr(made, "output_field", None) is None:
            made.output_field = resolved.field  # what the look-ups that follow may ask it for
        both = (*operand.bilateral, custom) if getattr(custom, "bilateral", False) else operand.bilateral
        return Operand(resolved.node, resolved.field, bilateral=both, made=made, is_own=True)
    if kind == "json":
        return Operand(json_paths.json_step(operand.node, name), field, is_own=operand.is_own)
    target, _made = _transformed(field, name, None)
    zone = (n.Bound(str(build.zone), _TEXT),) if kind == "datetime" else ()
    if name in {"date", "time"}:
        node = n.Func(f"TRUNC_{name.upper()}", (operand.node, *zone), type=n.ColumnType(name))
        return Operand(node, target, is_own=operand.is_own)
    node = n.Func(f"EXTRACT_{name.upper()}", (operand.node, *zone), type=_INTEGER)
    return Operand(node, target, part=name, source=operand, is_own=operand.is_own)


def _kind(field: Field[Any] | None) -> str:
    column_type = None if field is None else field.column_type()
    return "" if column_type is None else column_type.kind


def _transforms_of(kind: str) -> frozenset[str]:
    if kind == "datetime":
        return _DATE_PARTS | _TIME_PARTS | {"date", "time"}
    if kind == "date":
        return _DATE_PARTS
    return _TIME_PARTS if kind == "time" else frozenset()


def _transformed(field: Field[Any] | None, name: str, before: Any) -> tuple[Field[Any] | None, Any]:
    """Return the field that describes a transform's result, and the transform, if it is one of a project."""
    custom = registered(before, field, "get_transform", name)
    if custom is None:
        return inference.DATE if name == "date" else inference.TIME if name == "time" else inference.INTEGER, None
    made = custom(names.NodeExpression(n.Keyword("NULL"), field))
    # What it holds may be said by a property, which may look at what is transformed.
    found = getattr(made, "result", None) or getattr(made, "output_field", None)
    return found if isinstance(found, Field) else field, made


class KeyOf:
    """Takes the key out of an instance that was given as the value of a condition."""

    __slots__ = ("attname", "model", "name", "target")

    def __init__(self, path: Path | None) -> None:
        relation = None if path is None else path.relation
        self.name = "" if path is None else "__".join(path.names)
        self.model: Any = None
        self.target: Any = None
        self.attname = "pk"
        if relation is not None and path is not None:
            self.model = path.at.concrete_model
            forward = relation if relation.many_to_one or (relation.one_to_one and relation.concrete) else None
            if forward is not None:
                self.model = forward.related_model._meta.concrete_model
                self.target = forward.target_field
                self.attname = self.target.attname

    def key_of_parent(self, parent: Any) -> str:
        """Return what the key is called on an object of a parent, which stands for its child."""
        field = self.target
        while field is not None and not issubclass(parent, field.model) and field.remote_field is not None:
            field = field.target_field
        return "pk" if field is None else field.attname

    def __call__(self, value: Any) -> Any:
        """Return the key; a value that is a key already stays one."""
        if not hasattr(value, "_meta"):
            return value
        attname = self.attname
        given = value._meta.concrete_model
        if self.model is not None and not issubclass(given, self.model):
            if not issubclass(self.model, given):
                raise ValueError(
                    f"{self.name} takes {self.model._meta.object_name} objects, not {value._meta.object_name}: {value!r}"
                )
            attname = self.key_of_parent(given)
        key = getattr(value, attname)
        if key is None:
            raise ValueError(
                f"An unsaved {value._meta.object_name} cannot be the value of {self.name or 'a condition'}: save it first."
            )
        return key
