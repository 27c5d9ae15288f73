"""What a request does to connections: transactions in dependencies and middleware, streams of rows, clients that leave."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest

from covet.db import connections, transaction
from covet.http import Request, StreamingResponse
from covet.http.errors import Conflict
from covet.rest import Depends, Router
from tests.rest.conftest import KNOWN
from tests.rest.library import Author


async def in_a_block() -> AsyncIterator[str]:
    async with transaction.atomic():
        yield "block"


def make_api(gate: asyncio.Event | None = None) -> Router:
    api = Router()

    @api.post("/add/<str:name>/")
    async def add(name: str, block: Annotated[str, Depends(in_a_block)]) -> str:
        assert connections["default"].in_atomic_block
        await Author.objects.create(name=name, email=f"{name}@example.org")
        if name == "conflict":
            raise Conflict("no")
        if name == "bug":
            raise LookupError
        return name

    @api.get("/rows/")
    async def rows(request: Request) -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            async for author in Author.objects.order_by("pk").iterator(chunk_size=1):
                yield author.name.encode() + b"\n"
                if gate is not None:
                    await gate.wait()

        return StreamingResponse(pieces())

    @api.get("/hang/")
    async def hang(request: Request) -> str:
        async with transaction.atomic():
            await Author.objects.create(name="hanging", email="hanging@example.org")
            await asyncio.Event().wait()
        return ""

    @api.get("/count/")
    async def count(request: Request) -> int:
        return await Author.objects.count()

    return api


async def test_a_transaction_may_stand_in_a_dependency(library: Any) -> None:
    client = await library(make_api())

    fine = await client.post("/api/add/ann/", headers=KNOWN)
    refused = await client.post("/api/add/conflict/", headers=KNOWN)
    broken = await client.post("/api/add/bug/", headers=KNOWN)

    assert (fine.status_code, refused.status_code, broken.status_code) == (200, 409, 500)
    assert await Author.objects.values_list("name", flat=True) == ["ann"]
    assert not connections["default"].in_atomic_block


async def test_transactions_of_requests_at_once_are_their_own(library: Any) -> None:
    client = await library(make_api())
    names = [*[f"n{n}" for n in range(15)], "conflict", "bug"]

    answers = await asyncio.gather(*[client.post(f"/api/add/{name}/", headers=KNOWN) for name in names])

    assert [answer.status_code for answer in answers] == [200] * 15 + [409, 500]
    assert await Author.objects.count() == 15


async def test_rows_are_streamed_and_a_client_that_leaves_frees_the_connection(library: Any) -> None:
    gate = asyncio.Event()
    client = await library(make_api(gate))
    await Author.objects.bulk_create([Author(name=f"n{n}", email=f"n{n}@example.org") for n in range(50)])

    for _ in range(12):  # more than the pool holds
        async with client.stream("GET", "/api/rows/") as response:
            first = await anext(response.aiter_raw())
            assert first.startswith(b"n0\n")
    gate.set()
    whole = await client.get("/api/rows/")

    assert whole.text.splitlines() == [f"n{n}" for n in range(50)]
    assert (await client.get("/api/count/")).json() == 50


@pytest.mark.ways("protocol")  # an ASGI server tells a view that its client left, and leaves it running
async def test_a_client_that_leaves_rolls_its_transaction_back(library: Any) -> None:
    client = await library(make_api())

    for _ in range(12):  # more than the pool holds
        try:
            async with asyncio.timeout(0.05):
                await client.get("/api/hang/")
        except TimeoutError:
            pass
    async with asyncio.timeout(30):
        added = await client.post("/api/add/ann/", headers=KNOWN)

    assert added.status_code == 200
    assert await Author.objects.values_list("name", flat=True) == ["ann"]
