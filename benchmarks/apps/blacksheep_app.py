"""The peer BlackSheep."""

from __future__ import annotations

from blacksheep import Application, FromJSON, Response, get, json, post

from benchmarks.apps import pydantic_types

app = Application()


@get("/json")
async def small() -> Response:
    """Answer a small JSON object."""
    return json({"message": "Hello, World!"})


@post("/order")
async def order(data: FromJSON[pydantic_types.Order]) -> Response:
    """Answer the body that came."""
    return json(data.value)


@get("/objects")
async def objects() -> Response:
    """Answer a hundred typed objects."""
    return json(pydantic_types.ORDERS)
