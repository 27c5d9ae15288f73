"""Work after the answer: it starts then, its errors are logged, a server that stops waits for it."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest

from covet import timezone
from covet.http import (
    BackgroundTask,
    BackgroundTasks,
    HTMLResponse,
    JSONResponse,
    NotFound,
    Request,
    Response,
    StreamingResponse,
)
from covet.http.background import running
from covet.i18n import language
from covet.urls import path
from tests.handlers.sites import Site


async def finished(done: list[Any] | None = None, count: int = 0) -> None:
    """Wait until nothing runs; over a real server the answer may be here before its task has begun."""
    async with asyncio.timeout(30):
        while len(done or ()) < count:
            await asyncio.sleep(0.001)
        await running.drain()


def chosen(get_response: Any) -> Any:
    """A layer that chooses language and time zone for its ``with`` block."""

    async def layer(request: Request) -> Response:
        with language.override("de"), timezone.override("Asia/Tokyo"):
            return await get_response(request)  # type: ignore[no-any-return]

    return layer


async def test_tasks_run_in_the_language_and_zone_of_the_view(site: Site) -> None:
    """Async ones and those in threads, however they were given."""
    done: list[str] = []

    async def note() -> None:
        done.append(f"{language.get_language()} {timezone.get_current_timezone_name()}")

    def in_thread() -> None:
        done.append(f"{language.get_language()} {timezone.get_current_timezone_name()}")

    async def view(request: Request) -> Response:
        request.run_after(note)
        request.run_after(in_thread)
        return JSONResponse({}, background=note)

    async def plain(request: Request) -> Response:
        return Response(b"a", background=in_thread)

    async def several(request: Request) -> Response:
        return Response(b"a", background=BackgroundTasks([note, BackgroundTask(in_thread), BackgroundTasks([note])]))

    routes = [path("", view), path("plain", plain), path("several", several)]
    client = await site(routes, middleware=[f"{__name__}.chosen"])

    await client.get("/")
    await finished(done, 3)
    await client.get("/plain")
    await finished(done, 4)
    await client.get("/several")
    await finished(done, 7)

    assert done == 7 * ["de Asia/Tokyo"]


@pytest.mark.parametrize("kind", ["bytes", "json", "html", "stream"])
async def test_a_task_of_a_response_runs_after_it(site: Site, kind: str) -> None:
    done: list[Any] = []

    async def note(value: int, *, more: str) -> None:
        done.append((value, more))

    async def view(request: Request) -> Response:
        task = BackgroundTask(note, 1, more="x")
        if kind == "json":
            return JSONResponse({}, background=task)
        if kind == "html":
            return HTMLResponse("a", background=task)
        response: Response = Response(b"a", background=task)
        if kind == "stream":
            response = StreamingResponse([b"a"])
            response.background = task
        assert not done
        return response

    client = await site([path("", view)])

    assert (await client.get("/")).status_code == 200
    await finished(done, 1)

    assert done == [(1, "x")]


async def test_what_a_request_asks_for_runs_in_order_and_in_threads_where_it_is_sync(site: Site) -> None:
    done: list[Any] = []

    def sync(value: int) -> None:
        done.append((value, threading.current_thread() is threading.main_thread()))

    async def note(value: int) -> None:
        done.append(value)

    async def view(request: Request) -> Response:
        request.run_after(note, 1)
        request.run_after(sync, 2)
        request.run_after(note, 3)
        return Response(background=lambda: done.append("own"))

    client = await site([path("", view)])

    await client.get("/")
    await finished(done, 4)

    done.remove("own")
    assert done == [1, (2, False), 3]


async def test_a_task_that_fails_is_logged_and_the_next_one_runs(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []

    async def fail() -> None:
        raise RuntimeError("no mail server")

    tasks = BackgroundTasks()
    tasks.add(fail)
    tasks.add(done.append, "second")

    async def view(request: Request) -> Response:
        return Response(b"ok", background=tasks)

    client = await site([path("", view)])
    with caplog.at_level(logging.ERROR, logger="covet.background"):
        answer = await client.get("/")
        await finished(done, 1)

    assert answer.text == "ok"
    assert done == ["second"]
    assert "no mail server" in caplog.text


async def test_what_a_failing_view_asked_for_does_not_run(site: Site) -> None:
    done: list[str] = []

    async def view(request: Request) -> Response:
        request.run_after(done.append, "mail")
        raise NotFound("There is no such thing.")

    client = await site([path("", view)])

    assert (await client.get("/")).status_code == 404
    await finished()

    assert done == []


async def test_the_end_of_a_server_waits_for_tasks_and_then_cancels_them(caplog: pytest.LogCaptureFixture) -> None:
    ended: list[str] = []
    go = asyncio.Event()

    async def short() -> None:
        await go.wait()
        ended.append("short")
        running.start(BackgroundTask(ended.append, "its own"))

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    running.start(short)
    asyncio.get_running_loop().call_soon(go.set)
    await running.drain(5)
    assert ended == ["short", "its own"]

    running.start(endless)
    await asyncio.sleep(0)
    await running.drain(0.01)

    assert ended[-1] == "cancelled"
    assert len(running) == 0
    assert "are cancelled" in caplog.text


def test_a_background_task_is_a_function() -> None:
    with pytest.raises(TypeError, match="a function and its arguments"):
        BackgroundTask(1)  # type: ignore[arg-type]
    assert "append" in repr(BackgroundTask([].append, 1))


async def test_every_function_for_the_end_of_a_request_is_called_though_one_fails() -> None:
    told: list[str] = []
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": []})

    async def first(request: Request) -> None:
        told.append("first")

    async def second(request: Request) -> None:
        told.append("second")
        raise RuntimeError("it fails")

    request.call_at_close(first)
    request.run_after(told.append, "after")
    request.call_at_close(second)

    with pytest.raises(RuntimeError, match="it fails"):
        await request.close()
    await finished()
    await request.close()

    assert sorted(told) == ["after", "first", "second"]
    assert told.index("second") < told.index("first")


async def test_a_task_that_waits_for_all_others_does_not_wait_for_itself() -> None:
    go_on, over = asyncio.Event(), asyncio.Event()
    told: list[str] = []

    async def other() -> None:
        await go_on.wait()
        told.append("other")

    async def last() -> None:
        await running.drain()
        told.append("last")
        over.set()

    running.start(last)
    running.start(other)
    await asyncio.sleep(0)
    go_on.set()
    async with asyncio.timeout(30):
        await over.wait()

    assert told == ["other", "last"]
