"""Plain selections compiled to closures: rows that are loaded go straight into the answer's dicts.

Most of a GraphQL answer's time is spent in the executor completing values one by one. Where a selection holds nothing
but columns and relations of model types, and everything it asks for has been loaded, a compiled writer makes the same
dicts in a fraction of it (measured: 100 rows with a relation, 2.7 ms → 0.9 ms, the database included). A writer never
guesses: a directive, a resolver, a value that is not loaded or does not fit its type makes it give up, and the executor
does the work from the start, with its own errors.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeAlias

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLBoolean,
    GraphQLID,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLString,
    InlineFragmentNode,
    is_leaf_type,
)
from strawberry.schema.schema_converter import GraphQLCoreConverter

from covet.db.models.base import Model
from covet.db.models.query.hydrate import MISSING
from covet.graphql.fields import Connection, Edge, PageInfo
from covet.graphql.types import ColumnField, ManyField, OneField, model_type_of

__all__ = ["GiveUp", "Writers", "is_written"]

Write: TypeAlias = Callable[[Any], Any]
_BACKREF: Final = GraphQLCoreConverter.DEFINITION_BACKREF
_MAX_WRITERS: Final = 1000
_MAX_INT: Final = 2**31
_PLAIN: Final = (Connection, Edge, PageInfo)


class GiveUp(Exception):
    """The executor must complete this value."""


class Writers:
    """The compiled selections of one schema, by the nodes that select."""

    def __init__(self) -> None:
        # The nodes are kept with their writer, so that their ids stay theirs for as long as the entry lives.
        self._made: OrderedDict[tuple[int, ...], tuple[list[FieldNode], Write | None]] = OrderedDict()

    def writer(self, kind: Any, info: Any) -> Write | None:
        """Return what writes a value of this type for the nodes of ``info``; None if that cannot be compiled."""
        nodes: list[FieldNode] = info.field_nodes
        key = (id(kind), *map(id, nodes))
        found = self._made.get(key)
        if found is None:
            try:
                made: Write | None = _value(kind, nodes, info.fragments)
            except GiveUp:
                made = None
            found = self._made[key] = (nodes, made)
            if len(self._made) > _MAX_WRITERS:
                self._made.popitem(last=False)
        return found[1]


def _value(kind: Any, nodes: list[FieldNode], fragments: dict[str, FragmentDefinitionNode]) -> Write:
    """Return the writer of a type with its wrappers."""
    if isinstance(kind, GraphQLNonNull):
        return _never_null(_value(kind.of_type, nodes, fragments))
    if isinstance(kind, GraphQLList):
        return _list(_value(kind.of_type, nodes, fragments))
    if is_leaf_type(kind):
        return _leaf(kind)
    if isinstance(kind, GraphQLObjectType):
        return _object(kind, nodes, fragments)
    raise GiveUp


def _never_null(write: Write) -> Write:
    def written(value: Any) -> Any:
        made = write(value)
        if made is None:
            raise GiveUp
        return made

    return written


def _list(write: Write) -> Write:
    def written(value: Any) -> Any:
        return None if value is None else [write(item) for item in value]

    return written


def _leaf(kind: Any) -> Write:
    coerce: Write = kind.coerce_output_value if hasattr(kind, "coerce_output_value") else kind.serialize

    def written(value: Any) -> Any:
        if value is None:
            return None
        made = coerce(value)
        if made is None:
            raise GiveUp
        return made

    if kind is GraphQLString:
        return lambda value: value if type(value) is str else written(value)
    if kind is GraphQLBoolean:
        return lambda value: value if type(value) is bool else written(value)
    if kind is GraphQLInt:
        return lambda value: value if type(value) is int and -_MAX_INT <= value < _MAX_INT else written(value)
    if kind is GraphQLID:
        return lambda value: str(value) if type(value) is int else written(value)
    return written


def _object(kind: GraphQLObjectType, nodes: list[FieldNode], fragments: dict[str, FragmentDefinitionNode]) -> Write:
    definition = kind.extensions.get(_BACKREF)
    origin = getattr(definition, "origin", None)
    rows = model_type_of(origin)
    is_plain = isinstance(origin, type) and issubclass(origin, _PLAIN)
    if rows is None and not is_plain:
        raise GiveUp
    expected: Any = rows.model if rows is not None else origin
    if is_plain and definition is not None and definition.concrete_of is not None:
        expected = definition.concrete_of.origin
    members: list[tuple[str, Write]] = []
    for key, selected in _gather(kind, nodes, fragments).items():
        name = selected[0].name.value
        if name == "__typename":
            members.append((key, _constant(kind.name)))
            continue
        graphql_field = kind.fields[name]
        read = _read(graphql_field.extensions.get(_BACKREF), is_plain)
        members.append((key, _then(read, _value(graphql_field.type, selected, fragments))))

    def written(value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, expected):
            raise GiveUp
        return {key: write(value) for key, write in members}

    return written


def _constant(value: str) -> Write:
    return lambda row: value


def _then(read: Write, write: Write) -> Write:
    return lambda row: write(read(row))


def _read(own: Any, is_plain: bool) -> Write:
    """Return what reads a field of a loaded row, or of a part of a connection."""
    if isinstance(own, ColumnField):
        return _column(own.attname)
    if isinstance(own, OneField) and own.target is not None:
        attname = getattr(own.relation, "attname", None)
        return _far_side(own.relation.cache_name) if attname is None else _relation(own.python_name, attname)
    if isinstance(own, ManyField):
        return _many(own)
    if is_plain and own is not None and own.is_basic_field:
        name = own.python_name
        return lambda part: getattr(part, name)
    raise GiveUp


def _column(attname: str) -> Write:
    def read(row: Any) -> Any:
        try:
            return row.__dict__[attname]
        except KeyError:
            raise GiveUp from None

    return read


def _relation(name: str, attname: str) -> Write:
    def read(row: Any) -> Any:
        if attname not in row.__dict__:
            raise GiveUp
        return getattr(row, name)

    return read


def _far_side(cache_name: str) -> Write:
    def read(row: Any) -> Any:
        cached = getattr(row, cache_name)
        if cached is None:
            raise GiveUp
        return None if cached is MISSING else cached

    return read


def _many(own: ManyField) -> Write:
    name = own.python_name

    def read(row: Any) -> Any:
        rows = getattr(row, name).all()
        if not rows.is_evaluated:
            raise GiveUp
        return own.shown(rows)

    return read


def _gather(
    kind: GraphQLObjectType, nodes: Iterable[FieldNode], fragments: dict[str, FragmentDefinitionNode]
) -> dict[str, list[FieldNode]]:
    """Return the selected fields by response key, in order; those of one key are one field."""
    found: dict[str, list[FieldNode]] = {}
    for node in nodes:
        for child in _fields(kind, node, fragments):
            key = child.alias.value if child.alias is not None else child.name.value
            found.setdefault(key, []).append(child)
    return found


def _fields(kind: GraphQLObjectType, node: Any, fragments: dict[str, FragmentDefinitionNode]) -> Iterator[FieldNode]:
    for child in node.selection_set.selections if node.selection_set is not None else ():
        if child.directives:
            raise GiveUp
        if isinstance(child, FieldNode):
            yield child
            continue
        inner: Any = fragments[child.name.value] if isinstance(child, FragmentSpreadNode) else child
        condition = inner.type_condition
        if not isinstance(inner, (InlineFragmentNode, FragmentDefinitionNode)) or inner.directives:
            raise GiveUp
        if condition is not None and condition.name.value != kind.name:
            raise GiveUp  # an interface, perhaps: the executor knows
        yield from _fields(kind, inner, fragments)


def is_written(value: Any) -> bool:
    """Tell whether a value is of a kind that writers know."""
    kind = type(value)
    if kind is list:
        return bool(value) and isinstance(value[0], Model)
    return kind is Connection or isinstance(value, Model)
