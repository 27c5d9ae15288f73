from __future__ import annotations

from covet.access import IsAuthenticated
from covet.pubsub import channel
from covet.urls import path
from covet.websocket import WebSocket, permissions


async def room(ws: WebSocket, name: str) -> None:
    await ws.accept()
    async with channel(f"room.{name}", presence=await ws.user) as ch:
        await ws.pump(ch)


@permissions(IsAuthenticated)
async def whoami(ws: WebSocket) -> None:
    await ws.accept()
    visits = ws.session.get("visits", 0) + 1
    ws.session["visits"] = visits
    await ws.session.save()
    await ws.send_json([(await ws.user).get_username(), visits])


websocket_urlpatterns = [path("ws/rooms/<str:name>/", room), path("ws/whoami/", whoami)]
