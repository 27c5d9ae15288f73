"""Delete the sessions that have expired."""

from __future__ import annotations

from covet.db.models.part import ModelsPart
from covet.management import command
from covet.management.output import out
from covet.sessions.stores.handler import session_store

__all__ = ["clearsessions"]


@command(parts=[ModelsPart])
async def clearsessions() -> None:
    """Delete the sessions that have expired; run it daily."""
    count = await session_store().clear_expired()
    out.done(f"{count} expired session{'' if count == 1 else 's'} deleted.")
