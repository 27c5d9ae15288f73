"""Where static files lie: STATICFILES_DIRS first, then each app's ``static`` folder, in order."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from covet.apps.part import AppPart
from covet.checks.messages import CheckMessage, Error
from covet.conf import settings

if TYPE_CHECKING:
    from types import ModuleType

    from covet.apps.config import AppConfig
    from covet.apps.registry import Apps

__all__ = ["StaticFilesPart"]


class StaticFilesPart(AppPart):
    """Collects folders of static files.

    Attributes:
        folders: In the order in which a file is looked for.
    """

    folder: ClassVar[str | None] = "static"
    tags: ClassVar[tuple[str, ...]] = ("staticfiles",)
    reads: ClassVar[frozenset[str]] = frozenset({"STATICFILES_DIRS"})

    def __init__(self) -> None:
        self.folders: list[Path] = []
        self._collected: list[Path] = []

    def collect(self, app: AppConfig, module: ModuleType | None) -> None:
        """Keep an app's folder, if it has one."""
        found = app.folder("static")
        if found is not None:
            self._collected.append(found)

    def ready(self, apps: Apps) -> None:
        """Put the folders in order."""
        self.folders = [*(Path(os.fspath(folder)) for folder in settings.STATICFILES_DIRS), *self._collected]

    def find(self, path: str) -> Path | None:
        """Return the file of that path, or ``None``. Reads the disk: call it in a thread."""
        for folder in self.folders:
            found = inside(folder, path)
            if found is not None and found.is_file():
                return found
        return None

    def files(self) -> Iterator[tuple[str, Path]]:
        """Yield every file with its path below its folder; of equal paths the first. Reads the disk."""
        seen: set[str] = set()
        for folder in self.folders:
            for found in sorted(folder.rglob("*")):
                path = found.relative_to(folder).as_posix()
                if found.is_file() and path not in seen and not _is_hidden(path):
                    seen.add(path)
                    yield path, found

    def check(self, apps: Apps) -> Iterable[CheckMessage]:
        """Report folders that are not there, and STATIC_ROOT among the sources."""
        for folder in settings.STATICFILES_DIRS:
            path = Path(os.fspath(folder))
            if not path.is_dir():
                yield Error(
                    f"STATICFILES_DIRS names {str(path)!r}, which is no folder.",
                    hint="Make the folder, or take the entry out.",
                    id="staticfiles.E001",
                )
            elif settings.STATIC_ROOT is not None and path.resolve() == Path(settings.STATIC_ROOT).resolve():
                yield Error(
                    "STATICFILES_DIRS holds STATIC_ROOT, which is where collectstatic writes.",
                    hint="Name another folder as STATIC_ROOT.",
                    id="staticfiles.E002",
                )


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))


def inside(folder: Path, path: str) -> Path | None:
    """Return the file below a folder, or ``None`` when the path leads out of it, by dots or by a symbolic link."""
    if "\x00" in path or "\\" in path or _is_hidden(path):
        return None
    root = folder.resolve()
    found = (root / path.lstrip("/")).resolve()
    return found if found.is_relative_to(root) else None
