"""Writer: values of a schema as JSON, straight from what they hold where that gives pydantic's bytes, else by pydantic.

``benchmarks/suites/rows.py`` says what that takes beside pydantic, with Rust and without.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import types
import uuid
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec
from pydantic import BaseModel, ConfigDict, TypeAdapter
from pydantic.fields import FieldInfo

from covet.accel import ModelShape, ModelWriter
from covet.schema.field_types import FieldRules
from covet.schema.projection import is_left_out, spells_plainly

__all__ = ["Writer"]

# What is spelled as pydantic does. Durations, bytes and Any are pydantic's.
_ALIKE: Final = (str, int, bool, type(None), decimal.Decimal, uuid.UUID, datetime.date, datetime.time)
_SPELLING: Final = ("ser_json_bytes", "ser_json_inf_nan", "ser_json_temporal", "ser_json_timedelta")


class Writer:
    """Writes values of one schema.

    Args:
        schema: The schema; values of exactly this class take the short way.
        writer: What goes the short way: the native half, or its twin.

    Attributes:
        short_one: One value the short way, or None where it cannot be taken.
        short_many: A list of values, likewise.
    """

    def __init__(self, schema: type[BaseModel], writer: type[ModelWriter] = ModelWriter) -> None:
        self.schema = schema
        self.short_one: Callable[[Any], bytes | None] | None = None
        self.short_many: Callable[[list[Any]], bytes | None] | None = None
        known: dict[type[Any], ModelShape] = {}
        if _is_alike_schema(schema, known):
            made = writer(list(known.values()))
            self.short_one, self.short_many = made.one, made.many
        else:
            _ = self._one, self._many  # now rather than in the first request, also for what pydantic may find wrong

    @cached_property
    def _one(self) -> Callable[..., bytes]:
        """Pydantic's own way, which takes longer to prepare than all the rest and is seldom needed beside a short one."""
        found: Callable[..., bytes] = TypeAdapter(self.schema).serializer.to_json
        return found

    @cached_property
    def _many(self) -> Callable[..., bytes]:
        # Inside Any, pydantic asks the outermost type how bytes and the like are written; a list has no say of its own.
        own = self.schema.model_config
        config = ConfigDict(**{name: own[name] for name in _SPELLING if name in own})  # type: ignore[typeddict-item]
        listed: TypeAdapter[Any] = TypeAdapter(list[self.schema], config=config)  # type: ignore[name-defined]
        found: Callable[..., bytes] = listed.serializer.to_json
        return found

    @property
    def is_short(self) -> bool:
        """Whether there is a short way for this schema."""
        return self.short_many is not None

    def one(self, value: BaseModel) -> bytes:
        """Return one value as JSON."""
        written = None if self.short_one is None else self.short_one(value)
        return self._one(value, by_alias=True) if written is None else written

    def many(self, values: Sequence[BaseModel]) -> bytes:
        """Return a list of values as JSON."""
        written = None if self.short_many is None else self.short_many(values if type(values) is list else list(values))
        return self._many(values, by_alias=True) if written is None else written


def _is_alike_schema(schema: type[BaseModel], known: dict[type[Any], ModelShape]) -> bool:
    """Whether a schema is written as pydantic does; ``known`` gets its shape, and those of the nested ones."""
    if schema in known:
        return True
    if not schema.__pydantic_complete__:
        schema.model_rebuild(raise_errors=False)  # one that was put off until its first use
    if not schema.__pydantic_complete__ or schema.model_config.get("extra") == "allow" or not spells_plainly(schema):
        return False
    fields = schema.model_fields
    known[schema] = _shape(schema, fields)
    return all(
        not is_left_out(info)
        and all(_is_rule(item) for item in info.metadata)
        and _is_alike(info.annotation, known, floats=True)
        for info in fields.values()
    )


def _shape(schema: type[BaseModel], fields: dict[str, FieldInfo]) -> ModelShape:
    keys = [info.serialization_alias or name for name, info in fields.items()]
    return ModelShape(
        schema,
        tuple(fields),
        tuple((b"," if index else b"{") + msgspec.json.encode(key) + b":" for index, key in enumerate(keys)),
        tuple(name for name, info in fields.items() if _has_float(info.annotation)),
        keys != list(fields),
    )


def _is_rule(item: Any) -> bool:
    """Whether metadata says what may come in, and nothing about how it is written."""
    return isinstance(item, FieldRules) or (
        type(item).__module__ in ("annotated_types", "pydantic.fields", "pydantic._internal._fields")
        and not hasattr(item, "__get_pydantic_core_schema__")
    )


def _is_alike(annotation: Any, known: dict[type[Any], ModelShape], *, floats: bool) -> bool:
    origin = get_origin(annotation)
    arguments = get_args(annotation)
    if origin is Annotated:
        return all(_is_rule(item) for item in arguments[1:]) and _is_alike(arguments[0], known, floats=floats)
    if origin is Literal:
        return all(isinstance(value, (str, int, bool, type(None))) for value in arguments)
    if origin in (Union, types.UnionType):
        return all(_is_alike(argument, known, floats=floats) for argument in arguments)
    if origin is list:
        return _is_alike(arguments[0], known, floats=False)
    if origin is dict:
        return arguments[0] is str and _is_alike(arguments[1], known, floats=False)
    if not isinstance(annotation, type):
        return False
    if issubclass(annotation, BaseModel):
        return _is_alike_schema(annotation, known)
    if issubclass(annotation, enum.Enum):
        return all(isinstance(member.value, (str, int)) for member in annotation)
    if annotation is float:
        return floats
    return annotation in _ALIKE or annotation is datetime.datetime


def _has_float(annotation: Any) -> bool:
    return annotation is float or any(_has_float(argument) for argument in get_args(annotation))
