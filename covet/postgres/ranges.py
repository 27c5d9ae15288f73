"""``Range``: two ends and whether they count; the words for both in constraints and functions."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Generic

from typing_extensions import TypeVar

from covet import json
from covet.db.models.expressions.base import Expression
from covet.db.models.expressions.inference import TEXT
from covet.db.models.expressions.scope import Resolved, Scope
from covet.db.sql import nodes

__all__ = [
    "DateRange",
    "DateTimeRange",
    "DateTimeTZRange",
    "NumericRange",
    "Range",
    "RangeBoundary",
    "RangeOperators",
]

T = TypeVar("T", default=Any)
_BOUNDS = frozenset({"[]", "[)", "(]", "()"})


class Range(Generic[T]):
    """The values between two ends. It never changes, and is equal to another one with the same ends.

    The values of discrete kinds (whole numbers, dates) come back from the database with ``"[)"``: ``Range(1, 3, "[]")``
    is stored, and read, as ``Range(1, 4)``.

    Args:
        lower: The lower end; ``None`` has no end there.
        upper: The upper end; ``None`` has no end there.
        bounds: Whether the ends count: ``[`` and ``]`` do, ``(`` and ``)`` do not.
        empty: No value at all; the ends are left out then.

    Raises:
        ValueError: ``bounds`` is something else, or the ends stand in the wrong order.
    """

    __slots__ = ("bounds", "isempty", "lower", "upper")

    lower: T | None
    upper: T | None
    bounds: str
    isempty: bool

    def __init__(self, lower: T | None = None, upper: T | None = None, bounds: str = "[)", empty: bool = False) -> None:
        if bounds not in _BOUNDS:
            raise ValueError(f"The bounds of a range are '[]', '[)', '(]' or '()', not {bounds!r}.")
        if not empty and lower is not None and upper is not None and lower > upper:  # type: ignore[operator]  # ordered by nature
            raise ValueError(f"The lower end of a range lies beyond its upper end: {lower}, {upper}.")
        one_point = lower is not None and lower == upper
        empty = empty or (one_point and bounds != "[]")
        # An end that is missing never counts.
        first = "(" if lower is None else bounds[0]
        last = ")" if upper is None else bounds[1]
        values: dict[str, Any] = {"isempty": empty, "lower": None, "upper": None, "bounds": "()"}
        if not empty:
            values.update(lower=lower, upper=upper, bounds=first + last)
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("A Range never changes: make a new one.")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("A Range never changes: make a new one.")

    @property
    def lower_inc(self) -> bool:
        """Whether the lower end counts."""
        return self.bounds[0] == "["

    @property
    def upper_inc(self) -> bool:
        """Whether the upper end counts."""
        return self.bounds[1] == "]"

    @property
    def lower_inf(self) -> bool:
        """Whether it has no lower end."""
        return not self.isempty and self.lower is None

    @property
    def upper_inf(self) -> bool:
        """Whether it has no upper end."""
        return not self.isempty and self.upper is None

    def __contains__(self, value: object) -> bool:
        if self.isempty or value is None:
            return False
        given: Any = value
        if self.lower is not None and (given < self.lower or (given == self.lower and not self.lower_inc)):
            return False
        return self.upper is None or bool(given < self.upper or (given == self.upper and self.upper_inc))

    def __bool__(self) -> bool:
        return not self.isempty

    def _key(self) -> tuple[Any, ...]:
        return (self.lower, self.upper, self.bounds, self.isempty)

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Range) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> Any:
        return type(self), (self.lower, self.upper, "[)" if self.isempty else self.bounds, self.isempty)

    def __repr__(self) -> str:
        inside = "empty=True" if self.isempty else f"{self.lower!r}, {self.upper!r}, {self.bounds!r}"
        return f"{type(self).__name__}({inside})"

    def __str__(self) -> str:
        if self.isempty:
            return "empty"
        ends = ["" if end is None else str(end) for end in (self.lower, self.upper)]
        return f"{self.bounds[0]}{ends[0]}, {ends[1]}{self.bounds[1]}"

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Return what makes an equal range; migrations write it."""
        if self.isempty:
            return "covet.postgres.ranges.Range", (), {"empty": True}
        return "covet.postgres.ranges.Range", (self.lower, self.upper), {"bounds": self.bounds}


def _as_object(value: Range[Any]) -> dict[str, Any]:
    return {"lower": value.lower, "upper": value.upper, "bounds": value.bounds, "empty": value.isempty}


json.register_encoder(Range, _as_object)

# The names that code written for other tools has for them.
NumericRange = DateRange = DateTimeRange = DateTimeTZRange = Range


class RangeOperators:
    """The operators of ranges, for ``ExclusionConstraint``."""

    EQUAL = "="
    NOT_EQUAL = "<>"
    CONTAINS = "@>"
    CONTAINED_BY = "<@"
    OVERLAPS = "&&"
    FULLY_LT = "<<"
    FULLY_GT = ">>"
    NOT_LT = "&>"
    NOT_GT = "&<"
    ADJACENT_TO = "-|-"


class RangeBoundary(Expression[Any]):
    """The third argument of a range function: which ends count.

    Args:
        inclusive_lower: The lower end counts.
        inclusive_upper: The upper end counts.
    """

    public_module = "covet.postgres.ranges"

    def __init__(self, inclusive_lower: bool = True, inclusive_upper: bool = False) -> None:
        super().__init__()
        self.bounds = f"{'[' if inclusive_lower else '('}{']' if inclusive_upper else ')'}"

    def shape(self, values: list[Any]) -> Hashable:
        """Return the bounds."""
        return (RangeBoundary, self.bounds)

    def resolve(self, scope: Scope) -> Resolved:
        """Return the text of the bounds."""
        return Resolved(nodes.Bound(self.bounds, nodes.ColumnType("text")), TEXT)
