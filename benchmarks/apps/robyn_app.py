"""The peer Robyn, on its own server."""

from __future__ import annotations

from pydantic import TypeAdapter
from robyn import Headers, Request, Response, Robyn

from benchmarks.apps.pydantic_types import ORDERS, Order

app = Robyn(__file__)
ALL = TypeAdapter(list[Order])
JSON = Headers({"content-type": "application/json"})


@app.get("/json")
async def small(request: Request) -> dict[str, str]:
    """Answer a small JSON object."""
    return {"message": "Hello, World!"}


@app.post("/order")
async def order(request: Request) -> Response:
    """Answer the body that came, checked by pydantic."""
    data = Order.model_validate_json(request.body)
    return Response(status_code=200, headers=JSON, description=data.model_dump_json())


@app.get("/objects")
async def objects(request: Request) -> Response:
    """Answer a hundred typed objects."""
    return Response(status_code=200, headers=JSON, description=ALL.dump_json(ORDERS).decode())


def serve(port: int) -> None:
    """Serve by one process."""
    app.start(host="127.0.0.1", port=port)
