"""The scope of aggregates over a query that must be a derived table first: distinct, sliced, grouped or combined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from covet.db.models.expressions.scope import Resolved
from covet.db.models.query.combined import labelled
from covet.db.models.query.logic import outside_windows
from covet.db.models.query.qualify import rewritten
from covet.db.sql import nodes as n
from covet.db.sql.statements import Compound, Output, Select
from covet.db.sql.walk import walk
from covet.exceptions import FieldError

if TYPE_CHECKING:
    from covet.db.models.query.assemble import Assembler

__all__ = ["Derived"]


class Derived:
    """The scope of ``aggregate()`` over a query that must be a derived table: names become its columns."""

    contains_aggregate = False
    aggregating: Any = None
    in_window = False

    def __init__(self, inner: Assembler) -> None:
        self.inner = inner
        self.dialect = inner.dialect
        self._outputs: dict[n.Node, str] = {}
        self._rows = inner.rows(ordered=inner.plan.is_sliced or bool(inner.plan.extras.distinct_on))
        is_compound = isinstance(self._rows.statement, Compound)  # whose columns are named by their places
        for number, column in enumerate(self._rows.columns):
            self._outputs.setdefault(column.node, f"c{number if is_compound else len(self._outputs)}")
        extras = inner.plan.extras
        self._fixed = extras.distinct or extras.combined is not None or bool(inner.qualify)

    @property
    def vendor(self) -> str:
        """The database's kind."""
        return self.dialect.vendor

    @property
    def outer(self) -> Any:
        """The builder of the surrounding query."""
        return self.inner.outer

    def ref(self, name: str) -> Any:
        """Return a column of the derived table; what it lacks is selected for it."""
        for column in self._rows.columns:
            if column.name == name:
                if column.width != 1:
                    raise FieldError(
                        f"'{name}' has several parts and is no single value: aggregate() takes one of "
                        f"{', '.join(self.inner.plan.parts(name))}.",
                        name=name,
                    )
                return Resolved(n.Column("subquery", self._outputs[column.node]), column.field)
        resolved = self.inner.ref(name)
        if resolved.node not in self._outputs and self._fixed:
            raise FieldError(f"aggregate() after distinct() or union() knows the selected columns only, not '{name}'.")
        alias = self._outputs.setdefault(resolved.node, f"c{len(self._outputs)}")
        return Resolved(n.Column("subquery", alias), resolved.field)

    def countable(self, name: str) -> str:
        """Return a name whose values can be counted."""
        return self.inner.countable(name)

    def param(self, value: Any, field: Any = None) -> n.Node:
        """Return the node of the next run-time value."""
        return self.inner.param(value, field)

    def beside(self, left: Resolved) -> n.Node:
        """Return the node of the next run-time value, as something that is compared with ``left``."""
        return self.inner.beside(left)

    def condition(self, q: Any) -> n.Node:
        """Return a condition over the columns of the derived table; those that it lacks are selected for it."""
        inner = self.inner
        node = inner.condition(q)
        computed = {inner.annotation(one).node for one in inner.plan.extras.annotations if not one.is_key}
        aliases = {inner.joins.base.alias, *[source.alias for source in inner.joins.sources]}

        def change(part: Any) -> Any:
            known = part in self._outputs or part in computed
            if known or (isinstance(part, n.Column) and part.alias in aliases):
                return self._column(part)
            return part

        return rewritten(node, change)  # type: ignore[no-any-return]  # a node stays a node

    def _column(self, node: n.Node) -> n.Column:
        """Return the column of the derived table that holds what a node of the inner query gives."""
        if node not in self._outputs and self._fixed:
            raise FieldError("aggregate(filter=…) after distinct() or union() knows the selected columns only.")
        return n.Column("subquery", self._outputs.setdefault(node, f"c{len(self._outputs)}"))

    def orderings(self, item: Any) -> list[n.Ordering]:
        """Return one item of an aggregate's own order."""
        if not isinstance(item, str):
            descending, nulls = bool(getattr(item, "descending", False)), getattr(item, "nulls", None)
            return [n.Ordering(item.resolve(self).node, descending, nulls)]
        name = item.lstrip("-")
        nodes = [self.ref(part).node for part in self.inner.plan.parts(name) or [name]]
        return [n.Ordering(node, item.startswith("-")) for node in nodes]

    def query(self, queryset: Any) -> Select | Compound:
        """Return the statement of a nested queryset."""
        return self.inner.query(queryset)

    def select(self) -> Select | Compound:
        """Return the derived table, with every column that was asked for."""
        statement = self._rows.statement
        if isinstance(statement, Compound):
            return labelled(statement)
        outputs = tuple([Output(node, alias) for node, alias in self._outputs.items()])
        group = statement.group_by
        if group:
            selected = {column.node for column in self._rows.columns}
            inner = self.inner
            computed = {inner.annotation(one).node for one in inner.plan.extras.annotations if inner.is_aggregate(one)}
            group = (
                *group,
                *[
                    part
                    for node in self._outputs
                    if node not in selected and node not in group and not any(part in computed for part in walk(node))
                    for part in outside_windows(node, group)
                ],
            )
        return replace(statement, outputs=outputs, joins=self.inner.joins.nodes(), group_by=group, lock=None)
