"""A GET of a REST endpoint with nothing before it goes without the object of its answer: it is the same answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from covet.conf import override
from covet.handlers import disconnect
from covet.handlers.application import KEPT_LENGTHS, Application
from covet.http import BackgroundTasks, Request, Response
from covet.http.errors import NotFound
from covet.middleware.base import GetResponse
from covet.rest import Router, permissions
from covet.signals import request_finished, request_started
from covet.urls import host, include, path
from tests.handlers.sites import make_application

SETTINGS: dict[str, Any] = {"ALLOWED_HOSTS": ["x"], "DATABASES": {}, "INSTALLED_APPS": [], "MIDDLEWARE": []}
done: list[str] = []
api = Router(permissions=[permissions.AllowAny])


@api.get("/small")
async def small(request: Request) -> dict[str, str]:
    return {"said": request.headers.get("x-word", ""), "by": str(request.path_params)}


@api.get("/empty")
async def empty(request: Request) -> None:
    return None


@api.get("/large")
async def large(request: Request) -> list[str]:
    return ["x" * KEPT_LENGTHS]


@api.get("/accepted", status=202)
async def accepted(request: Request) -> dict[str, str]:
    return {"is": "accepted"}


@api.get("/own")
async def own(request: Request) -> Response:
    return Response(b"own", status=203, headers={"X-Own": "1"})


@api.get("/headed")
async def headed(request: Request, response: Response) -> list[int]:
    response.headers["X-Headed"] = "1"
    return [1]


@api.get("/missing")
async def missing(request: Request) -> list[int]:
    raise NotFound("There is none.")


@api.get("/broken")
async def broken(request: Request) -> list[int]:
    raise RuntimeError("broken")


@api.get("/waits")
async def waits(request: Request) -> list[int]:
    await asyncio.sleep(0)
    return [2]


@api.get("/cleans")
async def cleans(request: Request, tasks: BackgroundTasks) -> list[int]:
    async def closed(request: Request) -> None:
        done.append("closed")

    async def task() -> None:
        done.append("task")

    request.call_at_close(closed)
    tasks.add(task)
    return [3]


@api.post("/small")
async def post(request: Request) -> list[str]:
    return ["posted"]


class Nothing:
    """A middleware that does nothing but tell that it was there."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    async def __call__(self, request: Request) -> Response:
        done.append("middleware")
        return await self.get_response(request)


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    done.clear()
    yield
    done.clear()


def application(**settings: Any) -> Application:
    with override(**{**SETTINGS, **settings}):
        return make_application([path("", include(api))])


async def ask(
    app: Application, url: str, method: str = "GET", *, fails: BaseException | None = None, **scope: Any
) -> list[Any]:
    """Return what the application sends."""
    sent: list[Any] = []

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        if fails is not None:
            raise fails
        sent.append(message)

    headers = [(b"host", b"x"), (b"x-word", b"word")]
    with override(**SETTINGS):
        await app({"type": "http", "method": method, "path": url, "headers": headers, **scope}, receive, send)
        await asyncio.sleep(0)  # what runs after the answer
    return sent


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
@pytest.mark.parametrize(
    "url",
    ["/small", "/empty", "/large", "/accepted", "/own", "/headed", "/missing", "/broken", "/waits", "/cleans", "/not"],
)
async def test_the_answer_is_the_one_that_goes_through_a_middleware(url: str, method: str) -> None:
    answers, told = [], []
    for middleware in ([], [f"{__name__}.Nothing"]):
        app = application(MIDDLEWARE=middleware)
        assert bool(app.handler.direct) is not bool(middleware)
        for _ in range(2):  # the first one compiles the endpoint
            answers.append(await ask(app, url, method))
        told.append([word for word in done if word != "middleware"])
        done.clear()

    first, *others = answers
    assert [message["type"] for message in first] == ["http.response.start", "http.response.body"]
    assert others == [first] * 3
    assert told[0] == told[1]


async def test_an_answer_is_a_list_of_its_own() -> None:
    """What stands round the application may add to it."""
    app = application()
    (head, _) = await ask(app, "/small")
    head["headers"].append((b"x-added", b"1"))

    (again, _) = await ask(app, "/small")

    assert again["headers"] == head["headers"][:-1]


async def test_below_a_mount_point_the_path_is_what_is_left() -> None:
    _, body = await ask(application(), "/below/small", root_path="/below")
    head, _ = await ask(application(), "/small", root_path="/small")

    assert body["body"].startswith(b'{"said":"word"')
    assert head["status"] == 404


async def test_what_was_opened_is_closed_when_the_answer_breaks_off() -> None:
    app = application()
    await ask(app, "/cleans")
    assert sorted(done) == ["closed", "task"]
    done.clear()

    with pytest.raises(ConnectionResetError):
        await ask(app, "/cleans", fails=ConnectionResetError())

    assert done == ["closed"]


async def test_an_answer_that_comes_after_its_client_left_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disconnect, "SWEEP_S", 0.01)
    stubborn = Router(permissions=[permissions.AllowAny])
    left = asyncio.Event()

    @stubborn.get("/")
    async def view(request: Request) -> list[int]:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            left.set()
        return [1]

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        raise AssertionError(f"nobody is there for {message}")

    with override(**SETTINGS):
        app = make_application([path("", include(stubborn))])
        assert app.handler.direct
        await app({"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"x")]}, receive, send)

    assert left.is_set()


@pytest.mark.parametrize(
    "settings",
    [
        {"MIDDLEWARE": [f"{__name__}.Nothing"]},
        {"DEBUG": True},
        {"QUERY_BUDGET": 3},
        {"TRUSTED_PROXIES": ["127.0.0.1"]},
        {"DATABASES": {"default": "sqlite://:memory:?atomic_requests=true"}},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_nothing_that_stands_before_a_view_is_passed_by(settings: dict[str, Any]) -> None:
    assert application().handler.direct
    assert not application(**settings).handler.direct


def test_hosts_are_asked_first() -> None:
    with override(**SETTINGS):
        app = make_application([host("a.x", include(api)), path("", include(api))])

    assert not app.handler.direct


@pytest.mark.parametrize("signal", [request_started, request_finished], ids=["started", "finished"])
async def test_receivers_are_told_as_long_as_there_are_any(signal: Any) -> None:
    async def receiver(sender: Any, **kwargs: Any) -> None:
        done.append("told")

    app = application()
    assert app.handler.direct
    listening: Callable[..., Any] = signal.connect
    listening(receiver)
    try:
        await ask(app, "/small")
        assert done == ["told"]
    finally:
        signal.disconnect(receiver)

    await ask(app, "/small")
    assert done == ["told"]
    assert app.handler.direct
