"""What ``check`` says of WebSocket routes."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from covet.apps import AppConfig, apps
from covet.exceptions import ImproperlyConfigured
from covet.urls import host, path
from covet.websocket import JSONConsumer
from covet.websocket.part import RoutingPart


async def room(ws: Any) -> None:
    await ws.accept()


def part_with(*patterns: Any) -> RoutingPart:
    routing = ModuleType("chat.routing")
    routing.websocket_urlpatterns = list(patterns)  # type: ignore[attr-defined]
    package = ModuleType("chat")
    package.__path__ = ["."]
    part = RoutingPart()
    part.collect(AppConfig("chat", package), routing)
    part.ready(apps)
    return part


def ids(part: RoutingPart) -> list[str | None]:
    return [message.id for message in part.check(apps)]


def test_two_routes_of_one_pattern_are_reported() -> None:
    assert ids(part_with(path("ws/", room), path("ws/", room))) == ["websocket.W001"]
    assert ids(part_with(path("ws/", room), host("a.example.com", [path("ws/", room)]))) == ["websocket.W001"]
    assert ids(part_with(*[host(name, [path("ws/", room)]) for name in ("a.example.com", "b.example.com")])) == []


def test_routes_that_no_library_can_serve_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """``pip install covet`` alone brings none, and uvicorn would answer every handshake with 404."""
    for library in ("websockets", "wsproto"):
        monkeypatch.setitem(sys.modules, library, None)

    assert ids(part_with(path("ws/", room))) == ["websocket.W003"]
    assert ids(part_with()) == []


@pytest.mark.parametrize(
    ("name", "advice"),
    [("permission", "permissions"), ("permission_classes", "permissions"), ("recieve_json", "receive_json")],
)
def test_a_member_of_a_consumer_that_nobody_asks_for_is_refused(name: str, advice: str) -> None:
    async def receive_json(self: Any, content: Any) -> None: ...

    body = {name: receive_json if name == "recieve_json" else [], "__module__": "chat.consumers"}
    with pytest.raises(ImproperlyConfigured) as caught:
        type("Chat", (JSONConsumer,), body)
    assert str(caught.value) == f"A consumer has no {name!r}, as Chat has it. Write {advice}."


def test_a_consumer_has_members_of_its_own() -> None:
    class Chat(JSONConsumer):
        rooms = 3

        async def on_say(self, content: Any) -> None: ...

    assert Chat._handlers == {"say": "on_say"}
