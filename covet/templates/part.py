"""TemplatesPart: the apps' ``templates`` folders become one engine, made when the first template is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from covet import checks
from covet.apps.part import AppPart
from covet.conf import settings
from covet.exceptions import ImproperlyConfigured
from covet.loading import late_module

if TYPE_CHECKING:
    from types import ModuleType

    from covet.apps.config import AppConfig
    from covet.apps.registry import Apps
    from covet.templates import library as libraries
    from covet.templates.environment import Engine
else:
    libraries = late_module(__name__, "covet.templates.library", "libraries")

__all__ = ["TemplatesPart"]

# Given by rooms above this one, so they stand here by name.
_GLOBALS = {
    "url": "covet.urls.addresses.url_for_template",
    "static": "covet.staticfiles.links.static",
    "get_language_info": "covet.i18n.info.get_language_info",
}
_PROCESSORS = ("covet.middleware.context.request_values",)
_KNOWN = ("DIRS", "OPTIONS", "CONTEXT_PROCESSORS")


class TemplatesPart(AppPart):
    """Collects folders of templates.

    Attributes:
        folders: TEMPLATES["DIRS"] first, then the apps' in their order.
        libraries: What the apps' ``jinja.py`` offer, by their names.
    """

    module: ClassVar[str | None] = "jinja"
    folder: ClassVar[str | None] = "templates"
    tags: ClassVar[tuple[str, ...]] = ("templates",)
    reads: ClassVar[frozenset[str]] = frozenset({"TEMPLATES", "DEBUG"})

    def __init__(self) -> None:
        self.folders: list[str] = []
        self.libraries: dict[str, libraries.Library] = {}
        self._collected: list[str] = []
        self._engine: Engine | None = None

    def collect(self, app: AppConfig, module: ModuleType | None) -> None:
        """Keep an app's folder and library, if it has them.

        Raises:
            ImproperlyConfigured: Its ``jinja.py`` has no ``register``.
        """
        if module is not None:
            library = getattr(module, "register", None)
            if not isinstance(library, libraries.Library):
                raise ImproperlyConfigured(f"{module.__name__} offers nothing. Write in it: register = Library()")
            self.libraries[app.name] = library
        found = app.folder("templates")
        if found is not None:
            self._collected.append(str(found))

    def ready(self, apps: Apps) -> None:
        """Put the folders in order."""
        self.folders = [*map(os.fspath, settings.TEMPLATES.get("DIRS", ())), *self._collected]

    @property
    def engine(self) -> Engine:
        """The engine; Jinja2 is imported when it is first used."""
        if self._engine is None:
            from covet.templates.environment import Engine

            config: dict[str, Any] = settings.TEMPLATES
            self._engine = Engine(
                self.folders,
                options=config.get("OPTIONS"),
                processors=[*_PROCESSORS, *config.get("CONTEXT_PROCESSORS", ())],
                global_names=_GLOBALS,
                debug=settings.DEBUG,
                libraries=tuple(self.libraries.values()),
            )
        return self._engine

    def check(self, apps: Apps) -> Iterable[checks.CheckMessage]:
        """Report folders that are not there, and keys that nothing reads."""
        for folder in map(Path, settings.TEMPLATES.get("DIRS", ())):
            if not folder.is_dir():
                yield checks.Error(
                    f"TEMPLATES['DIRS'] names {str(folder)!r}, which is no folder.",
                    hint="Make the folder, or take the entry out.",
                    id="templates.E001",
                )
        known: dict[tuple[str, str], str] = {}
        for app, library in self.libraries.items():
            for kind, names in (("filter", library.filters), ("test", library.tests), ("function", library.functions)):
                for name in names:
                    other = known.setdefault((kind, name), app)
                    if other != app:
                        yield checks.Warning(
                            f"Both {other}.jinja and {app}.jinja have a {kind} {name!r}; templates get the first.",
                            hint="Name one of them anew.",
                            obj=f"{app}.jinja",
                            id="templates.W001",
                        )
        for key in settings.TEMPLATES:
            if key not in _KNOWN:
                yield checks.Error(
                    f"TEMPLATES has a key {key!r} that nothing reads.",
                    hint=f"Known keys: {', '.join(_KNOWN)}.",
                    id="templates.E002",
                )
