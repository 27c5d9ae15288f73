"""Models with files behind an API: answers show addresses, bodies name no file, and an upload is stored with its row."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from openapi_spec_validator import validate
from pydantic import AliasPath, Field

from covet.http.request import Request
from covet.rest import FileUrl, Form, ModelSchema, ModelViewSet, Router, Schema, UploadedFile, action, permissions
from covet.rest.openapi import get_openapi
from tests.rest.library import Scan


class ScanCard(Schema):
    """A file under a name of the API's own."""

    picture: FileUrl = Field(validation_alias="page")
    by_path: FileUrl = Field(validation_alias=AliasPath("cover"))


ANYONE: dict[str, Any] = {"permissions": [permissions.AllowAny]}


class ScanIn(ModelSchema, model=Scan, fields=["title", "page", "cover"]): ...


class Scans(ModelViewSet, model=Scan):
    permissions = [permissions.AllowAny]

    @action(detail=True, methods=["put"])
    async def page(self, request: Request, pk: int, page: UploadedFile) -> Scan:
        scan = await self.get_object(request, pk)
        scan.page = page
        await scan.save()
        return scan


class OwnScans(ModelViewSet, model=Scan):
    permissions = [permissions.AllowAny]
    input = ScanIn


def make_api() -> Router:
    api = Router(**ANYONE)
    api.register("scans", Scans)
    api.register("own", OwnScans)

    @api.post("/uploads/", status=201, response=ScanIn)
    async def upload(title: Annotated[str, Form()], page: UploadedFile) -> Scan:
        return await Scan.objects.create(title=title, page=page)

    @api.get("/values/", response=list[ScanIn])
    async def values() -> Any:
        return await Scan.objects.values("title", "page", "cover")

    @api.get("/made/", response=ScanIn)
    async def made() -> ScanIn:
        return ScanIn(title="a", page="/media/a.png", cover="https://example.org/b.png")

    @api.get("/cards/<int:pk>/", response=ScanCard)
    async def card(pk: int) -> Scan:
        return await Scan.objects.get(pk=pk)

    @api.get("/filled/<int:pk>/")
    async def filled(pk: int) -> dict[str, ScanIn | ScanCard]:
        scan = await Scan.objects.get(pk=pk)
        return {"own": ScanIn.model_validate(scan), "card": ScanCard.model_validate(scan)}

    return api


@pytest.fixture
async def client(library: Any, tmp_path: Any) -> Any:
    return await library(make_api(), MEDIA_ROOT=tmp_path, MEDIA_URL="/media/")


async def test_a_file_is_shown_by_its_address(client: Any) -> None:
    made = await client.post("/api/uploads/", data={"title": "a"}, files={"page": ("a.txt", b"abc")})

    assert made.status_code == 201, made.text
    assert made.json() == {"title": "a", "page": "/media/pages/a.txt", "cover": None}
    scan = await Scan.objects.get()
    assert await scan.page.read() == b"abc"
    shown = {"id": scan.pk, **made.json()}
    assert (await client.get("/api/scans/")).json()["items"] == [shown]
    assert (await client.get(f"/api/scans/{scan.pk}/")).json() == shown
    assert (await client.get(f"/api/scans/{scan.pk}/?fields=page")).json() == {"page": "/media/pages/a.txt"}
    assert (await client.get("/api/values/")).json() == [made.json()]
    assert (await client.get("/api/made/")).json()["page"] == "/media/a.png"
    assert (await client.get("/api/made/")).json()["cover"] == "https://example.org/b.png"


async def test_a_row_without_a_file_shows_none(client: Any) -> None:
    made = await client.post("/api/scans/", json={"title": "a"})

    assert (made.status_code, made.json()["page"], made.json()["cover"]) == (201, None, None)
    assert (await client.get("/api/scans/")).json()["items"] == [made.json()]


async def test_a_body_names_no_file(client: Any) -> None:
    scan = await Scan.objects.create(title="a", page="pages/mine.txt")
    left = await client.patch(f"/api/scans/{scan.pk}/", json={"page": "pages/secret.txt"})
    shown = (await client.get(f"/api/own/{scan.pk}/")).json()
    del shown["id"]
    put = await client.put(f"/api/own/{scan.pk}/", json={**shown, "title": "b"})
    patched = await client.patch(f"/api/own/{scan.pk}/", json={"page": "pages/secret.txt", "cover": "x"})
    stepped = await client.patch(
        f"/api/own/{scan.pk}/",
        json=[{"op": "replace", "path": "/page", "value": "pages/secret.txt"}],
        headers={"Content-Type": "application/json-patch+json"},
    )
    made = await client.post("/api/own/", json={"title": "c", "page": "pages/mine.txt"})

    assert left.status_code == 200
    assert (put.status_code, put.json()["title"]) == (200, "b")
    assert (patched.status_code, stepped.status_code) == (200, 409)
    assert (made.status_code, made.json()["page"]) == (201, None)
    scan = await Scan.objects.get(pk=scan.pk)
    assert (scan.page.name, scan.cover.name or None) == ("pages/mine.txt", None)


async def test_an_action_takes_the_file_of_a_row(client: Any) -> None:
    scan = await Scan.objects.create(title="a")

    answer = await client.put(f"/api/scans/{scan.pk}/page/", files={"page": ("b.txt", b"xyz")})

    assert answer.status_code == 200, answer.text
    assert answer.json()["page"] == "/media/pages/b.txt"
    assert await (await Scan.objects.get()).page.read() == b"xyz"


async def test_the_document_tells_files_as_addresses(client: Any) -> None:
    document = get_openapi()
    validate(document)
    page = document["components"]["schemas"]["Scan"]["properties"]["page"]

    assert page["anyOf"] == [{"type": "string"}, {"type": "null"}]
    assert (page["format"], page["readOnly"]) == ("uri-reference", True)
    told = document["components"]["schemas"]["ScanInput"]["properties"]
    assert [name for name, one in told.items() if not one.get("readOnly")] == ["title"]


async def test_a_schema_of_ones_own_shows_a_file_under_any_name(client: Any) -> None:
    made = (await client.post("/api/uploads/", data={"title": "a"}, files={"page": ("a.png", b"abc")})).json()
    pk = (await Scan.objects.get()).pk

    card = (await client.get(f"/api/cards/{pk}/")).json()

    assert card == {"picture": made["page"], "by_path": None}


async def test_a_schema_that_a_handler_fills_from_a_row_shows_files_too(client: Any) -> None:
    made = (await client.post("/api/uploads/", data={"title": "a"}, files={"page": ("a.png", b"abc")})).json()
    pk = (await Scan.objects.get()).pk

    filled = (await client.get(f"/api/filled/{pk}/")).json()

    assert filled["own"] == {"title": "a", "page": made["page"], "cover": None}
    assert filled["card"] == {"picture": made["page"], "by_path": None}
