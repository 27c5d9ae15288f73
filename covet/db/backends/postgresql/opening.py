"""BEGIN without a round trip, a packet or an answer of its own: it leaves in front of the transaction's first message.

PostgreSQL answers nothing before it is told to, by a Sync or a simple query. So BEGIN goes ahead as Parse, Bind and Execute
without a Sync (PostgreSQL docs, 55.2.3 and 55.2.4), and what follows it, of whatever kind, asks for the answer to both. asyncpg
passes over the messages that it has not asked for. Should BEGIN fail, the server skips what stands behind it: nothing ever
runs outside of its transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["BEGIN", "Opening"]

# Parse and Bind of an unnamed statement without parameters, Execute of it to the end.
BEGIN = b"P\0\0\0\x0d\0BEGIN\0\0\0" + b"B\0\0\0\x0c\0\0\0\0\0\0\0\0" + b"E\0\0\0\x09\0\0\0\0\0"


class Opening:
    """Puts BEGIN before the next thing that a connection writes.

    Args:
        transport: The connection's transport.

    Attributes:
        waits: BEGIN has not left yet.
        is_unseen: BEGIN has left, and nobody has looked whether the server has answered. Only where the transport does not let
            itself be watched (uvloop's, which sends what is written in one turn of the loop together anyway).
    """

    __slots__ = ("_own", "_transport", "is_unseen", "waits")

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._own = transport.write
        self.waits = False
        self.is_unseen = False

    def begin(self) -> None:
        """Let BEGIN leave with the next message."""
        transport = self._transport
        try:
            transport.write = self._write
            transport.writelines = self._write_lines
        except AttributeError:
            transport.write(BEGIN)
            self.is_unseen = True
        else:
            self.waits = True

    def drop(self) -> bool:
        """Forget a BEGIN that has not left; return whether there was one."""
        self.is_unseen = False
        if not self.waits:
            return False
        self.waits = False
        # What was put on the instance goes, and what was there before is there again.
        self._transport.write = self._own
        del self._transport.writelines
        return True

    def _write(self, data: Any) -> None:
        # As ``drop`` does: each transaction comes by here.
        transport = self._transport
        transport.write = own = self._own
        del transport.writelines
        self.waits = False
        own(BEGIN + data)

    def _write_lines(self, lines: Sequence[Any]) -> None:
        self.drop()
        self._transport.writelines([BEGIN, *lines])
