"""The fields that only PostgreSQL has."""

from covet.postgres.fields.array import ArrayField, ArrayLength
from covet.postgres.fields.enums import EnumField
from covet.postgres.fields.hstore import HStoreField, KeyTransform
from covet.postgres.fields.ranges import (
    BigIntegerRangeField,
    DateRangeField,
    DateTimeRangeField,
    DecimalRangeField,
    IntegerRangeField,
    RangeField,
)
from covet.postgres.fields.search import SearchVectorField
from covet.postgres.fields.vector import VectorField
from covet.postgres.ranges import (
    DateRange,
    DateTimeRange,
    DateTimeTZRange,
    NumericRange,
    Range,
    RangeBoundary,
    RangeOperators,
)

__all__ = [
    "ArrayField",
    "ArrayLength",
    "BigIntegerRangeField",
    "DateRange",
    "DateRangeField",
    "DateTimeRange",
    "DateTimeRangeField",
    "DateTimeTZRange",
    "DecimalRangeField",
    "EnumField",
    "HStoreField",
    "IntegerRangeField",
    "KeyTransform",
    "NumericRange",
    "Range",
    "RangeBoundary",
    "RangeField",
    "RangeOperators",
    "SearchVectorField",
    "VectorField",
]
