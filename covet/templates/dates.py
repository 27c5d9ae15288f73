"""Dates and times as text, by the letters of Django's ``date`` filter, in the current language and time zone."""

from __future__ import annotations

import calendar
import datetime as dt
import email.utils
import re
from collections.abc import Callable
from typing import Final

from covet import timezone
from covet.i18n import gettext, gettext_lazy, ngettext, pgettext_lazy

__all__ = ["DATETIME_FORMAT", "DATE_FORMAT", "TIME_FORMAT", "format_moment", "time_between"]

DATE_FORMAT: Final = "j F Y"
TIME_FORMAT: Final = "H:i"
DATETIME_FORMAT: Final = f"{DATE_FORMAT}, {TIME_FORMAT}"

Moment = dt.date | dt.time

_MONTHS: Final = [
    gettext_lazy("January"),
    gettext_lazy("February"),
    gettext_lazy("March"),
    gettext_lazy("April"),
    gettext_lazy("May"),
    gettext_lazy("June"),
    gettext_lazy("July"),
    gettext_lazy("August"),
    gettext_lazy("September"),
    gettext_lazy("October"),
    gettext_lazy("November"),
    gettext_lazy("December"),
]
_SHORT_MONTHS: Final = [
    pgettext_lazy("short month", "Jan"),
    pgettext_lazy("short month", "Feb"),
    pgettext_lazy("short month", "Mar"),
    pgettext_lazy("short month", "Apr"),
    pgettext_lazy("short month", "May"),
    pgettext_lazy("short month", "Jun"),
    pgettext_lazy("short month", "Jul"),
    pgettext_lazy("short month", "Aug"),
    pgettext_lazy("short month", "Sep"),
    pgettext_lazy("short month", "Oct"),
    pgettext_lazy("short month", "Nov"),
    pgettext_lazy("short month", "Dec"),
]
# As newspapers write them.
_PRESS_MONTHS: Final = [
    pgettext_lazy("press month", "Jan."),
    pgettext_lazy("press month", "Feb."),
    pgettext_lazy("press month", "March"),
    pgettext_lazy("press month", "April"),
    pgettext_lazy("press month", "May"),
    pgettext_lazy("press month", "June"),
    pgettext_lazy("press month", "July"),
    pgettext_lazy("press month", "Aug."),
    pgettext_lazy("press month", "Sept."),
    pgettext_lazy("press month", "Oct."),
    pgettext_lazy("press month", "Nov."),
    pgettext_lazy("press month", "Dec."),
]
_DAYS: Final = [
    gettext_lazy("Monday"),
    gettext_lazy("Tuesday"),
    gettext_lazy("Wednesday"),
    gettext_lazy("Thursday"),
    gettext_lazy("Friday"),
    gettext_lazy("Saturday"),
    gettext_lazy("Sunday"),
]
_SHORT_DAYS: Final = [
    pgettext_lazy("short day", "Mon"),
    pgettext_lazy("short day", "Tue"),
    pgettext_lazy("short day", "Wed"),
    pgettext_lazy("short day", "Thu"),
    pgettext_lazy("short day", "Fri"),
    pgettext_lazy("short day", "Sat"),
    pgettext_lazy("short day", "Sun"),
]


def _hour12(moment: dt.time | dt.datetime) -> int:
    return moment.hour % 12 or 12


def _am_pm(moment: dt.time | dt.datetime) -> str:
    return "AM" if moment.hour < 12 else "PM"


def _without_zero_minutes(moment: dt.time | dt.datetime) -> str:
    hour = str(_hour12(moment))
    return f"{hour}:{moment.minute:02}" if moment.minute else hour


def _spoken_time(moment: dt.time | dt.datetime) -> str:
    if moment.minute == 0 and moment.hour in (0, 12):
        return gettext("midnight") if moment.hour == 0 else gettext("noon")
    return f"{_without_zero_minutes(moment)} {'a.m.' if moment.hour < 12 else 'p.m.'}"


def _ordinal_suffix(moment: dt.date) -> str:
    if moment.day in (11, 12, 13):
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(moment.day % 10, "th")


def _offset(moment: dt.datetime) -> str:
    offset = moment.utcoffset()
    return "" if offset is None else moment.strftime("%z")[:5]


def _offset_seconds(moment: dt.datetime) -> str:
    offset = moment.utcoffset()
    return "" if offset is None else str(int(offset.total_seconds()))


def _rfc_5322(moment: dt.date) -> str:
    if not isinstance(moment, dt.datetime):
        moment = dt.datetime.combine(moment, dt.time())
    return email.utils.format_datetime(moment)


_OF_DATES: Final[dict[str, Callable[[dt.date], str]]] = {
    "b": lambda moment: str(_SHORT_MONTHS[moment.month - 1]).lower(),
    "d": lambda moment: f"{moment.day:02}",
    "D": lambda moment: str(_SHORT_DAYS[moment.weekday()]),
    "E": lambda moment: str(_MONTHS[moment.month - 1]),
    "F": lambda moment: str(_MONTHS[moment.month - 1]),
    "j": lambda moment: str(moment.day),
    "l": lambda moment: str(_DAYS[moment.weekday()]),
    "L": lambda moment: str(calendar.isleap(moment.year)),
    "m": lambda moment: f"{moment.month:02}",
    "M": lambda moment: str(_SHORT_MONTHS[moment.month - 1]),
    "n": lambda moment: str(moment.month),
    "N": lambda moment: str(_PRESS_MONTHS[moment.month - 1]),
    "o": lambda moment: str(moment.isocalendar().year),
    "S": _ordinal_suffix,
    "t": lambda moment: str(calendar.monthrange(moment.year, moment.month)[1]),
    "w": lambda moment: str(moment.isoweekday() % 7),
    "W": lambda moment: str(moment.isocalendar().week),
    "y": lambda moment: f"{moment.year % 100:02}",
    "Y": lambda moment: f"{moment.year:04}",
    "z": lambda moment: str(moment.timetuple().tm_yday),
    "r": _rfc_5322,
}
_OF_TIMES: Final[dict[str, Callable[[dt.time | dt.datetime], str]]] = {
    "a": lambda moment: "a.m." if moment.hour < 12 else "p.m.",
    "A": _am_pm,
    "f": _without_zero_minutes,
    "g": lambda moment: str(_hour12(moment)),
    "G": lambda moment: str(moment.hour),
    "h": lambda moment: f"{_hour12(moment):02}",
    "H": lambda moment: f"{moment.hour:02}",
    "i": lambda moment: f"{moment.minute:02}",
    "P": _spoken_time,
    "s": lambda moment: f"{moment.second:02}",
    "u": lambda moment: f"{moment.microsecond:06}",
}
_OF_BOTH: Final[dict[str, Callable[[dt.datetime], str]]] = {
    "c": lambda moment: moment.isoformat(),
    "e": lambda moment: moment.tzname() or "",
    "I": lambda moment: "" if moment.tzinfo is None else str(int(bool(moment.dst()))),
    "O": _offset,
    "T": lambda moment: moment.tzname() or "",
    "U": lambda moment: str(int(moment.timestamp())),
    "Z": _offset_seconds,
}
_LETTER: Final = re.compile(r"\\(.)|([a-zA-Z])")


def format_moment(moment: Moment, letters: str) -> str:
    """Return a date, a time or both as text.

    Args:
        moment: An aware datetime is shown in the current time zone.
        letters: The letters of Django's ``date`` filter; a backslash takes the meaning from the next character, and what
            is no letter stands for itself.

    Raises:
        ValueError: A letter asks for what the value has not, such as the hour of a date.
    """
    if isinstance(moment, dt.datetime) and timezone.is_aware(moment):
        moment = timezone.localtime(moment)

    def put(match: re.Match[str]) -> str:
        if match[1] is not None:
            return match[1]
        letter = match[2]
        if letter in _OF_DATES:
            if isinstance(moment, dt.date):
                return _OF_DATES[letter](moment)
        elif letter in _OF_TIMES:
            if isinstance(moment, (dt.time, dt.datetime)):
                return _OF_TIMES[letter](moment)
        elif letter in _OF_BOTH:
            if isinstance(moment, dt.datetime):
                return _OF_BOTH[letter](moment)
            if letter == "c":
                return moment.isoformat()
        else:
            return letter
        raise ValueError(f"The format {letters!r} asks for {letter!r}, which a {type(moment).__name__} has not.")

    return _LETTER.sub(put, letters)


def time_between(earlier: dt.datetime, later: dt.datetime, *, parts: int = 2) -> str:
    """Return how long it is from one moment to the other, in at most ``parts`` neighbouring units: ``"2 days, 3 hours"``.

    The years and months are those of the calendar. A moment that is not earlier gives ``"0 minutes"``.
    """
    # Python compares two moments of one zone by what its clock shows, which shows an hour twice a year. Nor are they made UTC: the
    # last moment that there is, as which "never" is kept, has none west of Greenwich.
    passed = later.replace(tzinfo=None) - earlier.replace(tzinfo=None) - (_ahead(later) - _ahead(earlier))
    if passed <= dt.timedelta():
        return _count("minute", 0)
    try:
        later = later.astimezone(earlier.tzinfo)
    except OverflowError:
        earlier = earlier.astimezone(later.tzinfo)
    months = (later.year - earlier.year) * 12 + later.month - earlier.month
    if (later.day, later.time()) < (earlier.day, earlier.time()):
        months -= 1
    if months < 0:
        # The clock was put back in between, and shows an earlier time.
        months, rest = 0, passed
    else:
        rest = later - _months_after(earlier, months)
    years, months = divmod(months, 12)
    weeks, days = divmod(rest.days, 7)
    hours, seconds = divmod(rest.seconds, 3600)
    numbers = [years, months, weeks, days, hours, seconds // 60]
    units = ["year", "month", "week", "day", "hour", "minute"]
    first = next((place for place, number in enumerate(numbers) if number), None)
    if first is None:
        return _count("minute", 0)
    shown = []
    for number, unit in list(zip(numbers, units, strict=True))[first : first + parts]:
        if not number:
            break
        shown.append(_count(unit, number))
    return ", ".join(shown)


def _ahead(moment: dt.datetime) -> dt.timedelta:
    return moment.utcoffset() or dt.timedelta()


def _months_after(moment: dt.datetime, months: int) -> dt.datetime:
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last))


def _count(unit: str, number: int) -> str:
    # Written out, so that makemessages finds them.
    forms = {
        "year": lambda: ngettext("%(number)d year", "%(number)d years", number),
        "month": lambda: ngettext("%(number)d month", "%(number)d months", number),
        "week": lambda: ngettext("%(number)d week", "%(number)d weeks", number),
        "day": lambda: ngettext("%(number)d day", "%(number)d days", number),
        "hour": lambda: ngettext("%(number)d hour", "%(number)d hours", number),
        "minute": lambda: ngettext("%(number)d minute", "%(number)d minutes", number),
    }
    return forms[unit]() % {"number": number}
