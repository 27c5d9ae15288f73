"""Imports the module of a command that was found, and takes the command out of it."""

from __future__ import annotations

import importlib
from typing import Any

from covet.exceptions import CommandError, CovetError
from covet.management.decorator import Command
from covet.management.find import Found

__all__ = ["load_command"]


def load_command(found: Found) -> Command:
    """Return the command of a module.

    Raises:
        CommandError: The module cannot be imported, or holds no command.
    """
    if found.app != "covet":
        # Its module may import the app's models, which need to know their app.
        from covet.apps.lifecycle import prepare

        prepare()
    try:
        module = importlib.import_module(found.module)
    except CovetError:
        raise
    except Exception as error:
        from covet.porting.hints import import_hint  # only a mistake needs it, and it reads syntax trees

        raise CommandError(
            f"The command '{found.name}' cannot be loaded from {found.module}: {type(error).__name__}: {error}."
            f"{import_hint(error)}"
        ) from error
    named: Any = getattr(module, found.name, None)
    if isinstance(named, Command):
        return named
    commands = [
        value for value in vars(module).values() if isinstance(value, Command) and value.__module__ == module.__name__
    ]
    if len(commands) == 1:
        return commands[0]
    what = "no command" if not commands else f"{len(commands)} commands"
    raise CommandError(
        f"{found.module} holds {what}. Write one function with @command() from covet.management, called '{found.name}'."
    )
