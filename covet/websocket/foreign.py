"""What Starlette and Channels call by another name on a socket or a consumer, with what to write here."""

from __future__ import annotations

from typing import Any, Final

from covet.http.foreign import Absent

__all__ = ["OF_CONSUMERS", "OF_SOCKETS", "answer"]

OF_SOCKETS: Final = {
    "client_state": "ws.is_open, or ws.is_connecting",
    "iter_bytes": "async for message in ws",
    "iter_json": "async for message in ws, and covet.json.loads(message)",
    "iter_text": "async for message in ws",
    "query_params": "ws.query",
    "send_denial_response": 'await ws.deny(403, b"…")',
    "url": "ws.path",
}

OF_CONSUMERS: Final = {
    "accept": "await self.ws.accept()",
    "channel_layer": "covet.pubsub.channel(name), which publishes and listens",
    "groups": "covet.pubsub.channel(name), which publishes and listens",
    "scope": "self.ws, which has path, query, headers, cookies, session and user",
    "send_bytes": "await self.send(data)",
    "send_text": "await self.send(text)",
}


def answer(kind: type[Any], words: dict[str, str], owner: str) -> None:
    """Let a class refuse these names with what to write instead."""
    for name, advice in words.items():
        setattr(kind, name, Absent(name, advice, owner))
