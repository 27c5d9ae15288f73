"""Names, conditions and order of one query to SQL nodes: what ``assemble`` puts statements together from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from covet.db.models.query.conditions import Conditions
from covet.db.models.query.operands import Operand
from covet.db.sql import nodes as n
from covet.exceptions import FieldError
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.db.models.expressions import refs
else:
    refs = late_module(__name__, "covet.db.models.expressions.refs")

__all__ = ["Builder"]


class Builder(Conditions):
    """Builds the parts of one query; the order is its own, names and conditions are those of its bases."""

    def orderings(self, item: Any) -> list[n.Ordering]:
        """Return one item of ``order_by``: several where it is a key of several columns."""
        return self.order_items([item], (), flip=False)

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
            items += self.order_items([item], (), flip=self.plan.extras.reversed, within=(self.meta,))
        return items

    def _constant_order(self, item: Any, *, flip: bool) -> list[n.Ordering]:
        """Return an expression of ``Meta.ordering``; its values belong to the model, so they are part of the text."""
        self._constants = True
        found = self.order_items([item], (), flip=flip)
        self._constants = False
        return found

    def order_items(
        self, items: Iterable[Any], prefix: tuple[str, ...], *, flip: bool, within: tuple[Any, ...] = ()
    ) -> list[n.Ordering]:
        """Return the nodes of names and expressions.

        Args:
            items: The names and expressions.
            prefix: Leads to the model that they are names of.
            flip: The other way round.
            within: The models whose ``Meta.ordering`` this is a part of, which would otherwise lead back to itself.
        """
        found: list[n.Ordering] = []
        for item in items:
            if isinstance(item, str):
                found += self._order_name(item, prefix, flip=flip, within=within)
                continue
            if prefix:
                raise FieldError(
                    f"Ordering by {'__'.join(prefix)} uses the ordering of its model, which holds an expression: "
                    f"name the fields, as in order_by('{'__'.join(prefix)}__name')."
                )
            descending, nulls = bool(getattr(item, "descending", False)) is not flip, _nulls(item)
            if flip:
                nulls = {"first": "last", "last": "first"}.get(nulls or "")
            expression = getattr(item, "expression", item)
            parts = self.plan.parts(expression.name) if type(expression) is refs.F else []
            if parts:
                found += [n.Ordering(self.ref(part).node, descending, nulls) for part in parts]
                continue
            node = _ordered_node(Operand(*item.resolve(self)))
            if getattr(item, "contains_aggregate", False):
                if self.plan.extras.group_by is None:
                    raise FieldError(
                        f"order_by() takes an aggregate only of grouped rows: annotate(x={item!r}) as well."
                    )
                self.aggregate_nodes.append(node)
            found.append(n.Ordering(node, descending, nulls))
        return found

    def _order_name(
        self, item: str, prefix: tuple[str, ...], *, flip: bool, within: tuple[Any, ...]
    ) -> list[n.Ordering]:
        if item == "?":
            return [n.Ordering(n.Func("RANDOM"))]
        descending = item.startswith("-")
        name = item[1:] if item[:1] in {"-", "+"} else item
        full = "__".join((*prefix, name))
        descending ^= flip
        parts = self.plan.parts(full)
        if not prefix and (parts or [name])[0] in self._reads and name in (self.plan.extras.outputs or ()):
            return [n.Ordering(_ordered_node(Operand(*self.read(part))), descending) for part in parts or [name]]
        if not prefix and self.plan.named(name)[0] is not None:
            if parts:
                return [n.Ordering(self.ref(part).node, descending) for part in parts]
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
            if target.ordering and target not in within:
                return self.order_items(target.ordering, names, flip=descending, within=(*within, target))
        if parts:
            return [n.Ordering(self.ref(part).node, descending) for part in parts]
        operand, _source = self.operand(path, None)
        for part in path.rest:
            operand = self._transform(operand, part, full)
        return [n.Ordering(_ordered_node(operand), descending)]


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
