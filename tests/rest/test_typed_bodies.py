"""Structs, dataclasses and TypedDicts as bodies, parameters and answers: as exact as pydantic's schemas."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Annotated, Any, NotRequired

import msgspec
import pytest
from openapi_spec_validator import validate
from pydantic import AfterValidator, field_validator
from typing_extensions import TypedDict

from covet.exceptions import ImproperlyConfigured
from covet.rest import Body, Cookie, Form, Header, Page, Query, Router, Schema, permissions
from covet.rest.openapi import get_openapi
from covet.urls import include, path
from tests.rest.library import Author, Tag

OPEN: Any = [permissions.AllowAny]


class Line(msgspec.Struct, forbid_unknown_fields=True):
    sku: str
    count: Annotated[int, msgspec.Meta(ge=1)] = 1


class Order(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(max_length=10, description="Who ordered.")]
    lines: list[Line] = []
    on: datetime.date | None = None


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Size(TypedDict):
    wide: int
    tall: NotRequired[int]


class Window(msgspec.Struct):
    size: Annotated[int, msgspec.Meta(le=100)] = 20
    tags: list[str] = []


class Author_(msgspec.Struct, rename={"name": "fullName"}):
    id: int
    name: str


class TagNames(msgspec.Struct):
    name: str
    label: str = "tag"


class Plain(Schema):
    a: int


api = Router(permissions=OPEN)


@api.post("/orders")
async def order(data: Order) -> Order:
    return data


@api.post("/lines")
async def lines(data: list[Line]) -> list[Line]:
    return data


@api.post("/both")
async def both(first: Line, second: Annotated[Line, Body()], note: Annotated[str, Body()] = "-") -> dict[str, Any]:
    return {"first": first.sku, "second": second.sku, "note": note}


@api.post("/points")
async def point(data: Point) -> Point:
    return data


@api.post("/sizes")
async def size(data: Size) -> Size:
    return data


@api.get("/window")
async def window(window: Annotated[Window, Query()]) -> Window:
    return window


@api.get("/place")
async def place(at: Annotated[Point, Query()], size: Annotated[Size, Header()]) -> dict[str, Any]:
    return {"x": at.x, "y": at.y, "size": size}


@api.get("/crumbs")
async def crumbs(line: Annotated[Line, Cookie()]) -> Line:
    return line


@api.post("/forms")
async def form(line: Annotated[Line, Form()]) -> Line:
    return line


@api.get("/authors", response=Page[Author_])
async def authors() -> Any:
    return Author.objects.order_by("pk")


@api.get("/author", response=Author_)
async def author() -> Any:
    return await Author.objects.first()


@api.get("/tags", response=list[TagNames])
async def tags() -> Any:
    return Tag.objects.all()


@api.get("/broken", response=Order)
async def broken() -> Any:
    return {"lines": []}


async def test_a_struct_is_read_from_the_body_and_written_again(site: Any) -> None:
    client = await site([path("", include(api))])

    answer = await client.post("/orders", json={"name": "Ann", "lines": [{"sku": "a"}], "on": "2026-01-02"})

    assert answer.json() == {"name": "Ann", "lines": [{"sku": "a", "count": 1}], "on": "2026-01-02"}


async def test_all_wrong_values_of_a_struct_are_told_with_their_places(site: Any) -> None:
    client = await site([path("", include(api))])

    answer = await client.post(
        "/orders", json={"name": "a" * 11, "lines": [{"sku": 1}, {"count": 0, "skv": "x"}], "on": "never"}
    )

    told = {error["pointer"]: (error["code"], error["detail"]) for error in answer.json()["errors"]}
    assert answer.status_code == 422
    assert told["/name"] == ("invalid", "Expected 'str' of length <= 10.")
    assert told["/lines/0/sku"] == ("invalid", "Expected 'str', got 'int'.")
    assert told["/lines/1/sku"][0] == "missing"
    assert told["/lines/1/skv"] == ("extra_forbidden", "Unknown field 'skv'. Did you mean 'sku'?")
    assert told["/on"][0] == "invalid"
    assert set(told) == {"/name", "/lines/0/sku", "/lines/1/sku", "/lines/1/skv", "/lines/1/count", "/on"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b'{"name": NaN}', 400),
        (b"[" * 50_000, 400),
        (b'"x"', 422),
        (b"", 422),
        (b'{"name": "\xff"}', 400),
    ],
)
async def test_what_is_no_struct_is_refused(site: Any, body: bytes, status: int) -> None:
    client = await site([path("", include(api))])

    answer = await client.post("/orders", content=body, headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_lists_of_structs_and_several_structs_share_a_body(site: Any) -> None:
    client = await site([path("", include(api))])

    listed = await client.post("/lines", json=[{"sku": "a"}, {"sku": "b", "count": 2}])
    shared = await client.post("/both", json={"first": {"sku": "a"}, "second": {"sku": "b"}})
    wrong = await client.post("/both", json={"first": {"sku": "a"}, "second": {}, "extra": 1})

    assert listed.json() == [{"sku": "a", "count": 1}, {"sku": "b", "count": 2}]
    assert shared.json() == {"first": "a", "second": "b", "note": "-"}
    assert [error["pointer"] for error in wrong.json()["errors"]] == ["/second/sku", "/extra"]


async def test_dataclasses_and_typed_dicts_are_bodies(site: Any) -> None:
    client = await site([path("", include(api))])

    point_ = await client.post("/points", json={"x": 1})
    size_ = await client.post("/sizes", json={"wide": 2})
    wrong = await client.post("/points", json={"x": "far", "y": []})
    short = await client.post("/sizes", json={})

    assert (point_.json(), size_.json()) == ({"x": 1, "y": 0}, {"wide": 2})
    assert [error["pointer"] for error in wrong.json()["errors"]] == ["/x", "/y"]
    assert short.json()["errors"][0]["pointer"] == "/wide"


async def test_parameters_are_read_into_structs_dataclasses_and_typed_dicts(site: Any) -> None:
    client = await site([path("", include(api))])

    window_ = await client.get("/window?size=5&tags=a&tags=b")
    place_ = await client.get("/place?x=3", headers={"wide": "7"})
    crumb = await client.get("/crumbs", headers={"Cookie": "sku=c; count=3"})
    filled = await client.post("/forms", data={"sku": "f"})

    assert window_.json() == {"size": 5, "tags": ["a", "b"]}
    assert place_.json() == {"x": 3, "y": 0, "size": {"wide": 7}}
    assert crumb.json() == {"sku": "c", "count": 3}
    assert filled.json() == {"sku": "f", "count": 1}


async def test_wrong_parameters_of_a_struct_are_named(site: Any) -> None:
    client = await site([path("", include(api))])

    many = await client.get("/window?size=101")
    none = await client.get("/place")

    assert many.json()["errors"] == [{"detail": "Expected 'int' <= 100.", "parameter": "size", "code": "invalid"}]
    assert {(error.get("parameter"), error.get("header")) for error in none.json()["errors"]} == {
        ("x", None),
        (None, "wide"),
    }


async def test_structs_and_other_schemas_do_not_share_a_body(site: Any) -> None:
    mixed = Router(permissions=OPEN)

    @mixed.post("/")
    async def mix(first: Line, second: Plain) -> None: ...

    with pytest.raises(ImproperlyConfigured, match="Make all of them structs, or none"):
        await site([path("", include(mixed))])


async def test_rows_are_shown_by_structs(library: Any) -> None:
    client = await library(api)
    ann = await Author.objects.create(name="Ann", email="a@example.org")
    await Tag.objects.create(name="red")

    paged = (await client.get("/api/authors")).json()
    one = (await client.get("/api/author")).json()
    listed = await client.get("/api/tags")

    assert paged["items"] == [{"id": ann.pk, "fullName": "Ann"}]
    assert one == {"id": ann.pk, "fullName": "Ann"}
    assert listed.json() == [{"name": "red", "label": "tag"}]


async def test_a_value_that_is_no_such_struct_is_a_fault_of_the_server(site: Any) -> None:
    client = await site([path("", include(api))])

    assert (await client.get("/broken")).status_code == 500


async def test_the_document_tells_structs_by_name(site: Any) -> None:
    await site([path("", include(api))])

    document = get_openapi()
    validate(document)
    schemas = document["components"]["schemas"]
    paged = document["paths"]["/authors"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]

    assert schemas["Order"]["properties"]["lines"]["items"] == {"$ref": "#/components/schemas/Line"}
    assert schemas["Line"]["required"] == ["sku"]
    assert document["paths"]["/orders"]["post"]["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Order"
    }
    page = schemas[paged["$ref"].rpartition("/")[2]]
    assert page["properties"]["items"]["items"] == {"$ref": "#/components/schemas/Author_"}
    assert "Point" in schemas
    assert "Size" in schemas


def small(value: int) -> int:
    if value > 8:
        raise AssertionError("Too much.")  # as an assert has it, without what pytest adds
    return value


class Poem(Schema):
    title: str
    price: Annotated[int, AfterValidator(small)] = 0

    @field_validator("title")
    @classmethod
    def in_words(cls, value: str) -> str:
        if "x" in value:
            raise ValueError("No x in titles.")
        return value


async def test_what_a_validator_raises_is_told_in_its_own_words(site: Any) -> None:
    api = Router(permissions=[permissions.AllowAny])

    @api.post("/poems")
    async def write(poem: Poem, page: Annotated[int, AfterValidator(small), Query()] = 0) -> Poem:
        return poem

    client = await site([path("", include(api))])
    answer = await client.post("/poems?page=9", json={"title": "x", "price": 9})

    assert answer.status_code == 422
    assert {one["code"]: one["detail"] for one in answer.json()["errors"]} == {
        "value_error": "No x in titles.",
        "assertion_error": "Too much.",
    }
    assert [one.get("pointer", one.get("parameter")) for one in answer.json()["errors"]] == ["page", "/title", "/price"]
