"""The blog's WebSocket routes."""

from covet.pubsub import channel
from covet.urls import path
from covet.websocket import WebSocket


async def room(ws: WebSocket, name: str) -> None:
    """Join a room: what one says, all hear."""
    await ws.accept()
    async with channel(f"room.{name}", presence=await ws.user) as joined:
        await ws.pump(joined)


websocket_urlpatterns = [path("ws/rooms/<str:name>/", room)]
