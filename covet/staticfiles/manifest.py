"""The manifest: which name each static file is stored under. ``collectstatic`` writes it, ``static()`` reads it."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from covet.conf import settings
from covet.exceptions import ImproperlyConfigured

__all__ = ["MANIFEST", "Manifest", "current"]

MANIFEST = "staticfiles.json"
_VERSION = 1


class Manifest(Struct, frozen=True):
    """Stored names by path, and the other way round."""

    paths: dict[str, str] = field(default_factory=dict)

    @property
    def stored(self) -> frozenset[str]:
        """The names that are made of their content: what has one never changes."""
        return frozenset(stored for path, stored in self.paths.items() if stored != path)

    @classmethod
    def read(cls, root: Path) -> Manifest | None:
        """Return the manifest in a folder; ``None`` where there is none.

        Raises:
            ImproperlyConfigured: It is no manifest of ours.
        """
        file = root / MANIFEST
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise ImproperlyConfigured(f"{file} is broken ({error}). Run collectstatic again.") from error
        try:
            return cls.parse(found)
        except ValueError as error:
            raise ImproperlyConfigured(f"{file} {error}. Run collectstatic again.") from error

    @classmethod
    def parse(cls, found: Any) -> Manifest:
        """Return the manifest that a JSON document is.

        Raises:
            ValueError: It is none.
        """
        if not isinstance(found, dict) or found.get("version") != _VERSION or not isinstance(found.get("paths"), dict):
            raise ValueError("was not written by this version")
        return cls(found["paths"])

    def write(self, root: Path) -> None:
        """Write it; a reader sees the old one or the new one, never a half."""
        text = json.dumps({"version": _VERSION, "paths": dict(sorted(self.paths.items()))}, indent=1)
        root.mkdir(parents=True, exist_ok=True)  # nothing has been copied where no app has a file
        half = root / f".{MANIFEST}.part"
        half.write_text(text + "\n", encoding="utf-8")
        half.replace(root / MANIFEST)


# What the storage holds, for processes that have no STATIC_ROOT of their own; read at the start.
_remote: list[Manifest] = []


def current() -> Manifest | None:
    """Return the manifest of STATIC_ROOT, or else that of the storage, as it was at first; ``None`` with DEBUG."""
    if settings.DEBUG:
        return None
    found = None if settings.STATIC_ROOT is None else _read(str(settings.STATIC_ROOT))
    return _remote[0] if found is None and _remote else found


def remember(found: Manifest | None) -> None:
    """Keep the manifest of the storage, or none."""
    _remote[:] = [] if found is None else [found]


@lru_cache(maxsize=8)
def _read(root: str) -> Manifest | None:
    return Manifest.read(Path(root))


def forget() -> None:
    """Read again at the next question: after collectstatic in this very process."""
    _read.cache_clear()
