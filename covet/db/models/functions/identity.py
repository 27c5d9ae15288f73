"""UUIDs that the database makes."""

from __future__ import annotations

import datetime as dt
from typing import Any

from covet.db.models.expressions.base import Value
from covet.db.models.expressions.functions import Func
from covet.db.models.expressions.inference import DURATION, UUID

__all__ = ["UUID4", "UUID7"]


class UUID4(Func):
    """A random UUID, another for each row; also as ``db_default`` where the database takes functions there."""

    function = "UUID4"
    arity = 0
    result = UUID


class UUID7(Func):
    """A UUID that begins with the time in milliseconds, so that later ones are greater.

    Args:
        shift: A duration by which the time is moved.
    """

    function = "UUID7"
    result = UUID

    def __init__(self, shift: Any = None) -> None:
        if isinstance(shift, dt.timedelta):
            shift = Value(shift, output_field=DURATION)
        super().__init__(*(() if shift is None else (shift,)))

    def _infer(self, fields: list[Any]) -> Any:
        return UUID
