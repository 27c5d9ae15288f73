"""``dates()`` and ``datetimes()``: the different days, months or hours that rows have."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from covet.db.models.expressions.refs import F
from covet.db.models.fields.temporal import DateField, DateTimeField
from covet.db.models.query.paths import resolve_path

if TYPE_CHECKING:
    from covet.db.models.query.queryset import QuerySet

__all__ = ["truncated"]

_DATES = ("year", "month", "week", "day")
_MOMENTS = (*_DATES, "hour", "minute", "second")
_CUT, _PLAIN = "cut", "plain"


def truncated(
    queryset: QuerySet[Any, Any], name: str, kind: str, order: str, *, moments: bool, tzinfo: dt.tzinfo | None
) -> QuerySet[Any, Any]:
    """Return the different values of a field, each cut down to ``kind``, without NULL, in order.

    Raises:
        ValueError: A kind or order that does not exist.
        TypeError: The field holds no dates.
    """
    from covet.db.models.functions.dates import Trunc  # rarely asked for

    method = "datetimes" if moments else "dates"
    kinds = _MOMENTS if moments else _DATES
    if kind not in kinds:
        raise ValueError(f"{method}() cuts down to one of {', '.join(kinds)}, not to {kind!r}.")
    if order not in ("ASC", "DESC"):
        raise ValueError(f"{method}(order=…) is 'ASC' or 'DESC', not {order!r}.")
    path = resolve_path(queryset.model._meta, name, f"{method}('{name}')")
    column = path.field.column_type()
    held = "" if column is None else column.kind
    if path.rest or held not in (("datetime",) if moments else ("date", "datetime")):
        wanted = "DateTimeField" if moments else "DateField or DateTimeField"
        raise TypeError(f"{method}() takes the name of a {wanted}, and {name} is none.")
    result: Any = DateTimeField() if moments else DateField()
    # A model that has fields of these names keeps them: the rows are values, not instances.
    rows = queryset._chain(queryset.query)
    rows._manner = rows._manner.but(kind="flat")
    cut: Any = Trunc(name, kind, output_field=result, tzinfo=tzinfo if held == "datetime" else None)
    found = rows.annotate(**{_CUT: cut, _PLAIN: F(name)}).filter(**{f"{_PLAIN}__isnull": False})
    return found.values_list(_CUT, flat=True).distinct().order_by(_CUT if order == "ASC" else f"-{_CUT}")
