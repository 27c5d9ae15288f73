"""Instances are values to the executor."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import strawberry

from covet.db.models import QuerySet
from covet.graphql.engine import Schema, is_awaitable
from tests.graphql.blogapp.models import Article


@strawberry.type
class Plain:
    title: str

    @classmethod
    def is_type_of(cls, value: Any, info: Any) -> bool:
        return isinstance(value, Article)


@strawberry.type
class Query:
    @strawberry.field
    def one(self) -> Plain:
        return Article(title="one")  # type: ignore[return-value]

    @strawberry.field
    async def many(self) -> list[Plain]:
        return [Article(title="two"), Article(title="three")]  # type: ignore[list-item]


async def test_coroutines_and_futures_are_awaited_and_instances_and_querysets_are_not() -> None:
    async def work() -> int:
        return 1

    class Own:
        def __await__(self) -> Any:
            yield from ()

    coroutine = work()
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    assert [is_awaitable(value) for value in (coroutine, future, Own())] == [True, True, True]
    values = (None, 1, "x", [], {}, object(), Article(title="x"), Article.objects.all(), Article.unloaded(1))
    assert [is_awaitable(value) for value in values] == [False] * len(values)
    assert isinstance(Article.objects.all(), QuerySet)
    coroutine.close()


async def test_an_instance_given_by_a_plain_resolver_reaches_its_fields_unawaited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(self: Article) -> Any:
        raise AssertionError("the executor awaited an instance")

    monkeypatch.setattr(Article, "__await__", refuse)

    result = await Schema(Query).execute("{ one { title } many { title } }")

    assert result.errors is None
    assert result.data == {"one": {"title": "one"}, "many": [{"title": "two"}, {"title": "three"}]}
