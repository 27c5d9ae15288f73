"""The same statements and the same answers on all three databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from covet.conf import override
from covet.conf.service_url import parse_database
from covet.db import connections
from covet.db.database import Database
from covet.db.observe import record_queries
from tests.graphql.blogapp.models import Article
from tests.graphql.conftest import create_tables, filled


@pytest.fixture
async def blog(vendor: str, scratch: Any, project: Any) -> AsyncIterator[str]:
    """The project on an empty database of each vendor, with the blog's rows."""
    database = Database("default", parse_database(await scratch(vendor)))
    with connections.using({"default": database}):
        await create_tables()
        async with filled(keys=False):
            yield vendor
    await database.close()


async def test_a_nested_query_costs_three_statements_on_every_database(blog: str, ask: Any) -> None:
    query = """{ articles(first: 3, filters: {titleIcontains: "title"}, orderBy: [READS_DESC]) {
        totalCount edges { node { title reads author { name } tags { name } } } } }"""
    with record_queries() as queries:
        answer = await ask(query)

    found = answer["data"]["articles"]
    assert found["totalCount"] == 5
    assert [edge["node"] for edge in found["edges"]] == [
        {"title": "Title 5", "reads": 5 * 10**10, "author": {"name": "Ann"}, "tags": [{"name": "tag 1"}]},
        {"title": "Title 4", "reads": 4 * 10**10, "author": {"name": "Bob"}, "tags": []},
        {
            "title": "Title 3",
            "reads": 3 * 10**10,
            "author": {"name": "Ann"},
            "tags": [{"name": "tag 1"}, {"name": "tag 2"}, {"name": "tag 3"}],
        },
    ]
    assert len(queries) == 3


async def test_creating_updating_and_deleting_work_on_every_database(blog: str, ask: Any) -> None:
    made = await ask(
        'mutation { createArticle(data: {title: "New", author: 2, tags: [1]}) { id author { name } tags { id } } }',
        user="x",
    )
    key = made["data"]["createArticle"]["id"]
    changed = await ask(
        "mutation ($id: ID!) { updateArticle(id: $id, data: {author: 1}) { author { name } } }", user="x", id=key
    )
    gone = await ask("mutation ($id: ID!) { deleteArticle(id: $id) { id title tags { id } } }", user="x", id=key)

    assert made["data"]["createArticle"] == {"id": key, "author": {"name": "Bob"}, "tags": [{"id": "1"}]}
    assert changed["data"]["updateArticle"] == {"author": {"name": "Ann"}}
    assert gone["data"]["deleteArticle"] == {"id": key, "title": "New", "tags": [{"id": "1"}]}
    assert await Article.objects.filter(pk=key).count() == 0


async def test_what_only_the_database_knows_is_told_alike_on_every_database(blog: str, ask: Any) -> None:
    unknown = await ask('mutation { createArticle(data: {title: "x", author: 999}) { id } }', user="x")
    unknown_tag = await ask('mutation { createArticle(data: {title: "x", author: 1, tags: [999]}) { id } }', user="x")
    taken = await ask('mutation { createAuthor(data: {name: "x", email: "ann@x.org"}) { id } }')

    assert unknown["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert unknown["errors"][0]["extensions"]["errors"][0]["pointer"] == "/data/author"
    assert unknown_tag["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert unknown_tag["errors"][0]["extensions"]["errors"][0]["pointer"] == "/data/tags/0"
    assert taken["errors"][0]["extensions"]["code"] == "CONFLICT"
    assert taken["errors"][0]["extensions"]["errors"][0]["pointer"] == "/data/email"
    assert await Article.objects.filter(title="x").count() == 0


async def test_a_key_that_the_commit_of_the_request_finds_missing_is_told_like_any_other(
    vendor: str, scratch: Any, project: Any, ask: Any
) -> None:
    """With ATOMIC_REQUESTS, PostgreSQL and SQLite check foreign keys when the mutation is long answered."""
    async with override(DATABASES={"default": {"url": await scratch(vendor), "atomic_requests": True}}):
        await create_tables()
        async with filled(keys=False):
            unknown = await ask('mutation { createArticle(data: {title: "x", author: 999}) { id } }', user="x")
            tag = await ask(
                'mutation { createArticle(data: {title: "x", author: 1, tags: [1, 999]}) { id } }', user="x"
            )
            changed = await ask('mutation { updateArticle(id: "1", data: {author: 999}) { id } }', user="x")
            fine = await ask('mutation { createArticle(data: {title: "y", author: 1, tags: [1]}) { title } }', user="x")

        for answer, pointer in ((unknown, "/data/author"), (tag, "/data/tags/1"), (changed, "/data/author")):
            assert answer["data"] is None
            assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
            assert [one["pointer"] for one in answer["errors"][0]["extensions"]["errors"]] == [pointer]
        assert fine == {"data": {"createArticle": {"title": "y"}}}
        assert await Article.objects.filter(title="x").count() == 0
        assert await Article.objects.filter(author_id=999).count() == 0
        await connections["default"].close()


async def test_an_operation_is_held_to_the_budget_of_statements(
    blog: str, ask: Any, caplog: pytest.LogCaptureFixture
) -> None:
    query = "query Listed { articles(first: 3) { totalCount edges { node { title tags { name } } } } }"
    with override(QUERY_BUDGET=1), caplog.at_level("WARNING", "covet.db.budget"):
        assert "errors" not in await ask(query)

    assert "GraphQL operation" in caplog.text
    assert "its budget is 1" in caplog.text
