"""The document and the server say the same: what a schema allows is taken, what it forbids is refused, answers are as told."""

from __future__ import annotations

import datetime
import decimal
import enum
import json
import uuid
from typing import Annotated, Any, Literal

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import Field

from covet.http.errors import Conflict, NotFound
from covet.http.files import UploadedFile
from covet.http.request import Request
from covet.http.response import Response
from covet.rest import Body, Cookie, File, Form, Header, Path, Query, Router, Schema, permissions
from covet.rest.openapi import get_openapi
from covet.urls import include, path
from tests.rest.conftest import KNOWN

OPEN = [permissions.AllowAny]


class Color(enum.Enum):
    RED = "r"
    GREEN = "g"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Cat(Schema):
    kind: Literal["cat"]
    lives: int = Field(default=9, ge=1, le=9)


class Dog(Schema):
    kind: Literal["dog"]
    name: str | None = None
    friends: list[Dog] = []


class Shop(Schema):
    """Where things are sold."""

    title: str = Field(min_length=1, max_length=5, description="On the door.", examples=["Zoo"])
    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]] = []
    opened: datetime.date | None = None
    price: decimal.Decimal = Field(default=decimal.Decimal("1.50"), max_digits=4, decimal_places=2)
    color: Color = Color.RED
    level: Level = Level.LOW
    places: dict[str, int] = {}
    alias: int = Field(default=1, alias="aliasOf")


class Search(Schema):
    term: str = Field(min_length=2)
    limit: int = Field(default=10, le=20, alias="max")
    tags: list[str] = []


class Told(Schema):
    text: str


def make_api() -> Router:
    api = Router(permissions=OPEN)

    @api.get("/paths/<int:number>/<uuid:key>/<slug:word>/<str:text>")
    async def in_path(
        number: Annotated[int, Path(ge=2, le=5)],
        key: uuid.UUID,
        word: Annotated[str, Path(max_length=3)],
        text: Annotated[str, Path(pattern="^[a-z]+$")],
    ) -> list[str]:
        return [str(number), str(key), word, text]

    @api.get("/queries")
    async def in_query(
        low: Annotated[int, Query(ge=0)] = 0,
        above: Annotated[float, Query(gt=1, lt=3)] = 2.0,
        step: Annotated[int, Query(multiple_of=5)] = 5,
        text: Annotated[str, Query(min_length=2, max_length=4, pattern="^a")] = "aa",
        other: Annotated[int | None, Query(alias="otherName")] = None,
        color: Color = Color.GREEN,
        level: Level = Level.HIGH,
        word: Literal["x", "y"] = "x",
        many: Annotated[list[int], Query(min_length=1, max_length=2)] = [1],  # noqa: B006
        joined: Annotated[list[Color], Query(by_comma=True)] = [],  # noqa: B006
        day: datetime.date | None = None,
        moment: datetime.datetime | None = None,
        amount: decimal.Decimal | None = None,
        key: uuid.UUID | None = None,
        flag: bool = False,
    ) -> dict[str, Any]:
        return {"level": level, "color": color, "many": many, "joined": joined}

    @api.get("/required")
    async def required(
        needed: int, x_token: Annotated[str, Header(min_length=3)], theme: Annotated[Color, Cookie()]
    ) -> str:
        return "ok"

    @api.get("/grouped")
    async def grouped(search: Annotated[Search, Query()]) -> Search:
        return search

    @api.post("/shops", status=201)
    async def open_shop(shop: Shop) -> Shop:
        return shop

    @api.post("/pairs")
    async def pair(left: Cat, right: Annotated[Dog, Body(description="On the right.")]) -> list[Cat | Dog]:
        return [left, right]

    @api.post("/forms")
    async def in_form(
        title: Annotated[str, Form(max_length=3)],
        count: Annotated[int, Form(ge=1)] = 1,
        tags: Annotated[list[str], Form()] = [],  # noqa: B006
        photo: Annotated[UploadedFile | None, File(description="A picture.")] = None,
    ) -> dict[str, Any]:
        return {"title": title, "count": count, "tags": tags, "size": 0 if photo is None else photo.size}

    @api.get(
        "/told/<int:number>",
        response={200: Told, 202: list[Told], 404: Told},
        responses={409: {"description": "Taken.", "headers": {"X-By": {"schema": {"type": "string"}}}}},
    )
    async def told(number: int, response: Response) -> Any:
        if number == 404:
            raise NotFound
        if number == 409:
            raise Conflict
        response.headers["X-Number"] = str(number)
        return Told(text="x")

    @api.post("/guarded", permissions=[permissions.IsAuthenticated])
    async def guarded(request: Request) -> None: ...

    return api


@pytest.fixture
async def client(site: Any) -> Any:
    return await site([path("", include(make_api()))], middleware=["tests.rest.conftest.UserFromHeader"])


@pytest.fixture
def document(client: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(get_openapi()))
    assert list(OpenAPIV31SpecValidator(made).iter_errors()) == []
    return made


def validator(document: dict[str, Any], schema: Any) -> Draft202012Validator:
    return Draft202012Validator(
        {**schema, "components": document["components"]}, format_checker=Draft202012Validator.FORMAT_CHECKER
    )


def parameters(document: dict[str, Any], name: str) -> dict[str, Any]:
    return {one["name"]: one for one in document["paths"][name]["get"]["parameters"]}


IN_QUERY: dict[str, list[Any]] = {
    "low": [0, 5, -1, 1.5, "a"],
    "above": [1.5, 1, 3, "x"],
    "step": [10, 0, 7],
    "text": ["ab", "abcd", "a", "abcde", "ba"],
    "otherName": [3, "x"],
    "color": ["r", "g", "RED", ""],
    "level": [1, 2, 3, "LOW"],
    "word": ["x", "y", "z"],
    "many": [[1], [1, 2], [1, 2, 3], ["a"]],
    "joined": [["r"], ["r", "g"], ["r", "x"]],
    "day": ["2026-01-31", "2026-02-31", "x"],
    "moment": ["2026-01-31T10:00:00Z", "yesterday"],
    "amount": ["1.5", "x"],
    "key": ["6b29fc40-ca47-1067-b31d-00dd010662da", "6b29"],
    "flag": [True, False, "maybe"],
}


async def test_query_parameters_are_taken_as_told(client: Any, document: dict[str, Any]) -> None:
    told = parameters(document, "/queries")
    assert set(told) == set(IN_QUERY)
    for name, values in IN_QUERY.items():
        check = validator(document, told[name]["schema"])
        for value in values:
            listed = value if isinstance(value, list) else [value]
            texts = [str(one).lower() if isinstance(one, bool) else str(one) for one in listed]
            if told[name].get("explode") is False:
                texts = [",".join(texts)]
            answer = await client.get("/queries", params=[(name, text) for text in texts])
            assert (answer.status_code == 200) is check.is_valid(value), (name, value, answer.text, told[name])
            if answer.status_code != 200:
                assert answer.status_code == 422
                assert answer.json()["errors"][0]["parameter"] == name
    defaults = {name: one["schema"].get("default") for name, one in told.items()}

    assert defaults["text"] == "aa"
    assert (defaults["color"], defaults["level"], defaults["many"]) == ("g", 2, [1])
    assert (await client.get("/queries")).json() == {"level": 2, "color": "g", "many": [1], "joined": []}


async def test_path_parameters_are_taken_as_told(client: Any, document: dict[str, Any]) -> None:
    route = "/paths/{number}/{key}/{word}/{text}"
    told = parameters(document, route)
    key = "6b29fc40-ca47-1067-b31d-00dd010662da"
    for values in (
        {"number": 2, "key": key, "word": "a-b", "text": "abc"},
        {"number": 1, "key": key, "word": "a", "text": "abc"},
        {"number": 6, "key": key, "word": "a", "text": "abc"},
        {"number": 3, "key": "x", "word": "a", "text": "abc"},
        {"number": 3, "key": key, "word": "a.b", "text": "abc"},
        {"number": 3, "key": key, "word": "abcd", "text": "abc"},
        {"number": 3, "key": key, "word": "a", "text": "ABC"},
    ):
        answer = await client.get(route.format(**values))
        fits = all(validator(document, told[name]["schema"]).is_valid(value) for name, value in values.items())
        # What a path's own converter does not take is another address.
        assert (answer.status_code == 200) is fits, (values, answer.text)
        assert answer.status_code in (200, 404, 422)


async def test_headers_cookies_and_required_parameters_are_as_told(client: Any, document: dict[str, Any]) -> None:
    told = parameters(document, "/required")
    assert {name: (one["in"], one.get("required")) for name, one in told.items()} == {
        "needed": ("query", True),
        "x-token": ("header", True),
        "theme": ("cookie", True),
    }
    whole: dict[str, Any] = {"params": {"needed": 1}, "headers": {"X-Token": "abc", "Cookie": "theme=r"}}

    assert (await client.get("/required", **whole)).status_code == 200
    for headers in (
        {"X-Token": "ab", "Cookie": "theme=r"},
        {"X-Token": "abc", "Cookie": "theme=x"},
        {"X-Token": "abc"},
        {"Cookie": "theme=r"},
    ):
        assert (await client.get("/required", params={"needed": 1}, headers=headers)).status_code == 422
    assert (await client.get("/required", headers=whole["headers"])).status_code == 422


async def test_a_schema_in_the_query_is_told_field_by_field(client: Any, document: dict[str, Any]) -> None:
    told = parameters(document, "/grouped")
    assert list(told) == ["term", "max", "tags"]
    assert told["term"]["required"] is True
    assert told["max"]["schema"] == {"type": "integer", "maximum": 20, "default": 10}

    for query, status in (
        ("term=ab", 200),
        ("term=a", 422),
        ("term=ab&max=20&tags=x&tags=y", 200),
        ("term=ab&max=21", 422),
    ):
        assert (await client.get(f"/grouped?{query}")).status_code == status, query


SHOPS: list[Any] = [
    {"title": "Zoo"},
    {"title": ""},
    {"title": "Zoo Zoo"},
    {},
    {"title": "Zoo", "extra": 1},
    {"title": "Zoo", "pets": [{"kind": "cat", "lives": 3}, {"kind": "dog", "friends": [{"kind": "dog"}]}]},
    {"title": "Zoo", "pets": [{"kind": "cat", "lives": 10}]},
    {"title": "Zoo", "pets": [{"kind": "cow"}]},
    {"title": "Zoo", "pets": [{"lives": 1}]},
    {"title": "Zoo", "pets": [{"kind": "dog", "friends": [{"kind": "cat"}]}]},
    {"title": "Zoo", "opened": None},
    {"title": "Zoo", "opened": "2026-01-31"},
    {"title": "Zoo", "opened": "2026-31-01"},
    {"title": "Zoo", "price": "12.5"},
    {"title": "Zoo", "price": "12.555"},
    *(
        {"title": "Zoo", "price": price}
        for price in (1.5, 99.5, 100, -100, "-99.99", "100", ".5", "5.", ".", "+1.500", "1e", "")
    ),
    {"title": "Zoo", "color": "g", "level": 2},
    {"title": "Zoo", "color": "GREEN"},
    {"title": "Zoo", "level": 3},
    {"title": "Zoo", "places": {"a": 1}},
    {"title": "Zoo", "places": {"a": "b"}},
    {"title": "Zoo", "aliasOf": 2},
    {"title": "Zoo", "alias": 2},
    [],
    None,
]


@pytest.mark.parametrize("body", SHOPS, ids=json.dumps)
async def test_bodies_are_taken_and_answers_given_as_told(client: Any, document: dict[str, Any], body: Any) -> None:
    operation = document["paths"]["/shops"]["post"]
    asked = operation["requestBody"]["content"]["application/json"]["schema"]
    given = operation["responses"]["201"]["content"]["application/json"]["schema"]

    answer = await client.post("/shops", content=json.dumps(body), headers={"Content-Type": "application/json"})

    assert (answer.status_code == 201) is validator(document, asked).is_valid(body), answer.text
    if answer.status_code == 201:
        validator(document, given).validate(answer.json())
    else:
        problem = operation["responses"][str(answer.status_code)]["content"]["application/problem+json"]["schema"]
        validator(document, problem).validate(answer.json())


async def test_unions_have_discriminators_and_enumerations_their_names(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    shop = next(schemas[name] for name in ("Shop", "Shop-Input") if name in schemas)

    assert shop["properties"]["pets"]["items"]["discriminator"] == {
        "propertyName": "kind",
        "mapping": {"cat": "#/components/schemas/Cat-Input", "dog": "#/components/schemas/Dog-Input"},
    }
    assert schemas["Color"] == {"type": "string", "enum": ["r", "g"], "x-enum-varnames": ["RED", "GREEN"]}
    assert schemas["Level"]["x-enum-varnames"] == ["LOW", "HIGH"]
    assert shop["properties"]["title"]["examples"] == ["Zoo"]
    assert shop["description"] == "Where things are sold."


async def test_several_bodies_share_one_as_told(client: Any, document: dict[str, Any]) -> None:
    operation = document["paths"]["/pairs"]["post"]
    check = validator(document, operation["requestBody"]["content"]["application/json"]["schema"])
    given = validator(document, operation["responses"]["200"]["content"]["application/json"]["schema"])
    for body in (
        {"left": {"kind": "cat"}, "right": {"kind": "dog"}},
        {"left": {"kind": "cat"}},
        {"left": {"kind": "dog"}, "right": {"kind": "dog"}},
        {"left": {"kind": "cat"}, "right": {"kind": "dog"}, "middle": 1},
    ):
        answer = await client.post("/pairs", json=body)
        assert (answer.status_code == 200) is check.is_valid(body), answer.text
        if answer.status_code == 200:
            given.validate(answer.json())


async def test_forms_and_files_are_taken_as_told(client: Any, document: dict[str, Any]) -> None:
    content = document["paths"]["/forms"]["post"]["requestBody"]["content"]
    assert list(content) == ["multipart/form-data"]
    schema = content["multipart/form-data"]["schema"]
    assert schema["required"] == ["title"]
    assert schema["properties"]["photo"] == {"type": "string", "format": "binary", "description": "A picture."}
    assert schema["properties"]["count"] == {"type": "integer", "minimum": 1, "default": 1}

    whole = await client.post("/forms", data={"title": "abc", "tags": ["a", "b"]}, files={"photo": ("p.png", b"1234")})
    long = await client.post("/forms", data={"title": "abcd"}, files={"photo": ("p.png", b"1234")})
    none = await client.post("/forms", files={"photo": ("p.png", b"1234")})

    assert whole.json() == {"title": "abc", "count": 1, "tags": ["a", "b"], "size": 4}
    assert (long.status_code, none.status_code) == (422, 422)


async def test_answers_of_each_status_are_told(client: Any, document: dict[str, Any]) -> None:
    responses = document["paths"]["/told/{number}"]["get"]["responses"]

    assert list(responses) == ["200", "202", "404", "406", "409", "422"]
    assert responses["202"]["content"]["application/json"]["schema"]["type"] == "array"
    assert responses["409"]["headers"]["X-By"] == {"schema": {"type": "string"}}
    for number in (200, 404, 409):
        assert str((await client.get(f"/told/{number}")).status_code) in responses
    assert (await client.get("/told/1")).headers["x-number"] == "1"


async def test_credentials_are_asked_for_where_they_are_told(client: Any, document: dict[str, Any]) -> None:
    guarded = document["paths"]["/guarded"]["post"]
    shops = document["paths"]["/shops"]["post"]

    assert guarded["security"] == [{"session": []}]
    assert "security" not in shops
    assert {"401", "403"} <= guarded["responses"].keys()
    assert (await client.post("/guarded")).status_code == 401
    assert (await client.post("/guarded", headers=KNOWN)).status_code == 204
