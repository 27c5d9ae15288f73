"""Answers read the columns that their schemas show, at every level; the bytes are those of reading everything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BeforeValidator, ConfigDict, Field, create_model, field_validator, model_validator

from covet.conf import override
from covet.db.database import Database
from covet.db.models import Prefetch
from covet.db.observe import record_queries
from covet.rest.render import plan_response
from covet.schema import ModelSchema, Schema, needs
from tests._apps.blog.models import MODELS, Article, Author, Comment, Profile, Tag
from tests.db.models.conftest import create_tables


@pytest.fixture
async def blog(database: Database) -> AsyncIterator[Database]:
    await create_tables(database, MODELS)
    people = [await Author.objects.create(name=name, email=f"{name}@x.org", age=40) for name in ("Ann", "Bob")]
    await Profile.objects.create(author=people[0], bio="long")
    tags = [await Tag.objects.create(label=label) for label in "abc"]
    for number in range(4):
        editor = people[1] if number % 2 else None
        article = await Article.objects.create(title=f"T{number}", body="…", author=people[number % 2], editor=editor)
        await article.tags.add(*tags[:number])
        await Comment.objects.create(article=article, text="hm", stars=number)
    yield database


class TagOut(ModelSchema, model=Tag, fields=["label"]): ...


class AuthorOut(ModelSchema, model=Author, fields=["name"]): ...


class CommentOut(ModelSchema, model=Comment, fields=["stars"]): ...


class Nested(ModelSchema, model=Article, fields=["title"]):
    author: AuthorOut
    editor: AuthorOut | None
    tags: list[TagOut]
    comments: list[CommentOut]


class Keys(ModelSchema, model=Article, fields=["title", "tags"]):
    author: AuthorOut


class WithArticles(ModelSchema, model=Author, fields=["name"]):
    articles: list[Nested]


class Owner(ModelSchema, model=Author, fields=["age"]): ...


class Owned(ModelSchema, model=Article, fields=["title"]):
    author: Owner


class Owning(ModelSchema, model=Author, fields=["name"]):
    articles: list[Owned]


class Description(ModelSchema, model=Profile, fields=["bio"]):
    author: Owner


class Describing(ModelSchema, model=Author, fields=["name"]):
    profile: Description


async def answer(schema: Any, value: Any) -> bytes:
    written: bytes = await plan_response(schema, None, "test").render(None, value, None)
    return written


async def both(schema: Any, value: Any) -> tuple[bytes, list[str], list[str]]:
    """Return the answer, which is the same in both ways, and the statements with the optimizer and without."""
    with record_queries() as narrow:
        written = await answer(schema, value())
    with override(QUERY_OPTIMIZER=False), record_queries() as wide:
        assert await answer(schema, value()) == written
    return written, [one.sql for one in narrow], [one.sql for one in wide]


@pytest.mark.row("queries.defer")
async def test_only_what_is_shown_is_read_at_every_level(blog: Database) -> None:
    written, narrow, wide = await both(list[Nested], lambda: Article.objects.order_by("pk"))

    assert written.startswith(
        b'[{"title":"T0","author":{"name":"Ann"},"editor":null,"tags":[],"comments":[{"stars":0}]}'
    )
    assert len(narrow) == len(wide) == 3
    articles, tags, comments = narrow
    for unread in ("body", "views", "rating", "email", "age", "published_at"):
        assert unread not in articles and unread in wide[0]
    assert "label" in tags
    assert "stars" in comments and "article_id" in comments
    assert "text" not in comments and "text" in wide[2]


async def test_what_is_below_lists_is_narrow_too(blog: Database) -> None:
    written, narrow, wide = await both(list[WithArticles], lambda: Author.objects.order_by("pk"))

    assert written.count(b'"title"') == 4
    assert len(narrow) == len(wide)
    assert not any(name in sql for sql in narrow for name in ("body", "rating", "email", "text"))
    assert any("body" in sql for sql in wide)


async def test_a_list_whose_rows_show_their_owner_reads_both_of_it_once(blog: Database) -> None:
    written, narrow, wide = await both(list[Owning], lambda: Author.objects.order_by("pk"))

    assert b'{"title":"T0","author":{"age":40}}' in written
    assert len(narrow) == len(wide) == 2
    assert "age" in narrow[0] and "email" not in narrow[0]


async def test_a_single_row_behind_another_shows_its_owner(blog: Database) -> None:
    written, narrow, _wide = await both(list[Describing], lambda: Author.objects.filter(name="Ann"))

    assert written == b'[{"name":"Ann","profile":{"bio":"long","author":{"age":40}}}]'
    assert not any("email" in sql for sql in narrow)


async def test_lists_of_keys_read_keys(blog: Database) -> None:
    written, narrow, _wide = await both(list[Keys], lambda: Article.objects.order_by("pk"))

    assert b'"tags":[' in written
    assert "label" not in narrow[1].split("ORDER BY")[0]


async def test_one_instance_reads_of_others_what_is_shown(blog: Database) -> None:
    article = await Article.objects.order_by("-pk").first()

    with record_queries() as queries:
        written = await answer(Nested, article)

    assert b'"tags":[{"label":"a"},{"label":"b"},{"label":"c"}]' in written
    assert not any(name in one.sql for one in queries for name in ("email", "text"))


async def test_what_the_handler_has_loaded_is_shown_as_it_is(blog: Database) -> None:
    def chosen() -> Any:
        rows = Article.objects.order_by("pk").select_related("author__profile")
        return rows.prefetch_related(Prefetch("tags", Tag.objects.filter(label="b")))

    written, _narrow, _wide = await both(list[Nested], chosen)
    assert written.count(b'"label":"b"') == 2 and b'"label":"a"' not in written

    article = await chosen().get(title="T3")
    assert b'"tags":[{"label":"b"}]' in await answer(Nested, article)
    deferred = await answer(list[Nested], Article.objects.order_by("pk").defer("views"))
    assert deferred == written.replace(b'[{"label":"b"}]', b"[]") or deferred.count(b'"label":"a"') == 3


async def test_what_may_read_anything_has_all_columns(blog: Database) -> None:
    class Whole(ModelSchema, model=Article, fields=["title"]):
        text: str

        @model_validator(mode="before")
        @classmethod
        def of_row(cls, row: Any) -> Any:
            return {"title": row.title, "text": row.body}

    class ByHand(ModelSchema, model=Article, fields=["title"]):
        author: Annotated[AuthorOut, BeforeValidator(lambda one: AuthorOut(name=f"{one.name} {one.age}"))]
        comments: list[str]

        @field_validator("comments", mode="before")
        @classmethod
        def texts(cls, manager: Any) -> Any:
            return [one.text for one in manager.all()]

    class Aliased(Schema):
        model_config = ConfigDict(populate_by_name=False)
        name: str = Field(validation_alias="title")
        author: AuthorOut

    for schema, expected in (
        (Whole, b'{"title":"T0","text":"\xe2\x80\xa6"}'),
        (ByHand, b'{"title":"T0","author":{"name":"Ann 40"},"comments":["hm"]}'),
        (Aliased, b'{"name":"T0","author":{"name":"Ann"}}'),
    ):
        written, _narrow, _wide = await both(list[schema], lambda: Article.objects.order_by("pk"))  # type: ignore[valid-type]
        assert written.startswith(b"[" + expected), written


def test_a_property_makes_its_rows_whole_and_those_below() -> None:
    class Shows(Schema):
        __qualname__ = "Shows"
        popular: bool
        author: AuthorOut

    found = needs(Shows, Article)

    assert found.select == ("author",)
    assert found.columns == {"": None, "author": None}


_FIELDS = {
    Article: ["id", "title", "body", "views", "is_open", "day"],
    Author: ["id", "name", "email", "age"],
    Tag: ["id", "label"],
    Comment: ["id", "text", "stars"],
}
_BELOW: dict[Any, list[tuple[str, Any, str]]] = {
    Article: [
        ("author", Author, "one"),
        ("editor", Author, "maybe"),
        ("tags", Tag, "list"),
        ("comments", Comment, "list"),
    ],
    Author: [("articles", Article, "list"), ("edited", Article, "list")],
    Tag: [("articles", Article, "list")],
    Comment: [("article", Article, "one")],
}


@st.composite
def schemas(draw: Any, model: Any = Article, depth: int = 0) -> Any:
    """Return a nested schema: some of the fields, some of the relations."""
    names = draw(st.lists(st.sampled_from(_FIELDS[model]), min_size=1, max_size=3, unique=True))
    body: dict[str, Any] = {}
    if depth < 2:
        for name, target, kind in draw(
            st.lists(st.sampled_from(_BELOW[model]), max_size=2, unique_by=lambda one: one[0])
        ):
            inner = draw(schemas(target, depth + 1))
            body[name] = ({"one": inner, "maybe": inner | None, "list": list[inner]}[kind], ...)
    base = type(
        f"{model.__name__}Shown",
        (ModelSchema,),
        {"__module__": __name__, "__qualname__": "Shown"},
        model=model,
        fields=names,
    )
    return create_model(f"{model.__name__}Drawn", __base__=base, **body)


@pytest.mark.row("queries.defer")
async def test_any_schema_is_filled_alike_with_all_columns_and_with_its_own(blog: Database) -> None:
    drawn: list[Any] = []

    @settings(max_examples=25, derandomize=True, database=None, suppress_health_check=list(HealthCheck), deadline=None)
    @given(schemas())
    def gather(schema: Any) -> None:
        drawn.append(schema)

    gather()

    for schema in drawn:
        await both(list[schema], lambda: Article.objects.order_by("pk"))
