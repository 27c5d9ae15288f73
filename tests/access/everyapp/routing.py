from __future__ import annotations

from covet.access import IsAuthenticated
from covet.urls import path
from covet.websocket import WebSocket, permissions


async def hello(ws: WebSocket) -> None:
    await ws.accept()
    await ws.send_json("hello")


@permissions(IsAuthenticated)
async def members(ws: WebSocket) -> None:
    await ws.accept()
    await ws.send_json("hello, member")


websocket_urlpatterns = [path("ws/hello/", hello), path("ws/members/", members)]
