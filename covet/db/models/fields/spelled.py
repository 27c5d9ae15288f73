"""Columns whose type a project's own field spells itself, by ``db_type(connection)``."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from covet.db.models.requirements import VENDORS
from covet.db.sql.nodes import ColumnType

__all__ = ["Spelling", "as_spelled", "spelled"]


class Spelling:
    """How a field spells its column's type. Two are alike where the fields are written alike."""

    __slots__ = ("_key", "field")

    def __init__(self, field: Any) -> None:
        self.field = field
        self._key: tuple[Any, ...] = (type(field), field.signature())

    def __call__(self, dialect: Any) -> str:
        """Return the type as a database spells it."""
        text = self.field.db_type(dialect)
        if not isinstance(text, str):
            raise TypeError(f"{self.field} gives its column no type on {dialect.vendor}: db_type() returned {text!r}.")
        return text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spelling) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return f"<the type of {self.field}>"


class _NoDatabase:
    """Stands for a database of one kind where nothing is asked but whether there is a column at all."""

    def __init__(self, vendor: str) -> None:
        self.vendor = vendor


_NO_DATABASES: Final = [_NoDatabase(vendor) for vendor in VENDORS]


def spelled(field: Any) -> ColumnType | None:
    """Return the type of the column of a field that has nothing else than ``db_type``; ``None`` where no database gets any."""
    found = field.__dict__.get("_spelled")
    if found is None:
        try:
            has_column = any(field.db_type(one) is not None for one in _NO_DATABASES)
        except Exception:
            # It wants to know more of its database; where the column is written it is asked again, and may raise what it likes.
            has_column = True
        found = field.__dict__["_spelled"] = (ColumnType("custom", spell=Spelling(field)) if has_column else None,)
    return found[0]  # type: ignore[no-any-return]


def as_spelled(field: Any, column_type: ColumnType) -> ColumnType:
    """Return a column's type as a subclass of a built-in field spells it in ``db_type``, where it does."""
    if type(field).db_type.__module__.startswith("covet.") or column_type.spell is not None:
        return column_type
    return replace(column_type, spell=Spelling(field))
