"""The names of one query, and the expressions over them, to SQL nodes: columns, joins and annotations.

``Names`` is the ``Scope`` that expressions resolve in. It runs only for a shape that was not compiled before, so it is
written for clarity. Run-time values are slots, counted in the order in which ``Query.all_values`` lists them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Self

from msgspec import Struct

from covet.conf import settings
from covet.db.models.expressions.q import Q, groups_rows
from covet.db.models.query.joins import Aliases, Joins, OnJoin, Source
from covet.db.models.query.json_lookups import both_documents
from covet.db.models.query.lookups import (
    apply_transform,
    lookup_of,
    refuse_lookup,
    split_rest,
)
from covet.db.models.query.operands import Operand, Right
from covet.db.models.query.paths import Path, parent_hops, resolve_path, unknown_name
from covet.db.models.query.plan import Annotation, Query
from covet.db.sql import nodes as n
from covet.db.sql.statements import Compound, Select
from covet.exceptions import FieldError
from covet.loading import late_module
from covet.timezone import get_current_timezone

if TYPE_CHECKING:
    from covet.db.models.expressions import inference
    from covet.db.models.expressions import scope as scopes
    from covet.db.models.fields.base import Field
    from covet.db.models.query import filtered as filtered_links
    from covet.db.models.query import uncorrelated
    from covet.db.sql.dialect import Dialect
else:
    uncorrelated = late_module(__name__, "covet.db.models.query.uncorrelated")
    inference = late_module(__name__, "covet.db.models.expressions.inference")
    scopes = late_module(__name__, "covet.db.models.expressions.scope", "scopes")
    filtered_links = late_module(__name__, "covet.db.models.query.filtered", "filtered_links")

__all__ = ["Condition", "Names", "NodeExpression", "Optimizer", "optimizer"]


class Optimizer:
    """Tells whether reads are optimized, which is a part of their shape, for less than the settings' look-up of a name.

    Attributes:
        is_on: What ``QUERY_OPTIMIZER`` says; ``None`` until somebody looks, and after a change.
    """

    __slots__ = ("is_on",)

    def __init__(self) -> None:
        self.is_on: bool | None = None
        settings.watchers.append(self._settings_changed)

    def _settings_changed(self, names: frozenset[str], _begins: bool) -> None:
        if "QUERY_OPTIMIZER" in names:
            self.is_on = None

    def look(self) -> bool:
        """Read the setting."""
        self.is_on = found = settings.QUERY_OPTIMIZER
        return found


optimizer = Optimizer()


class Condition(Struct, frozen=True):
    """A condition, and the joins without whose row it cannot hold."""

    node: n.Node
    needs: frozenset[Source]


class NodeExpression:
    """A finished node as an expression, for look-ups and transforms of the project's own."""

    contains_aggregate = contains_over = conditional = False

    def __init__(self, node: n.Node, field: Field[Any] | None) -> None:
        self.node, self.field = node, field

    @property
    def output_field(self) -> Field[Any] | None:
        """What it holds."""
        return self.field

    def shape(self, values: list[Any]) -> Any:
        """Return the node: it is a shape already."""
        return self.node

    def resolve(self, scope: Any) -> scopes.Resolved:
        """Return the node."""
        return scopes.Resolved(self.node, self.field)


class Names:
    """What the names of one query stand for.

    Args:
        query: The query.
        dialect: The database's dialect, for adapters.
        outer: The builder of the surrounding query, for ``OuterRef``.
        start: The slot of the query's first value.
        update: Refuse names that need a join, as ``UPDATE`` does.
        alias: The database that the statement is for; nested querysets of another one are refused.
    """

    aggregating: Any = None
    in_window = False

    def __init__(
        self,
        query: Query,
        dialect: Dialect,
        *,
        outer: Names | None = None,
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
        self._resolved: dict[str, tuple[scopes.Resolved, bool, bool]] = {}
        self._made: dict[str, Any] = {}  # transforms that stand in annotations, of what is resolved already
        self._offsets: dict[str, int] = {}
        self._links: dict[str, filtered_links.FilteredLink] = {}
        # What names of values() stand for, with the number of conditions before each.
        self._reads: dict[str, list[tuple[int, scopes.Resolved]]] = {}
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
    def outer(self) -> Names:
        """The builder of the surrounding query."""
        if self._outer is None:
            raise ValueError(
                "This queryset holds OuterRef(…), so it can only stand inside another query: use it in Subquery(…) or Exists(…)."
            )
        return self._outer

    def param(self, value: Any = None, field: Field[Any] | None = None) -> n.Node:
        """Return the node of the next run-time value."""
        if field is None:
            field = inference.field_of(value)
        if self._constants:
            adapt = None if field is None else field.adapter(self.dialect)
            given = value if adapt is None else adapt(value)
            return n.Bound(given, None if field is None else field.column_type())
        slot = self.cursor
        self.cursor += 1
        if field is None:
            return n.Param(slot)
        return n.Param(slot, field.adapter(self.dialect), field.column_type())

    def ref(self, name: str) -> scopes.Resolved:
        """Return what a name stands for: an annotation, or a column at the end of a path, transformed."""
        annotation, rest = self.plan.named(name)
        if annotation is not None and annotation.name not in self._resolving:
            operand = self.annotated(annotation)
            names: tuple[str, ...] = tuple(rest.split("__")) if rest else ()
        else:
            path = self._path(name, f"F({name!r})")
            operand, _source = self.operand(path, self._used)
            names = path.rest
        for part in names:
            operand = self._transform(operand, part, name)
        return scopes.Resolved(operand.node, operand.field)

    def read(self, name: str, *, grouped: bool = False) -> scopes.Resolved:
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
                    for part in self.plan.parts(name) or [name]:
                        self._reads.setdefault(part, []).append((after, self.ref(part)))
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
            return filtered_links.filtered_path(self.filtered_link(relation), rest, where)
        path = resolve_path(self.meta, name, where)
        return path if self.optimizes or self.is_update or path.untrimmed is None else path.untrimmed

    def filtered_link(self, annotation: Annotation) -> filtered_links.FilteredLink:
        """Return what a filtered relation joins; one for all uses of its name."""
        link = self._links.get(annotation.name)
        if link is None:

            def before(name: str) -> tuple[filtered_links.FilteredLink | None, str]:
                found, rest = self.plan.relation_before(annotation, name)
                return None if found is None else self.filtered_link(found), rest

            link = filtered_links.make_link(annotation, self.meta, before, self._filtered_condition)
            self._links[annotation.name] = link
        return link

    def _filtered_condition(
        self, annotation: Annotation, joins: Joins, joined: Source, used: set[str] | None
    ) -> n.Node:
        """Return what the rows of a filtered relation fulfil; the relation's own name means the join itself there."""
        before = self.cursor, self.saw_aggregate, self.saw_window, self._used, self._in_relation, self.joins
        self.cursor, self._used = self._offsets[annotation.name], None
        hops = self.filtered_link(annotation).named
        self.joins = around = OnJoin(
            joins, self._first, hops, joined, used, partial(filtered_links.refuse_deeper, annotation)
        )
        self._in_relation = True  # where a condition is about the one row that is joined, and not about many
        relation: Any = annotation.expression
        node = self.tree(relation.condition, negated=False).node
        joined.beside = tuple(around.beside)
        self.cursor, self.saw_aggregate, self.saw_window, self._used, self._in_relation, self.joins = before
        return node

    def key_part(self, name: str, position: int, count: int) -> scopes.Resolved:
        """Return one column of a key of several that a name stands for.

        Raises:
            ValueError: It stands for another number of columns.
        """
        if self.plan.named(name)[0] is None:
            self._path(name, f"OuterRef({name!r})")  # or the error that says what is wrong with it
        parts = self.plan.parts(name) or [name]
        if len(parts) != count:
            raise ValueError(
                f"OuterRef({name!r}) is a key of {len(parts)} columns, and is compared with one of {count}."
            )
        return self.ref(parts[position])

    def countable(self, name: str) -> str:
        """Return a name whose values can be counted: for a composite key that of its first part, which is never NULL."""
        if self.plan.named(name)[0] is None and self.plan.filtered_relation(name)[0] is None:
            path = resolve_path(self.meta, name, f"Count({name!r})")
            if path.field.is_composite:
                first = str(path.at.pk_fields[0].attname)
                return name.removesuffix("pk") + first if path.names[-1] == "pk" else f"{name}__{first}"
        return (self.plan.parts(name) or [name])[0]

    def annotation(self, annotation: Annotation) -> scopes.Resolved:
        """Return an annotation, resolved once, and note whether it holds an aggregate."""
        found = self._resolved.get(annotation.name)
        if found is None:
            expression = annotation.expression
            before = self.cursor, self.saw_aggregate, self.saw_window, self._used
            around, self.aggregating = self.aggregating, None
            self.cursor = self._offsets[annotation.name]
            self.saw_aggregate = self.saw_window = False
            self._used = None
            self._resolving.append(annotation.name)  # its own name means a field there
            if getattr(expression, "is_transform", False) and len(expression.sources) == 1:
                expression = self._made[annotation.name] = expression.over(
                    self.wrap(*expression.sources[0].resolve(self))
                )
            resolved = expression.resolve(self)
            self._resolving.pop()
            aggregate = self.saw_aggregate or groups_rows(annotation.expression)
            found = (resolved, aggregate, self.saw_window or annotation.expression.contains_over)
            self._resolved[annotation.name] = found
            self.cursor, self.saw_aggregate, self.saw_window, self._used = before
            self.aggregating = around
        if found[1] and self.aggregating is not None:
            raise FieldError(
                f"{self.aggregating!r} cannot be computed of '{annotation.name}', which is an aggregate of its own: one group has "
                "one. Compute it of all groups with aggregate(…), or in a Window(…).",
                model=self.plan.model,
                name=annotation.name,
            )
        self.saw_aggregate |= found[1]
        self.saw_window |= found[2]
        return found[0]

    def annotated(self, annotation: Annotation) -> Operand:
        """Return an annotation as the left-hand side of what follows its name."""
        resolved = self.annotation(annotation)
        made = self._made.get(annotation.name)
        if made is not None and made.output_field is None:
            made.output_field = resolved.field
        return Operand(*resolved, made=made)

    def is_aggregate(self, annotation: Annotation) -> bool:
        """Whether an annotation holds an aggregate, of its own or behind a name."""
        if annotation.is_key:
            return False
        self.annotation(annotation)
        return self._resolved[annotation.name][1]

    def _transform(self, operand: Operand, part: str, name: str) -> Operand:
        try:
            split_rest(operand.field, (part, "exact"), operand.made)
        except LookupError:
            known = [annotation.name for annotation in self.plan.extras.annotations]
            raise unknown_name(self.meta, name, "", known) from None
        return apply_transform(operand, part, self)

    def constant(self, expression: Any) -> scopes.Resolved:
        """Return an expression that a method with SQL of its own has made; its values are constants of the shape.

        Raises:
            TypeError: It holds conditions or querysets, whose values are run-time values only.
        """
        before, self._constants, cursor = self._constants, True, self.cursor
        try:
            found: scopes.Resolved = expression.resolve(self)
        finally:
            self._constants = before
        if self.cursor != cursor:
            raise TypeError(
                f"{expression!r} was made in as_sql() and holds values of conditions or of a queryset: make it in __init__(), "
                "so that it is one of the expression's parts."
            )
        return found

    def compare(self, left: scopes.Resolved, lookup: str, right: scopes.Resolved | None) -> n.Node:
        """Return a built-in look-up as an expression."""
        if right is not None:
            operand, node = both_documents(Operand(*left), right, lookup)
            left, right = scopes.Resolved(operand.node, operand.field), scopes.Resolved(node, right.field)
        return self.compare_named(left, lookup, self.side(left, right))

    def compare_named(self, left: scopes.Resolved, lookup: str, right: Right) -> n.Node:
        """Return a built-in look-up with a right-hand side that is there."""
        refuse_lookup(left.field, lookup)
        operand = Operand(left.node, left.field)
        function = lookup_of(operand, lookup)
        if function is None:
            raise TypeError(
                f"'{lookup}' takes no single value: a look-up of a list, a range or NULL is registered under a name by "
                "as_sql() of a Lookup, and not by a subclass of the built-in one."
            )
        return function(operand, right, self)

    def side(self, left: scopes.Resolved, right: scopes.Resolved | None, *, is_pattern: bool = False) -> Right:
        """Return the right-hand side of a comparison with ``left``; ``is_pattern`` says that its wildcards stand already."""
        slot = self.cursor
        if right is None:
            self.cursor += 1
        node = None if right is None else right.node
        return Right((slot,), node, self.dialect, left.field, beside=left.node, is_pattern=is_pattern)

    def beside(self, left: scopes.Resolved) -> n.Node:
        """Return the node of the next run-time value, as something that is compared with ``left``."""
        slot = self.cursor
        self.cursor += 1
        return Right((slot,), None, self.dialect, left.field, beside=left.node).value()

    def compare_list(self, left: scopes.Resolved, lookup: str, right: Any) -> n.Node:
        """Return ``in`` or ``range`` as an expression; the builder of conditions knows how."""
        raise TypeError("Only a Builder can build conditions.")

    def wrap(self, node: n.Node, field: Field[Any] | None) -> NodeExpression:
        """Return a node as an expression."""
        return NodeExpression(node, field)

    def orderings(self, item: Any) -> list[n.Ordering]:
        """Return one item of ``order_by``; the builder of orders knows how."""
        raise TypeError("Only a Builder can build an order.")

    def tree(self, q: Q, *, negated: bool) -> Condition:
        """Return a tree of conditions; the builder of conditions knows how."""
        raise TypeError("Only a Builder can build conditions.")
