"""Translation: texts in the language of the moment, which is a contextvar and so belongs to a request or a task."""

from typing import TYPE_CHECKING

from covet.loading import late_names

if TYPE_CHECKING:
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

if not TYPE_CHECKING:
    __getattr__, __dir__ = late_names(
        __name__,
        {
            "covet.i18n.info": ("get_language_bidi", "get_language_info"),
            "covet.i18n.language": ("activate", "deactivate", "get_language", "override"),
            "covet.i18n.lazy": ("LazyString",),
            "covet.i18n.texts": (
                "gettext",
                "gettext_lazy",
                "gettext_noop",
                "ngettext",
                "ngettext_lazy",
                "npgettext",
                "npgettext_lazy",
                "pgettext",
                "pgettext_lazy",
            ),
        },
    )
