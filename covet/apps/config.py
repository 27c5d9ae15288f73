"""AppConfig: one installed app, its name, label and folder, and what it brings."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

from covet.exceptions import ImproperlyConfigured
from covet.loading import submodules

if TYPE_CHECKING:
    from covet.apps.part import AppPart
    from covet.apps.registry import Apps

__all__ = ["AppConfig"]


class AppConfig:
    """One installed app. Subclass it in the app's ``apps.py`` to say more than its name.

    Attributes:
        name: The dotted name of the app's package.
        label: A short name, unique in the project; by default the last part of ``name``.
        verbose_name: What people read; by default the label in title case.
        path: The folder of the app's package.
        default_auto_field: The primary key of the app's models that declare none; None asks ``DEFAULT_AUTO_FIELD``.
        default: Which of several configs in ``apps.py`` is meant when INSTALLED_APPS names the package only.
        parts: App parts that the app brings, as classes or dotted paths.
        module: The app's package.
    """

    name: str = ""
    label: str = ""
    verbose_name: str = ""
    path: str = ""
    default_auto_field: str | None = None
    default: ClassVar[bool | None] = None
    parts: tuple[type[AppPart] | str, ...] = ()
    module: ModuleType

    def __init__(self, name: str, module: ModuleType) -> None:
        self.name = name
        self.module = module
        self.apps: Apps | None = None
        if not self.label:
            self.label = name.rpartition(".")[2]
        if not self.label.isidentifier():
            raise ImproperlyConfigured(
                f"The app '{name}' has the label '{self.label}', which is no Python identifier. "
                "Give its AppConfig another label."
            )
        if not self.verbose_name:
            self.verbose_name = self.label.replace("_", " ").title()
        if not self.path:
            self.path = _folder(name, module)
        self._submodules: frozenset[str] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.label}>"

    def ready(self) -> Awaitable[None] | None:
        """Do what must happen once, when every app is loaded, such as connecting signals.

        ``async def ready`` runs when parts are started, that is when serving or in a command that uses them.
        """
        return None

    @property
    def models_module(self) -> ModuleType | None:
        """The app's ``models`` module, once it is imported."""
        return getattr(self.module, "models", None)

    @property
    def has_async_ready(self) -> bool:
        """Whether ``ready`` waits for start-up."""
        return inspect.iscoroutinefunction(self.ready)

    def submodules(self) -> frozenset[str]:
        """Return the names of the modules in the app; its folder is listed once."""
        if self._submodules is None:
            self._submodules = submodules(self.module)
        return self._submodules

    def folder(self, name: str) -> Path | None:
        """Return the path of a folder in the app, or None if there is no such folder."""
        found = Path(self.path) / name
        return found if found.is_dir() else None

    def get_model(self, name: str, *, require_ready: bool = True) -> type[Any]:
        """Return the app's model of that name, whatever its case.

        Raises:
            LookupError: The app has no such model.
        """
        if self.apps is None:
            raise ImproperlyConfigured(f"The app '{self.label}' is not installed in a registry.")
        return self.apps.get_model(self.label, name, require_ready=require_ready)

    def get_models(self, *, include_auto_created: bool = False, include_swapped: bool = False) -> list[type[Any]]:
        """Return the app's models, in the order in which they were defined."""
        if self.apps is None:
            raise ImproperlyConfigured(f"The app '{self.label}' is not installed in a registry.")
        self.apps.check_models_ready()
        return [
            model
            for model in self.apps.all_models.get(self.label, {}).values()
            if (include_auto_created or not model._meta.auto_created) and (include_swapped or not model._meta.swapped)
        ]


def _folder(name: str, module: ModuleType) -> str:
    paths = list(dict.fromkeys(getattr(module, "__path__", ())))
    if len(paths) == 1:
        return str(paths[0])
    if not paths and module.__file__:
        raise ImproperlyConfigured(f"The app '{name}' is a module; an app must be a package (a folder).")
    raise ImproperlyConfigured(
        f"The app '{name}' lies in several folders ({', '.join(map(str, paths)) or 'none'}). "
        "Give its AppConfig a 'path', or add an __init__.py to the right one."
    )
