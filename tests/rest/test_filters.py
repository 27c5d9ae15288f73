"""Filters by names of their own, of several look-ups, of functions; parameters that nobody knows; parts of a viewset."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from covet.db import models
from covet.db.connections import connections
from covet.db.models.table import table_of
from covet.exceptions import ImproperlyConfigured
from covet.rest import FilterBy, Filters, FilterSet, ModelViewSet, Query, Router, action, permissions
from covet.rest.openapi import get_openapi
from covet.urls import include, path
from tests.rest.library import Article, Author, Tag

OPEN = [permissions.AllowAny]


def popular(articles: Any, value: bool) -> Any:
    return articles.filter(views__gte=10) if value else articles.filter(views__lt=10)


class Articles(ModelViewSet, model=Article):
    permissions = OPEN
    filters = [
        "title",
        "tags__name__startswith",
        FilterBy("q", "title__icontains", "body__icontains", description="A part of title or text."),
        FilterBy("without_tag", "tags__name", exclude=True),
        FilterBy("any_tag", "tags__name__in", "author__name__in"),
        FilterBy("popular", by=popular, type=bool),
    ]
    ordering = ["title"]


class ByDay(ModelViewSet, model=Article):
    permissions = OPEN
    filters = [
        "published_at__date",
        "published_at__date__gte",
        "published_at__date__in",
        "published_at__date__year",
        "published_at__time__lt",
        FilterBy("month_of", "published_at__date__month", type=int),
        FilterBy("on", "published_at__date", type=dt.date),
    ]
    ordering = ["title"]


class Notes(models.Model):
    """Of each kind of choices."""

    State = models.TextChoices("State", "draft shown")

    state = models.CharField(max_length=10, choices=State.choices)
    mood = models.CharField(max_length=10, choices=[("good", "Good"), ("bad", "Bad")], blank=True)
    rank = models.IntegerField(choices=[(1, "first"), (2, "second")], null=True)

    class Meta:
        app_label = "library"


class OfNotes(ModelViewSet, model=Notes):
    permissions = OPEN
    filters = [
        "state",
        "state__in",
        "state__startswith",
        "mood",
        "rank",
        "rank__gte",
        FilterBy("is", "state"),
        FilterBy("either", "mood", "state"),
        FilterBy("free", "state", type=str),
    ]
    ordering = ["pk"]


class OnlyList(ModelViewSet, model=Tag):
    permissions = OPEN
    serves = ["list", "create"]

    @action(detail=False)
    async def first(self) -> str:
        return "first"


def make_api() -> Router:
    api = Router(permissions=OPEN)
    api.register("articles", Articles)
    api.register("tags", OnlyList)

    @api.get("/hidden", openapi_extra={"parameters": [{"name": "own", "in": "query", "schema": {"type": "string"}}]})
    async def hidden(secret: int = Query(0, include_in_schema=False)) -> int:
        return secret

    return api


@pytest.fixture
async def shelf(library: Any) -> Any:
    client = await library(make_api())
    ann = await Author.objects.create(name="Ann", email="a@example.org")
    bees, birds = await Tag.objects.create(name="bees"), await Tag.objects.create(name="birds")
    one = await Article.objects.create(title="one", body="of Two", author=ann, views=20)
    two = await Article.objects.create(title="two", author=ann, views=1)
    await Article.objects.create(title="three", author=ann)
    await one.tags.set([bees, birds])
    await two.tags.set([birds])
    return client


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("q=tw", ["one", "two"]),
        ("q=TWO&title=two", ["two"]),
        ("without_tag=bees", ["three", "two"]),
        ("any_tag=bees,birds", ["one", "two"]),
        ("any_tag=Ann", ["one", "three", "two"]),
        ("popular=true", ["one"]),
        ("popular=false", ["three", "two"]),
        # Both of its tags fit, and it is shown once.
        ("tags__name__startswith=b", ["one", "two"]),
        ("tags__name__startswith=b&popular=true", ["one"]),
        ("unknown=1", ["one", "three", "two"]),
    ],
)
async def test_rows_are_narrowed_by_names_of_their_own(shelf: Any, query: str, titles: list[str]) -> None:
    answer = await shelf.get(f"/api/articles/?ordering=title&{query}")

    assert [one["title"] for one in answer.json()["items"]] == titles
    assert answer.json()["total"] == len(titles)


async def test_own_filters_are_typed_and_told(shelf: Any) -> None:
    told = {one["name"]: one for one in get_openapi()["paths"]["/api/articles/"]["get"]["parameters"]}

    assert told["q"]["description"] == "A part of title or text."
    assert told["without_tag"]["description"] == "Not tags__name"
    assert told["popular"]["schema"]["type"] == "boolean"
    assert (told["any_tag"]["schema"]["type"], told["any_tag"]["explode"]) == ("array", False)
    wrong = await shelf.get("/api/articles/?popular=maybe")
    assert (wrong.status_code, wrong.json()["errors"][0]["parameter"]) == (422, "popular")


@pytest.fixture
async def notes(library: Any) -> Any:
    api = Router(permissions=OPEN)
    api.register("notes", OfNotes)
    client = await library(api)
    async with connections["default"].schema_editor() as editor:
        await editor.create_table(table_of(Notes))
    await Notes.objects.create(state="draft", mood="good", rank=1)
    await Notes.objects.create(state="shown")
    return client


@pytest.mark.parametrize(
    ("query", "states"),
    [
        ("state=draft", ["draft"]),
        ("state__in=draft,shown", ["draft", "shown"]),
        # A part of a choice is none.
        ("state__startswith=dr", ["draft"]),
        ("rank=1", ["draft"]),
        ("rank__gte=0", ["draft"]),
        ("is=shown", ["shown"]),
        ("either=good", ["draft"]),
        ("either=shown", ["shown"]),
        ("free=neither", []),
    ],
)
async def test_choices_are_asked_for_by_their_values(notes: Any, query: str, states: list[str]) -> None:
    answer = await notes.get(f"/api/notes/?{query}")

    assert [one["state"] for one in answer.json()["items"]] == states


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("state=Draft", "Value 'Draft' is not a valid choice. Did you mean 'draft'?"),
        ("state=gone", "Value 'gone' is not a valid choice. It takes: draft, shown."),
        ("state__in=draft,gone", "Value 'gone' is not a valid choice. It takes: draft, shown."),
        ("mood=ugly", "Value 'ugly' is not a valid choice. It takes: good, bad."),
        ("rank=3", "Value 3 is not a valid choice. It takes: 1, 2."),
        ("is=gone", "Value 'gone' is not a valid choice. It takes: draft, shown."),
    ],
)
async def test_a_choice_that_there_is_not_is_refused_with_those_that_there_are(
    notes: Any, query: str, detail: str
) -> None:
    answer = await notes.get(f"/api/notes/?{query}")

    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["parameter"], error["detail"]) == (query.partition("=")[0], detail)


async def test_choices_of_filters_are_told(notes: Any) -> None:
    told = {one["name"]: one["schema"] for one in get_openapi()["paths"]["/api/notes/"]["get"]["parameters"]}

    assert (told["state"]["enum"], told["state"]["x-enum-descriptions"]) == (["draft", "shown"], ["Draft", "Shown"])
    assert told["state__in"]["items"]["enum"] == ["draft", "shown"]
    assert told["mood"]["enum"] == ["good", "bad", ""]
    assert told["rank"]["enum"] == [1, 2]
    assert not any("enum" in told[name] for name in ("state__startswith", "rank__gte", "either", "free"))


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("published_at__date=2026-03-01", ["march"]),
        ("published_at__date__gte=2026-03-01", ["march", "may"]),
        ("published_at__date__in=2026-02-28&published_at__date__in=2026-05-02", ["may", "winter"]),
        ("published_at__date__year=2026", ["march", "may", "winter"]),
        ("published_at__time__lt=09:30", ["winter"]),
        ("month_of=5", ["may"]),
        ("on=2026-02-28", ["winter"]),
    ],
)
async def test_days_and_times_of_moments_are_asked_for_as_such(library: Any, query: str, titles: list[str]) -> None:
    api = Router(permissions=OPEN)
    api.register("days", ByDay)
    client = await library(api)
    ann = await Author.objects.create(name="Ann", email="a@example.org")
    for title, month, day, hour in (("winter", 2, 28, 8), ("march", 3, 1, 12), ("may", 5, 2, 23)):
        at = dt.datetime(2026, month, day, hour, tzinfo=dt.UTC)
        await Article.objects.create(title=title, author=ann, published_at=at)

    answer = await client.get(f"/api/days/?ordering=title&{query}")

    assert [row["title"] for row in answer.json()["items"]] == titles


@pytest.mark.parametrize("name", ["published_at__date", "published_at__date__gte", "published_at__time__lt", "on"])
async def test_what_is_no_day_is_told_by_the_parameter(library: Any, name: str) -> None:
    api = Router(permissions=OPEN)
    api.register("days", ByDay)
    client = await library(api)

    answer = await client.get(f"/api/days/?{name}=soon")

    assert answer.status_code == 422
    assert [error["parameter"] for error in answer.json()["errors"]] == [name]


def test_a_reverse_relation_is_asked_for_by_keys() -> None:
    filters = FilterSet(Author, filters=["articles", "articles__in", FilterBy("by", "articles")])

    assert [one.annotation for one in filters.parameters()] == [int, list[int], int]


def test_the_look_ups_of_a_filter_with_a_type_are_of_the_model() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"there is no field 'titel'\. Did you mean 'title'\?"):
        FilterSet(Article, filters=[FilterBy("q", "titel__icontains", type=str)]).parameters()


def test_a_filter_that_says_too_little_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="takes look-ups"):
        FilterBy("a")
    with pytest.raises(ImproperlyConfigured, match="takes look-ups"):
        FilterBy("a", by=popular)
    with pytest.raises(ImproperlyConfigured, match="takes look-ups"):
        FilterBy("a", "title", by=popular, type=bool)


async def test_a_project_may_refuse_parameters_that_nobody_knows(site: Any) -> None:
    client = await site([path("", include(make_api()))], REFUSE_UNKNOWN_PARAMETERS=True)

    hidden = await client.get("/hidden?secret=2&own=1")
    wrong = await client.get("/hidden?secert=2&nothing=1")
    page = await client.get("/tags/first/?page=1")

    assert (hidden.status_code, hidden.json()) == (200, 2)
    assert wrong.status_code == 422
    assert [one["parameter"] for one in wrong.json()["errors"]] == ["secert", "nothing"]
    assert "Did you mean 'secret'?" in wrong.json()["errors"][0]["detail"]
    assert (page.status_code, page.json()["errors"][0]["code"]) == (422, "unknown_parameter")


async def test_parameters_of_lists_and_versions_are_known(library: Any) -> None:
    client = await library(
        make_api(), REFUSE_UNKNOWN_PARAMETERS=True, VERSIONING={"strategy": "query"}, REST_FORMATS=["json", "csv"]
    )

    answer = await client.get("/api/articles/?page=1&size=5&ordering=title&fields=id&q=x&format=csv&version=1")

    assert answer.status_code == 200, answer.text
    assert (await client.get("/api/articles/?offset=1")).status_code == 422


async def test_a_viewset_has_the_parts_that_it_serves(library: Any) -> None:
    client = await library(make_api())

    assert (await client.post("/api/tags/", json={"name": "a"})).status_code == 201
    assert (await client.get("/api/tags/")).json()["total"] == 1
    assert (await client.get("/api/tags/first/")).json() == "first"
    assert (await client.put("/api/tags/", json={"name": "a"})).status_code == 405
    assert (await client.get("/api/tags/1/")).status_code == 404
    assert set(get_openapi()["paths"]) == {
        "/api/articles/",
        "/api/articles/{pk}/",
        "/api/tags/",
        "/api/tags/first/",
        "/api/hidden",
    }


def test_a_part_that_there_is_not_is_named() -> None:
    class Wrong(ModelViewSet, model=Tag):
        serves = ["list", "craete"]

    with pytest.raises(ImproperlyConfigured, match="Did you mean 'create'"):
        Wrong.endpoints("tags", "tags")


def test_filters_are_values_for_who_reads_them_alone() -> None:
    values = Filters(Articles.filter_set, {"q": None, "title": "x"}).values

    assert values == {"title": "x"}


LEFT_ASIDE = [
    "views",
    "views__in",
    "views__range",
    "editor",
    "editor__isnull",
    "published_at",
    "published_at__date",
    "title__startswith",
]
"""Look-ups of which an empty value says nothing."""


class OfThings(ModelViewSet, model=Article):
    permissions = OPEN
    filters = [
        *LEFT_ASIDE,
        "title",
        "published_at__gte",
        FilterBy("popular", by=popular, type=bool),
        FilterBy("seen", "views"),
        FilterBy("named", "title"),
    ]
    search = ["title"]
    ordering = ["title"]


@pytest.fixture
async def things(library: Any) -> Any:
    api = Router(permissions=OPEN)
    api.register("things", OfThings)
    client = await library(api)
    ann = await Author.objects.create(name="Ann", email="a@example.org")
    await Article.objects.create(
        title="one", author=ann, views=20, published_at=dt.datetime(2020, 1, 2, 12, tzinfo=dt.UTC)
    )
    await Article.objects.create(title="two", author=ann, views=1)

    async def titles(query: str) -> Any:
        answer = await client.get(f"/api/things/?{query}")
        return [one["title"] for one in answer.json()["items"]] if answer.status_code == 200 else answer.status_code

    return titles


@pytest.mark.parametrize("name", [*LEFT_ASIDE, "popular", "seen", "search", "ordering"])
async def test_an_empty_filter_is_as_if_it_was_not_there(things: Any, name: str) -> None:
    assert await things(f"{name}=") == ["one", "two"]
    assert await things(f"{name}=&views=1&unknown=") == ["two"]


async def test_an_empty_text_is_a_value_of_a_text(things: Any) -> None:
    assert await things("title=") == []
    assert await things("named=") == []


async def test_empty_parts_of_a_list_say_nothing(things: Any) -> None:
    assert await things("views__in=1,") == ["two"]
    assert await things("views__in=,1,&views__in=") == ["two"]
    assert await things("views__in=,") == ["one", "two"]
    assert await things("ordering=,-title,") == ["two", "one"]
    assert await things("views__range=,3") == 422
    assert await things("views__in=x,") == 422


async def test_empty_choices_are_as_if_they_were_not_there() -> None:
    skipped = {one.name: one.skips_empty for one in OfNotes.filter_set.parameters()}

    assert skipped == {
        "state": True,
        "state__in": True,
        "state__startswith": False,
        "mood": False,  # of which an empty text is one
        "rank": True,
        "rank__gte": True,
        "is": True,
        "either": False,
        "free": False,
        "ordering": True,
    }


@pytest.mark.filterwarnings("error:.*naive datetime")
async def test_a_moment_without_a_zone_is_in_that_of_the_project(things: Any) -> None:
    assert await things("published_at=2020-01-02T12:00:00") == ["one"]
    assert await things("published_at=2020-01-02T13:00:00%2B01:00") == ["one"]
    assert await things("published_at__gte=2020-01-02T12:00:01") == []
    assert await things("published_at=0001-01-01T00:00:00%2B02:00") == 422


async def test_an_empty_page_or_size_is_the_usual_one(things: Any) -> None:
    assert await things("page=&size=&title=one") == ["one"]
    assert await things("page=0") == 422
