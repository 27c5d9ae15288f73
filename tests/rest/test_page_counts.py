"""Pages that do not count, pages that estimate, and the ``Link`` header of any of them."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import pytest

from covet.conf import override
from covet.db import connections
from covet.db.models import QuerySet
from covet.http.request import Request
from covet.http.response import Response
from covet.rest import (
    CursorPage,
    Deprecation,
    EstimatedOffsetPage,
    EstimatedPage,
    ModelSchema,
    ModelViewSet,
    OffsetPage,
    Page,
    Router,
    UncountedOffsetPage,
    UncountedPage,
    paged,
    permissions,
)
from covet.rest.openapi import build_document
from covet.urls import include, path
from covet.urls.resolver import Resolver
from tests.rest.library import Article, Author

T = TypeVar("T")


class Title(ModelSchema, model=Article, fields=["title"]): ...


class Name(ModelSchema, model=Author, fields=["name"]): ...


class Whole(ModelSchema, model=Article, fields=["title"]):
    author: Name


class LinkedPage(Page[T], Generic[T]):
    link_header = True


class PlainPage(Page[T], Generic[T]):
    link_header = False


class NeverCounted(QuerySet[Any, Any]):
    async def count(self) -> int:
        raise AssertionError("this was counted")


class AuthorViewSet(ModelViewSet, model=Author):
    permissions = [permissions.AllowAny]
    pagination = UncountedPage


def make_api() -> Router:
    api = Router()

    def lists(name: str, schema: Any) -> None:
        @api.get(f"/{name}/", response=schema, name=name)
        async def rows(request: Request) -> Any:
            return Article.objects.order_by("title")

    for name, schema in {
        "exact": Page[Title],
        "linked": LinkedPage[Title],
        "plain": PlainPage[Title],
        "offset": OffsetPage[Title],
        "cursor": CursorPage[Title],
        "estimated": EstimatedPage[Title],
        "estimated-nested": EstimatedPage[Whole],
        "estimated-offset": EstimatedOffsetPage[Title],
    }.items():
        lists(name, schema)

    @api.get("/uncounted/", response=UncountedPage[Title])
    async def uncounted(request: Request) -> Any:
        return NeverCounted(Article)

    @api.get("/uncounted-offset/", response=UncountedOffsetPage[Whole])
    async def uncounted_offset(request: Request) -> Any:
        return NeverCounted(Article).order_by("title")

    @api.get("/numbers/", response=EstimatedPage[int])
    async def numbers() -> list[int]:
        return list(range(7))

    @api.get("/old/", response=LinkedPage[int], deprecated=Deprecation(_day(), link="https://example.org/new"))
    async def old() -> list[int]:
        return list(range(7))

    api.register("authors", AuthorViewSet)
    return api


def _day() -> Any:
    import datetime

    return datetime.date(2024, 1, 1)


async def fill(count: int = 7) -> None:
    author = await Author.objects.create(name="Ann", email="a@example.org")
    await Article.objects.bulk_create([Article(title=f"{number:04}", author=author) for number in range(count)])


def links_of(answer: Any) -> dict[str, str]:
    return {name: str(link["url"]) for name, link in answer.links.items()}


async def test_pages_that_are_not_counted_tell_whether_there_is_more(library: Any) -> None:
    client = await library(make_api())
    await fill()

    for where, asked, kept in (
        ("uncounted", ("page=1&size=3", "page=3&size=3"), ("page", "size")),
        ("uncounted-offset", ("limit=3", "limit=3&offset=6"), ("limit", "offset")),
    ):
        first = (await client.get(f"/api/{where}/?{asked[0]}")).json()
        last = (await client.get(f"/api/{where}/?{asked[1]}")).json()
        titles, url = [], f"/api/{where}/?{asked[0]}"
        while url:
            page = (await client.get(url)).json()
            titles += [item["title"] for item in page["items"]]
            url = page["next"]
        assert set(first) == {"items", "next", "previous", *kept}
        assert first["previous"] is None
        assert (last["next"], len(last["items"])) == (None, 1)
        assert titles == [f"{number:04}" for number in range(7)]
    behind = await client.get("/api/uncounted/?page=4&size=3")
    offset = (await client.get("/api/uncounted-offset/?limit=3&offset=50")).json()

    assert behind.status_code == 404
    assert (offset["items"], offset["next"], offset["offset"]) == ([], None, 50)
    assert (await client.get("/api/authors/")).json()["items"][0]["name"] == "Ann"


async def test_few_rows_are_counted_for_an_estimate(library: Any) -> None:
    client = await library(make_api())
    await fill()

    for where in ("estimated", "estimated-nested", "numbers"):
        first = (await client.get(f"/api/{where}/?size=3")).json()
        last = (await client.get(f"/api/{where}/?size=3&page=3")).json()
        assert (first["total"], last["total"], last["next"]) == (7, 7, None)
    offset = (await client.get("/api/estimated-offset/?limit=3&offset=100")).json()

    assert (offset["total"], offset["items"]) == (7, [])
    assert (await client.get("/api/estimated/?page=2")).status_code == 404


@pytest.mark.vendors("postgresql")
async def test_many_rows_are_estimated_by_the_planner_and_known_on_the_last_page(
    library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paged, "ESTIMATED_FROM", 100)
    client = await library(make_api())
    await fill(400)
    await connections["default"].execute("ANALYZE")
    # Deleted since the last ANALYZE: only a count would know.
    await Article.objects.filter(title__gte="0390").delete()

    first = (await client.get("/api/estimated/?size=50")).json()
    last = (await client.get("/api/estimated/?size=50&page=8")).json()
    nested = (await client.get("/api/estimated-nested/?size=50")).json()

    assert (first["total"], nested["total"]) == (400, 400)
    assert (last["total"], last["next"], len(last["items"])) == (390, None, 40)


async def test_links_are_told_in_a_header_where_the_page_says_so(library: Any) -> None:
    client = await library(make_api())
    await fill()

    middle = await client.get("/api/linked/?size=3&page=2")
    last = await client.get("/api/linked/?size=3&page=3")
    exact = await client.get("/api/exact/?size=3")
    old = await client.get("/api/old/?size=3")
    wrong = await client.get("/api/linked/?size=0")

    assert links_of(middle) == {
        "first": "/api/linked/?size=3&page=1",
        "prev": "/api/linked/?size=3&page=1",
        "next": "/api/linked/?size=3&page=3",
        "last": "/api/linked/?size=3&page=3",
    }
    assert middle.json()["next"] == links_of(middle)["next"]
    assert set(links_of(last)) == {"first", "prev", "last"}
    assert "link" not in exact.headers
    assert set(links_of(old)) == {"first", "next", "last", "deprecation"}
    assert (wrong.status_code, "link" in wrong.headers) == (422, False)


async def test_a_setting_gives_all_pages_their_links(library: Any) -> None:
    client = await library(make_api(), PAGE_LINK_HEADER=True)
    await fill()

    found = {
        where: links_of(await client.get(f"/api/{where}/?{asked}"))
        for where, asked in (
            ("exact", "size=3"),
            ("offset", "limit=3&offset=2"),
            ("cursor", "size=3"),
            ("estimated", "size=3"),
            ("uncounted", "size=3&page=3"),
            ("plain", "size=3"),
        )
    }

    assert set(found["exact"]) == {"first", "next", "last"}
    assert found["offset"]["last"] == "/api/offset/?offset=5&limit=3"
    assert found["offset"]["prev"] == "/api/offset/?offset=0&limit=3"
    assert set(found["cursor"]) == {"first", "next"}
    assert found["cursor"]["first"] == "/api/cursor/?size=3"
    # Who does not count knows the last page only once it is there.
    assert set(found["estimated"]) == {"first", "next"}
    assert found["uncounted"]["last"] == "/api/uncounted/?size=3&page=3"
    assert found["plain"] == {}


async def test_chosen_fields_and_other_forms_keep_the_links(library: Any) -> None:
    api = Router()

    @api.get("/some/", response=LinkedPage[Title], select_fields=True, formats=["json", "yaml"])
    async def some(request: Request) -> QuerySet[Article]:
        return Article.objects.order_by("title")

    client = await library(api)
    await fill()

    chosen = await client.get("/api/some/?size=3&fields=title")
    packed = await client.get("/api/some/?size=3&format=yaml")

    assert set(links_of(chosen)) == set(links_of(packed)) == {"first", "next", "last"}
    assert "fields=title" in links_of(chosen)["next"]


def test_the_document_tells_each_kind_exactly() -> None:
    with override(PAGE_LINK_HEADER=True, DATABASES={}, MIDDLEWARE=[]):
        document = build_document(Resolver([path("api/", include(make_api()))]).routes, title="T")

    def shape(where: str) -> tuple[set[str], set[str]]:
        operation = document["paths"][f"/api/{where}/"]["get"]
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        named = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        assert set(named["required"]) == set(named["properties"])
        return set(named["properties"]), {one["name"] for one in operation["parameters"] if one["in"] == "query"}

    assert shape("uncounted") == ({"items", "page", "size", "next", "previous"}, {"page", "size"})
    assert shape("estimated-offset") == ({"items", "total", "limit", "offset", "next", "previous"}, {"limit", "offset"})
    for where, has_page, is_linked in (
        ("uncounted", True, True),
        ("cursor", False, True),
        ("plain", True, False),
        ("estimated", True, True),
    ):
        responses = document["paths"][f"/api/{where}/"]["get"]["responses"]
        assert ("404" in responses) is has_page
        assert ("Link" in responses["200"].get("headers", {})) is is_linked


async def test_a_slice_is_cut_into_pages_of_any_kind(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first five by name: what is estimated is the slice."""
    monkeypatch.setattr(paged, "ESTIMATED_FROM", 1)
    api = Router(permissions=[permissions.AllowAny])

    @api.get("exact", response=Page[Name])
    async def exact() -> Any:
        return Author.objects.order_by("name")[:5]

    @api.get("estimated", response=EstimatedPage[Name])
    async def estimated() -> Any:
        return Author.objects.order_by("name")[:5]

    client = await library(api)
    await Author.objects.bulk_create([Author(name=f"A{number}", email=f"{number}@x.y") for number in range(7)])

    for address in ("exact", "estimated"):
        first = (await client.get(f"/api/{address}", params={"size": 3})).json()
        second = (await client.get(f"/api/{address}", params={"size": 3, "page": 2})).json()
        assert len(first["items"]) == 3 and first["next"]
        assert (len(second["items"]), second["total"], second["next"]) == (2, 5, None)


async def test_an_estimate_that_is_too_low_is_mended_by_what_was_read(
    library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is at least one row behind a page that is not the last."""

    async def too_few(rows: Any) -> int:
        return 1

    monkeypatch.setattr(paged, "estimated_count", too_few)
    client = await library(make_api())
    await fill()

    totals = [(await client.get(f"/api/estimated/?size=3&page={page}")).json()["total"] for page in (1, 2, 3)]

    assert totals == [4, 7, 7]


async def test_links_stand_behind_those_that_a_handler_has_set(library: Any) -> None:
    api = Router(permissions=[permissions.AllowAny])

    @api.get("own", response=LinkedPage[int])
    async def own(response: Response) -> list[int]:
        response.headers["Link"] = '</about>; rel="about"'
        return list(range(7))

    client = await library(api)

    found = links_of(await client.get("/api/own", params={"size": 3}))

    assert set(found) == {"about", "first", "next", "last"}
