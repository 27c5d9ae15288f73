"""Close codes, and the errors that tell of a WebSocket's end."""

from __future__ import annotations

from covet.exceptions import CovetError

__all__ = [
    "ABNORMAL",
    "GOING_AWAY",
    "INTERNAL_ERROR",
    "INVALID_PAYLOAD",
    "NORMAL",
    "SERVICE_RESTART",
    "TOO_BIG",
    "TRY_AGAIN_LATER",
    "UNSUPPORTED_DATA",
    "WebSocketDisconnect",
    "WebSocketError",
]

# RFC 6455, 7.4.1, and the IANA registry of close codes.
NORMAL = 1000
GOING_AWAY = 1001
UNSUPPORTED_DATA = 1003
ABNORMAL = 1006
INVALID_PAYLOAD = 1007
TOO_BIG = 1009
INTERNAL_ERROR = 1011
SERVICE_RESTART = 1012
TRY_AGAIN_LATER = 1013


class WebSocketError(CovetError, RuntimeError):
    """A WebSocket was used in an order that the protocol does not allow, such as sending before ``accept()``."""


class WebSocketDisconnect(CovetError):
    """The connection has ended; a handler may let it pass, as it is the normal end of one.

    Args:
        code: The close code; 1006 when the peer vanished without one.
        reason: What the peer said.
    """

    def __init__(self, code: int = NORMAL, reason: str = "") -> None:
        super().__init__(f"The WebSocket was closed with code {code}{f' ({reason})' if reason else ''}.")
        self.code = code
        self.reason = reason
