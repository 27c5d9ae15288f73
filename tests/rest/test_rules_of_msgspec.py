"""Rules of ``msgspec.Meta`` for what pydantic reads, and those of markers and of pydantic for bodies of structs."""

import dataclasses
import datetime
from typing import Annotated, Any, get_args

import annotated_types
import msgspec
import pytest
from msgspec import Meta
from pydantic import AfterValidator, BaseModel, Field, StringConstraints
from typing_extensions import TypeAliasType, TypedDict

from covet.exceptions import ImproperlyConfigured
from covet.rest import Body, Form, Query, Router, permissions
from covet.rest.annotations import split
from covet.rest.openapi import build_document
from covet.schema import structs
from covet.schema.meta_rules import in_meta, in_pydantic
from covet.urls import include, path
from covet.urls.resolver import Resolver

OPEN = [permissions.AllowAny]


class Item(msgspec.Struct):
    name: Annotated[str, Meta(min_length=2, description="What it is called.", examples=["ab"])]
    count: Annotated[int, Meta(gt=3)] = 5


Stars = TypeAliasType("Stars", Annotated[int, Meta(ge=2)])
AllStars = TypeAliasType("AllStars", list[Annotated[int, Meta(ge=2)]])


async def serve(site: Any, api: Router) -> Any:
    return await site([path("api/", include(api))])


def told(response: Any) -> list[tuple[str, str]]:
    assert response.status_code == 422
    return [(error.get("parameter", error.get("pointer")), error["code"]) for error in response.json()["errors"]]


async def test_meta_of_a_parameter_is_a_rule(site: Any) -> None:
    api = Router(permissions=OPEN)

    @api.get("/look")
    async def look(
        size: Annotated[int, Meta(ge=2, description="How many.", extra_json_schema={"x-unit": "m"})] = 3,
        ids: list[Annotated[int, Meta(gt=2)]] = [],  # noqa: B006
        at: Annotated[datetime.datetime, Meta(tz=True)] | None = None,
        local: Annotated[datetime.datetime, Meta(tz=False), "other"] | None = None,
        by: dict[str, int] | None = Query(None, include_in_schema=False),  # noqa: B008
    ) -> Any:
        return [size, ids]

    client = await serve(site, api)
    good = "/api/look?size=2&ids=3&at=2026-01-01T00:00:00Z&local=2026-01-01T00:00:00"
    assert (await client.get(good)).json() == [2, [3]]
    wrong = "/api/look?size=1&ids=2&at=2026-01-01T00:00:00&local=2026-01-01T00:00:00Z"
    assert told(await client.get(wrong)) == [
        ("size", "greater_than_equal"),
        ("ids", "greater_than"),
        ("at", "timezone_aware"),
        ("local", "timezone_naive"),
    ]
    document = build_document(Resolver([path("", include(api))]).routes, title="T")
    size = document["paths"]["/look"]["get"]["parameters"][0]["schema"]
    assert size == {"type": "integer", "minimum": 2, "description": "How many.", "x-unit": "m", "default": 3}


async def test_meta_behind_an_alias_is_a_rule_wherever_the_alias_stands(site: Any) -> None:
    @dataclasses.dataclass
    class Film:
        stars: list[Stars]

    api = Router(permissions=OPEN)

    @api.get("/look")
    async def look(one: Stars | None = None, some: list[Stars] = [], all: AllStars = []) -> Any:  # noqa: B006
        return [one, some, all]

    @api.post("/films")
    async def add(stars: Annotated[dict[str, list[Stars]], Body()]) -> Any:
        return stars

    client = await serve(site, api)
    assert (await client.get("/api/look?one=2&some=2&all=2")).json() == [2, [2], [2]]
    wrong = await client.get("/api/look?one=1&some=1&all=1")
    assert told(wrong) == [(name, "greater_than_equal") for name in ("one", "some", "all")]
    assert told(await client.post("/api/films", json={"a": [1]})) == [("/a/0", "greater_than_equal")]

    unread = Router(permissions=OPEN)
    unread.post("/films")(film_taker(Film))
    with pytest.raises(ImproperlyConfigured, match=r"'stars' of Film has rules of msgspec\.Meta"):
        await serve(site, unread)


def film_taker(kind: Any) -> Any:
    async def take(film: kind) -> None: ...

    return take


class NamesItself:
    """What ``type Rows = tuple[Rows, Annotated[int, Meta(ge=2)]]`` is from Python 3.12 on."""

    @property
    def __value__(self) -> Any:
        return tuple[self, Annotated[int, Meta(ge=2)]]  # type: ignore[valid-type]


def test_an_alias_that_names_itself_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structs, "ALIASES", (*structs.ALIASES, NamesItself))
    rows = NamesItself()

    bare, metadata = split(rows)

    assert metadata == ()
    for found in (bare, in_pydantic(rows)):
        itself, number = get_args(found)
        assert itself is rows
        assert number.__metadata__[0].metadata == [annotated_types.Ge(2)]


async def test_meta_of_a_structs_field_is_told_of_its_parameter(site: Any) -> None:
    api = Router(permissions=OPEN)

    @api.get("/items")
    async def look(by: Annotated[Item, Query()]) -> Item:
        return by

    @api.post("/items")
    async def add(item: Annotated[Item, Form()]) -> Item:
        return item

    client = await serve(site, api)
    assert told(await client.get("/api/items?name=a&count=1")) == [("name", "invalid"), ("count", "invalid")]
    document = build_document(Resolver([path("", include(api))]).routes, title="T")
    name, count = (one["schema"] for one in document["paths"]["/items"]["get"]["parameters"])
    assert name == {"type": "string", "minLength": 2, "description": "What it is called.", "examples": ["ab"]}
    assert count == {"type": "integer", "exclusiveMinimum": 3, "default": 5}


async def test_rules_of_a_body_beside_structs_hold(site: Any) -> None:
    api = Router(permissions=OPEN)

    @api.post("/both")
    async def both(
        item: Item,
        size: Annotated[int, Body(ge=3)],
        ids: Annotated[list[Annotated[int, Field(gt=3)]], Body()],
        code: Annotated[str, Meta(min_length=2), Body()] = "abc",
    ) -> Any:
        return [item.name, size, ids, code]

    @api.post("/some")
    async def some(items: Annotated[list[Item], Body(min_length=1)]) -> Any:
        return len(items)

    client = await serve(site, api)
    sent = {"item": {"name": "ab"}, "size": 3, "ids": [4], "code": "xy"}
    assert (await client.post("/api/both", json=sent)).json() == ["ab", 3, [4], "xy"]
    wrong = {"item": {"name": "ab"}, "size": 2, "ids": [3], "code": "x"}
    assert sorted(told(await client.post("/api/both", json=wrong))) == [
        ("/code", "invalid"),
        ("/ids/0", "invalid"),
        ("/size", "invalid"),
    ]
    assert (await client.post("/api/some", json=[{"name": "ab"}])).json() == 1
    assert told(await client.post("/api/some", json=[])) == [("", "invalid")]


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        (Annotated[int, Body(strict=True)], "strict"),
        (Annotated[int, AfterValidator(abs), Body()], "func"),
        (Annotated[str, StringConstraints(to_upper=True), Body()], "to_upper"),
    ],
)
def test_a_rule_that_msgspec_does_not_know_is_told_at_start_up(kind: Any, rule: str) -> None:
    api = Router(permissions=OPEN)

    @api.post("/both")
    async def both(item: Item, size: kind) -> int:
        return 1

    with pytest.raises(ImproperlyConfigured) as raised:
        Resolver([path("", include(api))])
    assert f"the rule '{rule}' of 'size' is not for a body of structs" in str(raised.value)


@dataclasses.dataclass
class Measured:
    size: Annotated[int, Meta(gt=3)]
    next: "Measured | None" = None


class Weighed(TypedDict):
    size: Annotated[list[Annotated[int, Meta(gt=3)]], "grams"]


class Counted(BaseModel):
    size: Annotated[int, Meta(gt=3)] = 5


@pytest.mark.parametrize("kind", [Measured, Weighed, Counted, list[Counted], Measured | None])
def test_meta_in_a_class_that_pydantic_reads_is_told_at_start_up(kind: Any) -> None:
    """Else a client could send what it forbids."""
    api = Router(permissions=OPEN)

    @api.post("/things")
    async def add(thing: kind) -> int:
        return 1

    with pytest.raises(
        ImproperlyConfigured, match=r"'size' of .* has rules of msgspec\.Meta, which pydantic does not follow"
    ):
        Resolver([path("", include(api))])


async def test_a_class_that_only_its_own_function_knows_by_name_is_read_as_ever(site: Any) -> None:
    @dataclasses.dataclass
    class Node:
        size: int
        next: "Node | None" = None  # found by pydantic, and not by typing

    api = Router(permissions=OPEN)

    @api.post("/nodes")
    async def add(node: Node) -> Any:
        return node.next and node.next.size

    client = await serve(site, api)
    assert (await client.post("/api/nodes", json={"size": 3, "next": {"size": 4}})).json() == 4


@pytest.mark.parametrize(
    ("annotation", "shown"),
    [
        (
            Annotated[int, Field(ge=1, title="T", description="D", examples=[2])],
            Meta(ge=1, title="T", description="D", examples=[2]),
        ),
        (Annotated[str, Field(pattern="a", max_length=3)], Meta(pattern="a", max_length=3)),
        (Annotated[str, StringConstraints(min_length=2)], Meta(min_length=2)),
        (Annotated[int, annotated_types.Interval(gt=1, le=4)], Meta(gt=1, le=4)),
    ],
)
def test_rules_of_pydantic_in_the_words_of_msgspec(annotation: Any, shown: Meta) -> None:
    (made,) = in_meta(annotation).__metadata__
    assert made == shown


def test_an_annotation_without_rules_of_the_other_library_is_the_same_object() -> None:
    for annotation in (int, list[int], Annotated[int, "mine"], dict[str, int | None], tuple[int, ...]):
        assert in_pydantic(annotation) is annotation
        assert in_meta(annotation) is annotation
    assert in_meta(Annotated[int, Field()]) is int
    assert in_pydantic(Annotated[int, Meta()]) is int
