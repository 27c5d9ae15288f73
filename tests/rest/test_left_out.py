"""Rows that leave out what a schema has a default for are refused: the default is not what the row has."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, Field

from covet.rest import EstimatedPage, ModelSchema, OffsetPage, Page, Router, Schema, UncountedPage, permissions
from tests.rest.library import Article, Author

OPEN: Any = [permissions.AllowAny]


class Shown(Schema):
    title: str
    id: int | None = None
    note: str = "of no model"


class Plain(BaseModel):
    title: str
    id: int | None = None


class Chosen(Schema):
    title: str = Field("", validation_alias=AliasPath("title"))
    id: int | None = Field(None, validation_alias=AliasChoices("key", AliasPath("pk")))


class Columns(ModelSchema, model=Article, fields=["id", "title"]): ...


class AuthorShown(Schema):
    name: str


class Related(Schema):
    title: str
    author: AuthorShown | None = None


class Struct(msgspec.Struct):
    title: str
    id: int | None = None


class Sparing(msgspec.Struct, omit_defaults=True):
    title: str
    id: int | None = None


class AuthorStruct(msgspec.Struct):
    name: str
    email: str = "none"


class RelatedStruct(msgspec.Struct):
    title: str
    author: AuthorStruct | None = None


@dataclasses.dataclass
class Data:
    title: str
    id: int | None = None


def titles() -> Any:
    return Article.objects.values("title").order_by("pk")


def named() -> Any:
    return Article.objects.values_list("title", named=True).order_by("pk")


async def read() -> Any:
    rows = titles()
    await rows
    return rows


async def lines() -> AsyncIterator[Shown]:
    return titles()  # type: ignore[no-any-return]


REFUSED: dict[str, tuple[Any, Any]] = {
    "schema": (titles, list[Shown]),
    "named": (named, list[Shown]),
    "read": (read, list[Shown]),
    "pydantic": (titles, list[Plain]),
    "model": (titles, list[Columns]),
    "choices": (titles, list[Chosen]),
    "related": (titles, list[Related]),
    "struct": (titles, list[Struct]),
    "dataclass": (titles, Page[Data]),
    "read-dataclass": (read, list[Data]),
    "page": (titles, Page[Shown]),
    "offset": (titles, OffsetPage[Shown]),
    "estimated": (titles, EstimatedPage[Shown]),
    "read-page": (read, UncountedPage[Struct]),
}
SHOWN: dict[str, tuple[Any, Any, Any]] = {
    "all": (lambda: Article.objects.values("id", "title"), list[Shown], {"note": "of no model"}),
    "struct": (lambda: Article.objects.values("id", "title"), list[Struct], {}),
    "rows": (lambda: Article.objects.only("title"), list[Columns], {}),
    "choices": (lambda: Article.objects.values("pk", "title"), list[Chosen], {}),
}


def api() -> Router:
    made = Router(permissions=OPEN)
    for name, (give, schema) in REFUSED.items():
        made.get(f"/refused/{name}", response=schema, name=f"refused-{name}")(give)
    for name, (give, schema, _) in SHOWN.items():
        made.get(f"/shown/{name}", response=schema, name=f"shown-{name}")(give)
    made.get("/lines")(lines)

    @made.get("/unset", response=list[Shown], exclude_unset=True)
    async def unset() -> Any:
        return titles()

    @made.get("/sparing", response=list[Sparing])
    async def sparing() -> Any:
        return titles()

    @made.get("/plain", response=list[Shown])
    async def plain() -> Any:
        return await titles()

    @made.get("/plain-row", response=Shown)
    async def plain_row() -> Any:
        return await titles().first()

    @made.get("/deferred", response=list[Struct])
    async def deferred() -> Any:
        return Article.objects.defer("body")

    @made.get("/deferred-struct", response=AuthorStruct)
    async def deferred_struct() -> Any:
        return await Author.objects.only("name").get()

    @made.get("/unloaded-struct", response=RelatedStruct)
    async def unloaded_struct() -> Any:
        return await Article.objects.get()

    @made.get("/loaded-struct", response=RelatedStruct)
    async def loaded_struct() -> Any:
        return await Article.objects.select_related("author").get()

    @made.get("/deferred-inside", response=list[RelatedStruct])
    async def deferred_inside() -> Any:
        return Article.objects.select_related("author").only("title", "author__name")

    return made


@pytest.fixture
async def client(library: Any) -> Any:
    client = await library(api())
    author = await Author.objects.create(name="Ann", email="ann@example.org")
    await Article.objects.create(title="One", author=author)
    return client


@pytest.mark.parametrize("name", [*REFUSED, "lines"])
async def test_values_without_what_has_a_default_are_refused(client: Any, caplog: Any, name: str) -> None:
    answer = await client.get("/api/lines" if name == "lines" else f"/api/refused/{name}")

    assert answer.status_code == 500
    left = "author" if name == "related" else "id"
    assert f"ResponseMismatch: The handler returned Article.objects.values(…) without '{left}', of which" in caplog.text


@pytest.mark.parametrize("name", SHOWN)
async def test_rows_that_leave_nothing_out_are_shown(client: Any, name: str) -> None:
    article = await Article.objects.get()

    answer = await client.get(f"/api/shown/{name}")

    assert answer.json() == [{"title": "One", "id": article.pk, **SHOWN[name][2]}]


@pytest.mark.parametrize("name", ["unset", "sparing"])
async def test_an_answer_without_defaults_may_have_few_columns(client: Any, name: str) -> None:
    assert (await client.get(f"/api/{name}")).json() == [{"title": "One"}]


async def test_plain_dicts_that_a_handler_holds_are_filled_in_by_defaults(client: Any) -> None:
    """Nothing tells a row of ``await ….values(…)`` from a dict that the handler wrote."""
    shown = {"title": "One", "id": None, "note": "of no model"}

    assert (await client.get("/api/plain")).json() == [shown]
    assert (await client.get("/api/plain-row")).json() == shown


@pytest.mark.parametrize(
    ("name", "field"), [("deferred-struct", "email"), ("unloaded-struct", "author"), ("deferred-inside", "email")]
)
async def test_a_struct_shows_no_default_for_what_a_row_has_not_loaded(
    client: Any, caplog: Any, name: str, field: str
) -> None:
    answer = await client.get(f"/api/{name}")

    assert answer.status_code == 500
    assert "NotLoaded" in caplog.text
    assert f"'{field}'" in caplog.text or f"article.{field}`" in caplog.text


async def test_a_struct_shows_what_was_loaded(client: Any) -> None:
    author = {"name": "Ann", "email": "ann@example.org"}

    assert (await client.get("/api/loaded-struct")).json() == {"title": "One", "author": author}
    assert [one["title"] for one in (await client.get("/api/deferred")).json()] == ["One"]
