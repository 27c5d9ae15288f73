"""The debug panel: what a request did, for internal addresses in development, and nothing at all elsewhere."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from covet.conf import override
from covet.db import connections
from covet.db.freshness import freshness
from covet.debug.middleware import DebugPanelMiddleware, _with_style
from covet.debug.panel import insert
from covet.debug.requests import History, SeenRequest
from covet.exceptions import ImproperlyConfigured
from covet.http import HTMLResponse, JSONResponse, Request, Response, StreamingResponse
from covet.middleware.base import MiddlewareNotUsed
from covet.shortcuts import render
from covet.timezone import now
from covet.urls import path
from tests.handlers.sites import Site

PANEL = "covet.debug.middleware.DebugPanelMiddleware"


async def ask(text: str, *values: Any) -> None:
    await connections["default"].fetch(text, values)


async def shelf(request: Request) -> Response:
    for number in (1, 2, 2):
        await ask("SELECT ? AS book", number)
    return HTMLResponse("<html><body><h1>Shelf</h1></body></html>")


async def data(request: Request) -> Response:
    await ask("SELECT 'plain' AS book")
    return JSONResponse({"books": 1})


async def secret(request: Request) -> Response:
    await ask("SELECT ? AS password", "hunter2")
    return JSONResponse({})


async def broken(request: Request) -> Response:
    await ask("SELECT * FROM nowhere")
    return JSONResponse({})


async def cached(request: Request) -> Response:
    found = await freshness.get("key-of-books", ("books",))
    await freshness.set("key-of-books", b"[]", ("books",), found.marks or (), 60)
    await freshness.get("key-of-books", ("books",))
    return JSONResponse({})


async def templated(request: Request) -> Response:
    return await render(request, "shelf.html", {"books": ["Emma"]})


async def late(request: Request) -> Response:
    """The statement runs in ``render()``."""
    return await render(request, "shelf.html", {"books": connections["default"].fetch("SELECT 'late' AS book")})


async def streamed(request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"<html><body></body></html>"

    return StreamingResponse(pieces(), media_type="text/html")


async def many(request: Request) -> Response:
    for number in range(550):
        await ask("SELECT ? AS book", number)
    return HTMLResponse(f"<body>{'Emma ' * 500}</body>")


ROUTES = [
    path("shelf", shelf, name="shelf"),
    path("data", data),
    path("secret", secret),
    path("broken", broken),
    path("cached", cached),
    path("templated", templated),
    path("late", late),
    path("streamed", streamed),
    path("many", many),
]


@pytest.fixture
async def development(site: Site, tmp_path: Path) -> AsyncIterator[Any]:
    """Build a site with the panel; its databases are closed with the test."""

    async def build(**settings: Any) -> httpx.AsyncClient:
        settings.setdefault("DEBUG", True)
        settings.setdefault("INTERNAL_IPS", ["127.0.0.1"])
        settings.setdefault("middleware", [PANEL])
        client: httpx.AsyncClient = await site(
            ROUTES, DATABASES={"default": f"sqlite:///{tmp_path / 'db.sqlite3'}"}, **settings
        )
        return client

    yield build
    for database in connections.made:
        await database.close()


async def test_a_page_shows_its_statements_with_the_line_that_asked(development: Any) -> None:
    client = await development()
    answer = await client.get("/shelf")

    assert "<h1>Shelf</h1>" in answer.text and answer.text.endswith("</template></div></body></html>")
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert "3 statements" in answer.text
    assert f"{__file__}:{ask.__code__.co_firstlineno + 1}" in answer.text
    assert answer.text.count("2 times with the same values") == 2
    assert "3 times with different values" in answer.text
    assert re.search(r"total;dur=[\d.]+, db;dur=[\d.]+", answer.headers["server-timing"])
    style = await client.get("/__debug__/panel.css")
    assert style.headers["content-type"].startswith("text/css") and "details.covet" in style.text


async def test_a_statement_of_a_template_names_the_view(development: Any) -> None:
    """What a room of ours asks for, such as ``render()`` that awaits a queryset, the project's line has caused."""
    client = await development()
    answer = await client.get("/late")
    page = (await client.get(answer.headers["x-debug-request"])).text

    assert "SELECT &#x27;late&#x27;" in page
    assert "tests/debug/test_panel.py:" in page
    assert "covet/templates/" not in page


async def test_requests_for_json_are_in_the_history(development: Any) -> None:
    client = await development()
    answer = await client.get("/data?page=2")
    assert answer.json() == {"books": 1}
    await client.get("/shelf")

    listed = (await client.get("/__debug__/")).text
    assert listed.index("GET /shelf") < listed.index("GET /data?page=2")
    assert "__debug__/panel.css" not in listed
    page = (await client.get(answer.headers["x-debug-request"])).text
    assert "SELECT &#x27;plain&#x27; AS book" in page and "1 statement" in page
    assert f"{__name__}.data" in page and "Headers of the request" in page


async def test_a_statement_is_explained_when_asked(development: Any) -> None:
    client = await development()
    address = (await client.get("/data")).headers["x-debug-request"]
    plan = (await client.get(f"{address}/plan/0")).text
    assert "SCAN" in plan and "On default" in plan
    assert (await client.get(f"{address}/plan/1")).status_code == 404
    assert (await client.get(f"{address}/plan/x")).status_code == 404


async def test_a_slow_statement_has_its_plan_at_once(development: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # However long a machine with much to do takes to explain one.
    monkeypatch.setattr("covet.db.backends.plans._LIMIT_S", 60.0)
    client = await development(SLOW_QUERY_MS=0)
    answer = await client.get("/shelf")
    assert '<span class="bad">slow</span>' in answer.text
    page = (await client.get(answer.headers["x-debug-request"])).text
    assert "Slow: its plan" in page and "SCAN" in page


async def test_cache_calls_are_told_with_their_outcome(development: Any) -> None:
    client = await development(QUERY_CACHE="memory://")
    await freshness.clear()
    address = (await client.get("/cached")).headers["x-debug-request"]
    page = (await client.get(address)).text
    assert "3 cache calls, 1 hit" in page
    assert page.index("get: miss") < page.index("set: stored") < page.index("get: hit")


async def test_templates_are_told_with_the_names_of_their_values(development: Any, tmp_path: Path) -> None:
    (tmp_path / "shelf.html").write_text("<body>{{ books[0] }}</body>")
    client = await development(templates=tmp_path)
    answer = await client.get("/templated")
    assert "<code>shelf.html</code>" in answer.text
    assert "books" in (await client.get(answer.headers["x-debug-request"])).text


async def test_secrets_show_nowhere(development: Any) -> None:
    client = await development(SECRET_KEY="s3cret" * 10)
    answer = await client.get("/secret", headers={"Authorization": "Bearer hunter3", "Cookie": "sessionid=hunter4"})
    page = (await client.get(answer.headers["x-debug-request"])).text
    assert "hunter3" not in page and "hunter4" not in page and "authorization" in page
    settings = (await client.get("/__debug__/settings")).text
    assert "INTERNAL_IPS" in settings and "s3cret" not in settings
    plan = (await client.get(answer.headers["x-debug-request"] + "/plan/0")).text
    assert "its words tell of a secret" in plan


async def test_a_failed_request_is_kept_too(development: Any) -> None:
    client = await development()
    answer = await client.get("/broken", headers={"Accept": "text/html"})
    assert answer.status_code == 500 and "data-covet-debug" in answer.text
    page = (await client.get(answer.headers["x-debug-request"])).text
    assert "Status 500" in page and "failed: " in page


async def test_a_lost_page_and_a_lost_request_are_404(development: Any) -> None:
    client = await development()
    assert (await client.get("/nothing")).headers["x-debug-request"]
    assert (await client.get("/__debug__/ffff")).status_code == 404
    address = (await client.get("/data")).headers["x-debug-request"]
    assert (await client.get(f"{address}/else")).status_code == 404


async def test_what_cannot_be_changed_is_left_as_it_is(development: Any) -> None:
    client = await development()
    answer = await client.get("/streamed")
    assert answer.text == "<html><body></body></html>" and answer.headers["x-debug-request"]
    packed = await development(
        middleware=[PANEL, "covet.middleware.compression.CompressionMiddleware"], COMPRESSION_MIN_SIZE=1
    )
    assert "data-covet-debug" not in (await packed.get("/many")).text
    assert insert(b"<p>part</p>", "panel") is None


async def test_a_long_list_is_cut_and_says_so(development: Any) -> None:
    client = await development()
    answer = await client.get("/many")
    assert "550 statements" in answer.text and "… and 460 more" in answer.text
    assert "… and 50 more" in (await client.get(answer.headers["x-debug-request"])).text


async def test_the_panel_bears_the_nonce_of_the_page(development: Any) -> None:
    client = await development(
        middleware=[PANEL, "covet.middleware.csp.ContentSecurityPolicyMiddleware", f"{__name__}.use_nonce"],
        SECURE_CSP={"style-src": ["'nonce'"]},
    )
    assert re.search(
        r'<link rel="stylesheet" href="/__debug__/panel.css" nonce="[^"]+">', (await client.get("/shelf")).text
    )


@pytest.mark.parametrize(
    ("policy", "after"),
    [
        ("default-src 'none'; style-src 'sha256-x'", "default-src 'none'; style-src 'sha256-x' 'nonce-n'"),
        ("default-src 'none'; img-src *", "default-src 'none'; img-src *; style-src 'nonce-n'"),
        ("default-src 'self'", "default-src 'self'; style-src 'self' 'nonce-n'"),
        ("style-src 'unsafe-inline'", "style-src 'unsafe-inline'"),
        ("script-src 'self'; upgrade-insecure-requests", "script-src 'self'; upgrade-insecure-requests"),
        ("style-src-elem a.example; style-src b.example", "style-src-elem a.example 'nonce-n'; style-src b.example"),
    ],
)
def test_a_policy_without_a_nonce_lets_the_style_sheet_of_the_panel_in(policy: str, after: str) -> None:
    assert _with_style(policy, "'nonce-n'") == after


async def test_the_panel_on_our_own_pages_is_let_in_by_their_policy(development: Any) -> None:
    client = await development()

    answer = await client.get("/nothing", headers={"Accept": "text/html"})

    nonce = re.search(r'panel.css" nonce="([^"]+)"', answer.text)
    assert nonce is not None
    assert f"'nonce-{nonce[1]}'" in answer.headers["content-security-policy"]
    assert "script-src" not in answer.headers["content-security-policy"]


def use_nonce(get_response: Any) -> Any:
    async def layer(request: Request) -> Response:
        assert request.csp_nonce
        return await get_response(request)

    return layer


async def test_strangers_see_nothing(development: Any) -> None:
    client = await development(INTERNAL_IPS=["10.0.0.0/8"])
    answer = await client.get("/shelf")
    assert "data-covet-debug" not in answer.text and "x-debug-request" not in answer.headers
    assert (await client.get("/__debug__/")).status_code == 404


async def test_another_host_cannot_read_the_pages(development: Any) -> None:
    client = await development(ALLOWED_HOSTS=["testserver", "127.0.0.1"])
    assert (await client.get("/__debug__/", headers={"Host": "evil.example"})).status_code == 400


@pytest.mark.parametrize("changes", [{"DEBUG": False}, {"INTERNAL_IPS": []}], ids=["production", "nobody"])
async def test_without_debug_or_addresses_it_is_left_out(development: Any, changes: dict[str, Any]) -> None:
    client = await development(**changes)
    assert client.application.handler.layers == ()  # type: ignore[attr-defined]  # the fixture put it there
    assert (await client.get("/__debug__/")).status_code == 404


def test_a_wrong_address_is_named() -> None:
    with override(DEBUG=True, INTERNAL_IPS=["localhost"]), pytest.raises(ImproperlyConfigured, match="'localhost'"):
        DebugPanelMiddleware(None)  # type: ignore[arg-type]  # never called
    with override(DEBUG=False), pytest.raises(MiddlewareNotUsed):
        DebugPanelMiddleware(None)  # type: ignore[arg-type]  # never called


@pytest.mark.parametrize(
    ("client", "internal"),
    [
        (None, False),
        (("testclient", 1), False),
        (("::ffff:127.0.0.1", 1), True),
        (("::1", 1), True),
        (("10.1.1.1", 1), False),
    ],
    ids=["socket", "name", "mapped", "six", "other"],
)
def test_addresses_are_read_in_all_their_forms(client: tuple[str, int] | None, internal: bool) -> None:
    with override(DEBUG=True, INTERNAL_IPS=["127.0.0.1", "::1"]):
        layer = DebugPanelMiddleware(None)  # type: ignore[arg-type]  # never called
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": [], "client": client})
    assert layer.is_internal(request) is internal


def test_the_oldest_request_goes_first() -> None:
    history = History(limit=2)
    for key in "abc":
        history.add(SeenRequest(key, "GET", "/", now()))
    assert [seen.key for seen in history] == ["c", "b"]
    assert history.find("a") is None
