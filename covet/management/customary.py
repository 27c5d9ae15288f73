"""Options that Django's commands have in common: scripts and ``call_command`` pass them to any command, so any takes them.

A command that has an option of that name gets it; for the others ``--verbosity`` tells how much is said, and what has no meaning
(``--noinput`` of a command that asks nothing, ``--skip-checks``) is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import click

__all__ = ["Customary", "take_arguments", "take_options"]

_SILENT_INPUT: Final = ("--noinput", "--no-input")
_LEVELS: Final = ("0", "1", "2", "3")


class Customary(NamedTuple):
    """What is left for the command itself, and whether it shall say nothing that nobody needs."""

    rest: Any
    is_quiet: bool


def take_arguments(command: click.Command, arguments: Sequence[str]) -> Customary:
    """Take the common options out of a command line.

    Args:
        command: The command; what it declares itself is left to it.
        arguments: What stands behind its name.
    """
    own = _flags(command)
    rest: list[str] = []
    level = 1
    queue = list(arguments)
    while queue:
        argument = queue.pop(0)
        if argument == "--":
            rest += [argument, *queue]
            break
        name, equals, value = argument.partition("=")
        if name in _SILENT_INPUT and not equals:
            rest += [found for found in _SILENT_INPUT if found in own][:1]
        elif argument == "--skip-checks" and argument not in own:
            continue
        elif _takes_value(own.get(name[:2] if name[:2] == "-v" else name)):
            rest.append(argument)
        elif name == "--verbosity" and equals and value in _LEVELS:
            level = int(value)
        elif name in ("-v", "--verbosity") and not equals and queue and queue[0] in _LEVELS:
            level = int(queue.pop(0))
        elif name[:2] == "-v" and name[2:] in _LEVELS:
            level = int(name[2:])
        else:
            rest.append(argument)
    if level > 1 and "--verbose" in own:
        rest.insert(0, "--verbose")
    return Customary(rest, level == 0)


def take_options(command: click.Command, options: Mapping[str, Any]) -> Customary:
    """Return the options of ``call_command`` by the names of the command's parameters.

    Args:
        command: The command.
        options: By the names of parameters, or of options: ``check=True`` is ``--check``, whatever the parameter is called.
    """
    names = {param.name for param in command.params if param.name}
    by_option = {
        flag.lstrip("-").replace("-", "_"): param.name
        for param in command.params
        if isinstance(param, click.Option)
        for flag in param.opts
    }
    given = {name if name in names else by_option.get(name, name): value for name, value in options.items()}
    if "interactive" not in names and "interactive" in given:
        interactive = given.pop("interactive")
        if "noinput" in names:
            given.setdefault("noinput", not interactive)
    if "skip_checks" not in names:
        given.pop("skip_checks", None)
    level = 1
    if "verbosity" not in names:
        level = given.pop("verbosity", 1)
        if level > 1 and "verbose" in names:
            given.setdefault("verbose", True)
    return Customary(given, level == 0)


def _flags(command: click.Command) -> dict[str, click.Option]:
    return {flag: param for param in command.params if isinstance(param, click.Option) for flag in param.opts}


def _takes_value(option: click.Option | None) -> bool:
    return option is not None and not option.is_flag
