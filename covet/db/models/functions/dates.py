"""Functions of dates and times: ``Now``, ``Extract…``, ``Trunc…``; moments are taken in the current time zone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, ClassVar

from covet import timezone
from covet.conf import settings
from covet.db.errors import NotSupportedError
from covet.db.models.expressions.functions import Func, Transform
from covet.db.models.expressions.inference import DATE, DATETIME, INTEGER, TIME
from covet.db.models.expressions.scope import Resolved, Scope
from covet.db.models.fields.temporal import DateTimeField
from covet.db.sql import nodes

if TYPE_CHECKING:
    from covet.db.models.fields.base import Field

__all__ = [
    "Extract",
    "ExtractDay",
    "ExtractHour",
    "ExtractIsoWeekDay",
    "ExtractIsoYear",
    "ExtractMinute",
    "ExtractMonth",
    "ExtractQuarter",
    "ExtractSecond",
    "ExtractWeek",
    "ExtractWeekDay",
    "ExtractYear",
    "Now",
    "Trunc",
    "TruncDate",
    "TruncDay",
    "TruncHour",
    "TruncMinute",
    "TruncMonth",
    "TruncQuarter",
    "TruncSecond",
    "TruncTime",
    "TruncWeek",
    "TruncYear",
]

_PARTS = frozenset(
    ("year", "iso_year", "quarter", "month", "week", "day", "week_day", "iso_week_day", "hour", "minute", "second")
)
_UNITS = frozenset(("year", "quarter", "month", "week", "day", "hour", "minute", "second"))
_CLOCK = frozenset(("hour", "minute", "second"))


class Now(Func):
    """The moment of the statement, by the database's clock."""

    function = "NOW"
    arity = 0
    result = DATETIME


class _InZone(Transform):
    """What extracting and truncating share: the zone in which a moment is looked at."""

    arity = None  # the zone and the unit are no arguments of the function

    def __init__(
        self, expression: Any, *, tzinfo: dt.tzinfo | None = None, output_field: Field[Any] | None = None
    ) -> None:
        super().__init__(expression, output_field=output_field)
        self.tzinfo = tzinfo

    def _zone(self) -> str | None:
        if not settings.USE_TZ:
            return None
        zone = self.tzinfo or timezone.get_current_timezone()
        return getattr(zone, "key", None) or str(zone)

    def shape(self, values: list[Any]) -> Hashable:
        """Add the zone: it stands in the text."""
        return (super().shape(values), self._zone())

    def _args(self, scope: Scope) -> tuple[tuple[nodes.Node, ...], Field[Any] | None]:
        inner = self.sources[0].resolve(scope)
        zone = self._zone() if _kind(inner.field) == "datetime" else None
        if self.tzinfo is not None and _kind(inner.field) not in {"datetime", ""}:
            raise ValueError(f"tzinfo can only be used with a DateTimeField, and {self.sources[0]!r} is none.")
        return ((inner.node,) if zone is None else (inner.node, nodes.Bound(zone))), inner.field


class Extract(_InZone):
    """A part of a date, time or moment, as a number.

    Args:
        expression: The date, time or moment.
        lookup_name: ``year iso_year quarter month week day week_day iso_week_day hour minute second``.
        tzinfo: The zone in which a moment is looked at; the current one by default.
    """

    lookup_name: str = ""
    result = INTEGER

    def __init__(self, expression: Any, lookup_name: str | None = None, tzinfo: dt.tzinfo | None = None) -> None:
        super().__init__(expression, tzinfo=tzinfo)
        if lookup_name is not None:
            self.lookup_name = lookup_name
        if self.lookup_name not in _PARTS:
            # It becomes part of the SQL.
            raise ValueError(f"There is no date part {self.lookup_name!r}. Parts are: {', '.join(sorted(_PARTS))}.")
        self.function = f"EXTRACT_{self.lookup_name.upper()}"

    def resolve(self, scope: Scope) -> Resolved:
        """Return the extraction."""
        args, field = self._args(scope)
        kind = _kind(field)
        if kind == "date" and self.lookup_name in _CLOCK:
            raise ValueError(f"A DateField has no {self.lookup_name}.")
        if kind == "time" and self.lookup_name not in _CLOCK:
            raise ValueError(f"A TimeField has no {self.lookup_name}.")
        if kind not in {"date", "time", "datetime", "interval", ""}:
            raise ValueError(f"{self.lookup_name} can be taken from a date, time or moment, not from {kind}.")
        if kind == "interval" and self.lookup_name not in {"day", *_CLOCK}:
            raise ValueError(
                f"A DurationField has no {self.lookup_name}. Its parts are: {', '.join(['day', *sorted(_CLOCK)])}."
            )
        if kind == "interval" and scope.vendor != "postgresql":
            raise NotSupportedError(
                f"{scope.dialect.title} keeps a duration as a number of microseconds, of which {self.lookup_name} is no "
                "part: read the duration and ask that."
            )
        return Resolved(nodes.Func(self.function, args, type=nodes.ColumnType("integer")), INTEGER)


class ExtractYear(Extract):
    """The year."""

    lookup_name = "year"


class ExtractIsoYear(Extract):
    """The year by ISO 8601's weeks."""

    lookup_name = "iso_year"


class ExtractQuarter(Extract):
    """The quarter, 1 to 4."""

    lookup_name = "quarter"


class ExtractMonth(Extract):
    """The month."""

    lookup_name = "month"


class ExtractWeek(Extract):
    """The week by ISO 8601."""

    lookup_name = "week"


class ExtractDay(Extract):
    """The day of the month."""

    lookup_name = "day"


class ExtractWeekDay(Extract):
    """The day of the week; Sunday is 1."""

    lookup_name = "week_day"


class ExtractIsoWeekDay(Extract):
    """The day of the week; Monday is 1."""

    lookup_name = "iso_week_day"


class ExtractHour(Extract):
    """The hour."""

    lookup_name = "hour"


class ExtractMinute(Extract):
    """The minute."""

    lookup_name = "minute"


class ExtractSecond(Extract):
    """The second."""

    lookup_name = "second"


class _MomentIn(DateTimeField[dt.datetime]):
    """A moment that was cut down in a zone: said there, since only there it is the first of a month or the full hour."""

    def __init__(self, zone: dt.tzinfo) -> None:
        super().__init__()
        self.zone = zone

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """Return the moment as the zone says it."""
        return value if value is None else value.astimezone(self.zone)


class Trunc(_InZone):
    """A date or moment cut down to a unit: the first of its month, the full hour.

    Args:
        expression: The date or moment.
        kind: ``year quarter month week day hour minute second``.
        output_field: ``DateField()`` or ``DateTimeField()``, where the result is to be of the other kind.
        tzinfo: The zone in which a moment is looked at; the current one by default.
    """

    kind: str = ""
    units: ClassVar[frozenset[str]] = _UNITS

    def __init__(
        self,
        expression: Any,
        kind: str | None = None,
        output_field: Field[Any] | None = None,
        tzinfo: dt.tzinfo | None = None,
    ) -> None:
        super().__init__(expression, tzinfo=tzinfo, output_field=output_field)
        if kind is not None:
            self.kind = kind
        if self.kind not in self.units:
            raise ValueError(f"There is no unit {self.kind!r}. Units are: {', '.join(sorted(self.units))}.")
        self.function = f"TRUNC_{self.kind.upper()}"

    def resolve(self, scope: Scope) -> Resolved:
        """Return the truncation."""
        args, source = self._args(scope)
        self._check(_kind(source))
        field = self.output_field if self.output_field is not None else self._result(source)
        if field is not None and _kind(field) not in {"date", "datetime", "time"}:
            raise ValueError("The output_field of Trunc is a DateField, TimeField or DateTimeField.")
        if _kind(source) == "date" and self.kind in _CLOCK:
            raise ValueError(f"A DateField cannot be cut down to the {self.kind}.")
        if _kind(source) == "date" and field is not None and _kind(field) != "date":
            # Which moment of the day, and in which zone, nobody has said.
            raise ValueError(f"A DateField cannot be cut down to a {field.get_internal_type()}: Cast it first.")
        column_type = None if field is None else field.column_type()
        if type(field) is DateTimeField and settings.USE_TZ and self._zone() != "UTC":
            field = _MomentIn(self.tzinfo or timezone.get_current_timezone())
        return Resolved(nodes.Func(self.function, args, type=column_type), field)

    def _check(self, kind: str) -> None:
        """Raise for what cannot be cut down to this unit, of which some databases make something else."""
        if kind not in {"date", "time", "datetime", ""}:
            raise ValueError(f"{self.sources[0]!r} is no date, time or moment, which {type(self).__name__} cuts down.")
        if kind == "time" and self.kind not in _CLOCK | {"time"}:
            raise ValueError(f"A TimeField cannot be cut down to the {self.kind}.")

    def _result(self, source: Field[Any] | None) -> Field[Any] | None:
        kind = _kind(source)
        return DATE if kind == "date" else TIME if kind == "time" else DATETIME


class TruncYear(Trunc):
    """The first day of the year."""

    kind = "year"


class TruncQuarter(Trunc):
    """The first day of the quarter."""

    kind = "quarter"


class TruncMonth(Trunc):
    """The first day of the month."""

    kind = "month"


class TruncWeek(Trunc):
    """The Monday of the week."""

    kind = "week"


class TruncDay(Trunc):
    """The start of the day."""

    kind = "day"


class TruncHour(Trunc):
    """The full hour."""

    kind = "hour"


class TruncMinute(Trunc):
    """The full minute."""

    kind = "minute"


class TruncSecond(Trunc):
    """The full second."""

    kind = "second"


class TruncDate(Trunc):
    """The date of a moment, in the current time zone."""

    kind = lookup_name = "date"
    units = frozenset({"date"})
    result = DATE

    def __init__(self, expression: Any, tzinfo: dt.tzinfo | None = None) -> None:
        super().__init__(expression, tzinfo=tzinfo)

    def _result(self, source: Field[Any] | None) -> Field[Any] | None:
        return DATE


class TruncTime(Trunc):
    """The time of day of a moment, in the current time zone."""

    kind = lookup_name = "time"
    units = frozenset({"time"})
    result = TIME

    def __init__(self, expression: Any, tzinfo: dt.tzinfo | None = None) -> None:
        super().__init__(expression, tzinfo=tzinfo)

    def _result(self, source: Field[Any] | None) -> Field[Any] | None:
        return TIME


def _kind(field: Field[Any] | None) -> str:
    column_type = None if field is None else field.column_type()
    return "" if column_type is None else column_type.kind
