"""The app of the WebSocket room: installing it brings the ``routing`` module of every app to life."""

from __future__ import annotations

from covet.apps.config import AppConfig
from covet.websocket.part import RoutingPart

__all__ = ["WebSocketConfig"]


class WebSocketConfig(AppConfig):
    """Brings ``RoutingPart``."""

    name = "covet.websocket"
    label = "websocket"
    verbose_name = "WebSocket"
    parts = (RoutingPart,)
