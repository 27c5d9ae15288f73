"""Where static files lie: STATICFILES_DIRS first, then each app's ``static`` folder, in order; or as STATICFILES_FINDERS says."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from covet import checks
from covet.apps.part import AppPart
from covet.conf import settings
from covet.loading import import_string

if TYPE_CHECKING:
    from types import ModuleType

    from covet.apps.config import AppConfig
    from covet.apps.registry import Apps

__all__ = ["AppDirectoriesFinder", "FileSystemFinder", "Finder", "StaticFilesPart", "inside"]


class Finder(Protocol):
    """What STATICFILES_FINDERS names: a class that is made with the apps' ``static`` folders, and reads the disk in threads."""

    def find(self, path: str) -> list[Path]:
        """Return the files of that path, the one to serve first."""

    def files(self) -> Iterable[tuple[str, Path]]:
        """Return every file with its path, that of the one to serve before those it hides."""


class _FolderFinder:
    """Looks through folders, each of which may stand below a prefix."""

    def __init__(self, folders: Iterable[tuple[str, Path]]) -> None:
        self.folders = list(folders)

    def find(self, path: str) -> list[Path]:
        """Return the files of that path."""
        found = []
        for prefix, folder in self.folders:
            if not path.startswith(prefix):
                continue
            file = inside(folder, path.removeprefix(prefix))
            if file is not None and file.is_file():
                found.append(file)
        return found

    def files(self) -> Iterator[tuple[str, Path]]:
        """Yield every file that is not hidden."""
        for prefix, folder in self.folders:
            for file in sorted(folder.rglob("*")):
                path = file.relative_to(folder).as_posix()
                if file.is_file() and not _is_hidden(path):
                    yield prefix + path, file


class FileSystemFinder(_FolderFinder):
    """The folders of STATICFILES_DIRS."""

    def __init__(self, app_folders: Sequence[Path]) -> None:
        super().__init__(_named())


class AppDirectoriesFinder(_FolderFinder):
    """The ``static`` folder of each app, in order."""

    def __init__(self, app_folders: Sequence[Path]) -> None:
        super().__init__(("", folder) for folder in app_folders)


def _named() -> Iterator[tuple[str, Path]]:
    """Yield the folders of STATICFILES_DIRS with the prefix that their files stand below."""
    for entry in settings.STATICFILES_DIRS:
        if isinstance(entry, tuple):
            prefix, folder = entry
            yield prefix.strip("/") + "/", Path(os.fspath(folder))
        else:
            yield "", Path(os.fspath(entry))


class StaticFilesPart(AppPart):
    """Collects folders of static files.

    Attributes:
        finders: In the order in which a file is looked for.
    """

    folder: ClassVar[str | None] = "static"
    tags: ClassVar[tuple[str, ...]] = ("staticfiles",)
    reads: ClassVar[frozenset[str]] = frozenset({"STATICFILES_DIRS", "STATICFILES_FINDERS"})

    def __init__(self) -> None:
        self.finders: list[Finder] = []
        self._collected: list[Path] = []

    def collect(self, app: AppConfig, module: ModuleType | None) -> None:
        """Keep an app's folder, if it has one."""
        found = app.folder("static")
        if found is not None:
            self._collected.append(found)

    def ready(self, apps: Apps) -> None:
        """Make the finders."""
        self.finders = [import_string(name)(tuple(self._collected)) for name in settings.STATICFILES_FINDERS]

    def find(self, path: str) -> Path | None:
        """Return the file of that path, or ``None``. Reads the disk: call it in a thread."""
        return next((found[0] for finder in self.finders if (found := finder.find(path))), None)

    def find_all(self, path: str) -> list[Path]:
        """Return the files of that path, the one that is served first. Reads the disk."""
        return [found for finder in self.finders for found in finder.find(path)]

    def files(self) -> Iterator[tuple[str, Path]]:
        """Yield every file with its path; of equal paths the first. Reads the disk."""
        seen: set[str] = set()
        for finder in self.finders:
            for path, file in finder.files():
                if path not in seen:
                    seen.add(path)
                    yield path, file

    def places(self) -> list[Path]:
        """Return the folders that are looked through, as far as the finders tell."""
        return [folder for finder in self.finders for _, folder in getattr(finder, "folders", ())]

    async def startup(self) -> None:
        """Read the manifest of the storage that static files were brought to, where STATIC_ROOT has none."""
        from covet.staticfiles import manifest

        if settings.DEBUG or "staticfiles" not in settings.STORAGES or manifest.current() is not None:
            return
        from covet.staticfiles.storage import remote_storage
        from covet.staticfiles.upload import read_manifest

        storage = remote_storage()
        if storage is not None:
            manifest.remember(await read_manifest(storage))

    async def shutdown(self) -> None:
        """Forget it."""
        from covet.staticfiles import manifest

        manifest.remember(None)

    def check(self, apps: Apps) -> Iterable[checks.CheckMessage]:
        """Report folders that are not there, and STATIC_ROOT among the sources."""
        for prefix, path in _named():
            if not path.is_dir():
                yield checks.Error(
                    f"STATICFILES_DIRS names {str(path)!r}, which is no folder.",
                    hint="Make the folder, or take the entry out.",
                    id="staticfiles.E001",
                )
            elif settings.STATIC_ROOT is not None and path.resolve() == Path(settings.STATIC_ROOT).resolve():
                yield checks.Error(
                    "STATICFILES_DIRS holds STATIC_ROOT, which is where collectstatic writes.",
                    hint="Name another folder as STATIC_ROOT.",
                    id="staticfiles.E002",
                )
            if prefix == "/":
                yield checks.Error(
                    f"STATICFILES_DIRS has an empty prefix for {str(path)!r}.",
                    hint="Write the folder alone, or ('prefix', folder).",
                    id="staticfiles.E003",
                )
        if settings.DEBUG and self.places() and not _is_routed(apps):
            yield checks.Warning(
                f"There are static files, and no route answers STATIC_URL ({settings.STATIC_URL}).",
                hint='Write [*autodiscover()] or path("", include("covet.staticfiles.urls")) in the root urls.py.',
                id="staticfiles.W001",
            )


def _is_routed(apps: Apps) -> bool:
    """Whether this project answers STATIC_URL; another host may do so as well."""
    from covet.http.errors import NotFound
    from covet.urls.part import UrlsPart

    if "://" in settings.STATIC_URL or not apps.has_part(UrlsPart):
        return True
    try:
        apps.part(UrlsPart).resolver.resolve("GET", f"/{settings.STATIC_URL.lstrip('/')}style.css")
    except NotFound:
        return False
    return True


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))


def inside(folder: Path, path: str) -> Path | None:
    """Return the file below a folder, or ``None`` when the path leads out of it, by dots or by a symbolic link."""
    if "\x00" in path or "\\" in path or _is_hidden(path):
        return None
    root = folder.resolve()
    found = (root / path.lstrip("/")).resolve()
    return found if found.is_relative_to(root) else None
