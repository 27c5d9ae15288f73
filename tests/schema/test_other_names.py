"""Related rows under another name than the model's: they are loaded as they are under their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from pydantic import AliasChoices, AliasPath, ConfigDict, Field
from pydantic.alias_generators import to_camel

from covet.db.database import Database
from covet.db.observe import record_queries
from covet.rest import Slug
from covet.rest.render import plan_response
from covet.schema import ModelSchema, Schema, needs
from tests._apps.blog.models import MODELS, Article, Author, Comment, Profile, Tag
from tests.db.models.conftest import create_tables


@pytest.fixture
async def blog(database: Database) -> AsyncIterator[Database]:
    await create_tables(database, MODELS)
    ann = await Author.objects.create(name="Ann", email="ann@x.org", age=40)
    await Profile.objects.create(author=ann, bio="long")
    tag = await Tag.objects.create(label="bees")
    for number in range(3):
        article = await Article.objects.create(title=f"T{number}", body="…", author=ann)
        await article.tags.add(tag)
        await Comment.objects.create(article=article, text="hm", stars=number)
    yield database


class AuthorOut(ModelSchema, model=Author, fields=["name"]): ...


class CommentOut(ModelSchema, model=Comment, fields=["stars"]): ...


class ProfileOut(ModelSchema, model=Profile, fields=["bio"]): ...


class ByAlias(Schema):
    writer: AuthorOut = Field(validation_alias="author")
    said: list[CommentOut] = Field(validation_alias="comments")
    tagList: Annotated[list[str], Slug("label")] = Field(validation_alias="tags")


class ByPath(Schema):
    writer: AuthorOut = Field(validation_alias=AliasPath("author"))
    said: list[CommentOut] = Field(validation_alias=AliasPath("comments"))
    tagList: Annotated[list[str], Slug("label")] = Field(validation_alias=AliasPath("tags"))


class ByChoices(Schema):
    writer: AuthorOut = Field(validation_alias=AliasChoices("poet", "author"))
    said: list[CommentOut] = Field(validation_alias=AliasChoices(AliasPath("comments"), "said"))
    tagList: Annotated[list[str], Slug("label")] = Field(validation_alias=AliasChoices("keywords", "tags"))


async def answer(schema: Any, value: Any) -> tuple[bytes, int]:
    with record_queries() as ran:
        written: bytes = await plan_response(schema, None, "test").render(None, value, None)
    return written, len(ran)


EXPECTED = b'{"writer":{"name":"Ann"},"said":[{"stars":0}],"tagList":["bees"]}'


@pytest.mark.parametrize("schema", [ByAlias, ByPath, ByChoices])
async def test_relations_under_another_name_are_loaded_with_rows_and_with_an_instance(
    blog: Database, schema: type[Schema]
) -> None:
    one, of_one = await answer(schema, await Article.objects.order_by("pk").first())
    many, of_many = await answer(list[schema], Article.objects.order_by("pk"))  # type: ignore[valid-type]

    assert one == EXPECTED
    assert many.startswith(b"[" + EXPECTED)
    assert of_one == of_many == 3  # the author (by a join, with the rows), comments, tags


class Far(Schema):
    writer: AuthorOut = Field(validation_alias=AliasPath("article", "author"))
    labels: Annotated[list[str], Slug("label")] = Field(validation_alias=AliasPath("article", "tags"))


async def test_a_path_may_end_at_related_rows(blog: Database) -> None:
    one, of_one = await answer(Far, await Comment.objects.order_by("pk").first())
    many, of_many = await answer(list[Far], Comment.objects.order_by("pk"))

    assert one == b'{"writer":{"name":"Ann"},"labels":["bees"]}'
    assert many == b"[" + b",".join([one] * 3) + b"]"
    assert (of_one, of_many) == (3, 2)  # of rows, both single ones by a join


async def test_a_path_may_end_at_a_row_on_the_other_side(blog: Database) -> None:
    class About(Schema):
        about: ProfileOut = Field(validation_alias=AliasPath("author", "profile"))

    many, statements = await answer(list[About], Article.objects.order_by("pk"))

    assert many.startswith(b'[{"about":{"bio":"long"}}')
    assert statements == 1


async def test_names_in_camel_case_are_those_of_an_alias_generator(blog: Database) -> None:
    class Camel(ModelSchema, model=Article, fields=["title", "published_at"]):
        model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

        author: AuthorOut
        comments: list[CommentOut]

    one, _ = await answer(Camel, await Article.objects.order_by("pk").first())
    many, statements = await answer(list[Camel], Article.objects.order_by("pk"))

    assert one == b'{"title":"T0","publishedAt":null,"author":{"name":"Ann"},"comments":[{"stars":0}]}'
    assert many.startswith(b"[" + one)
    assert statements == 2


def test_a_path_that_ends_at_a_bare_key_reads_the_column_that_holds_it() -> None:
    class Bare(Schema):
        who: Any = Field(validation_alias=AliasPath("article", "author"))
        what: Any = Field(validation_alias=AliasPath("article", "comments", 0, "stars"))  # pydantic's affair

    found = needs(Bare, Comment)

    assert found.select == ("article",)
    assert found.prefetch == ()
    assert found.columns == {"": None, "article": ("id", "author")}
