"""Small transformations of text that several rooms need: slugs, case, plurals, cutting, and "did you mean"."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import cache
from types import FunctionType, MethodType
from typing import Any

__all__ = [
    "camel_to_words",
    "distance",
    "escape",
    "join_words",
    "misspelt",
    "pluralize",
    "slugify",
    "suggest",
    "truncate",
]


@cache
def _not_slug() -> re.Pattern[str]:
    return re.compile(r"[^\w\s-]")


@cache
def _dashes() -> re.Pattern[str]:
    return re.compile(r"[-\s]+")


@cache
def _humps() -> re.Pattern[str]:
    return re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


_LONGEST = 200
_METHODS = (FunctionType, MethodType)


def escape(text: str) -> str:
    """Return a text as HTML shows it: ``html.escape``, whose module first loads a table of two thousand names."""
    for sign, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#x27;")):
        text = text.replace(sign, written)
    return text


def slugify(value: object, *, allow_unicode: bool = False) -> str:
    """Return the text in lower case with dashes between words and nothing else: ``"Grüß Gott!"`` → ``"gru-gott"``.

    Args:
        value: Anything; its ``str`` is used.
        allow_unicode: Keep letters beyond ASCII.
    """
    import unicodedata  # a megabyte of tables

    text = str(value)
    if allow_unicode:
        text = unicodedata.normalize("NFKC", text)
    else:
        text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    return _dashes().sub("-", _not_slug().sub("", text.lower())).strip("-_")


def camel_to_words(name: str) -> str:
    """Return ``"blog post"`` for ``"BlogPost"`` and ``"http request"`` for ``"HTTPRequest"``."""
    return " ".join(_humps().split(name)).lower()


def pluralize(count: int, singular: str, plural: str | None = None) -> str:
    """Return the number with its word: ``"1 app"``, ``"2 apps"``."""
    return f"{count} {singular if count == 1 else plural or singular + 's'}"


def truncate(text: str, length: int, *, ellipsis: str = "…") -> str:
    """Return the text, cut to ``length`` characters with the ellipsis counted in."""
    if len(text) <= length:
        return text
    return text[: max(length - len(ellipsis), 0)] + ellipsis[:length]


def join_words(words: Iterable[str], conjunction: str = "and") -> str:
    """Return ``"a, b and c"``."""
    listed = list(words)
    if len(listed) < 2:
        return "".join(listed)
    return f"{', '.join(listed[:-1])} {conjunction} {listed[-1]}"


def suggest(name: str, names: Iterable[str]) -> str | None:
    """Return the known name that ``name`` was probably meant to be, or None when nothing is near; of a very long one, too."""
    if len(name) > _LONGEST:
        return None  # no misspelling: it comes from outside, and each letter costs time

    import difflib  # only a mistake needs it, and it costs a millisecond

    known = {candidate.lower(): candidate for candidate in names}
    matches = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    return known[matches[0]] if matches else None


def distance(left: str, right: str, *, limit: int) -> int:
    """Return how many letters were added, dropped, changed or swapped between two words; above ``limit``, limit + 1."""
    if abs(len(left) - len(right)) > limit:
        return limit + 1
    before: list[int] = []
    previous = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        current = [i]
        for j, b in enumerate(right, 1):
            cost = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        if min(current) > limit:
            return limit + 1
        before, previous = previous, current
    return min(previous[-1], limit + 1)


def misspelt(kind: type[Any], above: type[Any], *, skip: Collection[str] = ()) -> tuple[str, str] | None:
    """Return a member of a class that is a letter or two from one that it may override, and that one.

    Python keeps such a member and nobody ever asks for it. A method is compared with methods and a value with values;
    names with an underscore in front, and classes of Covet's own, are left aside.

    Args:
        kind: The class; only its own body is looked at.
        above: The class whose members are known.
        skip: Members that are used, whatever they are called.
    """
    if kind.__module__.startswith("covet."):
        return None
    known = [
        (name, isinstance(getattr(above, name), _METHODS))
        for name in dir(above)
        if not name.startswith("_") and hasattr(above, name)  # some names are there to say what to write instead
    ]
    for name in vars(kind):
        if name.startswith("_") or name in skip or hasattr(above, name):
            continue
        limit = 1 if len(name) < 8 else 2
        for other, is_method in known:
            if is_method == isinstance(getattr(kind, name), _METHODS) and distance(name, other, limit=limit) <= limit:
                return name, other
    return None
