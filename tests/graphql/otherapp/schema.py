from __future__ import annotations

import strawberry

from covet import graphql


@strawberry.type
class Weather:
    degrees: float


@strawberry.type
class Query:
    @strawberry.field
    def weather(self, city: str = "Kyiv") -> Weather:
        return Weather(degrees=len(city) * 1.5)


class Mutation:
    @graphql.field()
    def rain(self) -> bool:
        return True
