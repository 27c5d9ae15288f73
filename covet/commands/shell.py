"""A Python shell with the project loaded, its models imported, and await at the top level."""

from __future__ import annotations

import ast
import asyncio
import builtins
import code
import contextlib
import inspect
import sys
import traceback
import types
from collections.abc import Callable, Iterator
from typing import Any

import click

from covet import timezone
from covet.apps.lifecycle import started
from covet.apps.registry import apps
from covet.conf import settings
from covet.db import connection, models
from covet.db.models import functions
from covet.management.decorator import ALL, command
from covet.management.output import note
from covet.text import pluralize

__all__ = ["shell"]


@command(parts=ALL, owns_loop=True)
@click.option("--command", "-c", "source", help="Run this code, which may use await, and stop.")
@click.option("--no-imports", is_flag=True, help="Do not import the models.")
@click.option("--plain", is_flag=True, help="Use Python's own shell though IPython is installed.")
def shell(*, source: str | None, no_imports: bool, plain: bool) -> int | None:
    """Open a Python shell with the project's models imported and await at the top level."""
    names = {} if no_imports else imported_names()
    if source is None and not sys.stdin.isatty():
        source = sys.stdin.read()
    if source is not None:
        return _run_source(source, names)
    note(f"{pluralize(len(names), 'name')} imported: {', '.join(sorted(names))}." if names else "Nothing is imported.")
    if not plain:
        with contextlib.suppress(ImportError):
            from IPython.core.async_helpers import get_asyncio_loop

            _ipython(names, get_asyncio_loop)
            return None
    _plain(names)
    return None


def imported_names() -> dict[str, Any]:
    """Return every model by its name, ``settings``, ``apps`` and what queries are made of.

    Where two apps share a name, the first has it.
    """
    names: dict[str, Any] = {}
    for model in apps.get_models() if apps.all_models else []:
        names.setdefault(model.__name__, model)
    names.update({"settings": settings, "apps": apps})
    tools = {"connection": connection, "functions": functions, "models": models, "timezone": timezone}
    for name, tool in tools.items():
        names.setdefault(name, tool)
    return names


def _run_source(source: str, names: dict[str, Any]) -> int:
    compiled = compile(source, "<shell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    # With the built-ins, as exec() would add them: warnings that rise from these lines look there.
    namespace = {"__name__": "__main__", "__builtins__": builtins, **names}

    async def main() -> None:
        async with started():
            result = types.FunctionType(compiled, namespace)()
            if inspect.iscoroutine(result):
                await result

    try:
        asyncio.run(main())
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    return 0


@contextlib.contextmanager
def _open(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Start the parts on the loop that the shell's lines will run on, and close them there."""
    parts = started()
    loop.run_until_complete(parts.__aenter__())
    try:
        yield
    finally:
        loop.run_until_complete(parts.__aexit__(None, None, None))


def _ipython(names: dict[str, Any], get_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    from IPython import start_ipython

    with _open(get_loop()):
        start_ipython(argv=["--no-banner"], user_ns=names)


def _plain(names: dict[str, Any]) -> None:
    with asyncio.Runner() as runner:
        console = _Console(names, runner)
        with _open(runner.get_loop()), _completion(console.locals):
            console.interact(banner=f"Python {sys.version.split()[0]}, await works.", exitmsg="")


class _Console(code.InteractiveConsole):
    """Python's console whose lines may use await; each runs on the one loop of this shell."""

    locals: dict[str, Any]

    def __init__(self, names: dict[str, Any], runner: asyncio.Runner) -> None:
        super().__init__({"__name__": "__console__", "__doc__": None, "__builtins__": builtins, **names})
        self.runner = runner
        self.compile.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT

    def runcode(self, code: types.CodeType) -> None:
        """Run one statement and show what it raises."""
        try:
            result = types.FunctionType(code, self.locals)()
            if inspect.iscoroutine(result):
                # The runner cancels it on Ctrl-C; the loop alone would leave it running behind the next line.
                self.runner.run(result)
        except SystemExit:
            raise
        except KeyboardInterrupt:
            print("KeyboardInterrupt", file=sys.stderr)
        except BaseException as error:
            traceback.print_exception(error.with_traceback(_from_console(error.__traceback__)))


def _from_console(trace: types.TracebackType | None) -> types.TracebackType | None:
    """The traceback from the typed line on: how the shell ran it is of no interest."""
    found = trace
    while found is not None and found.tb_frame.f_code.co_filename != "<console>":
        found = found.tb_next
    return found or trace


@contextlib.contextmanager
def _completion(names: dict[str, Any]) -> Iterator[None]:
    """Let Tab complete names, where the system has readline."""
    try:
        import readline
        import rlcompleter
    except ImportError:
        yield
        return
    before = readline.get_completer()
    readline.set_completer(rlcompleter.Completer(names).complete)
    readline.parse_and_bind("tab: complete")
    try:
        yield
    finally:
        readline.set_completer(before)
