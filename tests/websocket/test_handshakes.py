"""From the scope to the handler: host, route, origin, middleware, permissions, and how a connection ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
import websockets

from covet.apps import Apps
from covet.conf import override
from covet.handlers.application import Application
from covet.handlers.part import HandlersPart
from covet.pubsub.part import PubSubPart
from covet.test.websocket import WebSocketClosed, WebSocketRejected, connect
from covet.websocket import WebSocket
from covet.websocket.part import RoutingPart
from tests.websocket.chatapp import routing

HOSTS = {"ALLOWED_HOSTS": ["testserver", "127.0.0.1"], "CSRF_TRUSTED_ORIGINS": ["https://app.test"]}


class Greeting:
    """A middleware that takes part in WebSocket handshakes."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    async def __call__(self, request: Any) -> Any:
        return await self.get_response(request)

    async def process_websocket(self, ws: WebSocket) -> None:
        ws.state.greeting = f"hello at {ws.path}"
        ws.user = Nobody()


class Nobody:
    """An anonymous user, as far as permissions look."""

    pk = None
    is_authenticated = False

    def __await__(self) -> Any:
        yield from ()
        return self


@pytest.fixture(scope="module")
async def app() -> AsyncIterator[Application]:
    middleware = [f"{__name__}.Greeting"]
    with override(MIDDLEWARE=middleware, **HOSTS):
        apps = Apps()
        apps.setup(["covet.websocket", "tests.websocket.chatapp"], [PubSubPart, HandlersPart], only=None)
        with apps.use():
            await apps.startup()
            yield Application(apps)
            await apps.shutdown()


async def rejected(app: Application, url: str, **options: Any) -> WebSocketRejected:
    with pytest.raises(WebSocketRejected) as caught:
        async with connect(url, app=app, **options):
            pass
    return caught.value


async def test_two_clients_of_a_routed_room_hear_each_other(app: Application) -> None:
    async with connect("/ws/rooms/lobby/", app=app) as ann, connect("/ws/rooms/lobby/", app=app) as bob:
        await ann.send_json({"text": "hi"})
        assert await ann.receive_json() == {"text": "hi"}
        await bob.send_json({"text": "ho"})
        assert await ann.receive_json() == {"text": "ho"}


async def test_an_unknown_path_is_404(app: Application) -> None:
    assert (await rejected(app, "/ws/nothing/")).status == 404


async def test_a_host_that_is_not_ours_is_400(app: Application) -> None:
    assert (await rejected(app, "ws://evil.test/ws/rooms/lobby/")).status == 400


@pytest.mark.parametrize("origin", ["http://evil.test", "null", "https://testserver"])
async def test_a_page_of_another_site_is_refused(app: Application, origin: str) -> None:
    assert (await rejected(app, "/ws/rooms/lobby/", headers={"Origin": origin})).status == 403


@pytest.mark.parametrize("origin", ["http://testserver", "https://app.test"])
async def test_pages_of_this_site_and_of_trusted_ones_are_let_in(app: Application, origin: str) -> None:
    async with connect("/ws/rooms/lobby/", app=app, headers={"Origin": origin}) as ws:
        await ws.send_json(1)
        assert await ws.receive_json() == 1


async def test_middleware_takes_part_in_the_handshake(app: Application) -> None:
    async with connect("/ws/anybody/", app=app) as ws:
        assert await ws.receive_json() == "hello at /ws/anybody/"


@pytest.mark.parametrize("path", ["/ws/members/", "/ws/consumers/members/"])
async def test_a_route_for_members_answers_others_with_401(app: Application, path: str) -> None:
    refusal = await rejected(app, path)

    assert refusal.status == 401
    assert b'"status":401' in refusal.body.replace(b" ", b"")


async def test_an_error_before_accept_is_an_http_answer(app: Application) -> None:
    refusal = await rejected(app, "/ws/fail/before/")

    assert refusal.status == 404
    assert b"no such room" in refusal.body


async def test_a_handler_that_never_accepts_refuses(app: Application) -> None:
    assert (await rejected(app, "/ws/silent/")).status == 403


async def test_an_expected_error_after_accept_closes_with_4000_and_its_status(app: Application) -> None:
    async with connect("/ws/fail/denied/", app=app) as ws:
        assert await ws.receive_close() == 4403


async def test_an_unexpected_error_closes_with_1011_is_logged_once_and_not_told(
    app: Application, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, logger="covet.websocket"):
        async with connect("/ws/fail/after/", app=app) as ws:
            with pytest.raises(WebSocketClosed) as caught:
                await ws.receive()

    assert caught.value.code == 1011
    assert "secret" not in caught.value.reason
    told = [record for record in caplog.records if record.name == "covet.websocket"]
    assert [record.exc_info is not None for record in told] == [True]


async def test_a_client_that_leaves_the_tasks_of_a_handler_is_no_error(
    app: Application, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, logger="covet.websocket"):
        async with connect("/ws/grouped/", app=app) as ws:
            await ws.close()
        left = list(caplog.records)
        async with connect("/ws/grouped/broken/", app=app) as ws:
            assert await ws.receive_close() == 1011

    assert left == []
    assert [record.name for record in caplog.records] == ["covet.websocket"]


async def test_a_handler_that_returns_closes_with_1000(app: Application) -> None:
    async with connect("/ws/leave/", app=app) as ws:
        assert await ws.receive_close() == 1000


async def test_a_cancelled_handler_says_1012(app: Application) -> None:
    async with connect("/ws/forever/", app=app) as ws:
        assert await ws.receive_json() == "ready"
        assert ws._task is not None
        ws._task.cancel()

        assert await ws.receive_close() == 1012
        await asyncio.gather(ws._task, return_exceptions=True)
        ws._task = None


async def test_a_consumer_echoes_and_is_told_how_it_ended(app: Application) -> None:
    routing.ended.clear()
    async with connect("/ws/echo/ann/", app=app) as ws:
        await ws.send("hello")
        assert await ws.receive() == "hello"
        await ws.close(4100)

    assert routing.ended == [("ann", 4100)]


async def test_a_consumer_may_refuse(app: Application) -> None:
    refusal = await rejected(app, "/ws/consumers/refusing/")

    assert (refusal.status, refusal.body) == (403, b"full")


async def test_a_typed_message_goes_to_its_method_and_others_close(app: Application) -> None:
    async with connect("/ws/typed/", app=app) as ws:
        await ws.send_json({"type": "chat.message", "text": "hi"})
        assert await ws.receive_json() == {"said": "hi"}
        await ws.send_json({"type": "close"})
        assert await ws.receive_close() == 4400


@pytest.mark.parametrize("message", ["{", "[" * 100_000, b"\xff"], ids=["half", "deep", "bytes"])
async def test_what_is_no_json_closes_a_typed_consumer_with_1007(app: Application, message: str | bytes) -> None:
    async with connect("/ws/typed/", app=app) as ws:
        await ws.send(message)

        assert await ws.receive_close() == 1007


async def test_shutdown_closes_open_sockets_with_1012(app: Application) -> None:
    part = app.apps.part(RoutingPart)
    async with connect("/ws/rooms/lobby/", app=app) as ws:
        await part.shutdown()

        assert await ws.receive_close() == 1012
    assert part.open == set()


async def test_a_project_without_the_websocket_app_answers_404() -> None:
    with override(**HOSTS):
        apps = Apps()
        apps.setup([], [HandlersPart])

        assert (await rejected(Application(apps), "/ws/rooms/lobby/")).status == 404


async def test_a_real_client_reaches_a_room_of_the_project(app: Application, serve: Any) -> None:
    async with serve(app) as (url, _):
        async with websockets.connect(f"{url}/ws/rooms/hall/", open_timeout=60) as ws:
            await ws.send('{"text":"hi"}')
            assert await ws.recv() == '{"text":"hi"}'
        with pytest.raises(websockets.InvalidStatus) as caught:
            async with websockets.connect(f"{url}/ws/rooms/hall/", origin=websockets.Origin("http://evil.test")):
                pass

    assert caught.value.response.status_code == 403
