"""``Q`` trees to WHERE and HAVING: look-ups, negations, and what is said of one of many related rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from covet.db.errors import NotSupportedError
from covet.db.models.expressions import leaves
from covet.db.models.expressions.q import OneRow, Q
from covet.db.models.query.joins import Joins, RowJoins, Source, hop_condition
from covet.db.models.query.json_lookups import JSON_NULL, both_documents, documents_of, json_among, listed_sides
from covet.db.models.query.logic import FALSE, TRUE, all_of, any_of, negate, odd_of, present_columns
from covet.db.models.query.lookups import (
    LOOKUPS,
    KeyOf,
    apply_transform,
    check_rest,
    lookup_of,
    refuse_lookup,
    split_rest,
)
from covet.db.models.query.names import Condition, Names
from covet.db.models.query.operands import Convert, Operand, Right, chained
from covet.db.models.query.paths import Path, unknown_name
from covet.db.sql import nodes as n
from covet.db.sql.compiler import compile_expression
from covet.db.sql.statements import Compound, Output, Select, TableRef
from covet.exceptions import FieldError
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.db.models.expressions import lookups as expression_lookups
    from covet.db.models.expressions import refs, subqueries
    from covet.db.models.expressions import scope as scopes
    from covet.db.models.fields.base import Field
    from covet.db.models.query import uncorrelated
    from covet.db.models.query.paths import Hop
else:
    uncorrelated = late_module(__name__, "covet.db.models.query.uncorrelated")
    expression_lookups = late_module(__name__, "covet.db.models.expressions.lookups", "expression_lookups")
    refs = late_module(__name__, "covet.db.models.expressions.refs")
    scopes = late_module(__name__, "covet.db.models.expressions.scope", "scopes")
    subqueries = late_module(__name__, "covet.db.models.expressions.subqueries")

__all__ = ["Conditions"]

_ONE = n.Keyword("1")
# Stands for a value of a list while what is done to each is written.
_EACH = "covet_each_value"
_TAKES = {"isnull": "True or False", "range": "the two ends of a range", "in": "a list or a queryset"}


class Conditions(Names):
    """Builds the conditions of one query."""

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
            self.joins.know(present_columns(all_of(where)))
        return FALSE if self.plan.extras.empty else all_of(where), all_of(having)

    def tree(self, q: Q, *, negated: bool) -> Condition:
        """Return a tree of conditions. Inside a negation each leaf is true or false, never NULL."""
        inside = negated or q.negated
        parts = [part for child in q.children if (part := self._child(child, negated=inside)) is not None]
        nodes = [part.node for part in parts]
        needs: frozenset[Source] = frozenset()
        if not parts:
            return Condition(TRUE, needs)
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
            return Condition(negate(node), frozenset())
        return Condition(node, needs)

    def _child(self, child: Any, *, negated: bool, plain: bool = False) -> Condition | None:
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
        return Condition(node, frozenset())

    def _leaf(self, name: str, value: Any, *, negated: bool, plain: bool) -> Condition:
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
            return self._annotated_leaf(
                self.annotated(annotation), name, tuple(tail.split("__")) if tail else (), value, kind, first, negated
            )
        path = self._path(name, f"filter({name}=…)")
        check_rest(path, f"filter({name}=…)")
        transforms, lookup = split_rest(path.field, path.rest)
        if lookup not in LOOKUPS:
            kind = kind or lookup
        if path.many and negated and not self._in_relation:
            return self._none_of(path, transforms, lookup, value, kind, first)
        operand, source = self.operand(path, self._used)
        left = self._transformed(operand, transforms)
        node = self._compare(left, lookup, value, kind, first, path)
        wants_null = kind == leaves.NULL or (kind == leaves.TRUTH and value is True)
        if node in (TRUE, FALSE):
            return Condition(node, frozenset())
        if negated:
            node = _without_unknown(node)
        if negated and not wants_null and kind != leaves.TRUTH and (path.field.null or path.hops):
            node = n.And((node, n.IsNull(operand.node, negated=True)))
        if negated and kind == leaves.EXPRESSION:
            node = self._with_value(node, value)
        if wants_null or negated or left.may_hold_for_null(lookup):
            return Condition(node, frozenset())
        return Condition(node, frozenset({source}))

    def _annotated_leaf(
        self, operand: Operand, name: str, rest: tuple[str, ...], value: Any, kind: str, first: int, negated: bool
    ) -> Condition:
        try:
            transforms, lookup = split_rest(operand.field, rest, operand.made)
        except LookupError:
            known = [annotation.name for annotation in self.plan.extras.annotations]
            raise unknown_name(self.meta, name, "", known) from None
        if lookup not in LOOKUPS:
            kind = kind or lookup
        node = self._compare(self._transformed(operand, transforms), lookup, value, kind, first, None)
        if negated:
            node = _without_unknown(node)
        if negated and kind not in {leaves.NULL, leaves.TRUTH} and node not in (TRUE, FALSE):
            node = n.And((node, n.IsNull(operand.node, negated=True)))
        if negated and kind == leaves.EXPRESSION:
            node = self._with_value(node, value)
        return Condition(node, frozenset())

    def _with_value(self, node: n.Node, value: Any) -> n.Node:
        """Return a comparison with a column that inside a negation is false, and not unknown, where that one is NULL."""
        if not isinstance(value, refs.F):
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
        unwrap: Convert | None = KeyOf(path) if kind in {leaves.OBJECT, leaves.OBJECTS} else None
        if kind in {leaves.MANY, leaves.OBJECTS}:
            listed = Right((first,), None, self.dialect, left.field, unwrap, left.node).value(many=True)
            assert isinstance(listed, n.Param)
            if left.bilateral:
                return self._among_both(left, listed)
            among = getattr(left.field, "among", None)
            if among is not None:
                return among(left.node, listed)  # type: ignore[no-any-return]  # a node, by the field's own rule
            return json_among(left.node, listed, self.dialect) if left.kind == "json" else n.In(left.node, listed)
        if kind == leaves.ITEMS:
            return self._listed(left, "in", [item for item in value if item is not None])
        if kind == leaves.RANGE:
            return self._listed(left, "range", value)
        node = None
        if kind == leaves.EXPRESSION and not hasattr(value, "resolve"):
            value = _listed(left, value)
        custom = left.get_lookup(lookup)
        takes = getattr(custom, "value_field", None)
        if kind == leaves.EXPRESSION and custom is not None and takes is not None and not left.bilateral:
            if value.contains_aggregate:
                self.saw_aggregate = True
            return custom(left.side(self), value).resolve(self).node  # type: ignore[no-any-return]
        if kind == leaves.EXPRESSION:
            if value.contains_aggregate:
                self.saw_aggregate = True
            if lookup == "in":
                return self._in_expression(left, value)
            found = value.resolve(self)
            left, node = (left, found.node) if custom is not None else both_documents(left, found, lookup)
        if left.bilateral:
            node = self._both(left, Right((first,), node, self.dialect, left.field, unwrap).value())
        held = left.field if takes is None else takes(left.field)
        if custom is not None:
            here = left.side(self)
            # A look-up of a project need not be one of our classes: what builds a node will do.
            prepares = getattr(custom, "prepares", None)
            prepare = None if prepares is None or node is not None else prepares(here)
            if prepare is not None:
                unwrap = prepare if unwrap is None else chained(unwrap, prepare)
            given = expression_lookups.Named(Right((first,), node, self.dialect, held, unwrap))
            return custom(here, given).resolve(self).node  # type: ignore[no-any-return]
        right = Right((first,), node, self.dialect, held, unwrap, left.node)
        function = lookup_of(left, lookup)
        if function is None:
            raise ValueError(f"The look-up '{lookup}' takes {_TAKES[lookup]}.")
        return function(left, right, self)

    def _both(self, left: Operand, node: n.Node) -> n.Node:
        """Return a value with the bilateral transforms of the left-hand side."""
        given: Any = self.wrap(node, left.field)
        for transform in left.bilateral:
            given = transform(given)
        return given.resolve(self).node  # type: ignore[no-any-return]  # a node

    def _among_both(self, left: Operand, listed: n.Param) -> n.Node:
        """Return ``IN`` of a list whose values go through the bilateral transforms: one slot stands for all of them."""
        if self.dialect.has_array_any and listed.type is not None:
            item = n.Keyword("covet_item")
            array = n.Raw(f"%s::{self.dialect.cast_type(listed.type)}[]", (listed,))
            given = n.Raw("SELECT %s FROM UNNEST(%s) AS covet_item", (self._both(left, item), array))
            return n.Raw("(%s IN (%s))", (left.node, given))
        text = compile_expression(self._both(left, n.Keyword(_EACH)), self.dialect)
        each = text.replace("{", "{{").replace("}", "}}").replace(_EACH, "{}")
        if text.count(_EACH) != 1:
            raise NotSupportedError(
                f"A bilateral transform that writes its value {text.count(_EACH)} times goes with no list on {self.dialect.title}: "
                "write Q(…) | Q(…), a condition for each value."
            )
        return n.In(left.node, n.Param(listed.slot, listed.adapt, listed.type, True, each, listed.limits))

    def compare_list(self, left: scopes.Resolved, lookup: str, right: Any) -> n.Node:
        """Return ``in`` or ``range`` as an expression: of a tuple, a nested statement, an expression or a queryset."""
        refuse_lookup(left.field, lookup)
        operand = Operand(left.node, left.field)
        if isinstance(right, tuple):
            return self._listed(operand, lookup, right)
        if isinstance(right, (Select, Compound)):
            return n.In(left.node, uncorrelated.unsliced(self, right))
        if hasattr(right, "resolve"):
            return self._in_expression(operand, right)
        return self._in_query(operand, uncorrelated.unsliced(self, subqueries.only_column(self.query(right))), right)

    def _listed(self, left: Operand, lookup: str, items: Iterable[Any]) -> n.Node:
        """Return ``in`` or ``range`` of values and expressions, as documents where one of them is a document."""
        left, found = listed_sides(left, items, self)
        if left.bilateral:
            found = tuple([self._both(left, item) for item in found])
        is_json = left.kind == "json"
        if lookup == "in":
            return json_among(left.node, found, self.dialect) if is_json else n.In(left.node, found)
        low, high = found
        if is_json:
            return n.And((n.Func("JSON_GTE", (left.node, low)), n.Func("JSON_LTE", (left.node, high))))
        return n.And((n.Binary(">=", left.node, low), n.Binary("<=", left.node, high)))

    def _in_expression(self, left: Operand, value: Any) -> n.Node:
        """Return that a value is among what an expression gives: the rows of a query or of raw SQL, or one value."""
        found = value.resolve(self)
        if isinstance(found.node, n.Subquery):
            return self._in_query(left, found.node.query, value.queryset)
        left, node = both_documents(left, found, "in")
        if left.kind == "json":
            return json_among(left.node, (self._both(left, node),), self.dialect)
        if isinstance(node, n.Raw) and isinstance(value, refs.RawSQL) and not left.bilateral:
            return n.In(left.node, node)  # in its own brackets: in two pairs SQLite would take the first row alone
        return n.In(left.node, (self._both(left, node),))

    def _in_query(self, left: Operand, statement: Select | Compound, queryset: Any) -> n.Node:
        """Return that a value is one of those of a query; of documents, that it is equal to one."""
        if left.bilateral:
            raise NotSupportedError(
                "A bilateral transform is not applied to the rows of a queryset: apply it there, as in "
                "annotate(x=Upper('name')).values('x')."
            )
        if left.kind != "json":
            return n.In(left.node, statement)
        document = n.Func("JSON_CANONICAL", (left.node,))
        return n.In(document, documents_of(statement, self._selected(queryset)))

    def _selected(self, queryset: Any) -> Field[Any] | None:
        """Return what the one column of a nested queryset holds."""
        return getattr(queryset, "output_field", None) or self.output_field_of(queryset.query)

    def _compare_query(self, left: Operand, lookup: str, queryset: Any, path: Path | None) -> n.Node:
        if hasattr(queryset, "get_queryset"):
            queryset = queryset.get_queryset()
        self._check_database(queryset)
        custom = left.get_lookup(lookup)
        if hasattr(custom, "from_query"):
            # It says itself what a queryset on its right side stands for.
            return custom(left.side(self), custom.from_query(queryset)).resolve(self).node  # type: ignore[no-any-return]
        query = queryset.query
        if query.extras.outputs is None and not query.extras.combined:
            field = query.model._meta.pk
            relation = None if path is None else path.relation
            if path is not None and relation is not None:
                _check_kin(query.model, path)
            if relation is not None and relation.concrete and issubclass(query.model, relation.related_model):
                field = relation.target_field
            query = query.with_extras(outputs=(field.attname,), select_related=())
        if lookup == "exact" and not query.is_empty and (query.high is None or query.high - query.low != 1):
            raise ValueError(
                "A value equals one row of a queryset, and this one may have several: cut it off, as in queryset[:1], or ask "
                "for any of them by 'in'."
            )
        inner = subqueries.only_column(self.query(query)) if not query.is_empty else None
        if inner is None:
            self.cursor += len(query.all_values())
            return FALSE
        if lookup == "in":
            return self._in_query(left, uncorrelated.unsliced(self, inner), queryset)
        left, node = both_documents(left, scopes.Resolved(n.Subquery(inner), self._selected(queryset)), lookup)
        right = Right((), node, self.dialect, left.field)
        return (lookup_of(left, lookup) or LOOKUPS[lookup])(left, right, self)

    def _none_of(
        self, path: Path, transforms: Sequence[str], lookup: str, value: Any, kind: str, first: int
    ) -> Condition:
        """Return ``EXISTS (…)`` for a leaf over many rows inside a negation: "none of them", not "one that is not"."""
        index = next(position for position, hop in enumerate(path.hops) if hop.many)
        here = self.joins.reach(path.hops[:index], self._used)
        hop = path.hops[index]
        inner = Joins(hop.target, self.aliases)
        inner.hang_on(here, hop)
        source = inner.reach(path.hops[index + 1 :], None)
        left = self._transformed(Operand(n.Column(source.alias, path.field.column), path.field), transforms)
        is_null = kind == leaves.NULL and not isinstance(left.node, n.JSONPath)  # there it is the document's own null
        absent = is_null or (kind == leaves.TRUTH and value is True)
        if absent or kind == leaves.TRUTH:
            leaf: n.Node = n.IsNull(left.node, negated=not absent)
        else:
            leaf = self._compare(left, lookup, value, kind, first, path)
        if leaf in (TRUE, FALSE):
            return Condition(leaf, frozenset())
        if not absent and (kind == leaves.TRUTH or not left.may_hold_for_null(lookup)):
            source.require()
        can_be_null = bool(path.field.null or transforms or any(one.null for one in path.hops[index + 1 :]))
        same = None if absent else self._same_row(here, hop)
        return _exists(hop, here, inner, leaf, absent=absent, can_be_null=can_be_null, same=same)

    def _same_row(self, here: Source, hop: Hop) -> Source | None:
        """Return the join that the conditions before in this call are about: a negation beside them is about its row."""
        return None if not self._used else self.joins.joined(here, hop, self._used)

    def _no_row(self, rows: OneRow) -> Condition:
        """Return ``EXISTS (…)`` for several conditions on one of many rows inside a negation."""
        path = self._path(rows.name, f"filter({rows.name}=…)")
        index = next(position for position, hop in enumerate(path.hops) if hop.many)
        outer, here = self.joins, self.joins.reach(path.hops[:index], self._used)
        self.joins = inner = RowJoins(outer, path.hops[: index + 1])
        inner.hang_on(here, path.hops[index])
        self._in_relation = True
        found = self.tree(Q.create(rows.children), negated=False)
        self._in_relation = False
        self.joins = outer
        if found.node in (TRUE, FALSE):
            return Condition(found.node, frozenset())
        for source in found.needs:
            source.require()
        hop = path.hops[index]
        same = None if rows.absent else self._same_row(here, hop)
        return _exists(hop, here, inner, found.node, absent=rows.absent, can_be_null=True, same=same)


def _exists(
    hop: Hop,
    here: Source,
    inner: Joins,
    leaf: n.Node,
    *,
    absent: bool,
    can_be_null: bool,
    same: Source | None = None,
) -> Condition:
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
        return Condition(found, frozenset())
    # A value is missing where there is no row to have one, and where a row has none.
    none = n.Exists(Select((Output(_ONE),), table, inner.nodes_of(inner.base.beside), joined), negated=True)
    return Condition(any_of([none, found]) if can_be_null else none, frozenset())


def _check_kin(model: Any, path: Path) -> None:
    """Raise where the rows of one model stand for those of another one: their keys may be equal by chance.

    Raises:
        ValueError: The models are no kin.
    """
    given: Any = model._meta.concrete_model
    wanted: Any = path.at.concrete_model
    if not issubclass(given, wanted) and not issubclass(wanted, given):
        name = "__".join(path.names)
        raise ValueError(
            f"{name} takes a queryset of {wanted.__name__}, not of {given.__name__}. Where its keys are meant, say so: "
            f"{name}__in=queryset.values('pk')."
        )


def _listed(left: Operand, items: Any) -> Any:
    """Return a list with expressions in it as one expression, as the field of arrays makes it.

    Raises:
        FieldError: The left-hand side is no array.
    """
    listed = getattr(left.field, "listed", None)
    if listed is None:
        raise FieldError(
            f"A list with expressions in it is compared with arrays only: {items!r}. For a JSON document write JSONArray(…)."
        )
    return listed(items)


def _without_unknown(node: n.Node) -> n.Node:
    """Return a condition that goes into a negation: what holds no document has no keys, which is no unknown number of them."""
    if isinstance(node, n.Func) and node.name in {"JSON_HAS_KEY", "JSON_HAS_KEYS", "JSON_HAS_ANY_KEYS"}:
        return n.Func("COALESCE", (node, n.Keyword("FALSE")))
    return node
