"""The address of a router itself, where it is asked to tell what is below it."""

from __future__ import annotations

from typing import Any

from covet.rest import ModelViewSet, Router, permissions
from covet.urls import include, path, reverse
from tests.rest.library import Author, Tag


class AuthorViewSet(ModelViewSet, model=Author):
    permissions = [permissions.AllowAny]


class TagViewSet(ModelViewSet, model=Tag):
    permissions = [permissions.AllowAny]


def make_api(**options: Any) -> Router:
    api, below, named = Router(root=True, permissions=[permissions.AllowAny], **options), Router(), Router()
    api.register("authors", AuthorViewSet)
    below.register("tags", TagViewSet)
    named.register("tags", TagViewSet, basename="their-tags")
    api.include("more", below)
    api.include("authors/<int:author>", named)
    return api


async def test_the_root_tells_where_viewsets_are(site: Any) -> None:
    client = await site([path("api/", include(make_api()))])

    answer = await client.get("/api/")

    assert answer.json() == {"authors": "/api/authors/", "more/tags": "/api/more/tags/"}
    assert reverse("api-root") == "/api/"
    assert (await client.options(answer.json()["more/tags"])).headers["allow"]
    assert (await client.post("/api/")).status_code == 405


async def test_addresses_are_as_the_viewsets_have_them(site: Any) -> None:
    client = await site([path("api/", include(make_api(trailing_slash=False)))])

    assert (await client.get("/api/")).json()["authors"] == "/api/authors"


async def test_a_router_has_no_root_unless_it_is_asked_for(site: Any) -> None:
    api = Router()
    api.register("tags", TagViewSet)
    client = await site([path("api/", include(api))])

    assert (await client.get("/api/")).status_code == 404


async def test_addresses_are_written_as_addresses(site: Any) -> None:
    """The path has been decoded, and a part of it may hold anything."""
    client = await site([path("<str:tenant>/", include(make_api()))])

    answer = await client.get("/a%20b%3F%C3%BC/")

    assert answer.json()["authors"] == "/a%20b%3F%C3%BC/authors/"
