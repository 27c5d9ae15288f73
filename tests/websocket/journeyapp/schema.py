from __future__ import annotations

from covet import graphql


class Query:
    @graphql.field()
    async def me(self, info: graphql.Info) -> str | None:
        user = await info.context.user
        return user.get_username() if user.is_authenticated else None


class Mutation:
    @graphql.field()
    async def rename(self, info: graphql.Info, name: str) -> str:
        user = await info.context.user
        user.first_name = name
        await user.save(update_fields=["first_name"])
        return user.first_name  # type: ignore[no-any-return]
