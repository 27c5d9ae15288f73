"""Classes of a project that write SQL: their parts, their values, and built-in look-ups that they change."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import pytest

from covet.db.database import Database
from covet.db.models import (
    Aggregate,
    Case,
    CharField,
    Count,
    Expression,
    F,
    Func,
    IntegerField,
    Lookup,
    OuterRef,
    Q,
    Subquery,
    Sum,
    TextField,
    Transform,
    Value,
    When,
    lookups,
)
from tests._apps.blog.models import Article, Author

SQL = tuple[str, list[Any]]


@pytest.fixture
async def rows(blog: Database) -> Database:
    ann = await Author.objects.create(name="Ann")
    for title, views in (("alpha", 1), ("Beta", 2), ("gamma", 3)):
        await Article.objects.create(title=title, views=views, author=ann)
    return blog


async def titles(*conditions: Any, **named: Any) -> list[str]:
    return await Article.objects.filter(*conditions, **named).order_by("views").values_list("title", flat=True)


async def first(expression: Any) -> Any:
    return await Article.objects.annotate(made=expression).order_by("views").values_list("made", flat=True)[0]


@contextmanager
def registered(*classes: Any, field: Any = CharField) -> Iterator[None]:
    for cls in classes:
        field.register_lookup(cls)
    try:
        yield
    finally:
        for cls in classes:
            field.unregister_lookup(cls)


class Backwards(Func):
    """Compiles its parts in another order than they have."""

    output_field = TextField()

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> SQL:
        new, old, text = [compiler.compile(source) for source in self.sources]
        _unused = compiler.compile(self.sources[0])
        return f"REPLACE({text[0]}, {old[0]}, {new[0]})", [*text[1], *old[1], *new[1]]


class Doubled(Func):
    """Uses one part twice, and a constant of its own."""

    output_field = TextField()

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> SQL:
        (text, params), (other, more) = compiler.compile(self.sources[0]), compiler.compile(Value("x"))
        return f"COALESCE(NULLIF({other}, {text}), {text})", [*more, *params, *params]


class Asking(Func):
    """Makes a condition where none can take part any more."""

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> SQL:
        return compiler.compile(Case(When(views=1, then=2)))  # type: ignore[no-any-return]


@pytest.mark.row("expressions.api")
async def test_parts_are_compiled_in_any_order_and_any_number_of_times(rows: Database) -> None:
    assert await first(Backwards(Value("x"), Value("b"), Value("abc"))) == "axc"
    assert await first(Backwards(Value("y"), Value("p"), F("title"))) == "alyha"
    assert await first(Doubled(Value("x"))) == "x"
    assert await first(Doubled(Value("z"))) == "x"
    found = Article.objects.annotate(made=Backwards(Value("x"), Value("b"), Value("abc"))).filter(views=2, made="axc")
    assert await found.values_list("title", flat=True) == ["Beta"]
    inner = Subquery(Article.objects.filter(pk=OuterRef("pk"), views=1).values("title"), output_field=TextField())
    assert await first(Backwards(Value("z"), Value("l"), inner)) == "azpha"
    with pytest.raises(TypeError, match="make it in __init__"):
        await first(Asking("views"))


class Total(Sum):
    """Says the same on each database by a method of its own."""

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> SQL:
        return super().as_sql(compiler, connection, **extra)


class Most(Aggregate):
    function = "MIN"
    output_field = IntegerField()
    allow_distinct = True

    def as_postgresql(self, compiler: Any, connection: Any) -> SQL:
        return self.as_sql(compiler, connection, function="MAX")

    as_mysql = as_sqlite = as_postgresql


class Joined(Aggregate):
    """What many projects have: a template that takes its order as a text."""

    function = "MAX"
    template = "%(function)s(%(distinct)s%(expressions)s%(ordering)s%(separator)s)"
    allow_distinct = True

    def __init__(
        self, expression: Any, distinct: bool = False, ordering: str | None = None, separator: str = ""
    ) -> None:
        super().__init__(
            expression,
            distinct=distinct,
            ordering="" if ordering is None else f" ORDER BY {ordering}",
            separator=separator,
            output_field=CharField(),
        )


@pytest.mark.row("aggregates.custom")
async def test_an_aggregate_with_sql_of_its_own_keeps_its_filter(rows: Database) -> None:
    found = await Article.objects.aggregate(
        big=Total("views", filter=Q(views__gt=1)),
        other=Count("pk", filter=Q(title="alpha")),
        none=Total("views", filter=Q(views__gt=9), default=7),
        most=Most("views", filter=Q(views__lt=3)),
        distinct=Most("views", distinct=True),
    )
    assert found == {"big": 5, "other": 1, "none": 7, "most": 2, "distinct": 3}
    assert await Article.objects.aggregate(last=Joined("title", distinct=True)) in ({"last": "gamma"},)
    grouped = Article.objects.values("author__name").annotate(n=Total("views", filter=Q(title__startswith="a")))
    assert await grouped == [{"author__name": "Ann", "n": 1}]


class Listed(Expression):
    """Lists its parts, as Django's documentation shows it."""

    template = "COALESCE(%(expressions)s)"

    def __init__(self, expressions: list[Any], output_field: Any) -> None:
        super().__init__(output_field=output_field)
        self.expressions = expressions

    def get_source_expressions(self) -> list[Any]:
        return self.expressions

    def set_source_expressions(self, expressions: Any) -> None:
        self.expressions = expressions

    def as_sql(self, compiler: Any, connection: Any, template: str | None = None) -> SQL:
        parts = [compiler.compile(part) for part in self.expressions]
        text = ", ".join(part[0] for part in parts)
        return (template or self.template) % {"expressions": text}, [one for part in parts for one in part[1]]


class Loose(Expression):
    """Keeps its parts in attributes and lists none."""

    def __init__(self, left: Any, right: Any) -> None:
        super().__init__(output_field=IntegerField())
        self.left, self.right = left, right

    def as_sqlite(self, compiler: Any, connection: Any) -> SQL:
        (right, more), (left, params) = compiler.compile(self.right), compiler.compile(self.left)
        return f"({left} - {right})", [*params, *more]

    as_mysql = as_postgresql = as_sqlite


class Scaled(Expression):
    """Makes another of itself by a copy, as Django's own do."""

    by = 1

    def __init__(self, number: Any) -> None:
        super().__init__(output_field=IntegerField())
        self.number = number

    def times(self, by: int) -> "Scaled":
        other = self.copy()
        other.by = by
        return other

    def as_sql(self, compiler: Any, connection: Any) -> SQL:
        number, params = compiler.compile(self.number)
        return f"({number} * {int(self.by)})", params


class Mute(Expression):
    pass


@pytest.mark.row("expressions.api")
async def test_an_expression_needs_no_more_than_as_sql(rows: Database) -> None:
    assert await first(Listed([F("editor__name"), F("title"), Value("?")], TextField())) == "alpha"
    assert await first(Listed([F("editor__name"), Value("?")], output_field=TextField())) == "?"
    assert await first(Loose(F("views"), Value(10))) == -9
    assert await first(Loose(Value(10), F("views"))) == 9
    made = Article.objects.annotate(made=Loose(Value(5), F("views"))).filter(made__gte=3).order_by("views")
    assert await made.values_list("made", flat=True) == [4, 3]
    scaled = Scaled(F("views"))
    assert [await first(one) for one in (scaled, scaled.times(7), scaled.times(8), scaled)] == [1, 7, 8, 1]
    # Aggregates among the parts are known: the rows are grouped.
    counted = Author.objects.annotate(n=Loose(Count("articles"), Value(1)))
    assert await counted.values_list("n", flat=True) == [2]
    with pytest.raises(TypeError, match="define as_sql"):
        await first(Mute())


class Size(Transform):
    lookup_name = "size"
    function = "LENGTH"

    @property
    def output_field(self) -> Any:  # type: ignore[override]
        return IntegerField()


class CachedSize(Transform):
    lookup_name = "cached_size"
    function = "LENGTH"

    @cached_property
    def output_field(self) -> Any:
        return IntegerField()


class Size2(Func):
    function = "LENGTH"
    output_field = IntegerField()


@pytest.mark.row("lookups.custom")
async def test_a_class_says_what_its_instances_hold(rows: Database) -> None:
    with registered(Size, CachedSize):
        assert await titles(title__size__gt=4) == ["alpha", "gamma"]
        assert await titles(title__cached_size=4) == ["Beta"]
        assert await titles(title__size__in=[4]) == ["Beta"]
    assert await first(Size2("title")) == 5
    assert await first(Size("title")) == 5
    assert Size2("title").output_field is Size2.output_field
    assert isinstance(Func("title", output_field=TextField()).output_field, TextField)


class Stripped(lookups.IExact):
    """Changes the value alone."""

    lookup_name = "stripped"

    def get_prep_lookup(self) -> Any:
        assert isinstance(self.lhs, F) or self.lhs.output_field.name == "title"
        return super().get_prep_lookup().strip()


class Replaced(lookups.IContains):
    """Takes the place of the built-in look-up of one field."""

    def get_prep_lookup(self) -> Any:
        return str(self.rhs).replace("*", "")


class LeftChanged(lookups.StartsWith):
    lookup_name = "inner"

    def process_lhs(self, compiler: Any, connection: Any, lhs: Any = None) -> SQL:
        text, params = super().process_lhs(compiler, connection, lhs)
        return f"REPLACE({text}, %s, %s)", [*params, "al", ""]


class RightChanged(lookups.Exact):
    lookup_name = "lowered"

    def process_rhs(self, compiler: Any, connection: Any) -> SQL:
        text, params = super().process_rhs(compiler, connection)
        return f"LOWER({text})", params


class PatternChanged(lookups.Contains):
    """Changes both sides; the right one is the pattern."""

    lookup_name = "low"

    def process_lhs(self, compiler: Any, connection: Any, lhs: Any = None) -> SQL:
        text, params = super().process_lhs(compiler, connection, lhs)
        return f"LOWER({text})", params

    def process_rhs(self, compiler: Any, connection: Any) -> SQL:
        text, params = super().process_rhs(compiler, connection)
        return f"LOWER({text})", params


class Operator(lookups.StartsWith):
    lookup_name = "op"

    def get_rhs_op(self, connection: Any, rhs: str) -> str:
        return f"LIKE LOWER({rhs})"


class Negated(lookups.Exact):
    lookup_name = "unlike"

    def as_sql(self, compiler: Any, connection: Any) -> SQL:
        text, params = super().as_sql(compiler, connection)
        return f"NOT ({text})", params


class OneVendor(lookups.IExact):
    lookup_name = "vendor"

    def as_postgresql(self, compiler: Any, connection: Any) -> SQL:
        assert self.rhs_is_direct_value() and not self.bilateral_transforms
        left, params = self.process_lhs(compiler, connection)
        right, more = self.process_rhs(compiler, connection)
        return f"LOWER({left}) = LOWER({right})", [*params, *more]


@pytest.mark.row("lookups.custom")
async def test_built_in_look_ups_may_be_changed(rows: Database) -> None:
    changed: tuple[Callable[..., Any], ...] = (
        Stripped,
        LeftChanged,
        RightChanged,
        PatternChanged,
        Operator,
        Negated,
        OneVendor,
    )
    with registered(*changed, field=Article._meta.get_field("title")):
        assert await titles(title__stripped=" ALPHA ") == ["alpha"]
        assert await titles(title__inner="p") == ["alpha"]
        assert await titles(title__lowered="GAMMA") == ["gamma"]
        assert await titles(title__low="ET") == ["Beta"]
        assert await titles(title__low="%E") == []
        assert await titles(title__low=F("title")) == ["alpha", "Beta", "gamma"]
        assert await titles(title__op="ALP") == ["alpha"]
        assert await titles(title__unlike="alpha") == ["Beta", "gamma"]
        assert await Article.objects.exclude(title__unlike="alpha").values_list("title", flat=True) == ["alpha"]
        assert await titles(title__vendor="BETA") == ["Beta"]
        small = ["alpha", "Beta", "gamma"] if rows.vendor == "mysql" else ["alpha", "gamma"]  # its texts know no case
        assert await titles(title__lowered=F("title")) == small
        assert await titles(title__unlike=F("title")) == []
    with registered(Replaced, field=Article._meta.get_field("title")):
        assert await titles(title__icontains="*B*e") == ["Beta"]
    # The same as expressions.
    assert await titles(Stripped(F("title"), " beta")) == ["Beta"]
    assert await titles(LeftChanged(F("title"), "p")) == ["alpha"]
    assert await titles(RightChanged(F("title"), Value("ALPHA"))) == ["alpha"]
    assert await titles(PatternChanged(F("title"), "ET")) == ["Beta"]
    assert await titles(PatternChanged(F("title"), Value("ET"))) == ["Beta"]
    assert await titles(Negated("title", "alpha")) == ["Beta", "gamma"]


class Tailed(lookups.Exact):
    """Writes into its text what its constructor takes beside the sides."""

    def __init__(self, lhs: Any, rhs: Any, tail: str) -> None:
        super().__init__(lhs, rhs)
        self.tail = tail

    def process_lhs(self, compiler: Any, connection: Any, lhs: Any = None) -> SQL:
        text, params = super().process_lhs(compiler, connection, lhs)
        return f"CONCAT({text}, %s)" if connection.vendor == "mysql" else f"({text} || %s)", [*params, self.tail]


class Around(Lookup):
    """The same, of a look-up that is not built in."""

    def __init__(self, lhs: Any, rhs: Any, spread: int) -> None:
        super().__init__(lhs, rhs)
        self.spread = spread

    def as_sql(self, compiler: Any, connection: Any) -> SQL:
        left, params = self.process_lhs(compiler, connection)
        return f"{left} BETWEEN %s AND %s", [*params, self.rhs - self.spread, self.rhs + self.spread]


@pytest.mark.row("lookups.custom")
async def test_what_the_constructor_of_a_look_up_takes_is_not_mixed_up(rows: Database) -> None:
    assert await titles(Around(F("views"), 1, 0)) == ["alpha"]
    assert await titles(Around(F("views"), 1, 1)) == ["alpha", "Beta"]
    assert await titles(Tailed(F("title"), "alpha1", "1")) == ["alpha"]
    assert await titles(Tailed(F("title"), "alpha2", "2")) == ["alpha"]
    assert await titles(Tailed(F("title"), F("title"), "2")) == []
    assert await titles(Tailed(F("title"), F("title"), "")) == ["alpha", "Beta", "gamma"]


class Prefixed(Lookup):
    """Makes a pattern of the value."""

    lookup_name = "prefixed"

    def get_prep_lookup(self) -> Any:
        return f"{self.rhs}%"

    def as_sql(self, compiler: Any, connection: Any) -> SQL:
        left, params = self.process_lhs(compiler, connection)
        right, more = self.process_rhs(compiler, connection)
        return f"{left} LIKE {right}", [*params, *more]


class Between(Lookup):
    """Reads the value itself, which only an expression knows."""

    lookup_name = "between"

    def as_sql(self, compiler: Any, connection: Any) -> SQL:
        left, params = self.process_lhs(compiler, connection)
        return f"{left} BETWEEN %s AND %s", [*params, *self.rhs]


class Formatted(Lookup):
    """Puts into a text what is no value yet."""

    lookup_name = "formatted"

    def as_sql(self, compiler: Any, connection: Any) -> SQL:
        left, params = self.process_lhs(compiler, connection)
        right, more = self.process_rhs(compiler, connection)
        return f"{left} LIKE {right}", [*params, f"{more[0]}%"]


@pytest.mark.row("lookups.custom")
async def test_a_look_up_prepares_its_value_and_is_told_what_it_cannot_read(rows: Database) -> None:
    with registered(Prefixed, Between, Formatted):
        assert await titles(title__prefixed="al") == ["alpha"]
        assert await titles(title__prefixed="ga") == ["gamma"]
        assert await titles(Prefixed(F("title"), "al")) == ["alpha"]
        assert await titles(Between(F("views"), (2, 3))) == ["Beta", "gamma"]
        with pytest.raises(TypeError, match="write the look-up as an expression"):
            await titles(title__between=("a", "b"))
        with pytest.raises(TypeError, match=r"Formatted writes its SQL once for all values.*get_prep_lookup"):
            await titles(title__formatted="al")
