"""Values of expressions to Python: of the kind that the field says, whatever the database made of them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from covet.db.sql.nodes import ColumnType

if TYPE_CHECKING:
    from covet.db.models.fields.base import Field
    from covet.db.sql.dialect import Dialect

__all__ = ["computed_converter"]


def computed_converter(field: Field[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """Return what turns the value of an expression into Python: into what the field holds, whatever the database made.

    A sum of whole numbers may come as a decimal; and an average of amounts has more digits than the column of the amounts.
    """
    column_type = field.column_type()
    if column_type is None or field.from_db_value is not None:
        return field.converter(dialect)
    if column_type.kind == "decimal":
        return _decimal_of_fifteen if dialect.vendor == "sqlite" else dialect.converter(_ANY_DECIMAL) or _decimal
    return _COMPUTED.get(column_type.kind) or field.converter(dialect)


def _decimal(value: Any) -> Any:
    if value is None or value.__class__ is Decimal:
        return value
    return Decimal(repr(value)) if value.__class__ is float else Decimal(value)


def _decimal_of_fifteen(value: Any) -> Any:
    # SQLite reckons with floats, whose first fifteen digits are right: 0.1 + 0.2 is 0.3, and not 0.30000000000000004.
    return Decimal(format(value, ".15g")) if value.__class__ is float else _decimal(value)


def _float(value: Any) -> Any:
    return value if value is None else float(value)


def _whole(value: Any) -> Any:
    return int(value) if value.__class__ is Decimal or value.__class__ is float else value


_ANY_DECIMAL = ColumnType("decimal")
_COMPUTED = {"float": _float, "smallint": _whole, "integer": _whole, "bigint": _whole}
