"""Start-up and shutdown through ASGI, and the handler that an override builds anew."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import os
import signal
from typing import Any

import pytest

from covet.apps import lifecycle
from covet.apps.draining import draining
from covet.apps.part import AppPart
from covet.apps.registry import Apps
from covet.asgi import get_asgi_application
from covet.conf import override
from covet.conf import settings as live_settings
from covet.handlers.application import Application, application_of
from covet.handlers.part import HandlersPart
from covet.handlers.prefix import BelowPrefix
from covet.http import Request, Response
from covet.loading import is_frozen
from covet.test.client import AsyncClient
from covet.types import Receive, Scope, Send
from covet.urls import path
from covet.urls.part import UrlsPart
from tests.handlers.sites import PARTS, make_application, module_of


class Recorder(AppPart):
    log: list[str] = []
    fails = False
    hangs = False

    async def startup(self) -> None:
        if self.fails:
            raise ConnectionError("the database is down")
        self.log.append("opened")

    async def shutdown(self) -> None:
        if self.hangs:
            await asyncio.sleep(60)
        self.log.append("closed")


class Lifespan:
    """The server's side of a lifespan."""

    def __init__(self, application: Application) -> None:
        self.received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: asyncio.Queue[Any] = asyncio.Queue()
        self.task = asyncio.create_task(
            application({"type": "lifespan", "asgi": {"version": "3.0"}}, self.received.get, self.sent.put)
        )

    async def tell(self, what: str) -> Any:
        await self.received.put({"type": f"lifespan.{what}"})
        async with asyncio.timeout(30):
            return await self.sent.get()


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch) -> Application:
    apps = Apps()
    apps.setup([], [Recorder])
    monkeypatch.setattr(lifecycle, "apps", apps)
    monkeypatch.setattr(Recorder, "log", [])
    return Application(apps)


async def test_parts_open_before_the_first_request_and_close_after_the_last(application: Application) -> None:
    lifespan = Lifespan(application)

    assert await lifespan.tell("startup") == {"type": "lifespan.startup.complete"}
    assert Recorder.log == ["opened"]
    assert await lifespan.tell("shutdown") == {"type": "lifespan.shutdown.complete"}
    assert Recorder.log == ["opened", "closed"]
    await lifespan.task


async def test_a_part_that_cannot_open_stops_the_start(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Recorder, "fails", True)

    answer = await Lifespan(application).tell("startup")

    assert answer == {"type": "lifespan.startup.failed", "message": "ConnectionError: the database is down"}


async def test_a_part_that_hangs_does_not_keep_the_process(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Recorder, "hangs", True)
    with override(SHUTDOWN_GRACE_S=0.05):
        lifespan = Lifespan(application)
        await lifespan.tell("startup")

        answer = await lifespan.tell("shutdown")

    assert answer["type"] == "lifespan.shutdown.failed"
    assert "SHUTDOWN_GRACE_S" in answer["message"]
    await lifespan.task


async def test_the_program_is_frozen_while_it_serves_and_no_longer(application: Application) -> None:
    """Whoever serves inside of a test run would else keep the garbage of all tests before for ever."""
    was_frozen = is_frozen()
    gc.unfreeze()
    try:
        lifespan = Lifespan(application)
        await lifespan.tell("startup")
        assert is_frozen()

        await lifespan.tell("shutdown")
        await lifespan.task
        assert not is_frozen()
    finally:
        if was_frozen:
            gc.freeze()


async def test_what_somebody_else_has_frozen_stays_so(application: Application) -> None:
    was_frozen = is_frozen()
    gc.freeze()
    try:
        lifespan = Lifespan(application)
        await lifespan.tell("startup")
        await lifespan.tell("shutdown")
        await lifespan.task
        assert is_frozen()
    finally:
        if not was_frozen:
            gc.unfreeze()


async def test_the_signal_that_a_server_waits_for_is_heard_first_and_given_back(application: Application) -> None:
    told: list[tuple[int, bool]] = []
    ended, streaming = asyncio.Event(), asyncio.Event()

    def of_the_server(number: int, frame: Any) -> None:
        told.append((number, draining.is_draining))

    async def stream() -> None:
        task = asyncio.current_task()
        assert task is not None
        draining.streams.add(task)
        streaming.set()
        try:
            await asyncio.Event().wait()
        finally:
            draining.streams.discard(task)
            ended.set()

    before = signal.signal(signal.SIGTERM, of_the_server)
    managed, draining.is_managed = draining.is_managed, False
    try:
        with override(SHUTDOWN_GRACE_S=0.01):
            lifespan = Lifespan(application)
            await lifespan.tell("startup")
            assert signal.getsignal(signal.SIGTERM) != of_the_server
            streamed = asyncio.ensure_future(stream())
            async with asyncio.timeout(30):
                await streaming.wait()
                waiting = draining.join()
                os.kill(os.getpid(), signal.SIGTERM)
                await waiting
                draining.leave(waiting)
                await ended.wait()
            await asyncio.gather(streamed, return_exceptions=True)
            assert streamed.cancelled()
            # One who asks a second time does not want to wait.
            os.kill(os.getpid(), signal.SIGTERM)
            await lifespan.tell("shutdown")
        assert signal.getsignal(signal.SIGTERM) == of_the_server
    finally:
        draining.is_managed = managed
        signal.signal(signal.SIGTERM, before)

    assert told == [(signal.SIGTERM, True), (signal.SIGTERM, True)]


async def test_the_server_hears_of_the_signal_once_load_balancers_have_seen_that_it_is_not_ready(
    application: Application,
) -> None:
    told: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    managed, draining.is_managed = draining.is_managed, False
    try:
        with override(SHUTDOWN_DELAY_S=3600.0):
            lifespan = Lifespan(application)
            await lifespan.tell("startup")
            waiting = draining.join()
            os.kill(os.getpid(), signal.SIGTERM)
            async with asyncio.timeout(30):
                await waiting
            draining.leave(waiting)
            for _ in range(20):
                await asyncio.sleep(0)
            assert draining.is_draining and not told
            await lifespan.tell("shutdown")
    finally:
        draining.is_managed = managed
        signal.signal(signal.SIGTERM, before)


async def test_where_no_server_listens_to_signals_nobody_does(application: Application) -> None:
    # Whoever else runs in this process, such as the measurement of coverage, may listen already.
    others = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
        lifespan = Lifespan(application)

        await lifespan.tell("startup")

        assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
        await lifespan.tell("shutdown")
    finally:
        signal.signal(signal.SIGTERM, others)


async def test_what_servers_call_is_a_function_that_is_known_for_the_application() -> None:
    """CPython calls it without the detour for objects; what wraps it is served by way of ASGI, also with a copied mark."""
    application = Application(Apps())

    @functools.wraps(application.serve)
    async def outer(scope: Scope, receive: Receive, send: Send) -> None:
        await application.serve(scope, receive, send)

    assert inspect.isfunction(application.serve)
    assert inspect.iscoroutinefunction(application.serve)
    assert application_of(application) is application_of(application.serve) is application
    assert application_of(outer) is None
    assert application_of(BelowPrefix(application.serve, "/shop")) is None


def test_the_project_is_served_as_a_function() -> None:
    assert inspect.isfunction(get_asgi_application())


async def test_an_unknown_scope_is_refused() -> None:
    with pytest.raises(ValueError, match="'tcp'"):
        await Application(Apps())({"type": "tcp"}, None, None)  # type: ignore[arg-type]


def add_header(get_response: Any) -> Any:
    async def middleware(request: Request) -> Response:
        response: Response = await get_response(request)
        response.headers["X-Added"] = "yes"
        return response

    return middleware


async def test_an_override_builds_routes_and_middleware_anew_and_puts_them_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def first(request: Request) -> Response:
        return Response("first")

    async def second(request: Request) -> Response:
        return Response("second")

    apps = Apps()
    with override(ROOT_URLCONF=module_of([path("", first)]), ALLOWED_HOSTS=["testserver"], DATABASES={}, MIDDLEWARE=[]):
        apps.setup([], PARTS)
        monkeypatch.setattr(live_settings, "rebuilder", apps)
        async with AsyncClient(Application(apps)) as client:
            before = apps.part(HandlersPart)
            assert (await client.get("/")).text == "first"
            with override(ROOT_URLCONF=module_of([path("", second)])):
                assert (await client.get("/")).text == "second"
            with override(MIDDLEWARE=["tests.handlers.test_lifespan.add_header"]):
                changed = await client.get("/")
                assert (changed.text, changed.headers["x-added"]) == ("first", "yes")
            assert "x-added" not in (await client.get("/")).headers
            assert apps.part(HandlersPart) is before


async def test_the_clients_of_tests_see_what_a_view_raised() -> None:
    async def fail(request: Request) -> Response:
        raise LookupError("in the view")

    with override(ALLOWED_HOSTS=["testserver"], DATABASES={}, MIDDLEWARE=[]):
        application = make_application([path("fail", fail)])
        async with AsyncClient(application) as client:
            with pytest.raises(LookupError, match="in the view"):
                await client.get("/fail")
            assert (await client.get("/nothing")).status_code == 404
        async with AsyncClient(application, raise_request_exception=False) as client:
            assert (await client.get("/fail")).status_code == 500


def test_routes_that_can_never_be_reached_are_checked() -> None:
    async def view(request: Request, **kwargs: Any) -> Response:
        return Response()

    apps = Apps()
    routes = [
        path("a/", view, name="a"),
        path("a/", view),
        path("b/", view, name="a"),
        path("/c", view),
        path(r"^e/(?P<pk>\d+)/$", view),
        path("d", view, methods=["GET"]),
        path("d", view, methods=["POST"]),
    ]
    with override(ROOT_URLCONF=module_of(routes)):
        apps.setup([], [UrlsPart])

    found = [message.id for message in apps.part(UrlsPart).check(apps)]

    assert sorted(found) == ["urls.E001", "urls.W001", "urls.W002", "urls.W003"]
