"""The guestbook over WebSocket: it says how many entries there are."""

from covet.urls import path
from covet.websocket import WebSocket

from .models import Entry


async def guestbook_count(ws: WebSocket) -> None:
    await ws.accept()
    await ws.send_json({"entries": await Entry.objects.count()})
    await ws.close()


websocket_urlpatterns = [path("ws/guestbook/", guestbook_count)]
