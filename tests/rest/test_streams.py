"""Handlers that yield: lines of JSON by a schema, server-sent events, and responses of a kind of their own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest
from openapi_spec_validator import validate

from covet.exceptions import ImproperlyConfigured
from covet.http import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from covet.http.errors import NotFound
from covet.http.streaming import EventStream, ServerEvent
from covet.rest import Depends, ModelSchema, Router, Schema, permissions
from covet.rest.openapi import get_openapi
from covet.urls import include, path
from tests.rest.library import Article, Author

OPEN = [permissions.AllowAny]
closed: list[str] = []
after: list[asyncio.Event] = []


class Point(Schema):
    x: int
    label: str | None = None


class AuthorShort(ModelSchema, model=Author, fields=["id", "name"]): ...


class ArticleLine(ModelSchema, model=Article, fields=["title"]):
    author: AuthorShort


def lines(answer: Any) -> list[Any]:
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


async def opened() -> AsyncIterator[str]:
    try:
        yield "open"
    finally:
        closed.append("closed")
        for event in after:
            event.set()


def make_api() -> Router:
    api = Router(permissions=OPEN)

    @api.get("/points/<int:count>")
    async def points(count: int) -> AsyncIterator[Point]:
        """Give points.

        One after another.
        """
        if count == 99:
            raise NotFound("There are none.")
        for x in range(count):
            yield Point(x=x)

    @api.get("/numbers")
    def numbers(state: Annotated[str, Depends(opened)]) -> Iterator[dict[str, Any]]:
        for number in range(3):
            yield {"number": number, "state": state, "closed": len(closed)}

    @api.get("/events")
    async def events() -> AsyncIterator[ServerEvent]:
        yield ServerEvent({"a": 1}, id="1")
        yield ServerEvent("bye", event="end")

    @api.get("/own-events")
    async def own_events() -> EventStream:
        async def made() -> AsyncIterator[str]:
            yield "x"

        return EventStream(made())

    @api.get("/page")
    async def page() -> HTMLResponse:
        return HTMLResponse("<p>")

    @api.get("/picture", responses={200: {"description": "A picture.", "content": {"image/png": {}}}})
    async def picture() -> Response:
        return Response(b"\x89PNG", media_type="image/png")

    @api.get("/file")
    async def file() -> FileResponse:
        return FileResponse(__file__)

    @api.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(iter([b"a"]), media_type="text/plain")

    @api.get("/there", status=302)
    async def there() -> RedirectResponse:
        return RedirectResponse("/page")

    @api.get("/json")
    async def own_json() -> JSONResponse:
        return JSONResponse({"a": 1})

    return api


@pytest.fixture(autouse=True)
def _forget() -> None:
    closed.clear()
    after.clear()


async def test_a_handler_that_yields_sends_lines(site: Any) -> None:
    client = await site([path("", include(make_api()))])

    three = await client.get("/points/3", headers={"Accept": "application/x-ndjson"})
    none = await client.get("/points/0")
    missing = await client.get("/points/99")
    numbers = await client.get("/numbers")

    assert lines(three) == [{"x": 0, "label": None}, {"x": 1, "label": None}, {"x": 2, "label": None}]
    assert lines(none) == []
    # What goes wrong before the first value still has its status.
    assert (missing.status_code, missing.json()["detail"]) == (404, "There are none.")
    assert [one["number"] for one in lines(numbers)] == [0, 1, 2]
    assert {one["closed"] for one in lines(numbers)} == {0}
    assert closed == ["closed"]


async def test_a_head_closes_what_it_does_not_read(site: Any) -> None:
    client = await site([path("", include(make_api()))])

    after.append(asyncio.Event())

    answer = await client.head("/numbers")
    # A socket gives the head before the server is through.
    await asyncio.wait_for(after[0].wait(), 30)

    assert (answer.status_code, answer.content, closed) == (200, b"", ["closed"])


async def test_events_reach_who_takes_nothing_else(site: Any) -> None:
    client = await site([path("", include(make_api()))])
    head = {"Accept": "text/event-stream"}

    yielded = await client.get("/events", headers=head)
    own = await client.get("/own-events", headers=head)

    assert yielded.headers["content-type"] == "text/event-stream"
    assert yielded.text == 'id: 1\ndata: {"a":1}\n\nevent: end\ndata: bye\n\n'
    assert own.text == "data: x\n\n"


@pytest.mark.parametrize("formats", [["json"], ["json", "xml"]], ids=["one", "several"])
async def test_a_response_of_its_own_kind_is_not_negotiated(site: Any, formats: list[str]) -> None:
    api = make_api()
    for endpoint in api.endpoints:
        endpoint.formats = formats
    client = await site([path("", include(api))])

    for name, kind in (
        ("page", "text/html"),
        ("picture", "image/png"),
        ("file", "text/x-python"),
        ("stream", "text/plain"),
    ):
        answer = await client.get(f"/{name}", headers={"Accept": kind})
        assert answer.headers["content-type"].partition(";")[0] == kind
    assert (await client.get("/json", headers={"Accept": "image/png"})).status_code == 406


async def test_the_document_tells_the_kinds_of_answers(site: Any) -> None:
    await site([path("", include(make_api()))])
    document = get_openapi()
    validate(document)

    def kinds(name: str, status: str = "200") -> Any:
        return list(document["paths"][name]["get"]["responses"][status].get("content", {}))

    assert kinds("/points/{count}") == ["application/x-ndjson"]
    shown = document["paths"]["/points/{count}"]["get"]["responses"]["200"]["content"]["application/x-ndjson"]["schema"]
    assert shown["$ref"] == "#/components/schemas/Point"
    assert kinds("/events") == kinds("/own-events") == ["text/event-stream"]
    assert kinds("/page") == ["text/html"]
    assert kinds("/picture") == ["image/png"]
    assert kinds("/file") == kinds("/stream") == ["*/*"]
    assert kinds("/there", "302") == []
    assert kinds("/json") == ["application/json"]
    assert "406" not in document["paths"]["/page"]["get"]["responses"]
    assert "406" in document["paths"]["/json"]["get"]["responses"]


async def test_rows_are_streamed_by_their_schema_with_what_it_shows(library: Any) -> None:
    from covet.db.observe import record_queries

    api = Router(permissions=OPEN)

    @api.get("/export", response=AsyncIterator[ArticleLine])
    async def export() -> Any:
        return Article.objects.order_by("pk")

    @api.get("/names", response=AsyncIterator[AuthorShort])
    async def names() -> Any:
        return Author.objects

    client = await library(api)
    ann = await Author.objects.create(name="Ann", email="a@example.org")
    for title in "abc":
        await Article.objects.create(title=title, author=ann)

    with record_queries() as asked:
        answer = await client.get("/api/export")

    shown = {"id": ann.pk, "name": "Ann"}
    assert lines(answer) == [{"title": title, "author": shown} for title in "abc"]
    assert lines(await client.get("/api/names")) == [shown]
    if client.way == "asgi":
        assert len([one for one in asked if "SELECT" in one.sql]) == 1


async def test_streamed_models_need_a_schema(site: Any) -> None:
    api = Router()

    @api.get("/articles")
    async def articles() -> AsyncIterator[Article]:
        yield Article()

    with pytest.raises(ImproperlyConfigured, match=r"response=AsyncIterator\[ArticleOut\]"):
        await site([path("", include(api))])
