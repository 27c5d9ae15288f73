"""A router that knows extensions by their hint."""

from __future__ import annotations

from typing import Any


class NoExtensions:
    """Forbids what says that it is an extension."""

    def allow_migrate(self, db: str, app_label: str, model_name: str | None = None, **hints: Any) -> bool | None:
        return False if hints.get("kind") == "extension" else None
