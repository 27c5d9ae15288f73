"""WebSocket routes beside ``urlpatterns``, for a project that is one module and no app."""

from __future__ import annotations

from typing import Any

import pytest
import websockets

from covet.access import AllowAny
from covet.apps.registry import Apps, _current
from covet.conf import override
from covet.exceptions import ImproperlyConfigured
from covet.http import Request, Response
from covet.urls import path
from covet.websocket import WebSocket, permissions
from covet.websocket.part import RoutingPart
from tests.handlers.sites import module_of, site

__all__ = ["site"]


async def index(request: Request) -> Response:
    return Response(b"here")


@permissions(AllowAny)
async def echo(ws: WebSocket, name: str) -> None:
    await ws.accept()
    async for message in ws:
        await ws.send(f"{name}: {message!s}")


async def test_a_module_of_routes_serves_both(site: Any) -> None:
    client = await site(
        [path("", index)],
        installed=["covet.websocket"],
        names={"websocket_urlpatterns": [path("ws/<str:name>/", echo)]},
    )

    page = await client.get("/")
    if client.way == "asgi":
        async with client.websocket("/ws/lobby/") as inside:
            await inside.send_text("hello")
            said = await inside.receive_text()
    else:
        address = f"ws{str(client.base_url).removeprefix('http')}/ws/lobby/"
        async with websockets.connect(address, open_timeout=60) as outside:
            await outside.send("hello")
            said = await outside.recv()

    assert (page.text, said) == ("here", "lobby: hello")


def routing_of(root: str, *installed: str) -> RoutingPart:
    apps = Apps()
    _current.set(apps)
    with override(ROOT_URLCONF=root, INSTALLED_APPS=[]):
        apps.setup([*installed, "covet.websocket"])
    return apps.part(RoutingPart)


def test_a_list_that_an_app_brought_already_is_not_there_twice() -> None:
    from tests.websocket.chatapp import routing

    own = path("own/", echo)
    part = routing_of(
        module_of([], websocket_urlpatterns=[*routing.websocket_urlpatterns, own]), "tests.websocket.chatapp"
    )

    patterns = [route.pattern for route in part.resolver.routes]
    assert len(patterns) == len(set(patterns)) == len(routing.websocket_urlpatterns) + 1
    assert patterns[-1] == "own/"


def test_what_is_no_list_is_refused_by_the_name_of_its_module() -> None:
    name = module_of([], websocket_urlpatterns=path("ws/", echo))

    with pytest.raises(ImproperlyConfigured, match=rf"{name}\.websocket_urlpatterns is a list of path"):
        routing_of(name)


def test_a_project_without_url_module_has_no_routes() -> None:
    assert routing_of("").resolver.routes == []
