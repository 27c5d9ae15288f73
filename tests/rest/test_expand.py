"""``?expand=``: related rows in the place of their keys, on three databases: what is read, told and refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from pydantic import Field, field_serializer

from covet.db.models import Prefetch, QuerySet
from covet.exceptions import ImproperlyConfigured
from covet.http.request import Request
from covet.rest import (
    CursorPage,
    ListPage,
    ModelSchema,
    ModelViewSet,
    ReadOnlyModelViewSet,
    Router,
    Schema,
    action,
    expand,
    permissions,
)
from covet.rest.fieldchoice import FieldChoice
from covet.rest.found import compiled_endpoints
from covet.rest.openapi import build_document, get_openapi
from covet.rest.openapi.typescript import typescript_client
from covet.rest.render import plan_response
from covet.test import assert_queries
from covet.urls import include, path
from covet.urls.resolver import Resolver
from tests.rest.library import Article, Author, Book, Chapter, Cover, Note, Tag


class AuthorOut(ModelSchema, model=Author, fields=["id", "name"]): ...


class TagOut(ModelSchema, model=Tag, fields=["id", "name"]): ...


class NoteOut(ModelSchema, model=Note, fields=["id", "text", "tag"]): ...


class ChapterOut(ModelSchema, model=Chapter, fields=["id", "title"]): ...


class CoverOut(ModelSchema, model=Cover, fields=["color"]): ...


class ArticleShort(ModelSchema, model=Article, fields=["title", "author"]): ...


class BookOut(ModelSchema, model=Book, fields=["id", "title", "author", "tags"]): ...


class BookRow(BookOut): ...


class Books(ModelViewSet, model=Book):
    permissions = [permissions.AllowAny]
    schema = BookOut
    formats = ["json", "msgpack", "xml", "yaml", "csv"]
    ordering = ["title"]
    expandable = {
        "author": AuthorOut,
        "author.articles": ArticleShort,
        "tags": TagOut,
        "cover": CoverOut,
        "chapters": ChapterOut,
        "chapters.notes": NoteOut,
        "chapters.notes.tag": TagOut,
    }

    @action(detail=True)
    async def again(self, request: Request, pk: int) -> Book:
        return await self.get_object(request, pk)  # type: ignore[no-any-return]

    @action(detail=True, response=TagOut)
    async def first_tag(self, request: Request, pk: int) -> Any:
        return await Tag.objects.filter(book__pk=pk).first()


class Named(Schema):
    """Written by itself, and with a name of its own for a relation."""

    title: str
    author: int = Field(serialization_alias="writtenBy", validation_alias="author_id")

    @field_serializer("title")
    def loud(self, value: str) -> str:
        return value.upper()


class BookWithChapters(ModelSchema, model=Book, fields=["title"]):
    chapters: list[ChapterOut]


def make_api() -> Router:
    api = Router(permissions=[permissions.AllowAny])
    api.register("books", Books)

    @api.get("/cursor/", response=CursorPage[BookRow], expandable={"author": AuthorOut}, select_fields=True)
    async def cursor(request: Request) -> QuerySet[Book]:
        return Book.objects.order_by("id")

    @api.get("/bare/", response=ListPage[BookRow], expandable={"author": AuthorOut})
    async def bare(request: Request) -> QuerySet[Book]:
        return Book.objects.order_by("id")

    @api.get("/plain/", response=list[BookRow], expandable={"author": AuthorOut})
    async def plain(request: Request) -> list[Book]:
        return list(await Book.objects.order_by("id"))

    @api.get("/named/", response=list[Named], expandable={"author": AuthorOut}, model=Book, select_fields=True)
    async def named(request: Request) -> QuerySet[Book]:
        return Book.objects.order_by("id")

    @api.get("/nested/", response=list[BookWithChapters], expandable={"chapters.notes": NoteOut})
    async def nested(request: Request) -> QuerySet[Book]:
        return Book.objects.order_by("id").prefetch_related(Prefetch("chapters", Chapter.objects.filter(title="one")))

    return api


async def fill(books: int = 3) -> list[Book]:
    tags = [await Tag.objects.create(name=name) for name in ("red", "blue")]
    made = []
    for number in range(books):
        author = await Author.objects.create(name=f"A{number}", email=f"a{number}@example.org")
        await Article.objects.create(title=f"of A{number}", author=author)
        book = await Book.objects.create(title=f"B{number}", author=author)
        await book.tags.set(tags)
        if number != 1:
            await Cover.objects.create(book=book, color="red")
        for place, title in enumerate(("one", "two")):
            chapter = await Chapter.objects.create(book=book, title=title, position=place)
            await Note.objects.create(chapter=chapter, text=f"on {title}", tag=tags[place])
        made.append(book)
    return made


async def test_keys_become_rows_two_levels_deep(library: Any) -> None:
    client = await library(make_api())
    book, other, _ = await fill()
    place = f"/api/books/{book.pk}/"

    plain = (await client.get(place)).json()
    shown = (await client.get(f"{place}?expand=author.articles,cover&expand=chapters.notes.tag")).json()
    missing = (await client.get(f"/api/books/{other.pk}/?expand=cover,tags")).json()

    assert plain.keys() == {"id", "title", "author", "tags"}
    assert plain["author"] == book.author_id
    assert shown["author"] == {
        "id": book.author_id,
        "name": "A0",
        "articles": [{"title": "of A0", "author": book.author_id}],
    }
    assert shown["tags"] == plain["tags"]
    assert shown["cover"] == {"color": "red"}
    assert [one["notes"][0]["tag"]["name"] for one in shown["chapters"]] == ["red", "blue"]
    assert missing["cover"] is None
    assert sorted(one["name"] for one in missing["tags"]) == ["blue", "red"]


@pytest.mark.ways("asgi")  # what a server's own tasks ask is not counted here
async def test_the_number_of_statements_does_not_grow_with_the_rows(library: Any) -> None:
    client = await library(make_api())
    await fill(1)
    counts = []

    for _ in range(2):
        await Author.objects.all().delete()
        await Tag.objects.all().delete()
        books = await fill(2 + 5 * len(counts))
        with assert_queries(3):  # the count, the rows with their authors, and the keys of tags, which are always shown
            assert len((await client.get("/api/books/?expand=author")).json()["items"]) == len(books)
        with assert_queries(
            7
        ):  # the count, the rows with authors and covers, articles, tags, chapters, notes, their tags
            await client.get("/api/books/?expand=author.articles,cover,tags,chapters.notes.tag")
        with assert_queries(1):
            await client.get(f"/api/books/{books[0].pk}/?fields=title")
        counts.append(len(books))

    assert counts == [2, 7]


@pytest.mark.ways("asgi")
async def test_only_the_columns_that_are_shown_are_read(library: Any) -> None:
    client = await library(make_api())
    await fill()

    with assert_queries(2) as asked:
        answer = await client.get("/api/books/?expand=author&fields=title,author.name")

    assert answer.json()["items"][0] == {"title": "B0", "author": {"name": "A0"}}
    assert "email" not in asked[-1].sql


async def test_all_kinds_of_pages_and_lists_expand(library: Any) -> None:
    client = await library(make_api())
    books = await fill()
    wanted = [{"id": one.author_id, "name": f"A{number}"} for number, one in enumerate(books)]

    first = (await client.get("/api/cursor/?expand=author&size=2")).json()
    second = (await client.get(first["next"])).json()
    bare = await client.get("/api/bare/?expand=author&size=2")
    plain = await client.get("/api/plain/?expand=author")
    pages = (await client.get("/api/books/?expand=author&size=2&ordering=-title")).json()

    assert [one["author"] for one in first["items"] + second["items"]] == wanted
    assert "expand=author" in first["next"]
    assert [one["author"] for one in bare.json()] == wanted[:2]
    assert "expand=author" in bare.headers["link"]
    assert [one["author"] for one in plain.json()] == wanted
    assert [one["author"] for one in pages["items"]] == wanted[:0:-1]
    assert pages["total"] == 3


async def test_all_forms_of_an_answer_expand(library: Any) -> None:
    client = await library(make_api())
    book, *_ = await fill()
    place = f"/api/books/{book.pk}/?expand=author"
    wanted = (await client.get(place)).json()

    packed = await client.get(place, headers={"Accept": "application/msgpack"})
    xml = await client.get(f"{place}&format=xml")
    yaml = await client.get(f"{place}&format=yaml")
    csv = await client.get(f"{place}&format=csv")

    assert msgspec.msgpack.decode(packed.content) == wanted
    assert "<name>A0</name>" in xml.text
    assert msgspec.yaml.decode(yaml.content) == wanted
    assert "A0" in csv.text


async def test_fields_of_a_row_expand_it(library: Any) -> None:
    client = await library(make_api())
    book, *_ = await fill()
    place = f"/api/books/{book.pk}/"

    implied = (await client.get(f"{place}?fields=title,author.name,cover,chapters.notes.text")).json()
    key = (await client.get(f"{place}?fields=author")).json()
    left_out = (await client.get(f"{place}?expand=author&fields=title")).json()

    assert implied == {
        "title": "B0",
        "author": {"name": "A0"},
        "cover": {"color": "red"},
        "chapters": [{"notes": [{"text": "on one"}]}, {"notes": [{"text": "on two"}]}],
    }
    assert key == {"author": book.author_id}
    assert left_out == {"title": "B0"}


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("expand=autor", "'autor' cannot be expanded. Did you mean 'author'?"),
        ("expand=author.email", "'author.email' cannot be expanded."),
        ("expand=author,tags.articles", "'tags.articles' cannot be expanded."),
        ("expand=__class__", "'__class__' cannot be expanded."),
    ],
)
async def test_what_is_not_offered_is_refused_by_name(library: Any, query: str, detail: str) -> None:
    client = await library(make_api())
    await fill(1)

    answer = await client.get(f"/api/books/?{query}")

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    (error,) = answer.json()["errors"]
    assert error["detail"].startswith(detail)
    assert (error["parameter"], error["code"]) == ("expand", "unknown_expansion")


async def test_nothing_named_is_nothing_expanded_and_too_much_is_refused(library: Any) -> None:
    client = await library(make_api(), REFUSE_UNKNOWN_PARAMETERS=True)
    await fill(1)

    empty = await client.get("/api/books/?expand=,")
    long = await client.get("/api/books/?expand=" + "author," * 1000)
    fields = await client.get("/api/books/?expand=author&fields=author.nam")

    assert empty.json()["items"][0]["author"].__class__ is int
    assert (long.status_code, long.json()["errors"][0]["code"]) == (422, "too_long")
    assert fields.json()["errors"][0]["detail"] == "There is no field 'author.nam'. Did you mean 'name'?"


async def test_each_expansion_has_a_tag_of_its_own_and_a_change_may_name_it(library: Any) -> None:
    client = await library(make_api())
    book, other, _ = await fill()
    place = f"/api/books/{book.pk}/"

    plain = await client.get(place)
    shown = await client.get(f"{place}?expand=author")
    known = await client.get(f"{place}?expand=author", headers={"If-None-Match": shown.headers["etag"]})
    author = await Author.objects.get(pk=book.author_id)
    author.name = "Anna"
    await author.save()
    renamed = await client.get(f"{place}?expand=author", headers={"If-None-Match": shown.headers["etag"]})
    stale = await client.patch(
        f"{place}?expand=author", json={"title": "x"}, headers={"If-Match": shown.headers["etag"]}
    )
    done = await client.patch(
        f"{place}?expand=author",
        json={"author": other.author_id},
        headers={"If-Match": renamed.headers["etag"]},
    )

    assert plain.headers["etag"] != shown.headers["etag"]
    assert (known.status_code, renamed.status_code, stale.status_code, done.status_code) == (304, 200, 412, 200)
    assert done.json()["author"] == {"id": other.author_id, "name": "A1"}


async def test_writes_and_actions_show_what_they_wrote_expanded(library: Any) -> None:
    client = await library(make_api())
    book, *_ = await fill()

    made = await client.post(
        "/api/books/?expand=author,tags,chapters", json={"title": "new", "author": book.author_id, "tags": []}
    )
    again = await client.get(f"/api/books/{book.pk}/again/?expand=author")
    other = await client.get(f"/api/books/{book.pk}/first_tag/?expand=author")

    assert made.status_code == 201, made.text
    assert made.json() == {
        "id": made.json()["id"],
        "title": "new",
        "author": {"id": book.author_id, "name": "A0"},
        "tags": [],
        "chapters": [],
    }
    assert again.json()["author"]["name"] == "A0"
    assert other.json().keys() == {"id", "name"}


async def test_a_schema_that_writes_itself_and_one_that_nests_are_expanded(library: Any) -> None:
    client = await library(make_api())
    await fill(1)

    named = (await client.get("/api/named/?expand=author")).json()
    cut = (await client.get("/api/named/?expand=author&fields=writtenBy")).json()
    nested = (await client.get("/api/nested/?expand=chapters.notes")).json()
    plain = (await client.get("/api/nested/")).json()

    assert named == [{"title": "B0", "writtenBy": {"id": named[0]["writtenBy"]["id"], "name": "A0"}}]
    assert cut == [{"writtenBy": named[0]["writtenBy"]}]
    # The handler's own Prefetch says which rows there are.
    assert [one["title"] for one in plain[0]["chapters"]] == ["one"]
    assert [[note["text"] for note in one["notes"]] for one in nested[0]["chapters"]] == [["on one"]]


async def test_a_row_of_a_reverse_one_to_one_that_is_missing_is_null(library: Any) -> None:
    api = Router(permissions=[permissions.AllowAny])

    class Covered(ModelSchema, model=Book, fields=["title"]):
        cover: CoverOut | None

    class Covers(ReadOnlyModelViewSet, model=Book):
        schema = Covered

    api.register("covers", Covers)
    client = await library(api)
    book, bare, _ = await fill()

    listed = (await client.get("/api/covers/")).json()["items"]
    single = [(await client.get(f"/api/covers/{one.pk}/")).json() for one in (book, bare)]

    assert [one["cover"] for one in listed] == [{"color": "red"}, None, {"color": "red"}]
    assert [one["cover"] for one in single] == [{"color": "red"}, None]


async def test_the_document_tells_of_each_answer(library: Any) -> None:
    client = await library(make_api())
    book, *_ = await fill()
    document = get_openapi()
    validate(document)
    listed = document["paths"]["/api/books/"]["get"]
    parameters = {one["name"]: one for one in listed["parameters"]}
    asked = parameters["expand"]

    assert (asked["style"], asked["explode"]) == ("form", False)
    assert asked["schema"]["items"]["enum"] == [
        *("author", "author.articles", "tags", "cover"),
        *("chapters", "chapters.notes", "chapters.notes.tag"),
    ]
    assert "expand" not in [
        one["name"] for one in document["paths"]["/api/books/{pk}/"]["delete"].get("parameters", ())
    ]
    assert "chapters.notes.tag.name" in parameters["fields"]["schema"]["items"]["enum"]
    expanded = document["components"]["schemas"]["BookOutExpanded"]
    assert set(expanded["required"]) == {"id", "title", "author", "tags"}
    assert {"type": "integer"}.items() <= expanded["properties"]["author"]["anyOf"][0].items()

    for place, queries in (
        ("/api/books/", ["", "expand=author", "expand=author.articles,cover", "fields=author.name", "expand=tags"]),
        ("/api/books/{pk}/", ["", "expand=chapters.notes.tag", "expand=cover&fields=cover"]),
    ):
        shown = document["paths"][place]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        assert shown["x-chosen-by"] == ["expand", "fields"]
        whole, some, fewer = (
            Draft202012Validator({**one, "components": document["components"]}) for one in shown["anyOf"]
        )
        for query in queries:
            value = (await client.get(place.format(pk=book.pk) + f"?{query}")).json()
            fewer.validate(value)
            assert some.is_valid(value) is ("fields" not in query)
            assert whole.is_valid(value) is (query == "")
    for name in parameters["fields"]["schema"]["items"]["enum"]:
        assert (await client.get(f"/api/books/?fields={name}")).status_code == 200, name


async def test_a_client_in_typescript_knows_the_answer_by_what_was_asked(library: Any) -> None:
    await library(make_api())

    lines = typescript_client(get_openapi()).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("  booksRead("))
    overloads = "\n".join(lines[start : start + 40]).partition("  async booksRead(")[0]

    answers = [
        line.rpartition("Promise<")[2].removesuffix(">;") for line in overloads.splitlines() if "Promise" in line
    ]
    assert answers == ["BookOut", "BookOutExpanded", "BookOutExpandedChosen"]
    assert overloads.count("expand?: never") == 1
    assert overloads.count("fields?: never") == 2


@pytest.mark.parametrize(
    ("expandable", "text"),
    [
        ({"autor": AuthorOut}, "no relation 'autor' to one model. Did you mean 'author'?"),
        ({"title": AuthorOut}, "no relation 'title'"),
        ({"author.articles": ArticleShort}, "add 'author' and its schema"),
        ({"author": TagOut}, "'author' leads to library.Author, and TagOut shows library.Tag"),
        ({"author": dict}, "'author' is shown by a Schema"),
    ],
    ids=["misspelt", "no relation", "no parent", "of another model", "no schema"],
)
def test_what_cannot_be_expanded_is_an_error_at_the_start(expandable: Any, text: str) -> None:
    class Wrong(ReadOnlyModelViewSet, model=Book):
        schema = BookOut

    Wrong.expandable = expandable
    api = Router()
    api.register("books", Wrong)

    with pytest.raises(ImproperlyConfigured, match=text):
        build_document(Resolver([path("", include(api))]).routes)


def test_an_answer_without_a_model_expands_nothing() -> None:
    api = Router()

    @api.get("/", expandable={"author": AuthorOut})
    async def nothing() -> dict[str, str]:
        return {}

    with pytest.raises(ImproperlyConfigured, match="shows no rows of a model"):
        build_document(Resolver([path("", include(api))]).routes)


def test_the_word_of_another_framework_is_told_what_it_is_called_here() -> None:
    with pytest.raises(ImproperlyConfigured, match="write expandable = "):

        class Flexible(ReadOnlyModelViewSet, model=Book):
            expandable_fields = {"author": AuthorOut}


def test_of_many_choices_those_that_were_asked_for_last_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan takes a while to make, and there are more choices than anybody asks for."""
    monkeypatch.setattr(expand, "_MAX_VARIANTS", 2)
    api = Router(permissions=[permissions.AllowAny])
    api.get("/", response=list[BookRow], expandable={"author": AuthorOut, "tags": TagOut, "cover": CoverOut})(books)
    ((_, compiled),) = compiled_endpoints(Resolver([path("", include(api))]).routes)

    def plan(name: str) -> Any:
        assert compiled.expansion is not None
        return compiled.expansion.plan(Request.from_parts("GET", "/", b"expand=" + name.encode()))

    author, tags = plan("author"), plan("tags")
    assert plan("author") is author
    cover = plan("cover")

    assert plan("cover") is cover
    assert plan("author") is author
    assert plan("tags") is not tags


def test_fields_in_any_order_share_one_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each plan makes classes, which take milliseconds and memory; so many texts mean the same."""
    choice = FieldChoice(plan_response(list[BookOut], None, "books"), BookOut, most=2)

    def plan(names: str) -> Any:
        return choice.plan(Request.from_parts("GET", "/", b"fields=" + names.encode()))

    both = plan("id,title")
    for names in ("title,id", "id,title,id", " title , id", "id&fields=title"):
        assert plan(names) is both
    title, other = plan("title"), plan("id")

    assert plan("title") is title
    assert plan("id") is other
    assert plan("title,id") is not both
    assert len(choice._known) == len(choice._plans) == 2


async def books(request: Request) -> list[Book]:
    return []
