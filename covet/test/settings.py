"""Settings of one test: changed inside it, put back after it."""

from __future__ import annotations

from typing import Any

from covet.conf import override
from covet.conf import settings as live

__all__ = ["SettingsWrapper", "override_settings"]

override_settings = override
"""``with override_settings(DEBUG=True):``, ``async with``, or as a decorator; see ``covet.conf.override``."""


class SettingsWrapper:
    """What the ``settings`` fixture gives: ``settings.DEBUG = True`` holds until the test ends."""

    def __init__(self) -> None:
        object.__setattr__(self, "_overrides", [])

    def __getattr__(self, name: str) -> Any:
        return getattr(live, name)

    def __setattr__(self, name: str, value: Any) -> None:
        change = override(**{name: value})
        change.__enter__()
        self._overrides.append(change)

    def restore(self) -> None:
        """Put everything back, the last change first."""
        while self._overrides:
            self._overrides.pop().__exit__(None, None, None)
