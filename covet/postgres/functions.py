"""Functions that only PostgreSQL has."""

from __future__ import annotations

from typing import Any

from covet.db.models.expressions.functions import Func
from covet.db.models.expressions.inference import DATETIME, UUID
from covet.db.models.fields.base import Field
from covet.db.sql import nodes
from covet.postgres.fields.ranges import (
    BigIntegerRangeField,
    DateRangeField,
    DateTimeRangeField,
    DecimalRangeField,
    IntegerRangeField,
)
from covet.postgres.indexes import OpClass
from covet.postgres.vendor import OnlyPostgreSQL

__all__ = [
    "BigIntegerRangeOf",
    "DateRangeOf",
    "DateTimeRangeOf",
    "DecimalRangeOf",
    "IntegerRangeOf",
    "OpClass",
    "RandomUUID",
    "TransactionNow",
]


class RandomUUID(OnlyPostgreSQL, Func):
    """A random UUID, made by the database."""

    public_module = "covet.postgres.functions"
    function = "GEN_RANDOM_UUID"
    arity = 0
    result = UUID


class TransactionNow(OnlyPostgreSQL, Func):
    """The moment at which the transaction began; ``Now`` is that of the statement."""

    public_module = "covet.postgres.functions"
    arity = 0
    result = DATETIME

    def node(self, args: tuple[nodes.Node, ...], field: Field[Any] | None) -> nodes.Node:
        """Return the moment."""
        return nodes.Keyword("CURRENT_TIMESTAMP")


class IntegerRangeOf(OnlyPostgreSQL, Func):
    """A range of two columns: ``IntegerRangeOf("low", "high", RangeBoundary(True, True))``."""

    public_module = "covet.postgres.functions"
    function = "INT4RANGE"
    result = IntegerRangeField()


class BigIntegerRangeOf(OnlyPostgreSQL, Func):
    """A range of two big integers."""

    public_module = "covet.postgres.functions"
    function = "INT8RANGE"
    result = BigIntegerRangeField()


class DecimalRangeOf(OnlyPostgreSQL, Func):
    """A range of two decimals."""

    public_module = "covet.postgres.functions"
    function = "NUMRANGE"
    result = DecimalRangeField()


class DateRangeOf(OnlyPostgreSQL, Func):
    """A range of two dates."""

    public_module = "covet.postgres.functions"
    function = "DATERANGE"
    result = DateRangeField()


class DateTimeRangeOf(OnlyPostgreSQL, Func):
    """A range of two moments: ``DateTimeRangeOf("start", "end", RangeBoundary())``."""

    public_module = "covet.postgres.functions"
    function = "TSTZRANGE"
    result = DateTimeRangeField()
