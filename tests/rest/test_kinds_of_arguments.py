"""Which types of an argument are one parameter of the query, what aliases of types say, and files in the schema of a form."""

import datetime
import ipaddress
import pathlib
import zoneinfo
from typing import Annotated, Any, Literal, NewType, TypeVar

import pytest
from pydantic import AliasChoices, AliasPath, AwareDatetime, BaseModel, Field, HttpUrl, RootModel, SecretStr
from typing_extensions import TypeAliasType

from covet.exceptions import ImproperlyConfigured
from covet.http.files import UploadedFile
from covet.rest import Body, Depends, Form, Header, Query, Router, Schema, permissions
from covet.rest.openapi import build_document
from covet.urls import include, path
from covet.urls.resolver import Resolver

OPEN = [permissions.AllowAny]
T = TypeVar("T")
UserId = NewType("UserId", int)
Address = NewType("Address", HttpUrl)
Small = TypeAliasType("Small", Annotated[int, Field(lt=10)])
Kind = TypeAliasType("Kind", Literal[1, 2])
Ids = TypeAliasType("Ids", list[T], type_params=(T,))


class Words(RootModel[str]): ...


class Picture(Schema):
    title: str = Field(examples=["Bees"])
    file: UploadedFile
    more: list[UploadedFile] = []
    icon: UploadedFile | None = None


async def serve(site: Any, api: Router) -> Any:
    return await site([path("api/", include(api))])


def operation_of(router: Router, route: str, method: str) -> Any:
    document = build_document(Resolver([path("", include(router))]).routes, title="T", version="1")
    return document["paths"][route][method]


@pytest.mark.parametrize(
    ("annotation", "sent", "read"),
    [
        (HttpUrl, "http://a.example/x", HttpUrl("http://a.example/x")),
        (HttpUrl | None, "http://a.example/x", HttpUrl("http://a.example/x")),
        (AwareDatetime, "2026-01-02T03:04:05Z", datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)),
        (SecretStr, "hush", SecretStr("hush")),
        (ipaddress.IPv4Address, "10.0.0.1", ipaddress.ip_address("10.0.0.1")),
        (ipaddress.IPv4Network, "10.0.0.0/8", ipaddress.ip_network("10.0.0.0/8")),
        (pathlib.Path, "a/b", pathlib.Path("a/b")),
        (zoneinfo.ZoneInfo, "Europe/Berlin", zoneinfo.ZoneInfo("Europe/Berlin")),
        (list[HttpUrl], "http://a.example/x", [HttpUrl("http://a.example/x")]),
        (UserId, "7", 7),
        (UserId | None, "7", 7),
        (list[UserId], "7", [7]),
        (Address, "http://a.example/x", HttpUrl("http://a.example/x")),
        (Small, "7", 7),
        (Kind, "2", 2),
        (Ids[int], "7", [7]),
        (Ids[UserId] | None, "7", [7]),
    ],
)
@pytest.mark.parametrize("method", ["get", "post"])
async def test_what_is_read_from_one_text_comes_from_the_query(
    site: Any, method: str, annotation: Any, sent: str, read: Any
) -> None:
    api = Router(permissions=OPEN)
    found = []

    async def look(value: annotation) -> int:
        found.append(value)
        return 1

    getattr(api, method)("/look")(look)
    client = await serve(site, api)

    assert (await client.request(method.upper(), "/api/look", params={"value": sent})).status_code == 200
    assert found == [read]
    told = operation_of(api, "/look", method)["parameters"]
    assert [(one["name"], one["in"]) for one in told] == [("value", "query")]


async def test_classes_with_fields_and_roots_stay_bodies(site: Any) -> None:
    api = Router(permissions=OPEN)

    class Unknown: ...

    @api.post("/words")
    async def words(value: Words) -> Words:
        return value

    client = await serve(site, api)
    assert (await client.post("/api/words", json="some")).json() == "some"

    other = Router(permissions=OPEN)

    @other.get("/unknown")
    async def unknown(value: Unknown) -> int:
        return 1

    with pytest.raises(ImproperlyConfigured, match="'value' would come from the body"):
        operation_of(other, "/unknown", "get")


async def test_an_alias_of_a_type_says_where_an_argument_comes_from(site: Any) -> None:
    """As ``type Paging = Annotated[…]`` makes them on newer Pythons."""
    api = Router(permissions=OPEN)

    async def paging(page: int = 1) -> int:
        return page * 10

    class Filter(Schema):
        name: str = ""

    Paging = TypeAliasType("Paging", Annotated[int, Depends(paging)])
    Size = TypeAliasType("Size", Annotated[int, Query(gt=2, alias="size")])
    Sizes = TypeAliasType("Sizes", Size)  # type: ignore[misc]  # an alias of one that is a variable here
    Filters = TypeAliasType("Filters", Filter)
    Pet = TypeAliasType("Pet", Filter | list[Filter])  # type: ignore[misc]

    @api.get("/things")
    async def things(page: Paging, wanted: Sizes = 5, by: Annotated[Filters, Query()] = Filter()) -> Any:  # noqa: B008
        return [page, wanted, by.name]

    @api.post("/pets")
    async def pets(pet: Pet, by: Filters) -> Any:
        return [pet, by]

    @api.post("/pet")
    async def one(pet: Pet) -> Any:
        return pet

    client = await serve(site, api)
    assert (await client.get("/api/things?page=2&size=7&name=x")).json() == [20, 7, "x"]
    (wrong,) = (await client.get("/api/things?size=2")).json()["errors"]
    assert (wrong["parameter"], wrong["code"]) == ("size", "greater_than")
    sent = {"pet": [{"name": "a"}], "by": {"name": "b"}}
    assert (await client.post("/api/pets", json=sent)).json() == [[{"name": "a"}], {"name": "b"}]
    assert (await client.post("/api/pet", json={"name": "a"})).json() == {"name": "a"}
    schema = operation_of(api, "/pet", "post")["requestBody"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/Pet"}  # an alias that is no class keeps its name


async def test_a_schema_of_a_form_may_hold_files(site: Any) -> None:
    api = Router(permissions=OPEN)

    @api.post("/pictures")
    async def add(data: Annotated[Picture, Form()]) -> Any:
        return [data.title, await data.file.read(), len(data.more), data.icon and data.icon.name]

    client = await serve(site, api)
    files = [("file", ("a.png", b"a")), ("more", ("b", b"b")), ("more", ("c", b"c")), ("icon", ("i", b"i"))]

    assert (await client.post("/api/pictures", files=files, data={"title": "T"})).json() == ["T", "YQ==", 2, "i"]
    assert (await client.post("/api/pictures", files=files[:1], data={"title": "T"})).json() == ["T", "YQ==", 0, None]
    problem = (await client.post("/api/pictures", data={"title": "T", "icon": "text"})).json()
    assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [
        ("/icon", "file_type"),
        ("/file", "missing"),
    ]
    form = operation_of(api, "/pictures", "post")["requestBody"]["content"]
    file = {"type": "string", "format": "binary"}
    assert form == {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {
                    "title": {"type": "string", "examples": ["Bees"]},
                    "file": file,
                    "more": {"type": "array", "items": file},
                    "icon": file,
                },
                "required": ["title", "file"],
            }
        }
    }


async def test_a_file_in_the_schema_of_a_json_body_is_told_at_start_up() -> None:
    api = Router(permissions=OPEN)

    @api.post("/pictures")
    async def add(data: Picture) -> int:
        return 1

    with pytest.raises(ImproperlyConfigured) as raised:
        operation_of(api, "/pictures", "post")
    assert str(raised.value).endswith(
        "the argument 'data': 'file' of Picture is a file, which a JSON body cannot bring. Write Annotated[Picture, Form()]."
    )


def test_what_is_said_of_a_body_is_in_the_document() -> None:
    api = Router(permissions=OPEN)

    class Order(BaseModel):
        title: str

    class Filter(BaseModel):
        size: int = Field(3, examples=[5], description="How many.")

    @api.post("/orders")
    async def add(
        order: Annotated[Order, Body(title="An order", description="What to send.", examples=[{"title": "x"}])],
    ) -> int:
        return 1

    @api.post("/form")
    async def form(
        name: Annotated[
            str, Form(examples={"short": {"summary": "Short", "value": "x"}}, deprecated=True, description="Who.")
        ],
    ) -> int:
        return 1

    @api.get("/list")
    async def listed(by: Annotated[Filter, Query()]) -> int:
        return 1

    body = operation_of(api, "/orders", "post")["requestBody"]
    assert body["description"] == "What to send."
    assert body["content"]["application/json"] == {
        "schema": {"$ref": "#/components/schemas/Order", "title": "An order"},
        "examples": {"example1": {"value": {"title": "x"}}},
    }
    schema = operation_of(api, "/form", "post")["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert schema["properties"]["name"] == {
        "type": "string",
        "description": "Who.",
        "deprecated": True,
        "examples": ["x"],
    }
    (size,) = operation_of(api, "/list", "get")["parameters"]
    assert (size["description"], size["examples"]) == ("How many.", {"example1": {"value": 5}})


@pytest.mark.parametrize(
    ("summary", "shown"),
    [
        (None, ("Read all", "More of it.")),
        ("Read all.", ("Read all.", "More of it.")),
        ("Everything", ("Everything", "Read all.\n\nMore of it.")),
    ],
)
def test_a_summary_of_ones_own_leaves_the_docstring_whole(summary: str | None, shown: tuple[str, str]) -> None:
    api = Router(permissions=OPEN)

    @api.get("/all", **({} if summary is None else {"summary": summary}))
    async def everything() -> int:
        """Read all.

        More of it.
        \f
        For who reads the code.
        """
        return 1

    told = operation_of(api, "/all", "get")
    assert (told["summary"], told["description"]) == shown


async def test_three_dots_are_no_default(site: Any) -> None:
    api = Router(permissions=OPEN)

    @api.post("/users")
    async def add(name: str = Form(...), size: int = Query(..., ge=2), role: str = Query(default=...)) -> Any:
        return [name, size, role]

    client = await serve(site, api)
    assert (await client.post("/api/users?size=2&role=x", data={"name": "Ann"})).json() == ["Ann", 2, "x"]
    errors = (await client.post("/api/users")).json()["errors"]
    assert sorted(error.get("parameter", error.get("pointer")) for error in errors) == ["/name", "role", "size"]
    told = operation_of(api, "/users", "post")
    assert all(one["required"] and "default" not in one["schema"] for one in told["parameters"])


async def test_of_several_markers_the_last_says_where_from_and_the_rules_of_all_hold(site: Any) -> None:
    api = Router(permissions=OPEN)
    Size = Annotated[int, Query(ge=2, description="How many.")]

    @api.get("/things")
    async def things(
        size: Annotated[Size, Query(alias="pageSize", le=5)] = 3, other: Annotated[Size, Header()] = 3
    ) -> Any:
        return [size, other]

    client = await serve(site, api)
    assert (await client.get("/api/things?pageSize=5", headers={"other": "2"})).json() == [5, 2]
    for wrong in ("1", "6"):
        (error,) = (await client.get(f"/api/things?pageSize={wrong}")).json()["errors"]
        assert error["parameter"] == "pageSize"
    (error,) = (await client.get("/api/things", headers={"other": "1"})).json()["errors"]
    assert error["header"] == "other"
    told = operation_of(api, "/things", "get")["parameters"]
    assert told[0]["schema"] == {"type": "integer", "minimum": 2, "maximum": 5, "default": 3}


async def test_fields_of_a_group_are_read_by_the_names_that_validation_knows(site: Any) -> None:
    api = Router(permissions=OPEN)

    class Paging(BaseModel):
        page: int = Field(1, validation_alias="p")
        size: int = Field(
            5, validation_alias=AliasChoices(AliasPath("paging", "size"), "pageSize"), serialization_alias="s"
        )
        depth: int = Field(2, validation_alias=AliasPath("paging", "depth"))
        ids: list[int] = Field(default_factory=lambda: [1])

    @api.get("/things")
    async def things(by: Annotated[Paging, Query()]) -> Any:
        return [by.page, by.size, by.depth, by.ids]

    client = await serve(site, api)
    assert (await client.get("/api/things?p=3&pageSize=7&ids=4")).json() == [3, 7, 2, [4]]
    assert (await client.get("/api/things")).json() == [1, 5, 2, [1]]
    (error,) = (await client.get("/api/things?pageSize=x")).json()["errors"]
    assert error["parameter"] == "pageSize"
    told = operation_of(api, "/things", "get")["parameters"]
    assert [(one["name"], one["schema"].get("default")) for one in told] == [
        ("p", 1),
        ("pageSize", 5),
        ("depth", 2),
        ("ids", None),
    ]
