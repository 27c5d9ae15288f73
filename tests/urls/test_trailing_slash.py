"""The slash at the end of an address: when it is added, by which status, and when it never is."""

from __future__ import annotations

import pytest

from covet.http import JSONResponse, Request, Response
from covet.urls import include, path, re_path
from covet.views.decorators import csrf_exempt, no_append_slash
from tests.handlers.sites import Site, site

__all__ = ["site"]

COMMON = ["covet.middleware.common.CommonMiddleware"]
CSRF = ["covet.middleware.csrf.CsrfMiddleware"]


async def echo(request: Request, **params: object) -> Response:
    return JSONResponse([request.method, request.path, (await request.body()).decode()])


ROUTES = [
    path("with/", echo),
    path("only-post/", echo, methods=["POST"]),
    path("both", echo),
    path("both/", echo),
    path("no-slash", echo),
    path("strict/", no_append_slash(echo)),
    path("below/", include([path("<str:name>/", echo)])),
    re_path(r"^old/(?P<year>\d+)/$", echo),
]


@pytest.mark.parametrize(
    ("method", "status"),
    [("GET", 301), ("HEAD", 301), ("OPTIONS", 308), ("POST", 308), ("PUT", 308), ("PATCH", 308), ("DELETE", 308)],
)
async def test_reads_are_moved_by_301_and_whatever_has_a_body_by_308(site: Site, method: str, status: int) -> None:
    client = await site(ROUTES, middleware=COMMON)

    answer = await client.request(method, "/with?a=1&b=%2F%20")

    assert (answer.status_code, answer.headers["location"]) == (status, "/with/?a=1&b=%2F%20")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_write_keeps_its_method_and_its_data(site: Site, method: str) -> None:
    client = await site(ROUTES, middleware=COMMON)

    answer = await client.request(method, "/with", content="data", follow_redirects=True)

    assert answer.json() == [method, "/with/", "data"]


@pytest.mark.parametrize(
    ("address", "location"),
    [
        ("/below/x", "/below/x/"),
        ("/below/%C3%A4%20b", "/below/%C3%A4%20b/"),
        ("/below/a%3Fb", "/below/a%3Fb/"),
        ("/old/2020", "/old/2020/"),
        # The address with the slash says which methods it takes.
        ("/only-post", "/only-post/"),
    ],
)
async def test_it_is_added_wherever_the_address_with_it_exists(site: Site, address: str, location: str) -> None:
    client = await site(ROUTES, middleware=COMMON)

    answer = await client.get(address)

    assert (answer.status_code, answer.headers["location"]) == (301, location)


@pytest.mark.parametrize(
    ("address", "status"),
    [("/both", 200), ("/no-slash", 200), ("/no-slash/", 404), ("/strict", 404), ("/nothing", 404), ("/below/x/y", 404)],
)
async def test_it_is_neither_added_nor_taken_away_elsewhere(site: Site, address: str, status: int) -> None:
    client = await site(ROUTES, middleware=COMMON)

    assert (await client.get(address)).status_code == status


async def test_a_view_that_answers_404_itself_is_not_redirected(site: Site) -> None:
    async def missing(request: Request) -> Response:
        return Response(b"", 404)

    client = await site([path("a", missing), path("a/", echo)], middleware=COMMON)

    assert (await client.get("/a")).status_code == 404


@pytest.mark.parametrize("address", ["//evil.example", "//evil.example/a", "/%5Cevil.example"])
async def test_a_redirect_never_leads_to_another_host(site: Site, address: str) -> None:
    client = await site([re_path(r"^.*/$", echo)], middleware=COMMON)

    answer = await client.get(f"http://{client.base_url.netloc.decode()}{address}")

    assert answer.status_code == 301
    assert answer.headers["location"].startswith("/")
    assert not answer.headers["location"].startswith(("//", "/\\"))


@pytest.mark.parametrize("settings", [{"APPEND_SLASH": False}, {}])
async def test_without_the_setting_or_the_middleware_it_is_404(site: Site, settings: dict[str, bool]) -> None:
    client = await site(ROUTES, middleware=COMMON if settings else [], **settings)

    assert (await client.get("/with")).status_code == 404


async def test_a_mark_on_a_view_is_for_the_route_that_has_it(site: Site) -> None:
    client = await site([path("hook", csrf_exempt(echo)), path("form", echo)], middleware=CSRF, SECRET_KEY="k" * 50)
    client.cookies.set("sessionid", "somebody's")

    # The same view in two routes: what is exempt in one of them stays checked in the other.
    assert (await client.post("/hook")).status_code == 200
    assert (await client.post("/form")).status_code == 403
    assert not hasattr(echo, "csrf_exempt")
    assert csrf_exempt(echo).__qualname__ == echo.__qualname__
