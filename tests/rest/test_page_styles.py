"""Lists by offset and by cursor, on three databases: whole, in order, and stable while rows are written."""

import datetime
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

from covet.db.models import QuerySet
from covet.http.request import Request
from covet.rest import (
    CursorPage,
    Filters,
    FilterSet,
    ModelSchema,
    ModelViewSet,
    OffsetPage,
    Page,
    Router,
    permissions,
)
from covet.timezone import utc
from tests.rest.library import Article, Author


class Title(ModelSchema, model=Article, fields=["title"]): ...


class Name(ModelSchema, model=Author, fields=["id", "name"]): ...


class Whole(ModelSchema, model=Article, fields=["title"]):
    author: Name


class ArticleViewSet(ModelViewSet, model=Article):
    permissions = [permissions.AllowAny]
    pagination = CursorPage
    schema = Title


def make_api() -> Router:
    api = Router()
    Orders = Annotated[Filters, FilterSet(Article, ordering=["title", "published_at", "author__name", "editor__name"])]

    @api.get("/cursor/", response=CursorPage[Title])
    async def cursor(request: Request, filters: Orders) -> QuerySet[Article]:
        return filters.apply(Article.objects.all())

    @api.get("/nested/", response=CursorPage[Whole])
    async def nested(request: Request, filters: Orders) -> QuerySet[Article]:
        return filters.apply(Article.objects.all())

    @api.get("/reversed/", response=CursorPage[Title])
    async def backwards(request: Request) -> QuerySet[Article]:
        return Article.objects.order_by("published_at").reverse()

    @api.get("/offset/", response=OffsetPage[Title])
    async def offset(request: Request) -> QuerySet[Article]:
        return Article.objects.order_by("title")

    @api.get("/numbers/", response=OffsetPage[int])
    async def numbers() -> list[int]:
        return list(range(7))

    api.register("articles", ArticleViewSet)
    return api


async def fill() -> list[Article]:
    """Seven articles: ties in each order, and nulls among them."""
    ann = await Author.objects.create(name="Ann", email="a@example.org")
    bob = await Author.objects.create(name="Bob", email="b@example.org")
    days = [3, None, 1, 1, None, 2, 3]
    return [
        await Article.objects.create(
            title=f"{number}",
            author=bob if number % 2 else ann,
            editor=None if number in (2, 5) else ann if number % 3 else bob,
            published_at=None if day is None else datetime.datetime(2024, 1, day, 12, 30, 1, 123456, tzinfo=utc),
        )
        for number, day in enumerate(days)
    ]


async def walk(client: Any, url: str, link: str = "next") -> list[str]:
    """The titles of all parts, one after another."""
    titles: list[str] = []
    for _ in range(20):
        answer = await client.get(url)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found = [item["title"] for item in page["items"]]
        titles = [*titles, *found] if link == "next" else [*found, *titles]
        if page[link] is None:
            return titles
        url = page[link]
    raise AssertionError("the list does not end")


async def last_part(client: Any, url: str) -> Any:
    page = (await client.get(url)).json()
    while page["next"]:
        page = (await client.get(page["next"])).json()
    return page


ORDERS = [
    "title",
    "-title",
    "published_at",
    "-published_at",
    "author__name,-published_at",
    "editor__name",
    "-editor__name",
]


async def test_cursors_walk_through_ties_and_nulls_in_both_directions(library: Any) -> None:
    client = await library(make_api())
    await fill()

    for where in ("cursor", "nested"):
        for order in ORDERS:
            url = f"/api/{where}/?ordering={order}"
            whole = await walk(client, f"{url}&size=50")
            parts = await walk(client, f"{url}&size=2")
            end = await last_part(client, f"{url}&size=2")
            back = await walk(client, end["previous"], "previous")

            assert sorted(whole) == list("0123456"), order
            assert parts == whole, order
            assert back + [item["title"] for item in end["items"]] == whole, order
    whole = await walk(client, "/api/reversed/?size=50")
    assert await walk(client, "/api/reversed/?size=3") == whole


async def test_rows_written_meanwhile_move_nothing(library: Any) -> None:
    client = await library(make_api())
    articles = await fill()
    author = articles[0].author
    first = (await client.get("/api/cursor/?ordering=title&size=3")).json()

    await articles[0].delete()
    await articles[2].delete()
    await Article.objects.create(title="00", author=author)
    rest = await walk(client, first["next"])

    assert [item["title"] for item in first["items"]] == ["0", "1", "2"]
    assert rest == ["3", "4", "5", "6"]


async def test_a_cursor_leads_back_from_parts_that_emptied(library: Any) -> None:
    client = await library(make_api())
    articles = await fill()
    first = (await client.get("/api/cursor/?ordering=title&size=4")).json()
    second = (await client.get(first["next"])).json()
    for article in articles[4:]:
        await article.delete()
    empty = (await client.get(first["next"])).json()
    again = (await client.get(empty["previous"])).json()
    for article in articles[:4]:
        await article.delete()
    before = (await client.get(second["previous"])).json()

    assert (empty["items"], empty["next"]) == ([], None)
    assert [item["title"] for item in again["items"]] == ["0", "1", "2", "3"]
    assert (before["items"], before["previous"]) == ([], None)
    assert before["next"].startswith("/api/cursor/")
    assert "cursor" not in parse_qs(urlsplit(before["next"]).query)


async def test_a_cursor_of_another_order_or_none_at_all_is_refused(library: Any) -> None:
    client = await library(make_api())
    await fill()
    link = (await client.get("/api/cursor/?ordering=title&size=3")).json()["next"]
    cursor = parse_qs(urlsplit(link).query)["cursor"][0]

    wrong = [
        await client.get(f"/api/cursor/?ordering=-title&cursor={cursor}"),
        *[
            await client.get("/api/cursor/", params={"cursor": text})
            for text in ("x", "", "é", "bnVsbA", "a" * 3000, "W1tb" * 450)
        ],
    ]

    for answer in wrong:
        assert answer.status_code == 422, answer.text
        assert [error["parameter"] for error in answer.json()["errors"]] == ["cursor"]


async def test_a_viewset_is_cut_as_it_says(library: Any) -> None:
    client = await library(make_api())
    await fill()

    assert await walk(client, "/api/articles/?size=3") == list("0123456")


async def test_parts_by_offset_carry_their_numbers_and_neighbours(library: Any) -> None:
    client = await library(make_api())
    await fill()

    middle = (await client.get("/api/offset/?limit=2&offset=3")).json()
    behind = (await client.get("/api/offset/?limit=2&offset=100")).json()
    wrong = await client.get("/api/offset/?limit=0&offset=-1")
    huge = await client.get(f"/api/offset/?offset={2**70}")

    assert middle["items"] == [{"title": "3"}, {"title": "4"}]
    assert (middle["total"], middle["limit"], middle["offset"]) == (7, 2, 3)
    assert parse_qs(urlsplit(middle["next"]).query) == {"limit": ["2"], "offset": ["5"]}
    assert parse_qs(urlsplit(middle["previous"]).query) == {"limit": ["2"], "offset": ["1"]}
    assert (behind["items"], behind["total"], behind["next"]) == ([], 7, None)
    assert parse_qs(urlsplit(behind["previous"]).query)["offset"] == ["5"]
    assert [error["parameter"] for error in wrong.json()["errors"]] == ["limit", "offset"]
    assert huge.status_code == 422
    assert await walk(client, "/api/offset/?limit=3") == list("0123456")
    assert (await client.get("/api/numbers/?limit=3&offset=5")).json()["items"] == [5, 6]


async def test_pages_of_nested_schemas_join_what_they_show(library: Any) -> None:
    api = Router()

    @api.get("/nested/", response=Page[Whole])
    async def nested(request: Request) -> QuerySet[Article]:
        return Article.objects.order_by("title")

    @api.get("/sliced/", response=list[Whole])
    async def sliced(request: Request) -> QuerySet[Article]:
        return Article.objects.order_by("title")[1:2]

    client = await library(api)
    articles = await fill()

    page = (await client.get("/api/nested/?size=2&page=2")).json()
    second = (await client.get("/api/sliced/")).json()

    assert [item["title"] for item in page["items"]] == ["2", "3"]
    assert page["items"][0]["author"] == {"id": articles[2].author.pk, "name": "Ann"}
    assert second == [{"title": "1", "author": {"id": articles[1].author.pk, "name": "Bob"}}]
