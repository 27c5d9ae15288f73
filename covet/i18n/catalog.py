"""Catalogues of translations: ``locale/<language>/LC_MESSAGES/covet.mo`` of the project and of every app.

LOCALE_PATHS come first, then the apps in their order, so that a project may word anything anew. What requests are told in
is read at start-up, one merged catalogue a language.
"""

from __future__ import annotations

import gettext
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from covet.apps import apps
from covet.apps.part import AppPart
from covet.concurrency import to_thread
from covet.conf import settings
from covet.loading import late_module

if TYPE_CHECKING:
    from types import ModuleType

    from covet.apps.config import AppConfig
    from covet.apps.registry import Apps
    from covet.i18n import language
else:
    language = late_module(__name__, "covet.i18n.language")

__all__ = ["Catalogs", "I18nPart", "current_catalog", "is_translating"]

# Both names are read, so that an app's catalogues from Django serve as they are.
DOMAINS = ("covet", "django")
_OWN = Path(__file__).with_name("locale")
_EMPTY = gettext.NullTranslations()


class Catalogs:
    """Merged catalogues by language, read once each.

    Args:
        folders: ``locale`` folders; a text of an earlier one wins.
    """

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self.folders = list(folders)
        self._by_language: dict[str, gettext.NullTranslations] = {}

    def get(self, language: str) -> gettext.NullTranslations:
        """Return the catalogue of a language; one of a region falls back on the language alone."""
        found = self._by_language.get(language)
        if found is None:
            found = self._by_language[language] = self._read(language)
        return found

    def files(self, language: str) -> list[Path]:
        """Return the files of a language that there are, those that win first."""
        paths = (
            folder / name / "LC_MESSAGES" / f"{domain}.mo"
            for name in _folder_names(language)
            for folder in self.folders
            for domain in DOMAINS
        )
        return [path for path in paths if path.is_file()]

    def _read(self, language: str) -> gettext.NullTranslations:
        merged: gettext.NullTranslations | None = None
        for path in self.files(language):
            with path.open("rb") as file:
                catalog = gettext.GNUTranslations(file)
            if merged is None:
                merged = catalog
            else:
                merged.add_fallback(catalog)
        return merged or _EMPTY


def _folder_names(language: str) -> Iterable[str]:
    main, _, region = language.replace("_", "-").partition("-")
    if region:
        # zh-hans is kept in zh_Hans, pt-br in pt_BR.
        yield f"{main}_{region.title() if len(region) > 2 else region.upper()}"
    yield main


class I18nPart(AppPart):
    """Finds the apps' ``locale`` folders and reads catalogues at start-up: those of the languages that requests are told in.

    That is LANGUAGE_CODE alone where no ``LocaleMiddleware`` chooses among LANGUAGES; another one is read when it is first used.
    Covet's own catalogues, of the texts that validators and error documents have, come last: a project's win.
    """

    folder: ClassVar[str | None] = "locale"
    reads: ClassVar[frozenset[str]] = frozenset({"LOCALE_PATHS", "USE_I18N", "LANGUAGES"})

    def __init__(self) -> None:
        self._folders: list[Path] = []
        self._expected: list[str] = []
        self.catalogs = Catalogs()

    def collect(self, app: AppConfig, module: ModuleType | None) -> None:
        """Keep an app's folder, if it has one."""
        found = app.folder("locale")
        if found is not None:
            self._folders.append(found)

    def ready(self, apps: Apps) -> None:
        """Put the folders in order."""
        if settings.USE_I18N:
            paths = (Path(os.fspath(path)) for path in settings.LOCALE_PATHS)
            self.catalogs = Catalogs([*paths, *self._folders, _OWN])
        languages = [settings.LANGUAGE_CODE]
        if any(str(layer).endswith("LocaleMiddleware") for layer in settings.MIDDLEWARE):
            languages += [language for language, _ in settings.LANGUAGES]
        self._expected = [language.lower() for language in languages if self.catalogs.files(language.lower())]

    async def startup(self) -> None:
        """Read the catalogues, in a thread, so that no request waits for the disk."""
        if self._expected:
            await to_thread(self._read, self._expected)

    def _read(self, languages: Iterable[str]) -> None:
        for language in languages:
            self.catalogs.get(language)


def is_translating() -> bool:
    """Whether there is any catalogue for the current language; without one no text needs to be looked up."""
    return current_catalog() is not _EMPTY


def current_catalog() -> gettext.NullTranslations:
    """Return the catalogue of the current language; an empty one before the apps are loaded."""
    registry = apps.current()
    if not registry.has_part(I18nPart):
        return _EMPTY
    return registry.part(I18nPart).catalogs.get(language.get_language().lower())
