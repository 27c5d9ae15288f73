"""The language of the moment, and which of the site's languages a visitor's wish means."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from functools import lru_cache

from covet.conf import settings

__all__ = [
    "activate",
    "deactivate",
    "get_chosen_language",
    "get_language",
    "get_supported_language",
    "override",
    "parse_accept_language",
]

_language: contextvars.ContextVar[str | None] = contextvars.ContextVar("covet_language", default=None)


def get_language() -> str:
    """Return the code of the current language, such as ``"de"``; LANGUAGE_CODE where none was activated."""
    return _language.get() or settings.LANGUAGE_CODE


def get_chosen_language() -> str | None:
    """Return the code of the language that was activated here; ``None`` where none was."""
    return _language.get()


def activate(language: str) -> None:
    """Make a language the current one, for this task and those it starts."""
    _language.set(normalise(language))


def deactivate() -> None:
    """Go back to LANGUAGE_CODE."""
    _language.set(None)


@contextlib.contextmanager
def override(language: str | None) -> Iterator[None]:
    """Make a language the current one inside the block; ``None`` is LANGUAGE_CODE."""
    token = _language.set(None if language is None else normalise(language))
    try:
        yield
    finally:
        _language.reset(token)


def normalise(language: str) -> str:
    """Return a code in the way of LANGUAGES: lower case with a dash, ``"zh-hans"``."""
    return language.replace("_", "-").lower()


# Codes that browsers send for languages whose usual code does not begin with them (BCP 47, 2.2.3 and 2.2.9).
_MEANT = {
    "no": "nb",
    "zh-cn": "zh-hans",
    "zh-hk": "zh-hant",
    "zh-mo": "zh-hant",
    "zh-my": "zh-hans",
    "zh-sg": "zh-hans",
    "zh-tw": "zh-hant",
}


def get_supported_language(wished: str) -> str | None:
    """Return the code of LANGUAGES that serves a wished language: itself, or without its region; else ``None``.

    Of Chinese the region says the script: ``zh-TW`` is written as ``zh-hant``.
    """
    supported = {code.lower(): code for code, _ in settings.LANGUAGES}
    code = normalise(wished)
    while code:
        for low in (code, _MEANT.get(code)):
            if low in supported:
                return supported[low]
        code = code.rpartition("-")[0]
    # "zh" alone, or "pt" where only pt-br is offered.
    main = normalise(wished).partition("-")[0]
    return next((known for low, known in supported.items() if main and low.startswith(main + "-")), None)


@lru_cache(maxsize=256)
def parse_accept_language(header: str) -> tuple[str, ...]:
    """Return the languages of an ``Accept-Language`` header, best first; ``*`` stands for any other."""
    wishes: list[tuple[float, str]] = []
    for part in header[:1000].split(",")[:32]:
        name, _, option = part.partition(";")
        name = name.strip()
        if not name or (not name.replace("-", "").replace("*", "").isalnum() and name != "*"):
            continue
        quality = 1.0
        if option.strip().lower().startswith("q="):
            try:
                quality = float(option.strip()[2:])
            except ValueError:
                continue
        if quality > 0:
            wishes.append((-quality, name))
    return tuple(name for _, name in sorted(wishes, key=lambda wish: wish[0]))
