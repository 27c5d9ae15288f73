"""What the annotation of a handler's argument holds: the type without ``Optional`` and ``Annotated``, its items, its kind."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import decimal
import enum
import inspect
import types
import typing
import uuid
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Sequence,
)
from opcode import opmap
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NewType, Union, get_args, get_origin

from msgspec import Meta, Struct
from pydantic import BaseModel, TypeAdapter
from pydantic.errors import PydanticUserError
from typing_extensions import is_typeddict

from covet.exceptions import ImproperlyConfigured
from covet.http.files import UploadedFile
from covet.loading import late_module
from covet.schema.structs import ALIASES, is_struct, meant

if TYPE_CHECKING:
    from covet.rest.signature import Parameter
    from covet.schema import meta_rules
else:
    meta_rules = late_module(__name__, "covet.schema.meta_rules")

__all__ = [
    "check_fields",
    "file_kind",
    "is_file",
    "is_scalar",
    "is_stream",
    "item",
    "literal_reader",
    "makes_pairs",
    "page_item",
    "page_kind",
    "split",
    "takes_in_order",
    "unreadable",
    "unwrap",
]

_SCALARS: Final = (
    str,
    int,
    float,
    bool,
    bytes,
    decimal.Decimal,
    uuid.UUID,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    enum.Enum,
)
_SINGLE: Final = frozenset({"string", "integer", "number", "boolean"})
"""The types of JSON that one parameter holds."""
_BUILD_TUPLE: Final = opmap["BUILD_TUPLE"]
_LISTS: Final = (list, set, frozenset, tuple)
_STREAMS: Final = (AsyncIterator, AsyncIterable, AsyncGenerator, Iterator, Generator)


def split(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return a type, and what ``Annotated`` says of it; ``type CurrentUser = Annotated[User, Depends(…)]`` says it too."""
    found = meant(annotation)
    is_alias = isinstance(annotation, ALIASES)
    if _says_meta(found) and not is_struct(found):  # which msgspec reads itself
        found = meta_rules.in_pydantic(annotation)
        is_alias = False
    if get_origin(found) is Annotated:
        bare, *metadata = get_args(found)
        return bare, tuple(metadata)
    # A class has a name of its own; any other alias stays, since documents call the schema after it.
    return (annotation if is_alias and not isinstance(found, type) else found), ()


def _says_meta(annotation: Any, above: tuple[Any, ...] = ()) -> bool:
    found = meant(annotation)
    if found is not annotation:
        alias = get_origin(annotation) or annotation
        if alias in above:  # it names itself
            return False
        above = (*above, alias)
    return any(isinstance(argument, Meta) or _says_meta(argument, above) for argument in get_args(found))


def unwrap(annotation: Any) -> Any:
    """Return what an ``Optional``, ``Annotated``, alias or ``NewType`` holds, where it holds one thing."""
    annotation = meant(annotation)
    if isinstance(annotation, NewType):
        return unwrap(annotation.__supertype__)
    origin = get_origin(annotation)
    if origin is Annotated:
        return unwrap(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        inner = [argument for argument in get_args(annotation) if argument is not type(None)]
        if len(inner) == 1:
            return unwrap(inner[0])
    return annotation


def literal_reader(annotation: Any) -> Callable[[Any], Any]:
    """Read ``Literal[1, 2]`` from texts: pydantic compares literals as they are."""
    values = {str(value): value for value in get_args(annotation)}
    return lambda sent: values.get(sent, sent) if isinstance(sent, str) else sent


def item(annotation: Any) -> Any:
    """Return what a list, set or tuple holds; None for anything else."""
    if annotation in _LISTS:
        return str
    if get_origin(annotation) in _LISTS:
        arguments = get_args(annotation)
        return arguments[0] if arguments else str
    return None


def is_scalar(annotation: Any) -> bool:
    """Whether a type is that of one value, such as a number or a text."""
    origin = get_origin(annotation)
    if origin is Literal:
        return True
    if origin in (Union, types.UnionType):
        return all(argument is type(None) or is_scalar(unwrap(argument)) for argument in get_args(annotation))
    if not isinstance(annotation, type):
        return False
    return issubclass(annotation, _SCALARS) or _reads_one(annotation)


def _reads_one(kind: type) -> bool:
    """Whether pydantic reads a class from one text or number, as it does an address or a secret."""
    if issubclass(kind, (BaseModel, Struct, UploadedFile)) or dataclasses.is_dataclass(kind) or is_typeddict(kind):
        return False
    try:
        return TypeAdapter(kind).json_schema().get("type") in _SINGLE
    except PydanticUserError:  # it knows nothing of the class
        return False


def file_kind(annotation: Any) -> Any:
    """Return what a file is given as: ``UploadedFile``, or ``bytes`` for its content."""
    bare = unwrap(annotation)
    inner = item(bare)
    return bare if inner is None else unwrap(inner)


def is_file(annotation: Any) -> bool:
    """Whether an annotation is that of an uploaded file, or of several."""
    kind = file_kind(annotation)
    return isinstance(kind, type) and issubclass(kind, UploadedFile)


def check_fields(annotation: Any, source: str, where: str) -> None:
    """Refuse a type that is no file where one is sent, and fields of a JSON body that cannot be read as they say.

    Raises:
        ImproperlyConfigured: A form's file is to be something else; a schema of a body has one, or rules that nobody follows.
    """
    if source == "file":
        kind = file_kind(annotation)
        if kind is not Any and kind is not bytes and not is_file(annotation):
            raise ImproperlyConfigured(
                f"{where} comes from a file, so its type is UploadedFile, or bytes for the content."
            )
    elif source == "body":
        schema = file_kind(annotation)
        for name, hint in _hints_of_fields(schema):
            if is_file(hint):
                raise ImproperlyConfigured(
                    f"{where}: '{name}' of {schema.__name__} is a file, which a JSON body cannot bring. Write "
                    f"Annotated[{schema.__name__}, Form()]."
                )
            if _says_meta(hint):
                raise ImproperlyConfigured(
                    f"{where}: '{name}' of {schema.__name__} has rules of msgspec.Meta, which pydantic does not follow. Write "
                    f"Annotated[…, Field(…)] with pydantic's Field, or make {schema.__name__} a msgspec.Struct."
                )


def _hints_of_fields(schema: Any) -> Iterator[tuple[str, Any]]:
    """Give the fields of a class that pydantic reads, with what their annotations say."""
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        for name, field in schema.model_fields.items():
            yield name, Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    elif is_typeddict(schema) or (isinstance(schema, type) and dataclasses.is_dataclass(schema)):
        with contextlib.suppress(NameError):  # a class inside a function that names itself, which pydantic finds
            yield from typing.get_type_hints(schema, include_extras=True).items()


def makes_pairs(function: Any) -> bool:
    """Whether a function's code makes a pair somewhere, and so may return one: a value with a status, as elsewhere.

    One that makes a problem document may return that: it is a value with a status as well.
    """
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return False
    if "Problem" in code.co_names:
        return True
    # Two bytes to an instruction, each followed by caches of whole instructions.
    made = any(code.co_code[at] == _BUILD_TUPLE and code.co_code[at + 1] == 2 for at in range(0, len(code.co_code), 2))
    # One of constants is a constant itself, as are the keys of a mapping, which are no numbers.
    return made or any(type(one) is tuple and len(one) == 2 and int in map(type, one) for one in code.co_consts)


def is_stream(annotation: Any) -> bool:
    """Tell whether values come one after another: such an answer is sent while it is made."""
    return (get_origin(annotation) or annotation) in _STREAMS


def page_kind(annotation: Any) -> Any:
    """Return the page class of one of its schemas, ``Page`` of ``Page[ArticleOut]``; None for any other annotation."""
    if not isinstance(annotation, type) or not getattr(annotation, "__is_page__", False):
        return None
    return annotation.__pydantic_generic_metadata__["origin"] or annotation  # type: ignore[attr-defined]  # pydantic's


def page_item(annotation: Any) -> Any:
    """Return what the pages of ``Page[T]`` hold; None for any other annotation."""
    if page_kind(annotation) is None:
        return None
    arguments = annotation.__pydantic_generic_metadata__["args"]
    return arguments[0] if arguments else Any


def takes_in_order(function: Callable[..., Any], names: Sequence[str]) -> bool:
    """Whether a call may give these arguments without their names, which takes less; what wraps a function may look at them."""
    if type(function) is not types.FunctionType or hasattr(function, "__wrapped__"):
        return False
    code = function.__code__
    return (*names,) == code.co_varnames[: min(len(names), code.co_argcount)]


def unreadable(parameters: Iterable[Parameter], where: str) -> ImproperlyConfigured | None:
    """Return the error for the argument of whose type pydantic knows nothing; None where there is none."""
    for parameter in parameters:
        try:
            TypeAdapter(parameter.annotation)
        except PydanticUserError as error:
            if error.code == "typed-dict-version":
                return ImproperlyConfigured(f"{where}: the argument '{parameter.name}': {error.message}")
            kind = getattr(parameter.annotation, "__name__", parameter.annotation)
            return ImproperlyConfigured(
                f"{where}: the argument '{parameter.name}' is a {kind}, which cannot be read from a request. Make it a Schema, "
                f"or let a function give it: {parameter.name}: Annotated[{kind}, Depends(function)]."
            )
    return None
