"""The selection set decides the SQL: which columns, joins and prefetches a query needs, read before it is run.

A nested query then costs one statement for its rows and their single relations, and one for each relation to many,
however many rows there are. Fields say what they read (``needs``); one that does not say loads its model's columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLResolveInfo,
    InlineFragmentNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
)
from msgspec import Struct, field
from strawberry.schema.schema_converter import GraphQLCoreConverter

from covet.db.models import Prefetch, QuerySet
from covet.db.models.base import Model
from covet.db.models.query.prefetch import prefetch_related_objects
from covet.graphql.types import ColumnField, ManyField, ModelType, OneField

__all__ = ["NEEDS", "Selection", "apply", "complete", "inner_nodes", "selection_of", "selects"]

ResolveInfo: TypeAlias = GraphQLResolveInfo[Any]
NEEDS = "covet_needs"
_BACKREF = GraphQLCoreConverter.DEFINITION_BACKREF


class Selection(Struct):
    """What is wanted of the rows of one model.

    Attributes:
        kind: The GraphQL type of the rows.
        whole: Load every column.
        columns: The names of the columns to load.
        must_join: The row that leads here does not hold the key (the far side of a one-to-one).
        joins: Single relations, to be loaded in the same statement.
        many: Relations to many rows, each a statement of its own.
    """

    kind: ModelType
    whole: bool = False
    columns: dict[str, None] = field(default_factory=dict)
    must_join: bool = False
    joins: dict[str, Selection] = field(default_factory=dict)
    many: dict[str, Selection] = field(default_factory=dict)

    @property
    def is_key_only(self) -> bool:
        """Whether the primary key answers all of it."""
        key = self.kind.model._meta.pk.attname
        return not (self.must_join or self.whole or self.joins or self.many) and all(
            name == key for name in self.columns
        )


def selection_of(kind: ModelType, info: ResolveInfo, nodes: Iterable[FieldNode]) -> Selection:
    """Return what the field nodes select of rows of that type."""
    selection = Selection(kind)
    parent = get_named_type(info.schema.type_map[kind.definition.name])
    _read(selection, parent, info, nodes)
    return selection


def _read(selection: Selection, parent: Any, info: ResolveInfo, nodes: Iterable[FieldNode]) -> None:
    for node in nodes:
        for child in _children(node.selection_set, parent, info):
            _read_field(selection, parent, info, child)


def _read_field(selection: Selection, parent: Any, info: ResolveInfo, node: FieldNode) -> None:
    graphql_field = parent.fields.get(node.name.value)
    if graphql_field is None:  # __typename
        return
    own = graphql_field.extensions.get(_BACKREF)
    if isinstance(own, ColumnField):
        selection.columns[own.attname] = None
    elif isinstance(own, (OneField, ManyField)):
        _read_relation(selection, own, get_named_type(graphql_field.type), info, node)
    else:
        needs: Sequence[str] | None = getattr(own, "metadata", {}).get(NEEDS)
        if needs is None:
            selection.whole = True
        else:
            for name in needs:
                _need(selection, name)


def _read_relation(
    selection: Selection, own: OneField | ManyField, child_type: Any, info: ResolveInfo, node: FieldNode
) -> None:
    name = own.python_name
    attname = getattr(own.relation, "attname", None) if isinstance(own, OneField) else None
    if attname is not None:
        selection.columns[attname] = None
    if own.target is None:
        kind = ModelType(own.relation.related_model, object, (), frozenset(), False, False)
        below = selection.joins if isinstance(own, OneField) else selection.many
        child = _child(below, name, kind)
        child.must_join = isinstance(own, OneField)
        child.columns[kind.model._meta.pk.attname] = None
        return
    child = _child(selection.joins if isinstance(own, OneField) else selection.many, name, own.target)
    child.must_join = child.must_join or (isinstance(own, OneField) and attname is None)
    _read(child, child_type, info, [node])


def _child(below: dict[str, Selection], name: str, kind: ModelType) -> Selection:
    found = below.get(name)
    if found is None:
        found = below[name] = Selection(kind)
    return found


def _need(selection: Selection, path: str) -> None:
    """Add what ``needs=["body", "author__name"]`` names."""
    name, _, rest = path.partition("__")
    meta = selection.kind.model._meta
    column = meta.pk if name == "pk" else meta.get_field(name)
    if column.many_to_many or column.one_to_many:
        kind = ModelType(column.related_model, object, (), frozenset(), False, False)
        child = _child(selection.many, name, kind)
        child.whole = not rest
    else:
        selection.columns[column.attname] = None
        if not column.is_relation:
            return
        kind = ModelType(column.related_model, object, (), frozenset(), False, False)
        child = _child(selection.joins, name, kind)
        child.whole = child.whole or not rest
    if rest:
        _need(child, rest)


def _children(
    selected: SelectionSetNode | None, parent: GraphQLObjectType | GraphQLInterfaceType, info: ResolveInfo
) -> Iterator[FieldNode]:
    """Yield the fields below a node, fragments opened, without what directives leave out."""
    for node in selected.selections if selected is not None else ():
        if _is_left_out(node, info):
            continue
        if isinstance(node, FieldNode):
            yield node
        elif isinstance(node, InlineFragmentNode):
            yield from _children(node.selection_set, parent, info)
        elif isinstance(node, FragmentSpreadNode):
            fragment = info.fragments[node.name.value]
            yield from _children(fragment.selection_set, parent, info)


def _is_left_out(node: Any, info: ResolveInfo) -> bool:
    """Whether ``@skip`` or ``@include`` takes a node out of this operation."""
    values: Any = info.variable_values  # Strawberry hands over the coerced dict in place of graphql-core's container
    for directive in node.directives or ():
        name = directive.name.value
        if name in ("skip", "include") and directive.arguments:
            value = directive.arguments[0].value
            holds = values.get(value.name.value) if isinstance(value, VariableNode) else value.value
            if holds is (name == "skip"):
                return True
    return False


def inner_nodes(info: ResolveInfo, nodes: Iterable[FieldNode], *path: str) -> list[FieldNode]:
    """Return the field nodes at a path below others, such as ``edges``, ``node`` of a connection."""
    found = list(nodes)
    parent: Any = None
    for name in path:
        found = [
            child for node in found for child in _children(node.selection_set, parent, info) if child.name.value == name
        ]
    return found


def selects(info: ResolveInfo, nodes: Iterable[FieldNode], *path: str) -> bool:
    """Tell whether anything is selected at a path."""
    return bool(inner_nodes(info, nodes, *path))


class _Parts(Struct):
    """The pieces of a queryset, gathered along the joins."""

    info: Any
    only: list[str] = field(default_factory=list)
    joins: list[str] = field(default_factory=list)
    prefetches: list[Prefetch] = field(default_factory=list)
    leaves_out: bool = False

    async def gather(self, selection: Selection, prefix: str = "") -> None:
        """Add what a selection wants of the rows at a prefix."""
        meta = selection.kind.model._meta
        names = [column.attname for column in meta.concrete_fields]
        is_whole = selection.whole or len(selection.columns) >= len(names)
        self.leaves_out = self.leaves_out or not is_whole
        self.only.append(f"{prefix}{meta.pk.attname}")
        self.only.extend(f"{prefix}{name}" for name in (names if is_whole else selection.columns))
        for name, child in selection.joins.items():
            if not child.is_key_only:  # else the row holds the key already
                self.joins.append(f"{prefix}{name}")
                await self.gather(child, f"{prefix}{name}__")
        for name, child in selection.many.items():
            self.prefetches.append(Prefetch(f"{prefix}{name}", await _prefetched(selection, name, child, self.info)))


async def apply(rows: QuerySet[Any], selection: Selection, info: Any) -> QuerySet[Any]:
    """Return the queryset with just the columns, joins and prefetches that the selection asks for."""
    parts = _Parts(info)
    await parts.gather(selection)
    if parts.joins:
        rows = rows.select_related(*parts.joins)
    if parts.leaves_out:
        rows = rows.only(*parts.only)
    return rows.prefetch_related(*parts.prefetches) if parts.prefetches else rows


async def _prefetched(selection: Selection, name: str, child: Selection, info: Any) -> QuerySet[Any]:
    # A reverse foreign key is matched by its column, so that must come with the rows.
    for relation in selection.kind.model._meta.related_objects:
        if relation.get_accessor_name() == name and not relation.many_to_many:
            child.columns[relation.field.attname] = None
    shows_rows = child.kind.cls is not object  # and not their keys alone
    rows = await child.kind.queryset(info) if shows_rows else child.kind.model._meta.default_manager.all()
    return await apply(rows, child, info)


async def complete(value: Any, kind: ModelType, info: ResolveInfo, strawberry_info: Any) -> Any:
    """Load what the selection asks for behind a resolver's result: a queryset, instances, or one instance."""
    if isinstance(value, QuerySet):
        return await (await apply(value, selection_of(kind, info, info.field_nodes), strawberry_info))
    rows = [value] if isinstance(value, Model) else value
    if not isinstance(rows, (list, tuple)) or not rows or not all(isinstance(row, Model) for row in rows):
        return value
    selection = selection_of(kind, info, info.field_nodes)
    prefetches: list[Any] = []
    for name, child in selection.joins.items():
        if not child.is_key_only:
            joined = await apply(child.kind.model._meta.base_manager.all(), child, info)
            prefetches.append(Prefetch(name, queryset=joined))
    for name, child in selection.many.items():
        prefetches.append(Prefetch(name, queryset=await _prefetched(selection, name, child, strawberry_info)))
    if prefetches:
        await prefetch_related_objects(rows, *prefetches)
    return value
