"""Functions for ``Window``: the place of a row among others, and values of its neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from covet.db.models.expressions.base import Value
from covet.db.models.expressions.functions import Func
from covet.db.models.expressions.inference import INTEGER, REAL

if TYPE_CHECKING:
    from covet.db.models.fields.base import Field

__all__ = [
    "CumeDist",
    "DenseRank",
    "FirstValue",
    "Lag",
    "LastValue",
    "Lead",
    "NthValue",
    "Ntile",
    "PercentRank",
    "Rank",
    "RowNumber",
]


class _WindowFunction(Func):
    window_compatible = True


class RowNumber(_WindowFunction):
    """The number of the row in its partition, from 1."""

    function = "ROW_NUMBER"
    arity = 0
    result = INTEGER


class Rank(_WindowFunction):
    """The rank, with gaps after equal rows."""

    function = "RANK"
    arity = 0
    result = INTEGER


class DenseRank(_WindowFunction):
    """The rank, without gaps."""

    function = "DENSE_RANK"
    arity = 0
    result = INTEGER


class PercentRank(_WindowFunction):
    """The rank as a share between 0 and 1."""

    function = "PERCENT_RANK"
    arity = 0
    result = REAL


class CumeDist(_WindowFunction):
    """The share of rows up to and including this one."""

    function = "CUME_DIST"
    arity = 0
    result = REAL


class Ntile(_WindowFunction):
    """The number of the bucket of the row, when the partition is cut into ``num_buckets``."""

    function = "NTILE"
    result = INTEGER

    def __init__(self, num_buckets: int = 1) -> None:
        if num_buckets <= 0:
            raise ValueError("num_buckets must be at least 1.")
        super().__init__(num_buckets)


class FirstValue(_WindowFunction):
    """The value of the first row of the frame."""

    function = "FIRST_VALUE"
    arity = 1


class LastValue(_WindowFunction):
    """The value of the last row of the frame."""

    function = "LAST_VALUE"
    arity = 1


class NthValue(_WindowFunction):
    """The value of the ``nth`` row of the frame, from 1."""

    function = "NTH_VALUE"

    def __init__(self, expression: Any, nth: int = 1) -> None:
        if nth <= 0:
            raise ValueError("nth must be at least 1.")
        super().__init__(expression, nth)

    def _infer(self, fields: list[Field[Any] | None]) -> Field[Any] | None:
        return fields[0]


class Lag(_WindowFunction):
    """The value of the row ``offset`` rows before this one; ``default`` where there is none."""

    function = "LAG"

    def __init__(self, expression: Any, offset: int = 1, default: Any = None) -> None:
        if offset <= 0:
            raise ValueError("offset must be at least 1.")
        parts = [expression, offset]
        if default is not None:
            parts.append(Value(default) if isinstance(default, str) else default)
        super().__init__(*parts)

    def _infer(self, fields: list[Field[Any] | None]) -> Field[Any] | None:
        return fields[0]


class Lead(Lag):
    """The value of the row ``offset`` rows after this one; ``default`` where there is none."""

    function = "LEAD"
