"""What languages are called, by themselves and in English, and which are written from the right."""

from __future__ import annotations

from typing import TypedDict

from covet.conf import settings
from covet.i18n.language import get_language, normalise
from covet.i18n.texts import gettext

__all__ = ["LanguageInfo", "get_language_bidi", "get_language_info"]

_FROM_RIGHT = frozenset({"ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})
_NAMES = {
    "ar": ("Arabic", "العربيّة"),
    "bg": ("Bulgarian", "български"),
    "bn": ("Bengali", "বাংলা"),
    "ca": ("Catalan", "català"),
    "cs": ("Czech", "česky"),
    "da": ("Danish", "dansk"),
    "de": ("German", "Deutsch"),
    "el": ("Greek", "Ελληνικά"),
    "en": ("English", "English"),
    "en-gb": ("British English", "British English"),
    "es": ("Spanish", "español"),
    "et": ("Estonian", "eesti"),
    "eu": ("Basque", "Basque"),
    "fa": ("Persian", "فارسی"),
    "fi": ("Finnish", "suomi"),
    "fr": ("French", "français"),
    "he": ("Hebrew", "עברית"),
    "hi": ("Hindi", "हिंदी"),
    "hr": ("Croatian", "Hrvatski"),
    "hu": ("Hungarian", "Magyar"),
    "id": ("Indonesian", "Bahasa Indonesia"),
    "it": ("Italian", "italiano"),
    "ja": ("Japanese", "日本語"),
    "ko": ("Korean", "한국어"),
    "lt": ("Lithuanian", "Lietuviškai"),
    "lv": ("Latvian", "latviešu"),
    "nb": ("Norwegian Bokmål", "norsk (bokmål)"),
    "nl": ("Dutch", "Nederlands"),
    "pl": ("Polish", "polski"),
    "pt": ("Portuguese", "Português"),
    "pt-br": ("Brazilian Portuguese", "Português Brasileiro"),
    "ro": ("Romanian", "Română"),
    "ru": ("Russian", "Русский"),
    "sk": ("Slovak", "slovensky"),
    "sl": ("Slovenian", "Slovenščina"),
    "sr": ("Serbian", "српски"),
    "sv": ("Swedish", "svenska"),
    "ta": ("Tamil", "தமிழ்"),
    "th": ("Thai", "ภาษาไทย"),
    "tr": ("Turkish", "Türkçe"),
    "uk": ("Ukrainian", "Українська"),
    "ur": ("Urdu", "اردو"),
    "vi": ("Vietnamese", "Tiếng Việt"),
    "zh-hans": ("Simplified Chinese", "简体中文"),
    "zh-hant": ("Traditional Chinese", "繁體中文"),
}


class LanguageInfo(TypedDict):
    """What is known of a language.

    Attributes:
        code: Its code, as in ``LANGUAGES``.
        name: Its name in English.
        name_local: Its name in itself.
        name_translated: Its name in the current language, where a catalogue has it.
        bidi: Whether it is written from the right.
    """

    code: str
    name: str
    name_local: str
    name_translated: str
    bidi: bool


def get_language_info(code: str) -> LanguageInfo:
    """Return what is known of a language: its own entry, else that of the language without its region.

    Names of ``LANGUAGES`` count where Covet knows none.

    Raises:
        KeyError: Neither knows it.
    """
    wished = normalise(code)
    given = {known.lower(): name for known, name in settings.LANGUAGES}
    for one in (wished, wished.partition("-")[0]):
        if one in _NAMES:
            name, local = _NAMES[one]
            break
        if one in given:
            name = local = str(given[one])
            break
    else:
        raise KeyError(f"Nothing is known of the language {code!r}. Name it in LANGUAGES.")
    return LanguageInfo(
        code=wished,
        name=name,
        name_local=local,
        name_translated=gettext(name),
        bidi=wished.partition("-")[0] in _FROM_RIGHT,
    )


def get_language_bidi() -> bool:
    """Return whether the current language is written from the right."""
    return get_language().lower().partition("-")[0] in _FROM_RIGHT
