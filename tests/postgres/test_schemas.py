"""What only PostgreSQL has in schemas, OpenAPI, REST filters, GraphQL, fixtures and inspectdb."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from covet import graphql, json
from covet.exceptions import ImproperlyConfigured
from covet.graphql.context import Context
from covet.graphql.filters import make_filters
from covet.graphql.scalars import SCALARS, column_annotation
from covet.graphql.scalars import Range as RangeScalar
from covet.postgres.fields import Range
from covet.rest import ModelSchema, ModelViewSet, Router, permissions
from covet.rest.filters import FilterSet
from covet.urls import include, path
from tests.graphql.test_merging import build, module
from tests.handlers.sites import site
from tests.postgres.models import Booking, Post, Thing

if TYPE_CHECKING:
    from covet.db.database import Database

__all__ = ["site"]

NOON = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)


class PostIn(ModelSchema, model=Post, fields=["title", "tags", "board", "scores", "facts"]): ...


class BookingIn(ModelSchema, model=Booking, fields=["room", "span", "price", "hours"]): ...


class ThingIn(ModelSchema, model=Thing, fields=["data"]): ...


def test_arrays_are_lists_in_schemas() -> None:
    given = PostIn.model_validate_json('{"title": "a", "tags": ["x"], "board": [[1, 2]], "scores": [1, null]}')
    assert (given.tags, given.board, given.scores) == (["x"], [[1, 2]], [1, None])
    described = PostIn.model_json_schema()["properties"]
    assert described["tags"]["items"] == {"maxLength": 20, "minLength": 1, "type": "string"}
    scores = next(one for one in described["scores"]["anyOf"] if one.get("type") == "array")
    assert scores["maxItems"] == 5
    for wrong in ('{"title": "a", "tags": ["' + "x" * 21 + '"]}', '{"title": "a", "scores": [1,2,3,4,5,6]}'):
        with pytest.raises(ValidationError):
            PostIn.model_validate_json(wrong)


def test_ranges_are_objects_in_schemas() -> None:
    text = '{"span": {"lower": 1, "upper": 5, "bounds": "[]"}, "price": {"lower": "1.5"}, "hours": {"empty": true}}'
    given = BookingIn.model_validate_json(text)
    assert given.span == Range(1, 5, "[]")
    assert given.price == Range(Decimal("1.5"), None)
    assert given.hours == Range(empty=True)
    assert BookingIn(span=Range(1, 2)).span == Range(1, 2)
    written = json.loads(BookingIn(span=Range(1, 5)).model_dump_json())
    assert written["span"] == {"lower": 1, "upper": 5, "bounds": "[)", "empty": False}
    for wrong in ('{"span": {"lower": 5, "upper": 1}}', '{"span": {"low": 1}}', '{"span": [1, 2]}'):
        with pytest.raises(ValidationError):
            BookingIn.model_validate_json(wrong)
    span = BookingIn.model_json_schema()["properties"]["span"]["anyOf"][0]
    assert set(span["properties"]) == {"lower", "upper", "bounds", "empty"}


def test_mappings_are_objects_of_texts_in_schemas() -> None:
    assert ThingIn.model_validate_json('{"data": {"a": null, "b": "x"}}').data == {"a": None, "b": "x"}
    with pytest.raises(ValidationError):
        ThingIn.model_validate_json('{"data": {"a": {}}}')


class PostViewSet(ModelViewSet, model=Post):
    schema = PostIn
    permissions = [permissions.AllowAny]
    filters = ["tags__contains", "tags__overlap", "tags__0", "tags__len", "tags__len__in"]
    ordering = ["title"]


class BookingViewSet(ModelViewSet, model=Booking):
    schema = BookingIn
    permissions = [permissions.AllowAny]
    filters = ["span__contains", "hours__startswith__gte", "span__isempty"]


@pytest.mark.ways("asgi")
async def test_arrays_and_ranges_over_http(pg: Database, site: Any) -> None:
    api = Router()
    api.register("posts", PostViewSet)
    api.register("bookings", BookingViewSet)
    from covet.conf import settings

    client = await site([path("api/", include(api))], DATABASES=settings.DATABASES)
    for title, tags in (("a", ["x", "y"]), ("b", ["z"]), ("c", [])):
        answer = await client.post("/api/posts/", json={"title": title, "tags": tags, "scores": [1, None]})
        assert answer.status_code == 201, answer.text
        assert answer.json()["tags"] == tags

    async def titles(query: str) -> list[str]:
        answer = await client.get(f"/api/posts/?{query}")
        assert answer.status_code == 200, answer.text
        return [one["title"] for one in answer.json()["items"]]

    assert await titles("tags__contains=x&tags__contains=y") == ["a"]
    assert await titles("tags__overlap=x&tags__overlap=z") == ["a", "b"]
    assert await titles("tags__0=z") == ["b"]
    assert await titles("tags__len=0") == ["c"]
    assert await titles("tags__len__in=0&tags__len__in=1") == ["b", "c"]
    given = {"span": {"lower": 1, "upper": 5, "bounds": "[]"}, "hours": {"lower": NOON.isoformat()}}
    answer = await client.post("/api/bookings/", json=given)
    assert answer.status_code == 201, answer.text
    for query, count in (
        ("span__contains=5", 1),
        ("span__contains=6", 0),
        ("hours__startswith__gte=2024-05-01T12:00:00Z", 1),
        ("span__isempty=true", 0),
    ):
        answer = await client.get(f"/api/bookings/?{query}")
        assert len(answer.json()["items"]) == count, (query, answer.text)
    (shown,) = (await client.get("/api/bookings/")).json()["items"]
    assert shown["span"] == {"lower": 1, "upper": 6, "bounds": "[)", "empty": False}
    assert shown["hours"]["lower"] == "2024-05-01T12:00:00Z"


def test_filters_that_no_parameter_can_say_are_refused() -> None:
    for model, name in ((Booking, "span__overlap"), (Post, "tags__0_2"), (Thing, "data__contains")):
        with pytest.raises(ImproperlyConfigured, match="no single query parameter"):
            FilterSet(model, filters=[name]).parameters()
    kinds = {
        one.name: one.annotation
        for one in FilterSet(Thing, filters=["data__has_key", "data__has_keys", "data__breed"]).parameters()
    }
    assert kinds == {"data__has_key": str, "data__has_keys": list[str], "data__breed": str}


def test_the_graphql_types_of_fields() -> None:
    def annotation(model: Any, name: str) -> Any:
        return column_annotation(model._meta.get_field(name))

    assert annotation(Post, "tags") == list[str]
    assert annotation(Post, "scores") == list[int | None]
    assert annotation(Post, "board") == list[list[int]]
    assert annotation(Booking, "span") is RangeScalar
    assert annotation(Thing, "data").__name__ == "JSON"
    scalar: Any = SCALARS[RangeScalar]
    assert scalar.serialize(Range(NOON, None)) == {
        "lower": "2024-05-01T12:00:00Z",
        "upper": None,
        "bounds": "[)",
        "empty": False,
    }
    assert scalar.parse_value({"lower": 1}) == {"lower": 1}
    with pytest.raises(Exception, match="object with lower"):
        scalar.parse_value([1, 2])


async def test_graphql_filters_of_arrays_and_ranges(pg: Database) -> None:
    await Post.objects.create(title="a", tags=["x", "y"])
    await Post.objects.create(title="b", tags=["y"])
    filters = make_filters("PostsFilter", Post, ["tags__contains", "tags__overlap", "tags"], "posts")
    for given, found in (
        ({"tags_contains": ["x"]}, ["a"]),
        ({"tags": ["y"]}, ["b"]),
        ({"tags_overlap": ["y"]}, ["a", "b"]),
    ):
        conditions = filters.conditions(filters.cls(**given))
        assert await Post.objects.filter(**conditions).order_by("title").values_list("title", flat=True) == found
    spans = make_filters("BookingsFilter", Booking, ["span__contains"], "bookings")
    assert spans.conditions(spans.cls(span_contains=3)) == {"span__contains": 3}
    keys = make_filters("ThingsFilter", Thing, ["data__has_key"], "things")
    assert keys.conditions(keys.cls(data_has_key="x")) == {"data__has_key": "x"}
    with pytest.raises(ImproperlyConfigured, match="cannot be filtered"):
        make_filters("WrongFilter", Booking, ["span__overlap"], "bookings")


async def test_inspectdb_knows_the_types(pg: Database) -> None:
    from covet.db.migrations.inspect import models_source, read_tables

    tables, _missing = await read_tables(pg)
    source = models_source(tables, "postgresql")
    for line in (
        "tags = ArrayField(models.CharField(max_length=20))",
        "board = ArrayField(models.IntegerField(), blank=True, null=True)",
        "span = IntegerRangeField(blank=True, null=True)",
        "hours = DateTimeRangeField(blank=True, null=True)",
        "data = HStoreField(blank=True, null=True)",
        "vector = SearchVectorField(blank=True, null=True)",
        "from covet.postgres.fields import ArrayField, ",
        "price = DecimalRangeField(",
        "moments = ArrayField(models.DateTimeField(), blank=True, null=True)",
    ):
        assert line in source, line


@graphql.type(Post, fields=["title", "tags", "board", "scores", "facts"])
class PostType: ...


@graphql.type(Booking, fields=["room", "span", "hours"])
class BookingType: ...


@graphql.type(Thing, fields=["data"])
class ThingType: ...


class Query:
    posts: graphql.Connection[PostType] = graphql.connection(filters=["tags__contains"])
    bookings: graphql.Connection[BookingType] = graphql.connection(filters=["span__contains"])
    things: graphql.Connection[ThingType] = graphql.connection()


class Mutation:
    create_post: PostType = graphql.create(PostIn, permissions=[permissions.AllowAny])
    create_booking: BookingType = graphql.create(BookingIn, permissions=[permissions.AllowAny])


async def test_arrays_and_ranges_over_graphql(pg: Database) -> None:
    types = {"PostType": PostType, "BookingType": BookingType, "ThingType": ThingType}
    schema = build(one=module("one.schema", **types, Query=Query, Mutation=Mutation))

    async def ask(text: str) -> Any:
        result = await schema.execute(text, context_value=Context())
        assert result.errors is None, result.errors
        return result.data

    sdl = str(schema)
    for line in ("tags: [String!]!", "board: [[Int!]!]", "scores: [Int]", "span: Range", "data: JSON"):
        assert line in sdl
    made = await ask(
        'mutation { createPost(data: {title: "a", tags: ["x", "y"], board: [[1], [2]], scores: [1, null]}) '
        "{ tags board scores facts } }"
    )
    assert made == {"createPost": {"tags": ["x", "y"], "board": [[1], [2]], "scores": [1, None], "facts": None}}
    made = await ask(
        'mutation { createBooking(data: {room: 1, span: {lower: 1, upper: 5, bounds: "[]"}}) { span hours } }'
    )
    assert made == {"createBooking": {"span": {"lower": 1, "upper": 5, "bounds": "[]", "empty": False}, "hours": None}}
    await Thing.objects.create(data={"a": None})
    found = await ask(
        '{ posts(filters: {tagsContains: ["x"]}) { totalCount } bookings(filters: {spanContains: 5}) { edges { node { span '
        "} } } things { edges { node { data } } } }"
    )
    assert found == {
        "posts": {"totalCount": 1},
        "bookings": {"edges": [{"node": {"span": {"lower": 1, "upper": 6, "bounds": "[)", "empty": False}}}]},
        "things": {"edges": [{"node": {"data": {"a": None}}}]},
    }
