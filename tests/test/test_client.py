"""The test client: what it gives besides httpx's interface."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from covet.apps import apps
from covet.conf import override
from covet.http import EventStream, RedirectResponse, Request, Response
from covet.http.streaming import ServerEvent
from covet.shortcuts import render
from covet.test.client import AsyncClient
from covet.urls import path
from tests.handlers.sites import make_application


async def news(request: Request) -> Response:
    after = int(request.headers.get("last-event-id", "0"))

    async def events() -> Any:
        for number in range(after + 1, after + 3):
            yield ServerEvent({"n": number}, event="news", id=str(number), retry_ms=10)
        yield "two\nlines"

    return EventStream(events())


async def upload(request: Request) -> Response:
    form = await request.form()
    return Response(await form.files["file"].read())


async def page(request: Request) -> Response:
    return await render(request, "page.html", {"title": "Hi"})


async def old(request: Request) -> Response:
    response = RedirectResponse("/page")
    response.set_cookie("seen", "yes")
    return response


async def fail(request: Request) -> Response:
    raise ValueError("of the view")


@pytest.fixture
def application(tmp_path: Path) -> Any:
    (tmp_path / "page.html").write_text("<p>{{ title }}</p>")
    changes: dict[str, Any] = {"ALLOWED_HOSTS": ["testserver"], "DATABASES": {}, "INSTALLED_APPS": [], "MIDDLEWARE": []}
    # ``use``: a fixture that is not async has no context of its own, and what it sets there would stay.
    with override(**changes, TEMPLATES={"DIRS": [str(tmp_path)]}), apps.use():
        yield make_application(
            [path("news", news), path("upload", upload), path("page", page), path("old", old), path("fail", fail)]
        )


async def test_server_sent_events_are_read_one_by_one_and_resumed(application: Any) -> None:
    async with AsyncClient(application) as client:
        async with client.events("/news") as events:
            first = await anext(events)
            assert (first.event, first.id, first.data, first.retry_ms) == ("news", "1", '{"n":1}', 10)
            assert [event.data async for event in events] == ['{"n":2}', "two\nlines"]
        async with client.events("/news", headers={"Last-Event-ID": "2"}) as events:
            assert (await anext(events)).id == "3"
        with pytest.raises(TypeError, match="no event stream"):
            async with client.events("/page"):
                pass
        with pytest.raises(httpx.HTTPStatusError):
            async with client.events("/nothing"):
                pass


async def test_templates_and_context_are_told(application: Any) -> None:
    async with AsyncClient(application, follow_redirects=True) as client:
        answer = await client.get("/old")
        none = await client.post("/upload", files={"file": b"bytes"})

    assert answer.text == "<p>Hi</p>"
    assert answer.templates == ["page.html"]
    assert answer.context["title"] == "Hi"
    assert [step.status_code for step in answer.history] == [302]
    assert client.cookies["seen"] == "yes"
    assert none.content == b"bytes"
    assert none.context is None


async def test_what_a_view_raises_is_raised_or_seen_as_500(application: Any) -> None:
    async with AsyncClient(application) as client:
        with pytest.raises(ValueError, match="of the view"):
            await client.get("/fail")
    async with AsyncClient(application, raise_request_exception=False) as client:
        assert (await client.get("/fail")).status_code == 500


async def test_words_of_rest_frameworks_client_are_told_what_to_write(application: Any) -> None:
    async with AsyncClient(application) as client:
        answer = await client.get("/news")

        with pytest.raises(AttributeError, match=r"Write await client\.force_login\(user\)"):
            client.force_authenticate(user=None)
        with pytest.raises(AttributeError, match=r"""Write client\.headers\["Authorization"\] = "Bearer …"\."""):
            client.credentials(HTTP_AUTHORIZATION="Bearer x")
        with pytest.raises(AttributeError, match=r"An answer has no attribute 'data'. Write response\.json\(\)\."):
            answer.data
        with pytest.raises(AttributeError, match=r"An answer has no attribute 'status'. Write response\.status_code\."):
            answer.status
        with pytest.raises(AttributeError, match=r"Write response\.content, or response\.text\."):
            answer.body
