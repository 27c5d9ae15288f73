"""Objects that fields of a project's own make of their columns' values, as answers spell them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic_core import core_schema

from covet.schema.base import OUTPUT

__all__ = ["is_plain_json", "spelled_by"]


def is_plain_json(field: Any) -> bool:
    """Return whether the field's values are spelled in JSON as they are; a project's own may be objects of any kind."""
    return bool(getattr(field, "plain_json", field.from_db_value is None))


def spelled_by(field: Any, base: type) -> Callable[[Any, core_schema.ValidationInfo], Any]:
    """Return what makes of an object in an answer what the field's column holds. A body has only what JSON has."""

    def spell(value: Any, info: core_schema.ValidationInfo) -> Any:
        is_object = info.context is OUTPUT and value is not None and not isinstance(value, base)
        return field.get_prep_value(value) if is_object else value

    return spell
