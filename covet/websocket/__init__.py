"""WebSockets: ``WebSocket`` for function handlers, ``Consumer`` for class-based ones, routed by each app's ``routing.py``."""

from covet.websocket.codes import WebSocketDisconnect, WebSocketError
from covet.websocket.connection import WebSocket
from covet.websocket.consumer import Consumer, JSONConsumer
from covet.websocket.guard import permissions
from covet.websocket.pump import pump

__all__ = [
    "Consumer",
    "JSONConsumer",
    "WebSocket",
    "WebSocketDisconnect",
    "WebSocketError",
    "permissions",
    "pump",
]
