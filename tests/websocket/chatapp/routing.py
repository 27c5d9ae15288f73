"""Routes that the handshake tests open."""

from __future__ import annotations

import asyncio
from typing import Any

from covet.access import AllowAny, IsAuthenticated
from covet.exceptions import PermissionDenied
from covet.http.errors import NotFound
from covet.pubsub import channel
from covet.urls import path
from covet.websocket import Consumer, JSONConsumer, WebSocket, permissions

ended: list[tuple[str, int]] = []


async def room(ws: WebSocket, name: str) -> None:
    await ws.accept()
    async with channel(f"room.{name}", presence="somebody") as ch:
        await ws.pump(ch)


async def fail(ws: WebSocket, when: str) -> None:
    if when == "before":
        raise NotFound("no such room")
    await ws.accept()
    if when == "denied":
        raise PermissionDenied("not yours")
    raise RuntimeError("a secret")


async def silent(ws: WebSocket) -> None:
    """Returns without accepting."""


async def leave(ws: WebSocket) -> None:
    await ws.accept()


@permissions(IsAuthenticated)
async def members(ws: WebSocket) -> None:
    await ws.accept()
    await ws.send_json("welcome")


@permissions(AllowAny)
async def anybody(ws: WebSocket) -> None:
    await ws.accept()
    await ws.send_json(ws.state.greeting)


async def forever(ws: WebSocket) -> None:
    await ws.accept()
    await ws.send_json("ready")
    await asyncio.Event().wait()


async def grouped(ws: WebSocket, error: str = "") -> None:
    await ws.accept()
    async with asyncio.TaskGroup() as group:
        group.create_task(ws.receive())
        if error:
            group.create_task(_broken())


async def _broken() -> None:
    raise RuntimeError("a secret")


class Echo(Consumer):
    async def receive(self, data: str | bytes) -> None:
        await self.send(data)

    async def disconnect(self, code: int) -> None:
        ended.append((self.params["name"], code))


class Members(Consumer):
    permissions = [IsAuthenticated]


class Refusing(Consumer):
    async def connect(self) -> None:
        await self.ws.deny(403, b"full")


class Typed(JSONConsumer):
    async def on_chat_message(self, content: dict[str, Any]) -> None:
        await self.send_json({"said": content["text"]})


websocket_urlpatterns = [
    path("ws/rooms/<str:name>/", room),
    path("ws/fail/<str:when>/", fail),
    path("ws/silent/", silent),
    path("ws/leave/", leave),
    path("ws/members/", members),
    path("ws/anybody/", anybody),
    path("ws/forever/", forever),
    path("ws/grouped/", grouped),
    path("ws/grouped/<str:error>/", grouped),
    path("ws/echo/<str:name>/", Echo),
    path("ws/consumers/members/", Members),
    path("ws/consumers/refusing/", Refusing),
    path("ws/typed/", Typed),
]
