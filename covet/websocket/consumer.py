"""Class-based WebSocket handlers: one object for each connection, a method for each thing that happens.

``path("ws/chat/", ChatConsumer)`` routes to one; the class itself is the handler.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from covet.conf import settings
from covet.exceptions import ImproperlyConfigured
from covet.json import JSONDecodeError, loads
from covet.text import misspelt
from covet.websocket.codes import INVALID_PAYLOAD, NORMAL
from covet.websocket.connection import WebSocket
from covet.websocket.foreign import OF_CONSUMERS, answer

__all__ = ["Consumer", "JSONConsumer"]


class Consumer:
    """Handles one connection; subclasses write ``connect``, ``receive`` and ``disconnect`` as they need.

    ``permissions`` says who may connect, instead of ``DEFAULT_PERMISSIONS``.
    """

    permissions: ClassVar[tuple[Any, ...] | list[Any] | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        ours = next(one for one in cls.__mro__[1:] if one.__module__ == __name__)
        near = ("permission_classes", "permissions") if "permission_classes" in vars(cls) else misspelt(cls, ours)
        if near:
            # Nobody would ask for it, and whoever connects be let in.
            raise ImproperlyConfigured(f"A consumer has no {near[0]!r}, as {cls.__name__} has it. Write {near[1]}.")

    def __init__(self, ws: WebSocket, **params: Any) -> None:
        self.ws = ws
        self.params = params

    async def connect(self) -> None:
        """Accept or refuse the handshake; accepts when not overridden."""
        await self.ws.accept()

    async def receive(self, data: str | bytes) -> None:
        """Handle one message; ignores it when not overridden."""

    async def disconnect(self, code: int) -> None:
        """Clean up; called once, however the connection ended, if ``connect`` accepted it."""

    async def send(self, data: str | bytes) -> None:
        """Send a message."""
        await self.ws.send(data)

    async def send_json(self, value: Any) -> None:
        """Send a value as JSON text."""
        await self.ws.send_json(value)

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close the connection."""
        await self.ws.close(code, reason)

    async def serve(self) -> None:
        """Run the connection from handshake to end."""
        await self.connect()
        if not self.ws.is_open:
            await self.ws.close(4403)
            return
        try:
            async for data in self.ws:
                if settings.QUERY_BUDGET is None:
                    await self.receive(data)
                else:
                    await self._receive_in_budget(data)
        finally:
            await self.disconnect(self.ws.close_code or NORMAL)

    async def _receive_in_budget(self, data: str | bytes) -> None:
        """Handle one message as a request is handled: within QUERY_BUDGET."""
        # Late: a project with WebSockets may have no database.
        from covet.db.observe import query_budget

        budget = settings.QUERY_BUDGET
        assert budget is not None
        with query_budget(budget.max, refuse=budget.refuse, what=f"A message to {type(self).__name__}"):
            await self.receive(data)


answer(Consumer, OF_CONSUMERS, "A consumer")


class JSONConsumer(Consumer):
    """Messages are JSON objects; ``{"type": "chat.message", …}`` goes to the method ``on_chat_message``."""

    _handlers: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # Only methods with the prefix can be called by a client, and which they are is known before it connects.
        cls._handlers = {name[3:]: name for name in dir(cls) if name.startswith("on_") and callable(getattr(cls, name))}

    async def receive(self, data: str | bytes) -> None:
        """Decode a message and hand it to ``receive_json``; what is no JSON closes the connection with 1007."""
        try:
            content = loads(data)
        except (JSONDecodeError, UnicodeDecodeError):
            await self.close(INVALID_PAYLOAD, "messages on this socket are JSON")
            return
        await self.receive_json(content)

    async def receive_json(self, content: Any) -> None:
        """Hand a message to the method of its type; an unknown type closes the connection with 4400."""
        kind = content.get("type") if isinstance(content, dict) else None
        name = self._handlers.get(kind.replace(".", "_").replace("-", "_")) if isinstance(kind, str) else None
        if name is None:
            await self.close(4400, "unknown message type")
            return
        await getattr(self, name)(content)
