"""Aggregates and functions that only PostgreSQL has."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import pytest

from covet.db.errors import NotSupportedError
from covet.db.models import Q
from covet.postgres.aggregates import (
    ArrayAgg,
    BitAnd,
    BitOr,
    BitXor,
    BoolAnd,
    BoolOr,
    Corr,
    CovarPop,
    JSONBAgg,
    RegrAvgX,
    RegrAvgY,
    RegrCount,
    RegrIntercept,
    RegrR2,
    RegrSlope,
    RegrSXX,
    RegrSXY,
    RegrSYY,
    StringAgg,
)
from covet.postgres.functions import RandomUUID, TransactionNow
from tests.postgres.models import Post

if TYPE_CHECKING:
    from covet.db.database import Database


@pytest.fixture
async def posts(pg: Database) -> None:
    for title, views, is_open in (("a", 1, True), ("b", 2, True), ("c", 3, False), ("c", 3, False)):
        await Post.objects.create(title=title, views=views, is_open=is_open)


@pytest.mark.row("postgres.aggregates", on="postgresql")
async def test_the_order_has_two_names(posts: None) -> None:
    found = await Post.objects.aggregate(
        all=ArrayAgg("title", ordering="-title"),
        text=StringAgg("title", "-", ordering=["-views", "title"]),
        data=JSONBAgg("views", ordering=("-views",)),
    )

    assert found == {"all": ["c", "c", "b", "a"], "text": "c-c-b-a", "data": [3, 3, 2, 1]}
    with pytest.raises(TypeError, match="mean the same"):
        ArrayAgg("title", ordering="title", order_by="title")
    with pytest.raises(TypeError, match="does not take order_by"):
        BoolOr("is_open", ordering="title")


@pytest.mark.row("postgres.aggregates", on="postgresql")
async def test_values_are_gathered(posts: None) -> None:
    found = await Post.objects.aggregate(
        all=ArrayAgg("title", order_by="-title"),
        once=ArrayAgg("title", distinct=True),
        opened=ArrayAgg("title", filter=Q(is_open=True), order_by="title"),
        none=ArrayAgg("title", filter=Q(title="x")),
        empty=ArrayAgg("views", filter=Q(title="x"), default=[]),
        moments=ArrayAgg("moments", filter=Q(moments__isnull=False)),
        data=JSONBAgg("views", order_by="views"),
        no_data=JSONBAgg("views", filter=Q(title="x"), default=[{"a": None}]),
        text=StringAgg("title", delimiter="-", distinct=True),
        bits=BitOr("views"),
        common=BitAnd("views"),
        odd=BitXor("views"),
        every=BoolAnd("is_open"),
        some=BoolOr("is_open"),
    )
    assert found == {
        "all": ["c", "c", "b", "a"],
        "once": ["a", "b", "c"],
        "opened": ["a", "b"],
        "none": None,
        "empty": [],
        "moments": None,
        "data": [1, 2, 3, 3],
        "no_data": [{"a": None}],
        "text": "a-b-c",
        "bits": 3,
        "common": 0,
        "odd": 3,
        "every": False,
        "some": True,
    }


@pytest.mark.row("postgres.aggregates", on="postgresql")
async def test_groups_have_arrays_and_can_be_filtered_by_them(posts: None) -> None:
    groups = Post.objects.values("is_open").annotate(titles=ArrayAgg("title", distinct=True)).order_by("is_open")
    assert await groups == [{"is_open": False, "titles": ["c"]}, {"is_open": True, "titles": ["a", "b"]}]
    assert await groups.filter(titles__contains=["a"]) == [{"is_open": True, "titles": ["a", "b"]}]
    assert await groups.filter(titles__len=1).values_list("titles__0", flat=True) == ["c"]


@pytest.mark.row("postgres.aggregates", on="postgresql")
async def test_statistics_of_pairs(pg: Database) -> None:
    for views, length in ((1, 2), (2, 4), (3, 6)):
        await Post.objects.create(title="a" * length, views=views)
    from covet.db.models.functions import Length

    pair = (Length("title"), "views")
    found = await Post.objects.aggregate(
        corr=Corr(*pair),
        pop=CovarPop(*pair),
        sample=CovarPop(*pair, sample=True),
        ax=RegrAvgX(*pair),
        ay=RegrAvgY(*pair),
        count=RegrCount(*pair),
        intercept=RegrIntercept(*pair),
        r2=RegrR2(*pair),
        slope=RegrSlope(*pair),
        sxx=RegrSXX(*pair),
        sxy=RegrSXY(*pair),
        syy=RegrSYY(*pair),
    )
    assert {name: round(value, 6) for name, value in found.items()} == {
        "corr": 1,
        "pop": 1.333333,
        "sample": 2,
        "ax": 2,
        "ay": 4,
        "count": 3,
        "intercept": 0,
        "r2": 1,
        "slope": 2,
        "sxx": 2,
        "sxy": 4,
        "syy": 8,
    }
    with pytest.raises(TypeError, match="default"):
        RegrCount(*pair, default=1)


@pytest.mark.row("postgres.functions", on="postgresql")
async def test_the_database_makes_keys_and_tells_when_its_transaction_began(posts: None) -> None:
    from covet.db import transaction

    async with transaction.atomic():
        rows = await Post.objects.annotate(key=RandomUUID(), began=TransactionNow()).values_list("key", "began")
        again = await Post.objects.annotate(began=TransactionNow()).values_list("began", flat=True)
    assert len({key for key, _began in rows}) == 4
    assert all(isinstance(key, uuid.UUID) for key, _began in rows)
    assert {began for _key, began in rows} == set(again)
    assert isinstance(again[0], dt.datetime) and again[0].tzinfo is not None


@pytest.mark.vendors("sqlite", "mysql")
async def test_other_databases_lack_these_aggregates(database: Database) -> None:
    for aggregate in (ArrayAgg("title"), BoolAnd("is_open"), Corr("views", "views")):
        with pytest.raises(NotSupportedError, match="needs PostgreSQL"):
            await Post.objects.aggregate(found=aggregate)
