from covet.pubsub import channel
from covet.urls import path
from covet.websocket import WebSocket


async def room(ws: WebSocket, name: str) -> None:
    await ws.accept()
    async with channel(f"room.{name}", presence=await ws.user) as ch:
        await ws.pump(ch)


websocket_urlpatterns = [path("ws/rooms/<str:name>/", room)]
