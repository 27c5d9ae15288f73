"""Transforms of a project: chains of them, what follows them, and look-ups that belong to a transform."""

from collections.abc import Iterator
from typing import Any

import pytest

from covet.db.database import Database
from covet.db.errors import NotSupportedError
from covet.db.models import (
    CharField,
    Exists,
    F,
    Field,
    FloatField,
    IntegerField,
    Lookup,
    Max,
    OuterRef,
    Q,
    Transform,
)
from covet.db.models.functions import Lower
from covet.exceptions import FieldError
from covet.test import register_lookup
from tests._apps.blog.models import Article, Author, Comment

SQL = tuple[str, list[Any]]


@pytest.fixture
async def rows(blog: Database) -> Database:
    ann = await Author.objects.create(name="Ann", age=-27)
    for title, views, rating in (
        ("alpha", -27, "12.34"),
        ("Beta", 5, "-12.99"),
        ("gamma", 27, "3.50"),
        ("delta", 40, None),
    ):
        article = await Article.objects.create(title=title, views=views, rating=rating, author=ann)
        await Comment.objects.create(article=article, text=title, stars=views)
    return blog


async def titles(*conditions: Any, **named: Any) -> list[str]:
    return await Article.objects.filter(*conditions, **named).order_by("views").values_list("title", flat=True)


class AbsoluteValue(Transform):
    lookup_name = "abs"
    function = "ABS"


class Trunc10(Transform):
    """Whole tens, towards nought."""

    lookup_name = "trunc10"
    output_field = IntegerField()

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> SQL:
        text, params = compiler.compile(self.lhs)
        return f"({text} - {text} %% 10)", [*params, *params]


class Fraction(Transform):
    """A number of another kind, said by a property."""

    lookup_name = "half"
    template = "(%(expressions)s * 0.5)"

    @property
    def output_field(self) -> Any:  # type: ignore[override]
        return FloatField()


class Initial(Transform):
    lookup_name = "initial"
    template = "SUBSTR(%(expressions)s, 1, 1)"
    output_field = CharField(max_length=1)


class Word(Transform):
    """A text from a number."""

    lookup_name = "word"
    output_field = CharField(max_length=20)

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> SQL:
        text, params = compiler.compile(self.lhs)
        return f"CONCAT({text}, '!')" if connection.vendor != "sqlite" else f"({text} || '!')", params


class AbsoluteValueLessThan(Lookup):
    """Django's example: no function in the way of an index."""

    lookup_name = "lt"

    def as_sql(self, compiler: Any, connection: Any) -> SQL:
        lhs, lhs_params = compiler.compile(self.lhs.lhs)
        rhs, rhs_params = self.process_rhs(compiler, connection)
        params = [*lhs_params, *rhs_params, *lhs_params, *rhs_params]
        return f"{lhs} < {rhs} AND {lhs} > -({rhs})", params


class NotEqual(Lookup):
    lookup_name = "ne"

    def as_sql(self, compiler: Any, connection: Any) -> SQL:
        lhs, lhs_params = self.process_lhs(compiler, connection)
        rhs, rhs_params = self.process_rhs(compiler, connection)
        return f"{lhs} <> {rhs}", [*lhs_params, *rhs_params]


@pytest.fixture
def known() -> Iterator[None]:
    IntegerField.register_lookup(AbsoluteValue)
    IntegerField.register_lookup(Trunc10)
    IntegerField.register_lookup(Fraction)
    IntegerField.register_lookup(Word)
    CharField.register_lookup(Initial)
    yield
    CharField.unregister_lookup(Initial)
    for cls in (AbsoluteValue, Trunc10, Fraction, Word):
        IntegerField.unregister_lookup(cls)


@pytest.mark.row("lookups.custom")
async def test_transforms_are_chained_and_their_output_field_says_what_follows(rows: Database, known: None) -> None:
    assert await titles(views__abs=27) == ["alpha", "gamma"]
    assert await titles(views__trunc10__abs__lte=20) == ["alpha", "Beta", "gamma"]
    assert await titles(views__abs__trunc10__lt=20) == ["Beta"]
    assert await titles(views__half__gt=13.4) == ["gamma", "delta"]
    assert await titles(views__word__initial="2") == ["gamma"]
    assert await titles(views__word__startswith="2") == ["gamma"]
    assert await titles(title__initial__in=["a", "g"]) == ["alpha", "gamma"]
    assert await titles(author__age__abs=27, views__abs__range=(1, 10)) == ["Beta"]
    with pytest.raises(FieldError, match="initial"):
        await titles(views__abs__initial="2")
    with pytest.raises(FieldError, match="abs"):
        await titles(views__word__abs=2)


@pytest.mark.row("lookups.custom")
async def test_transforms_stand_wherever_a_name_does(rows: Database, known: None) -> None:
    assert await titles(views__abs=F("views")) == ["Beta", "gamma", "delta"]
    assert await titles(views__abs=F("views__abs")) == ["alpha", "Beta", "gamma", "delta"]
    assert await titles(Q(views__abs=5) | ~Q(views__abs__lte=27)) == ["Beta", "delta"]
    listed = Article.objects.order_by("-views__abs", "title").values_list("views__abs", "title")
    assert await listed == [(40, "delta"), (27, "alpha"), (27, "gamma"), (5, "Beta")]
    many = Author.objects.filter(articles__comments__stars__abs__gt=30)
    assert await many.values_list("name", flat=True) == ["Ann"]
    assert await Author.objects.exclude(articles__comments__stars__abs__gt=30) == []
    assert await Article.objects.annotate(size=F("views")).filter(size__abs=27).count() == 2
    assert await Article.objects.annotate(size=AbsoluteValue("views")).filter(size__trunc10=20).count() == 2
    assert await Author.objects.annotate(top=Max("articles__views__abs")).values_list("top", flat=True) == [40]
    alike = Comment.objects.filter(article=OuterRef("pk"), stars__abs=OuterRef("views__abs"))
    assert await Article.objects.filter(Exists(alike)).count() == 4
    inner = Article.objects.filter(title="alpha").values("views__abs")
    assert await titles(views__abs__in=inner) == ["alpha", "gamma"]


@pytest.mark.row("lookups.custom")
async def test_a_transform_has_look_ups_of_its_own(rows: Database, known: None) -> None:
    assert AbsoluteValue.register_lookup(AbsoluteValueLessThan) is AbsoluteValueLessThan  # as a decorator
    AbsoluteValue.register_lookup(NotEqual)
    AbsoluteValue.register_lookup(Word, "spelt")
    try:
        assert await titles(views__abs__lt=27) == ["Beta"]
        assert await titles(Q(views__abs__lt=27) | Q(title="alpha")) == ["alpha", "Beta"]
        assert await titles(~Q(views__abs__lt=27), views__gt=0) == ["gamma", "delta"]
        assert await titles(views__abs__lt=F("author__age") + 40) == ["Beta"]
        assert await titles(views__abs__ne=27) == ["Beta", "delta"]
        assert await titles(views__abs__spelt__initial="2") == ["alpha", "gamma"]
        assert "ABS(" not in str(Article.objects.filter(views__abs__lt=27).query)
        # Neither the field nor a transform after it has them.
        assert await titles(views__lt=27) == ["alpha", "Beta"]
        for name in ("views__ne", "views__abs__trunc10__ne", "views__spelt"):
            with pytest.raises(FieldError):
                await titles(**{name: 27})
    finally:
        AbsoluteValue.unregister_lookup(AbsoluteValueLessThan)
        AbsoluteValue.unregister_lookup(NotEqual)
        AbsoluteValue.unregister_lookup(Word, "spelt")
    assert await titles(views__abs__lt=27) == ["Beta"]
    assert "ABS(" in str(Article.objects.filter(views__abs__lt=27).query)
    with pytest.raises(FieldError, match="ne"):
        await titles(views__abs__ne=27)


@pytest.mark.row("lookups.custom")
async def test_look_ups_of_a_transform_follow_it_in_annotations_too(rows: Database) -> None:
    AbsoluteValue.register_lookup(AbsoluteValueLessThan)
    AbsoluteValue.register_lookup(Trunc10)
    try:
        for more, found in ((0, ["Beta"]), (-13, ["Beta", "gamma"]), (40, ["alpha"])):
            sized = Article.objects.annotate(size=AbsoluteValue(F("views") + more)).order_by("views")
            assert await sized.filter(size__lt=27).values_list("title", flat=True) == found
        assert await sized.filter(size__trunc10=10).values_list("title", flat=True) == ["alpha"]
        assert await sized.annotate(tens=F("size__trunc10")).values_list("tens", flat=True) == [10, 40, 60, 80]
        top = Author.objects.annotate(top=AbsoluteValue(Max("articles__comments__stars")))
        assert [await top.filter(top__lt=number).count() for number in (40, 41)] == [0, 1]
        for more, found in ((0, ["Beta"]), (-13, ["Beta", "gamma"]), (40, ["alpha"])):
            written = AbsoluteValueLessThan(AbsoluteValue(F("views") + more), 27)
            assert await titles(written) == found
    finally:
        AbsoluteValue.unregister_lookup(AbsoluteValueLessThan)
        AbsoluteValue.unregister_lookup(Trunc10)


class Both(Transform):
    """Takes both sides."""

    lookup_name = "upper"
    function = "UPPER"
    bilateral = True


class Plain(Transform):
    """Takes both sides, by a constant in which every sign that a template might read stands."""

    lookup_name = "plain"
    bilateral = True

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> SQL:
        text, params = compiler.compile(self.lhs)
        return f"REPLACE({text}, %s, %s)", [*params, "{}%", ""]


class Again(Transform):
    """Takes both sides, and writes its value twice."""

    lookup_name = "again"
    bilateral = True

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> SQL:
        text, params = compiler.compile(self.lhs)
        return f"UPPER(COALESCE({text}, {text}))", [*params, *params]


@pytest.mark.row("lookups.custom")
async def test_a_bilateral_transform_takes_both_ends_of_a_range_and_all_of_a_list(rows: Database, known: None) -> None:
    for transform in (Both, Plain, Again):
        CharField.register_lookup(transform)
    Both.register_lookup(NotEqual)
    try:
        assert await titles(title__upper__range=("beta", "delta")) == ["Beta", "delta"]
        assert await titles(title__initial__upper="b") == ["Beta"]
        assert await titles(title__upper__initial="b") == ["Beta"]
        assert await titles(title__upper__ne="GAMMA") == ["alpha", "Beta", "delta"]
        assert await titles(title__upper__ne="gamma") == ["alpha", "Beta", "delta"]
        assert await titles(title__upper__in=["beta", "DELTA", None]) == ["Beta", "delta"]
        assert await titles(title__upper__in=[Lower("title"), "x"]) == ["alpha", "Beta", "gamma", "delta"]
        assert await titles(title__upper__in=Lower(F("title"))) == ["alpha", "Beta", "gamma", "delta"]
        assert await titles(~Q(title__upper__in=["beta", "x{}%s"])) == ["alpha", "gamma", "delta"]
        assert await titles(title__upper__in=[f"a{number}" for number in range(600)] + ["gaMma"]) == ["gamma"]
        with pytest.raises(NotSupportedError, match="not applied to the rows of a queryset"):
            await titles(title__upper__in=Article.objects.values("title"))
        assert await titles(title__plain__in=["al{}%pha", "x"]) == ["alpha"]
        if rows.vendor == "postgresql":
            assert await titles(title__again__in=["beta"]) == ["Beta"]
        else:
            with pytest.raises(NotSupportedError, match="writes its value 2 times"):
                await titles(title__again__in=["beta"])
    finally:
        Both.unregister_lookup(NotEqual)
        for transform in (Both, Plain, Again):
            CharField.unregister_lookup(transform)


class AtLeastZero(Transform):
    """Says something of NULL."""

    lookup_name = "or_zero"
    template = "COALESCE(%(expressions)s, 0)"
    output_field = IntegerField()


class Same(Lookup):
    """Says something of NULL as well."""

    lookup_name = "same"

    def as_sql(self, compiler: Any, connection: Any) -> SQL:
        lhs, lhs_params = self.process_lhs(compiler, connection)
        rhs, rhs_params = self.process_rhs(compiler, connection)
        return f"COALESCE({lhs}, 0) = {rhs}", [*lhs_params, *rhs_params]


@pytest.mark.row("lookups.custom")
async def test_what_may_hold_for_null_keeps_rows_without_a_partner(rows: Database, known: None) -> None:
    IntegerField.register_lookup(AtLeastZero)
    IntegerField.register_lookup(Same)
    try:
        for name in ("editor__age__or_zero__lt", "editor__age__abs__or_zero__lt"):
            assert len(await titles(**{name: 1})) == 4
        for name in ("editor__age__same", "editor__age__abs__same", "editor__articles__published_at__year__same"):
            assert len(await titles(**{name: 0})) == 4
    finally:
        IntegerField.unregister_lookup(Same)
        IntegerField.unregister_lookup(AtLeastZero)


class Coordinate(Transform):
    """One of many, named by the field that was asked."""

    place = 1
    template = "SUBSTR(%(expressions)s, %(place)s, 1)"
    output_field = CharField(max_length=1)

    def __init__(self, lhs: Any) -> None:
        super().__init__(lhs, place=str(self.place))


class Placed(Transform):
    """Knows transforms that nobody registered, as Django's documentation shows it for a field."""

    lookup_name = "placed"
    template = "LOWER(%(expressions)s)"
    output_field = CharField(max_length=200)

    def get_transform(self, name: str) -> Any:
        if name[:1] == "x" and name[1:].isdecimal():
            return type("Numbered", (Coordinate,), {"place": int(name[1:])})
        return super().get_transform(name)


@pytest.mark.row("lookups.custom")
async def test_a_transform_may_know_what_nobody_registered(rows: Database, known: None) -> None:
    CharField.register_lookup(Placed)
    try:
        assert await titles(title__placed__x1="b") == ["Beta"]
        assert await titles(title__placed__x2="e") == ["Beta", "delta"]
        assert await titles(title__placed__initial="g") == ["gamma"]
        with pytest.raises(FieldError, match="y2"):
            await titles(title__placed__y2="e")
    finally:
        CharField.unregister_lookup(Placed)


@pytest.mark.row("lookups.custom")
async def test_look_ups_of_a_block_are_taken_back(rows: Database) -> None:
    class Other(NotEqual):
        pass

    with register_lookup(IntegerField, AbsoluteValue, Trunc10), register_lookup(AbsoluteValue, NotEqual):
        assert await titles(views__abs__ne=27) == ["Beta", "delta"]
        with register_lookup(AbsoluteValue, Other, AbsoluteValueLessThan, lookup_name="ne"):
            assert AbsoluteValue("views").get_lookup("ne") is AbsoluteValueLessThan
        assert AbsoluteValue("views").get_lookup("ne") is NotEqual
        assert await titles(views__trunc10=0) == ["Beta"]
    assert IntegerField().get_transform("abs") is IntegerField().get_transform("trunc10") is None
    assert AbsoluteValue("views").get_lookup("ne") is None

    @register_lookup(IntegerField, AbsoluteValue, lookup_name="size")
    def inside() -> None:
        assert IntegerField().get_transform("size") is AbsoluteValue

    @register_lookup(IntegerField, AbsoluteValue, lookup_name="size")
    async def awaited() -> None:
        assert await titles(views__size=27) == ["alpha", "gamma"]

    for _ in range(2):
        inside()
        await awaited()
    assert IntegerField().get_transform("size") is None


def test_a_block_that_cannot_register_all_takes_back_what_it_has() -> None:
    with pytest.raises(AttributeError, match="lookup_name"), register_lookup(IntegerField, AbsoluteValue, object):
        pass
    assert IntegerField().get_transform("abs") is None


@pytest.mark.row("lookups.custom")
def test_fields_and_transforms_tell_what_was_registered(known: None) -> None:
    class Deeper(AbsoluteValue):
        pass

    AbsoluteValue.register_lookup(NotEqual)
    Field.register_lookup(Same)
    try:
        assert IntegerField().get_transform("abs") is AbsoluteValue
        assert IntegerField().get_lookup("abs") is None
        assert AbsoluteValue("views").get_lookup("ne") is Deeper("views").get_lookup("ne") is NotEqual
        assert AbsoluteValue("views").get_lookup("same") is None  # nobody knows yet what it is of
        assert Trunc10("views").get_lookup("same") is Same
        assert Trunc10("views").get_transform("abs") is AbsoluteValue
        assert Trunc10("views").get_lookup("ne") is None
    finally:
        Field.unregister_lookup(Same)
        AbsoluteValue.unregister_lookup(NotEqual)
    assert AbsoluteValue("views").get_lookup("ne") is None
