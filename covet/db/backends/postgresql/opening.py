"""BEGIN without a round trip, a packet or an answer of its own: it leaves in front of the transaction's first message.

PostgreSQL answers nothing before it is told to, by a Sync or a simple query. So BEGIN goes ahead as Parse, Bind and Execute
without a Sync (PostgreSQL docs, 55.2.3 and 55.2.4), and what follows it, of whatever kind, asks for the answer to both. asyncpg
passes over the messages that it has not asked for. Should BEGIN fail, the server skips what stands behind it: nothing ever
runs outside of its transaction.

To read the words BEGIN and COMMIT and to plan them is a fifteenth of what a small transaction costs the server. So where a session
keeps what it has prepared, the first commit leaves both for the transactions that come.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["BEGIN", "BEGIN_AGAIN", "BEGIN_NAME", "COMMIT_NAME", "NAMES", "Opening"]

BEGIN_NAME = "covet_begin"
COMMIT_NAME = "covet_commit"


def _message(kind: bytes, content: bytes) -> bytes:
    return kind + (len(content) + 4).to_bytes(4, "big") + content


def _parse(name: str, sql: str) -> bytes:
    """Parse of a statement without parameters."""
    return _message(b"P", f"{name}\0{sql}\0".encode() + bytes(2))


def _run(name: str) -> bytes:
    """Bind of such a statement, and Execute of it to the end."""
    return _message(b"B", f"\0{name}\0".encode() + bytes(6)) + _message(b"E", bytes(5))


#: By a statement without a name: the next one without is put in its place.
BEGIN = _parse("", "BEGIN") + _run("")
#: By the statement that the session has kept.
BEGIN_AGAIN = _run(BEGIN_NAME)
#: What has a session keep both.
NAMES = _parse(BEGIN_NAME, "BEGIN") + _parse(COMMIT_NAME, "COMMIT")


class Opening:
    """Puts BEGIN before the next thing that a connection writes.

    Args:
        transport: The connection's transport.
        protocol: asyncpg's, where the session may keep BEGIN and COMMIT prepared.

    Attributes:
        message: BEGIN, as it leaves.
        may_keep_names: The session can be told to keep them, and was not yet.
        commit: asyncpg's statement that commits; ``None`` as long as the session has not kept it.
        waits: BEGIN has not left yet.
        is_unseen: BEGIN has left, and nobody has looked whether the server has answered. Only where the transport does not let
            itself be watched (uvloop's, which sends what is written in one turn of the loop together anyway).
    """

    __slots__ = ("_own", "_protocol", "_transport", "commit", "is_unseen", "may_keep_names", "message", "waits")

    def __init__(self, transport: Any, protocol: Any = None) -> None:
        self._transport = transport
        self._protocol = protocol
        self._own = transport.write
        self.message = BEGIN
        self.may_keep_names = protocol is not None
        self.commit: Any = None
        self.waits = False
        self.is_unseen = False

    def begin(self) -> None:
        """Let BEGIN leave with the next message."""
        transport = self._transport
        try:
            transport.write = self._write
            transport.writelines = self._write_lines
        except AttributeError:
            transport.write(self.message)
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
        own(self.message + data)

    def _write_lines(self, lines: Sequence[Any]) -> None:
        self.drop()
        self._transport.writelines([self.message, *lines])

    def keep_names(self) -> Any:
        """Send what has the session keep BEGIN and COMMIT; return the statement that commits, and asks for the answer to all."""
        import asyncpg  # here, since a project writes migrations without it
        from asyncpg.protocol.protocol import PreparedStatementState

        # Once only: a name that may be there already would fail the transaction.
        self.may_keep_names = False
        self._transport.write(NAMES)
        return PreparedStatementState(COMMIT_NAME, "COMMIT", self._protocol, asyncpg.Record, False)

    def has_kept(self, commit: Any) -> None:
        """The session has kept them."""
        self.commit, self.message = commit, BEGIN_AGAIN

    def lose_names(self) -> None:
        """Something may have dropped them: do without."""
        self.may_keep_names = False
        self.commit, self.message = None, BEGIN
