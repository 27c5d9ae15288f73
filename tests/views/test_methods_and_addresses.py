"""Decorators that look at methods and headers, what a view class tells of itself, and the shortcuts for addresses."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from covet.exceptions import ImproperlyConfigured
from covet.http import JSONResponse, Request, Response
from covet.shortcuts import redirect, resolve_url
from covet.urls import NoReverseMatch, path, reverse, reverse_lazy
from covet.views import View
from covet.views.decorators import (
    method_decorator,
    require_GET,
    require_http_methods,
    require_POST,
    require_safe,
    vary_on_cookie,
    vary_on_headers,
    xframe_options_deny,
    xframe_options_exempt,
    xframe_options_sameorigin,
)
from tests.handlers.sites import Site

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


async def view(request: Request, **params: Any) -> Response:
    return JSONResponse([request.method, threading.current_thread() is threading.main_thread()])


def sync_view(request: Request, **params: Any) -> Response:
    return JSONResponse([request.method, threading.current_thread() is threading.main_thread()])


@pytest.mark.parametrize("inner", [view, sync_view])
@pytest.mark.parametrize(
    ("decorator", "allowed"),
    [
        (require_GET, {"GET"}),
        (require_POST, {"POST"}),
        (require_safe, {"GET", "HEAD"}),
        (require_http_methods(["GET", "put"]), {"GET", "PUT"}),
    ],
    ids=["require_GET", "require_POST", "require_safe", "require_http_methods"],
)
async def test_a_decorated_view_takes_its_methods_alone(
    site: Site, inner: Any, decorator: Any, allowed: set[str]
) -> None:
    client = await site([path("a", decorator(inner))])

    answers = {method: await client.request(method, "/a") for method in METHODS}

    assert {method for method, answer in answers.items() if answer.status_code == 200} == allowed
    for method in set(METHODS) - allowed:
        assert answers[method].status_code == 405
        assert {each.strip() for each in answers[method].headers["allow"].split(",")} >= allowed
    for method in allowed - {"HEAD"}:
        assert answers[method].json() == [method, inner is view]


@pytest.mark.parametrize(
    ("decorator", "header", "value"),
    [
        (vary_on_headers("Accept", "X-Tenant"), "vary", "Accept, X-Tenant"),
        (vary_on_cookie, "vary", "Cookie"),
        (xframe_options_deny, "x-frame-options", "DENY"),
        (xframe_options_sameorigin, "x-frame-options", "SAMEORIGIN"),
        (xframe_options_exempt, "x-frame-options", None),
    ],
    ids=["vary_on_headers", "vary_on_cookie", "deny", "sameorigin", "exempt"],
)
async def test_a_decorated_view_has_its_header(site: Site, decorator: Any, header: str, value: str | None) -> None:
    @method_decorator(decorator, "dispatch")
    class Page(View):
        async def get(self, request: Request) -> Response:
            return Response(b"page")

    client = await site(
        [path("async", decorator(view)), path("sync", decorator(sync_view)), path("class", Page.as_view())],
        middleware=["covet.middleware.security.SecurityMiddleware"],
        X_FRAME_OPTIONS="SAMEORIGIN" if value == "DENY" else "DENY",
    )

    for address in ("/async", "/sync", "/class"):
        assert (await client.get(address)).headers.get(header) == value, address


class Shelf(View):
    room = "none"

    async def get(self, request: Request, pk: int) -> Response:
        return JSONResponse([self.room, pk])


class Narrow(Shelf):
    http_method_names = ("get", "options")

    async def post(self, request: Request, pk: int) -> Response:
        raise AssertionError("not in http_method_names")


async def test_a_view_class_takes_the_values_of_its_route_and_the_methods_it_names(site: Site) -> None:
    shelf = Shelf.as_view(room="attic")
    client = await site([path("shelf/<int:pk>", shelf), path("narrow/<int:pk>", Narrow.as_view())])

    assert (await client.get("/shelf/3")).json() == ["attic", 3]
    assert (await client.post("/narrow/3")).status_code == 405
    assert shelf.view_class is Shelf
    assert shelf.view_initkwargs == {"room": "attic"}
    with pytest.raises(ImproperlyConfigured, match="rooom"):
        Shelf.as_view(rooom="attic")
    with pytest.raises(ImproperlyConfigured, match="get"):
        Shelf.as_view(get=view)


class Book:
    def get_absolute_url(self) -> str:
        return "/books/3/"


async def test_addresses_are_made_of_whatever_names_them(site: Site) -> None:
    lazy = reverse_lazy("item", kwargs={"pk": 3})
    made: list[str] = []

    async def make(request: Request) -> Response:
        made.extend(
            [
                resolve_url("item", pk=3),
                resolve_url(Book()),
                resolve_url(view),
                resolve_url("../up/"),
                resolve_url("https://other.example/a"),
                reverse("item", kwargs={"pk": 3}, query={"q": ["a b", "c"]}, fragment="top ä"),
                str(lazy),
            ]
        )
        with pytest.raises(NoReverseMatch):
            resolve_url("no-such-name")
        return redirect(Book(), permanent=True)

    client = await site([path("make", make), path("items/<int:pk>/", sync_view, name="item"), path("view/", view)])
    answer = await client.get("/make")

    assert (answer.status_code, answer.headers["location"]) == (301, "/books/3/")
    assert made == [
        "/items/3/",
        "/books/3/",
        "/view/",
        "../up/",
        "https://other.example/a",
        "/items/3/?q=a+b&q=c#top%20%C3%A4",
        "/items/3/",
    ]


@pytest.mark.parametrize(
    ("accept", "best"),
    [
        ("text/html;q=0.5, application/json", "application/json"),
        ("text/*", "text/html"),
        ("*/*", "text/html"),
        ("image/png", None),
        ("application/json;q=0, */*", "text/html"),
    ],
)
def test_the_media_type_that_a_client_likes_best(accept: str, best: str | None) -> None:
    request = Request.from_parts("GET", "/", raw_headers=[(b"accept", accept.encode())])

    assert request.get_preferred_type(["text/html", "application/json"]) == best
    assert request.accepts("text/html") is (accept != "image/png")
