"""``@`` in a viewset's search: words in any form where PostgreSQL can, and plain parts of texts elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from covet.db.models.fields.text import CharField
from covet.postgres.search import SearchLookup
from covet.rest import ModelViewSet, Router, permissions
from tests.rest.library import Article, Author


class Articles(ModelViewSet, model=Article):
    permissions = [permissions.AllowAny]
    search = ["@title", "=author__name"]


@pytest.fixture
def registered() -> Iterator[None]:
    before = CharField.__dict__.get("class_lookups", {}).get("search")
    CharField.register_lookup(SearchLookup)
    yield
    if before is None:
        del CharField.class_lookups["search"]


@pytest.mark.usefixtures("registered")
async def test_words_are_found_in_any_form_where_the_database_can(library: Any, vendor: str) -> None:
    api = Router()
    api.register("articles", Articles)
    client = await library(api)
    ann = await Author.objects.create(name="Ann", email="a@example.org")
    await Article.objects.create(title="The running bees", author=ann)

    async def found(words: str) -> int:
        answer = await client.get(f"/api/articles/?search={words}")
        return int(answer.json()["total"])

    assert await found("bees") == 1
    assert await found("runs") == (1 if vendor == "postgresql" else 0)
    assert await found("unning") == (0 if vendor == "postgresql" else 1)
    assert await found("ann+bees") == 1
    assert await found("bob") == 0
