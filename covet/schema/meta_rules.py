"""Rules of one library in the words of the other: ``msgspec.Meta`` for what pydantic reads, a marker's rules for structs."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from msgspec import Meta
from pydantic import AfterValidator, Field
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from covet.schema.structs import meant

__all__ = ["in_meta", "in_pydantic"]

_RULES: Final = ("gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length", "pattern", "title")
_WORDS: Final = ("description", "examples")


def in_pydantic(annotation: Any) -> Any:
    """Return an annotation whose ``Meta`` says its rules to pydantic, which passes over it in silence."""
    return _walk(annotation, lambda one: _rules(one) if isinstance(one, Meta) else [one])


def in_meta(annotation: Any) -> Any:
    """Return an annotation whose rules for pydantic are in the words of msgspec, which passes over them in silence.

    Raises:
        ValueError: msgspec has no such rule; its argument is the name of it.
    """
    return _walk(annotation, _meta)


def _walk(annotation: Any, change: Callable[[Any], list[Any]], above: tuple[Any, ...] = ()) -> Any:
    found = meant(annotation)
    if found is not annotation:
        alias = get_origin(annotation) or annotation
        # One that names itself stays as it is inside of itself: there is no end to writing it out.
        written = found if alias in above else _walk(found, change, (*above, alias))
        return annotation if written is found else written
    arguments = get_args(annotation)
    origin = get_origin(annotation)
    if origin is Literal or not arguments:
        return annotation
    if origin is Annotated:
        bare, *said = arguments
        made = [rule for one in said for rule in change(one)]
        inner = _walk(bare, change, above)
        if inner is bare and len(made) == len(said) and all(new is old for new, old in zip(made, said, strict=True)):
            return annotation
        return Annotated[(inner, *made)] if made else inner
    changed = tuple(_walk(argument, change, above) for argument in arguments)
    if all(new is old for new, old in zip(changed, arguments, strict=True)):
        return annotation
    return Union[changed] if origin in (Union, types.UnionType) else origin[changed]  # noqa: UP007  # of a tuple


def _meta(one: Any) -> list[Any]:
    parts = [part for part in one.metadata if part is not None] if isinstance(one, FieldInfo) else [one]
    known = {
        name: getattr(one, name) for name in ("title", *_WORDS) if isinstance(one, FieldInfo) and getattr(one, name)
    }
    others = []
    for part in parts:
        if type(part).__module__.partition(".")[0] not in ("annotated_types", "pydantic"):
            others.append(part)  # which is neither's business
            continue
        names = getattr(part, "__slots__", None) or vars(part)
        for name in names:
            value = getattr(part, name)
            if value is None:
                continue
            if name not in _RULES:
                raise ValueError(name)
            known[name] = value
    return [*others, Meta(**known)] if known else others


def _rules(meta: Meta) -> list[Any]:
    said = {name: getattr(meta, name) for name in (*_RULES, *_WORDS)}
    if meta.extra_json_schema:
        said["json_schema_extra"] = meta.extra_json_schema
    given = {name: value for name, value in said.items() if value is not None}
    made: list[Any] = [Field(**given)] if given else []
    if meta.tz is not None:
        made.append(AfterValidator(_zoned(meta.tz)))
    return made


def _zoned(wanted: bool) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if (value.tzinfo is not None) is not wanted:
            kind, text = ("aware", "have timezone info") if wanted else ("naive", "not have timezone info")
            raise PydanticCustomError(f"timezone_{kind}", f"Input should {text}")
        return value

    return check
