"""What declarations become: scalars, inputs of plain schemas, needs, keys in place of types, and the deploy checks."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import pytest
from graphql import GraphQLError
from hypothesis import given
from hypothesis import strategies as st

from covet import graphql
from covet.apps import apps
from covet.conf import override
from covet.db.observe import record_queries
from covet.graphql.context import Context
from covet.graphql.part import GraphQLPart
from covet.graphql.scalars import SCALARS, BigInt, Duration
from covet.schema import Schema
from covet.websocket.part import RoutingPart
from tests.graphql.blogapp.models import Article, Author, Tag
from tests.graphql.test_merging import build, module, query


@given(st.timedeltas(datetime.timedelta(days=-9999), datetime.timedelta(days=9999)))
def test_a_duration_comes_back_as_it_went(value: datetime.timedelta) -> None:
    scalar = SCALARS[Duration]
    assert scalar.serialize is not None and scalar.parse_value is not None

    assert scalar.parse_value(scalar.serialize(value)) == value


@pytest.mark.parametrize(
    ("scalar", "value"), [(Duration, "soon"), (BigInt, True), (BigInt, "x"), (BigInt, 1.5), (BigInt, 2**63)]
)
def test_a_scalar_refuses_what_it_cannot_hold(scalar: Any, value: Any) -> None:
    parse = SCALARS[scalar].parse_value
    assert parse is not None

    with pytest.raises(GraphQLError):
        parse(value)


def test_big_numbers_may_be_texts() -> None:
    parse = SCALARS[BigInt].parse_value
    assert parse is not None

    assert parse("9007199254740993") == 2**53 + 1


class Address(Schema):
    street: str
    floor: int | None = None


class Order(Schema):
    """What somebody orders."""

    amount: decimal.Decimal
    to: Address
    notes: list[str] = []
    due: datetime.date | None = None
    extra: dict[str, Any] | None = None
    either: int | str = 1


@graphql.type(Tag, fields=["id"])
class BareTag: ...


def test_the_input_of_a_plain_schema_has_its_fields_nested_ones_too() -> None:
    mutation = type("Mutation", (), {"__annotations__": {"go": BareTag}, "go": graphql.create(Order)})
    text = str(
        build(one=module("one.schema", BareTag=BareTag, Mutation=mutation, Query=query(t=(BareTag, graphql.node()))))
    )

    order = text[text.index("input Order") :].split("}")[0]
    assert [line.strip() for line in order.splitlines()[1:] if line.strip()] == [
        "amount: Decimal!",
        "to: Address!",
        "notes: [String!]",
        "due: Date",
        "extra: JSON",
        "either: JSON",
    ]
    assert "input Address {\n  street: String!\n  floor: BigInt\n}" in text


async def test_what_a_resolver_needs_may_be_a_relation_to_many(rows: None) -> None:
    @graphql.type(Article, fields=["id"])
    class Tagged:
        @graphql.field(needs=["tags", "author__articles"])
        def words(self, row: graphql.Parent[Article]) -> list[str]:
            return [tag.name for tag in row.tags.all()]

        @graphql.field(needs=["pk", "author"])
        def writer(self, row: graphql.Parent[Article]) -> str:
            return row.author.email

    fields = {"all": (graphql.Connection[Tagged], graphql.connection())}
    schema = build(one=module("one.schema", Tagged=Tagged, Query=query(**fields)))

    with record_queries() as queries:
        result = await schema.execute("{ all(first: 2) { edges { node { words writer } } } }", context_value=Context())

    assert result.errors is None
    assert [edge["node"]["words"] for edge in result.data["all"]["edges"]] == [["tag 1"], ["tag 1", "tag 2"]]
    assert len(queries) == 3


async def test_relations_without_types_give_keys(rows: None) -> None:
    @graphql.type(Author, fields=["id", "profile", "articles"])
    class Keys: ...

    schema = build(
        one=module("one.schema", Keys=Keys, Query=query(all=(graphql.Connection[Keys], graphql.connection())))
    )

    with record_queries() as queries:
        result = await schema.execute("{ all { edges { node { profile articles } } } }", context_value=Context())

    assert [edge["node"] for edge in result.data["all"]["edges"]] == [
        {"profile": "1", "articles": ["1", "3", "5"]},
        {"profile": None, "articles": ["2", "4"]},
    ]
    assert len(queries) == 2


@pytest.mark.usefixtures("project")
async def test_deploy_checks_name_open_mutations_introspection_and_origins() -> None:
    with override(GRAPHQL_INTROSPECTION=True, WEBSOCKET_CHECK_ORIGIN=False):
        found = [*apps.part(GraphQLPart).check_deploy(apps), *apps.part(RoutingPart).check_deploy(apps)]
    with override(GRAPHQL_INTROSPECTION=False):
        strict = [*apps.part(GraphQLPart).check_deploy(apps), *apps.part(RoutingPart).check_deploy(apps)]

    assert [message.id for message in found] == ["graphql.W001", "graphql.W002", "websocket.W002"]
    assert "create_author" in found[1].msg
    assert [message.id for message in strict] == ["graphql.W002"]
