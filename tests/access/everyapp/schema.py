from __future__ import annotations

from collections.abc import AsyncIterator

from covet import graphql
from covet.access import AllowAny


class Query:
    @graphql.field()
    async def read(self) -> str:
        return "read"


class Mutation:
    @graphql.field()
    async def write(self) -> str:
        return "written"

    @graphql.field(permissions=[AllowAny])
    async def write_openly(self) -> str:
        return "written by anyone"


class Subscription:
    @graphql.subscription(str)
    async def listen(self) -> AsyncIterator[str]:
        yield "heard"
