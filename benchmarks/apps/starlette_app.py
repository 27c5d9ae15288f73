"""The peer Starlette, which types nothing itself: pydantic by hand, as its users write it."""

from __future__ import annotations

from pydantic import TypeAdapter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from benchmarks.apps.pydantic_types import ORDERS, Order

ALL = TypeAdapter(list[Order])


async def small(request: Request) -> Response:
    """Answer a small JSON object."""
    return JSONResponse({"message": "Hello, World!"})


async def order(request: Request) -> Response:
    """Answer the body that came, checked by pydantic."""
    data = Order.model_validate_json(await request.body())
    return Response(data.model_dump_json(), media_type="application/json")


async def objects(request: Request) -> Response:
    """Answer a hundred typed objects."""
    return Response(ALL.dump_json(ORDERS), media_type="application/json")


app = Starlette(
    routes=[Route("/json", small), Route("/order", order, methods=["POST"]), Route("/objects", objects)],
)
