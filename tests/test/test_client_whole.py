"""The test client row by row: methods, bodies, cookies, sessions, redirects, streams, WebSockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from covet.apps import apps
from covet.auth import get_user_model
from covet.auth.signals import user_logged_out
from covet.conf import override
from covet.http import JSONResponse, RedirectResponse, Request, Response, StreamingResponse
from covet.shortcuts import render
from covet.templates import TemplateDoesNotExist
from covet.test import (
    assert_contains,
    assert_html_equal,
    assert_html_not_equal,
    assert_in_html,
    assert_json_equal,
    assert_json_not_equal,
    assert_not_contains,
    assert_not_in_html,
    assert_queryset_equal,
    assert_redirects,
    assert_template_not_used,
    assert_template_used,
    assert_url_equal,
)
from covet.test.client import AsyncClient
from covet.urls import path, reverse
from tests.handlers.sites import make_application

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


async def echo(request: Request, **params: Any) -> Response:
    body = await request.body()
    return JSONResponse(
        {
            "method": request.method,
            "query": request.query.multi_items(),
            "type": request.content_type,
            "body": body.decode("latin-1"),
            "scheme": request.scheme,
            "host": request.get_host(),
            "client": request.client[0] if request.client else None,
            "agent": request.headers.get("x-agent"),
            "cookies": dict(request.cookies),
            "url": request.build_absolute_uri(),
        }
    )


async def upload(request: Request) -> Response:
    form = await request.form()
    file = form.files["picture"]
    return JSONResponse(
        {"title": form.fields["title"], "name": file.name, "type": file.content_type, "size": len(await file.read())}
    )


async def count(request: Request) -> Response:
    visits = int(request.cookies.get("visits", "0")) + 1
    response = JSONResponse(visits)
    response.set_cookie("visits", str(visits))
    return response


async def hop(request: Request, left: int) -> Response:
    if left:
        return RedirectResponse(f"/hop/{left - 1}?a=1&b=2", preserve_method=request.method == "POST")
    return JSONResponse({"method": request.method, "body": (await request.body()).decode()})


async def pieces(request: Request) -> Response:
    async def write() -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"%d;" % number

    return StreamingResponse(write())


async def broken_stream(request: Request) -> Response:
    async def write() -> AsyncIterator[bytes]:
        yield b"first"
        raise RuntimeError("half way")

    return StreamingResponse(write())


async def page(request: Request) -> Response:
    return await render(request, "page.html", {"title": "Hi & ho"})


async def fail(request: Request) -> Response:
    raise ValueError("of the view")


ROUTES = [
    path("echo", echo, name="echo"),
    path("upload", upload),
    path("count", count),
    path("hop/<int:left>", hop, name="hop"),
    path("pieces", pieces),
    path("broken", broken_stream),
    path("page", page),
    path("fail", fail),
]


@pytest.fixture
def application(tmp_path: Path) -> Any:
    (tmp_path / "page.html").write_text('<ul class="b a"><li>{{ title }}</li><li>two</li></ul>')
    changes: dict[str, Any] = {"ALLOWED_HOSTS": ["testserver"], "DATABASES": {}, "INSTALLED_APPS": [], "MIDDLEWARE": []}
    with override(**changes, TEMPLATES={"DIRS": [str(tmp_path)]}), apps.use():
        yield make_application(ROUTES)


@pytest.mark.parametrize("method", METHODS)
async def test_every_method_reaches_its_view(application: Any, method: str) -> None:
    async with AsyncClient(application) as client:
        answer = await client.request(method, "/echo")

    assert answer.json()["method"] == method


async def test_bodies_queries_headers_and_cookies_are_httpxs(application: Any) -> None:
    async with AsyncClient(
        application,
        headers={"X-Agent": "tests"},
        cookies={"a": "1"},
        params={"always": "yes"},
        client_address=("10.0.0.9", 1),
    ) as client:
        told = (await client.post("/echo", json={"n": 1}, params={"x": ["1", "2"]})).json()
        form = (await client.post("/echo", data={"name": "Ann", "tags": ["a", "b"]})).json()
        raw = (await client.put("/echo", content=b"\x00\xff", headers={"Content-Type": "x/y", "X-Agent": "own"})).json()
        empty = await client.head("/echo")

    assert told["query"] == [["always", "yes"], ["x", "1"], ["x", "2"]]
    assert (told["type"], told["body"]) == ("application/json", '{"n":1}')
    assert (told["agent"], told["cookies"], told["client"]) == ("tests", {"a": "1"}, "10.0.0.9")
    assert (form["type"], form["body"]) == ("application/x-www-form-urlencoded", "name=Ann&tags=a&tags=b")
    assert (raw["type"], raw["body"], raw["agent"]) == ("x/y", "\x00\xff", "own")
    assert empty.content == b"" and int(empty.headers["content-length"]) > 0


async def test_https_is_an_address(application: Any) -> None:
    """What Django spells ``secure=True``."""
    async with AsyncClient(application, base_url="https://testserver") as client:
        told = (await client.get("/echo")).json()

    assert (told["scheme"], told["url"]) == ("https", "https://testserver/echo")


async def test_files_and_fields_are_uploaded(application: Any) -> None:
    async with AsyncClient(application) as client:
        answer = await client.post(
            "/upload", data={"title": "A cat"}, files={"picture": ("cat.png", b"\x89PNG" * 1_000_000, "image/png")}
        )

    assert answer.json() == {"title": "A cat", "name": "cat.png", "type": "image/png", "size": 4_000_000}


async def test_cookies_of_an_answer_go_with_the_next_request(application: Any) -> None:
    async with AsyncClient(application) as client:
        assert [(await client.get("/count")).json() for _ in range(3)] == [1, 2, 3]
        client.cookies.clear()
        assert (await client.get("/count")).json() == 1


async def test_redirects_are_followed_when_asked(application: Any) -> None:
    async with AsyncClient(application) as client:
        stopped = await client.get("/hop/2")
        followed = await client.get("/hop/2", follow_redirects=True)
        posted = await client.post("/hop/1", content=b"kept", follow_redirects=True)

    assert_redirects(stopped, "/hop/1?b=2&a=1")
    assert stopped.redirect_chain == []
    assert_redirects(followed, "/hop/0?a=1&b=2")
    assert followed.redirect_chain == [("/hop/1?a=1&b=2", 302), ("/hop/0?a=1&b=2", 302)]
    assert posted.json() == {"method": "POST", "body": "kept"}
    with pytest.raises(AssertionError, match="hop/9"):
        assert_redirects(stopped, "/hop/9")
    with pytest.raises(AssertionError, match="not 301"):
        assert_redirects(stopped, "/hop/1", status=301)
    with pytest.raises(AssertionError, match="200"):
        assert_redirects(followed, "/hop/0", target_status=404)


async def test_a_stream_comes_piece_by_piece(application: Any) -> None:
    async with AsyncClient(application) as client:
        async with client.stream("GET", "/pieces") as answer:
            assert [piece async for piece in answer.aiter_bytes()] == [b"0;", b"1;", b"2;"]
        assert (await client.get("/pieces")).text == "0;1;2;"
        with pytest.raises(RuntimeError, match="half way"):
            await client.get("/broken")


async def test_an_answer_tells_its_route_and_what_was_raised(application: Any) -> None:
    async with AsyncClient(application, raise_request_exception=False) as client:
        found = await client.get("/hop/0")
        lost = await client.get("/nothing")
        failed = await client.get("/fail")
        foreign = await client.get("/echo", headers={"Host": "elsewhere"})

    assert found.route is not None and found.route.name == "hop"
    assert found.path_params == {"left": 0}
    assert lost.route is None and lost.exceptions == []
    assert failed.status_code == 500
    assert [type(error) for error in failed.exceptions] == [ValueError]
    assert foreign.status_code == 400 and foreign.route is None


async def test_an_application_that_is_none_of_ours_can_be_asked() -> None:
    async def foreign(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async with AsyncClient(foreign) as client:
        answer = await client.get("/")

    assert answer.status_code == 204 and answer.route is None


async def test_an_application_that_ends_or_fails_without_an_answer_is_told() -> None:
    async def silent(scope: Any, receive: Any, send: Any) -> None:
        return

    async def failing(scope: Any, receive: Any, send: Any) -> None:
        raise OSError("no disk")

    async with AsyncClient(silent) as client:
        with pytest.raises(RuntimeError, match="without an answer"):
            await client.get("/")
    async with AsyncClient(failing) as client:
        with pytest.raises(OSError, match="no disk"):
            await client.get("/")


PAGES = {
    "root.html": "{% block x %}{% endblock %}",
    "base.html": "{% extends 'root.html' %}{% block x %}{% block y %}{% endblock %}{% endblock %}",
    "words.html": "{% macro word() %}word{% endmacro %}",
    "macros.html": "{% from 'words.html' import word %}{% macro say() %}{{ word() }}{% endmacro %}",
    "row.html": "{% if late %}{{ late() }}{% endif %}{{ row }}",
    "whole.html": (
        "{% extends 'base.html' %}{% import 'macros.html' as macros %}{% block y %}"
        "{% for row in rows %}{% include ['none.html', 'row.html'] %}{% endfor %}{{ macros.say() }}{% endblock %}"
    ),
}


@pytest.mark.parametrize("waits", [False, True])
async def test_templates_that_a_template_asks_for_are_used_too(tmp_path: Path, waits: bool) -> None:
    """As in Django: what is extended, included or imported; and each of them once where a page is rendered anew, to wait."""
    for name, source in PAGES.items():
        (tmp_path / name).write_text(source)

    async def late() -> str:
        return "-"

    async def whole(request: Request, name: str) -> Response:
        return await render(request, [f"no_{name}", name], {"rows": [1, 2], "late": late if waits else None})

    async def part(request: Request) -> Response:
        return await render(request, "base.html#y")

    changes: dict[str, Any] = {"ALLOWED_HOSTS": ["testserver"], "DATABASES": {}, "INSTALLED_APPS": [], "MIDDLEWARE": []}
    with override(**changes, TEMPLATES={"DIRS": [str(tmp_path)]}), apps.use():
        async with AsyncClient(make_application([path("part", part), path("<str:name>", whole)])) as client:
            # The second time Jinja has the templates in its cache, and the waiting environment is taken at once.
            answers = [await client.get("/whole.html") for _ in range(3)]
            piece = await client.get("/part")
            with pytest.raises(TemplateDoesNotExist):
                await client.get("/nothing.html")

    for answer in answers:
        assert answer.text == ("-1-2word" if waits else "12word")
        assert sorted(answer.templates) == sorted([*PAGES, "row.html"])
        assert answer.templates[0] == "whole.html"
        assert all(context is answer.context for _, context in answer.rendered)
        assert_template_used(answer, "root.html", 1)
        assert_template_used(answer, "row.html", 2)
        assert_template_not_used(answer, "no_whole.html")
    assert piece.templates == ["base.html#y"]


async def test_answers_are_compared_by_what_they_say(application: Any) -> None:
    async with AsyncClient(application) as client:
        answer = await client.get("/page")
        plain = await client.get("/echo")

    assert_contains(answer, "<li>", 2)
    assert_contains(answer, "<ul class='a b'><li>Hi &#38; ho </li> <li>two</li></ul>", html=True)
    assert_not_contains(answer, "three")
    assert_template_used(answer, "page.html", 1)
    assert_template_not_used(answer, "other.html")
    assert_in_html("<li>two</li>", answer.text)
    assert_not_in_html("<li>three</li>", answer.text)
    assert_json_equal(plain.text, plain.json())
    assert_json_not_equal(plain.content, {"method": "PUT"})
    for wrong, arguments in (
        (assert_contains, (answer, "three")),
        (assert_contains, (answer, "<li>", 3)),
        (assert_not_contains, (answer, "two")),
        (assert_template_used, (answer, "other.html")),
        (assert_template_used, (answer, "page.html", 2)),
        (assert_template_not_used, (answer, "page.html")),
        (assert_in_html, ("<li>three</li>", answer.text)),
        (assert_in_html, ("<li>two</li>", answer.text, 2)),
        (assert_not_in_html, ("<li>two</li>", answer.text)),
        (assert_json_equal, (plain.text, {})),
        (assert_json_not_equal, (plain.text, plain.json())),
    ):
        with pytest.raises(AssertionError):
            wrong(*arguments)
    with pytest.raises(AssertionError, match="status 200, not 404"):
        assert_contains(answer, "two", status=404)


SAME = [
    ("<p>a  b</p>", "<p>\n a b </p>"),
    ('<input type="text" disabled>', '<input disabled="disabled" type="text" />'),
    ("<p class='x y'>&lt;</p>", '<p class="y x x">&#60;</p>'),
    ("<br>text", "<br/> text"),
    ("<p>open", "<p>open</p>"),
]
OTHER = [
    ("<p>a</p>", "<p>b</p>"),
    ("<p>a</p>", "<div>a</div>"),
    ("<pre>a  b</pre>", "<pre>a b</pre>"),
    ('<p id="1"></p>', '<p id="2"></p>'),
    ("<b>a</b>c", "<b>a</b>"),
]


@pytest.mark.parametrize(("first", "second"), SAME)
def test_html_that_says_the_same_is_equal(first: str, second: str) -> None:
    assert_html_equal(first, second)
    with pytest.raises(AssertionError, match="the same"):
        assert_html_not_equal(first, second)


@pytest.mark.parametrize(("first", "second"), OTHER)
def test_html_that_says_something_else_is_not(first: str, second: str) -> None:
    assert_html_not_equal(first, second)
    with pytest.raises(AssertionError, match="differs"):
        assert_html_equal(first, second)


def test_what_is_no_html_is_named() -> None:
    with pytest.raises(AssertionError, match="</b> closes"):
        assert_html_equal("<p></b></p>", "<p></p>")


def test_addresses_are_equal_whatever_the_order_of_their_names() -> None:
    assert_url_equal("/a?x=1&y=2&x=3", "/a?y=2&x=1&x=3")
    assert_url_equal("http://a", "http://a/")
    for other in ("/a?x=3&y=2&x=1", "/b?x=1&y=2&x=3", "/a?x=1&y=2&x=3#f"):
        with pytest.raises(AssertionError):
            assert_url_equal("/a?x=1&y=2&x=3", other)


# -- with users


def users() -> Any:
    """The users; the model can be imported once its app is set up."""
    return get_user_model().objects


async def test_log_in_by_credentials_or_without(site: str) -> None:
    user = await users().create_user("ann", password="correct horse battery")
    async with AsyncClient() as client:
        assert not await client.login(username="ann", password="wrong")
        assert (await client.get("/whoami")).json()["authenticated"] is False
        assert await client.login(username="ann", password="correct horse battery")
        assert (await client.get("/whoami")).json()["name"] == "ann"
    async with AsyncClient() as client:
        await client.force_login(user, backend="covet.auth.backends.ModelBackend")
        assert (await client.get("/whoami")).json()["name"] == "ann"


async def test_logging_in_goes_on_with_the_session_and_ends_one_of_somebody_else(site: str) -> None:
    ann, bob = [await users().create_user(name) for name in ("ann", "bob")]
    async with AsyncClient() as client:
        await client.post("/cart", json="tea")
        await client.force_login(ann)
        assert (await client.get("/cart")).json() == ["tea"]
        await client.force_login(bob)
        assert (await client.get("/cart")).json() == []
        assert (await client.get("/whoami")).json()["name"] == "bob"


async def test_logging_out_ends_the_session_where_it_is_kept(site: str) -> None:
    """A cookie that somebody has copied is worth nothing afterwards; receivers hear of it as of a visitor's."""
    user = await users().create_user("ann")
    heard: list[Any] = []

    def note(sender: Any, user: Any, **kwargs: Any) -> None:
        heard.append(user)

    user_logged_out.connect(note)
    try:
        async with AsyncClient() as client, AsyncClient() as thief:
            await client.force_login(user)
            client.cookies.set("theme", "dark")
            thief.cookies.update({"sessionid": client._cookie("sessionid") or ""})
            await client.logout()
            assert list(client.cookies.jar) == []
            assert (await thief.get("/whoami")).json()["authenticated"] is False
            await client.logout()
            assert (await client.get("/whoami")).json()["authenticated"] is False
    finally:
        user_logged_out.disconnect(note)
    assert heard == [user]


async def test_the_session_is_read_and_changed(site: str) -> None:
    async with AsyncClient() as client:
        session = await client.session()
        session["cart"] = ["tea"]
        await session.save()
        assert (await client.get("/cart")).json() == ["tea"]
        await client.post("/cart", json="milk")
        assert (await client.session())["cart"] == ["tea", "milk"]
        await client.logout()
        assert (await client.get("/cart")).json() == []


async def test_tokens_against_forgery_are_asked_for_when_wanted(site: str) -> None:
    user = await users().create_user("ann")
    async with AsyncClient() as client:
        await client.force_login(user)
        assert (await client.post("/cart", json="tea")).status_code == 200
    async with AsyncClient(enforce_csrf_checks=True) as client:
        await client.force_login(user)
        assert (await client.post("/cart", json="tea")).status_code == 403


async def test_settings_are_changed_for_a_block(site: str) -> None:
    async with AsyncClient() as client:
        async with override(MIDDLEWARE=["covet.middleware.request_id.RequestIdMiddleware"]):
            assert "x-request-id" in (await client.get("/nothing")).headers
        assert "x-request-id" not in (await client.get("/nothing")).headers


async def test_rows_of_a_queryset_are_compared(site: str) -> None:
    for name in ("ann", "bob"):
        await users().create_user(name)

    await assert_queryset_equal(users().order_by("username"), ["ann", "bob"], lambda user: user.username)
    await assert_queryset_equal(users().all(), ["bob", "ann"], lambda user: user.username, ordered=False)
    await assert_queryset_equal(users().filter(pk=0), [])
    with pytest.raises(AssertionError, match="no order"):
        await assert_queryset_equal(users().all(), ["bob", "ann"], lambda user: user.username)
    with pytest.raises(AssertionError):
        await assert_queryset_equal(users().order_by("-username"), ["ann", "bob"], lambda user: user.username)
    with pytest.raises(AssertionError, match="Missing: \\['eve'\\]"):
        await assert_queryset_equal(users().all(), ["eve"], lambda user: user.username, ordered=False)


def test_reverse_is_there(application: Any) -> None:
    assert reverse("hop", kwargs={"left": 1}) == "/hop/1"
