"""CORS: which pages of other sites may call, what they are told, and what is refused when the site starts."""

from __future__ import annotations

import re
from typing import Any

import pytest

from covet.conf import override
from covet.exceptions import ImproperlyConfigured
from covet.http import JSONResponse, Request, Response
from covet.middleware.cors import CorsMiddleware
from covet.urls import path
from tests.handlers.sites import Site

CORS = ["covet.middleware.cors.CorsMiddleware"]
APP = "https://app.example.com"
PREFLIGHT = {"Origin": APP, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-csrftoken"}


async def answer(request: Request) -> Response:
    if request.query.get("fail"):
        raise RuntimeError("no")
    return JSONResponse({"method": request.method})


ROUTES = [path("api/", answer), path("other/", answer)]


async def test_an_allowed_origin_may_read_the_answer(site: Site) -> None:
    client = await site(ROUTES, middleware=CORS, CORS_ALLOWED_ORIGINS=[APP], CORS_EXPOSE_HEADERS=["X-Total"])
    response = await client.get("/api/", headers={"Origin": APP})
    assert response.headers["access-control-allow-origin"] == APP
    assert response.headers["access-control-expose-headers"] == "X-Total"
    assert "Origin" in response.headers["vary"]
    assert "access-control-allow-credentials" not in response.headers


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://app.example.com", "https://app.example.com.evil.example", "null", ""]
)
async def test_other_origins_get_the_answer_without_leave_to_read_it(site: Site, origin: str) -> None:
    client = await site(ROUTES, middleware=CORS, CORS_ALLOWED_ORIGINS=[APP])
    response = await client.get("/api/", headers={"Origin": origin})
    assert response.status_code == 200
    assert "access-control-allow-origin" not in response.headers
    assert "Origin" in response.headers["vary"]


async def test_a_request_without_an_origin_varies_too(site: Site) -> None:
    client = await site(ROUTES, middleware=CORS, CORS_ALLOWED_ORIGINS=[APP])
    assert "Origin" in (await client.get("/api/")).headers["vary"]


async def test_a_preflight_is_answered_without_the_view(site: Site) -> None:
    client = await site(ROUTES, middleware=CORS, CORS_ALLOWED_ORIGINS=[APP], CORS_ALLOW_CREDENTIALS=True)
    response = await client.options("/api/", headers=PREFLIGHT)
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["access-control-allow-origin"] == APP
    assert "PUT" in response.headers["access-control-allow-methods"]
    assert "x-csrftoken" in response.headers["access-control-allow-headers"]
    assert response.headers["access-control-allow-credentials"] == "true"
    assert response.headers["access-control-max-age"] == "86400"


async def test_a_preflight_of_another_origin_allows_nothing(site: Site) -> None:
    client = await site(ROUTES, middleware=CORS, CORS_ALLOWED_ORIGINS=[APP])
    response = await client.options("/api/", headers={**PREFLIGHT, "Origin": "https://evil.example"})
    assert not [name for name in response.headers if name.startswith("access-control")]


async def test_errors_carry_the_headers_as_well(site: Site) -> None:
    client = await site(ROUTES, middleware=CORS, CORS_ALLOWED_ORIGINS=[APP])
    for address, status in (("/api/?fail=1", 500), ("/nothing", 404)):
        response = await client.get(address, headers={"Origin": APP})
        assert (response.status_code, response.headers["access-control-allow-origin"]) == (status, APP)


async def test_patterns_match_the_whole_origin(site: Site) -> None:
    client = await site(ROUTES, middleware=CORS, CORS_ALLOWED_ORIGIN_REGEXES=[r"https://\w+\.example\.com"])
    good = await client.get("/api/", headers={"Origin": "https://a.example.com"})
    assert good.headers["access-control-allow-origin"] == "https://a.example.com"
    bad = await client.get("/api/", headers={"Origin": "https://a.example.com.evil.example"})
    assert "access-control-allow-origin" not in bad.headers


async def test_everybody_may_be_allowed_without_credentials(site: Site) -> None:
    client = await site(ROUTES, middleware=CORS, CORS_ALLOW_ALL_ORIGINS=True)
    response = await client.get("/api/", headers={"Origin": "https://anybody.example"})
    assert response.headers["access-control-allow-origin"] == "*"
    assert "Origin" not in response.headers.get("vary", "")


async def test_paths_outside_the_pattern_are_left_alone(site: Site) -> None:
    client = await site(ROUTES, middleware=CORS, CORS_ALLOWED_ORIGINS=[APP], CORS_URLS_REGEX="^/api/")
    assert "access-control-allow-origin" not in (await client.get("/other/", headers={"Origin": APP})).headers
    assert "access-control-allow-origin" in (await client.get("/api/", headers={"Origin": APP})).headers


async def test_private_networks_are_opened_only_when_the_setting_says_so(site: Site) -> None:
    asks = {**PREFLIGHT, "Access-Control-Request-Private-Network": "true"}
    client = await site(ROUTES, middleware=CORS, CORS_ALLOWED_ORIGINS=[APP])
    assert "access-control-allow-private-network" not in (await client.options("/api/", headers=asks)).headers
    client = await site(ROUTES, middleware=CORS, CORS_ALLOWED_ORIGINS=[APP], CORS_ALLOW_PRIVATE_NETWORK=True)
    assert (await client.options("/api/", headers=asks)).headers["access-control-allow-private-network"] == "true"


async def test_without_an_allowed_origin_the_layer_is_left_out(site: Site) -> None:
    client = await site(ROUTES, middleware=CORS)
    assert client.application.handler.layers == ()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"CORS_ALLOWED_ORIGINS": ["app.example.com"]}, "'app.example.com' is no origin"),
        ({"CORS_ALLOWED_ORIGINS": ["*"]}, "Write CORS_ALLOW_ALL_ORIGINS = True"),
        ({"CORS_ALLOWED_ORIGINS": ["https://app.example.com/"]}, "scheme, host and port alone"),
        ({"CORS_ALLOWED_ORIGINS": ["https://*.example.com"]}, "CORS_ALLOWED_ORIGIN_REGEXES"),
        ({"CORS_ALLOWED_ORIGIN_REGEXES": ["("]}, "no regular expression"),
        ({"CORS_ALLOW_ALL_ORIGINS": True, "CORS_ALLOW_CREDENTIALS": True}, "act as the visitor"),
    ],
)
def test_wrong_settings_are_refused_with_what_to_write(settings: dict[str, Any], says: str) -> None:
    with override(**settings), pytest.raises(ImproperlyConfigured, match=re.escape(says)):
        CorsMiddleware(answer)
