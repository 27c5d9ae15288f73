"""``call_command``: runs a command from code, inside the running event loop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TextIO

import click

from covet.apps.lifecycle import setup, started
from covet.apps.part import AppPart
from covet.apps.registry import apps
from covet.conf import settings
from covet.exceptions import CommandError
from covet.loading import import_string
from covet.management.customary import take_options
from covet.management.decorator import Command
from covet.management.find import app_commands, builtin_commands, hint_for, normalize
from covet.management.load import load_command
from covet.management.output import redirected
from covet.management.part import ManagementPart
from covet.text import suggest

__all__ = ["call_command", "find_command", "started_parts"]


async def call_command(
    name: str | Command,
    *args: Any,
    stdout: TextIO | None = None,
    stderr: TextIO | None = None,
    **options: Any,
) -> Any:
    """Run a command and return what its function returns.

    ``await call_command("migrate", "blog", fake=True)`` is ``manage.py migrate blog --fake``. The command joins the
    running loop: what is open (a test's transaction, the server's pools) it uses, and what it needs besides is opened
    for it.

    Args:
        name: The command's name, or the command.
        args: Arguments, and options as on the command line.
        stdout: Where results go.
        stderr: Where words for people go.
        options: Options and arguments by the names of the function's parameters, or of the options: ``check=True`` is
            ``--check``. Every command takes Django's ``verbosity`` (0 says nothing that nobody needs), ``interactive``
            (false is ``--noinput``) and ``skip_checks``.

    Raises:
        CommandError: There is no such command, a parameter is wrong, or the command fails.
    """
    command = find_command(name) if isinstance(name, str) else name
    title = command.name or "command"
    known = {param.name: param for param in command.params if param.name}
    given, is_quiet = take_options(command, options)
    for option in given:
        if option not in known:
            near = suggest(option, [key for key in known if key])
            written = command.hints.get(f"--{option.replace('_', '-')}")
            hint = (
                f" {written}"
                if written
                else f" Did you mean '{near}'?"
                if near
                else f" It has: {', '.join(sorted(known)) or 'none'}."
            )
            raise CommandError(f"The command '{title}' has no option '{option}'.{hint}", exit_code=2)
    argv = [str(arg) for arg in args]
    try:
        context = command.make_context(title, argv, default_map=given)
    except click.exceptions.Exit:
        return None
    except click.UsageError as error:
        raise CommandError(f"{title}: {error.format_message()}", exit_code=2) from error
    with redirected(stdout, stderr, quiet=is_quiet):
        if not command.needs_settings:
            return await command.run(context)
        setup(command.parts)
        async with started(started_parts(command)):
            return await command.run(context)


def find_command(name: str) -> Command:
    """Return the command of that name.

    Raises:
        CommandError: There is none; suggests a near one. Exit code 2.
    """
    wanted = normalize(name)
    if apps.has_part(ManagementPart):
        known = apps.part(ManagementPart).all()
    else:
        known = {**builtin_commands(), **(app_commands(settings.INSTALLED_APPS) if settings.configured else {})}
    if wanted not in known:
        raise CommandError(unknown_command(name, known), exit_code=2)
    return load_command(known[wanted])


def unknown_command(name: str, known: Iterable[str]) -> str:
    """Say that there is no such command, and which one may be meant."""
    return f"There is no command '{name}'. {hint_for(name, known)}".rstrip()


def started_parts(command: Command) -> list[type[AppPart]] | None:
    """Return the part classes that run while a command does; None is all."""
    if command.starts is None:
        return None
    return [import_string(part) if isinstance(part, str) else part for part in command.starts]
