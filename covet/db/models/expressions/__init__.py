"""Expressions: SQL as values that queries combine."""

from typing import TYPE_CHECKING

from covet.loading import late_names

if TYPE_CHECKING:
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

if not TYPE_CHECKING:
    __getattr__, __dir__ = late_names(
        __name__,
        {
            "covet.db.models.expressions.aggregates": (
                "Aggregate",
                "AnyValue",
                "Avg",
                "BitAnd",
                "BitOr",
                "BitXor",
                "Count",
                "Max",
                "Min",
                "StdDev",
                "StringAgg",
                "Sum",
                "Variance",
            ),
            "covet.db.models.expressions.base": (
                "CombinedExpression",
                "Expression",
                "ExpressionWrapper",
                "NegatedExpression",
                "OrderBy",
                "Value",
            ),
            "covet.db.models.expressions.conditional": ("Case", "When"),
            "covet.db.models.expressions.filtered": ("FilteredRelation",),
            "covet.db.models.expressions.functions": ("Func", "Transform"),
            "covet.db.models.expressions.json_paths": ("KT", "KeyTextTransform", "KeyTransform"),
            "covet.db.models.expressions.lookups": ("Lookup",),
            "covet.db.models.expressions.q": ("Q",),
            "covet.db.models.expressions.refs": ("F", "JSONNull", "OuterRef", "RawSQL", "Sliced"),
            "covet.db.models.expressions.subqueries": ("Exists", "Subquery"),
            "covet.db.models.expressions.windows": (
                "RowRange",
                "ValueRange",
                "Window",
                "WindowFrame",
                "WindowFrameExclusion",
            ),
        },
    )
