"""What stands beside a schema's field: the names that it is read by, and markers that show something else of a related row than its key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import AliasChoices, AliasPath, GetCoreSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import core_schema

__all__ = ["Related", "marker_of", "read_alias"]


class Related:
    """What is shown of a related row, or of the row itself, in the place of its key.

    Attributes:
        reads: The fields that are read of the row.
        is_self: Whether it is the row itself.
    """

    reads: tuple[str, ...] = ()
    is_self = False

    def value_of(self, row: Any) -> Any:
        """Return what is shown of a row."""
        raise TypeError(f"{type(self).__name__} does not say what it shows.")

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Take what the annotation says, and rows: those of a model's own manager, too."""
        made = handler(source)
        return core_schema.json_or_python_schema(
            json_schema=made, python_schema=core_schema.no_info_before_validator_function(self._of_rows, made)
        )

    def _of_rows(self, value: Any) -> Any:
        if hasattr(value, "_meta"):
            return self.value_of(value)
        rows = value.all() if hasattr(value, "all") else value
        if isinstance(rows, str) or not isinstance(rows, Iterable):
            return value
        return [self.value_of(row) if hasattr(row, "_meta") else row for row in rows]


def marker_of(info: FieldInfo) -> Related | None:
    """Return the marker of a field, or None."""
    return next((one for one in info.metadata if isinstance(one, Related)), None)


def read_alias(info: FieldInfo) -> str | AliasPath | AliasChoices | None:
    """Return the name, path or choice of these that pydantic reads a field by; None where it is the field's own name."""
    return info.validation_alias if info.validation_alias is not None else info.alias
