"""Window expressions: an aggregate or ranking over the rows near each row."""

from __future__ import annotations

import enum
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from covet.db.errors import NotSupportedError
from covet.db.models.expressions.aggregates import order_items
from covet.db.models.expressions.base import Expression
from covet.db.models.expressions.functions import parse
from covet.db.models.expressions.scope import Resolved, Scope
from covet.db.sql import nodes

if TYPE_CHECKING:
    from covet.db.models.fields.base import Field

__all__ = ["RowRange", "ValueRange", "Window", "WindowFrame", "WindowFrameExclusion"]


class WindowFrameExclusion(enum.StrEnum):
    """Which rows near the current one a frame leaves out."""

    CURRENT_ROW = "CURRENT ROW"
    GROUP = "GROUP"
    TIES = "TIES"
    NO_OTHERS = "NO OTHERS"


class WindowFrame:
    """Which rows of the partition count for each row, by distance.

    Args:
        start: Rows before (negative) or after (positive) the current one; 0 is the current row, ``None`` no limit.
        end: The same for the last row.
        exclusion: Rows near the current one that do not count (not on MySQL and MariaDB).

    Raises:
        ValueError: The ends are no numbers, or the start lies behind the end.
        TypeError: The exclusion is none.
    """

    kind = ""

    def __init__(
        self, start: int | None = None, end: int | None = None, exclusion: WindowFrameExclusion | None = None
    ) -> None:
        if exclusion is not None and not isinstance(exclusion, WindowFrameExclusion):
            raise TypeError(f"exclusion is one of WindowFrameExclusion, not {exclusion!r}.")
        for value in (start, end):
            if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
                raise ValueError(f"The ends of a frame are whole numbers or None, not {value!r}.")
        if start is not None and end is not None and start > end:
            raise ValueError("The start of a frame cannot lie behind its end.")
        self.start = start
        self.end = end
        self.exclusion = exclusion

    @property
    def sql(self) -> str:
        """The finished clause; it holds numbers alone."""
        left_out = "" if self.exclusion is None else f" EXCLUDE {self.exclusion.value}"
        return f"{self.kind} BETWEEN {_bound(self.start, 'PRECEDING')} AND {_bound(self.end, 'FOLLOWING')}{left_out}"


class RowRange(WindowFrame):
    """A frame counted in rows."""

    kind = "ROWS"


class ValueRange(WindowFrame):
    """A frame by values of the ordering; without limits, or at the current row."""

    kind = "RANGE"


def _bound(value: int | None, word: str) -> str:
    if value is None:
        return f"UNBOUNDED {word}"
    if value == 0:
        return "CURRENT ROW"
    return f"{-value} PRECEDING" if value < 0 else f"{value} FOLLOWING"


class Window(Expression[Any]):
    """An expression over a window of rows: ``Window(Rank(), partition_by="author", order_by="-views")``.

    Args:
        expression: An aggregate or a window function.
        partition_by: Fields or expressions whose equal values make a partition.
        order_by: The order within the partition; ``"-name"`` is descending.
        frame: Which rows count.
        output_field: What the result holds.
    """

    is_window = True
    filterable = False

    def __init__(
        self,
        expression: Any,
        partition_by: Any = None,
        order_by: Any = None,
        frame: WindowFrame | None = None,
        output_field: Field[Any] | None = None,
    ) -> None:
        super().__init__(output_field)
        if not getattr(expression, "window_compatible", False):
            raise ValueError(f"{type(expression).__name__} cannot be computed over a window.")
        parts = (
            partition_by if isinstance(partition_by, (list, tuple)) else [] if partition_by is None else [partition_by]
        )
        self.expression = expression
        self.partition = tuple(parse(part) for part in parts)
        self.order_by = order_items(order_by)
        self.frame = frame
        self.sources = (expression, *self.partition, *self.order_by)

    def shape(self, values: list[Any]) -> Hashable:
        """Return the parts' shapes and the frame."""
        return (
            Window,
            self._output_key(),
            len(self.partition),
            None if self.frame is None else self.frame.sql,
            *[source.shape(values) for source in self.sources],
        )

    def resolve(self, scope: Scope) -> Resolved:
        """Return the function with its ``OVER`` clause."""
        before, scope.in_window = scope.in_window, True
        inner = self.expression.resolve(scope)
        scope.in_window = before
        partition = tuple(part.resolve(scope).node for part in self.partition)
        order = tuple([one for item in self.order_by for one in scope.orderings(item)])
        if not isinstance(inner.node, nodes.Func):
            raise TypeError(f"{self.expression!r} cannot be computed over a window.")
        if self.frame is not None and self.frame.exclusion is not None and scope.vendor == "mysql":
            raise NotSupportedError(f"{scope.dialect.title} has no EXCLUDE: leave out exclusion=… of the frame.")
        spec = nodes.WindowSpec(partition, order, None if self.frame is None else self.frame.sql)
        call = inner.node
        node = nodes.Func(call.name, call.args, call.distinct, call.filter, call.order_by, spec, call.type)
        return Resolved(node, self.output_field if self.output_field is not None else inner.field)

    @property
    def contains_aggregate(self) -> bool:
        """An aggregate over a window groups nothing."""
        return False
