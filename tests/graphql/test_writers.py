"""Compiled writers give what the executor gives, for any selection, and leave to it what they cannot."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from covet.apps import apps
from covet.graphql.context import Context
from covet.graphql.part import GraphQLPart
from covet.graphql.view import Operation, execute
from covet.graphql.writers import Writers, is_written

pytestmark = pytest.mark.usefixtures("rows")

SCALARS = {
    "Article": [
        "id",
        "title",
        "status",
        "publishedAt",
        "price",
        "reads",
        "took",
        "extra",
        "kind",
        "excerpt",
        "__typename",
    ],
    "Author": ["id", "name", "__typename"],
    "Tag": ["id", "name"],
    "Profile": ["id", "bio"],
}
RELATIONS = {
    "Article": {"author": "Author", "tags": "Tag"},
    "Author": {"articles": "Article", "profile": "Profile"},
    "Tag": {},
    "Profile": {"author": "Author"},
}


@st.composite
def selections(draw: Any, kind: str, depth: int = 3) -> str:
    parts = []
    for index in range(draw(st.integers(1, 3))):
        relations = RELATIONS[kind] if depth else {}
        name = draw(st.sampled_from([*SCALARS[kind], *relations]))
        alias = draw(st.sampled_from(["", f"a{index}: "]))
        below = draw(selections(relations[name], depth - 1)) if name in relations else ""
        part = f"{alias}{name}{below}"
        wrap = draw(st.sampled_from(["plain", "plain", "fragment", "directive"]))
        if wrap == "fragment":
            part = f"... on {kind}Type {{ {part} }}"
        elif wrap == "directive":
            part = f"... @include(if: {draw(st.sampled_from(['true', 'false']))}) {{ {part} }} __typename"
        parts.append(part)
    return f" {{ {' '.join(parts)} }}"


@given(data=st.data())
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
async def test_any_selection_gives_the_same_answer_compiled_and_executed(data: st.DataObject) -> None:
    root = data.draw(st.sampled_from(["articles", "authors", "allArticles", "article(id: 1)"]))
    kind = "Author" if root == "authors" else "Article"
    inner = data.draw(selections(kind))
    query = (
        f"{{ {root} {{ totalCount edges {{ cursor node {inner} }} }} }}"
        if root in ("articles", "authors")
        else (f"{{ {root} {inner} }}")
    )
    schema = apps.part(GraphQLPart).schema
    assert schema is not None

    compiled = await execute(schema, Operation(query), Context())
    writers, schema.writers = schema.writers, None  # type: ignore[assignment]
    try:
        executed = await execute(schema, Operation(query), Context())
    finally:
        schema.writers = writers

    assert compiled == executed


async def test_a_plain_selection_is_compiled_once_and_one_with_a_resolver_is_not(ask: Any) -> None:
    schema = apps.part(GraphQLPart).schema
    assert schema is not None
    schema.writers = Writers()
    plain = "{ articles(first: 2) { edges { node { title author { name } } } } }"

    for _ in range(3):
        await ask(plain)
    made = [write for _, write in schema.writers._made.values()]
    await ask("{ article(id: 1) { title excerpt } }")
    later = [write for _, write in schema.writers._made.values()]

    assert len(made) == 1
    assert made[0] is not None
    assert later[1:]
    assert not any(later[1:])


async def test_a_value_that_does_not_fit_is_the_executors_error(ask: Any) -> None:
    from tests.graphql.blogapp.models import Article

    await Article.objects.filter(pk=2).update(status="unknown")

    answer = await ask("{ allArticles { id status } }")

    assert answer["data"] is None
    assert answer["errors"][0]["path"] == ["allArticles", 1, "status"]


def test_only_rows_and_connections_are_written() -> None:
    assert not any(is_written(value) for value in (None, 1, "x", [], [1], {}, object()))
