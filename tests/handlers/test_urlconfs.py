"""Routes of another URL module for some requests, and for reverse() and resolve()."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from covet.apps.registry import Apps, _current
from covet.conf import override
from covet.exceptions import ImproperlyConfigured
from covet.handlers.part import HandlersPart
from covet.http import HTMLResponse, JSONResponse, Request, Response
from covet.http.errors import NotFound
from covet.middleware.skipping import without_middleware
from covet.rest import Router
from covet.rest.part import RestPart
from covet.rest.permissions import AllowAny
from covet.urls import get_urlconf, host, include, path, resolve, reverse, set_urlconf
from covet.urls.part import UrlsPart
from tests.handlers.sites import PARTS, Site, make_application, module_of


def ByHeader(get_response: Any) -> Any:
    async def middleware(request: Request) -> Response:
        if "x-routes" in request.headers:
            request.urlconf = request.headers["x-routes"]  # type: ignore[attr-defined]
        response: Response = await get_response(request)
        response.headers["X-After"] = str(get_urlconf())
        return response

    return middleware


async def where(request: Request) -> Response:
    await asyncio.sleep(0)
    return JSONResponse(
        {"here": reverse("where"), "urlconf": get_urlconf(), "root": reverse("where", urlconf=ROOTS[0])}
    )


async def not_found(request: Request, exception: Exception) -> Response:
    return HTMLResponse("nothing for wholesalers", 404)


async def failed(request: Request) -> Response:
    return HTMLResponse("wholesale is broken", 500)


async def fail(request: Request) -> Response:
    raise RuntimeError("oh")


WHOLESALE = module_of(
    [path("wholesale/where/", where, name="where"), path("fail/", fail)], handler404=not_found, handler500=failed
)
ROOTS: list[str] = []


async def make_site(site: Site, **options: Any) -> Any:
    client = await site(
        [path("where/", where, name="where"), path("fail/", fail)],
        middleware=["tests.handlers.test_urlconfs.ByHeader"],
        URLCONFS=[WHOLESALE],
        **options,
    )
    # What ROOT_URLCONF was when the routes were compiled.
    ROOTS[:] = [_root_of(client)]
    return client


def _root_of(client: Any) -> str:
    import sys

    patterns = client.application.handler.resolver.flat[0].route
    return next(
        name
        for name, module in sys.modules.items()
        if name.startswith("covet_test_urls_") and patterns in module.urlpatterns
    )


async def test_a_middleware_chooses_the_routes_of_a_request(site: Site) -> None:
    client = await make_site(site)
    other = {"x-routes": WHOLESALE}

    plain = await client.get("/where/")
    chosen = await client.get("/wholesale/where/", headers=other)

    assert plain.json()["here"] == "/where/"
    assert chosen.json() == {"here": "/wholesale/where/", "urlconf": WHOLESALE, "root": "/where/"}
    assert chosen.headers["x-after"] == "None"
    assert (await client.get("/wholesale/where/")).status_code == 404
    assert (await client.get("/where/", headers=other)).status_code == 404
    many = await asyncio.gather(
        *(client.get("/wholesale/where/", headers=other) if n % 2 else client.get("/where/") for n in range(20))
    )
    assert [one.json()["here"] for one in many] == ["/where/", "/wholesale/where/"] * 10


async def test_pages_of_errors_are_those_of_the_module(site: Site) -> None:
    client = await make_site(site)
    page = {"accept": "text/html", "x-routes": WHOLESALE}

    assert (await client.get("/nothing/", headers=page)).text == "nothing for wholesalers"
    assert (await client.get("/fail/", headers=page)).text == "wholesale is broken"
    assert "wholesale" not in (await client.get("/fail/", headers={"accept": "text/html"})).text


async def test_a_module_that_was_not_named_is_a_fault_that_says_so(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    client = await make_site(site)

    answer = await client.get("/where/", headers={"x-routes": WHOLESALE + "x"})

    assert answer.status_code == 500
    assert f"Did you mean {WHOLESALE!r}" in caplog.text


async def test_code_may_ask_another_module_for_itself() -> None:
    with override(DATABASES={}, MIDDLEWARE=[], INSTALLED_APPS=[]):
        make_application([path("where/", where, name="where")])

    async def other() -> str:
        set_urlconf(WHOLESALE)
        return reverse("where")

    assert reverse("where", urlconf=WHOLESALE) == "/wholesale/where/"
    assert resolve("/wholesale/where/", urlconf=WHOLESALE)[0].name == "where"
    with pytest.raises(NotFound):
        resolve("/wholesale/where/")
    assert await asyncio.create_task(other()) == "/wholesale/where/"
    assert reverse("where") == "/where/"
    assert get_urlconf() is None
    with pytest.raises(ImproperlyConfigured, match="there is no module 'no'"):
        reverse("where", urlconf="no.such.urls")


async def test_the_root_module_may_be_chosen_by_its_name(site: Site) -> None:
    """A middleware that chooses for each request names the usual module, too; ``URLCONFS`` need not."""
    client = await make_site(site)

    chosen = await client.get("/where/", headers={"x-routes": ROOTS[0]})

    assert chosen.json() == {"here": "/where/", "urlconf": ROOTS[0], "root": "/where/"}


async def test_the_slash_at_the_end_is_that_of_the_chosen_routes(site: Site) -> None:
    """Neither is a client sent to an address of the usual module, nor left without one of its own."""
    client = await site(
        [path("where/", where, name="where")],
        middleware=["covet.middleware.common.CommonMiddleware", "tests.handlers.test_urlconfs.ByHeader"],
        URLCONFS=[WHOLESALE],
    )
    other = {"x-routes": WHOLESALE}

    assert (await client.get("/wholesale/where", headers=other)).headers["location"] == "/wholesale/where/"
    assert (await client.get("/where", headers=other)).status_code == 404
    assert (await client.get("/where")).headers["location"] == "/where/"


def Guard(get_response: Any) -> Any:
    async def middleware(request: Request) -> Response:
        if "x-key" not in request.headers:
            return Response(b"no", 403)
        return await get_response(request)  # type: ignore[no-any-return]

    return middleware


GUARD = "tests.handlers.test_urlconfs.Guard"


@without_middleware(GUARD)
async def unguarded(request: Request) -> Response:
    return Response(b"anybody")


async def guarded(request: Request) -> Response:
    return Response(b"with a key")


GUARDED = module_of([path("both/", unguarded), path("hook/", guarded), path("theirs/", unguarded)])


async def test_no_view_of_another_module_is_reached_past_a_layer(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """The usual module's view at the address leaves the layer out, and the one that answers does not."""
    client = await site(
        [path("hook/", unguarded), path("both/", unguarded)],
        middleware=["tests.handlers.test_urlconfs.ByHeader", GUARD],
        URLCONFS=[GUARDED],
    )
    other = {"x-routes": GUARDED}

    past = await client.get("/hook/", headers=other)

    assert past.status_code == 500
    assert f"without {GUARD}" in caplog.text
    assert (await client.get("/both/", headers=other)).text == "anybody"
    assert (await client.get("/hook/")).text == "anybody"
    # Which module answers is not known yet when the layers are chosen.
    assert (await client.get("/theirs/", headers=other)).status_code == 403


OF_A_HOST = module_of(
    [host("shop.example", [path("hook/", guarded)]), host("open.example", [path("hook/", unguarded)])]
)


async def test_nor_is_one_of_a_host_of_its_own(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    client = await site(
        [path("hook/", unguarded)],
        middleware=["tests.handlers.test_urlconfs.ByHeader", GUARD],
        URLCONFS=[OF_A_HOST],
        ALLOWED_HOSTS=[".example"],
    )

    past, free = [
        await client.get("/hook/", headers={"x-routes": OF_A_HOST, "host": name})
        for name in ("shop.example", "open.example")
    ]

    assert (past.status_code, free.text) == (500, "anybody")
    assert f"without {GUARD}" in caplog.text


async def test_checks_look_at_the_routes_of_all_modules() -> None:
    """An open write is one wherever it is mounted, and so is an address that nobody reaches."""
    api = Router(permissions=[AllowAny])
    api.post("/orders")(unused)
    module = module_of(
        [
            path("/slash/", where),
            path("theirs/", unguarded),
            path("api/", include(api)),
            path("again/", where),
            path("again/", fail),
        ]
    )
    with override(DATABASES={}, MIDDLEWARE=[GUARD], INSTALLED_APPS=["covet.rest"], URLCONFS=[module]):
        application = make_application([path("where/", where)])

        urls = list(application.apps.part(UrlsPart).check(application.apps))
        rest = list(application.apps.part(RestPart).check_deploy(application.apps))
        layers = list(application.apps.part(HandlersPart).check(application.apps))

    assert [one.id for one in urls] == ["urls.W001", "urls.E001"]
    assert [one.id for one in rest] == ["rest.W002"]
    assert [(one.id, one.obj) for one in layers] == [("middleware.W004", "tests.handlers.test_urlconfs.unguarded")]


async def unused(request: Request) -> None: ...


def test_modules_without_routes_are_refused_when_the_project_starts() -> None:
    apps = Apps()
    token = _current.set(apps)
    try:
        # A registry that another test has set up is refused it by the override already.
        with (
            pytest.raises(ImproperlyConfigured, match="no urlpatterns"),
            override(DATABASES={}, MIDDLEWARE=[], INSTALLED_APPS=[], URLCONFS=["covet.text"], ROOT_URLCONF=WHOLESALE),
        ):
            apps.setup([], PARTS)
    finally:
        _current.reset(token)


@pytest.mark.parametrize("site", ["asgi"], indirect=True)
async def test_a_tests_answer_names_the_route_of_the_module_that_was_chosen(site: Site) -> None:
    client = await make_site(site)

    own = await client.get("/where/")
    chosen = await client.get("/wholesale/where/", headers={"x-routes": WHOLESALE})
    missing = await client.get("/where/", headers={"x-routes": WHOLESALE})

    assert [one.route and one.route.pattern for one in (own, chosen, missing)] == ["where/", "wholesale/where/", None]
