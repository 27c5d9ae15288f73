"""What a handler returned and cannot have meant: nothing, what it did not await, an error, an iterator at its end, too few columns."""

from __future__ import annotations

import dataclasses
import dis
import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import CodeType
from typing import Any

import msgspec
from pydantic import AliasChoices, AliasPath, BaseModel
from pydantic.fields import FieldInfo

from covet.concurrency import unawaited
from covet.db.models.manager import BaseManager
from covet.db.models.query.queryset import QuerySet
from covet.problems import Problem
from covet.rest.errors import ResponseMismatch

__all__ = ["refuse", "refuse_as_one", "refuse_inside", "refuse_left_out", "refuse_spent", "refusing_pairs"]


def refuse(value: Any) -> None:
    """Refuse what somebody forgot to await, a pair of value and status, and nothing at all.

    Raises:
        ResponseMismatch: It is one of these.
    """
    if value is None:
        raise ResponseMismatch("The handler returned None. Return a value on every path, or write response=… | None.")
    if isinstance(value, tuple) and len(value) == 2 and any(map(_is_status, value)):
        raise _pair()
    if isinstance(value, BaseException):
        raise ResponseMismatch(
            f"The handler returned {type(value).__name__}, an error. Write raise {type(value).__name__}(…)."
        )
    if type(value) is Problem:
        raise _problem()
    if isinstance(value, type):
        raise ResponseMismatch(
            f"The handler returned the class {value.__name__} itself. Write return {value.__name__}(…)."
        )
    if inspect.isasyncgen(value):
        raise ResponseMismatch(
            "The handler yields, and does not say what. Write its return type: -> AsyncIterator[…], of what it yields, or of "
            "ServerEvent."
        )
    called = unawaited(value)
    if called:
        raise ResponseMismatch(
            f"The handler returned what {called}() gives and did not await it. Write return await …."
        )


def refuse_as_one(value: Any) -> None:
    """Refuse what the schema of one value cannot be read from, and what ``refuse`` does.

    Raises:
        ResponseMismatch: It is such a thing.
    """
    refuse(value)
    if isinstance(value, (QuerySet, BaseManager)):
        raise ResponseMismatch(
            f"The handler returned {value!r}, and the answer is one row. Write return await ….get(…), or response=list[…] for all."
        )


def refuse_left_out(rows: QuerySet[Any, Any], schema: Any, omit: Mapping[str, bool]) -> None:
    """Refuse rows of ``values()`` without something that the model has and the schema has a default for.

    The default would be written as if the row had it: ``"id": null``, of a row with a key.

    Args:
        rows: What a handler returned.
        schema: What one row is shown as.
        omit: What the answer leaves out: ``{"exclude_unset": True}``.

    Raises:
        ResponseMismatch: They leave out such a thing.
    """
    outputs = rows.query.extras.outputs
    if outputs is None:
        return
    left = [
        names[0]
        for names in _defaulted(schema, omit)
        if not any(name in outputs for name in names) and any(hasattr(rows.model, name) for name in names)
    ]
    if left:
        listed = ", ".join(map(repr, left))
        raise ResponseMismatch(
            f"The handler returned {rows.model.__name__}.objects.values(…) without {listed}, of which {schema.__name__} would "
            "show the default and not the row's. Add it to values(…), or return the queryset without values(): the schema's "
            "columns are read, and no others."
        )


def _defaulted(schema: Any, omit: Mapping[str, bool]) -> Iterator[list[str]]:
    """Yield the names of each field of which the default is written: its own, and what else it is read by."""
    if omit.get("exclude_unset") or omit.get("exclude_defaults") or not isinstance(schema, type):
        return
    if issubclass(schema, BaseModel):
        for name, field in schema.model_fields.items():
            if not (field.is_required() or (omit.get("exclude_none") and field.get_default() is None)):
                yield [name, *_aliases(field)]
    elif issubclass(schema, msgspec.Struct):
        if not schema.__struct_config__.omit_defaults:
            yield from ([one.name, one.encode_name] for one in msgspec.structs.fields(schema) if not one.required)
    elif dataclasses.is_dataclass(schema):
        missing = dataclasses.MISSING
        for one in dataclasses.fields(schema):
            if one.init and not (one.default is missing and one.default_factory is missing):
                yield [one.name]


def _aliases(field: FieldInfo) -> Iterator[str]:
    for alias in (field.alias, field.validation_alias):
        for one in alias.choices if isinstance(alias, AliasChoices) else (alias,):
            name = one.path[0] if isinstance(one, AliasPath) else one
            if isinstance(name, str):
                yield name


def refusing_pairs(write: Callable[[Any], bytes], handler: Any) -> Callable[[Any], bytes]:
    """Return ``write`` for a handler that no schema says anything about, and that may return a pair of value and status.

    A pair can be meant there, such as two numbers, or rows and how many there are: one is refused if the status stands in the
    handler's code. Whether an answer is one must not hang on how many rows there are today.
    """
    code = inspect.unwrap(handler).__code__
    written = set(_written(code))
    is_named = any(name.startswith("HTTP_") for name in code.co_names)  # status.HTTP_201_CREATED

    def checked(value: Any) -> bytes:
        if type(value) is tuple and len(value) == 2:
            for one, other in (value, value[::-1]):
                if (
                    _is_status(one)
                    and not isinstance(other, (int, float))
                    and (one in written or (is_named and type(other) is not str))
                ):
                    raise _pair()
        elif type(value) is Problem:  # which is written as any other value, with the status of the route
            raise _problem()
        return write(value)

    return checked


def _written(code: CodeType) -> Iterator[int]:
    """Yield the numbers in a function's code that are no operand, no end of a slice, and no last argument."""
    for pair in code.co_consts:
        if type(pair) is tuple:
            yield from (one for one in pair if type(one) is int)
    steps = list(dis.get_instructions(code))
    # From CPython 3.13 on the names of a call's arguments stand between the last argument and the call.
    steps = [
        step for step, following in zip(steps, [*steps[1:], steps[-1]], strict=True) if following.opname != "CALL_KW"
    ]
    for step, following in itertools.pairwise(steps):
        is_used = following.opname.startswith(("BINARY_", "BUILD_SLICE", "CALL", "COMPARE_", "KW_NAMES", "PRECALL"))
        if step.opname in ("LOAD_CONST", "LOAD_SMALL_INT") and type(step.argval) is int and not is_used:
            yield step.argval


def _is_status(value: Any) -> bool:
    return type(value) is int and 100 <= value < 600


def _pair() -> ResponseMismatch:
    return ResponseMismatch(
        "The handler returned a pair with a status. Write return JSONResponse(value, status=404), status=201 at the route, or "
        "raise an error such as NotFound(…)."
    )


def _problem() -> ResponseMismatch:
    return ResponseMismatch(
        "The handler returned a Problem, which is the body of an answer and not one itself. Write return "
        "ProblemResponse(problem), or raise an error such as Conflict(…)."
    )


def refuse_spent(value: Any, refused: Exception, place: str = "", above: frozenset[int] = frozenset()) -> None:
    """Refuse an iterator inside that may have given its items to what was written first, and would be an empty list now.

    Raises:
        ResponseMismatch: There is one.
    """
    if isinstance(value, Iterator):
        if not (inspect.isgenerator(value) and inspect.getgeneratorstate(value) == inspect.GEN_CREATED):
            raise ResponseMismatch(
                f"The handler returned a {type(value).__name__} at {place!r} beside keys that are no text: make it a list, or "
                "the keys text."
            ) from refused
    elif isinstance(value, (dict, list, tuple)) and id(value) not in above:
        for key, member in value.items() if isinstance(value, dict) else enumerate(value):
            refuse_spent(member, refused, f"{place}/{key}", above | {id(value)})


def refuse_inside(value: Any, place: str = "", above: frozenset[int] = frozenset()) -> None:
    """Refuse what somebody forgot to await inside of a mapping or a list.

    Raises:
        ResponseMismatch: There is something.
    """
    if id(value) in above:
        return
    if isinstance(value, dict):
        inner: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, (list, tuple)):
        inner = enumerate(value)
    else:
        # A model's instance can be awaited too, and is a value already.
        if not hasattr(type(value), "__await__") or hasattr(type(value), "_meta"):
            return
        if not place and isinstance(value, QuerySet):
            raise ResponseMismatch(
                f"The handler returned {value!r}, and nothing says which fields are shown. Write response=list[ArticleOut] or "
                "response=Page[ArticleOut] at the route."
            )
        called = unawaited(value)
        what = f"what {called}() gives" if called else repr(value)
        raise ResponseMismatch(f"The handler returned {what} at {place!r} and did not await it. Write await before it.")
    for key, member in inner:
        refuse_inside(member, f"{place}/{key}", above | {id(value)})
