"""What is wrong with settings: every problem at once, with secrets masked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple

from covet.exceptions import ImproperlyConfigured

__all__ = ["MASK", "SettingProblem", "SettingsError", "is_secret", "mask", "mask_url"]

MASK = "********"


@cache
def _secret() -> re.Pattern[str]:
    return re.compile(r"API|TOKEN|KEY|SECRET|PASS|SIGNATURE|CREDENTIAL|DSN|AUTH_HEADER", re.IGNORECASE)


@cache
def _open() -> re.Pattern[str]:
    # Names that hold one of those words and no secret: shown, because people look for them when something is wrong.
    return re.compile(r"^PASSWORD_(HASHERS|RESET_TIMEOUT)$|^AUTH_PASSWORD_VALIDATORS$|_KEY_PREFIX$|^CSRF_|^OPENAPI_")


@cache
def _userinfo() -> re.Pattern[str]:
    return re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)(?P<user>[^\s:@/?#]*):(?P<password>[^\s/?#]*)@", re.IGNORECASE)


@cache
def _query() -> re.Pattern[str]:
    return re.compile(r"(?P<key>[?&][^=&\s]*(?:password|secret|token)[^=&\s]*=)[^&\s]*", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Tell whether a name looks as if its value should not be shown."""
    return _secret().search(name) is not None and _open().search(name) is None


def mask_url(text: str) -> str:
    """Return the text with the passwords of the URLs in it hidden."""
    return _query().sub(rf"\g<key>{MASK}", _userinfo().sub(rf"\g<scheme>\g<user>:{MASK}@", text))


def mask(name: str, value: Any) -> Any:
    """Return the value as it may be shown under this name: secrets hidden, at any depth."""
    if is_secret(name) and value not in (None, "", [], (), {}):
        return MASK
    if isinstance(value, str):
        return mask_url(value)
    if isinstance(value, Mapping):
        return {key: mask(str(key), item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(mask("", item) for item in value) if type(value) in (list, tuple) else value
    return value


class SettingProblem(NamedTuple):
    """One setting that cannot be used.

    Attributes:
        name: The setting, or the environment's name for it.
        value: What was given, as it may be shown; None when the name itself is the problem.
        reason: What is wrong with it.
        suggestion: What to write instead, if anything is near.
        source: Where the value came from.
    """

    name: str
    value: str | None
    reason: str
    suggestion: str | None = None
    source: str | None = None

    def __str__(self) -> str:
        shown = f" = {self.value}" if self.value is not None else ""
        where = f" (from {self.source})" if self.source else ""
        hint = f" {self.suggestion}" if self.suggestion else ""
        return f"{self.name}{shown}{where}: {self.reason}{hint}"


class SettingsError(ImproperlyConfigured):
    """Some settings cannot be used; ``problems`` holds every one of them."""

    def __init__(self, problems: Iterable[SettingProblem]) -> None:
        self.problems = tuple(problems)
        if len(self.problems) == 1:
            text = f"A setting is wrong. {self.problems[0]}"
        else:
            text = f"{len(self.problems)} settings are wrong:\n" + "\n".join(f"  {p}" for p in self.problems)
        super().__init__(text)
