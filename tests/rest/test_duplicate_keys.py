"""A body in which an object has a key twice is refused, however the handler reads it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from covet.http import Request
from covet.rest import Router, Schema
from covet.rest.permissions import AllowAny
from covet.urls import include, path


class Point(Schema):
    x: int
    inner: dict[str, int] = {}


class Spot(msgspec.Struct):
    x: int
    inner: dict[str, int] = {}


api = Router(permissions=[AllowAny])


@api.post("/schema")
async def by_schema(data: Point) -> Point:
    return data


@api.post("/struct")
async def by_struct(data: Spot) -> Spot:
    return data


@api.post("/hand")
async def by_hand(request: Request) -> Any:
    return await request.json()


@pytest.mark.parametrize("way", ["schema", "struct", "hand"])
@pytest.mark.parametrize("body", ['{"x":1,"x":2}', '{"x":1,"inner":{"a":1,"\\u0061":2}}'], ids=["outside", "inside"])
async def test_a_key_that_stands_twice_is_refused(site: Any, way: str, body: str) -> None:
    client = await site([path("", include(api))])

    refused = await client.post(f"/{way}", content=body, headers={"Content-Type": "application/json"})
    taken = await client.post(f"/{way}", json={"x": 1, "inner": {"x": 1, "a": 2}})

    assert refused.status_code == 400
    assert refused.headers["content-type"] == "application/problem+json"
    assert "twice" in refused.json()["detail"]
    assert (taken.status_code, taken.json()["inner"]) == (200, {"x": 1, "a": 2})
