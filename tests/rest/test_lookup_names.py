"""What the argument of a viewset's path is called: the name of ``lookup_field``, or ``lookup_url_kwarg``."""

from __future__ import annotations

from typing import Annotated, Any

import pytest

from covet.exceptions import ImproperlyConfigured
from covet.http.request import Request
from covet.rest import ModelViewSet, Path, Query, Router, ViewSet, action, permissions
from covet.rest.openapi.document import build_document
from covet.urls import NoReverseMatch, include, path, reverse
from covet.urls.resolver import Resolver
from tests.rest.library import Tag

JSON_PATCH = {"content-type": "application/json-patch+json"}


class Open(ModelViewSet):
    permissions = [permissions.AllowAny]


class Tags(Open, model=Tag):
    lookup_field = "name"

    @action(detail=True)
    async def typed(self, request: Request, pk: str) -> list[str]:
        return [pk, request.path_params["name"]]

    @action(detail=True)
    async def named(self, request: Request, name: Any) -> str:
        return str(name)

    @action(detail=True)
    async def bare(self, request, pk):  # type: ignore[no-untyped-def]  # as people write it
        return [type(pk).__name__, pk]

    @action(detail=False)
    async def asked(self, pk: int, name: str) -> list[Any]:
        """Its arguments come from the query: there is no row in its path."""
        return [pk, name]


class Labels(Tags):
    lookup_url_kwarg = "label"

    @action(detail=True)
    async def named(self, request: Request, label: Any) -> str:
        return str(label)

    @action(detail=True)
    async def typed(self, request: Request, pk: str) -> list[str]:
        return [pk, request.path_params["label"]]


class Numbers(Open, model=Tag):
    lookup_url_kwarg = "number"


class Words(ViewSet):
    permissions = [permissions.AllowAny]
    lookup_field = "word"

    async def read(self, pk: str) -> str:
        return pk.upper()


def make_api() -> Router:
    api = Router()
    for prefix, viewset in (("tags", Tags), ("labels", Labels), ("numbers", Numbers), ("words", Words)):
        api.register(prefix, viewset)
    return api


async def test_the_argument_has_the_name_of_the_field_or_its_own(library: Any) -> None:
    client = await library(make_api())

    assert reverse("tags-detail", kwargs={"name": "bees"}) == "/api/tags/bees/"
    assert reverse("labels-typed", kwargs={"label": "bees"}) == "/api/labels/bees/typed/"
    assert reverse("numbers-detail", kwargs={"number": 3}) == "/api/numbers/3/"
    with pytest.raises(NoReverseMatch):
        reverse("tags-detail", kwargs={"pk": "bees"})
    assert (await client.get("/api/numbers/three/")).status_code == 404  # still a number, by the type of the key


@pytest.mark.parametrize("prefix", ["tags", "labels"])
async def test_methods_get_it_as_pk_or_by_its_name(library: Any, prefix: str) -> None:
    client = await library(make_api())

    assert (await client.get(f"/api/{prefix}/bees/typed/")).json() == ["bees", "bees"]
    assert (await client.get(f"/api/{prefix}/bees/named/")).json() == "bees"
    assert (await client.get(f"/api/{prefix}/bees/bare/")).json() == ["str", "bees"]
    assert (await client.get(f"/api/{prefix}/asked/?pk=3&name=x")).json() == [3, "x"]
    assert (await client.get("/api/words/bees/")).json() == "BEES"


@pytest.mark.parametrize("prefix", ["tags", "labels"])
async def test_all_usual_methods_find_the_row(library: Any, prefix: str) -> None:
    client = await library(make_api())
    await client.post(f"/api/{prefix}/", json={"name": "bees"})
    place = f"/api/{prefix}/bees/"

    assert (await client.get(place)).json()["name"] == "bees"
    assert (await client.put(place, json={"name": "bees"})).status_code == 200
    changed = await client.patch(
        place, content=b'[{"op": "test", "path": "/name", "value": "bees"}]', headers=JSON_PATCH
    )
    assert (changed.status_code, changed.json()["name"]) == (200, "bees")
    assert (await client.delete(place)).status_code == 204
    assert (await client.get(place)).status_code == 404


@pytest.mark.parametrize(("prefix", "name"), [("tags", "name"), ("labels", "label")])
def test_the_document_and_its_links_call_it_so(prefix: str, name: str) -> None:
    document: Any = build_document(Resolver([path("", include(make_api()))]).routes)

    place = document["paths"][f"/{prefix}/{{{name}}}/"]
    assert [one["name"] for one in place["delete"]["parameters"] if one["in"] == "path"] == [name]
    assert place["get"]["responses"]["200"]["links"]["update"]["parameters"] == {name: f"$request.path.{name}"}
    made = document["paths"][f"/{prefix}/"]["post"]["responses"]["201"]["links"]
    assert made["read"]["parameters"] == {name: "$response.body#/name"}


def test_a_name_that_no_argument_has_is_refused() -> None:
    class Odd(Open, model=Tag):
        lookup_url_kwarg = "tag-name"

    api = Router()
    api.register("odd", Odd)
    with pytest.raises(ImproperlyConfigured, match="tag-name"):
        Resolver([path("", include(api))])


@pytest.mark.parametrize("wire", [None, "label"])
async def test_what_a_method_says_of_pk_holds_whatever_the_path_calls_it(library: Any, wire: str | None) -> None:
    class Said(Open, model=Tag):
        lookup_field = "name"
        lookup_url_kwarg = wire

        @action(detail=True)
        async def ruled(self, pk: Annotated[str, Path(min_length=3, description="Of three letters.")]) -> str:
            return pk

        @action(detail=True)
        async def other(self, pk: Annotated[int, Query()]) -> int:
            return pk

    api = Router()
    api.register("said", Said)
    client = await library(api)
    short = await client.get("/api/said/be/ruled/")

    assert (await client.get("/api/said/bees/ruled/")).json() == "bees"
    assert (short.status_code, short.json()["errors"][0]["parameter"]) == (422, wire or "name")
    assert (await client.get("/api/said/bees/other/?pk=3")).json() == 3
    document: Any = build_document(Resolver([path("", include(api))]).routes)
    told = document["paths"][f"/said/{{{wire or 'name'}}}/ruled/"]["get"]["parameters"]
    assert {one["name"]: one["description"] for one in told if one["in"] == "path"} == {
        wire or "name": "Of three letters."
    }


def test_an_annotation_that_is_not_known_is_named() -> None:
    class Odd(Open, model=Tag):
        lookup_field = "name"

        @action(detail=True, response=str)
        async def told(self, request: Unknown, pk: str) -> str:  # type: ignore[name-defined]  # noqa: F821  # as behind TYPE_CHECKING
            return pk

    api = Router()
    with pytest.raises(ImproperlyConfigured, match=r"Odd.told: the name 'Unknown' in its annotations is not known"):
        api.register("odd", Odd)


def test_the_argument_is_not_called_as_the_body_is() -> None:
    class Odd(Open, model=Tag):
        lookup_url_kwarg = "data"

    with pytest.raises(ImproperlyConfigured, match=r"Odd calls the path's argument 'data'.* lookup_url_kwarg = 'pk'"):
        Router().register("odd", Odd)
