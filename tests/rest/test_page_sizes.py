"""How long the pages of a list are: by the viewset, the route or the class of pages, by names of one's own, and as OpenAPI tells."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import pytest

from covet.exceptions import ImproperlyConfigured
from covet.http.request import Request
from covet.rest import CursorPage, ModelSchema, ModelViewSet, OffsetPage, Page, Router, action, permissions
from covet.rest.part import RestPart
from covet.urls import include, path
from tests.rest.library import Author

T = TypeVar("T")
OPEN: dict[str, Any] = {"permissions": [permissions.AllowAny]}


class LargePage(Page[T], Generic[T]):
    page_size = 3
    max_page_size = 5
    page_query_param = "p"
    page_size_query_param = "page_size"


class FixedPage(Page[T], Generic[T]):
    page_size = 2
    page_size_query_param = None


class Part(OffsetPage[T], Generic[T]):
    page_size = 2
    limit_query_param = "most"
    offset_query_param = "skip"


class FixedPart(OffsetPage[T], Generic[T]):
    page_size = 3
    limit_query_param = None


class Walk(CursorPage[T], Generic[T]):
    page_size = 2
    cursor_query_param = "from"
    page_size_query_param = "count"


def numbers_by(response: Any, **options: Any) -> Router:
    api = Router(**OPEN)

    @api.get("/numbers/", response=response, **options)
    async def numbers() -> list[int]:
        return list(range(7))

    return api


async def site_of(site: Any, api: Router, **settings: Any) -> Any:
    return await site([path("api/", include(api))], installed=["covet.rest"], DATABASES={}, **settings)


def parameters_of(client: Any, where: str = "/api/numbers/") -> dict[str, dict[str, Any]]:
    document = client.application.apps.part(RestPart).document()
    return {one["name"]: one["schema"] for one in document["paths"][where]["get"].get("parameters", ())}


async def walked(client: Any, url: str) -> list[int]:
    counts = []
    while url is not None:
        answer = (await client.get(url)).json()
        counts.append(len(answer["items"]))
        url = answer["next"]
    return counts


async def test_a_route_says_how_long_its_pages_are(site: Any) -> None:
    client = await site_of(site, numbers_by(Page[int], page_size=3, max_page_size=4))

    assert await walked(client, "/api/numbers/") == [3, 3, 1]
    assert len((await client.get("/api/numbers/?size=4")).json()["items"]) == 4
    refused = await client.get("/api/numbers/?size=5")
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["parameter"] == "size"
    assert parameters_of(client)["size"] == {"type": "integer", "minimum": 1, "maximum": 4, "default": 3}


async def test_a_size_above_the_settings_bound_raises_it(site: Any) -> None:
    client = await site_of(site, numbers_by(Page[int], page_size=6), PAGE_SIZE=2, MAX_PAGE_SIZE=4)

    assert await walked(client, "/api/numbers/") == [6, 1]
    assert parameters_of(client)["size"]["maximum"] == 6


async def test_a_bound_below_the_settings_size_lowers_it(site: Any) -> None:
    client = await site_of(site, numbers_by(Page[int], max_page_size=4))

    assert await walked(client, "/api/numbers/") == [4, 3]


async def test_a_class_of_pages_has_sizes_and_names_of_its_own(site: Any) -> None:
    client = await site_of(site, numbers_by(LargePage[int]))

    first = (await client.get("/api/numbers/?x=1")).json()
    assert (first["items"], first["next"]) == ([0, 1, 2], "/api/numbers/?x=1&p=2")
    assert (await client.get("/api/numbers/?p=2&page_size=5")).json()["items"] == [5, 6]
    assert (await client.get("/api/numbers/?page=2&size=5")).json()["items"] == [0, 1, 2]
    assert (await client.get("/api/numbers/?page_size=6")).json()["errors"][0]["parameter"] == "page_size"
    assert list(parameters_of(client)) == ["p", "page_size"]
    assert await walked(client, "/api/numbers/") == [3, 3, 1]


@pytest.mark.parametrize(("kind", "name", "count"), [(FixedPage, "size", 2), (FixedPart, "limit", 3)])
async def test_a_size_may_be_no_choice_of_the_clients(site: Any, kind: Any, name: str, count: int) -> None:
    client = await site_of(site, numbers_by(kind[int]))

    assert len((await client.get(f"/api/numbers/?{name}=5&=5")).json()["items"]) == count
    assert name not in parameters_of(client)
    assert sum(await walked(client, "/api/numbers/?x=1")) == 7


async def test_parts_have_names_of_their_own(site: Any) -> None:
    client = await site_of(site, numbers_by(Part[int]), PAGE_LINK_HEADER=True)

    answer = await client.get("/api/numbers/?most=3&skip=3")
    assert answer.json()["items"] == [3, 4, 5]
    assert answer.json()["next"] == "/api/numbers/?skip=6&most=3"
    assert '</api/numbers/?skip=0&most=3>; rel="first"' in answer.headers["link"]
    assert await walked(client, "/api/numbers/") == [2, 2, 2, 1]


async def test_a_viewset_says_how_long_its_pages_are(library: Any) -> None:
    class Name(ModelSchema, model=Author, fields=["name"]): ...

    class Authors(ModelViewSet, model=Author):
        permissions = OPEN["permissions"]
        schema = Name
        ordering = ["name"]
        page_size = 2
        max_page_size = 3

        @action(detail=False, response=Page[Name])
        async def recent(self, request: Request) -> Any:
            return Author.objects.order_by("-name")

        @action(detail=False, response=Page[Name], page_size=1)
        async def lone(self, request: Request) -> Any:
            return Author.objects.order_by("-name")

        @action(detail=False)
        async def count(self, request: Request) -> int:
            return await Author.objects.count()

    class Walked(Authors, model=Author):
        pagination = Walk
        page_size = None

    api = Router()
    api.register("authors", Authors)
    api.register("walked", Walked)
    client = await library(api)
    for name in "abcde":
        await Author.objects.create(name=name, email=f"{name}@example.org")

    assert await walked(client, "/api/authors/") == [2, 2, 1]
    assert (await client.get("/api/authors/?size=4")).status_code == 422
    assert await walked(client, "/api/authors/recent/") == [2, 2, 1]
    assert await walked(client, "/api/authors/lone/") == [1, 1, 1, 1, 1]
    assert (await client.get("/api/authors/count/")).json() == 5
    assert await walked(client, "/api/walked/") == [2, 2, 1]
    answer = (await client.get("/api/walked/?count=3")).json()
    assert [item["name"] for item in answer["items"]] == ["a", "b", "c"]
    assert "count=3&from=" in answer["next"]
    assert (await client.get(answer["next"])).json()["next"] is None


async def test_sizes_that_cannot_be_are_told_at_the_start(site: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match="page_size is 9; it lies between 1 and max_page_size, which is 4"):
        await site_of(site, numbers_by(Page[int], page_size=9, max_page_size=4))
    with pytest.raises(ImproperlyConfigured, match="page_size is 0"):
        await site_of(site, numbers_by(Page[int], page_size=0))
    with pytest.raises(ImproperlyConfigured, match=r"its answer is no page. Write response=Page\[…\]"):
        await site_of(site, numbers_by(list[int], page_size=9))
