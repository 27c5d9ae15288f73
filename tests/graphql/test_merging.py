"""Every app's schema in one, and declarations that cannot be used: each error names what and where."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import strawberry

from covet import graphql
from covet.exceptions import ImproperlyConfigured
from covet.graphql.limits import Limits
from covet.graphql.merge import build_schema
from covet.schema import ModelSchema
from tests.graphql.blogapp.models import Article, Author, Tag


def module(name: str, **members: Any) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(members)
    return made


def build(**apps: ModuleType) -> Any:
    return build_schema(apps, limits=Limits(), introspection=True, debug=False)


def query(**fields: Any) -> type[Any]:
    annotations = {name: annotation for name, (annotation, _) in fields.items()}
    return type("Query", (), {"__annotations__": annotations, **{name: value for name, (_, value) in fields.items()}})


def test_a_field_of_two_apps_is_an_error_that_names_both() -> None:
    class A:
        @graphql.field()
        def hello(self) -> str:
            return "a"

    class B:
        @graphql.field()
        def hello(self) -> str:
            return "b"

    with pytest.raises(ImproperlyConfigured, match=r"Query\.hello is defined by two apps: 'one' and 'two'"):
        build(one=module("one.schema", Query=A), two=module("two.schema", Query=B))


def test_a_type_of_two_apps_is_an_error_that_names_both() -> None:
    def make(where: str) -> Any:
        made = strawberry.type(type("Thing", (), {"__annotations__": {"size": int}, "__module__": __name__}))
        made.__module__ = where
        return made

    with pytest.raises(
        ImproperlyConfigured, match=r"'Thing' is defined twice: by one\.schema\.Thing and by two\.schema"
    ):
        build(one=module("one.schema", Thing=make("one.schema")), two=module("two.schema", Thing=make("two.schema")))


def test_no_query_at_all_is_no_schema() -> None:
    assert build(one=module("one.schema")) is None


def test_a_mutation_without_any_query_is_an_error() -> None:
    class Mutation:
        @graphql.field()
        def go(self) -> bool:
            return True

    with pytest.raises(ImproperlyConfigured, match="no Query"):
        build(one=module("one.schema", Mutation=Mutation))


def test_a_misspelt_field_is_an_error_with_the_likely_one() -> None:
    @graphql.type(Article, fields=["id", "titel"])
    class ArticleType: ...

    with pytest.raises(ImproperlyConfigured, match=r"shows the field 'titel'.*Did you mean 'title'"):
        build(one=module("one.schema", ArticleType=ArticleType, Query=query(a=(ArticleType, graphql.node()))))


def test_a_type_needs_fields_or_exclude() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"fields=\[…\]"):
        graphql.type(Article)


def test_exclude_shows_all_the_other_columns() -> None:
    @graphql.type(Author, exclude=["email"])
    class AuthorType: ...

    schema = build(one=module("one.schema", AuthorType=AuthorType, Query=query(a=(AuthorType, graphql.node()))))

    assert "email" not in str(schema)
    assert "type AuthorType {\n  id: ID!" in str(schema)


def test_a_relation_without_a_type_is_shown_as_its_keys() -> None:
    @graphql.type(Article, fields=["id", "author", "tags"])
    class ArticleType: ...

    schema = build(one=module("one.schema", ArticleType=ArticleType, Query=query(a=(ArticleType, graphql.node()))))

    assert "author: ID!" in str(schema)
    assert "tags: [ID!]!" in str(schema)


def test_two_types_of_one_model_need_a_default() -> None:
    @graphql.type(Article, fields=["id", "author"])
    class ArticleType: ...

    @graphql.type(Author, fields=["id"])
    class Short: ...

    @graphql.type(Author, fields=["id", "name"])
    class Long: ...

    members = {"ArticleType": ArticleType, "Short": Short, "Long": Long}
    with pytest.raises(ImproperlyConfigured, match=r"several GraphQL types: .*Short, .*Long"):
        build(one=module("one.schema", **members, Query=query(a=(ArticleType, graphql.node()))))

    @graphql.type(Author, fields=["id", "name"], default=True)
    class Chosen: ...

    members = {"ArticleType": ArticleType, "Short": Short, "Chosen": Chosen}
    schema = build(one=module("one.schema", **members, Query=query(b=(ArticleType, graphql.node()))))
    assert "author: Chosen!" in str(schema)


def test_a_node_is_annotated_with_a_model_type() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"Query\.thing is annotated with int; node\(\)"):
        build(one=module("one.schema", Query=query(thing=(int, graphql.node()))))


def test_a_connection_is_annotated_with_connection() -> None:
    @graphql.type(Tag, fields=["id"])
    class TagType: ...

    with pytest.raises(ImproperlyConfigured, match=r"graphql\.Connection"):
        build(one=module("one.schema", TagType=TagType, Query=query(tags=(TagType, graphql.connection()))))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"filters": ["nam"]}, "Did you mean 'name'"),
        ({"filters": ["name__sounds_like"]}, "no look-up"),
        ({"ordering": ["size"]}, "has no field 'size'"),
    ],
)
def test_a_filter_or_ordering_that_cannot_be_is_an_error(options: Any, text: str) -> None:
    @graphql.type(Tag, fields=["id", "name"])
    class TagType: ...

    field = graphql.connection(**options)
    with pytest.raises(ImproperlyConfigured, match=text):
        build(one=module("one.schema", TagType=TagType, Query=query(tags=(graphql.Connection[TagType], field))))


def test_a_schema_of_another_model_is_an_error_that_names_both() -> None:
    class TagIn(ModelSchema, model=Tag, fields=["name"]): ...

    @graphql.type(Author, fields=["id"])
    class AuthorType: ...

    mutation = type("Mutation", (), {"__annotations__": {"make": AuthorType}, "make": graphql.create(TagIn)})
    with pytest.raises(ImproperlyConfigured, match=r"TagIn, a schema of Tag.*shows Author"):
        build(
            one=module(
                "one.schema", AuthorType=AuthorType, Mutation=mutation, Query=query(a=(AuthorType, graphql.node()))
            )
        )


def test_the_schema_of_the_same_modules_is_built_again_alike() -> None:
    from tests.graphql.blogapp import schema as blog
    from tests.graphql.otherapp import schema as other

    first, second = (str(build(blog=blog, other=other)) for _ in range(2))

    assert first == second
    assert 'weather(city: String! = "Kyiv"): Weather!' in first


def test_a_connection_on_a_type_is_an_error_that_says_what_to_write() -> None:
    @graphql.type(Author, fields=["id"])
    class AuthorType:
        articles: graphql.Connection[Any] = graphql.connection()

    with pytest.raises(ImproperlyConfigured, match=r"AuthorType\.articles: .* name the relation in fields"):
        build(one=module("one.schema", AuthorType=AuthorType, Query=query(a=(AuthorType, graphql.node()))))
