"""Aware datetimes and the zone of the moment.

Covet keeps datetimes aware and in UTC. The zone in which people see them is a contextvar, so each request has its own;
where none is set it is the ``TIME_ZONE`` setting, which the settings hand over when they load.
"""

from __future__ import annotations

import contextvars
import datetime as dt
import zoneinfo
from types import TracebackType
from typing import TypeAlias

from covet.exceptions import ImproperlyConfigured

__all__ = [
    "activate",
    "deactivate",
    "get_current_timezone",
    "get_current_timezone_name",
    "get_default_timezone",
    "is_aware",
    "is_naive",
    "localdate",
    "localtime",
    "make_aware",
    "make_naive",
    "now",
    "override",
    "set_default_timezone",
    "utc",
]

Zone: TypeAlias = "dt.tzinfo | str"

utc = dt.UTC

_active: contextvars.ContextVar[dt.tzinfo | None] = contextvars.ContextVar("covet_timezone", default=None)
_default: dt.tzinfo = utc


def now() -> dt.datetime:
    """Return this moment, aware, in UTC."""
    return dt.datetime.now(utc)


def get_default_timezone() -> dt.tzinfo:
    """Return the zone of the ``TIME_ZONE`` setting."""
    return _default


def set_default_timezone(zone: Zone) -> None:
    """Set the zone used where none is active; called by the settings when they load."""
    global _default
    _default = _zone(zone)


def get_current_timezone() -> dt.tzinfo:
    """Return the zone active in this context, or the default one."""
    return _active.get() or _default


def get_current_timezone_name() -> str:
    """Return the name of the zone active in this context: ``"Europe/Berlin"``, or ``"UTC+02:00"`` of one without a name."""
    zone = get_current_timezone()
    return getattr(zone, "key", None) or str(zone)


def activate(zone: Zone) -> None:
    """Make ``zone`` the current one for the rest of this task or request."""
    _active.set(_zone(zone))


def deactivate() -> None:
    """Go back to the default zone."""
    _active.set(None)


class override:
    """Make ``zone`` the current one inside a ``with`` block; None is the default zone."""

    def __init__(self, zone: Zone | None) -> None:
        self._zone = None if zone is None else _zone(zone)
        self._tokens: list[contextvars.Token[dt.tzinfo | None]] = []

    def __enter__(self) -> None:
        self._tokens.append(_active.set(self._zone))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _active.reset(self._tokens.pop())


def is_aware(value: dt.datetime | dt.time) -> bool:
    """Tell whether a datetime knows its offset from UTC."""
    return value.utcoffset() is not None


def is_naive(value: dt.datetime | dt.time) -> bool:
    """Tell whether a datetime does not know its offset from UTC."""
    return value.utcoffset() is None


def make_aware(value: dt.datetime, timezone: Zone | None = None) -> dt.datetime:
    """Return the naive datetime as one of ``timezone`` (the current zone if None).

    Raises:
        ValueError: The datetime is aware already.
    """
    if is_aware(value):
        raise ValueError(f"make_aware() wants a naive datetime, and {value.isoformat()} is aware.")
    return value.replace(tzinfo=get_current_timezone() if timezone is None else _zone(timezone))


def make_naive(value: dt.datetime, timezone: Zone | None = None) -> dt.datetime:
    """Return the aware datetime as the naive wall-clock time of ``timezone`` (the current zone if None).

    Raises:
        ValueError: The datetime is naive already.
    """
    if is_naive(value):
        raise ValueError(f"make_naive() wants an aware datetime, and {value.isoformat()} is naive.")
    return localtime(value, timezone).replace(tzinfo=None)


def localtime(value: dt.datetime | None = None, timezone: Zone | None = None) -> dt.datetime:
    """Return an aware datetime (now if None) in ``timezone`` (the current zone if None)."""
    moment = now() if value is None else value
    if is_naive(moment):
        raise ValueError(f"localtime() wants an aware datetime, and {moment.isoformat()} is naive.")
    return moment.astimezone(get_current_timezone() if timezone is None else _zone(timezone))


def localdate(value: dt.datetime | None = None, timezone: Zone | None = None) -> dt.date:
    """Return the day of an aware datetime (today if None) in ``timezone`` (the current zone if None)."""
    return localtime(value, timezone).date()


def _zone(zone: Zone) -> dt.tzinfo:
    if isinstance(zone, dt.tzinfo):
        return zone
    if zone == "UTC":
        return utc
    try:
        return zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):  # OSError: "Europe" is a folder
        raise ImproperlyConfigured(
            f"'{zone}' is no known time zone. Write a name such as 'Europe/Berlin'; "
            "where the system has no zone data, install the package 'tzdata'."
        ) from None
