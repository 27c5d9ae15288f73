"""Differences of numbers that are stored unsigned: they go below zero, in between and at the end, on every database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from covet.db import models
from covet.db.database import Database
from covet.db.errors import DatabaseError
from covet.db.models import Case, F, Max, Min, OuterRef, Subquery, Sum, Value, When
from covet.db.models.functions import Abs, Cast, Coalesce
from tests.db.models.conftest import create_tables


class Stock(models.Model):
    a = models.PositiveIntegerField()
    b = models.PositiveIntegerField()
    small = models.PositiveSmallIntegerField(default=0)
    big = models.PositiveBigIntegerField(default=0)
    signed = models.IntegerField(default=0)
    price = models.DecimalField(max_digits=6, decimal_places=2, default="1.50")

    class Meta:
        app_label = "testbelow"


@pytest.fixture
async def stock(database: Database) -> AsyncIterator[Stock]:
    await create_tables(database, [Stock])
    yield await Stock.objects.create(a=3, b=10, small=2, big=2**63 - 1, signed=-4)


@pytest.mark.row("expressions.f")
@pytest.mark.parametrize(
    ("expression", "found"),
    [
        (F("a") - F("b"), -7),
        (F("a") - 5, -2),
        (5 - F("b"), -5),
        (F("small") - F("big"), 3 - 2**63),
        (-F("a"), -3),
        (F("a") * -2, -6),
        (F("a") * F("signed"), -12),
        (F("a") + F("signed"), -1),
        (F("a") + (-5), -2),
        (F("a") + 1 - F("b"), -6),
        (F("a") - F("b") + F("small"), -5),
        (F("a") * F("small") - F("b"), -4),
        (F("a") - Abs(F("b")), -7),
        (Coalesce(F("a"), 0) - F("b"), -7),
        (F("a") - F("b") - F("small"), -9),
        (Case(When(a=3, then=F("a")), default=Value(0)) - F("b"), -7),
        (Cast("a", models.PositiveIntegerField()) - F("b"), -7),
        (Subquery(Stock.objects.filter(pk=OuterRef("pk")).values("a")) - F("b"), -7),
        (F("b") % 4 - F("a"), -1),
        (F("a") / 3 - F("b"), -9),
        (F("a").bitor(4) - F("b"), -3),
        (F("a").bitrightshift(1) - F("b"), -9),
    ],
    ids=str,
)
async def test_what_is_reckoned_may_be_below_zero(stock: Stock, expression: Any, found: int) -> None:
    assert await Stock.objects.annotate(left=expression).values_list("left", flat=True) == [found]
    assert await Stock.objects.annotate(left=expression).filter(left__lt=0).count() == 1
    assert await Stock.objects.annotate(left=expression).filter(left=found).order_by("left").count() == 1


@pytest.mark.row("expressions.f")
async def test_differences_below_zero_stand_in_conditions_aggregates_and_updates(stock: Stock) -> None:
    await Stock.objects.create(a=10, b=3, signed=1)

    assert await Stock.objects.filter(signed__lt=F("a") - F("b")).count() == 1
    assert await Stock.objects.order_by(F("a") - F("b")).values_list("a", flat=True) == [3, 10]
    made = await Stock.objects.aggregate(
        all=Sum(F("a") - F("b")), least=Min(F("a") - F("b")), apart=Min("a") - Max("b")
    )
    assert made == {"all": 0, "least": -7, "apart": -7}
    assert await Stock.objects.update(signed=F("a") - F("b")) == 2
    assert await Stock.objects.order_by("pk").values_list("signed", flat=True) == [-7, 7]
    assert await Stock.objects.update(a=F("a") + F("b") - 1, b=F("b") - 3) == 2
    assert await Stock.objects.order_by("pk").values_list("b", flat=True) == [7, 0]
    assert (
        await Stock.objects.annotate(worth=F("price") * (F("b") - 8)).order_by("worth").filter(worth=-12).count() == 1
    )


@pytest.mark.row("expressions.f")
async def test_a_column_that_takes_no_such_number_still_refuses_it(stock: Stock) -> None:
    with pytest.raises(DatabaseError):
        await Stock.objects.update(a=F("a") - F("b"))

    assert await Stock.objects.values_list("a", flat=True) == [3]
