"""Filters that Django's templates have and Jinja2 has not, under the same names and with the same meaning."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Sized
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any, Final

from markupsafe import Markup, escape

from covet import timezone
from covet.json import dumps
from covet.templates.dates import DATE_FORMAT, DATETIME_FORMAT, TIME_FORMAT, Moment, format_moment, time_between
from covet.text import slugify, truncate

__all__ = ["FILTERS", "json_text"]

_ELLIPSIS: Final = "…"
_LINE_ENDS: Final = re.compile(r"\r\n|\r|\n")
_BLANK_LINES: Final = re.compile(r"\n{2,}")
_LONGEST_NUMBER: Final = 200
_UNSAFE_IN_SCRIPTS: Final = {ord(">"): "\\u003E", ord("<"): "\\u003C", ord("&"): "\\u0026"}


def date(value: Moment | None, format: str | None = None) -> str:
    """Return a date or a datetime by the letters of ``format``, in the current time zone; nothing for nothing."""
    if value is None or value == "":
        return ""
    if format is None:
        format = DATETIME_FORMAT if isinstance(value, dt.datetime) else DATE_FORMAT
    return format_moment(value, format)


def time(value: Moment | None, format: str = TIME_FORMAT) -> str:
    """Return the time of day by the letters of ``format``, in the current time zone; nothing for nothing."""
    return "" if value is None or value == "" else format_moment(value, format)


def _moment(value: dt.date) -> dt.datetime:
    """A date is its first moment; a naive one is of the current time zone."""
    if not isinstance(value, dt.datetime):
        value = dt.datetime(value.year, value.month, value.day)
    return value if timezone.is_aware(value) else timezone.make_aware(value)


def timesince(value: dt.date | None, until: dt.date | None = None) -> str:
    """Return how long ago it was, ``"3 days, 2 hours"``, seen from ``until`` or now."""
    if not value:
        return ""
    return time_between(_moment(value), timezone.now() if until is None else _moment(until))


def timeuntil(value: dt.date | None, since: dt.date | None = None) -> str:
    """Return how long it is still, seen from ``since`` or now."""
    if not value:
        return ""
    return time_between(timezone.now() if since is None else _moment(since), _moment(value))


def localtime(value: dt.datetime) -> dt.datetime:
    """Return an aware datetime in the current time zone."""
    return timezone.localtime(value)


def pluralize(value: Any, ending: str = "s") -> str:
    """Return the ending of a noun for a number, or for the length of a list: nothing for one, or for what is no number.

    Args:
        value: A number, a text that is one, or something with a length.
        ending: The plural's ending, or the singular's and the plural's with a comma between, as in ``"y,ies"``.
    """
    singular, _, plural = ending.rpartition(",")
    if isinstance(value, Sized) and not isinstance(value, str):
        return singular if len(value) == 1 else plural
    try:
        return singular if float(value) == 1 else plural
    except (TypeError, ValueError):
        return ""


def yesno(value: Any, words: str = "yes,no,maybe") -> Any:
    """Return the word for true, false or ``None``; of two words, ``None`` has that for false."""
    parts = words.split(",")
    if len(parts) < 2:
        return value
    yes, no, maybe = (*parts, parts[1])[:3]
    if value is None:
        return maybe
    return yes if value else no


def default_if_none(value: Any, other: Any) -> Any:
    """Return ``other`` for ``None``, and the value otherwise."""
    return other if value is None else value


def linebreaks(value: Any) -> Markup:
    """Return a text as paragraphs: an empty line ends one, a single line end becomes ``<br>``."""
    text = _LINE_ENDS.sub("\n", str(escape(value)))
    paragraphs = [f"<p>{part.replace(chr(10), '<br>')}</p>" for part in _BLANK_LINES.split(text)]
    return Markup("\n\n".join(paragraphs))  # noqa: S704  # the text was escaped above


def linebreaksbr(value: Any) -> Markup:
    """Return a text with ``<br>`` at each line end."""
    return Markup(_LINE_ENDS.sub("<br>", str(escape(value))))  # noqa: S704


def truncatechars(value: Any, length: int) -> str:
    """Return at most ``length`` characters; the last is "…" where something was cut off."""
    return truncate(str(value), length)


def truncatewords(value: Any, count: int) -> str:
    """Return the first ``count`` words; "…" follows where there were more."""
    words = str(value).split()
    return " ".join(words) if len(words) <= count else " ".join([*words[:count], _ELLIPSIS])


def floatformat(value: Any, places: int = -1) -> str:
    """Return a number rounded to ``places`` after the point; with a negative count, whole numbers get none.

    What is no number is nothing. A number of more than 200 digits is returned as it is: ``"1e9999999"`` is short, and written out
    it would fill the page and the memory.
    """
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return ""
    if not number.is_finite():
        return str(value)
    _, digits, exponent = number.as_tuple()
    length = len(digits) + abs(int(exponent))
    if length > _LONGEST_NUMBER:
        return str(value)
    if places < 0 and number == number.to_integral_value():
        return f"{number:.0f}"
    rounded = number.quantize(
        Decimal(1).scaleb(-abs(places)), ROUND_HALF_UP, context=Context(prec=length + abs(places) + 1)
    )
    return f"{rounded if rounded else abs(rounded):f}"  # no "-0"


def intcomma(value: Any) -> str:
    """Return a number with a comma at each thousand."""
    try:
        return f"{Decimal(str(value)):,}"
    except InvalidOperation:
        return str(value)


def json_script(value: Any, element_id: str | None = None) -> Markup:
    """Return a value as JSON inside a ``<script>`` element, safe for any text in it; read it with ``JSON.parse``."""
    # Written anew by the standard library: the same text for every value, and ASCII, whatever the page's encoding.
    text = json.dumps(json.loads(dumps(value))).translate(_UNSAFE_IN_SCRIPTS)
    attribute = Markup(' id="{}"').format(element_id) if element_id else Markup("")
    return Markup('<script{} type="application/json">{}</script>').format(attribute, Markup(text))  # noqa: S704


def json_text(value: Any, **options: Any) -> str:
    """Return a value as JSON, for Jinja2's ``tojson``: of all that an answer may hold too, and of texts that are made late."""
    return json.dumps(value, default=_plain, **options)


def _plain(value: Any) -> Any:
    return str(value) if hasattr(value, "__html__") else json.loads(dumps(value))


def divisibleby(value: Any, by: int) -> bool:
    """Tell whether a whole number can be divided by another."""
    return int(value) % by == 0


FILTERS: Final = {
    "date": date,
    "default_if_none": default_if_none,
    "divisibleby": divisibleby,
    "floatformat": floatformat,
    "intcomma": intcomma,
    "json_script": json_script,
    "linebreaks": linebreaks,
    "linebreaksbr": linebreaksbr,
    "localtime": localtime,
    "pluralize": pluralize,
    "slugify": slugify,
    "time": time,
    "timesince": timesince,
    "timeuntil": timeuntil,
    "truncatechars": truncatechars,
    "truncatewords": truncatewords,
    "yesno": yesno,
}
