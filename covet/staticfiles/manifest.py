"""The manifest: which name each static file is stored under. ``collectstatic`` writes it, ``static()`` reads it."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

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
        if not isinstance(found, dict) or found.get("version") != _VERSION or not isinstance(found.get("paths"), dict):
            raise ImproperlyConfigured(f"{file} was not written by this version. Run collectstatic again.")
        return cls(found["paths"])

    def write(self, root: Path) -> None:
        """Write it; a reader sees the old one or the new one, never a half."""
        text = json.dumps({"version": _VERSION, "paths": dict(sorted(self.paths.items()))}, indent=1)
        half = root / f".{MANIFEST}.part"
        half.write_text(text + "\n", encoding="utf-8")
        half.replace(root / MANIFEST)


def current() -> Manifest | None:
    """Return the manifest of STATIC_ROOT as it was when the process first asked; ``None`` with DEBUG."""
    if settings.DEBUG or settings.STATIC_ROOT is None:
        return None
    return _read(str(settings.STATIC_ROOT))


@lru_cache(maxsize=8)
def _read(root: str) -> Manifest | None:
    return Manifest.read(Path(root))


def forget() -> None:
    """Read again at the next question: after collectstatic in this very process."""
    _read.cache_clear()
