"""Routes by host: which are tried, what the name's parameters become, and the address they have."""

from __future__ import annotations

from typing import Any

import pytest

from covet.exceptions import ImproperlyConfigured
from covet.http import JSONResponse, Request, Response
from covet.http.errors import NotFound
from covet.urls import NoReverseMatch, host, include, path
from covet.urls.resolver import Resolver
from tests.handlers.sites import Site, site

__all__ = ["site"]


def view(name: str) -> Any:
    async def answer(request: Request, **params: Any) -> Response:
        return JSONResponse([name, params])

    return answer


async def shared(request: Request) -> Response:
    return JSONResponse(["shared", {}])


ROUTES = [
    host("api.testserver", include(([path("items/<int:pk>/", view("api"), name="item")], "api"))),
    path("items/<int:pk>/", view("any"), name="item"),
    host(
        "<slug:tenant>.sites.testserver",
        [path("", view("tenant"), name="tenant"), path("<slug:page>/", view("page"), name="page")],
    ),
    host(".testserver", [path("both/", view("below"))]),
    path("shared/", shared, name="shared"),
]


@pytest.mark.parametrize(
    ("name", "address", "expected"),
    [
        ("api.testserver", "/items/3/", ["api", {"pk": 3}]),
        ("API.testserver:80", "/items/3/", ["api", {"pk": 3}]),
        ("testserver", "/items/3/", ["any", {"pk": 3}]),
        ("other.testserver", "/items/3/", ["any", {"pk": 3}]),
        ("acme.sites.testserver", "/", ["tenant", {"tenant": "acme"}]),
        ("acme.sites.testserver", "/about/", ["page", {"tenant": "acme", "page": "about"}]),
        ("acme.sites.testserver", "/shared/", ["page", {"tenant": "acme", "page": "shared"}]),
        ("api.testserver", "/both/", ["below", {}]),
        ("testserver", "/both/", ["below", {}]),
        ("other.example", "/both/", None),
        ("x.y.sites.testserver", "/", None),
        ("api.testserver", "/shared/", ["shared", {}]),
    ],
)
async def test_each_host_has_its_routes(site: Site, name: str, address: str, expected: Any) -> None:
    client = await site(ROUTES, ALLOWED_HOSTS=["*"])

    answer = await client.get(address, headers={"host": name})

    assert answer.status_code == (200 if expected else 404)
    if expected:
        assert answer.json() == expected


async def test_a_missing_slash_is_added_where_the_host_has_the_path(site: Site) -> None:
    client = await site(ROUTES, ALLOWED_HOSTS=["*"], middleware=["covet.middleware.common.CommonMiddleware"])

    assert (await client.get("/both", headers={"host": "api.testserver"})).status_code in (301, 308)
    assert (await client.get("/both", headers={"host": "else.example"})).status_code == 404


async def test_a_host_that_is_not_ours_is_400_before_a_route_is_looked_for(site: Site) -> None:
    client = await site(ROUTES)

    assert (await client.get("/shared/", headers={"host": "api.evil"})).status_code == 400


def test_reverse_puts_the_host_in_front() -> None:
    names = Resolver([*ROUTES, host("dev.localhost:8000", [path("", shared, name="dev")])]).names

    assert names.reverse("api:item", (), {"pk": 3}) == "//api.testserver/items/3/"
    assert names.reverse("item", (3,), {}) == "/items/3/"
    assert names.reverse("page", (), {"tenant": "acme", "page": "about"}) == "//acme.sites.testserver/about/"
    assert names.reverse("page", ("acme", "about"), {}) == "//acme.sites.testserver/about/"
    assert names.reverse("dev", (), {}) == "//dev.localhost:8000/"
    for tenant in ("evil.com/", "", "a b"):
        with pytest.raises(NoReverseMatch):
            names.reverse("tenant", (), {"tenant": tenant})


def test_the_trees_are_built_once_for_each_set_of_patterns() -> None:
    resolver = Resolver(ROUTES)

    for number in range(50):
        below, params = resolver.at(f"tenant-{number}.sites.testserver")
        assert params == {"tenant": f"tenant-{number}"}
        assert below.at("nothing.example")[0] is below

    assert len(resolver._by_hosts) == 1
    with pytest.raises(NotFound):
        resolver.resolve("GET", "/both/")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: host("https://x.org", []), "without scheme"),
        (lambda: host("", []), "without scheme"),
        (lambda: host("x.org/path", []), "without scheme"),
        (lambda: host("<nope:x>.org", []), "unknown converter"),
        (lambda: Resolver([path("a/", include([host("x.org", [])]))]), "root urlpatterns"),
        (lambda: Resolver([host("x.org", [host("y.org", [])])]), "root urlpatterns"),
    ],
)
def test_mistakes_are_told(make: Any, message: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=message):
        make()


def test_a_converter_that_refuses_a_name_leaves_it() -> None:
    resolver = Resolver([host("<uuid:key>.x.org", [path("", shared)])])

    assert resolver.at("nothing.x.org") == (resolver, {})
