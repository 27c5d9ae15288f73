"""``gettext`` and its kin: a text in the current language, now or when it is shown."""

from __future__ import annotations

from covet import exceptions
from covet.i18n.catalog import current_catalog
from covet.i18n.lazy import LazyString

__all__ = [
    "gettext",
    "gettext_lazy",
    "gettext_noop",
    "ngettext",
    "ngettext_lazy",
    "npgettext",
    "npgettext_lazy",
    "pgettext",
    "pgettext_lazy",
]


def gettext(message: str) -> str:
    """Return the text in the current language; itself where no catalogue has it."""
    # The entry for "" is the catalogue's own header.
    return current_catalog().gettext(message) if message else ""


# Errors are below this room: they are handed the way to say themselves in another language.
exceptions.translation.use(gettext)


def ngettext(singular: str, plural: str, number: int) -> str:
    """Return the form for a number, by the rules of the current language."""
    return current_catalog().ngettext(singular, plural, number)


def pgettext(context: str, message: str) -> str:
    """Return the text in the current language; ``context`` tells words apart that English spells alike."""
    return current_catalog().pgettext(context, message)


def npgettext(context: str, singular: str, plural: str, number: int) -> str:
    """Return the form for a number, with a context."""
    return current_catalog().npgettext(context, singular, plural, number)


def gettext_noop(message: str) -> str:
    """Return the text as it is; marks it for the catalogues only."""
    return message


def gettext_lazy(message: str) -> LazyString:
    """Return a text that is translated when it is shown; for model fields, forms and whatever is made at import."""
    return LazyString(gettext, "covet.i18n.gettext_lazy", (message,))


def pgettext_lazy(context: str, message: str) -> LazyString:
    """Return what ``pgettext`` would, when it is shown."""
    return LazyString(pgettext, "covet.i18n.pgettext_lazy", (context, message))


def ngettext_lazy(singular: str, plural: str, number: int | str) -> LazyString:
    """Return what ``ngettext`` would, when it is shown; ``number`` may name the value of ``%`` that decides."""
    return LazyString(ngettext, "covet.i18n.ngettext_lazy", (singular, plural, number))


def npgettext_lazy(context: str, singular: str, plural: str, number: int | str) -> LazyString:
    """Return what ``npgettext`` would, when it is shown."""
    return LazyString(npgettext, "covet.i18n.npgettext_lazy", (context, singular, plural, number))
