"""Nodes, connections and resolvers, and that a nested query costs a fixed number of statements."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from covet.db.observe import record_queries

pytestmark = pytest.mark.usefixtures("rows")


async def test_a_node_shows_its_columns_in_their_graphql_forms(ask: Any) -> None:
    answer = await ask(
        "{ article(id: 1) { id title status publishedAt price reads took extra kind author { id name } excerpt } }"
    )

    assert answer == {
        "data": {
            "article": {
                "id": "1",
                "title": "Title 1",
                "status": "DRAFT",
                "publishedAt": None,
                "price": "0.00",
                "reads": 10**10,
                "took": None,
                "extra": {},
                "kind": "7",
                "author": {"id": "1", "name": "Ann"},
                "excerpt": "Body ",
            }
        }
    }


@pytest.mark.parametrize("key", ["999", "abc", "99999999999999999999999"])
async def test_a_key_that_is_not_there_is_an_error_with_its_code(ask: Any, key: str) -> None:
    answer = await ask("query ($id: ID!) { article(id: $id) { id } }", id=key)

    assert answer["data"] is None
    assert answer["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    assert answer["errors"][0]["path"] == ["article"]


async def test_a_key_that_is_not_there_is_null_where_the_annotation_allows_it(ask: Any) -> None:
    assert await ask("{ maybeArticle(id: 999) { id } }") == {"data": {"maybeArticle": None}}


async def test_a_nested_query_costs_two_statements_however_many_rows(ask: Any) -> None:
    with record_queries() as queries:
        answer = await ask("{ articles { edges { node { title author { name } tags { name } } } } }")

    assert [edge["node"] for edge in answer["data"]["articles"]["edges"]][1] == {
        "title": "Title 2",
        "author": {"name": "Bob"},
        "tags": [{"name": "tag 1"}, {"name": "tag 2"}],
    }
    assert len(queries) == 2
    assert "body" not in queries[0].sql
    assert "email" not in queries[0].sql


async def test_three_levels_and_a_count_cost_four_statements(ask: Any) -> None:
    with record_queries() as queries:
        answer = await ask(
            "{ authors { totalCount edges { node { name profile { bio } articles { title tags { name } } } } } }"
        )

    found = answer["data"]["authors"]
    assert found["totalCount"] == 2
    assert found["edges"][0]["node"]["profile"] == {"bio": "Writes."}
    assert found["edges"][1]["node"]["profile"] is None
    assert [one["title"] for one in found["edges"][0]["node"]["articles"]] == ["Title 1", "Title 3", "Title 5"]
    assert len(queries) == 4
    assert not [query.sql for query in queries if "body" in query.sql or "email" in query.sql]


async def test_rows_of_a_list_may_show_more_of_their_owner_than_the_list_does(ask: Any) -> None:
    answer = await ask("{ authors { edges { node { id articles { title author { name } } } } } }")

    assert "errors" not in answer
    first = answer["data"]["authors"]["edges"][0]["node"]["articles"][0]
    assert first == {"title": "Title 1", "author": {"name": "Ann"}}


async def test_a_key_alone_needs_no_join(ask: Any) -> None:
    with record_queries() as queries:
        answer = await ask("{ articles { edges { node { author { id __typename } } } } }")

    assert answer["data"]["articles"]["edges"][0]["node"]["author"] == {"id": "1", "__typename": "AuthorType"}
    assert len(queries) == 1
    assert "JOIN" not in queries[0].sql


async def test_fragments_aliases_and_directives_are_read(ask: Any) -> None:
    query = """
      query ($withTags: Boolean!) {
        first: articles(first: 1) { edges { node { ...Head writer: author { ...on AuthorType { name } } } } }
      }
      fragment Head on ArticleType { heading: title tags @include(if: $withTags) { name } excerpt @skip(if: true) }
    """
    with record_queries() as without:
        answer = await ask(query, withTags=False)
    with record_queries() as with_tags:
        await ask(query, withTags=True)

    assert answer["data"]["first"]["edges"] == [{"node": {"heading": "Title 1", "writer": {"name": "Ann"}}}]
    assert (len(without), len(with_tags)) == (1, 2)
    assert "body" not in without[0].sql


async def test_a_field_says_what_it_needs_and_one_that_does_not_loads_the_row(ask: Any) -> None:
    with record_queries() as queries:
        by = await ask("{ articles(first: 2) { edges { node { byline } } } }")
        greedy = await ask("{ articles(first: 1) { edges { node { greedy } } } }")

    assert [edge["node"]["byline"] for edge in by["data"]["articles"]["edges"]] == ["by Ann", "by Bob"]
    assert greedy["data"]["articles"]["edges"][0]["node"]["greedy"] == "Title 1Body 1"
    assert len(queries) == 2


@pytest.mark.parametrize("field", ["allArticles", "listed"])
async def test_a_resolver_may_give_a_queryset_or_instances(ask: Any, field: str) -> None:
    with record_queries() as queries:
        answer = await ask(f"{{ {field} {{ title author {{ name }} tags {{ name }} }} }}")

    rows = answer["data"][field]
    assert [row["title"] for row in rows] == [f"Title {number}" for number in range(1, 6)]
    assert rows[2] == {
        "title": "Title 3",
        "author": {"name": "Ann"},
        "tags": [{"name": "tag 1"}, {"name": "tag 2"}, {"name": "tag 3"}],
    }
    assert len(queries) <= 3


async def test_an_instance_inside_a_strawberry_type_is_a_value(ask: Any) -> None:
    answer = await ask('{ stats { articles newest { title author { name } } } weather(city: "Lviv") { degrees } }')

    assert answer["data"] == {
        "stats": {"articles": 5, "newest": {"title": "Title 5", "author": {"name": "Ann"}}},
        "weather": {"degrees": 6.0},
    }


async def test_a_loader_gets_the_keys_of_all_rows_at_once(ask: Any) -> None:
    from tests.graphql.blogapp import schema

    schema.lengths_calls.clear()
    answer = await ask("{ articles { edges { node { length } } } }")

    assert [edge["node"]["length"] for edge in answer["data"]["articles"]["edges"]] == [7] * 5
    assert schema.lengths_calls == [["Title 1", "Title 2", "Title 3", "Title 4", "Title 5"]]


@pytest.mark.parametrize(
    ("filters", "titles"),
    [
        ({"title": "Title 2"}, [2]),
        ({"titleIcontains": "TITLE 3"}, [3]),
        ({"author": "2"}, [2, 4]),
        ({"authorName": "Ann", "readsGte": 3 * 10**10}, [3, 5]),
        ({"idIn": ["1", "5", "77"]}, [1, 5]),
        ({"kindIsnull": False}, [1]),
        ({"title": None}, [1, 2, 3, 4, 5]),
        ({}, [1, 2, 3, 4, 5]),
    ],
)
async def test_filters_narrow_the_rows(ask: Any, filters: dict[str, Any], titles: list[int]) -> None:
    answer = await ask(
        "query ($f: ArticlesFilter) { articles(filters: $f) { totalCount edges { node { id } } } }", f=filters
    )

    assert [int(edge["node"]["id"]) for edge in answer["data"]["articles"]["edges"]] == titles
    assert answer["data"]["articles"]["totalCount"] == len(titles)


async def test_a_filter_value_of_the_wrong_kind_is_pointed_at(ask: Any) -> None:
    answer = await ask('{ articles(filters: {author: "x"}) { totalCount } }')

    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert answer["errors"][0]["extensions"]["errors"][0]["pointer"] == "/filters/author"


async def test_rows_come_in_the_order_that_is_asked_for(ask: Any) -> None:
    answer = await ask("{ articles(orderBy: [READS_DESC], first: 2) { edges { node { id } } } }")

    assert [edge["node"]["id"] for edge in answer["data"]["articles"]["edges"]] == ["5", "4"]


async def test_pages_follow_one_another_by_cursor(ask: Any) -> None:
    seen: list[str] = []
    after, pages = None, 0
    while True:
        answer = await ask(
            "query ($after: String) { articles(first: 2, after: $after) {"
            " edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }",
            after=after,
        )
        page = answer["data"]["articles"]
        seen += [edge["node"]["id"] for edge in page["edges"]]
        pages += 1
        assert page["pageInfo"]["startCursor"] == page["edges"][0]["cursor"]
        assert page["pageInfo"]["hasPreviousPage"] is (pages > 1)
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]

    assert (seen, pages) == (["1", "2", "3", "4", "5"], 3)


async def test_last_and_before_page_backwards(ask: Any) -> None:
    end = (await ask("{ articles(last: 2) { edges { cursor node { id } } } }"))["data"]["articles"]["edges"]
    before = await ask(
        "query ($before: String) { articles(last: 2, before: $before) { edges { node { id } } } }",
        before=end[0]["cursor"],
    )

    assert [edge["node"]["id"] for edge in end] == ["4", "5"]
    assert [edge["node"]["id"] for edge in before["data"]["articles"]["edges"]] == ["2", "3"]


@pytest.mark.parametrize(
    "arguments",
    [
        "first: -1",
        "first: 201",
        "first: 1, last: 1",
        'after: "nonsense"',
        'after: "é"',
        f'after: "{base64.b64encode(b"row:-5").decode()}"',
        f'after: "{base64.b64encode(b"row:99999999999999999999999").decode()}"',
    ],
)
async def test_a_page_that_cannot_be_is_bad_input(ask: Any, arguments: str) -> None:
    answer = await ask(f"{{ articles({arguments}) {{ edges {{ cursor }} }} }}")

    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_only_a_count_reads_no_rows(ask: Any) -> None:
    with record_queries() as queries:
        answer = await ask("{ articles { totalCount } }")

    assert answer["data"] == {"articles": {"totalCount": 5}}
    assert len(queries) == 1


async def test_a_field_for_members_asks_who_it_is(ask: Any) -> None:
    refused = await ask("{ private(id: 1) { id } }")
    let_in = await ask("{ private(id: 1) { id } }", user="ann")

    assert refused["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert let_in == {"data": {"private": {"id": "1"}}}


async def test_an_unexpected_error_is_masked_and_logged_once(ask: Any, caplog: pytest.LogCaptureFixture) -> None:
    answer = await ask("{ boom }")

    assert answer["errors"][0]["message"] == "Something went wrong."
    assert answer["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    # What the collector finds of other tests is told by asyncio, whenever it finds it.
    assert [record.name for record in caplog.records if record.name != "asyncio"] == ["covet.graphql"]


async def test_an_expected_error_keeps_its_words_and_gets_its_code(ask: Any) -> None:
    answer = await ask("{ taken }")

    assert answer["errors"][0]["message"] == "somebody was faster"
    assert answer["errors"][0]["extensions"]["code"] == "CONFLICT"


async def test_a_type_says_which_rows_may_be_seen_at_all(ask: Any) -> None:
    from tests.graphql.blogapp.models import Author

    await Author.objects.create(pk=9, name="secret pen", email="s@x.org")

    answer = await ask("{ authors { totalCount edges { node { name } } } }")

    assert answer["data"]["authors"]["totalCount"] == 2
    assert [edge["node"]["name"] for edge in answer["data"]["authors"]["edges"]] == ["Ann", "Bob"]


@pytest.mark.parametrize(("user", "seen"), [(None, False), ("ann", True)])
async def test_which_rows_may_be_seen_may_hang_on_who_asks(ask: Any, user: str | None, seen: bool) -> None:
    from tests.graphql.blogapp.models import Article, Tag

    secret = await Tag.objects.create(pk=9, name="secret plans")
    await (await Article.objects.get(pk=1)).tags.add(secret)

    answer = await ask("{ tag(id: 9) { name } article(id: 1) { tags { name } } listed { tags { name } } }", user=user)

    shown = [{"name": "secret plans"}] if seen else []
    assert answer["data"]["tag"] == (shown[0] if seen else None)
    assert answer["data"]["article"] == {"tags": [{"name": "tag 1"}, *shown]}
    assert answer["data"]["listed"][0] == {"tags": [{"name": "tag 1"}, *shown]}


async def test_a_type_that_gives_no_rows_is_named(
    ask: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.graphql.blogapp.schema import AuthorType

    monkeypatch.setattr(AuthorType, "get_queryset", classmethod(lambda cls, queryset, info: None))

    answer = await ask("{ authors { totalCount } }")

    assert answer["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "AuthorType.get_queryset() returns a queryset, and gave None." in caplog.text


async def test_a_type_may_give_the_rows_of_a_manager(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.graphql.blogapp.models import Author
    from tests.graphql.blogapp.schema import AuthorType

    monkeypatch.setattr(AuthorType, "get_queryset", classmethod(lambda cls, queryset, info: Author.objects))

    answer = await ask("{ authors { totalCount edges { node { name } } } }")

    assert answer == {
        "data": {"authors": {"totalCount": 2, "edges": [{"node": {"name": "Ann"}}, {"node": {"name": "Bob"}}]}}
    }


async def test_pages_are_cut_from_a_total_order(ask: Any) -> None:
    with record_queries() as queries:
        await ask("{ articles(orderBy: [PUBLISHED_AT], first: 2) { edges { cursor } } }")
        await ask("{ authors(first: 1) { edges { cursor } } }")

    assert [query.sql.partition("ORDER BY")[2].count('"id"') for query in queries] == [1, 1]
