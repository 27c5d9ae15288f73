"""What a schema says in REST framework's words, which pydantic would keep and nobody would ask: a rule that never runs, say."""

from __future__ import annotations

from types import FunctionType
from typing import Any, Final

from covet.concurrency import signature
from covet.exceptions import ImproperlyConfigured

__all__ = ["OF_SCHEMAS", "check_schema"]

OF_SCHEMAS: Final = {
    "depth": "give each relation a nested schema, author: AuthorOut",
    "extra_kwargs": "declare these fields in the class body, title: Annotated[str, Field(max_length=5)]",
    "list_serializer_class": "a viewset's bulk = True takes lists",
    "read_only_fields": "leave them out of the schema of the input",
    "validators": "give the model a UniqueConstraint, or write @model_validator(mode='after')",
    "write_only_fields": "leave them out of the schema of the answers",
}
"""What is said of a whole serializer, and what to do instead."""

_OF_METHODS: Final = {
    "to_internal_value": "write @model_validator(mode='before') @classmethod above def …(cls, data)",
    "to_representation": "write @model_serializer(mode='wrap') above def …(self, handler), or @computed_field for a single field",
    "validate": "write @model_validator(mode='after') above a method that returns self",
}
_OF_FIELDS: Final = {
    "allow_blank": "a text may be empty unless min_length=1 says otherwise",
    "allow_null": "write … | None for its type",
    "many": "write list[…] for its type",
    "queryset": "write Annotated[str, Slug('name', queryset=…)]",
    "read_only": "leave it out of the schema of the input",
    "required": "a field with a default may be left out",
    "slug_field": "write Annotated[str, Slug('name')]",
    "source": "write validation_alias=AliasPath('author', 'name'), or the name alone",
    "validators": "write Annotated[…, AfterValidator(check)]",
    "view_name": "write Annotated[str, Link('authors-detail')]",
    "write_only": "leave it out of the schema of the answers",
}
_ASKED: Final = (
    "field_validators",
    "model_validators",
    "validators",
    "root_validators",
    "field_serializers",
    "model_serializers",
    "computed_fields",
)


def check_schema(schema: Any) -> None:
    """Refuse a serializer's methods in a schema, and a serializer field's options in its ``Field(…)``.

    Args:
        schema: The class, once pydantic has read its fields.

    Raises:
        ImproperlyConfigured: There is one; the message says what to write.
    """
    decorators = schema.__pydantic_decorators__
    asked = {name for kind in _ASKED for name in getattr(decorators, kind)}
    for name, member in vars(schema).items():
        if isinstance(member, FunctionType) and name not in asked:
            _check_method(schema, name, member)
    for name, info in schema.model_fields.items():
        extra = info.json_schema_extra
        for word in _OF_FIELDS.keys() & extra.keys() if isinstance(extra, dict) else ():
            raise ImproperlyConfigured(f"{schema.__name__}.{name}: Field() has no {word!r}: {_OF_FIELDS[word]}.")


def _check_method(schema: Any, name: str, method: FunctionType) -> None:
    instead = _OF_METHODS.get(name)
    about = name.partition("_")[2]
    takes = set(signature(method).parameters)
    if name.startswith("validate_") and about in schema.model_fields:
        instead = f"write @field_validator({about!r}) @classmethod above def …(cls, value)"
    elif name.startswith("get_") and about in schema.model_fields and takes in ({"self", "obj"}, {"self", "instance"}):
        instead = f"write @computed_field @property above def {about}(self), in the place of the field"
    elif name in ("create", "update") and "validated_data" in takes:
        instead = f"write perform_{name}(self, request, …, data) in the viewset"
    if instead is not None:
        raise ImproperlyConfigured(f"{schema.__name__}.{name}() is asked by nobody: {instead}.")
