from __future__ import annotations

from covet.http import Request
from covet.rest import Router, permissions

api = Router(tags=["every"])


@api.get("/read")
async def read_something(request: Request) -> str:
    return "read"


@api.post("/write")
async def write_something(request: Request) -> str:
    return "written"


@api.post("/open", permissions=[permissions.AllowAny])
async def write_openly(request: Request) -> str:
    return "written by anyone"


@api.get("/members", permissions=[permissions.IsAuthenticated])
async def read_members(request: Request) -> str:
    return "for members"
