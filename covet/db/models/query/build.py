"""Names, conditions and expressions of one query to SQL nodes: what ``assemble`` puts statements together from.

A ``Builder`` is the ``Scope`` that expressions resolve in. It runs only for a shape that was not compiled before, so it
is written for clarity. Run-time values are slots, counted in the order in which ``Query.all_values`` lists them.
Names, conditions and ordering lean on one another, so they read better in one place than in three.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from covet.conf import settings
from covet.db.errors import NotSupportedError
from covet.db.models.expressions import leaves
from covet.db.models.expressions.inference import field_of
from covet.db.models.expressions.q import OneRow, Q
from covet.db.models.expressions.refs import F
from covet.db.models.expressions.scope import Resolved
from covet.db.models.query.filtered import FilteredLink, filtered_path, make_link, refuse_deeper
from covet.db.models.query.joins import Aliases, Joins, OnJoin, RowJoins, Source, hop_condition
from covet.db.models.query.json_lookups import JSON_NULL, json_among
from covet.db.models.query.logic import FALSE, TRUE, all_of, any_of, negate, odd_of
from covet.db.models.query.lookups import (
    LOOKUPS,
    KeyOf,
    apply_transform,
    check_rest,
    lookup_of,
    refuse_lookup,
    split_rest,
)
from covet.db.models.query.operands import Operand, Right
from covet.db.models.query.paths import Path, parent_hops, resolve_path, unknown_name
from covet.db.models.query.plan import Annotation, Query
from covet.db.sql import nodes as n
from covet.db.sql.statements import Compound, Output, Select, TableRef
from covet.exceptions import FieldError
from covet.timezone import get_current_timezone

if TYPE_CHECKING:
    from covet.db.models.fields.base import Field
    from covet.db.models.query.paths import Hop
    from covet.db.sql.dialect import Dialect

__all__ = ["Builder", "NodeExpression"]

_ONE = n.Keyword("1")
_TAKES = {"isnull": "True or False", "range": "the two ends of a range", "in": "a list or a queryset"}


class _Condition(NamedTuple):
    """A condition, and the joins without whose row it cannot hold."""

    node: n.Node
    needs: frozenset[Source]


class NodeExpression:
    """A finished node as an expression, for look-ups and transforms of the project's own."""

    contains_aggregate = contains_over = conditional = False

    def __init__(self, node: n.Node, field: Field[Any] | None) -> None:
        self.node, self.field = node, field

    def shape(self, values: list[Any]) -> Any:
        """Return the node: it is a shape already."""
        return self.node

    def resolve(self, scope: Any) -> Resolved:
        """Return the node."""
        return Resolved(self.node, self.field)


class Builder:
    """Builds the parts of one query.

    Args:
        query: The query.
        dialect: The database's dialect, for adapters.
        outer: The builder of the surrounding query, for ``OuterRef``.
        start: The slot of the query's first value.
        update: Refuse names that need a join, as ``UPDATE`` does.
        alias: The database that the statement is for; nested querysets of another one are refused.
    """

    def __init__(
        self,
        query: Query,
        dialect: Dialect,
        *,
        outer: Builder | None = None,
        start: int = 0,
        update: bool = False,
        alias: str | None = None,
    ) -> None:
        self.plan = query
        self.dialect = dialect
        self.meta = query.model._meta
        self.aliases: Aliases = outer.aliases if outer is not None else Aliases()
        self.optimizes: bool = settings.QUERY_OPTIMIZER
        self.joins = Joins(self.meta, self.aliases, plain=not self.optimizes)
        self._first = self.joins.base
        for table in query.extras.tables:
            self.joins.cross(table)
        self.alias: str | None = alias if outer is None else outer.alias
        self.start = start
        self.cursor = start
        self.zone: Any = query.extras.zone or get_current_timezone()
        self.is_update = update
        self._outer = outer
        self._constants = False
        self._used: set[str] | None = None
        self._resolved: dict[str, tuple[Resolved, bool, bool]] = {}
        self._offsets: dict[str, int] = {}
        self._links: dict[str, FilteredLink] = {}
        # What names of values() stand for, with the number of conditions before each.
        self._reads: dict[str, list[tuple[int, Resolved]]] = {}
        self._resolving: list[str] = []
        self._in_relation = False
        offset = start + len(query.values)
        for annotation in query.extras.annotations:
            self._offsets[annotation.name] = offset
            offset += len(annotation.values)
        self.order_offset = offset
        self.end = start + len(query.all_values())
        # Whether what was just built holds an aggregate, of its own or behind a name.
        self.saw_aggregate = False
        # The same for window functions, and the conditions over them, which hold after everything else.
        self.saw_window = False
        self.qualify: list[n.Node] = []
        # Aggregates that stand in ORDER BY alone: they are no part of GROUP BY.
        self.aggregate_nodes: list[n.Node] = []

    # ── Scope: what expressions call

    @property
    def vendor(self) -> str:
        """The database's kind."""
        return self.dialect.vendor

    @property
    def outer(self) -> Builder:
        """The builder of the surrounding query."""
        if self._outer is None:
            raise ValueError(
                "This queryset holds OuterRef(…), so it can only stand inside another query: use it in Subquery(…) or Exists(…)."
            )
        return self._outer

    def param(self, value: Any = None, field: Field[Any] | None = None) -> n.Node:
        """Return the node of the next run-time value."""
        if field is None:
            field = field_of(value)
        if self._constants:
            return n.Bound(value, None if field is None else field.column_type())
        slot = self.cursor
        self.cursor += 1
        if field is None:
            return n.Param(slot)
        return n.Param(slot, field.adapter(self.dialect), field.column_type())

    def ref(self, name: str) -> Resolved:
        """Return what a name stands for: an annotation, or a column at the end of a path, transformed."""
        annotation, rest = self.plan.named(name)
        if annotation is not None and annotation.name not in self._resolving:
            operand = Operand(*self.annotation(annotation))
            names: tuple[str, ...] = tuple(rest.split("__")) if rest else ()
        else:
            path = self._path(name, f"F({name!r})")
            operand, _source = self.operand(path, self._used)
            names = path.rest
        for part in names:
            operand = self._transform(operand, part, name)
        return Resolved(operand.node, operand.field)

    def read(self, name: str, *, grouped: bool = False) -> Resolved:
        """Return what a name that is selected, or ``grouped`` by, stands for: a row that was joined when it was named."""
        reads = self._reads.get(name)
        if reads is None:
            return self.ref(name)
        last = min([one.after for one in self.plan.extras.annotations if one.after is not None], default=0)
        known = [read for after, read in reads if not grouped or after <= last] or [read for _after, read in reads]
        return known[-1]

    def _read_until(self, number: int | None) -> None:
        """Join what ``values()`` and annotations read, as far as they came before a condition; ``None``: all the others."""
        extras = self.plan.extras
        self._used = None
        for after, name in extras.reads:
            if after == number if number is not None else after >= len(self.plan.where):
                annotation = self.plan.annotation(name)
                if annotation is not None:
                    self.annotation(annotation)
                elif self.plan.named(name)[0] is None:
                    self._reads.setdefault(name, []).append((after, self.ref(name)))
        for annotation in extras.annotations:
            if number is not None and annotation.after == number:
                self.annotation(annotation)  # what it joins is not what the conditions from here on join

    def condition(self, q: Any) -> n.Node:
        """Return a ``Q`` or conditional expression as one node; joins that it makes stay as they are.

        In an expression (``When``, the filter of an aggregate) a condition is about the row that is joined, negated or not.
        """
        before, self._in_relation = self._in_relation, True
        try:
            return self.tree(Q.of(q), negated=False).node
        finally:
            self._in_relation = before

    def ordering(self, item: Any) -> n.Ordering:
        """Return one item of ``order_by``."""
        return self.order_items([item], (), flip=False)[0]

    def query(self, queryset: Any, *, ordered: bool = False) -> Select | Compound:
        """Return the statement of a nested queryset and take its slots."""
        if isinstance(queryset, Query):
            return self.nested(queryset).subselect(ordered=ordered)
        self._check_database(queryset)
        return self.nested(queryset.query).subselect(ordered=ordered)

    def output_field_of(self, query: Query) -> Field[Any] | None:
        """Return what the one annotation that a nested query selects holds."""
        outputs = query.extras.outputs
        annotation = query.annotation(outputs[0]) if outputs is not None and len(outputs) == 1 else None
        if annotation is None:
            return None
        return type(self)(query, self.dialect, outer=self).annotation(annotation).field

    def _check_database(self, queryset: Any) -> None:
        if queryset._db is not None and self.alias is not None and queryset._db != self.alias:
            raise ValueError(
                f"A queryset of database '{queryset._db}' cannot stand inside a query of database '{self.alias}'. "
                "Read its values first: filter(…__in=list(await queryset))."
            )

    def nested(self, query: Query) -> Self:
        """Return the builder of a nested query and take its slots."""
        inner = type(self)(query, self.dialect, outer=self, start=self.cursor)
        self.cursor = inner.end
        return inner

    def subselect(self, *, ordered: bool = False) -> Select | Compound:
        """Return the query as it stands inside another statement; ``assemble`` knows how."""
        raise TypeError("Only an Assembler can build a nested query.")

    # ── columns

    def column(self, field: Field[Any], source: Source | None = None) -> n.Column:
        """Return the column of a field of the source's model, or of one of its parents."""
        source = source or self.joins.base
        source = self.joins.reach(parent_hops(source.meta, field.model), None, source)
        return n.Column(source.alias, field.column)

    def operand(self, path: Path, used: set[str] | None) -> tuple[Operand, Source]:
        """Return the column at the end of a path."""
        if self.is_update and path.hops:
            raise FieldError(
                f"update() cannot read {'__'.join(path.names)}: joined fields are not allowed there. "
                "Use Subquery(…) with OuterRef.",
                model=self.plan.model,
                name="__".join(path.names),
            )
        if path.field.is_composite:
            raise FieldError(
                f"The primary key of {path.at.object_name} has several parts and is no single value: name one of "
                f"{', '.join(field.attname for field in path.at.pk_fields)}.",
                model=path.at.model,
                name="__".join(path.names),
            )
        source = self.joins.reach(path.hops, used)
        return Operand(n.Column(source.alias, path.field.column), path.field), source

    def _path(self, name: str, where: str) -> Path:
        """Return where a name leads; with the optimizer a join that only repeats a key is trimmed."""
        relation, rest = self.plan.filtered_relation(name)
        if relation is not None:
            return filtered_path(self.filtered_link(relation), rest, where)
        path = resolve_path(self.meta, name, where)
        return path if self.optimizes or self.is_update or path.untrimmed is None else path.untrimmed

    def filtered_link(self, annotation: Annotation) -> FilteredLink:
        """Return what a filtered relation joins; one for all uses of its name."""
        link = self._links.get(annotation.name)
        if link is None:

            def before(name: str) -> tuple[FilteredLink | None, str]:
                found, rest = self.plan.relation_before(annotation, name)
                return None if found is None else self.filtered_link(found), rest

            link = make_link(annotation, self.meta, before, self._filtered_condition)
            self._links[annotation.name] = link
        return link

    def _filtered_condition(self, annotation: Annotation, source: Source) -> n.Node:
        """Return what the rows of a filtered relation fulfil; the relation's own name means the join itself there."""
        before = self.cursor, self.saw_aggregate, self.saw_window, self._used, self._in_relation, self.joins
        self.cursor, self._used = self._offsets[annotation.name], None
        hops = self.filtered_link(annotation).named
        self.joins = OnJoin(self._first, hops, source.way(len(hops)), partial(refuse_deeper, annotation))
        self._in_relation = True  # where a condition is about the one row that is joined, and not about many
        relation: Any = annotation.expression
        node = self.tree(relation.condition, negated=False).node
        self.cursor, self.saw_aggregate, self.saw_window, self._used, self._in_relation, self.joins = before
        return node

    def key_columns(self, path: Path) -> list[n.Node]:
        """Return the columns of the composite key at the end of a path."""
        source = self.joins.reach(path.hops, self._used)
        return [self.column(field, source) for field in path.at.pk_fields]

    def countable(self, name: str) -> str:
        """Return a name whose values can be counted: for a composite key that of its first part, which is never NULL."""
        if self.plan.named(name)[0] is None and self.plan.filtered_relation(name)[0] is None:
            path = resolve_path(self.meta, name, f"Count({name!r})")
            if path.field.is_composite:
                first = str(path.at.pk_fields[0].attname)
                return name.removesuffix("pk") + first if path.names[-1] == "pk" else f"{name}__{first}"
        return name

    def annotation(self, annotation: Annotation) -> Resolved:
        """Return an annotation, resolved once, and note whether it holds an aggregate."""
        found = self._resolved.get(annotation.name)
        if found is None:
            expression = annotation.expression
            before = self.cursor, self.saw_aggregate, self.saw_window, self._used
            self.cursor = self._offsets[annotation.name]
            self.saw_aggregate = self.saw_window = False
            self._used = None
            self._resolving.append(annotation.name)  # its own name means a field there
            resolved = expression.resolve(self)
            self._resolving.pop()
            aggregate = self.saw_aggregate or expression.contains_aggregate
            found = (resolved, aggregate, self.saw_window or expression.contains_over)
            self._resolved[annotation.name] = found
            self.cursor, self.saw_aggregate, self.saw_window, self._used = before
        self.saw_aggregate |= found[1]
        self.saw_window |= found[2]
        return found[0]

    def is_aggregate(self, annotation: Annotation) -> bool:
        """Whether an annotation holds an aggregate, of its own or behind a name."""
        self.annotation(annotation)
        return self._resolved[annotation.name][1]

    def _transform(self, operand: Operand, part: str, name: str) -> Operand:
        try:
            split_rest(operand.field, (part, "exact"))
        except LookupError:
            known = [annotation.name for annotation in self.plan.extras.annotations]
            raise unknown_name(self.meta, name, "", known) from None
        return apply_transform(operand, part, self)

    def compile(self, expression: Any) -> tuple[str, list[Any]]:
        """Return a place for a part of an expression that writes its own SQL, and the part's node."""
        return "%s", [expression.resolve(self).node]

    def compare(self, left: Resolved, lookup: str, right: Resolved | None) -> n.Node:
        """Return a built-in look-up as an expression."""
        refuse_lookup(left.field, lookup)
        operand = Operand(left.node, left.field)
        slot = self.cursor
        if right is None:
            self.cursor += 1
        function = lookup_of(operand, lookup)
        assert function is not None
        sides = Right((slot,), None if right is None else right.node, self.dialect, left.field, beside=left.node)
        return function(operand, sides, self)

    def beside(self, left: Resolved) -> n.Node:
        """Return the node of the next run-time value, as something that is compared with ``left``."""
        slot = self.cursor
        self.cursor += 1
        return Right((slot,), None, self.dialect, left.field, beside=left.node).value()

    def compare_list(self, left: Resolved, lookup: str, right: Any) -> n.Node:
        """Return ``in`` or ``range`` as an expression."""
        refuse_lookup(left.field, lookup)
        if lookup == "range":
            low, high = right
            return n.And((n.Binary(">=", left.node, low), n.Binary("<=", left.node, high)))
        if not isinstance(right, list):
            return n.In(left.node, right)
        if Operand(left.node, left.field).kind == "json":
            return json_among(left.node, tuple(right), self.dialect)
        return n.In(left.node, tuple(right))

    def wrap(self, node: n.Node, field: Field[Any] | None) -> NodeExpression:
        """Return a node as an expression."""
        return NodeExpression(node, field)

    # ── conditions

    def conditions(self) -> tuple[n.Node | None, n.Node | None]:
        """Return the nodes of WHERE and HAVING; joins that they need become INNER.

        Conditions over window functions are left in ``qualify``.
        """
        where: list[n.Node] = []
        having: list[n.Node] = []
        needs: set[Source] = set()
        used: set[str] = set()
        self.cursor = self.start
        for number, (entry, source) in enumerate(zip(self.plan.where, self.plan.sources, strict=True)):
            if not (number == 1 and self.plan.extras.sticky):
                used = set()
            self._read_until(number)
            self._used = used
            if source is None:
                children: Iterable[Any] = [(name, 0) for name in entry]
            else:
                zone, self.zone = self.zone, entry.zone or self.zone
                children = source.children if source.connector == "AND" and not source.negated else (source,)
            for child in children:
                self.saw_aggregate = self.saw_window = False
                condition = self._child(child, negated=False, plain=source is None)
                if condition is None:
                    continue
                if self.saw_window:
                    self.qualify.append(condition.node)
                    continue
                (having if self.saw_aggregate else where).append(condition.node)
                needs |= condition.needs
            if source is not None:
                self.zone = zone
        self._read_until(None)
        # A lock cannot be taken on the side of a LEFT join that may be missing, so there INNER is no matter of speed.
        if self.optimizes or self.plan.extras.lock is not None:
            for join in needs:
                join.require()
        return all_of(where), all_of(having)

    def tree(self, q: Q, *, negated: bool) -> _Condition:
        """Return a tree of conditions. Inside a negation each leaf is true or false, never NULL."""
        inside = negated or q.negated
        parts = [part for child in q.children if (part := self._child(child, negated=inside)) is not None]
        nodes = [part.node for part in parts]
        needs: frozenset[Source] = frozenset()
        if not parts:
            return _Condition(TRUE, needs)
        if q.connector == "AND":
            node = all_of(nodes) or TRUE
            needs = frozenset().union(*[part.needs for part in parts])
        elif q.connector == "OR":
            node = any_of(nodes)
            possible = [part.needs for part in parts if part.node != FALSE]
            needs = frozenset.intersection(*possible) if possible else needs
        else:
            node = odd_of(nodes)
            needs = parts[0].needs if len(parts) == 1 else needs
        if q.negated:
            return _Condition(negate(node), frozenset())
        return _Condition(node, needs)

    def _child(self, child: Any, *, negated: bool, plain: bool = False) -> _Condition | None:
        if child.__class__ is tuple:
            return self._leaf(child[0], child[1], negated=negated, plain=plain)
        if isinstance(child, OneRow) and negated and not self._in_relation:
            return self._no_row(child)
        if isinstance(child, Q):
            return self.tree(child, negated=negated) if child.children else None
        resolved = child.resolve(self)
        if child.contains_aggregate:
            self.saw_aggregate = True
        node = resolved.node
        if isinstance(node, (n.Param, n.Bound)):
            node = n.Binary("=", node, n.Keyword("TRUE"))
        return _Condition(node, frozenset())

    def _leaf(self, name: str, value: Any, *, negated: bool, plain: bool) -> _Condition:
        """Return one ``name=value``."""
        first = self.cursor
        if plain:
            shape: Any = name
            self.cursor += 1
        else:
            scratch: list[Any] = []
            shape = leaves.leaf_shape(name, value, scratch)
            if not isinstance(shape, str) and shape[1] in {leaves.QUERY, leaves.EXPRESSION, leaves.ITEMS, leaves.RANGE}:
                pass  # their parts take the slots one by one
            else:
                self.cursor += len(scratch)
        kind = "" if isinstance(shape, str) else shape[1]
        annotation, tail = self.plan.named(name)
        if annotation is not None:
            operand = Operand(*self.annotation(annotation))
            return self._annotated_leaf(
                operand, name, tuple(tail.split("__")) if tail else (), value, kind, first, negated
            )
        path = self._path(name, f"filter({name}=…)")
        check_rest(path, f"filter({name}=…)")
        transforms, lookup = split_rest(path.field, path.rest)
        if lookup not in LOOKUPS:
            kind = kind or lookup
        if path.many and negated and not self._in_relation:
            return self._none_of(path, transforms, lookup, value, kind, first)
        operand, source = self.operand(path, self._used)
        node = self._compare(self._transformed(operand, transforms), lookup, value, kind, first, path)
        wants_null = kind == leaves.NULL or (kind == leaves.TRUTH and value is True)
        if node in (TRUE, FALSE):
            return _Condition(node, frozenset())
        if negated and not wants_null and kind != leaves.TRUTH and (path.field.null or path.hops):
            node = n.And((node, n.IsNull(operand.node, negated=True)))
        if negated and kind == leaves.EXPRESSION:
            node = self._with_value(node, value)
        if wants_null or negated or _may_hold_for_null(path.field, (*transforms, lookup)):
            return _Condition(node, frozenset())
        return _Condition(node, frozenset({source}))

    def _annotated_leaf(
        self, operand: Operand, name: str, rest: tuple[str, ...], value: Any, kind: str, first: int, negated: bool
    ) -> _Condition:
        try:
            transforms, lookup = split_rest(operand.field, rest)
        except LookupError:
            known = [annotation.name for annotation in self.plan.extras.annotations]
            raise unknown_name(self.meta, name, "", known) from None
        if lookup not in LOOKUPS:
            kind = kind or lookup
        node = self._compare(self._transformed(operand, transforms), lookup, value, kind, first, None)
        if negated and kind not in {leaves.NULL, leaves.TRUTH} and node not in (TRUE, FALSE):
            node = n.And((node, n.IsNull(operand.node, negated=True)))
        if negated and kind == leaves.EXPRESSION:
            node = self._with_value(node, value)
        return _Condition(node, frozenset())

    def _with_value(self, node: n.Node, value: Any) -> n.Node:
        """Return a comparison with a column that inside a negation is false, and not unknown, where that one is NULL."""
        if not isinstance(value, F):
            return node
        right = value.resolve(self)
        if not isinstance(right.node, n.Column) or not (right.field is None or right.field.null or "__" in value.name):
            return node
        return n.And((node, n.IsNull(right.node, negated=True)))

    def _transformed(self, operand: Operand, transforms: Sequence[str]) -> Operand:
        for name in transforms:
            operand = apply_transform(operand, name, self)
        return operand

    def _compare(self, left: Operand, lookup: str, value: Any, kind: str, first: int, path: Path | None) -> n.Node:
        """Return the comparison, by the kind of its right-hand side."""
        if kind == leaves.NULL:
            if lookup not in {"exact", "iexact"}:
                raise ValueError(
                    f"None cannot be the value of '{lookup}'. Use isnull=True, or leave the condition out."
                )
            if isinstance(left.node, n.JSONPath) and left.kind == "json":
                return n.Func("JSON_EQUAL", (left.node, JSON_NULL))  # the word null, and not a key that is missing
            return n.IsNull(left.node)
        if kind == leaves.TRUTH:
            return n.IsNull(left.node, negated=not value)
        if kind == leaves.EMPTY:
            return FALSE
        if kind == leaves.QUERY:
            return self._compare_query(left, lookup, value, path)
        if left.bilateral and kind in {leaves.MANY, leaves.OBJECTS, leaves.ITEMS, leaves.RANGE}:
            raise NotSupportedError("A bilateral transform takes one value: in and range have several.")
        unwrap = KeyOf(path) if kind in {leaves.OBJECT, leaves.OBJECTS} else None
        if kind in {leaves.MANY, leaves.OBJECTS}:
            listed = Right((first,), None, self.dialect, left.field, unwrap, left.node).value(many=True)
            assert isinstance(listed, n.Param)
            among = getattr(left.field, "among", None)
            if among is not None:
                return among(left.node, listed)  # type: ignore[no-any-return]  # a node, by the field's own rule
            return json_among(left.node, listed, self.dialect) if left.kind == "json" else n.In(left.node, listed)
        if kind == leaves.ITEMS:
            items = tuple([self._item(item, left) for item in value if item is not None])
            return json_among(left.node, items, self.dialect) if left.kind == "json" else n.In(left.node, items)
        if kind == leaves.RANGE:
            low, high = [self._item(item, left) for item in value]
            if left.kind == "json":
                return n.And((n.Func("JSON_GTE", (left.node, low)), n.Func("JSON_LTE", (left.node, high))))
            return n.And((n.Binary(">=", left.node, low), n.Binary("<=", left.node, high)))
        node = None
        custom = None if left.field is None else left.field.get_lookup(lookup)
        takes = getattr(custom, "value_field", None)
        if kind == leaves.EXPRESSION and custom is not None and takes is not None and not left.bilateral:
            if value.contains_aggregate:
                self.saw_aggregate = True
            return custom(self.wrap(left.node, left.field), value).resolve(self).node  # type: ignore[no-any-return]
        if kind == leaves.EXPRESSION:
            node = value.resolve(self).node
            if value.contains_aggregate:
                self.saw_aggregate = True
            if lookup == "in":
                return n.In(left.node, node.query if isinstance(node, n.Subquery) else (node,))
        if left.bilateral:
            given: Any = NodeExpression(Right((first,), node, self.dialect, left.field, unwrap).value(), left.field)
            for transform in left.bilateral:
                given = transform(given)
            node = given.resolve(self).node
        held = left.field if takes is None else takes(left.field)
        right = Right((first,), node, self.dialect, held, unwrap, left.node if custom is None else None)
        if custom is not None:
            wrapped = custom(self.wrap(left.node, left.field), self.wrap(right.value(), held))
            return wrapped.resolve(self).node  # type: ignore[no-any-return]
        function = lookup_of(left, lookup)
        if function is None:
            raise ValueError(f"The look-up '{lookup}' takes {_TAKES[lookup]}.")
        return function(left, right, self)

    def _item(self, item: Any, left: Operand) -> n.Node:
        if hasattr(item, "resolve") and hasattr(item, "shape"):
            return item.resolve(self).node  # type: ignore[no-any-return]
        return self.beside(Resolved(left.node, left.field))

    def _compare_query(self, left: Operand, lookup: str, queryset: Any, path: Path | None) -> n.Node:
        if hasattr(queryset, "get_queryset"):
            queryset = queryset.get_queryset()
        self._check_database(queryset)
        custom: Any = None if left.field is None else left.field.get_lookup(lookup)
        if hasattr(custom, "from_query"):
            # It says itself what a queryset on its right side stands for.
            return custom(self.wrap(left.node, left.field), custom.from_query(queryset)).resolve(self).node  # type: ignore[no-any-return]
        query = queryset.query
        if query.extras.outputs is None and not query.extras.combined:
            field = query.model._meta.pk
            relation = None if path is None else path.relation
            if relation is not None and relation.concrete and issubclass(query.model, relation.related_model):
                field = relation.target_field
            query = query.with_extras(outputs=(field.attname,), select_related=())
        inner = self.query(query) if not query.is_empty else None
        if inner is None:
            self.cursor += len(query.all_values())
            return FALSE
        if lookup == "in":
            return n.In(left.node, inner)
        right = Right((), n.Subquery(inner), self.dialect, left.field)
        return LOOKUPS[lookup](left, right, self)

    def _none_of(
        self, path: Path, transforms: Sequence[str], lookup: str, value: Any, kind: str, first: int
    ) -> _Condition:
        """Return ``EXISTS (…)`` for a leaf over many rows inside a negation: "none of them", not "one that is not"."""
        index = next(position for position, hop in enumerate(path.hops) if hop.many)
        here = self.joins.reach(path.hops[:index], self._used)
        hop = path.hops[index]
        inner = Joins(hop.target, self.aliases)
        inner.base.outside = here
        source = inner.reach(path.hops[index + 1 :], None)
        left = self._transformed(Operand(n.Column(source.alias, path.field.column), path.field), transforms)
        is_null = kind == leaves.NULL and not isinstance(left.node, n.JSONPath)  # there it is the document's own null
        absent = is_null or (kind == leaves.TRUTH and value is True)
        if absent or kind == leaves.TRUTH:
            leaf: n.Node = n.IsNull(left.node, negated=not absent)
        else:
            leaf = self._compare(left, lookup, value, kind, first, path)
        if leaf in (TRUE, FALSE):
            return _Condition(leaf, frozenset())
        if not absent and (kind == leaves.TRUTH or not _may_hold_for_null(path.field, (*transforms, lookup))):
            source.require()
        can_be_null = bool(path.field.null or transforms or any(one.null for one in path.hops[index + 1 :]))
        same = None if absent else self._same_row(here, hop)
        return _exists(hop, here, inner, leaf, absent=absent, can_be_null=can_be_null, same=same)

    def _same_row(self, here: Source, hop: Hop) -> Source | None:
        """Return the join that the conditions before in this call are about: a negation beside them is about its row."""
        return None if not self._used else self.joins.joined(here, hop, self._used)

    def _no_row(self, rows: OneRow) -> _Condition:
        """Return ``EXISTS (…)`` for several conditions on one of many rows inside a negation."""
        path = self._path(rows.name, f"filter({rows.name}=…)")
        index = next(position for position, hop in enumerate(path.hops) if hop.many)
        outer, here = self.joins, self.joins.reach(path.hops[:index], self._used)
        self.joins = inner = RowJoins(outer, path.hops[: index + 1])
        inner.base.outside = here
        self._in_relation = True
        node, needs = self.tree(Q.create(rows.children), negated=False)
        self._in_relation = False
        self.joins = outer
        if node in (TRUE, FALSE):
            return _Condition(node, frozenset())
        for source in needs:
            source.require()
        hop = path.hops[index]
        same = None if rows.absent else self._same_row(here, hop)
        return _exists(hop, here, inner, node, absent=rows.absent, can_be_null=True, same=same)

    # ── ordering

    def order_by(self, *, default: bool) -> list[n.Ordering]:
        """Return ``ORDER BY``: the query's own, or the model's where ``default`` allows it."""
        query = self.plan
        if query.order is None:
            if not default or not self.meta.ordering:
                return []
            return self._default_order()
        self.cursor = self.order_offset
        return self.order_items(query.order_items, (), flip=query.extras.reversed)

    def _default_order(self) -> list[n.Ordering]:
        items = []
        for item in self.meta.ordering:
            if not isinstance(item, str):
                items += self._constant_order(item, flip=self.plan.extras.reversed)
                continue
            items += self.order_items([item], (), flip=self.plan.extras.reversed)
        return items

    def _constant_order(self, item: Any, *, flip: bool) -> list[n.Ordering]:
        """Return an expression of ``Meta.ordering``; its values belong to the model, so they are part of the text."""
        self._constants = True
        found = self.order_items([item], (), flip=flip)
        self._constants = False
        return found

    def order_items(self, items: Iterable[Any], prefix: tuple[str, ...], *, flip: bool) -> list[n.Ordering]:
        """Return the nodes of names and expressions; ``prefix`` leads to the model that they are names of."""
        found: list[n.Ordering] = []
        for item in items:
            if isinstance(item, str):
                found += self._order_name(item, prefix, flip=flip)
                continue
            if prefix:
                raise FieldError(
                    f"Ordering by {'__'.join(prefix)} uses the ordering of its model, which holds an expression: "
                    f"name the fields, as in order_by('{'__'.join(prefix)}__name')."
                )
            descending, nulls = bool(getattr(item, "descending", False)), _nulls(item)
            node = _ordered_node(Operand(*item.resolve(self)))
            if getattr(item, "contains_aggregate", False):
                if self.plan.extras.group_by is None:
                    raise FieldError(
                        f"order_by() takes an aggregate only of grouped rows: annotate(x={item!r}) as well."
                    )
                self.aggregate_nodes.append(node)
            if flip:
                descending = not descending
                nulls = {"first": "last", "last": "first"}.get(nulls or "")
            found.append(n.Ordering(node, descending, nulls))
        return found

    def _order_name(self, item: str, prefix: tuple[str, ...], *, flip: bool) -> list[n.Ordering]:
        if item == "?":
            return [n.Ordering(n.Func("RANDOM"))]
        descending = item.startswith("-")
        name = item[1:] if item[:1] in {"-", "+"} else item
        full = "__".join((*prefix, name))
        descending ^= flip
        if not prefix and name in self._reads and name in (self.plan.extras.outputs or ()):
            return [n.Ordering(_ordered_node(Operand(*self.read(name))), descending)]
        if not prefix and self.plan.named(name)[0] is not None:
            return [n.Ordering(_ordered_node(Operand(*self.ref(name))), descending)]
        path = self._path(full, f"order_by('{item}')")
        relation = path.relation
        if (
            relation is not None
            and not path.rest
            # Of values the key that is selected is meant, not the order of its rows.
            and not (not prefix and full in (self.plan.extras.outputs or ()))
            and name.rpartition("__")[2] == relation.name
            and relation.related_model
        ):
            target = relation.hops[-1].target
            names = tuple(full.split("__"))
            if target.ordering and len(names) < 12 and target is not self.meta:
                return self.order_items(target.ordering, names, flip=descending)
        if path.field.is_composite:
            return [n.Ordering(node, descending) for node in self.key_columns(path)]
        operand, _source = self.operand(path, None)
        for part in path.rest:
            operand = self._transform(operand, part, full)
        return [n.Ordering(_ordered_node(operand), descending)]


def _exists(
    hop: Hop,
    here: Source,
    inner: Joins,
    leaf: n.Node,
    *,
    absent: bool,
    can_be_null: bool,
    same: Source | None = None,
) -> _Condition:
    """Return that a row of the relation, or the ``same`` as is joined, fulfils ``leaf``; with ``absent`` also that none is."""
    table = TableRef(hop.target.db_table, inner.base.alias)
    joined = hop_condition(hop, here.alias, inner.base.alias, inner.base)
    alike: tuple[n.Node, ...] = ()
    if same is not None:
        alike = tuple(
            n.Binary("=", n.Column(inner.base.alias, field.column), n.Column(same.alias, field.column))
            for field in hop.target.pk_fields
        )
    found = n.Exists(Select((Output(_ONE),), table, inner.nodes(), n.And((joined, *alike, leaf))))
    if not absent:
        return _Condition(found, frozenset())
    # A value is missing where there is no row to have one, and where a row has none.
    none = n.Exists(Select((Output(_ONE),), table, (), joined), negated=True)
    return _Condition(any_of([none, found]) if can_be_null else none, frozenset())


def _may_hold_for_null(field: Field[Any], names: Iterable[str]) -> bool:
    """Whether one of the look-ups and transforms is a class of its own: nobody knows what it makes of NULL."""
    return any(field.get_lookup(name) is not None or field.get_transform(name) is not None for name in names)


def _ordered_node(operand: Operand) -> n.Node:
    """Return what rows are ordered by: a value inside a document by its value, not by how it is written."""
    inside = isinstance(operand.node, n.JSONPath) and operand.kind == "json"
    return n.Func("JSON_ORDER", (operand.node,)) if inside else operand.node


def _nulls(item: Any) -> str | None:
    if getattr(item, "nulls_first", None):
        return "first"
    if getattr(item, "nulls_last", None):
        return "last"
    return getattr(item, "nulls", None)
