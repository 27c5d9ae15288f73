"""The two laws of expressions: one shape for all values, and values in the order in which parameters are taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet.db import models
from covet.db.models import Case, Count, F, Q, Sum, Value, When
from covet.db.models import functions as fn
from covet.db.models.expressions.base import CombinedExpression
from covet.db.models.expressions.scope import Resolved
from covet.db.models.fields import IntegerField
from covet.db.sql import nodes
from covet.exceptions import FieldError


class Recorder:
    """A scope that notes the values for which parameters are asked."""

    vendor = "postgresql"
    aggregating: Any = None
    in_window = False

    def __init__(self, **fields: Any) -> None:
        self.taken: list[Any] = []
        self.fields = fields

    @property
    def outer(self) -> Recorder:
        return self

    def ref(self, name: str) -> Resolved:
        return Resolved(nodes.Column("t", name), self.fields.get(name, IntegerField()))

    def param(self, value: Any, field: Any = None) -> nodes.Node:
        self.taken.append(value)
        return nodes.Param(len(self.taken) - 1)

    def condition(self, q: Any) -> nodes.Node:
        parts = []
        for child in Q.of(q).children:
            if isinstance(child, tuple):
                if child[1] is None or isinstance(child[1], bool):
                    continue
                parts.append(child[1].resolve(self).node if hasattr(child[1], "resolve") else self.param(child[1]))
            else:
                parts.append(self.condition(child) if isinstance(child, Q) else child.resolve(self).node)
        return nodes.And(tuple(parts))

    def orderings(self, item: Any) -> list[nodes.Ordering]:
        return [nodes.Ordering(item.resolve(self).node)]

    def query(self, queryset: Any) -> Any:
        raise AssertionError


numbers = st.integers(-100, 100)
# Each leaf takes one number, so that one drawn tree can be built with different values.
leaves: st.SearchStrategy[Callable[[Any], Any]] = st.sampled_from(
    [
        lambda take: F("a"),
        lambda take: Value(take()),
        lambda take: F("b") + take(),
        lambda take: fn.Abs(F("a") - take()),
    ]
)


def branches(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.tuples(inner, inner).map(lambda p: lambda take: fn.Coalesce(p[0](take), p[1](take))),
        st.tuples(inner, inner).map(lambda p: lambda take: p[0](take) * p[1](take)),
        st.tuples(inner, inner).map(
            lambda p: lambda take: Case(When(a__gt=take(), then=p[0](take)), default=p[1](take))
        ),
        inner.map(lambda p: lambda take: models.ExpressionWrapper(p(take), output_field=IntegerField())),
    )


trees = st.recursive(leaves, branches, max_leaves=8)


@given(trees, st.lists(numbers, min_size=40, max_size=40), st.lists(numbers, min_size=40, max_size=40))
@pytest.mark.row("compiler.cache")
def test_two_trees_that_differ_in_values_have_one_shape(make: Any, first: list[int], second: list[int]) -> None:
    values: list[Any] = []
    others: list[Any] = []
    one, two = make(iter(first).__next__), make(iter(second).__next__)
    assert one.shape(values) == two.shape(others)
    assert hash(one.shape([])) == hash(two.shape([]))
    assert len(values) == len(others)


@given(trees, st.lists(numbers, min_size=40, max_size=40))
def test_values_are_listed_in_the_order_of_the_parameters(make: Any, given_: list[int]) -> None:
    tree = make(iter(given_).__next__)
    values: list[Any] = []
    tree.shape(values)
    scope = Recorder()
    tree.resolve(scope)
    assert scope.taken == values


@pytest.mark.parametrize(
    "expression",
    [
        Sum("a", filter=Q(b__gt=1) & Q(c=2), default=3),
        Count("a", distinct=True, filter=~Q(b=5)),
        models.StringAgg("a", "; ", order_by=F("b") + 1),
        models.Window(fn.Lag("a", 2, 7), partition_by=F("b") % 3, order_by=(F("c") + 4).desc()),
        fn.Concat("a", Value("x"), F("b")),
        fn.Substr("a", 2, 3),
        fn.JSONObject(x="a", y=Value(3)),
        models.RawSQL("a > %s AND b < %s", (1, 2)),
        Case(When(Q(a=1) | Q(b=F("c") + 2), then=Value(3)), When(a=4, then="b"), default=Value(None)),
        ~models.ExpressionWrapper(Q(a__gt=3), output_field=models.BooleanField()),
    ],
)
def test_every_kind_of_expression_keeps_the_order(expression: Any) -> None:
    values: list[Any] = []
    hash(expression.shape(values))
    scope = Recorder()
    expression.resolve(scope)
    assert scope.taken == values


def test_structure_changes_the_shape() -> None:
    shapes = [
        e.shape([])
        for e in (
            F("a") + 1,
            F("a") - 1,
            F("b") + 1,
            F("a") + "1",
            F("a") + Value(None),
            1 + F("a"),
            Sum("a"),
            Sum("a", distinct=True),
            Sum("a", filter=Q(b=1)),
            Sum("a", filter=Q(b=None)),
            Sum("a", default=0),
            Sum("a", output_field=models.FloatField()),
            F("a").asc(),
            F("a").desc(),
            F("a").desc(nulls_last=True),
            fn.Lower("a"),
            fn.Upper("a"),
            Q(a=1),
            ~Q(a=1),
            Q(a=1) | Q(b=1),
            Q(a=1) & Q(b=1),
            Q(a__isnull=True),
            Q(a__isnull=False),
            F("a")[:2],
            F("a")[:3],
        )
    ]
    assert len(set(shapes)) == len(shapes)


def test_how_a_conjunction_is_bracketed_does_not_matter() -> None:
    one = (Q(a=1) & Q(b=2)) & Q(c=3)
    two = Q(a=1) & (Q(b=2) & Q(c=3))
    assert one == two
    assert one.shape([]) == two.shape([])
    assert one.shape([]) != ((Q(a=1) | Q(b=2)) & Q(c=3)).shape([])


def test_q_is_a_value() -> None:
    q = Q(a=1) & ~Q(b=2) | Q(c__in=[1, 2])
    path, args, kwargs = q.deconstruct()
    assert path == "covet.db.models.Q"
    assert Q(*args, **kwargs) == q
    assert hash(Q(*args, **kwargs)) == hash(q)
    assert Q() | q == q
    assert q & Q() == q
    assert ~~q == q
    assert not Q()
    assert Q(a=1) != Q(a=True)
    assert q.referenced_base_fields == {"a", "b", "c"}
    with pytest.raises(TypeError, match="no condition"):
        Q(3)
    with pytest.raises(TypeError, match="combines with another Q"):
        Q(a=1) & 3


@given(trees, st.lists(numbers, min_size=40, max_size=40))
def test_an_expression_is_equal_to_what_its_deconstruction_makes(make: Any, given_: list[int]) -> None:
    tree = make(iter(given_).__next__)
    _path, args, kwargs = tree.deconstruct()
    again = type(tree)(*args, **kwargs)
    assert again == tree
    assert hash(again) == hash(tree)
    assert again.shape([]) == tree.shape([])


def test_paths_are_the_public_addresses() -> None:
    assert F("a").deconstruct()[0] == "covet.db.models.F"
    assert fn.Lower("a").deconstruct()[0] == "covet.db.models.functions.Lower"
    assert fn.Coalesce("a", "b").deconstruct()[0] in {
        "covet.db.models.functions.Coalesce",
        "covet.db.models.Coalesce",
    }


@pytest.mark.row("expressions.value")
def test_kinds_that_do_not_go_together_ask_for_an_output_field() -> None:
    scope = Recorder(a=models.IntegerField(), t=models.CharField(max_length=3), d=models.DateField())
    for bad in (F("a") + F("t"), F("d") * 2, Case(When(a=1, then="t"), default="a")):
        with pytest.raises(FieldError, match="output_field"):
            bad.resolve(scope)
    fine = models.ExpressionWrapper(F("a"), output_field=models.FloatField()).resolve(scope)
    assert fine.field is not None
    assert fine.field.get_internal_type() == "FloatField"


@pytest.mark.parametrize(
    ("left", "operator", "right", "kind"),
    [
        ("i", "+", "i", "IntegerField"),
        ("i", "*", "b", "BigIntegerField"),
        ("i", "+", "f", "FloatField"),
        ("i", "+", "n", "DecimalField"),
        ("f", "+", "n", "FloatField"),
        ("d", "+", "l", "DateTimeField"),
        ("m", "-", "l", "DateTimeField"),
        ("m", "-", "m", "DurationField"),
        ("d", "-", "d", "DurationField"),
        ("l", "*", "i", "DurationField"),
        ("l", "+", "l", "DurationField"),
    ],
)
def test_arithmetic_has_a_kind(left: str, operator: str, right: str, kind: str) -> None:
    scope = Recorder(
        i=models.IntegerField(),
        b=models.BigIntegerField(),
        f=models.FloatField(),
        n=models.DecimalField(max_digits=5, decimal_places=2),
        d=models.DateField(),
        m=models.DateTimeField(),
        l=models.DurationField(),
    )
    field = CombinedExpression(F(left), operator, F(right)).resolve(scope).field
    assert field is not None
    assert field.get_internal_type() == kind


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Count("*", filter=Q(a=1)), ValueError, "no filter"),
        (lambda: models.Max("a", distinct=True), TypeError, "distinct"),
        (lambda: Count("a", default=3), TypeError, "default"),
        (lambda: Sum(Sum("a")), TypeError, "aggregate"),
        (lambda: Sum("a", filter=3), TypeError, "filter"),
        (lambda: When(then=3), TypeError, "condition"),
        (lambda: When(Q(), then=3), ValueError, "empty"),
        (lambda: When(3, then=3), TypeError, "When takes"),
        (lambda: Case(Value(3)), TypeError, "When"),
        (lambda: fn.Coalesce("a"), ValueError, "two"),
        (lambda: fn.Concat("a"), ValueError, "two"),
        (lambda: fn.Greatest("a"), ValueError, "two"),
        (lambda: fn.Left("a", 0), ValueError, "at least 1"),
        (lambda: fn.Substr("a", 0), ValueError, "at least 1"),
        (lambda: fn.Lower("a", "b"), TypeError, "1 argument"),
        (lambda: fn.Extract("a", "year; DROP TABLE"), ValueError, "no date part"),
        (lambda: fn.Trunc("a", "nope"), ValueError, "no unit"),
        (lambda: fn.Collate("a", 'x"; --'), ValueError, "collation"),
        (lambda: fn.Ntile(0), ValueError, "at least 1"),
        (lambda: F("a").asc(nulls_first=True, nulls_last=True), ValueError, "both"),
        (lambda: F("a").desc(nulls_last=False), ValueError, "left out"),
        (lambda: F("a")[::2], ValueError, "no step"),
        (lambda: F("a")[-1:], ValueError, "negative"),
        (lambda: models.Window(F("a")), ValueError, "window"),
        (lambda: models.RowRange(start=3, end=1), ValueError, "behind"),
        (lambda: Q(a=1, _connector="NAND"), ValueError, "_connector"),
        (lambda: (F("a") + 1).default_alias, TypeError, "needs a name"),
    ],
)
def test_misuse_is_refused_with_words(make: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make()


def test_default_names_of_aggregates() -> None:
    assert Sum("views").default_alias == "views__sum"
    assert models.StringAgg("name", ",").default_alias == "name__stringagg"
    assert F("a").default_alias == "a"


def test_conditional_expressions_combine_to_q() -> None:
    raw = models.RawSQL("a > b")
    both = raw & Q(c=1)
    assert isinstance(both, Q)
    assert both.children[0] is raw
    assert isinstance(~F("flag"), models.Expression)
    assert ~~F("flag") == F("flag")
