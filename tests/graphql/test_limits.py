"""Limits of a document, and the cache of those that were read."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import parse
from hypothesis import given
from hypothesis import strategies as st

from covet.graphql.documents import MAX_DOCUMENTS, MAX_PASSING, Documents
from covet.graphql.limits import Limits, over_limits
from tests._calls import profiled


def nested(depth: int) -> str:
    return "{ a " * depth + "}" * depth


@given(depth=st.integers(1, 40), limit=st.integers(1, 40))
def test_depth_is_the_longest_path_of_fields(depth: int, limit: int) -> None:
    errors = over_limits(parse(nested(depth)), Limits(depth=limit))

    assert bool(errors) is (depth > limit)


def test_depth_goes_through_fragments_and_ignores_introspection() -> None:
    through = parse("{ a { ...F } } fragment F on T { b { ... on U { c } } }")
    schema = parse("{ __schema { types { fields { type { ofType { ofType { name } } } } } } }")

    assert not over_limits(through, Limits(depth=3))
    assert over_limits(through, Limits(depth=2))[0].extensions == {"code": "QUERY_TOO_DEEP"}
    assert not over_limits(schema, Limits(depth=1))


def test_aliases_and_directives_are_counted() -> None:
    document = parse("{ a1: a a2: a a3: a @skip(if: true) @include(if: true) }")

    codes = [error.extensions["code"] for error in over_limits(document, Limits(aliases=2, directives=1))]  # type: ignore[index]

    assert codes == ["TOO_MANY_ALIASES", "TOO_MANY_DIRECTIVES"]


def test_fragments_that_would_explode_cost_no_more_than_their_length() -> None:
    lines = [f"fragment F{n} on T {{ ...F{n + 1} ...F{n + 1} ...F{n + 1} }}" for n in range(60)]
    document = parse("{ ...F0 } " + " ".join(lines) + " fragment F60 on T { a }")
    calls = 0

    def count(frame: Any, event: str, arg: Any) -> None:
        nonlocal calls
        calls += event == "call"
        assert calls < 1_000, "told one by one, these would be 3 ** 60 fields"

    with profiled(count):
        assert not over_limits(document, Limits())
    assert calls


def test_a_fragment_that_holds_itself_ends() -> None:
    assert not over_limits(parse("{ ...F } fragment F on T { a { ...F } }"), Limits())


def test_a_document_is_read_once_and_a_wrong_one_is_not_kept() -> None:
    seen: list[Any] = []
    documents = Documents(lambda document: seen.append(document) or [], Limits())  # type: ignore[func-returns-value]

    first = documents.prepare("{ a }")
    second = documents.prepare("{ a }")
    documents.prepare("{ a")
    for number in range(MAX_PASSING + 50):
        documents.prepare("{ b" + " " * 20_000 + f"c{number} }}")

    assert first is second
    assert seen.count(first.document) == 1
    assert len(documents) == 1
    assert len(documents._passing) == MAX_PASSING


def test_the_cache_of_documents_is_bounded() -> None:
    documents = Documents(lambda document: [], Limits())
    for number in range(MAX_DOCUMENTS + 50):
        documents.prepare(f"{{ a{number} }}")

    assert len(documents) == MAX_DOCUMENTS


@pytest.mark.parametrize("source", ["{ " + "a " * 6000 + "}", nested(5000), "", "x", '"""'])
def test_what_is_too_long_or_no_document_is_a_parse_error(source: str) -> None:
    prepared = Documents(lambda document: [], Limits()).prepare(source)

    assert prepared.errors
    assert prepared.code == "GRAPHQL_PARSE_FAILED"


async def test_the_endpoint_keeps_the_limits_of_the_settings(ask: Any) -> None:
    deep = "{ authors { edges { node " + "{ articles { author " * 8 + "{ id }" + "}}" * 8 + "} } }"
    many = "{ " + " ".join(f"a{n}: __typename" for n in range(31)) + " }"

    assert (await ask(deep))["errors"][0]["extensions"]["code"] == "QUERY_TOO_DEEP"
    assert (await ask(many))["errors"][0]["extensions"]["code"] == "TOO_MANY_ALIASES"
