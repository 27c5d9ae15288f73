"""The app's endpoints."""

from __future__ import annotations

from covet.rest import Router, permissions
from tests.rest.shelf.apps import Misplaced

api = Router(permissions=[permissions.AllowAny])


@api.get("/book")
async def book() -> dict[str, str]:
    raise Misplaced("a book")
