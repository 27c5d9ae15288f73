"""Keys of several columns in the conditions of expressions: ``When``, ``filter=`` of aggregates, annotations, constraints."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from covet.apps import apps
from covet.conf import override
from covet.db import models
from covet.db.database import Database
from covet.db.errors import IntegrityError
from covet.db.models import (
    Case,
    Count,
    Exists,
    F,
    FilteredRelation,
    Max,
    OuterRef,
    Q,
    Subquery,
    Sum,
    Value,
    When,
    Window,
)
from covet.db.models.functions import Coalesce, RowNumber
from covet.exceptions import FieldError, ValidationError
from tests.db.models.conftest import create_tables

pytestmark = pytest.mark.row("fields.composite_key", "lookups.tuples")

with apps.isolate():

    class Shop(models.Model):
        name = models.CharField(max_length=20)
        wares: models.Related[Ware]

        class Meta:
            app_label = "wares"

    class Ware(models.Model):
        pk = models.CompositePrimaryKey("shop_id", "number")
        shop = models.ForeignKey(Shop, models.CASCADE, related_name="wares")
        number = models.IntegerField()
        name = models.CharField(max_length=20)
        price = models.IntegerField(default=0)

        class Meta:
            app_label = "wares"
            ordering = ("pk",)

    class Sale(models.Model):
        shop_number = models.IntegerField(null=True)
        number = models.IntegerField(null=True)
        ware: models.ForeignObject[Ware | None] = models.ForeignObject(
            Ware, models.CASCADE, ["shop_number", "number"], ["shop_id", "number"], null=True, related_name="sales"
        )

        class Meta:
            app_label = "wares"

    class Place(models.Model):
        pk = models.CompositePrimaryKey("row", "column")
        row = models.IntegerField()
        column = models.IntegerField()
        note = models.CharField(max_length=20, default="", blank=True)

        class Meta:
            app_label = "wares"
            constraints = (
                models.CheckConstraint(condition=~Q(pk__in=[(1, 1), (2, 2)]), name="wares_place_free"),
                models.CheckConstraint(condition=Q(pk__lt=(9, 9)) | Q(note="far"), name="wares_place_near"),
            )


@pytest.fixture(params=[True, False], ids=["optimizer", "plain"])
async def shops(request: pytest.FixtureRequest, database: Database) -> AsyncIterator[list[Shop]]:
    """Two shops with three and one wares, with the optimizer and without."""
    await create_tables(database, [Shop, Ware, Sale, Place])
    one, two = [await Shop.objects.create(name=name) for name in ("one", "two")]
    for shop, number, price in ((one, 1, 10), (one, 2, 20), (one, 3, 30), (two, 1, 40)):
        await Ware.objects.create(shop=shop, number=number, name=f"{shop.name}{number}", price=price)
    await Sale.objects.create(shop_number=one.pk, number=2)
    await Sale.objects.create()
    with override(QUERY_OPTIMIZER=request.param):
        yield [one, two]


def case(condition: Q | None = None, **lookups: Any) -> Case:
    return Case(When(condition, then=Value("yes"), **lookups), default=Value("no"))


async def chosen(expression: Any) -> list[str]:
    return [row.name for row in await Ware.objects.annotate(x=expression) if row.x in ("yes", True, 1)]  # type: ignore[attr-defined]


async def test_branches_compare_the_key_in_every_way(shops: list[Shop]) -> None:
    one, two = [shop.pk for shop in shops]
    assert await chosen(case(pk=(one, 2))) == ["one2"]
    assert await chosen(case(pk=await Ware.objects.get(name="one3"))) == ["one3"]
    assert await chosen(case(~Q(pk=(one, 2)))) == ["one1", "one3", "two1"]
    assert await chosen(case(pk__in=[(one, 1), (two, 1), (two, 9)])) == ["one1", "two1"]
    assert await chosen(case(~Q(pk__in=[(one, 1), (two, 1)]) & Q(price__gt=20))) == ["one3"]
    assert await chosen(case(pk__in=[])) == []
    assert await chosen(case(pk__in=Ware.objects.filter(number=1))) == ["one1", "two1"]
    assert await chosen(case(pk__in=Ware.objects.filter(number=1).values("shop_id", "number"))) == ["one1", "two1"]
    assert await chosen(case(pk__gt=(one, 2))) == ["one3", "two1"]
    assert await chosen(case(pk__lte=(one, 2))) == ["one1", "one2"]
    assert await chosen(case(pk__range=((one, 2), (two, 0)))) == ["one2", "one3"]
    assert await chosen(case(pk__isnull=True)) == []
    assert await chosen(case(Q(pk=(one, 1)) | Q(pk=(two, 1)))) == ["one1", "two1"]
    nested = Case(When(pk__in=[(one, 1), (one, 2)], then=case(pk=(one, 2))), default=Value("no"))
    assert await chosen(nested) == ["one2"]
    assert await chosen(Coalesce(case(pk=(one, 2)), Value("no"))) == ["one2"]
    assert await chosen(Q(pk=(one, 2))) == ["one2"]
    assert await chosen(Exists(Ware.objects.filter(pk=(one, 2), number=OuterRef("number")))) == ["one2"]
    same = models.ExpressionWrapper(Q(pk__in=[(one, 3)]), output_field=models.BooleanField())
    assert await chosen(same) == ["one3"]


async def test_aggregates_and_windows_count_the_rows_of_the_keys(shops: list[Shop]) -> None:
    one, two = [shop.pk for shop in shops]
    wares = Shop.objects.order_by("pk")
    some = Q(wares__pk__in=[(one, 1), (one, 3)])
    assert await wares.annotate(n=Count("wares", filter=some)).values_list("n", flat=True) == [2, 0]
    assert await wares.annotate(n=Count("wares", filter=~some)).values_list("n", flat=True) == [1, 1]
    assert await wares.annotate(n=Sum("wares__price", filter=Q(wares__pk=(two, 1)), default=0)).values_list(
        "n", flat=True
    ) == [0, 40]
    assert await wares.annotate(n=Sum(Case(When(wares__pk=(one, 2), then="wares__price"), default=0))).values_list(
        "n", flat=True
    ) == [20, 0]
    sums = await Ware.objects.aggregate(
        n=Count("pk", filter=Q(pk__gte=(one, 2))), s=Sum("price", filter=Q(pk=(one, 3)))
    )
    assert sums == {"n": 3, "s": 30}
    assert await Ware.objects.order_by("price")[:2].aggregate(n=Count("price", filter=Q(pk=(one, 2)))) == {"n": 1}
    first = Window(RowNumber(), order_by=[case(pk=(one, 3)).desc(), F("price").asc()])
    assert await Ware.objects.annotate(n=first).order_by("n").values_list("name", flat=True) == [
        "one3",
        "one1",
        "one2",
        "two1",
    ]


async def test_orders_updates_and_conditions_take_them(shops: list[Shop]) -> None:
    one, two = [shop.pk for shop in shops]
    order = [row.name for row in await Ware.objects.order_by(case(pk__in=[(one, 3), (two, 1)]).desc(), "name")]
    assert order == ["one3", "two1", "one1", "one2"]
    assert [row.name for row in await Ware.objects.filter(Case(When(pk=(one, 2), then=True), default=False))] == [
        "one2"
    ]
    assert [row.name for row in await Ware.objects.filter(name=Case(When(pk=(one, 2), then=Value("one2"))))] == ["one2"]
    assert await Ware.objects.alias(x=case(pk=(one, 2))).exclude(x="yes").count() == 3
    assert await Ware.objects.update(price=Case(When(pk=(one, 2), then=Value(1)), default=F("price"))) == 4
    assert await Ware.objects.values_list("price", flat=True) == [10, 1, 30, 40]
    values = await Ware.objects.values("name", x=case(pk=(two, 1)))
    assert values[-1] == {"name": "two1", "x": "yes"}


async def test_relations_to_the_key_and_filtered_relations_take_them(shops: list[Shop]) -> None:
    one, two = [shop.pk for shop in shops]
    sold = Sale.objects.annotate(x=case(ware=(one, 2))).order_by("pk")
    assert await sold.values_list("x", flat=True) == ["yes", "no"]
    assert await Sale.objects.annotate(x=case(ware__in=[(one, 2), (one, 1)])).filter(x="yes").count() == 1
    assert await Sale.objects.annotate(x=case(ware__pk=(one, 2))).filter(x="yes").count() == 1
    some = FilteredRelation("wares", condition=Q(wares__pk__in=[(one, 2), (two, 1)]))
    rows = Shop.objects.annotate(some=some).order_by("pk")
    assert await rows.values_list("some__name", flat=True) == ["one2", "two1"]
    assert await rows.filter(some__pk=(one, 2)).values_list("name", flat=True) == ["one"]
    assert await rows.annotate(x=case(some__pk=(one, 2))).values_list("x", flat=True) == ["yes", "no"]
    with pytest.raises(ValueError, match="2 values"):
        Ware.objects.annotate(x=case(pk=(1, 2, 3)))
    with pytest.raises(FieldError, match="contains"):
        Ware.objects.annotate(x=case(pk__contains="1"))


async def test_constraints_compare_the_key(shops: list[Shop]) -> None:
    await Place.objects.create(row=1, column=2)
    await Place(row=3, column=3).full_clean()
    with pytest.raises(IntegrityError):
        await Place.objects.create(row=2, column=2)
    with pytest.raises(ValidationError, match="wares_place_free"):
        await Place(row=1, column=1).full_clean()
    with pytest.raises(IntegrityError):
        await Place.objects.create(row=9, column=10)
    with pytest.raises(ValidationError, match="wares_place_near"):
        await Place(row=9, column=10).full_clean()
    await Place.objects.create(row=9, column=10, note="far")


async def test_a_key_is_compared_with_that_of_an_outer_row(shops: list[Shop]) -> None:
    one, two = [shop.pk for shop in shops]

    async def found(condition: Any) -> list[str]:
        return [row.name for row in await Ware.objects.filter(condition)]

    dear = Ware.objects.filter(price__gte=30)
    assert await found(Exists(dear.filter(pk=OuterRef("pk")))) == ["one3", "two1"]
    assert await found(~Exists(dear.filter(pk=OuterRef("pk")))) == ["one1", "one2"]
    assert await found(Exists(dear.filter(pk__in=[OuterRef("pk"), (one, 99)]))) == ["one3", "two1"]
    assert await found(Exists(Ware.objects.filter(price=30, pk__gt=OuterRef("pk")))) == ["one1", "one2"]
    assert await found(Exists(Ware.objects.filter(price=30, pk__lte=OuterRef("pk")))) == ["one3", "two1"]
    assert await found(Exists(Ware.objects.exclude(pk=OuterRef("pk")).filter(price=F("price"), shop=two))) == [
        "one1",
        "one2",
        "one3",
    ]
    assert await chosen(case(Q(Exists(dear.filter(pk=OuterRef("pk")))))) == ["one3", "two1"]
    same = Ware.objects.annotate(x=Subquery(Ware.objects.filter(pk=OuterRef("pk")).values("price")))
    assert await same.values_list("x", flat=True) == [10, 20, 30, 40]
    # By a relation of several columns, from either side, and two queries out.
    assert await found(Exists(Sale.objects.filter(ware=OuterRef("pk")))) == ["one2"]
    assert await found(Exists(Sale.objects.filter(ware__pk=OuterRef("pk")))) == ["one2"]
    assert await Shop.objects.filter(Exists(Ware.objects.filter(pk=OuterRef("wares__pk"), price=40))).count() == 1
    further = Ware.objects.filter(Exists(dear.filter(pk=OuterRef(OuterRef("pk")), shop=OuterRef("shop"))))
    assert await found(Exists(further)) == ["one3", "two1"]
    with pytest.raises(ValueError, match="is a key of 1 columns, and is compared with one of 2"):
        await Ware.objects.filter(Exists(Ware.objects.filter(pk=OuterRef("price"))))


async def test_a_key_is_among_those_of_a_slice(shops: list[Shop]) -> None:
    rows = Ware.objects.values_list("name", flat=True)
    dearest = Ware.objects.order_by("-price")
    assert await rows.filter(pk__in=dearest[:2]) == ["one3", "two1"]
    assert await rows.filter(pk__in=dearest.values("pk")[1:3]) == ["one2", "one3"]
    assert await rows.exclude(pk__in=dearest.values("shop_id", "number")[:2]) == ["one1", "one2"]
    assert await rows.filter(pk=dearest[:1]) == ["two1"] == await rows.filter(pk=dearest.values("pk")[:1])
    assert await chosen(case(pk__in=dearest[:1])) == ["two1"]
    shops_of = Shop.objects.order_by("pk").values_list("name", flat=True)
    assert await shops_of.filter(wares__pk__in=dearest[:1]) == ["two"]
    assert await shops_of.exclude(wares__pk__in=dearest[:1]) == ["one"]
    assert await Sale.objects.filter(ware__in=dearest[2:]).count() == 1
    assert await rows.filter(pk__in=dearest[:0]) == []
    assert await Ware.objects.filter(pk__in=dearest[:1]).update(price=1) == 1
    for wrong in (dearest, dearest[:2], dearest[1:]):
        with pytest.raises(ValueError, match=r"takes a queryset of one row, as in pk=queryset\[:1\]"):
            rows.filter(pk=wrong)


async def test_rows_are_grouped_and_ordered_by_the_key(shops: list[Shop]) -> None:
    one, two = [shop.pk for shop in shops]
    counted = Ware.objects.values("pk").annotate(n=Count("sales")).order_by("-pk")
    assert await counted == [
        {"pk": (two, 1), "n": 0},
        {"pk": (one, 3), "n": 0},
        {"pk": (one, 2), "n": 1},
        {"pk": (one, 1), "n": 0},
    ]
    rows = Ware.objects.values_list("name", flat=True)
    assert await rows.order_by(F("pk").desc()) == ["two1", "one3", "one2", "one1"]
    assert await rows.order_by(F("pk").asc(nulls_last=True)).reverse() == ["two1", "one3", "one2", "one1"]


async def test_a_window_is_ordered_by_all_parts_of_the_key(shops: list[Shop]) -> None:
    for order in (F("pk").desc(), "-pk"):
        places = Ware.objects.annotate(place=Window(RowNumber(), order_by=order)).order_by("pk")
        assert await places.values_list("place", flat=True) == [4, 3, 2, 1]


async def test_a_key_is_read_under_another_name(shops: list[Shop]) -> None:
    one, two = [shop.pk for shop in shops]
    keys = [(one, 1), (one, 2), (one, 3), (two, 1)]
    named = Ware.objects.annotate(key=F("pk"))
    assert [row.key for row in await named] == keys
    assert (await named.get(pk=(one, 3))).key == (one, 3)
    assert await named.values("key") == [{"key": key} for key in keys]
    assert await named.values_list("name", "key") == list(zip(["one1", "one2", "one3", "two1"], keys, strict=True))
    assert (await named.values_list("key", "price", named=True))[0]._asdict() == {"key": (one, 1), "price": 10}
    assert await named.annotate(same=F("key")).values_list("same", flat=True) == keys
    assert await Ware.objects.values(key=F("pk")) == [{"key": key} for key in keys]
    assert await Ware.objects.values_list(F("pk"), flat=True) == keys
    assert await Ware.objects.alias(key=F("pk")).values_list(F("key"), "name") == list(
        zip(keys, ["one1", "one2", "one3", "two1"], strict=True)
    )
    assert [row.key for row in await named.distinct()] == keys
    assert await named.count() == await named.distinct().count() == 4
    assert await named.exists()
    assert await named.filter(price=10).update(price=11) == 1
    assert await named.annotate(n=Count("sales")).order_by("key").values_list("key", "n") == list(
        zip(keys, [0, 1, 0, 0], strict=True)
    )


async def test_a_named_key_is_compared_and_ordered_by(shops: list[Shop]) -> None:
    one, two = [shop.pk for shop in shops]
    for rows in (Ware.objects.annotate(key=F("pk")), Ware.objects.alias(key=F("pk"))):
        names = rows.values_list("name", flat=True)
        assert await names.filter(key=(one, 2)) == ["one2"]
        assert await names.exclude(key=(one, 2)) == ["one1", "one3", "two1"]
        assert await names.filter(key__in=[(one, 2), (two, 1), None]) == ["one2", "two1"]
        assert await names.filter(key__in=Ware.objects.filter(number=1)) == ["one1", "two1"]
        assert await names.filter(key__gt=(one, 2)) == ["one3", "two1"]
        assert await names.filter(key__range=((one, 2), (two, 0))) == ["one2", "one3"]
        assert await names.filter(key__isnull=True) == []
        assert await names.filter(key=F("pk"), pk__in=[F("key")]) == ["one1", "one2", "one3", "two1"]
        assert await names.order_by("-key") == ["two1", "one3", "one2", "one1"]
        assert await names.order_by(F("key").desc()) == ["two1", "one3", "one2", "one1"]
        assert await names.filter(Exists(Sale.objects.filter(ware=OuterRef("key")))) == ["one2"]
        with pytest.raises(ValueError, match=r"tuple of 2 values \(shop_id, number\), not 5"):
            await names.filter(key=5)
        with pytest.raises(FieldError, match="'contains' cannot compare it"):
            await names.filter(key__contains="x")
    counted = Ware.objects.annotate(key=F("pk")).values("key").annotate(n=Count("sales")).order_by("-key")
    assert await counted.values_list("key", "n") == [((two, 1), 0), ((one, 3), 0), ((one, 2), 1), ((one, 1), 0)]
    assert (
        await Ware.objects.filter(pk__in=Ware.objects.annotate(key=F("pk")).filter(price=30).values("key")).count() == 1
    )


async def test_keys_of_joined_rows_are_read_as_tuples(shops: list[Shop]) -> None:
    one, two = [shop.pk for shop in shops]
    empty = await Shop.objects.create(name="zero")
    of_wares = Shop.objects.order_by("name", "wares")
    expected = [("one", (one, 1)), ("one", (one, 2)), ("one", (one, 3)), ("two", (two, 1)), ("zero", (None, None))]
    assert await of_wares.values_list("name", "wares") == expected
    assert await of_wares.values_list("name", "wares__pk") == expected
    assert await of_wares.annotate(key=F("wares__pk")).values_list("name", "key") == expected
    keyed = Shop.objects.annotate(key=F("wares__pk")).order_by("key")
    assert await keyed.filter(key__gte=(one, 3)).values_list("key", flat=True) == [(one, 3), (two, 1)]
    assert await keyed.filter(key=None).values_list("name", flat=True) == ["zero"]
    # What is compared is the row that is read, and not another one of the relation.
    assert await keyed.filter(key=(one, 2)).values_list("key", flat=True) == [(one, 2)]
    assert [(row.name, row.key) for row in await keyed.filter(pk=empty.pk)] == [("zero", (None, None))]


async def test_relations_of_several_columns_are_values(shops: list[Shop]) -> None:
    one, _two = [shop.pk for shop in shops]
    key = (one, 2)
    sales = Sale.objects.order_by("pk")
    assert await sales.values_list("ware", flat=True) == [key, (None, None)]
    assert await sales.values("ware__pk") == [{"ware__pk": key}, {"ware__pk": (None, None)}]
    assert await sales.annotate(w=F("ware"), k=F("ware__pk")).values_list("w", "k") == [(key, key), ((None, None),) * 2]
    counted = Sale.objects.values("ware").annotate(n=Count("pk")).filter(ware__isnull=False)
    assert await counted == [{"ware": key, "n": 1}]
    for lookup, other, found in (
        ("gt", (one, 1), 1),
        ("gt", key, 0),
        ("gte", key, 1),
        ("lt", (one, 3), 1),
        ("lte", (one, 1), 0),
        ("range", (key, key), 1),
    ):
        assert await Sale.objects.filter(**{f"ware__{lookup}": other}).count() == found
    for values in ("ware", "ware__pk"):
        assert await Ware.objects.filter(pk__in=Sale.objects.values(values)).values_list("pk", flat=True) == [key]
    assert await Ware.objects.filter(pk=Subquery(Sale.objects.order_by("pk").values("ware")[:1])).count() == 1
    assert await Ware.objects.filter(pk__in=Subquery(Sale.objects.values("ware"))).count() == 1
    assert await Sale.objects.filter(ware=F("ware__pk")).count() == 1


async def test_unions_are_ordered_by_all_parts_of_the_key(shops: list[Shop]) -> None:
    one, two = [shop.pk for shop in shops]
    low, high = Ware.objects.filter(price__lt=30), Ware.objects.filter(price__gte=30)
    backwards = [(two, 1), (one, 3), (one, 2), (one, 1)]
    assert await low.values("pk").union(high.values("pk")).order_by("-pk") == [{"pk": key} for key in backwards]
    prices = low.values_list("price", "pk").union(high.values_list("price", "pk")).order_by("-pk")
    assert await prices.values_list("pk", flat=True) == backwards
    assert await prices.values("pk")[1:] == [{"pk": key} for key in backwards[1:]]
    named = low.annotate(key=F("pk")).union(high.annotate(key=F("pk")))
    assert [row.key for row in await named.order_by("-key")] == backwards
    assert await named.count() == 4


async def test_a_key_is_counted_and_otherwise_no_single_value(shops: list[Shop]) -> None:
    named = Ware.objects.annotate(key=F("pk"))
    assert await named.aggregate(n=Count("key")) == {"n": 4}
    assert await named.distinct().aggregate(n=Count("key")) == {"n": 4}
    assert await Ware.objects.values("pk").distinct().aggregate(n=Count("pk")) == {"n": 4}
    assert await named.filter(number=1).values("shop").annotate(n=Count("key")).order_by("shop").values_list(
        "n", flat=True
    ) == [1, 1]
    with pytest.raises(FieldError, match=r"name one of key__shop_id, key__number"):
        await named.aggregate(n=Max("key"))
    with pytest.raises(FieldError, match=r"'pk' has several parts.*takes one of shop_id, number"):
        await Ware.objects.values("pk").distinct().aggregate(n=Max("pk"))
    with pytest.raises(FieldError, match=r"count the rows of values\('pk'\)\.distinct\(\)"):
        await Ware.objects.aggregate(n=Count("pk", distinct=True))
    with pytest.raises(FieldError, match="name one of shop_id, number"):
        await Ware.objects.annotate(x=Coalesce("pk", Value(1)))
    for wide in (
        Ware.objects.annotate(x=Subquery(Ware.objects.filter(pk=OuterRef("pk")).values("pk"))),
        Ware.objects.annotate(x=Subquery(Ware.objects.values("shop_id", "number")[:1])),
        Ware.objects.filter(price__in=Ware.objects.values("pk")),
        Ware.objects.filter(price=Ware.objects.values("shop_id", "number")[:1]),
    ):
        with pytest.raises(FieldError, match="queryset of 2 columns stands where one value is read"):
            await wide
