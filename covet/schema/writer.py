"""Writer: values of a schema as JSON, by msgspec over what they hold where that gives pydantic's bytes, else by pydantic.

Measured on 100 flat values of eight fields: 0.4 of pydantic's time (benchmarks/suites/rows.py).
"""

from __future__ import annotations

import datetime
import decimal
import enum
import types
import uuid
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec
from pydantic import BaseModel, ConfigDict, TypeAdapter

from covet.schema.base import Schema
from covet.schema.field_types import FieldRules
from covet.schema.projection import writes_plainly

__all__ = ["Writer"]

# What msgspec spells as pydantic does. A float is only checked for size; durations, bytes and Any are pydantic's.
_ALIKE: Final = (str, int, bool, type(None), decimal.Decimal, uuid.UUID, datetime.date, datetime.time)
# From here on the two write a float's exponent differently.
_HUGE: Final = 1e16
_SPELLING: Final = ("ser_json_bytes", "ser_json_inf_nan", "ser_json_temporal", "ser_json_timedelta")


class Writer:
    """Writes values of one schema.

    Args:
        schema: The schema; values of exactly this class take the short way.
    """

    __slots__ = ("_encode", "_floats", "_many", "_one", "schema")

    def __init__(self, schema: type[BaseModel]) -> None:
        self.schema = schema
        self._one: Callable[..., bytes] = TypeAdapter(schema).serializer.to_json
        # Inside Any, pydantic asks the outermost type how bytes and the like are written; a list has no say of its own.
        config = ConfigDict(**{name: schema.model_config[name] for name in _SPELLING if name in schema.model_config})  # type: ignore[typeddict-item]
        listed: TypeAdapter[Any] = TypeAdapter(list[schema], config=config)  # type: ignore[valid-type]
        self._many: Callable[..., bytes] = listed.serializer.to_json
        self._floats: tuple[str, ...] = ()
        self._encode: Callable[[Any], bytes] | None = None
        known: dict[type[Any], tuple[str, ...]] = {}
        if _is_alike_schema(schema, known):
            self._floats = known[schema]
            self._encode = msgspec.json.Encoder(enc_hook=_hook(known)).encode

    def one(self, value: BaseModel) -> bytes:
        """Return one value as JSON."""
        if self._encode is not None and type(value) is self.schema:
            try:
                if self._is_small([value]):
                    return self._encode(value.__dict__)
            except TypeError:  # a subclass or a huge number inside it, or what was assigned later: pydantic's to show
                pass
        return self._one(value, by_alias=True)

    def many(self, values: Sequence[BaseModel]) -> bytes:
        """Return a list of values as JSON."""
        schema = self.schema
        if self._encode is not None and all([type(value) is schema for value in values]):
            try:
                if self._is_small(values):
                    return self._encode([value.__dict__ for value in values])
            except TypeError:
                pass
        return self._many(values, by_alias=True)

    def _is_small(self, values: Sequence[BaseModel]) -> bool:
        """Whether all floats of the values themselves are small; those of nested ones are looked at as they are written."""
        for name in self._floats:
            for value in values:
                number = value.__dict__.get(name)
                if number is not None and not -_HUGE < number < _HUGE:
                    return False
        return True


def _hook(known: dict[type[Any], tuple[str, ...]]) -> Callable[[Any], Any]:
    def encode(value: Any) -> Any:
        # Only the very schemas that were declared: a subclass may hold more than the answer may show.
        floats = known.get(type(value))
        if floats is None:
            raise TypeError(type(value).__name__)
        held = value.__dict__
        for name in floats:
            number = held.get(name)
            if number is not None and not -_HUGE < number < _HUGE:
                raise TypeError(name)
        return held

    return encode


def _is_alike_schema(schema: type[BaseModel], known: dict[type[Any], tuple[str, ...]]) -> bool:
    """Whether msgspec writes a schema as pydantic does; ``known`` gets it and the nested ones, with their floats."""
    if schema in known:
        return True
    if not issubclass(schema, Schema) or schema.model_config.get("extra") == "allow" or not writes_plainly(schema):
        return False
    known[schema] = tuple(name for name, info in schema.model_fields.items() if _has_float(info.annotation))
    for info in schema.model_fields.values():
        if info.alias is not None or info.serialization_alias is not None or info.exclude:
            return False
        if not all(_is_rule(item) for item in info.metadata):
            return False
        if not _is_alike(info.annotation, known, floats=True):
            return False
    return True


def _is_rule(item: Any) -> bool:
    """Whether metadata says what may come in, and nothing about how it is written."""
    return isinstance(item, FieldRules) or (
        type(item).__module__ in ("annotated_types", "pydantic.fields", "pydantic._internal._fields")
        and not hasattr(item, "__get_pydantic_core_schema__")
    )


def _is_alike(annotation: Any, known: dict[type[Any], tuple[str, ...]], *, floats: bool) -> bool:
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
