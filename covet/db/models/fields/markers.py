"""Values that say what no value of a field can: that none was given, and that the database will give one."""

from __future__ import annotations

from typing import Any, Self

__all__ = ["DATABASE_DEFAULT", "NOT_PROVIDED", "DatabaseDefault", "NotProvided"]


class NotProvided:
    """The type of ``NOT_PROVIDED``: no default was given, which is another thing than ``default=None``."""

    def __repr__(self) -> str:
        return "NOT_PROVIDED"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "NOT_PROVIDED"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


class DatabaseDefault:
    """The type of ``DATABASE_DEFAULT``: what an unsaved instance holds where the database fills in the value."""

    def __repr__(self) -> str:
        return "<database default>"

    def __reduce__(self) -> str:
        return "DATABASE_DEFAULT"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


NOT_PROVIDED = NotProvided()


DATABASE_DEFAULT = DatabaseDefault()
