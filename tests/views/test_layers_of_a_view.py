"""Middleware round one view alone, by decorators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from covet.http import HTMLResponse, Request, Response
from covet.middleware.csp import NONCE
from covet.middleware.csrf import get_token
from covet.templates import TemplateResponse
from covet.urls import path
from covet.views import View
from covet.views.decorators import (
    conditional_page,
    csp_override,
    csp_report_only_override,
    csrf_exempt,
    csrf_protect,
    decorator_from_middleware,
    ensure_csrf_cookie,
    gzip_page,
    method_decorator,
    no_append_slash,
    requires_csrf_token,
)
from tests.handlers.sites import Site

TEXT = "a long text " * 100


async def text(request: Request, part: str = "") -> Response:
    return HTMLResponse(TEXT + part)


def in_thread(request: Request, part: str = "") -> Response:
    return HTMLResponse(TEXT + part)


async def late(request: Request) -> TemplateResponse:
    return TemplateResponse(request, "page.html")


async def token(request: Request) -> Response:
    return Response(get_token(request))


async def done(request: Request) -> Response:
    return Response(b"done")


@csrf_exempt
async def exempt(request: Request) -> Response:
    return Response(b"exempt")


async def nonce(request: Request) -> Response:
    return Response(request.csp_nonce)


class Refuses:
    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    async def process_view(self, request: Request, view: Any, args: Any, kwargs: Any) -> Response | None:
        return Response(view.__name__, 409) if request.query.get("no") else None

    async def __call__(self, request: Request) -> Response:
        response: Response = await self.get_response(request)
        return response


@method_decorator(no_append_slash, "dispatch")
class Shelf(View):
    async def get(self, request: Request) -> Response:
        return Response(b"shelf")


POLICY = {"script-src": ["'self'", NONCE]}
SITE: dict[str, Any] = {"SECRET_KEY": "k" * 50}


async def test_one_view_is_packed_or_tagged(site: Site, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(TEXT)
    client = await site(
        [
            path("packed/<part>", gzip_page(text)),
            path("thread/<part>", gzip_page(in_thread)),
            path("late", gzip_page(late)),
            path("tagged", conditional_page(text)),
            path("plain", text),
        ],
        templates=tmp_path,
    )
    gzip = {"Accept-Encoding": "gzip"}

    for address in ("/packed/end", "/thread/end"):
        packed = await client.get(address, headers=gzip)
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.text == TEXT + "end"
    assert (await client.get("/late", headers=gzip)).text == TEXT
    assert "content-encoding" not in (await client.get("/plain", headers=gzip)).headers
    tag = (await client.get("/tagged")).headers["etag"]
    assert (await client.get("/tagged", headers={"If-None-Match": tag})).status_code == 304
    assert "etag" not in (await client.get("/plain")).headers


async def test_process_view_of_a_layer_is_asked_first(site: Site) -> None:
    client = await site([path("", decorator_from_middleware(Refuses)(text))])

    assert (await client.get("/")).text == TEXT
    answer = await client.get("/?no=1")
    assert (answer.status_code, answer.text) == (409, "text")


@pytest.mark.parametrize("middleware", [[], ["covet.middleware.csrf.CsrfMiddleware"]], ids=["alone", "with the layer"])
async def test_tokens_of_one_view(site: Site, middleware: list[str]) -> None:
    client = await site(
        [
            path("protected", csrf_protect(done)),
            path("exempt", exempt),
            path("token", requires_csrf_token(token)),
            path("cookie", ensure_csrf_cookie(done)),
        ],
        middleware=middleware,
        **SITE,
    )
    session = {"Cookie": "sessionid=x", "Host": "testserver"}

    assert (await client.post("/protected", headers=session)).status_code == 403
    assert (await client.post("/exempt", headers=session)).status_code == 200
    answer = await client.get("/token")
    set_cookies = answer.headers.get_list("set-cookie")
    assert len(set_cookies) == 1 and set_cookies[0].startswith("csrftoken=")
    secret = set_cookies[0].partition("=")[2].partition(";")[0]
    proven = {"Cookie": f"sessionid=x; csrftoken={secret}", "Host": "testserver", "X-CSRFToken": answer.text}
    assert (await client.post("/protected", headers=proven)).status_code == 200
    client.cookies.clear()
    assert len((await client.get("/cookie")).headers.get_list("set-cookie")) == 1


async def test_a_view_has_a_policy_of_its_own(site: Site, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("{{ csp_nonce }}")
    client = await site(
        [
            path("usual", done),
            path("own", csp_override(POLICY)(nonce)),
            path("late", csp_override(POLICY)(late)),
            path("none", csp_override({})(csp_report_only_override({})(done))),
            path("told", csp_report_only_override({"img-src": "*"})(in_thread)),
        ],
        middleware=["covet.middleware.csp.ContentSecurityPolicyMiddleware"],
        templates=tmp_path,
        SECURE_CSP={"default-src": "'self'"},
        SECURE_CSP_REPORT_ONLY={"default-src": "'none'"},
    )
    header, told = "content-security-policy", "content-security-policy-report-only"

    assert (await client.get("/usual")).headers[header] == "default-src 'self'"
    for address in ("/own", "/late"):
        answer = await client.get(address)
        assert answer.headers[header] == f"script-src 'self' 'nonce-{answer.text}'"
        assert answer.headers[told] == "default-src 'none'"
    none = await client.get("/none")
    assert header not in none.headers and told not in none.headers
    assert (await client.get("/told")).headers[told] == "img-src *"


async def test_a_forgotten_slash_may_be_404(site: Site) -> None:
    client = await site(
        [path("shelf/", Shelf.as_view()), path("text/", text), path("posted/", done, methods=["POST"])],
        middleware=["covet.middleware.common.CommonMiddleware"],
    )

    assert (await client.get("/shelf")).status_code == 404
    assert (await client.get("/shelf/")).status_code == 200
    assert (await client.get("/text")).status_code == 301
    assert (await client.get("/posted")).status_code == 301
