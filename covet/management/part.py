"""ManagementPart: the commands that installed apps bring."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from covet.apps.config import AppConfig
from covet.apps.part import AppPart
from covet.checks.messages import CheckMessage, Error, Tags, Warning
from covet.exceptions import CovetError
from covet.management.find import Found, builtin_commands, command_files, normalize

if TYPE_CHECKING:
    from covet.apps.registry import Apps
    from covet.management.decorator import Command

__all__ = ["ManagementPart"]


class ManagementPart(AppPart):
    """Finds ``management/commands`` of every app; a command's module is imported when it is used."""

    tags = (Tags.commands,)

    def __init__(self) -> None:
        self.commands: dict[str, Found] = {}
        self._hidden: list[tuple[Found, Found]] = []

    def collect(self, app: AppConfig, module: ModuleType | None) -> None:
        """Take the names of the app's command files; the first app that has a name wins."""
        folder = Path(app.path) / "management" / "commands"
        for found in command_files(folder, f"{app.name}.management.commands", app.name):
            first = self.commands.setdefault(found.name, found)
            if first is not found:
                self._hidden.append((found, first))

    def all(self) -> dict[str, Found]:
        """Return every command by name: an app's command hides Covet's own of that name."""
        return {**builtin_commands(), **self.commands}

    def find(self, name: str) -> Command | None:
        """Return the command of that name, imported, or None."""
        from covet.management.load import load_command  # click: only when a command is really used

        found = self.all().get(normalize(name))
        return None if found is None else load_command(found)

    def check(self, apps: Apps) -> Iterator[CheckMessage]:
        """Report commands that hide one another, and modules that hold no command."""
        from covet.management.load import load_command

        for found, first in self._hidden:
            yield Warning(
                f"The command '{found.name}' of the app '{found.app}' is hidden by the one of '{first.app}'.",
                hint="Rename one of the files.",
                obj=found.module,
                id="commands.W001",
            )
        for found in self.commands.values():
            try:
                load_command(found)
            except CovetError as error:
                yield Error(str(error), obj=found.module, id="commands.E001")
