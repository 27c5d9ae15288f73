"""The peer Litestar, by pydantic models and by structs."""

from __future__ import annotations

from litestar import Litestar, get, post

from benchmarks.apps import pydantic_types, struct_types


@get("/json")
async def small() -> dict[str, str]:
    """Answer a small JSON object."""
    return {"message": "Hello, World!"}


@post("/order", status_code=200)
async def order(data: pydantic_types.Order) -> pydantic_types.Order:
    """Answer the body that came."""
    return data


@post("/order-struct", status_code=200)
async def order_struct(data: struct_types.Order) -> struct_types.Order:
    """Answer the body that came, as a struct."""
    return data


@get("/objects")
async def objects() -> list[pydantic_types.Order]:
    """Answer a hundred typed objects."""
    return pydantic_types.ORDERS


@get("/objects-struct")
async def objects_struct() -> list[struct_types.Order]:
    """Answer a hundred structs."""
    return struct_types.ORDERS


app = Litestar([small, order, order_struct, objects, objects_struct], openapi_config=None)
