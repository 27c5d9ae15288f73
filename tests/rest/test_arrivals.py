"""What people who come from FastAPI write in their first hour: it works, or the error says what to write."""

import sys
import typing
from html import escape
from typing import Annotated, Any

import msgspec
import pytest
from pydantic import AliasPath, BaseModel, ConfigDict, Field, dataclasses
from typing_extensions import TypedDict

from covet.exceptions import ImproperlyConfigured
from covet.http import HTMLResponse, HTTPException, JSONResponse, NotFound, Request, Response, UploadedFile
from covet.rest import (
    Body,
    Depends,
    File,
    Form,
    Header,
    ModelSchema,
    ModelViewSet,
    Page,
    Path,
    Query,
    Router,
    Schema,
    Throttle,
    action,
    permissions,
)
from covet.rest.part import RestPart
from covet.schema import needs
from covet.test import assert_queries
from covet.urls import include, path
from tests.rest.library import Article, Author, Book

OPEN = [permissions.AllowAny]


class Item(BaseModel):
    name: str
    note: str | None = None
    tax: float = 10.5


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    limit: int = 10


class StrictStruct(msgspec.Struct, forbid_unknown_fields=True):
    limit: int = 10


@dataclasses.dataclass(config=ConfigDict(extra="forbid"))
class StrictDataclass:
    limit: int = 10


class StrictDict(TypedDict, total=False):
    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]
    limit: int


class Paging:
    def __init__(self, skip: int = 0, limit: int = 100) -> None:
        self.window = [skip, limit]


def unchecked(kind: Any) -> Any:
    """Return what a checker would not let be called so."""
    return kind


def fields_of(schema: Any) -> set[str]:
    """What is written: what a client may send back besides is left aside."""
    return {name for name, field in schema.model_fields.items() if not field.exclude}


async def serve(site: Any, api: Router, **settings: Any) -> Any:
    return await site([path("api/", include(api))], **settings)


async def described(site: Any, api: Router, address: str, method: str = "get") -> Any:
    from covet.urls import autodiscover

    client = await site([*autodiscover(), path("api/", include(api))], installed=["covet.rest"])
    return (await client.get("/openapi.json")).json()["paths"][f"/api{address}"][method]


async def test_an_argument_of_the_path_needs_no_annotation(site: Any) -> None:
    api = Router()

    @api.get("/items/<int:pk>")
    async def read(pk) -> dict[str, Any]:  # type: ignore[no-untyped-def]
        return {"pk": pk}

    client = await serve(site, api)
    assert (await client.get("/api/items/3")).json() == {"pk": 3}


async def test_openapi_tells_what_a_converter_gives_to_an_argument_without_annotation(site: Any) -> None:
    api = Router()

    @api.get("/items/<int:pk>")
    async def read(pk) -> None: ...  # type: ignore[no-untyped-def]

    operation = await described(site, api, "/items/{pk}")
    assert operation["parameters"][0]["schema"]["type"] == "integer"


async def test_depends_without_a_function_is_the_class_of_its_argument(site: Any) -> None:
    api = Router()

    @api.get("/items")
    async def items(paging: Annotated[Paging, Depends()]) -> list[int]:
        return paging.window

    client = await serve(site, api)
    assert (await client.get("/api/items?skip=5")).json() == [5, 100]
    assert repr(Depends()) == "Depends()"


async def test_depends_without_function_and_class_is_refused(site: Any) -> None:
    api = Router()

    @api.get("/items")
    async def items(paging: Annotated[list[int], Depends()]) -> None: ...

    with pytest.raises(ImproperlyConfigured, match=r"'paging' has Depends\(\) and no class as its type"):
        await serve(site, api)

    bare = Router(dependencies=[Depends()])

    @bare.get("/")
    async def home() -> None: ...

    with pytest.raises(ImproperlyConfigured, match=r"in dependencies=\[…\] name a function"):
        await serve(site, bare)


@pytest.mark.parametrize("kind", [Strict, StrictStruct, StrictDataclass, StrictDict])
async def test_a_class_that_forbids_unknown_fields_does_so_in_a_query(site: Any, kind: Any) -> None:
    api = Router()

    async def items(window: Any, q: str = "") -> Any:
        return window

    items.__annotations__.update(window=Annotated[kind, Query()])
    api.get("/items")(items)

    client = await serve(site, api)
    assert (await client.get("/api/items?limit=3&q=x")).json() == {"limit": 3}
    answer = await client.get("/api/items?limits=3")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["detail"] == "There is no parameter 'limits' here. Did you mean 'limit'?"


@pytest.mark.parametrize("kind", [Strict, StrictStruct, StrictDataclass, StrictDict])
async def test_unknown_parameters_are_told_with_the_other_errors(site: Any, kind: Any) -> None:
    api = Router()

    async def items(window: Any, data: Any, x_number: Annotated[int, Header()], q: int = 0) -> None: ...

    items.__annotations__.update(window=Annotated[kind, Query()], data=Item)
    api.post("/items", permissions=OPEN)(items)

    client = await serve(site, api)
    answer = await client.post("/api/items?limit=x&limits=3&q=x&more=1", json={"tax": "x"}, headers={"x-number": "x"})

    errors = answer.json()["errors"]
    assert answer.status_code == 422
    assert sorted(
        one.get("parameter", "") + one.get("header", "") + one.get("pointer", "") for one in errors
    ) == sorted(["limit", "limits", "q", "more", "x-number", "/name", "/tax"])
    assert [one["parameter"] for one in errors if one["code"] == "unknown_parameter"] == ["limits", "more"]


async def test_who_may_not_ask_learns_nothing_of_parameters(site: Any) -> None:
    class Hidden(permissions.Permission):
        async def has_permission(self, connection: Any, target: Any) -> bool:
            raise NotFound("There is nothing here.")

    api = Router()

    @api.get("/items", permissions=[Hidden])
    async def items(window: Annotated[Strict, Query()]) -> None: ...

    client = await serve(site, api)

    assert (await client.get("/api/items?limits=3")).status_code == 404


async def test_a_class_that_forbids_unknown_fields_does_so_in_a_form(site: Any) -> None:
    api = Router(permissions=OPEN)

    @api.post("/items")
    async def items(window: Annotated[Strict, Form()], note: Annotated[str, Form()] = "") -> Strict:
        return window

    client = await serve(site, api)
    sent = {"limit": "3", "note": "x", "csrfmiddlewaretoken": "t"}
    assert (await client.post("/api/items", data=sent)).json() == {"limit": 3}
    errors = (await client.post("/api/items", data={"limits": "3", "zz": "1"})).json()["errors"]
    assert [(one["pointer"], one["detail"]) for one in errors] == [
        ("/limits", "Unknown field 'limits'. Did you mean 'limit'?"),
        ("/zz", "Unknown field 'zz'. It takes: limit, note."),
    ]


async def test_a_field_that_is_missing_from_a_query_is_told_as_elsewhere(site: Any) -> None:
    class Needed(BaseModel):
        limit: int

    api = Router()

    async def items(window: Any) -> None: ...

    items.__annotations__.update(window=Annotated[Needed, Query()])
    api.get("/items")(items)
    client = await serve(site, api)
    assert (await client.get("/api/items")).json()["errors"][0]["detail"] == "This value is required."


async def test_a_file_may_be_given_as_its_bytes(site: Any) -> None:
    api = Router(permissions=OPEN)

    @api.post("/one")
    async def one(
        photo: Annotated[bytes, File(max_length=5)], later: Annotated[bytes | None, File()] = None
    ) -> list[Any]:
        return [len(photo), later]

    @api.post("/many")
    async def many(photos: Annotated[list[bytes], File()]) -> list[int]:
        return [len(photo) for photo in photos]

    client = await serve(site, api)
    assert (await client.post("/api/one", files={"photo": ("a", b"12345")})).json() == [5, None]
    refused = await client.post("/api/one", files={"photo": ("a", b"123456")})
    assert refused.json()["errors"][0]["pointer"] == "/photo"
    sent = [("photos", ("a", b"1")), ("photos", ("b", b"22"))]
    assert (await client.post("/api/many", files=sent)).json() == [1, 2]


async def test_a_file_of_another_type_is_refused_at_the_start(site: Any) -> None:
    api = Router(permissions=OPEN)

    @api.post("/one")
    async def one(photo: Annotated[str, File()]) -> None: ...

    with pytest.raises(ImproperlyConfigured, match="'photo' comes from a file, so its type is UploadedFile, or bytes"):
        await serve(site, api)


async def test_an_uploaded_file_has_the_name_that_forms_give_it(site: Any) -> None:
    api = Router(permissions=OPEN)

    @api.post("/one")
    async def one(photo: UploadedFile) -> str:
        return photo.filename

    client = await serve(site, api)
    assert (await client.post("/api/one", files={"photo": ("a.png", b"1")})).json() == "a.png"


async def test_a_response_may_be_one_of_several_things_that_a_handler_returns(site: Any) -> None:
    api = Router()

    @api.get("/item")
    async def item(page: bool = False, bare: bool = False) -> HTMLResponse | Item | dict[str, int] | None:
        return HTMLResponse("<p>") if page else None if bare else Item(name="a")

    @api.get("/either")
    async def either() -> HTMLResponse | JSONResponse:
        return HTMLResponse("<p>")

    client = await serve(site, api)
    assert (await client.get("/api/item?page=1")).text == "<p>"
    assert (await client.get("/api/item?bare=1")).json() is None
    assert (await client.get("/api/item")).json()["name"] == "a"
    assert (await client.get("/api/either")).text == "<p>"


async def test_an_answer_of_which_pydantic_knows_nothing_names_the_handler(site: Any) -> None:
    class Plain: ...

    api = Router()

    async def thing() -> Any: ...

    thing.__annotations__["return"] = Plain
    api.get("/thing")(thing)
    with pytest.raises(ImproperlyConfigured, match=r"thing returns Plain, which cannot be written as JSON"):
        await serve(site, api)


async def test_what_was_not_set_is_a_default_or_is_none_can_be_left_out(site: Any) -> None:
    api = Router()
    stored = {"name": "a", "tax": 10.5}

    @api.get("/unset", response=Item, exclude_unset=True)
    async def unset() -> Any:
        return stored

    @api.get("/defaults", response=list[Item], exclude_defaults=True)
    async def defaults() -> Any:
        return [stored]

    @api.get("/none", response=dict[str, Item], exclude_none=True)
    async def none() -> Any:
        return {"x": stored}

    @api.get("/page", response=Page[Item], exclude_none=True)
    async def page(made: bool = False) -> Any:
        if made:
            return Page[Item](items=[Item(name="b")], total=1, page=1, size=1, next=None, previous=None)
        return [Item(name="b")]

    @api.get("/all", response=list[Item])
    async def everything() -> Any:
        return [stored]

    client = await serve(site, api)
    assert (await client.get("/api/unset")).json() == stored
    assert (await client.get("/api/defaults")).json() == [{"name": "a"}]
    assert (await client.get("/api/none")).json() == {"x": stored}
    for address in ("/api/page", "/api/page?made=1"):
        page_ = (await client.get(address)).json()
        assert page_["items"] == [{"name": "b", "tax": 10.5}]
        assert page_["next"] is None
        assert page_["total"] == 1
    assert (await client.get("/api/all")).json() == [{"name": "a", "note": None, "tax": 10.5}]


async def test_openapi_tells_that_members_may_be_left_out(site: Any) -> None:
    api = Router()

    @api.get("/unset", response=Item, exclude_unset=True)
    async def unset() -> Any: ...

    operation = await described(site, api, "/unset")
    assert operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/ItemChosen")


async def test_nothing_is_left_out_of_a_struct_or_beside_chosen_fields(site: Any) -> None:
    api, other = Router(), Router()

    @api.get("/one", response=StrictStruct, exclude_none=True)
    async def one() -> Any: ...

    @other.get("/two", response=Item, exclude_none=True, select_fields=True)
    async def two() -> Any: ...

    with pytest.raises(ImproperlyConfigured, match="is a struct, which says itself what is left out"):
        await serve(site, api)
    with pytest.raises(ImproperlyConfigured, match="exclude_none is neither for"):
        await serve(site, other)


async def test_titles_and_named_examples_are_told(site: Any) -> None:
    api = Router()
    short = {"short": {"summary": "A short one.", "value": {"name": "a"}}}

    @api.put("/items/<int:pk>")
    async def put(
        pk: Annotated[int, Path(title="The key")],
        item: Annotated[Item, Body(examples=short)],
        q: Annotated[str, Query(title="A word", examples=["a"])] = "",
    ) -> None: ...

    @api.post("/form")
    async def form(word: Annotated[str, Form(title="A word")]) -> None: ...

    operation = await described(site, api, "/items/{pk}", "put")
    key, word = operation["parameters"]
    assert (key["schema"]["title"], word["schema"]["title"]) == ("The key", "A word")
    assert word["examples"] == {"example1": {"value": "a"}}
    assert operation["requestBody"]["content"]["application/json"]["examples"] == short


async def test_a_description_ends_at_a_form_feed(site: Any) -> None:
    api = Router()

    @api.get("/items")
    async def items() -> None:
        """List items.

        All of them.\f
        For those who read the code.
        """

    assert (await described(site, api, "/items"))["description"] == "All of them."


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: unchecked(Header)(convert_underscores=False), 'write alias="strange_header"'),
        (lambda: unchecked(Body)(openapi_examples={}), "write examples={…}"),
        (lambda: unchecked(Query)(regex="x"), "write pattern=…"),
        (lambda: unchecked(Query)(minlength=3), "Did you mean 'min_length'?"),
        (lambda: unchecked(Router().get)("/", response_model_exclude_unset=True), "write exclude_unset=…"),
        (lambda: unchecked(Router)(responses={}), "write responses={404: …} at each route"),
        (lambda: unchecked(Router)(guards=[]), "write permissions=[…]"),
        (lambda: unchecked(Router().get)("/", return_dto=None), "write response=… with a schema"),
        (lambda: unchecked(Router().get)("/", before_request=None), "write dependencies=[Depends(…)]"),
        (lambda: unchecked(Router().get)("/", response_headers={}), "set response.headers"),
    ],
    ids=["header", "body", "pattern", "near", "route", "router", "guards", "dto", "hook", "headers"],
)
def test_an_option_that_is_called_otherwise_is_told(make: Any, said: str) -> None:
    with pytest.raises(TypeError) as caught:
        make()
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("fail", "said"),
    [
        (
            lambda: unchecked(HTTPException)(404, reason="x"),
            "HTTPException has no 'reason' here: the phrase of a status is not sent; write detail=….",
        ),
        (
            lambda: unchecked(JSONResponse)(content={}),
            "JSONResponse has no 'content' here: the body is the first argument",
        ),
        (
            lambda: unchecked(Response)("x", content_type="a/b"),
            "Response has no 'content_type' here: write media_type=….",
        ),
    ],
    ids=["error", "json", "django"],
)
async def test_an_argument_of_a_response_that_is_called_otherwise_is_told(site: Any, fail: Any, said: str) -> None:
    api = Router()

    @api.get("/items")
    async def items() -> Any:
        return fail()

    client = await serve(site, api, DEBUG=True)
    assert said in (await client.get("/api/items")).json()["detail"]
    assert escape(said) in (await client.get("/api/items", headers={"accept": "text/html"})).text


async def test_other_errors_get_no_advice(site: Any) -> None:
    api = Router()

    @api.get("/items")
    async def items() -> Any:
        raise TypeError("Schema.__init__() got an unexpected keyword argument 'content'")

    client = await serve(site, api, DEBUG=True)
    assert (await client.get("/api/items")).json()["detail"].endswith("argument 'content'")


async def test_a_schema_leaves_other_parameters_of_a_query_aside(site: Any) -> None:
    class Window(Schema):
        limit: int = 10

    api = Router()

    async def items(window: Any) -> Any:
        return window

    items.__annotations__.update(window=Annotated[Window, Query()])
    api.get("/items")(items)
    client = await serve(site, api)
    assert (await client.get("/api/items?limit=3&utm=x")).json() == {"limit": 3}


class Shown(ModelSchema, model=Author, fields=["id", "name"]): ...


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"permission_classes": [permissions.IsAdminUser]}, r"has no 'permission_classes': write permissions = \[…\]"),
        ({"serializer_class": Shown}, "has no 'serializer_class': write schema = … for answers and input = …"),
        ({"retrieve": lambda self, request, pk: None}, "has no 'retrieve': write read"),
        ({"get_queryset": lambda self: None}, r"Authors.get_queryset is called with \(self, request\): too many"),
        ({"perform_create": lambda self, serializer: None}, r"called with \(self, request, data\): too many"),
        ({"queryset": Book.objects.all()}, "queryset is of Book, not of Author"),
    ],
    ids=["permissions", "serializer", "retrieve", "queryset", "hook", "model"],
)
def test_a_viewset_refuses_what_it_would_not_use(body: dict[str, Any], said: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=said):
        unchecked(type)("Authors", (ModelViewSet,), body, model=Author)


def test_an_action_may_have_the_name_of_another_framework_s_method() -> None:
    class Authors(ModelViewSet, model=Author):
        @action(detail=True)
        async def retrieve(self, request: Any, pk: int) -> None: ...

    assert "retrieve" in vars(Authors)


def test_an_option_that_no_action_has_is_told() -> None:
    class Authors(ModelViewSet, model=Author):
        @action(detail=True, renderer_classes=[])
        async def page(self, request: Any, pk: int) -> None: ...

    with pytest.raises(
        TypeError, match=r"@action of Authors.page has no option 'renderer_classes': write formats=\[…\]"
    ):
        Router().register("authors", Authors)


@pytest.mark.parametrize(
    ("name", "said"),
    [("urls", "include\\(api\\)"), ("include_router", "api.include"), ("nonsense", "A Router has no 'nonsense'\\.")],
)
def test_a_method_that_a_router_has_not_is_told(name: str, said: str) -> None:
    with pytest.raises(AttributeError, match=said):
        getattr(Router(), name)


def test_a_permission_that_is_called_otherwise_is_told() -> None:
    with pytest.raises(AttributeError, match=r"'BasePermission'\. Write Permission\."):
        unchecked(permissions).BasePermission
    with pytest.raises(AttributeError, match=r"'Nonsense'\.$"):
        unchecked(permissions).Nonsense


async def test_a_viewset_serves_the_rows_of_its_queryset(library: Any) -> None:
    class Authors(ModelViewSet):
        queryset = Author.objects.filter(name__startswith="A").order_by("name")
        permissions = OPEN

    api = Router()
    api.register("authors", Authors)
    client = await library(api)
    for name in ("Ann", "Bob", "Abe"):
        await Author.objects.create(name=name, email=f"{name}@example.com")
    assert [one["name"] for one in (await client.get("/api/authors/")).json()["items"]] == ["Abe", "Ann"]
    bob = await Author.objects.get(name="Bob")
    assert (await client.get(f"/api/authors/{bob.pk}/")).status_code == 404


def test_what_a_schema_does_not_show_is_not_written_unless_a_row_needs_it() -> None:
    class Short(ModelSchema, model=Article, fields=["id", "body", "author_id"]): ...

    class Articles(ModelViewSet, model=Article):
        schema = Short

    class Whole(ModelViewSet, model=Article): ...

    class Narrowed(Whole):
        schema = Short

    class Own(Articles):
        input = Short

    class OwnStill(Own):
        schema = Short

    class Another(OwnStill, model=Author): ...

    assert fields_of(Articles.input) == {"title", "body", "author_id"}
    assert fields_of(Articles.patch_input) == {"title", "body", "author_id"}
    assert "views" in fields_of(Whole.input)
    assert fields_of(Narrowed.input) == {"title", "body", "author_id"}
    assert OwnStill.input is Short
    assert fields_of(Another.input) == {"name", "email"}


class ArticleLine(ModelSchema, model=Article, fields=["id", "title"]):
    by: str = Field(validation_alias=AliasPath("author", "name"))
    editor: str | None = Field(None, validation_alias=AliasPath("editor", "email"))


class AuthorLine(ModelSchema, model=Author, fields=["name"]):
    articles: list[ArticleLine]


@pytest.mark.ways("asgi")  # statements are counted in the task of the test
async def test_a_field_may_come_from_a_related_row(library: Any) -> None:
    api = Router()

    @api.get("/articles", response=Page[ArticleLine])
    async def articles() -> Any:
        return Article.objects.order_by("pk")

    @api.get("/authors", response=list[AuthorLine])
    async def authors() -> Any:
        return Author.objects.order_by("pk")

    client = await library(api)
    ann = await Author.objects.create(name="Ann", email="ann@example.com")
    bob = await Author.objects.create(name="Bob", email="bob@example.com")
    one = await Article.objects.create(title="One", author=ann, editor=bob)
    two = await Article.objects.create(title="Two", author=ann)
    lines = [
        {"id": one.pk, "title": "One", "by": "Ann", "editor": "bob@example.com"},
        {"id": two.pk, "title": "Two", "by": "Ann", "editor": None},
    ]
    with assert_queries(2):  # how many, and the rows with both relations joined
        assert (await client.get("/api/articles")).json()["items"] == lines
    with assert_queries(4):  # authors, their articles, and who wrote and who edited those
        shown = (await client.get("/api/authors")).json()
    assert shown == [{"name": "Ann", "articles": lines}, {"name": "Bob", "articles": []}]


def test_a_path_through_many_rows_loads_nothing() -> None:
    class Odd(ModelSchema, model=Author, fields=["name"]):
        first: str = Field(validation_alias=AliasPath("articles", 0, "title"))
        letter: str = Field(validation_alias=AliasPath("name", 0))

    assert not needs(Odd, Author)


async def test_a_property_of_a_related_row_has_the_whole_row(library: Any) -> None:
    class Line(ModelSchema, model=Article, fields=["id"]):
        shown: str = Field(validation_alias=AliasPath("author", "shown"))

    api = Router()

    @api.get("/articles", response=list[Line])
    async def articles() -> Any:
        return Article.objects.all()

    client = await library(api)
    ann = await Author.objects.create(name="Ann", email="ann@example.com")
    one = await Article.objects.create(title="One", author=ann)
    assert (await client.get("/api/articles")).json() == [{"id": one.pk, "shown": "Ann <ann@example.com>"}]


async def test_a_list_that_does_not_fit_its_schema_is_told_by_name(site: Any) -> None:
    api = Router()

    @api.get("/items", response=list[Item])
    async def items() -> Any:
        return [{"tax": 1}]

    client = await serve(site, api, DEBUG=True)
    assert (
        "the answer's schema list[Item]: 0.name: Field required." in (await client.get("/api/items")).json()["detail"]
    )


async def test_a_text_in_the_place_of_a_list_is_refused(site: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"Router: tags is a list: write tags=\['shop'\]"):
        Router(tags="shop")
    with pytest.raises(ImproperlyConfigured, match=r"GET '/x': throttles is a list: write throttles=\['5/minute'\]"):
        Router().get("/x", throttles="5/minute")
    with pytest.raises(ImproperlyConfigured, match=r"Authors: ordering is a list: write ordering=\['-name'\]"):
        unchecked(type)("Authors", (ModelViewSet,), {"ordering": "-name"}, model=Author)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"permissions": permissions.IsAdminUser}, r"read: permissions is a list: write permissions=\[IsAdminUser\]"),
        ({"permissions": ["IsAdmin"]}, "read: permissions: 'IsAdmin' is no dotted path"),
        ({"throttles": Throttle("5/minute")}, "read: throttles is a list; put brackets round <Throttle"),
        ({"throttles": ["10 per minute"]}, "read: throttles: '10 per minute' is no throttle. Write a rate"),
    ],
    ids=["class", "text", "throttle", "rate"],
)
async def test_permissions_and_throttles_that_are_none_name_the_handler(
    site: Any, options: dict[str, Any], said: str
) -> None:
    api = Router()

    @api.get("/x", **options)
    async def read() -> None: ...

    with pytest.raises(ImproperlyConfigured, match=said):
        await serve(site, api)


def test_a_viewset_that_is_about_nothing_says_what_to_write() -> None:
    class Authors(ModelViewSet): ...

    with pytest.raises(ImproperlyConfigured, match=r"Write class Authors\(ModelViewSet, model=Article\)"):
        Router().register("authors", Authors)


async def test_check_finds_a_name_of_the_path_that_nothing_takes(site: Any) -> None:
    api = Router()

    @api.get("/items/<int:pk>")
    async def read(id: int) -> None: ...

    @api.get("/things/<int:pk>")
    async def thing(request: Request) -> None: ...

    client = await site([path("api/", include(api))], installed=["covet.rest"])
    (found,) = [one for one in client.application.apps.part(RestPart).check(None) if one.id == "rest.W003"]
    assert found.msg.endswith("read does not take 'pk' of its path, and 'id' must come from the query.")


@pytest.mark.parametrize("response", [Item, list[int] | None, None], ids=["schema", "type", "none"])
async def test_what_was_not_awaited_is_named(site: Any, response: Any) -> None:
    async def find() -> Any: ...

    api = Router()

    async def read() -> Any:
        return find()

    api.get("/x", **({} if response is None else {"response": response}))(read)
    client = await serve(site, api, DEBUG=True)
    said = "find() gives and did not await it. Write return await …."
    assert said in (await client.get("/api/x")).json()["detail"]


async def test_a_view_that_did_not_await_is_named(site: Any) -> None:
    async def find() -> Any: ...

    async def page(request: Request) -> Any:
        return find()

    client = await site([path("x", page)], DEBUG=True)
    assert "find() gives and did not await it. Write return await …." in (await client.get("/x")).json()["detail"]


async def test_the_page_of_a_host_that_is_not_known_says_so_in_development(site: Any) -> None:
    async def home(request: Request) -> Any:
        return HTMLResponse("")

    html = {"accept": "text/html", "host": "elsewhere.example"}
    for debug in (True, False):
        client = await site([path("", home)], middleware=["covet.middleware.security.SecurityMiddleware"], DEBUG=debug)
        answer = await client.get("/", headers=html)
        assert answer.status_code == 400
        assert ("elsewhere.example" in answer.text) is debug


@pytest.mark.parametrize(
    ("response", "value", "said"),
    [
        (Item, (404, {}), "The handler returned a pair with a status. Write return JSONResponse(value, status=404)"),
        (Item, None, "The handler returned None. Return a value on every path, or write response=… | None."),
        (int, None, None),
        (Item | None, None, None),
        (..., Author(name="Ann"), "The handler returned Author, which cannot be written as JSON: "),
    ],
    ids=["pair", "nothing", "plain", "optional", "model"],
)
async def test_a_value_that_cannot_be_meant_says_what_to_write(site: Any, response: Any, value: Any, said: Any) -> None:
    api = Router()

    async def read() -> Any:
        return value

    del read.__annotations__["return"]
    api.get("/x", **({} if response is ... else {"response": response}))(read)
    answer = await (await serve(site, api, DEBUG=True)).get("/api/x")
    assert (answer.json() is None) if said is None else (said in answer.json()["detail"])


def test_a_response_of_a_dict_says_what_to_write() -> None:
    with pytest.raises(TypeError, match=r"takes bytes or a text, not dict\. Write JSONResponse\(value\)"):
        unchecked(Response)({"a": 1})
    assert Response(unchecked(bytearray(b"x"))).body == b"x"


async def test_a_typed_dict_of_the_wrong_module_names_the_right_one(site: Any) -> None:
    async def write(data: Any) -> None: ...

    write.__annotations__["data"] = unchecked(typing.TypedDict)("Plain", {"a": int})
    api = Router(permissions=OPEN)
    api.post("/x")(write)
    if sys.version_info >= (3, 12):  # pydantic takes both then
        assert (await (await serve(site, api)).post("/api/x", json={"a": 1})).status_code == 204
        return
    with pytest.raises(ImproperlyConfigured, match=r"write: the argument 'data': .*typing_extensions.TypedDict"):
        await serve(site, api)


async def test_what_was_not_awaited_inside_of_an_answer_is_named_with_its_place(site: Any) -> None:
    api = Router()

    async def count() -> int:
        return 3

    @api.get("/nested")
    async def nested() -> dict[str, Any]:
        return {"all": [1, count()]}

    @api.get("/rows")
    async def rows() -> dict[str, Any]:
        return {"authors": Author.objects.all()}

    client = await serve(site, api, DEBUG=True)
    assert "count() gives at '/all/1' and did not await it" in (await client.get("/api/nested")).text
    assert (
        "returned <QuerySet Author (not evaluated)> at '/authors' and did not await it"
        in (await client.get("/api/rows")).text
    )


async def test_an_error_that_is_returned_is_to_be_raised(site: Any) -> None:
    api = Router()

    @api.get("/missing")
    async def missing() -> Any:
        return NotFound("There is no such item.")

    client = await serve(site, api, DEBUG=True)
    assert (
        "The handler returned NotFound, an error. Write raise NotFound(…)." in (await client.get("/api/missing")).text
    )


async def test_a_handler_that_yields_without_a_return_type_is_told_what_to_write(site: Any) -> None:
    api = Router()

    @api.get("/numbers")
    async def numbers():  # type: ignore[no-untyped-def]
        yield 1

    client = await serve(site, api, DEBUG=True)
    assert "Write its return type: -> AsyncIterator[…]" in (await client.get("/api/numbers")).json()["detail"]


async def test_a_prefix_without_its_slash_is_told_once(site: Any) -> None:
    api = Router(permissions=[permissions.AllowAny])

    @api.get("/users")
    async def users() -> int:
        return 1

    @api.get("/users/<int:pk>")
    async def user(pk: int) -> int:
        return pk

    @api.get("/")
    async def root() -> int:
        return 1

    async def told(prefix: str) -> list[Any]:
        client = await site([path(prefix, include(api))], installed=["covet.rest"])
        return [one for one in client.application.apps.part(RestPart).check(None) if one.id == "rest.W004"]

    (found,) = await told("api")
    assert "'/users' is at '/apiusers', since the prefix 'api' does not end with a slash" in found.msg
    assert "path('api/', include(…))" in str(found.hint)
    assert await told("api/") == []
    assert await told("") == []


@pytest.mark.parametrize("said", [{"response": Item}, {}, {"response": list[int]}], ids=["response", "returns", "list"])
async def test_a_status_without_a_body_and_a_body_is_refused_at_the_start(site: Any, said: dict[str, Any]) -> None:
    api = Router()

    @api.delete("/x", status=204, **said)
    async def remove() -> Item: ...

    with pytest.raises(
        ImproperlyConfigured, match=r"remove: an answer of 204 has no body, and .* would be one. Write -> None"
    ):
        await serve(site, api)


@pytest.mark.parametrize(
    "returns", [None, Response, Response | None, Any], ids=["None", "Response", "Response or None", "Any"]
)
async def test_a_status_without_a_body_takes_what_has_none(site: Any, returns: Any) -> None:
    api = Router(permissions=[permissions.AllowAny])

    async def remove():  # type: ignore[no-untyped-def]  # each way in turn
        return Response(status=204) if returns is Response else None

    remove.__annotations__ = {"return": returns}
    api.delete("/x", status=204)(remove)
    answer = await (await serve(site, api)).delete("/api/x")

    assert (answer.status_code, answer.content) == (204, b"")
