"""``msgspec.Struct`` as a schema: bytes straight to structs, structs straight to bytes, and errors with their places.

msgspec stops at the first wrong value. What a client is told has all of them, so a body that fails is read once more,
member by member; a body that is right pays nothing for it.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct
from pydantic_core import PydanticCustomError, core_schema
from typing_extensions import TypeAliasType

from covet import json
from covet.exceptions import FieldDoesNotExist
from covet.loading import late_module
from covet.schema.field_types import python_type
from covet.schema.projection import Projection

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue

    from covet.db.models.base import Model
    from covet.schema import messages
else:
    messages = late_module(__name__, "covet.schema.messages")

__all__ = [
    "ALIASES",
    "STRUCT_MARK",
    "Failure",
    "StructError",
    "StructReader",
    "StructValue",
    "is_struct",
    "meant",
    "struct_projection",
    "struct_type",
]

ALIASES: Final = (TypeAliasType, getattr(typing, "TypeAliasType", TypeAliasType))
_LISTS: Final = (list, set, frozenset, tuple)


class Failure(Struct, frozen=True):
    """One wrong value: where it stands, what is wrong with it, and the machine's name of that."""

    place: tuple[str | int, ...]
    detail: str
    code: str


class StructError(ValueError):
    """Values do not fit a struct; ``failures`` has all of them."""

    def __init__(self, failures: list[Failure]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, one.place)) or 'value'}: {one.detail}" for one in failures))
        self.failures = failures


def struct_type(annotation: Any) -> type[msgspec.Struct] | None:
    """Return the struct that an annotation is, through ``Annotated`` and ``Optional``; None for anything else."""
    bare = _bare(annotation)
    return bare if isinstance(bare, type) and issubclass(bare, msgspec.Struct) else None


def is_struct(annotation: Any) -> bool:
    """Return whether an annotation is a struct or holds one, as ``list[Item]`` does."""
    if isinstance(annotation, type) and not get_args(annotation):
        return issubclass(annotation, msgspec.Struct)
    return any(is_struct(argument) for argument in get_args(annotation))


def meant(annotation: Any) -> Any:
    """Return what an alias made by ``type`` stands for; anything else as it is."""
    while True:
        if isinstance(annotation, ALIASES):
            annotation = annotation.__value__
        elif isinstance(origin := get_origin(annotation), ALIASES):  # type Ids[T] = list[T], as Ids[int]
            annotation = origin.__value__[get_args(annotation)]
        else:
            return annotation


class StructReader:
    """Reads values of one annotation that holds structs.

    Args:
        annotation: The struct, ``list[Item]``, ``Item | None``, …
    """

    __slots__ = ("annotation", "decode")

    def __init__(self, annotation: Any) -> None:
        self.annotation = annotation
        self.decode: Callable[[bytes], Any] = msgspec.json.Decoder(annotation).decode

    def convert(self, values: Any, *, strict: bool = True, from_attributes: bool = False) -> Any:
        """Return plain values as the annotation.

        Args:
            values: Dicts and lists, or objects with the fields as attributes.
            strict: Whether a text is no number.
            from_attributes: Whether objects are read.

        Raises:
            StructError: They do not fit.
        """
        try:
            return msgspec.convert(values, self.annotation, strict=strict, from_attributes=from_attributes)
        except msgspec.ValidationError as error:
            raise StructError(self.failures(values, strict=strict) or [_failure((), error)]) from error

    def failures(self, values: Any, *, strict: bool = True) -> list[Failure]:
        """Return all that is wrong with plain values."""
        found: list[Failure] = []
        _collect(self.annotation, values, (), found, strict)
        return found

    def failures_of(self, raw: bytes) -> list[Failure]:
        """Return all that is wrong with a JSON text, which must be JSON."""
        return self.failures(json.loads(raw))


def _bare(annotation: Any) -> Any:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _bare(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        inner = [argument for argument in get_args(annotation) if argument is not type(None)]
        return _bare(inner[0]) if len(inner) == 1 else annotation
    return annotation


def _collect(annotation: Any, value: Any, place: tuple[str | int, ...], found: list[Failure], strict: bool) -> None:
    """Find what is wrong below one place, as deep as structs, lists and mappings lead."""
    try:
        msgspec.convert(value, annotation, strict=strict)
    except msgspec.ValidationError as error:
        before = len(found)
        bare = _bare(annotation)
        origin, arguments = get_origin(bare) or bare, get_args(bare)
        if isinstance(bare, type) and issubclass(bare, msgspec.Struct) and isinstance(value, Mapping):
            _members(bare, value, place, found, strict)
        elif origin in _LISTS and isinstance(value, (list, tuple)) and arguments:
            for index, item in enumerate(value):
                _collect(arguments[0], item, (*place, index), found, strict)
        elif origin is dict and isinstance(value, Mapping) and len(arguments) == 2:
            for key, item in value.items():
                _collect(arguments[1], item, (*place, str(key)), found, strict)
        if len(found) == before:  # a rule of the whole, such as one of __post_init__
            found.append(_failure(place, error))


def _members(
    struct: type[msgspec.Struct],
    value: Mapping[Any, Any],
    place: tuple[str | int, ...],
    found: list[Failure],
    strict: bool,
) -> None:
    fields = msgspec.structs.fields(struct)
    hints = get_type_hints(struct, include_extras=True)
    for field in fields:
        name = field.encode_name
        if name in value:
            _collect(hints.get(field.name, field.type), value[name], (*place, name), found, strict)
        elif field.required:
            found.append(Failure((*place, name), "This value is required.", "missing"))
    if struct.__struct_config__.forbid_unknown_fields:
        names = [field.encode_name for field in fields]
        for name in value:
            if name not in names and name != struct.__struct_config__.tag_field:
                text = messages.unknown_field(str(name), names)
                found.append(Failure((*place, str(name)), text, "extra_forbidden"))


def _failure(place: tuple[str | int, ...], error: msgspec.ValidationError) -> Failure:
    """Return what msgspec says of one value; its own path, behind ' - at', is taken into the place."""
    text, _, path = str(error).partition(" - at `$")
    steps: list[str | int] = []
    for part in path.rstrip("`").replace("[", ".[").split("."):
        if part.startswith("[") and part[1:-1].isdigit():
            steps.append(int(part[1:-1]))
        elif part and not part.startswith("["):
            steps.append(part)
    code = "missing" if "missing required field" in text else "invalid"
    return Failure((*place, *steps), f"{text}.".replace("`", "'"), code)


class StructValue:
    """Lets a struct stand inside a pydantic schema: ``Annotated[Item, StructValue(Item)]``, as ``Page[Item]`` does."""

    def __init__(self, annotation: Any) -> None:
        self.annotation = annotation

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Read by the struct's own reader, and write as msgspec does."""
        reader = StructReader(self.annotation)

        def read(value: Any) -> Any:
            try:
                return reader.convert(value, from_attributes=True)
            except StructError as error:
                raise PydanticCustomError("struct", "{message}", {"message": str(error)}) from error

        return core_schema.no_info_plain_validator_function(
            read, serialization=core_schema.plain_serializer_function_ser_schema(msgspec.to_builtins)
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Leave a mark that the document puts the struct's schema in the place of."""
        return {STRUCT_MARK: self.annotation}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StructValue) and other.annotation == self.annotation

    def __hash__(self) -> int:
        return hash(self.annotation)


STRUCT_MARK: Final = "x-covet-struct"


def struct_projection(struct: type[msgspec.Struct], model: type[Model]) -> Projection | None:
    """Return how a model's rows become a struct's JSON with no instance made; None where a field is no plain column."""
    if struct.__struct_config__.array_like or struct.__struct_config__.tag is not None:
        return None
    if struct.__struct_config__.omit_defaults:
        return None
    names, keys, columns = [], [], []
    hints = get_type_hints(struct)
    for field in msgspec.structs.fields(struct):
        column = _column(model, field.name)
        if column is None or not _says_the_same(hints[field.name], column):
            return None
        names.append(column.attname)
        keys.append(field.encode_name)
        columns.append(column)
    return Projection(model, names, keys, columns)


def _column(model: type[Model], name: str) -> Any:
    meta = model._meta
    if name == "pk":
        return meta.pk
    for field in meta.concrete_fields:
        if name == field.attname or (name == field.name and not field.is_relation):
            return field
    try:
        meta.get_field(name)
    except FieldDoesNotExist:
        return None
    return None


def _says_the_same(hint: Any, field: Any) -> bool:
    expected = python_type(field)
    if field.null:
        arguments = get_args(hint)
        return len(arguments) == 2 and type(None) in arguments and expected in arguments
    return hint is expected
