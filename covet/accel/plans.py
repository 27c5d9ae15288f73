"""What both halves are given: which values a row or an object has, and under which names they go into JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from msgspec import json

__all__ = ["Convert", "Kind", "ModelShape", "RowPlan"]

Convert: TypeAlias = Callable[[Any], Any]
Kind: TypeAlias = Literal["plain", "float", "any"]


class ModelShape(NamedTuple):
    """One class and its fields, in the order in which its values hold them.

    Attributes:
        kind: The class; a subclass is another.
        names: The attributes.
        fragments: The text before each value: ``{"id":``, ``,"title":``.
        floats: The attributes that hold floats; Rust looks at the values instead.
        is_renamed: Whether a name in JSON is not the attribute's; the twin leaves such classes to pydantic.
    """

    kind: type[Any]
    names: tuple[str, ...]
    fragments: tuple[bytes, ...]
    floats: tuple[str, ...] = ()
    is_renamed: bool = False


class RowPlan:
    """How rows become JSON objects: one key, one converter and one kind per column, in the rows' order.

    Args:
        keys: The names in JSON.
        converters: What turns a driver's value into Python's, or None; never called with None.
        kinds: What the converted values are. ``plain``: str, int, bool, Decimal, UUID, date, time, or a datetime whose
            offset is of whole minutes. ``float``: a float. ``any``: anything with a spelling in JSON. Rust looks at the
            values instead; the twin is faster when it knows.
    """

    __slots__ = ("converters", "fragments", "keys", "kinds", "shape")

    def __init__(
        self,
        keys: Sequence[str],
        converters: Sequence[Convert | None] | None = None,
        kinds: Sequence[Kind] | None = None,
    ) -> None:
        self.keys = tuple(keys)
        self.converters = tuple(converters) if converters is not None else (None,) * len(self.keys)
        self.kinds: tuple[Kind, ...] = tuple(kinds if kinds is not None else ["any" for _ in self.keys])
        if not len(self.keys) == len(self.converters) == len(self.kinds):
            raise ValueError("a row plan needs as many converters and kinds as keys")
        self.fragments = tuple(
            (b"," if index else b"{") + json.encode(key) + b":" for index, key in enumerate(self.keys)
        )
        self.shape: Callable[[Iterable[Sequence[Any]]], list[Any]] | None = None

    def __repr__(self) -> str:
        return f"RowPlan({', '.join(self.keys)})"
