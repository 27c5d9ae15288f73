"""ManagementPart: the commands that installed apps bring."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from covet import checks
from covet.apps.config import AppConfig
from covet.apps.part import AppPart
from covet.exceptions import CovetError
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.apps.registry import Apps
    from covet.management import find as finding
    from covet.management.decorator import Command
else:
    finding = late_module(__name__, "covet.management.find", "finding")

__all__ = ["ManagementPart"]


class ManagementPart(AppPart):
    """Finds ``management/commands`` of every app; a command's module is imported when it is used."""

    tags = ("commands",)

    def __init__(self) -> None:
        self._apps: list[AppConfig] = []

    def collect(self, app: AppConfig, module: ModuleType | None) -> None:
        """Keep the app; its folder is looked into when somebody wants a command, which no server does."""
        self._apps.append(app)

    @cached_property
    def commands(self) -> dict[str, finding.Found]:
        """The apps' commands by name; the first app that has a name wins."""
        commands: dict[str, finding.Found] = {}
        for found in self._files():
            commands.setdefault(found.name, found)
        return commands

    def _files(self) -> Iterator[finding.Found]:
        for app in self._apps:
            folder = Path(app.path) / "management" / "commands"
            yield from finding.command_files(folder, f"{app.name}.management.commands", app.name)

    def all(self) -> dict[str, finding.Found]:
        """Return every command by name: an app's command hides Covet's own of that name."""
        return {**finding.builtin_commands(), **self.commands}

    def find(self, name: str) -> Command | None:
        """Return the command of that name, imported, or None."""
        from covet.management.load import load_command  # click: only when a command is really used

        found = self.all().get(finding.normalize(name))
        return None if found is None else load_command(found)

    def check(self, apps: Apps) -> Iterator[checks.CheckMessage]:
        """Report commands that hide one another, and modules that hold no command."""
        from covet.management.load import load_command

        for found in self._files():
            first = self.commands[found.name]
            if first.module == found.module:
                continue
            yield checks.Warning(
                f"The command '{found.name}' of the app '{found.app}' is hidden by the one of '{first.app}'.",
                hint="Rename one of the files.",
                obj=found.module,
                id="commands.W001",
            )
        for found in self.commands.values():
            try:
                load_command(found)
            except CovetError as error:
                yield checks.Error(str(error), obj=found.module, id="commands.E001")
