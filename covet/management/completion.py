"""Shell completion: click's own protocol over a group whose commands are loaded when one is completed."""

from __future__ import annotations

import os
from typing import Any

import click
from click.shell_completion import get_completion_class

from covet.exceptions import CommandError, CovetError
from covet.management.find import COMPLETE, Found, known_commands, normalize
from covet.management.load import load_command

__all__ = ["SHELLS", "complete", "source"]

SHELLS = ("bash", "zsh", "fish")


class _Commands(click.Group):
    """Every command, by the names of the files."""

    def __init__(self) -> None:
        super().__init__(
            params=[
                click.Option(["--settings"], metavar="MODULE"),
                click.Option(["--pythonpath"], type=click.Path(file_okay=False)),
                click.Option(["--traceback"], is_flag=True),
                click.Option(["--no-color"], is_flag=True),
                click.Option(["--force-color"], is_flag=True),
                click.Option(["--verbosity", "-v"], type=click.IntRange(0, 3)),
                click.Option(["--version"], is_flag=True),
            ]
        )
        self._found: dict[str, Found] = known_commands()[0]

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names; no command is imported for them."""
        return sorted(self._found)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command. While names are completed only its summary is needed, so nothing is imported."""
        found = self._found.get(normalize(cmd_name))
        if found is None:
            return None
        words = os.environ.get("COMP_WORDS", "").split()
        if cmd_name not in words and normalize(cmd_name) not in [normalize(word) for word in words]:
            return click.Command(found.name, help=found.summary, add_help_option=False)
        try:
            return load_command(found)
        except (CovetError, ImportError):
            return click.Command(found.name)


def complete(program: str) -> int:
    """Answer the shell's request for completions, or print the script that makes it ask."""
    variable = next(name for name in COMPLETE if name in os.environ)
    instruction = os.environ[variable]
    action, _, shell = instruction.rpartition("_") if instruction.endswith(SHELLS) else ("", "", "")
    if not shell:
        action, _, shell = _split(instruction)
    kind = get_completion_class(shell)
    if kind is None:
        return 1
    name = program.rsplit(maxsplit=1)[-1]
    completion = kind(_Commands(), {}, name, variable)
    click.echo(completion.source() if action == "source" else completion.complete())
    return 0


def source(shell: str, program: str) -> str:
    """Return the script that makes ``shell`` complete the program.

    Raises:
        CommandError: The shell is none that can be completed, or is too old.
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise CommandError(f"There is no completion for '{shell}'. Known are {', '.join(SHELLS)}.", exit_code=2)
    variable = "_MANAGE_PY_COMPLETE" if program == "manage.py" else "_COVET_ADMIN_COMPLETE"
    made: Any = kind(_Commands(), {}, program, variable)
    # click asks bash for its version before it writes the script; the script itself works without the question.
    made._check_version = lambda: None
    return str(made.source())


def _split(instruction: str) -> tuple[str, str, str]:
    """Both orders are in use: ``bash_source`` (click 8) and ``source_bash`` (older scripts)."""
    first, mark, second = instruction.partition("_")
    return (second, mark, first) if first in SHELLS else (first, mark, second)
