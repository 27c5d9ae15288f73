"""Translation: texts in the language of the moment, which is a contextvar and so belongs to a request or a task."""

from covet.i18n.info import get_language_bidi, get_language_info
from covet.i18n.language import activate, deactivate, get_language, override
from covet.i18n.lazy import LazyString
from covet.i18n.texts import (
    gettext,
    gettext_lazy,
    gettext_noop,
    ngettext,
    ngettext_lazy,
    npgettext,
    npgettext_lazy,
    pgettext,
    pgettext_lazy,
)

__all__ = [
    "LazyString",
    "activate",
    "deactivate",
    "get_language",
    "get_language_bidi",
    "get_language_info",
    "gettext",
    "gettext_lazy",
    "gettext_noop",
    "ngettext",
    "ngettext_lazy",
    "npgettext",
    "npgettext_lazy",
    "override",
    "pgettext",
    "pgettext_lazy",
]
