"""Finds commands by the names of their files, without importing any: those of Covet, and those of installed apps.

Neither settings nor click are imported here; ``--help`` runs through this module.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from covet.exceptions import CovetError
from covet.loading import module_folder

__all__ = [
    "COMPLETE",
    "Found",
    "app_commands",
    "app_package",
    "builtin_commands",
    "command_files",
    "hint_for",
    "known_commands",
    "normalize",
]

BUILTIN = "covet.commands"
# The variables by which a shell asks for completions, as click names them after the program.
COMPLETE = ("_COVET_ADMIN_COMPLETE", "_MANAGE_PY_COMPLETE")

# What a Django user types by habit, and what is there for it.
_ELSEWHERE = {
    "test": "Tests are run by pytest: `pytest`.",
    "diffsettings": "Write `settings --changed`.",
    "show_urls": "Write `routes`.",
}


class Found(NamedTuple):
    """A command that exists, not yet imported.

    Attributes:
        name: How it is called, with underscores.
        module: The dotted name of its module.
        path: Its file.
        app: The app that brings it; ``"covet"`` for Covet's own.
    """

    name: str
    module: str
    path: Path
    app: str

    @property
    def summary(self) -> str:
        """The first line of the module's docstring, read without running it."""
        try:
            with self.path.open(encoding="utf-8") as file:
                first = file.readline().strip()
        except OSError:
            return ""
        for quotes in ('"""', "'''", '"'):
            if first.startswith(quotes):
                return first.removeprefix(quotes).split(quotes)[0].strip()
        return ""


def normalize(name: str) -> str:
    """Return the name as its file has it: ``-`` and ``_`` are equal on the command line."""
    return name.replace("-", "_")


def builtin_commands() -> dict[str, Found]:
    """Return Covet's own commands."""
    folder = Path(__file__).resolve().parents[1] / "commands"
    return {found.name: found for found in command_files(folder, BUILTIN, "covet")}


def app_commands(entries: Iterable[str]) -> dict[str, Found]:
    """Return the commands of apps, by entries of INSTALLED_APPS; the first app that has a name wins.

    An app that cannot be found has none: whoever loads the apps says what is wrong with it.
    """
    commands: dict[str, Found] = {}
    for entry in entries:
        name = app_package(entry)
        folder = module_folder(name)
        if folder is None:
            continue
        for found in command_files(folder / "management" / "commands", f"{name}.management.commands", name):
            commands.setdefault(found.name, found)
    return commands


def known_commands() -> tuple[dict[str, Found], str]:
    """Return every command by name, and why some of those of the apps are missing, if they are.

    INSTALLED_APPS is read from the settings module alone: no environment, no types.
    """
    commands = builtin_commands()
    if not os.environ.get("COVET_SETTINGS_MODULE"):
        return commands, ""
    from covet.conf.holder import peek

    try:
        installed = peek(["INSTALLED_APPS"]).get("INSTALLED_APPS", ())
    except CovetError as error:
        return commands, str(error)
    entries = [entry for entry in installed if isinstance(entry, str)]
    missing = [entry for entry in entries if module_folder(app_package(entry)) is None]
    trouble = f"INSTALLED_APPS names '{missing[0]}', and there is no such app." if missing else ""
    return {**commands, **app_commands(entries)}, trouble


def command_files(folder: Path, package: str, app: str) -> list[Found]:
    """Return the commands whose files lie in the folder, by name; files that begin with ``_`` are none."""
    if not folder.is_dir():
        return []
    return [
        Found(path.stem, f"{package}.{path.stem}", path, app)
        for path in sorted(folder.glob("*.py"))
        if not path.stem.startswith("_")
    ]


def app_package(entry: str) -> str:
    """Return the package of an entry of INSTALLED_APPS: ``blog.apps.BlogConfig`` → ``blog``, without importing it."""
    parent, _, last = entry.rpartition(".")
    if parent and last[:1].isupper():
        return parent.removesuffix(".apps")
    return entry


def hint_for(name: str, known: Iterable[str]) -> str:
    """Return what somebody who typed an unknown name may have meant; empty when nothing is near."""
    from covet.text import suggest

    if (elsewhere := _ELSEWHERE.get(normalize(name))) is not None:
        return elsewhere
    near = suggest(normalize(name), known)
    return f"Did you mean '{near}'?" if near else ""
