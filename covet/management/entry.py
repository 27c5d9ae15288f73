"""From ``argv`` to a command that has run: what ``covet-admin``, ``manage.py`` and ``python -m covet`` call.

Nothing heavy is imported at the top: listing commands needs neither click nor settings.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from covet import __version__
from covet.exceptions import CommandError, CovetError
from covet.management.find import COMPLETE, Found, hint_for, known_commands, normalize

if TYPE_CHECKING:
    from covet.management.decorator import Command

__all__ = ["main"]

DONE, FAILED, USAGE = 0, 1, 2
HELP = frozenset({"--help", "-h", "help"})

OPTIONS = """\
Options of every command:
  --settings MODULE   the settings module, for example mysite.settings
  --pythonpath PATH   a folder to import from
  --traceback         show the whole traceback of an error
  --no-color          write no colours (so does NO_COLOR); --force-color writes them into files and pipes too
  -v, --verbosity N   0 leaves out what is said for people only; of some commands 2 tells more
  --version           the version of Covet
  --help              this list, or a command's own help"""


def main(argv: list[str] | None = None) -> NoReturn:
    """Run the command that the arguments name, and exit: 0 done, 1 failed, 2 wrong usage, 3 would need an answer.

    Args:
        argv: The arguments, program first; ``sys.argv`` by default.
    """
    sys.exit(run(sys.argv if argv is None else argv))


def run(argv: list[str]) -> int:
    """Run the command that the arguments name and return the exit code."""
    program = _program(argv[0])
    # `manage.py` puts its folder first on the path; the installed script and `-m` look in the current one.
    if str(Path.cwd()) not in sys.path and "" not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    if any(variable in os.environ for variable in COMPLETE):
        from covet.management.completion import complete

        return complete(program)
    try:
        arguments, traceback = _common_options(argv[1:])
    except CommandError as error:
        return _fail(str(error), error.exit_code)
    try:
        return _dispatch(program, arguments)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader (`| head`) has gone: point stdout elsewhere, so that the interpreter's last flush is quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:  # the edge of the process: every error becomes one line, or a traceback on demand
        if traceback:
            import traceback as printer

            printer.print_exc()
            return error.exit_code if isinstance(error, CommandError) else FAILED
        return _report(error)


def _dispatch(program: str, arguments: list[str]) -> int:
    if not arguments or (arguments[0] in HELP and len(arguments) == 1):
        print(_help(program))
        return DONE
    if arguments[0] == "--version":
        print(__version__)
        return DONE
    if arguments[0] == "help":
        arguments = [arguments[1], "--help"]
    name = arguments[0]
    if name.startswith("-"):
        return _fail(f"There is no option '{name}'. `{program} --help` lists the options.", USAGE)
    known, trouble = known_commands()
    found = known.get(normalize(name))
    if found is None:
        hint = hint_for(name, known) or f"`{program} --help` lists the commands."
        also = f"\nNot all commands of the project's apps are known: {trouble}" if trouble else ""
        return _fail(f"There is no command '{name}'. {hint}{also}", USAGE)
    return _run_command(program, found, arguments[1:])


def _run_command(program: str, found: Found, arguments: list[str]) -> int:
    import click

    from covet.management.customary import take_arguments
    from covet.management.load import load_command
    from covet.management.output import quieten

    command = load_command(found)
    arguments, is_quiet = take_arguments(command, arguments)
    if is_quiet:
        quieten()
    try:
        context = command.make_context(f"{program} {found.name}", arguments)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.UsageError as error:
        return _usage(error)
    try:
        result = _execute(command, context)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.exceptions.Abort:
        return _fail("Stopped.", FAILED)
    except click.UsageError as error:
        return _usage(error)
    except click.ClickException as error:
        return _fail(error.format_message(), error.exit_code)
    return result if isinstance(result, int) and not isinstance(result, bool) else DONE


def _execute(command: Command, context: Any) -> Any:
    """Load what the command needs, and run it; the event loop of a command lives here and nowhere else."""
    import asyncio

    if not command.needs_settings:
        if command.owns_loop:
            return command.start(context)
        return asyncio.run(command.run(context))
    from covet.apps.lifecycle import setup, started
    from covet.management.call import started_parts

    setup(command.parts)
    if command.owns_loop:
        return command.start(context)

    async def body() -> Any:
        async with started(started_parts(command)):
            return await command.run(context)

    return asyncio.run(body())


def _common_options(arguments: list[str]) -> tuple[list[str], bool]:
    """Take out the options that every command has, wherever they stand before ``--``."""
    rest: list[str] = []
    traceback = False
    queue = list(arguments)
    while queue:
        argument = queue.pop(0)
        name, equals, value = argument.partition("=")
        if argument == "--":
            rest += [argument, *queue]
            break
        if name in ("--settings", "--pythonpath"):
            if not equals:
                if not queue:
                    raise CommandError(f"The option '{name}' needs a value.", exit_code=USAGE)
                value = queue.pop(0)
            if name == "--settings":
                os.environ["COVET_SETTINGS_MODULE"] = value
            else:
                sys.path.insert(0, value)
        elif argument == "--traceback":
            traceback = True
        elif argument == "--no-color":
            os.environ["NO_COLOR"] = "1"
        elif argument == "--force-color":
            os.environ["FORCE_COLOR"] = "1"
        else:
            rest.append(argument)
    return rest, traceback


def _help(program: str) -> str:
    commands, trouble = known_commands()
    by_app: dict[str, list[Found]] = {}
    for found in sorted(commands.values()):
        by_app.setdefault(found.app, []).append(found)
    width = max((len(name) for name in commands), default=0)
    lines = [f"Covet {__version__}", "", f"Usage: {program} COMMAND [OPTIONS] [ARGUMENTS]"]
    for app in sorted(by_app, key=lambda name: (name != "covet", name)):
        lines += ["", "Commands:" if app == "covet" else f"Commands of {app}:"]
        lines += [f"  {found.name:<{width}}  {found.summary}".rstrip() for found in by_app[app]]
    if trouble:
        lines += ["", f"Not all commands of the project's apps are listed: {trouble}"]
    return "\n".join([*lines, "", OPTIONS, "", f"`{program} COMMAND --help` says more about one."])


def _program(path: str) -> str:
    name = Path(path).name
    if name == "__main__.py":
        return "python -m covet"
    return f"python {name}" if name.endswith(".py") else name


def _usage(error: Any) -> int:
    import click

    context, text = error.ctx, error.format_message()
    if context is not None:
        print(context.get_usage(), file=sys.stderr)
        print(f"Try '{context.command_path} --help'.\n", file=sys.stderr)
        if isinstance(error, click.NoSuchOption):
            hint = context.command.hints.get(error.option_name)
            if hint is not None:
                text = f"No such option '{error.option_name}'. {hint}"
            elif not error.possibilities:
                options = [one.opts[0] for one in context.command.params if isinstance(one, click.Option)]
                text += f" It has: {', '.join([*options, '--help'])}."
    return _fail(text, USAGE)


def _report(error: Exception) -> int:
    if isinstance(error, CommandError):
        return _fail(str(error), error.exit_code)
    if isinstance(error, CovetError):
        return _fail(str(error), FAILED)
    from covet.porting.hints import import_hint, use_hint  # only a mistake needs them
    from covet.porting.twins import explain_twin

    explain_twin(error)
    where = ""
    current = error.__traceback__
    while current is not None:
        where = f"{current.tb_frame.f_code.co_filename}, line {current.tb_lineno}"
        current = current.tb_next
    hint = import_hint(error) or use_hint(error)
    text = " ".join([f"{error}.{hint}" if hint else f"{error}", *getattr(error, "__notes__", ())])
    return _fail(
        f"{type(error).__name__}: {text} ({where}). Run it again with --traceback to see how it came to that.", FAILED
    )


def _fail(message: str, code: int) -> int:
    word = "Error:"
    if sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        word = f"\x1b[31m{word}\x1b[0m"
    print(f"{word} {message}", file=sys.stderr)
    return code
