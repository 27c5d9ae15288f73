"""Converts the settings whose type does not show at a look, and tells what is wrong with those that do not fit.

The only module of the settings that imports pydantic; ``covet.conf.sources`` loads it when a value asks for it.
"""

from __future__ import annotations

import os
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

from msgspec import Struct
from pydantic import BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError, create_model

__all__ = ["Mistake", "convert", "from_text"]


class Mistake(Struct, frozen=True):
    """A value that does not fit: of which setting, where inside, why, and whether the setting's own converter said so."""

    name: str
    inner: str
    reason: str
    value: Any
    converter: bool


def convert(
    values: Mapping[str, Any], wanted: Mapping[str, Callable[[Any], Any] | Any]
) -> tuple[dict[str, Any], list[Mistake]]:
    """Return the converted values, or what is wrong with them.

    Args:
        values: The raw values, by the settings' names.
        wanted: For each of them a type, or a function that converts it and raises ValueError.

    Returns:
        All values converted and no mistake, or no value and each mistake.
    """
    model: type[BaseModel] = create_model(  # type: ignore[call-overload]  # fields by name cannot be typed
        "ProjectSettings",
        __config__=ConfigDict(arbitrary_types_allowed=True),
        **{name: (_annotation(wanted[name]), ...) for name in values},
    )
    try:
        instance = model(**values)
    except ValidationError as error:
        return {}, list(_mistakes(error))
    return {name: getattr(instance, name) for name in values}, []


def from_text(text: str, kind: type[Any]) -> Any:
    """Return an environment's text as a bool, int or float.

    Raises:
        ValueError: It is none.
    """
    return TypeAdapter(kind).validate_python(text)


def _annotation(wanted: Any) -> Any:
    origin = typing.get_origin(wanted)
    if origin is None and callable(wanted) and not isinstance(wanted, type) and wanted is not Any:
        return Annotated[Any, BeforeValidator(wanted)]
    if origin is list:  # a tuple or set is as good as a list, a text is not
        return Annotated[wanted, BeforeValidator(lambda v: list(v) if isinstance(v, (tuple, set, frozenset)) else v)]
    if wanted is str:
        return Annotated[wanted, BeforeValidator(_text)]
    return wanted


def _text(value: Any) -> Any:
    """Paths and lazy strings are text too; numbers are probably a mistake."""
    return str(value) if isinstance(value, os.PathLike) or (hasattr(value, "__mod__") and _is_lazy(value)) else value


def _is_lazy(value: Any) -> bool:
    return type(value).__name__ == "LazyString"


def _mistakes(error: ValidationError) -> Iterator[Mistake]:
    seen: set[str] = set()
    for item in error.errors(include_url=False):
        name = str(item["loc"][0])
        inner = ".".join(str(part) for part in item["loc"][1:] if not str(part).startswith(("list[", "dict[")))
        if (name + inner) in seen:
            continue
        seen.add(name + inner)
        reason = item["msg"].removeprefix("Value error, ").removesuffix(".")
        yield Mistake(name, inner, reason, item["input"], item["type"] == "value_error")
