"""What pydantic and msgspec say of a wrong value, in the visitor's language.

Both speak English only. Where the current language has a catalogue with one of the texts below, the text stands in place of
theirs; in English, and for kinds of errors that no text is for, their own words stay.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final

from covet.exceptions import ValidationError
from covet.i18n.catalog import is_translating
from covet.i18n.texts import gettext
from covet.i18n.texts import gettext_noop as _
from covet.text import suggest

if TYPE_CHECKING:
    from pydantic import ValidationError as PydanticError

__all__ = ["STRUCT_TEXTS", "TEXTS", "error_list", "struct_text", "unknown_field", "unknown_key"]

# By pydantic's name of the kind. Values in them are those that pydantic gives with the error.
TEXTS: Final[dict[str, str]] = {
    "missing": _("This value is required."),
    "bool_parsing": _("Enter true or false."),
    "bool_type": _("Enter true or false."),
    "bytes_too_long": _("This must have at most %(max_length)s bytes."),
    "bytes_too_short": _("This must have at least %(min_length)s bytes."),
    "date_from_datetime_inexact": _("Enter a date without a time."),
    "date_from_datetime_parsing": _("Enter a valid date."),
    "date_future": _("The date must be in the future."),
    "date_parsing": _("Enter a valid date."),
    "date_past": _("The date must be in the past."),
    "date_type": _("Enter a valid date."),
    "datetime_from_date_parsing": _("Enter a valid date and time."),
    "datetime_future": _("The time must be in the future."),
    "datetime_parsing": _("Enter a valid date and time."),
    "datetime_past": _("The time must be in the past."),
    "datetime_type": _("Enter a valid date and time."),
    "decimal_max_digits": _("This number must have at most %(max_digits)s digits."),
    "decimal_max_places": _("This number must have at most %(decimal_places)s decimal places."),
    "decimal_parsing": _("Enter a number."),
    "decimal_type": _("Enter a number."),
    "decimal_whole_digits": _("This number must have at most %(whole_digits)s digits before the decimal point."),
    "dict_type": _("Enter an object."),
    "enum": _("Choose one of: %(expected)s."),
    "finite_number": _("Enter a finite number."),
    "float_parsing": _("Enter a number."),
    "float_type": _("Enter a number."),
    "greater_than": _("This must be greater than %(gt)s."),
    "greater_than_equal": _("This must be greater than or equal to %(ge)s."),
    "int_from_float": _("Enter a whole number."),
    "int_parsing": _("Enter a whole number."),
    "int_parsing_size": _("This number is too large."),
    "int_type": _("Enter a whole number."),
    "less_than": _("This must be less than %(lt)s."),
    "less_than_equal": _("This must be less than or equal to %(le)s."),
    "list_type": _("Enter a list."),
    "literal_error": _("Choose one of: %(expected)s."),
    "model_attributes_type": _("Enter an object."),
    "model_type": _("Enter an object."),
    "multiple_of": _("This must be a multiple of %(multiple_of)s."),
    "none_required": _("This must be empty."),
    "string_pattern_mismatch": _("This does not have the form that is asked for."),
    "string_too_long": _("This must have at most %(max_length)s characters."),
    "string_too_short": _("This must have at least %(min_length)s characters."),
    "string_type": _("Enter a text."),
    "time_delta_parsing": _("Enter a valid duration."),
    "time_delta_type": _("Enter a valid duration."),
    "time_parsing": _("Enter a valid time."),
    "time_type": _("Enter a valid time."),
    "timezone_aware": _("The time needs a time zone."),
    "timezone_naive": _("The time must have no time zone."),
    "too_long": _("There must be at most %(max_length)s items, not %(actual_length)s."),
    "too_short": _("There must be at least %(min_length)s items, not %(actual_length)s."),
    "url_parsing": _("Enter a valid URL."),
    "url_scheme": _("The URL must begin with one of: %(expected_schemes)s."),
    "url_syntax_violation": _("Enter a valid URL."),
    "url_too_long": _("This URL must have at most %(max_length)s characters."),
    "url_type": _("Enter a valid URL."),
    "uuid_parsing": _("Enter a valid UUID."),
    "uuid_type": _("Enter a valid UUID."),
}

# msgspec gives no names: these are the forms of its sentences.
STRUCT_TEXTS: Final[tuple[tuple[str, str], ...]] = (
    (r"Object missing required field '(?P<name>.+)'\.?", _("This value is required.")),
    (r"Expected '(?P<kind>[^']+)', got '(?P<given>[^']+)'\.?", _("A value of the type %(kind)s is expected, not %(given)s.")),
    (r"Expected '(?P<kind>[^']+)' of length >= (?P<limit>\d+)\.?", _("The length must be at least %(limit)s.")),
    (r"Expected '(?P<kind>[^']+)' of length <= (?P<limit>\d+)\.?", _("The length must be at most %(limit)s.")),
    (r"Expected '(?P<kind>[^']+)' >= (?P<limit>\S+?)\.?", _("This must be greater than or equal to %(limit)s.")),
    (r"Expected '(?P<kind>[^']+)' <= (?P<limit>\S+?)\.?", _("This must be less than or equal to %(limit)s.")),
    (r"Expected '(?P<kind>[^']+)' matching regex .*", _("This does not have the form that is asked for.")),
    (r"Invalid enum value (?P<value>.+?)\.?", _("%(value)s is not one of the possible values.")),
    (r"Invalid UUID\.?", _("Enter a valid UUID.")),
    (r"Invalid RFC3339 encoded (?:date|time|datetime)\.?", _("Enter a valid date and time.")),
)  # fmt: skip


def error_list(error: PydanticError) -> list[dict[str, Any]]:
    """Return pydantic's errors, each with ``loc``, ``type`` and ``msg``; the last in the current language.

    Args:
        error: What pydantic raised.
    """
    if not is_translating():
        return [dict(one) for one in error.errors(include_url=False, include_context=False, include_input=False)]
    found = []
    for one in error.errors(include_url=False, include_input=False):
        found.append({"loc": one["loc"], "type": one["type"], "msg": _text(one)})
    return found


def _text(one: Any) -> str:
    given: str = one["msg"]
    values: dict[str, Any] = one.get("ctx") or {}
    raised = values.get("error")
    # A date or an address that cannot be read has a text there, pydantic's own reason in English.
    if isinstance(raised, Exception):
        # What a validator of the schema has raised; an error of ours speaks the language by itself.
        said = str(raised)
        if isinstance(raised, ValidationError):
            return said
        told = gettext(said)
        return given if told == said else told
    text = TEXTS.get(one["type"])
    if text is None:
        return gettext(given)
    translated = gettext(text)
    return given if translated == text else _filled(translated, values, given)


def _filled(text: str, values: dict[str, Any], otherwise: str) -> str:
    try:
        return text % values
    except (KeyError, TypeError, ValueError):
        # A catalogue of the project's with a place that there is no value for: an answer is better than a fault.
        return otherwise


def unknown_field(name: str, known: Collection[str]) -> str:
    """Return what is said of a member of a body that a schema does not know, with the likely one, or all.

    Args:
        name: What was sent.
        known: The names that the schema takes.
    """
    near = suggest(name, known)
    if near:
        text = gettext(_("Unknown field %(name)s. Did you mean %(near)s?"))
    else:
        text = gettext(_("Unknown field %(name)s. It takes: %(names)s.") if known else _("Unknown field %(name)s."))
    return text % {"name": repr(name), "near": repr(near), "names": ", ".join(known)}


def unknown_key(name: str) -> str:
    """Return what is said of the key of a row, where a schema does not take it."""
    return gettext(_("Unknown field %(name)s. The key is not written here: leave it out.")) % {"name": repr(name)}


def struct_text(detail: str) -> str:
    """Return what msgspec says of a value, in the current language.

    Args:
        detail: Its sentence, names in single quotes.
    """
    if not is_translating():
        return detail
    for form, text in STRUCT_TEXTS:
        found = re.fullmatch(form, detail)
        if found is not None:
            translated = gettext(text)
            return detail if translated == text else _filled(translated, found.groupdict(), detail)
    return gettext(detail)
