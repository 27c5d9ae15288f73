"""Dates, times and durations. With ``USE_TZ`` (the default) datetimes are aware on every database."""

from __future__ import annotations

import datetime as dt
import re
import warnings
from collections.abc import Iterator
from functools import cache, partialmethod
from typing import Any, Literal, overload

from typing_extensions import TypeVar, Unpack

from covet import checks, timezone
from covet.conf import settings
from covet.db.models.fields.base import Convert, Field, FieldOptions, Text
from covet.db.models.fields.markers import NOT_PROVIDED
from covet.db.sql.nodes import ColumnType

__all__ = ["DateField", "DateTimeField", "DurationField", "TimeField"]

T = TypeVar("T", default=Any)


class _AutoNow(Field[T]):
    """What the three fields share: ``auto_now`` and ``auto_now_add``."""

    empty_strings_allowed = False

    def __init__(
        self,
        verbose_name: Text = None,
        *,
        auto_now: bool = False,
        auto_now_add: bool = False,
        null: bool = False,
        **options: Unpack[FieldOptions],
    ) -> None:
        self.auto_now = auto_now
        self.auto_now_add = auto_now_add
        if auto_now or auto_now_add:
            options["editable"] = False
            options["blank"] = True
        super().__init__(verbose_name, null=null, **options)

    def _now(self) -> Any:
        raise TypeError(f"{type(self).__name__} does not say what now is.")

    def pre_save(self, instance: Any, add: bool) -> Any:
        """Set the moment of saving where the field asks for it."""
        if self.auto_now or (self.auto_now_add and add):
            value = self._now()
            setattr(instance, self.attname, value)
            return value
        return super().pre_save(instance, add)

    @property
    def makes_value(self) -> bool:
        """Whether it is automatic, or a subclass has a ``pre_save`` of its own."""
        return self.auto_now or self.auto_now_add or type(self).pre_save is not _AutoNow.pre_save

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        """Add the automatic options; what they imply is not written."""
        name, path, args, kwargs = super().deconstruct()
        for option in ("auto_now", "auto_now_add"):
            if getattr(self, option):
                kwargs[option] = True
                kwargs.pop("editable", None)
                kwargs.pop("blank", None)
        return name, path, args, kwargs

    def value_to_string(self, instance: Any) -> str:
        """Return ISO 8601."""
        value = self.value_from_object(instance)
        return "" if value is None else value.isoformat()

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Add: the automatic options exclude each other and a default; a fixed moment as default is a mistake."""
        return [*super().check(**kwargs), *self._check_auto(), *self._check_fixed_default()]

    def _check_auto(self) -> Iterator[checks.CheckMessage]:
        if [self.auto_now, self.auto_now_add, self.has_default()].count(True) > 1:
            yield self._error(
                "E160",
                "'auto_now', 'auto_now_add' and 'default' exclude each other.",
                "Keep one of them.",
            )

    def _check_fixed_default(self) -> Iterator[checks.CheckMessage]:
        value = self.default
        if value is NOT_PROVIDED or not isinstance(value, (dt.date, dt.time)) or callable(value):
            return
        if isinstance(value, dt.time) and not isinstance(value, dt.datetime):
            return
        now = timezone.now()
        moment = value if isinstance(value, dt.datetime) else dt.datetime(value.year, value.month, value.day)
        if timezone.is_naive(moment):
            moment = moment.replace(tzinfo=now.tzinfo)
        if abs(moment - now) < dt.timedelta(days=2):
            yield checks.Warning(
                "The default is the moment at which the module was loaded, the same for every row.",
                hint="Give the function instead of its result: default=timezone.now, without brackets.",
                obj=self,
                id="fields.W161",
            )


class _Neighbours(_AutoNow[T]):
    """What dates and moments share: ``await article.get_next_by_published_at()``."""

    def contribute_to_class(self, cls: Any, name: str, private_only: bool = False) -> None:
        """Add ``get_next_by_…`` and ``get_previous_by_…`` where every row has a value."""
        super().contribute_to_class(cls, name, private_only)
        if self.null:
            return
        for word, is_next in (("next", True), ("previous", False)):
            method = f"get_{word}_by_{self.name}"
            if method not in vars(cls):
                setattr(cls, method, partialmethod(cls._get_next_or_previous, self, is_next))


class DateField(_Neighbours[T]):
    """A date.

    Args:
        auto_now: Set it to today whenever the row is saved by ``save()``.
        auto_now_add: Set it to today when the row is created.
    """

    default_error_messages = {
        "invalid": "“%(value)s” value has an invalid date format. It must be in YYYY-MM-DD format.",
        "invalid_date": "“%(value)s” value has the correct format (YYYY-MM-DD) but it is an invalid date.",
    }
    description = "Date (without time)"

    @overload
    def __init__(
        self: DateField[dt.date],
        verbose_name: Text = None,
        *,
        auto_now: bool = False,
        auto_now_add: bool = False,
        null: Literal[False] = False,
        **options: Unpack[FieldOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: DateField[dt.date | None],
        verbose_name: Text = None,
        *,
        auto_now: bool = False,
        auto_now_add: bool = False,
        null: Literal[True],
        **options: Unpack[FieldOptions],
    ) -> None: ...
    def __init__(
        self,
        verbose_name: Text = None,
        *,
        auto_now: bool = False,
        auto_now_add: bool = False,
        null: bool = False,
        **options: Unpack[FieldOptions],
    ) -> None:
        super().__init__(verbose_name, auto_now=auto_now, auto_now_add=auto_now_add, null=null, **options)

    def column_type(self) -> ColumnType | None:
        """Return the date type."""
        return ColumnType("date")

    def _now(self) -> Any:
        return (
            dt.date.today()
            if not settings.USE_TZ
            else timezone.now().astimezone(timezone.get_current_timezone()).date()
        )

    def to_python(self, value: Any) -> Any:
        """Return a ``date``; an aware datetime is taken in the current zone."""
        if value is None or value.__class__ is dt.date:
            return value
        if isinstance(value, dt.datetime):
            if settings.USE_TZ and timezone.is_aware(value):
                value = value.astimezone(timezone.get_current_timezone())
            return value.date()
        if isinstance(value, dt.date):
            return value
        text = str(value)
        found = _read(dt.date, text, r"\d{4}-\d{1,2}-\d{1,2}")
        if isinstance(found, str):
            raise self.error("invalid_date" if found else "invalid", value=value)
        return found

    def get_prep_value(self, value: Any) -> Any:
        """Return a ``date``."""
        if value.__class__ is dt.date or value is None:
            return value
        return self.to_python(value)

    def canonical(self) -> Convert | None:
        """Return what takes the day of a moment."""
        return self._day if self._stores_as(DateField) else None

    def _day(self, value: Any) -> Any:
        return self.to_python(value) if isinstance(value, dt.datetime) else value


class DateTimeField(_Neighbours[T]):
    """A moment.

    With ``USE_TZ`` a naive value is taken in the current zone, with a warning.

    Args:
        auto_now: Set it to now whenever the row is saved by ``save()``.
        auto_now_add: Set it to now when the row is created.
    """

    default_error_messages = {
        "invalid": (
            "“%(value)s” value has an invalid format. It must be in YYYY-MM-DD HH:MM[:ss[.uuuuuu]][TZ] format."
        ),
        "invalid_datetime": "“%(value)s” value has the correct format but it is an invalid date/time.",
    }
    description = "Date (with time)"

    @overload
    def __init__(
        self: DateTimeField[dt.datetime],
        verbose_name: Text = None,
        *,
        auto_now: bool = False,
        auto_now_add: bool = False,
        null: Literal[False] = False,
        **options: Unpack[FieldOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: DateTimeField[dt.datetime | None],
        verbose_name: Text = None,
        *,
        auto_now: bool = False,
        auto_now_add: bool = False,
        null: Literal[True],
        **options: Unpack[FieldOptions],
    ) -> None: ...
    def __init__(
        self,
        verbose_name: Text = None,
        *,
        auto_now: bool = False,
        auto_now_add: bool = False,
        null: bool = False,
        **options: Unpack[FieldOptions],
    ) -> None:
        super().__init__(verbose_name, auto_now=auto_now, auto_now_add=auto_now_add, null=null, **options)

    def column_type(self) -> ColumnType | None:
        """Return the type of moments."""
        return ColumnType("datetime")

    def _now(self) -> Any:
        return timezone.now()

    def to_python(self, value: Any) -> Any:
        """Return a ``datetime``; a date becomes its midnight."""
        if value is None:
            return None
        if isinstance(value, dt.datetime):
            return value
        if isinstance(value, dt.date):
            moment = dt.datetime(value.year, value.month, value.day)
            return timezone.make_aware(moment) if settings.USE_TZ else moment
        text = str(value).strip()
        found = _read(dt.datetime, text, r"\d{4}-\d{1,2}-\d{1,2}[T ]\d{1,2}:\d{1,2}.*")
        if isinstance(found, str):
            raise self.error("invalid_datetime" if found else "invalid", value=value)
        return found

    def get_prep_value(self, value: Any) -> Any:
        """Return a ``datetime``, aware where ``USE_TZ`` is on."""
        if value is None or (value.__class__ is dt.datetime and value.tzinfo is not None):
            return value
        value = self.to_python(value)
        if value is not None and value.tzinfo is None and settings.USE_TZ:
            warnings.warn(
                f"{_label(self)} received a naive datetime ({value}) while time zone support is active. "
                f"It is taken in the current zone; write timezone.now() or timezone.make_aware(value).",
                RuntimeWarning,
                stacklevel=2,
            )
            value = timezone.make_aware(value)
        return value

    def canonical(self) -> Convert | None:
        """Return what tells a moment in UTC, as databases do."""
        return _in_utc if self._stores_as(DateTimeField) else None


def _in_utc(value: Any) -> Any:
    if not isinstance(value, dt.datetime) or value.tzinfo is dt.UTC:
        return value
    if value.tzinfo is None:
        if not settings.USE_TZ:
            return value
        value = timezone.make_aware(value)
    try:
        return value.astimezone(dt.UTC)
    except OverflowError:  # beyond the years 1 to 9999 there: no column holds it
        return value


class TimeField(_AutoNow[T]):
    """A time of day, without a zone.

    Args:
        auto_now: Set it to now whenever the row is saved by ``save()``.
        auto_now_add: Set it to now when the row is created.
    """

    default_error_messages = {
        "invalid": "“%(value)s” value has an invalid format. It must be in HH:MM[:ss[.uuuuuu]] format.",
        "invalid_time": "“%(value)s” value has the correct format (HH:MM[:ss[.uuuuuu]]) but it is an invalid time.",
    }
    description = "Time"

    @overload
    def __init__(
        self: TimeField[dt.time],
        verbose_name: Text = None,
        *,
        auto_now: bool = False,
        auto_now_add: bool = False,
        null: Literal[False] = False,
        **options: Unpack[FieldOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: TimeField[dt.time | None],
        verbose_name: Text = None,
        *,
        auto_now: bool = False,
        auto_now_add: bool = False,
        null: Literal[True],
        **options: Unpack[FieldOptions],
    ) -> None: ...
    def __init__(
        self,
        verbose_name: Text = None,
        *,
        auto_now: bool = False,
        auto_now_add: bool = False,
        null: bool = False,
        **options: Unpack[FieldOptions],
    ) -> None:
        super().__init__(verbose_name, auto_now=auto_now, auto_now_add=auto_now_add, null=null, **options)

    def column_type(self) -> ColumnType | None:
        """Return the time type."""
        return ColumnType("time")

    def _now(self) -> Any:
        return dt.datetime.now().time()

    def to_python(self, value: Any) -> Any:
        """Return a ``time``."""
        if value is None or value.__class__ is dt.time:
            return value
        if isinstance(value, dt.datetime):
            return value.time()
        if isinstance(value, dt.time):
            return value
        text = str(value).strip()
        found = _read(dt.time, text, r"\d{1,2}:\d{1,2}(:\d{1,2}([.,]\d+)?)?")
        if isinstance(found, str):
            raise self.error("invalid_time" if found else "invalid", value=value)
        return found

    def get_prep_value(self, value: Any) -> Any:
        """Return a ``time``."""
        if value.__class__ is dt.time or value is None:
            return value
        return self.to_python(value)

    def canonical(self) -> Convert | None:
        """Return what leaves out a zone: columns have none."""
        return _without_zone if self._stores_as(TimeField) else None


def _without_zone(value: Any) -> Any:
    return value.replace(tzinfo=None) if isinstance(value, dt.time) and value.tzinfo is not None else value


def _read(kind: Any, text: str, form: str) -> Any:
    """Return what a text says; a text again where it says nothing: its own if it has the form, an empty one if it has not.

    ISO 8601 has two digits everywhere; one alone is read as well: ``2020-1-2``, ``9:05``.
    """
    # From Python 3.14 on, hour 24 would be read here, as the next midnight or as the first; schemas refuse it on each.
    if "24" in text and re.search(r"(?:^T?|[T ])24(?::?00){0,2}(?:[.,]0+)?(?:Z|[+-][\d:.]+)?$", text):
        return text
    try:
        return kind.fromisoformat(text)
    except ValueError:
        if re.fullmatch(form, text) is None:
            return ""
    try:
        return kind.fromisoformat(re.sub(r"(?<![\d.,])\d(?!\d)", r"0\g<0>", text))
    except ValueError:
        return text


@cache
def _duration() -> re.Pattern[str]:
    return re.compile(
        r"(?:(?P<days>-?\d+) (?:days?, )?)?(?P<sign>-?)"
        r"(?:(?:(?P<hours>\d+):)?(?P<minutes>\d+):)?(?P<seconds>\d+)(?:[.,](?P<fraction>\d{1,6})\d*)?"
        r"|(?P<alone>-?\d+) days?"
    )


@cache
def _iso_duration() -> re.Pattern[str]:
    return re.compile(
        r"(?P<sign>[-+]?)P(?:(?P<weeks>\d+(?:[.,]\d+)?)W)?(?:(?P<days>\d+(?:[.,]\d+)?)D)?"
        r"(?:T(?:(?P<hours>\d+(?:[.,]\d+)?)H)?(?:(?P<minutes>\d+(?:[.,]\d+)?)M)?(?:(?P<seconds>\d+(?:[.,]\d+)?)S)?)?"
    )


class DurationField(Field[T]):
    """A length of time, to the microsecond."""

    empty_strings_allowed = False
    default_error_messages = {
        "invalid": "“%(value)s” value has an invalid format. It must be in [DD] [[HH:]MM:]ss[.uuuuuu] format.",
    }
    description = "Duration"

    @overload
    def __init__(
        self: DurationField[dt.timedelta],
        verbose_name: Text = None,
        *,
        null: Literal[False] = False,
        **options: Unpack[FieldOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: DurationField[dt.timedelta | None],
        verbose_name: Text = None,
        *,
        null: Literal[True],
        **options: Unpack[FieldOptions],
    ) -> None: ...
    def __init__(self, verbose_name: Text = None, *, null: bool = False, **options: Unpack[FieldOptions]) -> None:
        super().__init__(verbose_name, null=null, **options)

    def column_type(self) -> ColumnType | None:
        """Return the type of durations."""
        return ColumnType("interval")

    def to_python(self, value: Any) -> Any:
        """Return a ``timedelta``; ``[days] hours:minutes:seconds`` and ISO 8601 are read."""
        if value is None or isinstance(value, dt.timedelta):
            return value
        try:
            parsed = parse_duration(str(value).strip())
        except (OverflowError, ValueError):  # longer than any that there is, or a number with thousands of digits
            parsed = None
        if parsed is None:
            raise self.error("invalid", value=value)
        return parsed

    def get_prep_value(self, value: Any) -> Any:
        """Return a ``timedelta``."""
        return value if value.__class__ is dt.timedelta or value is None else self.to_python(value)


def parse_duration(text: str) -> dt.timedelta | None:
    """Return the duration that a text spells, or ``None``."""
    match = _duration().fullmatch(text)
    if match is not None:
        parts = match.groupdict()
        sign = -1 if parts["sign"] == "-" else 1
        within = dt.timedelta(
            hours=int(parts["hours"] or 0),
            minutes=int(parts["minutes"] or 0),
            seconds=int(parts["seconds"] or 0),
            microseconds=int((parts["fraction"] or "").ljust(6, "0") or 0),
        )
        return dt.timedelta(days=int(parts["days"] or parts["alone"] or 0)) + sign * within
    match = _iso_duration().fullmatch(text)
    if match is None or text[-1] in "PT":
        return None
    parts = match.groupdict()
    amounts = {name: float((parts[name] or "0").replace(",", ".")) for name in parts if name != "sign"}
    return dt.timedelta(**amounts) * (-1 if parts["sign"] == "-" else 1)


def _label(field: Field[Any]) -> str:
    return str(field) if getattr(field, "name", None) else type(field).__name__
