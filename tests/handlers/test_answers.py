"""What a client gets: statuses, headers and bodies, the same on both ways."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from covet.exceptions import PermissionDenied, SuspiciousOperation, ValidationError
from covet.http import (
    HTMLResponse,
    HTTPException,
    JSONResponse,
    RedirectResponse,
    Request,
    Response,
    TooManyRequests,
)
from covet.urls import path
from tests.handlers.sites import Site


async def hello(request: Request) -> Response:
    return JSONResponse({"hello": request.query.get("name", "world")})


def in_thread(request: Request, number: int) -> Response:
    import threading

    return Response(f"{number} {threading.current_thread() is threading.main_thread()}")


async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type=request.headers.get("content-type", "application/octet-stream"))


async def test_a_view_gets_its_query_and_gives_json(site: Site) -> None:
    client = await site([path("hello", hello)])

    response = await client.get("/hello?name=B%C3%A4r+x")

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {"hello": "Bär x"}


async def test_a_sync_view_runs_in_a_thread(site: Site) -> None:
    client = await site([path("n/<int:number>", in_thread)])

    assert (await client.get("/n/7")).text == "7 False"


async def test_head_gets_the_headers_of_get_and_no_body(site: Site) -> None:
    client = await site([path("hello", hello, methods=["GET"])])

    response = await client.head("/hello")

    assert response.status_code == 200
    assert response.headers["content-length"] == "17"
    assert response.content == b""


async def test_options_is_answered_with_the_methods(site: Site) -> None:
    client = await site([path("hello", hello, methods=["GET"]), path("hello", echo, methods=["POST"])])

    response = await client.options("/hello")

    assert response.status_code == 204
    assert response.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert "content-length" not in response.headers


async def test_a_wrong_method_is_405_with_allow_and_a_problem(site: Site) -> None:
    client = await site([path("hello", hello, methods=["GET"])])

    response = await client.delete("/hello")

    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD, OPTIONS"
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["title"] == "Method Not Allowed"


async def test_an_unknown_path_is_a_problem_for_machines_and_a_page_for_people(site: Site) -> None:
    client = await site([path("hello", hello)])

    machine = await client.get("/nothing")
    person = await client.get("/nothing", headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})

    assert machine.status_code == person.status_code == 404
    assert machine.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "There is nothing at this address.",
    }
    assert person.headers["content-type"] == "text/html; charset=utf-8"
    assert "Not Found" in person.text
    assert "hello" not in person.text  # production: no routes are told


async def test_a_failing_view_is_a_500_that_tells_nothing(site: Site) -> None:
    async def fail(request: Request) -> Response:
        raise RuntimeError("the secret recipe")

    client = await site([path("fail", fail)])

    machine = await client.get("/fail")
    person = await client.get("/fail", headers={"accept": "text/html"})

    assert machine.status_code == person.status_code == 500
    assert "recipe" not in machine.text + person.text
    assert machine.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (PermissionDenied("no"), 403),
        (SuspiciousOperation("odd"), 400),
        (ValidationError({"title": "too long"}), 422),
        (HTTPException(418, "tea"), 418),
        (TooManyRequests("slowly", retry_after_s=7), 429),
    ],
)
async def test_errors_become_their_status(site: Site, error: Exception, status: int) -> None:
    async def fail(request: Request) -> Response:
        raise error

    client = await site([path("fail", fail)])

    response = await client.get("/fail")

    assert response.status_code == response.json()["status"] == status
    if status == 422:
        assert response.json()["errors"] == [{"detail": "too long", "pointer": "/title"}]
    if status == 429:
        assert response.headers["retry-after"] == "7"


async def test_a_view_that_returns_nothing_is_told_what_to_write(site: Site) -> None:
    async def nothing(request: Request) -> Any:
        return None

    client = await site([path("x", nothing)], DEBUG=True)

    assert "returned None. Return a Response" in (await client.get("/x")).json()["detail"]


async def test_a_body_comes_back_whole(site: Site) -> None:
    client = await site([path("echo", echo)])
    small, large = b"x" * 1000, b"y" * 300_000

    for body in (b"", small, large):
        response = await client.post("/echo", content=body)
        assert response.content == body


async def test_a_chunked_body_comes_back_whole(site: Site) -> None:
    client = await site([path("echo", echo)])

    async def pieces() -> Any:
        for piece in (b"one ", b"two ", b"three"):
            yield piece

    assert (await client.post("/echo", content=pieces())).content == b"one two three"


async def test_invalid_json_is_400(site: Site) -> None:
    async def read(request: Request) -> Response:
        return JSONResponse(await request.json())

    client = await site([path("json", read)])

    for text in ("{", "", "[1,]", "[" * 100_000):
        response = await client.post("/json", content=text)
        assert response.status_code == 400, text
        assert response.json()["detail"].startswith("The body is not valid JSON")
    assert (await client.post("/json", content='{"a": [1, null]}')).json() == {"a": [1, None]}


async def test_a_body_over_the_limit_is_413_and_the_connection_goes_on(site: Site) -> None:
    client = await site([path("echo", echo)], DATA_UPLOAD_MAX_MEMORY_SIZE=1000)

    async def pieces() -> Any:
        for _ in range(20):
            yield b"x" * 100

    declared = await client.post("/echo", content=b"x" * 1001)
    chunked = await client.post("/echo", content=pieces())
    enough = await client.post("/echo", content=b"x" * 1000)

    for response in (declared, chunked):
        assert response.status_code == 413
        assert response.json()["limit"] == 1000
    assert enough.status_code == 200


async def test_cookies_are_read_and_set(site: Site) -> None:
    async def count(request: Request) -> Response:
        seen = int(request.cookies.get("seen", "0")) + 1
        response = Response(str(seen))
        response.set_cookie("seen", str(seen), httponly=True)
        response.set_cookie("other", 'a b;"c"')
        return response

    client = await site([path("count", count)])

    first = await client.get("/count")
    second = await client.get("/count")

    assert (first.text, second.text) == ("1", "2")
    assert first.headers.get_list("set-cookie")[0].startswith("seen=1;")
    assert "HttpOnly" in first.headers.get_list("set-cookie")[0]
    assert "SameSite=Lax" in first.headers.get_list("set-cookie")[0]


async def test_a_redirect_names_its_address(site: Site) -> None:
    async def go(request: Request) -> Response:
        return RedirectResponse("/hello?name=ä")

    client = await site([path("go", go), path("hello", hello)])

    response = await client.get("/go")

    assert (response.status_code, response.headers["location"]) == (302, "/hello?name=%C3%A4")


async def test_answers_without_content_have_none(site: Site) -> None:
    async def empty(request: Request, status: int) -> Response:
        return Response(b"ignored", status)

    client = await site([path("s/<int:status>", empty)])

    for status in (204, 304):
        response = await client.get(f"/s/{status}")
        assert (response.status_code, response.content) == (status, b"")


async def test_many_requests_on_one_connection_do_not_mix(site: Site) -> None:
    async def slow(request: Request, number: int) -> Response:
        await asyncio.sleep(0.001 * (number % 3))
        return HTMLResponse(f"<p>{number}</p>")

    client = await site([path("n/<int:number>", slow)])

    answers = await asyncio.gather(*(client.get(f"/n/{number}") for number in range(60)))

    assert [answer.text for answer in answers] == [f"<p>{number}</p>" for number in range(60)]


async def test_request_knows_where_it_came_from(site: Site) -> None:
    async def where(request: Request, name: str) -> Response:
        return JSONResponse(
            {
                "path": request.path,
                "full": request.get_full_path(),
                "host": request.get_host().split(":")[0],
                "secure": request.is_secure,
                "scope": request.scope["path"],
                "client": request.client[0] if request.client else None,
                "absolute": request.build_absolute_uri("/x").endswith("/x"),
            }
        )

    client = await site([path("a b/<str:name>", where)])

    response = await client.get("/a%20b/%C3%BC?q=1")

    assert response.json() == {
        "path": "/a b/ü",
        "full": "/a%20b/%C3%BC?q=1",
        "host": "testserver" if client.way == "asgi" else "127.0.0.1",
        "secure": False,
        "scope": "/a b/ü",
        "client": "127.0.0.1",
        "absolute": True,
    }


async def test_a_host_that_is_not_ours_is_400_without_its_name(site: Site) -> None:
    client = await site([path("hello", hello)], middleware=["covet.middleware.security.SecurityMiddleware"])

    response = await client.get("/hello", headers={"host": "evil.example"})

    assert response.status_code == 400
    assert "evil" not in response.text
    assert json.loads(response.content)["detail"] == "This server does not answer to that host name."


class Mute(Exception):
    def __str__(self) -> str:
        raise LookupError("no text")


class Undocumented(Exception):
    def to_problem(self) -> Any:
        raise LookupError("no document")


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("kind", [Mute, Undocumented])
async def test_an_error_that_cannot_say_what_it_is_is_a_500(
    site: Site, kind: type[Exception], debug: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A broken text must not take the answer with it, nor the trace in the log."""

    async def view(request: Request) -> Response:
        raise kind

    client = await site([path("", view)], DEBUG=debug)

    for accept in ("application/json", "text/html"):
        answer = await client.get("/", headers={"accept": accept})
        assert answer.status_code == 500
    assert kind.__name__ in caplog.text
