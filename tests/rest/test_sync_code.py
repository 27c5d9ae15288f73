"""Sync handlers, dependencies and streams that reach the database by ``covet.run_sync``."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Annotated, Any

import pytest

import covet
from covet.db import transaction
from covet.http import Request, StreamingResponse
from covet.rest import Depends, Router
from covet.urls import path
from tests.rest.conftest import KNOWN
from tests.rest.library import Author, Tag


async def names() -> list[str]:
    return list(await Author.objects.order_by("pk").values_list("name", flat=True))


def make_api() -> Router:
    api = Router()

    def first() -> Iterator[str]:
        covet.run_sync(Tag.objects.create(name="by a dependency"))
        yield covet.run_sync(names())[0]
        covet.run_sync(Tag.objects.create(name="by its end"))

    @api.post("/add/<str:name>/")
    def add(request: Request, name: str) -> list[str]:
        covet.run_sync(Author.objects.create(name=name, email=f"{name}@example.org"))
        return covet.run_sync(names())

    @api.post("/fail/<str:name>/")
    def fail(request: Request, name: str) -> list[str]:
        covet.run_sync(Author.objects.create(name=name, email=f"{name}@example.org"))
        raise LookupError

    @api.post("/block/<str:name>/")
    def block(request: Request, name: str) -> list[str]:
        async def write() -> None:
            async with transaction.atomic():
                await Author.objects.create(name=name, email=f"{name}@example.org")
                raise LookupError

        with contextlib.suppress(LookupError):
            covet.run_sync(write())
        return covet.run_sync(names())

    @api.get("/first/")
    def get_first(one: Annotated[str, Depends(first)]) -> str:
        return one

    @api.get("/stream/")
    def stream(request: Request) -> StreamingResponse:
        def pieces() -> Iterator[bytes]:
            for name in covet.run_sync(names()):
                yield name.encode()

        return StreamingResponse(pieces())

    return api


async def test_a_sync_handler_reads_and_writes(library: Any) -> None:
    client = await library(make_api())

    assert (await client.post("/api/add/ann/", headers=KNOWN)).json() == ["ann"]
    assert (await client.post("/api/block/bob/", headers=KNOWN)).json() == ["ann"]
    assert (await client.get("/api/first/")).json() == "ann"
    assert (await client.get("/api/stream/")).text == "ann"
    assert await Tag.objects.order_by("pk").values_list("name", flat=True) == ["by a dependency", "by its end"]


async def test_a_sync_handler_joins_the_transaction_of_its_request(library: Any) -> None:
    client = await library(make_api(), atomic_requests=True)

    assert (await client.post("/api/fail/ann/", headers=KNOWN)).status_code == 500
    assert await names() == []
    assert (await client.post("/api/add/bob/", headers=KNOWN)).json() == ["bob"]
    assert (await client.post("/api/block/cid/", headers=KNOWN)).json() == ["bob"]
    assert await names() == ["bob"]


async def test_many_sync_handlers_at_once_do_not_starve(library: Any) -> None:
    """More than there are threads or connections."""
    client = await library(make_api())

    answers = await asyncio.gather(*[client.post(f"/api/add/n{n}/", headers=KNOWN) for n in range(60)])

    assert {answer.status_code for answer in answers} == {200}
    assert len(await names()) == 60


async def test_a_view_of_urls_may_be_sync_too(site: Any) -> None:
    async def late() -> str:
        await asyncio.sleep(0)
        return "late"

    def view(request: Request) -> Any:
        from covet.http import Response

        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        return Response(covet.run_sync(late()))

    client = await site([path("x", view)])
    assert (await client.get("/x")).text == "late"
