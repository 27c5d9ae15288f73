"""Create, update and delete: what is checked, who may, and how a client is told."""

from __future__ import annotations

from typing import Any

import pytest

from covet.db.observe import record_queries
from tests.graphql.blogapp.models import Article, Author

pytestmark = pytest.mark.usefixtures("rows")

CREATE = """
mutation ($data: ArticleIn!) { createArticle(data: $data) { id title status author { name } tags { name } } }
"""


async def test_creating_writes_the_row_and_its_tags_and_shows_them(ask: Any) -> None:
    data = {"title": "New", "author": "2", "tags": ["3", "1"], "status": "public", "price": "1.50"}

    with record_queries() as queries:
        answer = await ask(CREATE, user="ann", data=data)

    shown = answer["data"]["createArticle"]
    article = await Article.objects.get(pk=shown["id"])
    assert shown == {
        "id": str(article.pk),
        "title": "New",
        "status": "PUBLIC",
        "author": {"name": "Bob"},
        "tags": [{"name": "tag 1"}, {"name": "tag 3"}],
    }
    assert str(article.price) == "1.50"
    assert len(queries) <= 8


async def test_nobody_writes_without_being_known(ask: Any) -> None:
    answer = await ask(CREATE, data={"title": "New", "author": 1})

    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert await Article.objects.filter(title="New").count() == 0


async def test_a_mutation_of_the_users_own_counts_as_a_write_too(ask: Any) -> None:
    assert (await ask("mutation { ping }"))["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert await ask("mutation { ping rain }", user="ann") == {"data": {"ping": "pong", "rain": True}}


async def test_a_mutation_may_be_for_anybody_if_it_says_so(ask: Any) -> None:
    answer = await ask('mutation { createAuthor(data: {name: "Cat", email: "cat@x.org"}) { name } }')

    assert answer == {"data": {"createAuthor": {"name": "Cat"}}}


async def test_wrong_values_are_pointed_at(ask: Any) -> None:
    answer = await ask(CREATE, user="ann", data={"title": "x" * 201, "author": "nobody"})

    error = answer["errors"][0]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert {one["pointer"] for one in error["extensions"]["errors"]} == {"/data/title", "/data/author"}


async def test_a_missing_value_is_found_before_anything_runs(ask: Any) -> None:
    answer = await ask(CREATE, user="ann", data={"title": "x"})

    assert "data" not in answer
    assert "author" in answer["errors"][0]["message"]


async def test_a_key_that_does_not_exist_is_bad_input_and_nothing_is_written(ask: Any) -> None:
    answer = await ask(CREATE, user="ann", data={"title": "Lost", "author": 999, "tags": [1]})

    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert await Article.objects.filter(title="Lost").count() == 0


async def test_a_value_that_must_be_unique_is_a_conflict_that_names_its_field(ask: Any) -> None:
    answer = await ask('mutation { createAuthor(data: {name: "Ann", email: "ann@x.org"}) { name } }')

    error = answer["errors"][0]["extensions"]
    assert error["code"] == "CONFLICT"
    assert error["errors"][0]["pointer"] == "/data/email"
    assert await Author.objects.filter(email="ann@x.org").count() == 1


async def test_updating_writes_just_what_the_input_names(ask: Any) -> None:
    answer = await ask(
        'mutation { updateArticle(id: 2, data: {title: "Changed", tags: [3]}) { title excerpt tags { id } } }',
        user="ann",
    )

    assert answer == {"data": {"updateArticle": {"title": "Changed", "excerpt": "Body ", "tags": [{"id": "3"}]}}}


async def test_updating_a_row_that_is_not_there_is_not_found(ask: Any) -> None:
    answer = await ask('mutation { updateArticle(id: 99, data: {title: "x"}) { id } }', user="ann")

    assert answer["errors"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_deleting_shows_the_row_as_it_was(ask: Any) -> None:
    answer = await ask("mutation { deleteArticle(id: 3) { id title author { name } tags { id } } }", user="ann")

    assert answer["data"]["deleteArticle"] == {
        "id": "3",
        "title": "Title 3",
        "author": {"name": "Ann"},
        "tags": [{"id": "1"}, {"id": "2"}, {"id": "3"}],
    }
    assert await Article.objects.filter(pk=3).count() == 0


async def test_updating_to_a_key_that_does_not_exist_changes_nothing(ask: Any) -> None:
    answer = await ask(
        'mutation { updateArticle(id: 2, data: {title: "x", author: 999, tags: [1]}) { id } }', user="ann"
    )

    assert answer["errors"][0]["extensions"]["errors"][0]["pointer"] == "/data/author"
    article = await Article.objects.get(pk=2)
    assert article.title == "Title 2"
    assert [tag.pk for tag in await article.tags.all()] == [1, 2]


@pytest.mark.parametrize("key", ["abc", "99999999999999999999999"])
async def test_writing_to_a_key_that_cannot_be_is_not_found(ask: Any, key: str) -> None:
    answer = await ask("mutation ($id: ID!) { deleteArticle(id: $id) { id } }", user="ann", id=key)

    assert answer["errors"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_null_for_a_value_that_may_not_be_null_is_pointed_at(ask: Any) -> None:
    answer = await ask("mutation { updateArticle(id: 2, data: {title: null}) { id } }", user="ann")

    assert answer["errors"][0]["extensions"]["errors"][0]["pointer"] == "/data/title"


PRICED = "mutation ($data: ArticleIn!) { createArticle(data: $data) { id price publishedAt } }"
CHANGED = "mutation ($data: ArticleInPartial!) { updateArticle(id: 2, data: $data) { id price publishedAt } }"
READ = "query ($id: ID!) { article(id: $id) { id price publishedAt } }"


@pytest.mark.parametrize("price", ["4", 4, 4.5, "1e3", "-0", "0.10"])
async def test_the_answer_to_a_write_says_what_the_next_read_says(ask: Any, price: Any) -> None:
    """A decimal has its places, and a moment is told in UTC."""
    data = {"price": price, "publishedAt": "2026-03-01T12:00:00+05:00"}

    made = (await ask(PRICED, user="ann", data={"title": "New", "author": "2", **data}))["data"]["createArticle"]
    changed = (await ask(CHANGED, user="ann", data=data))["data"]["updateArticle"]

    for shown in (made, changed):
        assert shown == (await ask(READ, id=shown["id"]))["data"]["article"]


@pytest.mark.parametrize(
    ("price", "code"),
    [("4.005", "decimal_max_places"), ("1234567.5", "decimal_whole_digits"), ("NaN", "finite_number")],
)
async def test_a_decimal_that_its_column_does_not_hold_is_pointed_at(ask: Any, price: str, code: str) -> None:
    for text, further in ((PRICED, {"title": "New", "author": "2"}), (CHANGED, {})):
        answer = await ask(text, user="ann", data={"price": price, **further})

        (error,) = answer["errors"][0]["extensions"]["errors"]
        assert (error["pointer"], error["code"]) == ("/data/price", code)


async def test_a_change_moves_the_time_that_a_row_keeps_of_it(ask: Any) -> None:
    before = (await Article.objects.get(pk=2)).changed_at

    await ask('mutation { updateArticle(id: 2, data: {title: "Later"}) { id } }', user="ann")

    article = await Article.objects.get(pk=2)
    assert article.title == "Later"
    assert article.changed_at > before
