"""What a serializer would have is refused in a schema, which would keep it and never ask: a rule, say, that does not run."""

from __future__ import annotations

import warnings
from typing import Annotated, Any

import pytest
from pydantic import Field, computed_field, field_validator, model_serializer, model_validator

from covet.exceptions import ImproperlyConfigured
from covet.schema import OUTPUT, ModelSchema, Schema
from tests.rest.library import Article


@pytest.mark.parametrize("base", [Schema, ModelSchema])
@pytest.mark.parametrize(
    ("method", "parameters", "instead"),
    [
        ("validate_title", "self, value", r"write @field_validator\('title'\) @classmethod"),
        ("validate", "self, data", r"write @model_validator\(mode='after'\)"),
        ("to_representation", "self, instance", r"write @model_serializer\(mode='wrap'\)"),
        ("to_internal_value", "self, data", r"write @model_validator\(mode='before'\)"),
        ("get_title", "self, obj", r"write @computed_field @property above def title\(self\)"),
        ("create", "self, validated_data", r"write perform_create\(self, request, …, data\) in the viewset"),
        ("update", "self, instance, validated_data", r"write perform_update\("),
    ],
)
def test_a_serializers_method_is_refused_with_what_to_write(
    base: Any, method: str, parameters: str, instead: str
) -> None:
    made: dict[str, Any] = {}
    exec(f"def {method}({parameters}): ...", made)

    with pytest.raises(ImproperlyConfigured, match=rf"Post\.{method}\(\) is asked by nobody: {instead}"):
        type(base)("Post", (base,), {"__annotations__": {"title": str}, "__module__": __name__, method: made[method]})


@pytest.mark.parametrize(
    ("option", "value", "instead"),
    [
        ("source", "author.name", r"write validation_alias=AliasPath"),
        ("read_only", True, "leave it out of the schema of the input"),
        ("write_only", True, "leave it out of the schema of the answers"),
        ("required", False, "a field with a default may be left out"),
        ("allow_null", True, "write … | None"),
        ("validators", [], "AfterValidator"),
        ("many", True, r"write list\[…\]"),
    ],
)
def test_a_serializer_fields_option_is_refused_with_what_to_write(option: str, value: Any, instead: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydantic keeps the option for the JSON schema, and warns
        given: Any = Field(**{option: value})

    with pytest.raises(ImproperlyConfigured, match=rf"Post\.title: Field\(\) has no '{option}': .*{instead}"):

        class Post(Schema):
            title: str = given


@pytest.mark.parametrize(
    ("word", "instead"),
    [
        ("read_only_fields", "leave them out of the schema of the input"),
        ("depth", "give each relation a nested schema"),
        ("extra_kwargs", "declare these fields in the class body"),
        ("validators", "give the model a UniqueConstraint"),
    ],
)
def test_what_is_said_of_a_whole_serializer_is_refused(word: str, instead: str) -> None:
    told: dict[str, Any] = {word: ["title"]}
    with pytest.raises(ImproperlyConfigured, match=f"has no keyword '{word}': {instead}"):
        type(ModelSchema)("Post", (ModelSchema,), {"__module__": __name__}, model=Article, fields=["title"], **told)

    for inner in (type("Meta", (), told), type("Meta", (), {"model": Article, "fields": ["id"], **told})):
        with pytest.raises(ImproperlyConfigured, match=rf"Post has a class Meta.* {word}: {instead}"):
            type(ModelSchema)("Post", (ModelSchema,), {"__module__": __name__, "Meta": inner})


class Careful(ModelSchema, model=Article, fields=["title", "body"]):
    """What the messages say to write, and methods of the same names that something asks for."""

    views: Annotated[int, Field(json_schema_extra={"x-unit": "times"})] = 0

    @field_validator("title")
    @classmethod
    def validate_title(cls, value: str) -> str:
        return value.strip()

    @model_validator(mode="after")
    def validate_all(self) -> Careful:
        if self.title == self.body:
            raise ValueError("Say more than the title.")
        return self

    @computed_field  # type: ignore[prop-decorator]
    @property
    def get_shown(self) -> str:
        return self.title.upper()

    def validate_later(self) -> bool:
        return bool(self.title)

    def get_title(self, default: str) -> str:
        return self.title or default

    def create(self) -> str:
        return self.title

    @model_serializer(mode="wrap")
    def to_representation(self, handler: Any) -> dict[str, Any]:
        return {**handler(self), "kind": "post"}


def test_what_is_asked_for_may_have_any_name() -> None:
    post = Careful(title=" Bees ", body="Hum")

    assert post.model_dump() == {"title": "Bees", "body": "Hum", "views": 0, "get_shown": "BEES", "kind": "post"}
    assert (post.validate_later(), post.get_title("x"), post.create()) == (True, "Bees", "Bees")
    shown = Careful.model_validate(Article(title="A", body="B"), context=OUTPUT)
    assert shown.model_dump()["kind"] == "post"
