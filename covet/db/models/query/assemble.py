"""Whole statements from a query: rows, counts, aggregates, updates and deletes. Pure: no database is asked.

What comes back beside a ``Select`` says which column holds what, so that ``hydrate`` can make rows of any form.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from covet.db.errors import NotSupportedError
from covet.db.models.query.build import Builder
from covet.db.models.query.joins import Source
from covet.db.models.query.logic import FALSE, all_of, holds, outside_windows, plain_columns
from covet.db.models.query.paths import parent_hops, relation_hops, resolve_path
from covet.db.models.query.related import Related, loaded_fields, single_relation
from covet.db.sql import nodes as n
from covet.db.sql.statements import Assignment, Compound, Delete, Lock, Output, Select, TableRef, Update
from covet.exceptions import FieldError
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.db.models.expressions import declared
    from covet.db.models.fields.base import Field
    from covet.db.models.query import combined, derived, optimize, qualify, uncorrelated
else:
    declared = late_module(__name__, "covet.db.models.expressions.declared")
    optimize = late_module(__name__, "covet.db.models.query.optimize")
    derived = late_module(__name__, "covet.db.models.query.derived")
    qualify = late_module(__name__, "covet.db.models.query.qualify")
    combined = late_module(__name__, "covet.db.models.query.combined")
    uncorrelated = late_module(__name__, "covet.db.models.query.uncorrelated")

__all__ = ["Assembler", "OutColumn", "Rows"]

_ONE, _ZERO = n.Keyword("1"), n.Keyword("0")


class OutColumn(Struct, frozen=True):
    """One column of the result: its name for the user, and the field that converts it."""

    name: str
    node: n.Node
    field: Field[Any] | None
    label: str | None = None
    #: How many columns from here on are one value, a tuple; 0 for those that follow the first of these.
    width: int = 1
    #: Whether the database reckons the value, though the node is a column: that of a derived table.
    is_computed: bool = False


class Rows(Struct):
    """A statement that gives rows, and what its columns are.

    ``empty`` means that no row can match: the statement need not run. ``hidden`` columns follow those of ``columns``: they
    are selected because DISTINCT rows can only be ordered by what is selected.
    """

    statement: Select | Compound
    columns: tuple[OutColumn, ...]
    root: Related | None = None
    empty: bool = False
    hidden: int = 0


class Assembler(Builder):
    """Puts statements together from the parts that ``Builder`` makes."""

    #: Those of the last ``counted_columns`` that are aggregates.
    counted_aggregates: list[n.Node]

    @property
    def may_qualify(self) -> bool:
        """Whether a condition may be about a window function, which is computed after WHERE."""
        plan = self.plan
        return bool(plan.where) and any(one.expression.contains_over for one in plan.extras.annotations)

    # ── rows

    def rows(self, *, ordered: bool = True, limit: int | None = None, hidden: Sequence[combined.Hidden] = ()) -> Rows:
        """Return the statement that reads the query's rows; ``hidden`` is selected too, and not seen."""
        extras = self.plan.extras
        if extras.combined is not None:
            return self._combined_rows(ordered=ordered)
        where, having = self.conditions()
        root: Related | None = None
        columns: Sequence[OutColumn]
        if extras.outputs is not None:
            columns = self._value_columns(extras.outputs)
        else:
            columns, root = self._instance_columns()
        grouped = extras.group_by is not None
        order = self.order_by(default=not grouped) if ordered else []
        further = [one.node(self) for one in hidden]
        group = self._group(columns, [*order, *map(n.Ordering, further)], having) if grouped else ()
        outputs = [*[Output(column.node, column.label) for column in columns], *map(Output, further)]
        if extras.distinct and not extras.distinct_on:
            selected = {column.node for column in columns}
            outputs += [Output(node) for node in dict.fromkeys(item.operand for item in order) if node not in selected]
        select = self._select(outputs, where, having, group=group, order=order, limit=limit)
        condition = all_of(self.qualify)
        if condition is not None:
            apart = uncorrelated.part(self, select, condition)
            select, columns = qualify.qualified(select if apart is None else apart.select, columns, condition, apart)
        elif self.optimizes and select.distinct and not hidden:
            select = optimize.lean_distinct(self, select, len(columns))
        empty = FALSE in (where, having)
        return Rows(select, tuple(columns), root, empty=empty, hidden=len(select.outputs) - len(columns))

    def _select(
        self,
        outputs: Sequence[Output],
        where: n.Node | None,
        having: n.Node | None = None,
        *,
        group: Sequence[n.Node] = (),
        order: Sequence[n.Ordering] = (),
        limit: int | None = None,
        sliced: bool = True,
    ) -> Select:
        extras = self.plan.extras
        names = [part for name in extras.distinct_on for part in self.plan.parts(name) or [name]]
        distinct_on = tuple([self.ref(name).node for name in names])
        limits = self._limits() if sliced else (None, None)
        if limit is not None and limits[0] is None:
            limits = (n.Bound(limit), limits[1])
        return Select(
            outputs=tuple(outputs),
            source=TableRef(self.meta.db_table, self.joins.base.alias),
            joins=self.joins.nodes(),
            where=where,
            group_by=tuple(group),
            having=having,
            order_by=tuple(order),
            limit=limits[0],
            offset=limits[1],
            distinct=extras.distinct and not distinct_on,
            distinct_on=distinct_on,
            lock=self._lock(),
        )

    def _limits(self) -> tuple[n.Node | None, n.Node | None]:
        plan = self.plan
        integer = n.ColumnType("bigint")
        if plan.high is not None:
            if plan.low:
                return n.Param(self.end - 2, type=integer), n.Param(self.end - 1, type=integer)
            return n.Param(self.end - 1, type=integer), None
        return None, n.Param(self.end - 1, type=integer) if plan.low else None

    def _lock(self) -> Lock | None:
        lock = self.plan.extras.lock
        if lock is None:
            return None
        of = []
        where = "select_for_update(of=…)"
        for name in lock.of:
            if name == "self":
                of.append(self.joins.base.alias)
                continue
            if resolve_path(self.meta, name, where).relation is None:
                raise FieldError(f"select_for_update(of=…) names relations and 'self', not '{name}'.", name=name)
            joined = len(self.joins.sources)
            of.append(self.joins.reach(relation_hops(self.meta, name, where)[0], None).alias)
            if len(self.joins.sources) != joined:
                raise FieldError(
                    f"select_for_update(of=('{name}',)) locks rows that are read: name '{name}' in select_related() too.",
                    name=name,
                )
        return Lock(lock.no_key, lock.skip_locked, lock.nowait, tuple(of))

    # ── columns

    def _value_columns(self, names: Iterable[str]) -> list[OutColumn]:
        columns = []
        for name in names:
            if parts := self.plan.parts(name):
                columns += self._key_columns(name, parts)
                continue
            annotation = self.plan.annotation(name)
            resolved = self.read(name)
            columns.append(OutColumn(name, resolved.node, resolved.field, None if annotation is None else name))
        return columns

    def _key_columns(self, name: str, parts: Sequence[str]) -> list[OutColumn]:
        """Return the columns of a key, which are one value."""
        found = [self.read(part) for part in parts]
        widths = [len(parts), *[0] * (len(parts) - 1)]
        return [OutColumn(name, *one, width=width) for one, width in zip(found, widths, strict=True)]

    def _instance_columns(self) -> tuple[list[OutColumn], Related]:
        extras = self.plan.extras
        root = Related(self.plan.model, *loaded_fields(self.plan, ()))
        columns = [OutColumn(one.attname, self.column(one), one) for one in root.fields]
        for path in extras.select_related:
            self._join_related(root, path.split("__"))
        columns += self._related_columns(root, self.joins.base, ())
        for annotation in extras.annotations:
            if annotation.is_key and annotation.selected:
                columns += self._key_columns(annotation.name, self.plan.parts(annotation.name))
            elif annotation.selected:
                resolved = self.annotation(annotation)
                columns.append(OutColumn(annotation.name, resolved.node, resolved.field, annotation.name))
        return columns, root

    def _join_related(self, root: Related, names: list[str]) -> None:
        node = root
        for position, name in enumerate(names):
            found = next((child for child in node.children if child.name == name), None)
            if found is None:
                filtered = self.plan.filtered_relation(name)[0] if position == 0 else None
                relation = single_relation(node.model._meta, name) if filtered is None else self.filtered_link(filtered)
                target = relation.hops[-1].target
                fields, partial = loaded_fields(self.plan, tuple(names[: position + 1]), target)
                found = Related(target.model, fields, partial, name, relation, bool(node.null or relation.hops[0].null))
                node.children.append(found)
            node = found

    def _related_columns(self, node: Related, source: Source, prefix: tuple[str, ...]) -> list[OutColumn]:
        columns = []
        for child in node.children:
            relation = child.relation
            # A relation that a parent declares starts at the parent's table.
            start = parent_hops(source.meta, getattr(relation, "model", None))
            there = self.joins.reach((*start, *relation.hops), None, source)
            child.null = there.may_be_missing
            names = (*prefix, child.name)
            columns += [
                OutColumn("__".join((*names, one.attname)), self.column(one, there), one) for one in child.fields
            ]
            columns += self._related_columns(child, there, names)
        return columns

    # ── groups

    def _group(
        self, columns: Sequence[OutColumn], order: Sequence[n.Ordering], having: n.Node | None
    ) -> tuple[n.Node, ...]:
        """Return ``GROUP BY``: the row or the names, and whatever is selected, ordered or held by that is no aggregate."""
        extras = self.plan.extras
        group: list[n.Node] = []
        if extras.group_by is True:
            assert self.meta.pk is not None
            group += [self.column(field) for field in self.meta.pk_fields]
            covered = {self.joins.base.alias}
            for source in self.joins.sources:
                if any(_alias(column.node) == source.alias for column in columns) and source.meta.pk is not None:
                    group += [n.Column(source.alias, field.column) for field in source.meta.pk_fields]
                    covered.add(source.alias)
        else:
            covered = set()
            for name in extras.group_by or ():
                annotation = self.plan.annotation(name)
                if parts := self.plan.parts(name):
                    group += [self.read(part, grouped=True).node for part in parts]
                elif annotation is None or not (
                    self.is_aggregate(annotation) or declared.is_value(annotation.expression)
                ):
                    group.append(self.read(name, grouped=True).node)
        aggregates = [self.annotation(one).node for one in extras.annotations if self.is_aggregate(one)]
        aggregates += self.aggregate_nodes
        values = [self.annotation(one).node for one in extras.annotations if declared.is_value(one.expression)]
        candidates = [column.node for column in columns] + [item.operand for item in order]
        decided = (*aggregates, *group)
        for node in [part for one in candidates for part in outside_windows(one, decided)]:
            is_known = node in aggregates or node in group or node in values or isinstance(node, (n.Param, n.Bound))
            if not is_known and _alias(node) not in covered and not holds(node, aggregates):
                group.append(node)
        # PostgreSQL and SQLite know that a row's key decides its columns; MySQL and MariaDB do not, in HAVING.
        known = set() if self.vendor == "mysql" else covered
        group += [node for node in plain_columns(having, aggregates) if node.alias not in known]
        return tuple(dict.fromkeys(group))

    # ── nested and combined

    def subselect(self, *, ordered: bool = False) -> Select | Compound:
        """Return the query as it stands inside another statement: in order only where asked for, or a slice needs it."""
        plan = self.plan
        ordered = ordered or plan.is_sliced
        bare = plan.extras.outputs is None and plan.extras.combined is None and plan.extras.group_by is None
        if bare and self.may_qualify:
            assert self.meta.pk is not None
            names = tuple([field.attname for field in self.meta.pk_fields])
            keys = plan.with_extras(outputs=names, select_related=())
            inner = type(self)(keys, self.dialect, outer=self._outer, start=self.start, alias=self.alias)
            return inner.rows(ordered=ordered).statement
        if bare:
            where, having = self.conditions()
            order = self.order_by(default=True) if ordered else []
            assert self.meta.pk is not None
            outputs: list[Output] = [Output(self.column(field)) for field in self.meta.pk_fields]
            return self._select(outputs, FALSE if plan.is_empty else where, having, order=order)
        statement = combined.without_hidden(self.rows(ordered=ordered or bool(plan.extras.distinct_on)))
        if not plan.is_empty:
            return statement
        # What none() selects is nothing, inside another query too.
        return replace(statement, where=FALSE) if isinstance(statement, Select) else replace(statement, limit=_ZERO)

    def exists_select(self) -> Select | Compound:
        """Return the query for ``EXISTS``: whether there is a row, nothing of it."""
        plan = self.plan
        if not self.optimizes:
            return self.rows(ordered=False).statement
        lean = optimize.lean_exists(self)
        if lean is not None:
            return replace(lean, where=FALSE if plan.is_empty else lean.where, limit=self._limits()[0])
        changed = plan.extras.combined is not None or plan.extras.group_by is not None or plan.extras.distinct
        if changed or self.may_qualify:
            return self.rows(ordered=False).statement
        where, having = self.conditions()
        return self._select([Output(_ONE)], FALSE if plan.is_empty else where, having)

    def _combined_rows(self, *, ordered: bool) -> Rows:
        """Return the rows of ``union`` and its kin."""
        members, first = combined.combined_rows(self)
        order, hidden = (
            combined.combined_order(self, [column.name for column in first.columns]) if ordered else ([], [])
        )
        if hidden:
            members, first = combined.combined_rows(self, hidden)
        limit, offset = self._limits()
        union = self.plan.extras.combined
        assert union is not None
        statement = Compound(union.op, tuple(members), tuple(order), limit, offset)
        return combined.chosen(self, Rows(statement, first.columns, first.root, hidden=first.hidden))

    # ── counts and aggregates

    def count(self) -> Select:
        """Return ``SELECT COUNT(*)``, over the bare conditions where nothing else changes the number of rows."""
        lean = optimize.lean_count(self) if self.optimizes else None
        if lean is not None:
            return lean
        # What was tried may have joined and trimmed: begin anew.
        fresh = type(self)(self.plan, self.dialect, start=self.start, alias=self.alias)
        return Select((Output(n.Func("COUNT", (n.Star(),))),), self._derived(fresh._inner_rows()))

    def counted_columns(self) -> list[n.Node]:
        """Return what the rows would hold beside the first table's own columns, and note which of it is an aggregate."""
        extras = self.plan.extras
        self.counted_aggregates = []
        if extras.outputs is not None:
            return [column.node for column in self._value_columns(extras.outputs)]
        columns: list[n.Node] = []
        for annotation in extras.annotations:
            if annotation.is_key and annotation.selected:
                columns += [self.ref(part).node for part in self.plan.parts(annotation.name)]
            elif annotation.selected:
                columns.append(self.annotation(annotation).node)
                if self.is_aggregate(annotation):
                    self.counted_aggregates.append(columns[-1])
        return columns

    def select_of(self, outputs: Sequence[Output], where: n.Node | None) -> Select:
        """Return one statement over all rows of the condition: no order, no slice, no DISTINCT, no lock."""
        return Select(tuple(outputs), TableRef(self.meta.db_table, self.joins.base.alias), self.joins.nodes(), where)

    def _inner_rows(self) -> Select | Compound:
        extras = self.plan.extras
        bare = extras.outputs is None and not extras.distinct and extras.combined is None and extras.group_by is None
        if self.optimizes and bare and not any(one.selected for one in extras.annotations):
            return optimize.lean_slice(self, self.subselect())
        # Columns of a derived table need names of their own: two models may both have an ``id``.
        rows = self.rows(ordered=self.plan.is_sliced or bool(extras.distinct_on))
        statement = rows.statement
        if isinstance(statement, Select):
            outputs = [Output(output.expression, f"c{number}") for number, output in enumerate(statement.outputs)]
            return replace(statement, outputs=tuple(outputs), lock=None)
        return combined.labelled(statement)

    def _derived(self, select: Select | Compound) -> TableRef:
        return TableRef(select, "subquery")

    def aggregate(self, aggregates: Sequence[tuple[str, Any]], start: int) -> Rows:
        """Return the statement of ``aggregate()``.

        Args:
            aggregates: Names and expressions.
            start: The slot of the expressions' first value.
        """
        extras = self.plan.extras
        nested = (
            extras.distinct
            or extras.distinct_on
            or extras.combined is not None
            or self.plan.is_sliced
            or extras.group_by is not None
            or self.may_qualify
        )
        if not nested:
            where, having = self.conditions()
            self.cursor = start
            self.saw_window = False
            columns = [self._aggregate_column(name, expression, self) for name, expression in aggregates]
            if not self.saw_window:
                select = self._select([Output(one.node, one.label) for one in columns], where, having)
                return Rows(select, tuple(columns), empty=where == FALSE)
            # A window function is computed after the aggregates of its statement: what reads one stands outside.
            fresh = type(self)(self.plan, self.dialect, outer=self._outer, start=self.start, alias=self.alias)
            return fresh._aggregate_of_rows(aggregates, start)
        return self._aggregate_of_rows(aggregates, start)

    def _aggregate_of_rows(self, aggregates: Sequence[tuple[str, Any]], start: int) -> Rows:
        """Return the statement of ``aggregate()`` over the rows as a derived table."""
        scope = derived.Derived(self)
        self.cursor = start
        columns = [self._aggregate_column(name, expression, scope) for name, expression in aggregates]
        outer = Select(tuple([Output(one.node, one.label) for one in columns]), TableRef(scope.select(), "subquery"))
        return Rows(outer, tuple(columns))

    def _aggregate_column(self, name: str, expression: Any, scope: Any) -> OutColumn:
        resolved = expression.resolve(scope)
        return OutColumn(name, resolved.node, resolved.field, name)

    # ── writes

    def update(self, assignments: Sequence[tuple[Any, Any]], start: int) -> tuple[Update, bool]:
        """Return ``UPDATE``, and whether no row can match.

        Args:
            assignments: Fields and their values; expressions stay expressions.
            start: The slot of the first value.
        """
        where, empty = self._write_where()
        self.is_update = True
        self.cursor = start
        pairs = []
        for one, value in assignments:
            if one.is_composite:
                parts = ", ".join([f"{field.attname}=…" for field in self.meta.pk_fields])
                raise FieldError(
                    f"update({one.name}=…) cannot set a key of several parts: write update({parts}).", name=one.name
                )
            if hasattr(value, "resolve") and hasattr(value, "shape"):
                self.saw_aggregate = self.saw_window = False
                node = one.written_node(value.resolve(self))
                if value.contains_aggregate or value.contains_over or self.saw_aggregate or self.saw_window:
                    raise FieldError(f"update({one.name}=…) cannot take an aggregate or window function: {value!r}.")
            elif value is None:
                node = n.Keyword("NULL")
            else:
                node = self.param(value, one)
            pairs.append(Assignment(one.column, node))
        return Update(self.meta.db_table, tuple(pairs), where, alias=self._write_alias()), empty

    def delete(self) -> tuple[Delete, bool]:
        """Return ``DELETE``, and whether no row can match."""
        where, empty = self._write_where()
        return Delete(self.meta.db_table, where, alias=self._write_alias()), empty

    def _write_alias(self) -> str | None:
        alias = self.joins.base.alias
        return None if alias == self.meta.db_table else alias

    def _write_where(self) -> tuple[n.Node | None, bool]:
        """Return the condition of a write: the query's own, or "its key is among" when that needs joins or a slice."""
        extras = self.plan.extras
        plain = not (self.plan.is_sliced or extras.distinct or extras.group_by is not None or extras.combined)
        plain = plain and not self.may_qualify
        if plain:
            where, having = self.conditions()
            if not self.joins.sources and having is None and not extras.tables:
                return where, where == FALSE
        if extras.tables:
            raise NotSupportedError(
                "update() and delete() cannot follow extra(tables=…): read the keys first, and filter by pk__in."
            )
        assert self.meta.pk is not None
        keys = self.meta.pk_fields
        query = self.plan.with_extras(
            outputs=tuple([field.attname for field in keys]),
            select_related=(),
            lock=None,
            only=None,
            defer=frozenset(),
        )
        inner = type(self)(query, self.dialect, start=self.start, alias=self.alias)
        inner.aliases.taken.add(self.joins.base.alias)
        inner.joins.base.alias = inner.aliases.take(self.meta.db_table)
        self.joins.sources.clear()
        rows = inner.rows(ordered=query.is_sliced)
        columns = [n.Column(self.joins.base.alias, field.column) for field in keys]
        return n.In(columns[0] if len(columns) == 1 else n.Row(tuple(columns)), rows.statement), rows.empty


def _alias(node: n.Node) -> str | None:
    return node.alias if isinstance(node, n.Column) else None
