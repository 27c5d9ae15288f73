"""Functions of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from covet.db.models.expressions.functions import Func, Transform
from covet.db.models.expressions.inference import REAL, WHOLE, family

if TYPE_CHECKING:
    from covet.db.models.fields.base import Field

__all__ = [
    "ACos",
    "ASin",
    "ATan",
    "ATan2",
    "Abs",
    "Ceil",
    "Cos",
    "Cot",
    "Degrees",
    "Exp",
    "Floor",
    "Ln",
    "Log",
    "Mod",
    "Pi",
    "Power",
    "Radians",
    "Random",
    "Round",
    "Sign",
    "Sin",
    "Sqrt",
    "Tan",
]


class _Number(Transform):
    """A function whose result is a decimal for decimals, and a float for all else."""

    def _infer(self, fields: list[Field[Any] | None]) -> Field[Any] | None:
        decimal = next((field for field in fields if field is not None and family(field) == "decimal"), None)
        return decimal if decimal is not None else REAL


class _Whole(_Number):
    """One of them that makes whole numbers of whole numbers."""

    def _infer(self, fields: list[Field[Any] | None]) -> Field[Any] | None:
        field = fields[0]
        return WHOLE if field is not None and family(field) == "integer" else super()._infer(fields[:1])


class Abs(Transform):
    """The value without its sign."""

    function = "ABS"
    lookup_name = "abs"


class Sign(_Whole):
    """-1, 0 or 1."""

    function = "SIGN"
    lookup_name = "sign"


class Ceil(_Whole):
    """The least whole number that is not smaller."""

    function = "CEILING"
    lookup_name = "ceil"


class Floor(_Whole):
    """The greatest whole number that is not greater."""

    function = "FLOOR"
    lookup_name = "floor"


class Round(_Whole):
    """The value rounded to ``precision`` places after the point; a negative one counts the places before it."""

    function = "ROUND"
    lookup_name = "round"
    arity = None

    def __init__(self, expression: Any, precision: Any = 0, output_field: Field[Any] | None = None) -> None:
        super().__init__(expression, precision, output_field=output_field)


class Exp(_Number):
    """e to the power of the value."""

    function = "EXP"
    lookup_name = "exp"


class Ln(_Number):
    """The natural logarithm."""

    function = "LN"
    lookup_name = "ln"


class Log(_Number):
    """The logarithm of the second argument to the base of the first."""

    function = "LOG"
    arity = 2


class Sqrt(_Number):
    """The square root."""

    function = "SQRT"
    lookup_name = "sqrt"


class Power(_Number):
    """The first argument to the power of the second."""

    function = "POWER"
    arity = 2


class Mod(_Number):
    """The remainder of a division."""

    function = "MOD"
    arity = 2


class Degrees(_Number):
    """Radians as degrees."""

    function = "DEGREES"
    lookup_name = "degrees"


class Radians(_Number):
    """Degrees as radians."""

    function = "RADIANS"
    lookup_name = "radians"


class _Float(Transform):
    """A function whose result is a float, whatever it is given."""

    result = REAL


class ACos(_Float):
    """The arc cosine, in radians."""

    function = "ACOS"
    lookup_name = "acos"


class ASin(_Float):
    """The arc sine, in radians."""

    function = "ASIN"
    lookup_name = "asin"


class ATan(_Float):
    """The arc tangent, in radians."""

    function = "ATAN"
    lookup_name = "atan"


class Cos(_Float):
    """The cosine of radians."""

    function = "COS"
    lookup_name = "cos"


class Cot(_Float):
    """The cotangent of radians."""

    function = "COT"
    lookup_name = "cot"


class Sin(_Float):
    """The sine of radians."""

    function = "SIN"
    lookup_name = "sin"


class Tan(_Float):
    """The tangent of radians."""

    function = "TAN"
    lookup_name = "tan"


class ATan2(Func):
    """The angle of the point with the coordinates ``(x, y)``, given as ``ATan2(y, x)``, in radians."""

    function = "ATAN2"
    arity = 2
    result = REAL


class Pi(Func):
    """The number π."""

    function = "PI"
    arity = 0
    result = REAL


class Random(Func):
    """A random number between 0 and 1, another for each row."""

    function = "RANDOM"
    arity = 0
    result = REAL
