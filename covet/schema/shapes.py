"""One view of the classes whose fields a request may bring one by one: schemas, structs, dataclasses, TypedDicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Annotated, Any, NotRequired, Required, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct
from pydantic import AliasChoices, BaseModel, TypeAdapter
from pydantic.fields import FieldInfo
from typing_extensions import is_typeddict

from covet.schema.base import Schema
from covet.schema.meta_rules import in_pydantic
from covet.schema.structs import StructReader

__all__ = ["MISSING", "Shape", "ShapeField", "shape_of"]


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()
"""The default of a field that must be given."""


class ShapeField(Struct, frozen=True):
    """One field of a shape.

    Attributes:
        name: The attribute.
        alias: Its name from outside, where that is another one.
        annotation: Its type, rules included.
        default: Its value when it is left out, None where that is made anew each time, or ``MISSING``.
        description: For the documentation.
        deprecated: Still taken, but not for long.
        examples: Values for the documentation.
    """

    name: str
    alias: str | None
    annotation: Any
    default: Any
    description: str | None = None
    deprecated: bool = False
    examples: tuple[Any, ...] = ()

    @property
    def key(self) -> str:
        """The name under which the value is handed over."""
        return self.alias or self.name


class Shape(Struct, frozen=True):
    """A class with fields, and what makes a value of it from a dict of texts.

    Attributes:
        kind: The class.
        fields: Its fields.
        make: Gets the values by key; raises pydantic's ``ValidationError`` or ``StructError``.
        forbids: Whether the class itself refuses what it does not know. A ``Schema`` does so in bodies; in a query other
            parameters may stand beside its own.
    """

    kind: Any
    fields: tuple[ShapeField, ...]
    make: Callable[[dict[str, Any]], Any]
    forbids: bool = False


def shape_of(kind: Any) -> Shape | None:
    """Return the shape of a class, or None for a class whose fields are nobody's business."""
    if is_typeddict(kind):
        return Shape(kind, _typed_dict(kind), TypeAdapter(kind).validator.validate_python, _forbids(kind))
    if not isinstance(kind, type):
        return None
    if issubclass(kind, BaseModel):
        fields = tuple(_of_info(name, info) for name, info in kind.model_fields.items())
        forbids = kind.model_config.get("extra") == "forbid" and not issubclass(kind, Schema)
        return Shape(kind, fields, kind.model_validate, forbids)
    if issubclass(kind, msgspec.Struct):
        reader = StructReader(kind)
        forbids = kind.__struct_config__.forbid_unknown_fields
        return Shape(kind, _struct(kind), lambda values: reader.convert(values, strict=False), forbids)
    if dataclasses.is_dataclass(kind):
        return Shape(kind, _dataclass(kind), TypeAdapter(kind).validator.validate_python, _forbids(kind))
    return None


def _forbids(kind: Any) -> bool:
    config: dict[str, Any] = getattr(kind, "__pydantic_config__", {})
    return config.get("extra") == "forbid"


def _of_info(name: str, info: FieldInfo) -> ShapeField:
    annotation = Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
    default = MISSING if info.is_required() else None if info.default_factory is not None else info.get_default()
    examples = tuple(info.examples or ())
    alias = info.validation_alias or info.alias
    if isinstance(alias, AliasChoices):  # the first is the one that is told
        alias = next((choice for choice in alias.choices if isinstance(choice, str)), None)
    return ShapeField(
        name,
        alias if isinstance(alias, str) else None,
        annotation,
        default,
        info.description,
        bool(info.deprecated),
        examples,
    )


def _struct(kind: type[msgspec.Struct]) -> tuple[ShapeField, ...]:
    hints = get_type_hints(kind, include_extras=True)
    return tuple(
        ShapeField(
            field.name,
            None if field.encode_name == field.name else field.encode_name,
            in_pydantic(hints[field.name]),
            MISSING if field.required else None if field.default is msgspec.NODEFAULT else field.default,
            _described(hints[field.name]),
        )
        for field in msgspec.structs.fields(kind)
    )


def _described(hint: Any) -> str | None:
    found = [item.description for item in getattr(hint, "__metadata__", ()) if isinstance(item, msgspec.Meta)]
    return found[-1] if found else None


def _dataclass(kind: Any) -> tuple[ShapeField, ...]:
    hints = get_type_hints(kind, include_extras=True)
    made = []
    for field in dataclasses.fields(kind):
        if not field.init:
            continue
        is_open = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        default = MISSING if is_open else None if field.default is dataclasses.MISSING else field.default
        made.append(ShapeField(field.name, None, hints[field.name], default))
    return tuple(made)


def _typed_dict(kind: Any) -> tuple[ShapeField, ...]:
    return tuple(
        ShapeField(name, None, _without_mark(hint), MISSING if name in kind.__required_keys__ else None)
        for name, hint in get_type_hints(kind, include_extras=True).items()
    )


def _without_mark(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) in (Required, NotRequired) else hint
