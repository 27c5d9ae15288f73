"""Functions of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from covet.db.models.expressions.functions import Func
from covet.db.models.expressions.inference import REAL, family

if TYPE_CHECKING:
    from covet.db.models.fields.base import Field

__all__ = [
    "Abs",
    "Ceil",
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
    "Sqrt",
]


class _Number(Func):
    """A function whose result is a decimal for decimals, and a float for all else."""

    arity: int | None = 1

    def _infer(self, fields: list[Field[Any] | None]) -> Field[Any] | None:
        decimal = next((field for field in fields if field is not None and family(field) == "decimal"), None)
        return decimal if decimal is not None else REAL


class Abs(Func):
    """The value without its sign."""

    function = "ABS"
    arity = 1


class Sign(_Number):
    """-1, 0 or 1."""

    function = "SIGN"


class Ceil(_Number):
    """The least whole number that is not smaller."""

    function = "CEILING"


class Floor(_Number):
    """The greatest whole number that is not greater."""

    function = "FLOOR"


class Round(_Number):
    """The value rounded to ``precision`` places after the point."""

    function = "ROUND"
    arity = None

    def __init__(self, expression: Any, precision: Any = 0, output_field: Field[Any] | None = None) -> None:
        super().__init__(expression, precision, output_field=output_field)

    def _infer(self, fields: list[Field[Any] | None]) -> Field[Any] | None:
        return super()._infer(fields[:1])


class Exp(_Number):
    """e to the power of the value."""

    function = "EXP"


class Ln(_Number):
    """The natural logarithm."""

    function = "LN"


class Log(_Number):
    """The logarithm of the second argument to the base of the first."""

    function = "LOG"
    arity = 2


class Sqrt(_Number):
    """The square root."""

    function = "SQRT"


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


class Radians(_Number):
    """Degrees as radians."""

    function = "RADIANS"


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
