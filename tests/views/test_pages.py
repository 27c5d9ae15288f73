"""Class-based views, decorators, and the pages that Covet makes itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from covet.exceptions import ImproperlyConfigured
from covet.http import HTMLResponse, Request, Response
from covet.urls import path
from covet.views import RedirectView, TemplateView, View
from covet.views.debug_frames import mask_text, read_exception, safe_repr
from covet.views.decorators import (
    cache_control,
    method_decorator,
    never_cache,
    require_POST,
    sensitive_post_parameters,
    sensitive_variables,
    vary_on_cookie,
)
from tests.handlers.sites import Site

HTML = {"accept": "text/html"}


class Article(View):
    greeting = "hello"

    async def get(self, request: Request, name: str) -> Response:
        return Response(f"{self.greeting} {name} {self.kwargs['name']}")

    def post(self, request: Request, name: str) -> Response:
        return Response("from a thread", 201)


async def test_a_class_answers_each_method_by_its_own(site: Site) -> None:
    client = await site([path("a/<str:name>", Article.as_view(greeting="hi"))])

    get, post, head = await client.get("/a/x"), await client.post("/a/x"), await client.head("/a/x")
    options, delete = await client.options("/a/x"), await client.delete("/a/x")

    assert (get.text, post.text, head.content) == ("hi x x", "from a thread", b"")
    assert options.headers["allow"] == delete.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert (options.status_code, delete.status_code) == (204, 405)


def test_as_view_refuses_what_the_class_has_not() -> None:
    class Empty(View):
        pass

    with pytest.raises(ImproperlyConfigured, match="no attribute 'greting'"):
        Article.as_view(greting="x")
    with pytest.raises(ImproperlyConfigured, match="answers to no method"):
        Empty.as_view()
    with pytest.raises(ImproperlyConfigured, match=r"Article\.as_view\(\)"):
        path("a", Article)


async def test_template_and_redirect_views(site: Site, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("{{ title }} {{ name }} {{ view.extra }}")

    class Page(TemplateView):
        template_name = "page.html"
        extra = "!"

    client = await site(
        [
            path("page/<str:name>", Page.as_view(extra_context={"title": "<T>"}), name="page"),
            path("old/<str:name>", RedirectView.as_view(pattern_name="page", permanent=True, query_string=True)),
            path("away", RedirectView.as_view(url="https://example.org/")),
        ],
        templates=tmp_path,
    )

    assert (await client.get("/page/x")).text == "&lt;T&gt; x !"
    old = await client.get("/old/y?a=1")
    assert (old.status_code, old.headers["location"]) == (301, "/page/y?a=1")
    assert (await client.get("/away")).headers["location"] == "https://example.org/"


async def test_decorators_change_what_they_say(site: Site) -> None:
    async def plain(request: Request) -> Response:
        return Response("x")

    def in_thread(request: Request) -> Response:
        return Response("y")

    @method_decorator(never_cache, name="get")
    class Never(View):
        async def get(self, request: Request) -> Response:
            return Response("z")

    client = await site(
        [
            path("post", require_POST(plain)),
            path("cached", cache_control(max_age=60, public=True)(in_thread)),
            path("never", Never.as_view()),
            path("vary", vary_on_cookie(plain)),
        ]
    )

    assert (await client.get("/post")).status_code == 405
    assert (await client.post("/post")).status_code == 200
    assert (await client.get("/cached")).headers["cache-control"] == "max-age=60, public"
    assert "no-store" in (await client.get("/never")).headers["cache-control"]
    assert (await client.get("/vary")).headers["vary"] == "Cookie"


# The debug page


class Credentials:
    def __repr__(self) -> str:
        return "Credentials(user='ann', password='p4ssw0rd!')"


async def failing(request: Request) -> Response:
    api_key = "key-123456"
    nested = {"token": "tok-999", "plain": [1, {"secret": "sec-777"}]}
    url = "postgres://ann:pw-555@host/db"
    credentials = Credentials()
    amount = 41 + 1
    try:
        raise KeyError("first")
    except KeyError as error:
        raise ValueError("it broke <b>here</b>") from error
    finally:
        del api_key, url
        _ = nested, credentials, amount


async def test_the_debug_page_shows_the_projects_frame_first_and_masks_secrets(site: Site) -> None:
    client = await site([path("fail", failing)], DEBUG=True)

    response = await client.get(
        "/fail?token=query-secret&q=shown",
        headers={**HTML, "cookie": "sessionid=cookie-secret", "authorization": "Bearer auth-secret"},
    )

    page = response.text
    assert response.status_code == 500
    for secret in ("tok-999", "sec-777", "p4ssw0rd!", "query-secret", "cookie-secret", "auth-secret"):
        assert secret not in page, secret
    assert "it broke &lt;b&gt;here&lt;/b&gt;" in page
    assert page.index("Your code") < page.index("failing") < page.index("of libraries")
    assert "caused by KeyError" in page
    assert "amount" in page
    assert "42" in page
    assert "shown" in page


async def submit(request: Request) -> Response:
    if request.content_type == "application/json":
        await request.json()
    else:
        await request.form()
    raise ValueError("after reading")


async def test_the_debug_page_shows_what_was_sent_without_secrets(site: Site) -> None:
    client = await site(
        [
            path("plain", submit),
            path("some", sensitive_post_parameters("card")(submit)),
            path("all", sensitive_post_parameters()(submit)),
        ],
        DEBUG=True,
    )
    data = {"title": "shown-title", "password": "pw-1", "card": "4111-1111"}

    plain = (await client.post("/plain", data=data, files={"picture": ("cat.png", b"x")}, headers=HTML)).text
    assert "shown-title" in plain and "4111-1111" in plain and "cat.png" in plain and "pw-1" not in plain
    some = (await client.post("/some", data=data, headers=HTML)).text
    assert "shown-title" in some and "4111-1111" not in some
    assert "shown-title" not in (await client.post("/all", data=data, headers=HTML)).text
    sent = {**data, "inner": {"token": "tok-1", "n": "shown-n"}}
    told = (await client.post("/some", json=sent, headers=HTML)).text
    assert "shown-title" in told and "shown-n" in told
    for secret in ("pw-1", "4111-1111", "tok-1"):
        assert secret not in told
    assert "Body" not in (await client.post("/plain", json=[1], headers=HTML)).text


async def test_pages_of_ours_load_and_run_nothing(site: Site) -> None:
    client = await site([path("fail", failing)], DEBUG=True)

    for address in ("/fail", "/nothing", "/"):
        response = await client.get(address, headers=HTML)
        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert not re.search(r"<script|<link|<img|\son\w+=|src=|@import|url\(", response.text)
        assert 'name="viewport"' in response.text
        assert "prefers-color-scheme:dark" in response.text


async def test_the_style_sheet_has_the_hash_that_the_policy_names(site: Site) -> None:
    import base64
    import hashlib

    client = await site([], DEBUG=True)

    response = await client.get("/", headers=HTML)

    style = response.text.split("<style>")[1].split("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in response.headers["content-security-policy"]


async def test_the_welcome_page_is_shown_until_the_root_has_a_route(site: Site) -> None:
    async def home(request: Request) -> Response:
        return HTMLResponse("mine")

    empty = await site([path("docs", home), path("blog/", home)], DEBUG=True)
    welcome = await empty.get("/", headers=HTML)
    machine = await empty.get("/")

    assert welcome.status_code == 200
    assert "Covet runs." in welcome.text
    assert 'href="/docs"' in welcome.text
    assert 'href="/blog/"' in welcome.text
    assert machine.status_code == 404

    full = await site([path("", home)], DEBUG=True)
    assert (await full.get("/", headers=HTML)).text == "mine"


async def test_in_production_the_root_without_a_route_is_404(site: Site) -> None:
    client = await site([])

    response = await client.get("/", headers=HTML)

    assert response.status_code == 404
    assert "Covet runs" not in response.text


async def test_404_in_development_lists_routes_and_a_near_one(site: Site) -> None:
    client = await site([path("articles/", failing, name="articles")], DEBUG=True)

    page = (await client.get("/artikles/", headers=HTML)).text

    assert "Did you mean <code>/articles/</code>?" in page
    assert "The routes of this project" in page


async def test_production_takes_the_projects_own_error_templates(site: Site, tmp_path: Path) -> None:
    (tmp_path / "404.html").write_text("<h1>Lost: {{ status }} {{ title }}</h1>")
    (tmp_path / "500.html").write_text("{{ broken.inside.it }}")
    client = await site([path("fail", failing)], templates=tmp_path)

    assert (await client.get("/x", headers=HTML)).text == "<h1>Lost: 404 Not Found</h1>"
    broken = await client.get("/fail", headers=HTML)
    assert (broken.status_code, broken.headers["content-type"]) == (500, "application/problem+json")


async def test_production_pages_name_the_request_id(site: Site) -> None:
    client = await site([], middleware=["covet.middleware.request_id.RequestIdMiddleware"])

    response = await client.get("/x", headers=HTML)

    assert response.headers["x-request-id"] in response.text


def test_sensitive_variables_are_hidden() -> None:
    @sensitive_variables("number")
    def pay(number: str, amount: int) -> None:
        raise RuntimeError("declined")

    @sensitive_variables()
    def hide_all(number: str) -> None:
        raise RuntimeError("declined")

    for function, arguments, shown in ((pay, ("4111", 5), True), (hide_all, ("4111",), False)):
        try:
            function(*arguments)
        except RuntimeError as error:
            frame = read_exception(error)[0].frames[-1]
        values = dict(frame.values)
        assert "4111" not in values["number"]
        assert (values.get("amount") == "5") is shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": 1, "password": "x"}, "{'a': 1, 'password': ********}"),
        ([1, (2,), {3}], "[1, (2), {3}]"),
        ((b"cookie", b"a=b"), "(b'cookie', ********)"),
        ("password=abc", "'password=********"),
    ],
)
def test_values_are_shown_without_secrets(value: Any, text: str) -> None:
    assert safe_repr(value).startswith(text)


def test_a_value_whose_repr_fails_or_never_ends_is_shown_all_the_same() -> None:
    class Bad:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    loop: list[Any] = []
    loop.append(loop)

    assert safe_repr(Bad()) == "<Bad: its repr raised RuntimeError>"
    assert "…" in safe_repr(loop)
    assert len(safe_repr("x" * 10_000)) < 700
    assert len(safe_repr({n: "x" * 100 for n in range(1000)})) < 700


def test_secrets_in_texts_are_masked() -> None:
    masked = mask_text("redis://u:pw@host token=abc, Authorization: Bearer xyz, 'api_key': 'k'")
    for secret in ("pw@", "abc", "xyz", "'k'"):
        assert secret not in masked
