"""Expressions: SQL as values that queries combine."""

from covet.db.models.expressions.aggregates import (
    Aggregate,
    AnyValue,
    Avg,
    BitAnd,
    BitOr,
    BitXor,
    Count,
    Max,
    Min,
    StdDev,
    StringAgg,
    Sum,
    Variance,
)
from covet.db.models.expressions.base import (
    CombinedExpression,
    Expression,
    ExpressionWrapper,
    NegatedExpression,
    OrderBy,
    Value,
)
from covet.db.models.expressions.conditional import Case, When
from covet.db.models.expressions.filtered import FilteredRelation
from covet.db.models.expressions.functions import Func, Transform
from covet.db.models.expressions.json_paths import KT, KeyTextTransform, KeyTransform
from covet.db.models.expressions.lookups import Lookup
from covet.db.models.expressions.q import Q
from covet.db.models.expressions.refs import F, JSONNull, OuterRef, RawSQL, Sliced
from covet.db.models.expressions.subqueries import Exists, Subquery
from covet.db.models.expressions.windows import RowRange, ValueRange, Window, WindowFrame, WindowFrameExclusion

__all__ = [
    "KT",
    "Aggregate",
    "AnyValue",
    "Avg",
    "BitAnd",
    "BitOr",
    "BitXor",
    "Case",
    "CombinedExpression",
    "Count",
    "Exists",
    "Expression",
    "ExpressionWrapper",
    "F",
    "FilteredRelation",
    "Func",
    "JSONNull",
    "KeyTextTransform",
    "KeyTransform",
    "Lookup",
    "Max",
    "Min",
    "NegatedExpression",
    "OrderBy",
    "OuterRef",
    "Q",
    "RawSQL",
    "RowRange",
    "Sliced",
    "StdDev",
    "StringAgg",
    "Subquery",
    "Sum",
    "Transform",
    "Value",
    "ValueRange",
    "Variance",
    "When",
    "Window",
    "WindowFrame",
    "WindowFrameExclusion",
]
