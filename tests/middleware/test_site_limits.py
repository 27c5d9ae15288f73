"""RateLimitMiddleware: the whole site counted by address, in its slot outside authentication."""

from __future__ import annotations

import pytest

from covet.conf import override
from covet.exceptions import ImproperlyConfigured
from covet.http import Request, Response
from covet.rest.middleware import RateLimitMiddleware
from covet.rest.throttle import Throttle
from covet.urls import path
from tests.handlers.sites import Site

LIMIT = ["covet.rest.middleware.RateLimitMiddleware"]
calls: list[str] = []

by_key = Throttle("1/hour", by=lambda request: request.headers.get("x-key"), name="by-key-of-the-site")


async def home(request: Request) -> Response:
    calls.append(request.path)
    return Response("ok")


ROUTES = [path("", home), path("other", home)]


async def test_one_too_many_is_429_before_the_view(site: Site) -> None:
    calls.clear()
    client = await site(ROUTES, middleware=LIMIT, RATE_LIMITS=["2/hour"])
    answers = [await client.get(address) for address in ("/", "/other", "/nothing")]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert calls == ["/", "/other"]
    refused = answers[2]
    assert refused.headers["content-type"] == "application/problem+json"
    assert int(refused.headers["retry-after"]) > 0
    assert answers[0].headers["ratelimit-policy"] == '"site-0";q=2;w=3600'
    assert answers[0].headers["ratelimit"].startswith('"site-0";r=1')


async def test_a_throttle_of_the_project_may_count_otherwise(site: Site) -> None:
    client = await site(ROUTES, middleware=LIMIT, RATE_LIMITS=[f"{__name__}.by_key"])
    mine = f"mine-{client.way}"
    assert [(await client.get("/", headers={"X-Key": mine})).status_code for _ in range(2)] == [200, 429]
    assert [(await client.get("/")).status_code for _ in range(2)] == [200, 200]


async def test_without_limits_it_is_left_out(site: Site) -> None:
    client = await site(ROUTES, middleware=LIMIT)
    assert client.application.handler.layers == ()
    assert "ratelimit" not in (await client.get("/")).headers


def test_what_is_no_limit_is_named_with_its_setting() -> None:
    with override(RATE_LIMITS=["often/day"]), pytest.raises(ImproperlyConfigured, match="often/day"):
        RateLimitMiddleware(home)
    with override(RATE_LIMITS=[3]), pytest.raises(ImproperlyConfigured, match="RATE_LIMITS: 3 is no throttle"):
        RateLimitMiddleware(home)
