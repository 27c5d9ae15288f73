"""What a body nests is written with its parent: created, changed, put in order and deleted, or nothing at all."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest

from covet.rest import ModelSchema, ModelViewSet, Nested, Router, Schema, permissions
from covet.rest.nested import emptied
from covet.rest.write import update
from tests.rest.library import Author, Book, Chapter, Cover, Lorry, Note, Tag


class NoteIn(ModelSchema, model=Note, fields=["id", "text", "tag"]): ...


class ChapterIn(ModelSchema, model=Chapter, fields=["id", "title"]):
    notes: list[NoteIn] = []


class AuthorIn(ModelSchema, model=Author, fields=["id", "name", "email"]): ...


class CoverIn(ModelSchema, model=Cover, fields=["id", "color"]): ...


class TagIn(ModelSchema, model=Tag, fields=["id", "name"]): ...


class BookIn(ModelSchema, model=Book, fields=["title"]):
    chapters: Annotated[list[ChapterIn], Nested(order="position")] = []
    author: AuthorIn | None = None
    cover: CoverIn | None = None
    tags: list[TagIn] = []


class BookOut(ModelSchema, model=Book, fields=["id", "title"]):
    chapters: list[ChapterIn]
    author: AuthorIn | None
    tags: list[TagIn]


class Books(ModelViewSet, model=Book):
    permissions = [permissions.AllowAny]
    schema = BookOut
    input = BookIn


api = Router()
api.register("books", Books)

WHOLE = {
    "title": "Covet",
    "chapters": [
        {"title": "one", "notes": [{"text": "a"}, {"text": "b"}]},
        {"title": "two", "notes": []},
    ],
    "author": {"name": "Ann", "email": "a@example.org"},
    "cover": {"color": "red"},
    "tags": [{"name": "new"}],
}


async def make(library: Any) -> tuple[Any, dict[str, Any]]:
    client = await library(api)
    answer = await client.post("/api/books/", json=WHOLE)
    assert answer.status_code == 201, answer.text
    return client, answer.json()


async def titles(book: Any) -> list[tuple[str, int]]:
    return [(one.title, one.position) async for one in Chapter.objects.filter(book=book).order_by("position")]


async def test_two_levels_are_created_with_their_parent(library: Any) -> None:
    _, book = await make(library)

    assert [one["title"] for one in book["chapters"]] == ["one", "two"]
    assert [one["text"] for one in book["chapters"][0]["notes"]] == ["a", "b"]
    assert book["author"]["name"] == "Ann"
    assert [one["name"] for one in book["tags"]] == ["new"]
    assert await titles(book["id"]) == [("one", 0), ("two", 1)]
    assert (await Cover.objects.get(book_id=book["id"])).color == "red"


async def test_items_are_changed_added_reordered_and_deleted_at_both_levels(library: Any) -> None:
    client, book = await make(library)
    one, two = book["chapters"]
    first, _ = one["notes"]

    answer = await client.patch(
        f"/api/books/{book['id']}/",
        json={
            "chapters": [
                {"title": "zero"},
                {"id": two["id"], "title": "TWO"},
                {"id": one["id"], "title": "one", "notes": [{"text": "new"}, {"id": first["id"], "text": "A"}]},
            ]
        },
    )

    assert answer.status_code == 200, answer.text
    assert await titles(book["id"]) == [("zero", 0), ("TWO", 1), ("one", 2)]
    notes = {note.pk: note.text async for note in Note.objects.filter(chapter_id=one["id"])}
    assert notes.pop(first["id"]) == "A"
    assert list(notes.values()) == ["new"]
    assert [chapter["id"] for chapter in answer.json()["chapters"]][1:] == [two["id"], one["id"]]


async def test_a_new_item_between_two_takes_a_place_that_one_of_them_has_still(library: Any) -> None:
    client, book = await make(library)
    one, two = book["chapters"]

    between = await client.patch(f"/api/books/{book['id']}/", json={"chapters": [one, {"title": "new"}, two]})
    first = await client.patch(
        f"/api/books/{book['id']}/", json={"chapters": [{"title": "zero"}, *between.json()["chapters"]]}
    )

    assert (between.status_code, first.status_code) == (200, 200), between.text + first.text
    assert await titles(book["id"]) == [("zero", 0), ("one", 1), ("new", 2), ("two", 3)]


async def test_the_list_leaves_out_what_is_to_go_and_a_patch_without_it_leaves_it(library: Any) -> None:
    client, book = await make(library)
    one, _ = book["chapters"]

    await client.patch(f"/api/books/{book['id']}/", json={"title": "New"})
    kept = await titles(book["id"])
    await client.patch(f"/api/books/{book['id']}/", json={"chapters": [{"id": one["id"], "title": "one"}]})
    fewer = await titles(book["id"])
    await client.patch(f"/api/books/{book['id']}/", json={"chapters": []})

    assert (len(kept), len(fewer), await titles(book["id"])) == (2, 1, [])
    # What a nested item does not send of its own list stays too, and went with its chapter.
    assert not await Note.objects.exists()


async def test_single_relations_are_changed_in_place(library: Any) -> None:
    client, book = await make(library)
    tag = book["tags"][0]

    answer = await client.put(
        f"/api/books/{book['id']}/",
        json={
            "title": "Covet",
            "author": {"name": "Bob", "email": "b@example.org"},
            "cover": {"color": "blue"},
            "tags": [{"id": tag["id"], "name": "old"}, {"name": "more"}],
        },
    )

    assert answer.status_code == 200, answer.text
    assert answer.json()["author"] == {**book["author"], "name": "Bob", "email": "b@example.org"}
    assert [one["name"] for one in answer.json()["tags"]] == ["old", "more"]
    assert [one.color async for one in Cover.objects.all()] == ["blue"]
    assert await Author.objects.count() == 1


class Jacketed(ModelSchema, model=Book, fields=["id", "title"]):
    cover: CoverIn | None = None


class Kept(ModelSchema, model=Book, fields=["id", "title"]):
    cover: Annotated[CoverIn | None, Nested(delete=False)] = None


class JacketedBooks(ModelViewSet, model=Book):
    permissions = [permissions.AllowAny]
    schema = input = Jacketed


class KeptBooks(ModelViewSet, model=Book):
    permissions = [permissions.AllowAny]
    schema = input = Kept


@pytest.mark.parametrize(("name", "is_kept"), [("jacketed", False), ("kept", True)])
@pytest.mark.parametrize("method", ["put", "patch"])
async def test_null_takes_a_single_row_away_and_the_answer_is_what_is_there(
    library: Any, method: str, name: str, is_kept: bool
) -> None:
    router = Router()
    router.register("jacketed", JacketedBooks)
    router.register("kept", KeptBooks)
    client = await library(router)
    body = {"title": "Covet", "cover": {"color": "red"}}
    book = (await client.post(f"/api/{name}/", json=body)).json()
    other = (await client.post(f"/api/{name}/", json=body)).json()
    address = f"/api/{name}/{book['id']}/"

    untouched = await client.patch(address, json={"title": "Covet"})
    answer = await getattr(client, method)(address, json={"title": "Covet", "cover": None})
    again = await getattr(client, method)(address, json={"title": "Covet", "cover": None})

    assert untouched.json() == book
    assert answer.status_code == again.status_code == 200
    assert answer.json() == again.json() == (await client.get(address)).json()
    assert answer.json()["cover"] == (book["cover"] if is_kept else None)
    assert (await client.get(f"/api/{name}/{other['id']}/")).json() == other
    made = await client.patch(address, json={"cover": {"color": "blue"}})
    assert made.json()["cover"]["color"] == "blue"


class CoverStruct(msgspec.Struct):
    color: str


class JacketedStruct(msgspec.Struct):
    title: str
    cover: CoverStruct | None = None


class ByKey(Schema):
    cover: int | None = None


class ByKeyStruct(msgspec.Struct):
    cover: int | None = None


class TrailerKnown(Schema):
    trailer: CoverIn | None = None


async def test_null_takes_away_what_a_schema_nests_and_nothing_that_it_calls_by_key(library: Any) -> None:
    await library(api)
    book = await Book.objects.create(title="Covet")
    cover = await Cover.objects.create(book=book, color="red")
    assert await book.cover == cover

    for nested in (Jacketed(title="Covet"), JacketedStruct("Covet")):
        assert [plan.name for plan in emptied(Book, nested, ["cover"])] == ["cover"]
    for other in (ByKey(), ByKeyStruct()):
        assert emptied(Book, other, ["cover"]) == []
    assert emptied(Lorry, TrailerKnown(), ["trailer"]) == []  # the row itself, in the table of a child
    await update(book, JacketedStruct("Covet"))

    assert await Cover.objects.count() == 0
    with pytest.raises(Cover.DoesNotExist):
        await book.cover


@pytest.mark.parametrize(
    ("chapters", "status", "pointer"),
    [
        ([{"title": "x"}, {"title": "x"}], 409, "/chapters/1/"),
        ([{"title": "x", "notes": [{"text": "n"}, {"text": "n", "tag": 99}]}], 422, "/chapters/0/notes/1/tag"),
        ([{"title": "x" * 30}], 422, "/chapters/0/title"),
        ([{"title": "x"}, {"id": 9999, "title": "y"}], 422, "/chapters/1/id"),
        ([{"title": "x", "notes": [{"id": 9999, "text": "y"}]}], 422, "/chapters/0/notes/0/id"),
    ],
)
async def test_errors_point_into_the_item_and_nothing_is_written(
    library: Any, chapters: Any, status: int, pointer: str
) -> None:
    client = await library(api)

    answer = await client.post("/api/books/", json={"title": "Covet", "chapters": chapters})

    assert answer.status_code == status, answer.text
    assert await Book.objects.count() == 0
    assert await Chapter.objects.count() == 0
    told = [error["pointer"] for error in answer.json()["errors"]]
    assert told
    assert all(one.startswith(pointer) for one in told)


async def test_nobody_changes_another_parents_items_or_names_one_twice(library: Any) -> None:
    client, book = await make(library)
    one = book["chapters"][0]
    other = (await client.post("/api/books/", json={"title": "Other", "chapters": []})).json()

    stolen = await client.patch(f"/api/books/{other['id']}/", json={"chapters": [{"id": one["id"], "title": "mine"}]})
    twice = await client.patch(
        f"/api/books/{book['id']}/",
        json={"chapters": [{"id": one["id"], "title": "a"}, {"id": one["id"], "title": "b"}]},
    )

    assert [answer.status_code for answer in (stolen, twice)] == [422, 422]
    assert twice.json()["errors"] == [
        {"detail": "This item stands here twice.", "pointer": "/chapters/1/id", "code": "repeated_item"}
    ]
    assert len(await titles(book["id"])) == 2
