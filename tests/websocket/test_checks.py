"""What ``check`` says of WebSocket routes."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from covet.apps import AppConfig, apps
from covet.urls import path
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


def test_routes_that_no_library_can_serve_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """``pip install covet`` alone brings none, and uvicorn would answer every handshake with 404."""
    for library in ("websockets", "wsproto"):
        monkeypatch.setitem(sys.modules, library, None)

    assert ids(part_with(path("ws/", room))) == ["websocket.W003"]
    assert ids(part_with()) == []
