"""Aggregates that only PostgreSQL has, and those of pairs of numbers."""

from __future__ import annotations

from typing import Any

from covet.db.models.expressions.aggregates import Aggregate, BitAnd, BitOr, BitXor, StringAgg
from covet.db.models.expressions.inference import BOOLEAN, JSON, REAL, WHOLE
from covet.db.models.fields.base import Field
from covet.postgres.fields.array import ArrayField
from covet.postgres.vendor import OnlyPostgreSQL

__all__ = [
    "ArrayAgg",
    "BitAnd",
    "BitOr",
    "BitXor",
    "BoolAnd",
    "BoolOr",
    "Corr",
    "CovarPop",
    "JSONBAgg",
    "RegrAvgX",
    "RegrAvgY",
    "RegrCount",
    "RegrIntercept",
    "RegrR2",
    "RegrSXX",
    "RegrSXY",
    "RegrSYY",
    "RegrSlope",
    "StringAgg",
]


class ArrayAgg(OnlyPostgreSQL, Aggregate):
    """All values as an array; ``None`` for no rows unless ``default`` says something else."""

    public_module = "covet.postgres.aggregates"
    name = "ArrayAgg"
    function = "ARRAY_AGG"
    allow_distinct = True
    allow_order_by = True

    def _infer(self, fields: list[Field[Any] | None]) -> Field[Any] | None:
        base = fields[0] if fields else None
        return None if base is None else ArrayField(base)


class JSONBAgg(OnlyPostgreSQL, Aggregate):
    """All values as a JSON list."""

    public_module = "covet.postgres.aggregates"
    name = "JSONBAgg"
    function = "JSONB_AGG"
    allow_distinct = True
    allow_order_by = True
    result = JSON


class BoolAnd(OnlyPostgreSQL, Aggregate):
    """Whether all values are true."""

    public_module = "covet.postgres.aggregates"
    name = "BoolAnd"
    function = "BOOL_AND"
    result = BOOLEAN


class BoolOr(OnlyPostgreSQL, Aggregate):
    """Whether one of the values is true."""

    public_module = "covet.postgres.aggregates"
    name = "BoolOr"
    function = "BOOL_OR"
    result = BOOLEAN


class _Pairs(OnlyPostgreSQL, Aggregate):
    """A statistic of pairs of numbers; pairs with a NULL do not count.

    Args:
        y: The dependent number; a text names a field.
        x: The independent one.
        filter: Only rows for which this holds.
        default: The result for no rows, in place of NULL.
    """

    public_module = "covet.postgres.aggregates"
    result = REAL

    def __init__(self, y: Any, x: Any, *, filter: Any = None, default: Any = None) -> None:
        super().__init__(y, x, filter=filter, default=default)


class Corr(_Pairs):
    """The correlation."""

    name = "Corr"
    function = "CORR"


class CovarPop(_Pairs):
    """The covariance of the population; of a sample with ``sample=True``."""

    name = "CovarPop"

    def __init__(self, y: Any, x: Any, *, sample: bool = False, filter: Any = None, default: Any = None) -> None:
        self.function = "COVAR_SAMP" if sample else "COVAR_POP"
        super().__init__(y, x, filter=filter, default=default)


class RegrAvgX(_Pairs):
    """The mean of x."""

    name = "RegrAvgX"
    function = "REGR_AVGX"


class RegrAvgY(_Pairs):
    """The mean of y."""

    name = "RegrAvgY"
    function = "REGR_AVGY"


class RegrCount(_Pairs):
    """How many pairs have no NULL."""

    name = "RegrCount"
    function = "REGR_COUNT"
    result = WHOLE
    empty_result_set_value = 0


class RegrIntercept(_Pairs):
    """Where the line of the least squares meets the y axis."""

    name = "RegrIntercept"
    function = "REGR_INTERCEPT"


class RegrR2(_Pairs):
    """The square of the correlation."""

    name = "RegrR2"
    function = "REGR_R2"


class RegrSlope(_Pairs):
    """The slope of the line of the least squares."""

    name = "RegrSlope"
    function = "REGR_SLOPE"


class RegrSXX(_Pairs):
    """The sum of the squares of x."""

    name = "RegrSXX"
    function = "REGR_SXX"


class RegrSXY(_Pairs):
    """The sum of the products."""

    name = "RegrSXY"
    function = "REGR_SXY"


class RegrSYY(_Pairs):
    """The sum of the squares of y."""

    name = "RegrSYY"
    function = "REGR_SYY"
