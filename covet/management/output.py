"""What commands print: results to stdout through ``out``, words for people to stderr through ``note``.

Colour, progress bars and questions are for terminals only; NO_COLOR turns colour off, FORCE_COLOR turns it on.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

import click

from covet.exceptions import CommandError
from covet.json import dumps

__all__ = ["Output", "confirm", "is_interactive", "note", "out", "quieten", "redirected", "style"]

_stdout: contextvars.ContextVar[TextIO | None] = contextvars.ContextVar("covet_stdout", default=None)
_stderr: contextvars.ContextVar[TextIO | None] = contextvars.ContextVar("covet_stderr", default=None)
_quiet: contextvars.ContextVar[bool] = contextvars.ContextVar("covet_quiet", default=False)


def wants_colour(stream: TextIO) -> bool:
    """Tell whether text on this stream may be coloured."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return hasattr(stream, "isatty") and stream.isatty() and os.environ.get("TERM") != "dumb"


def style(text: str, colour: str | None = None, *, bold: bool = False, dim: bool = False) -> str:
    """Return the text with colour codes; ``out`` and ``note`` take them out where colour is not wanted."""
    return click.style(text, fg=colour, bold=bold or None, dim=dim or None)


def is_interactive() -> bool:
    """Tell whether a person can be asked: stdin and stderr are terminals."""
    return bool(sys.stdin and sys.stdin.isatty() and sys.stderr.isatty())


def confirm(question: str, *, default: bool = False) -> bool:
    """Ask yes or no.

    Raises:
        CommandError: Nobody can be asked; exit code 3.
    """
    if not is_interactive():
        raise CommandError(f"An answer is needed, and there is no terminal to ask on: {question}", exit_code=3)
    return click.confirm(question, default=default, err=True)


def note(text: str = "", *, newline: bool = True) -> None:
    """Write words for a person to stderr; with ``--verbosity 0`` they are left out."""
    if _quiet.get():
        return
    stream = _stderr.get() or sys.stderr
    click.echo(text, file=stream, nl=newline, color=wants_colour(stream))


class Progress:
    """A progress bar on stderr; silent where there is no terminal."""

    def __init__(self, total: int, label: str) -> None:
        self._bar: Any = None
        self.total = total
        self.done = 0
        stream = _stderr.get() or sys.stderr
        if hasattr(stream, "isatty") and stream.isatty() and not _quiet.get():
            self._bar = click.progressbar(length=total, label=label, file=stream)

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.__exit__(*exc)

    def advance(self, steps: int = 1) -> None:
        """Say that so many more steps are done."""
        self.done += steps
        if self._bar is not None:
            self._bar.update(steps)


class Output:
    """Writes results to stdout; ``call_command(…, stdout=…)`` sends them elsewhere."""

    @property
    def stream(self) -> TextIO:
        """Where results go at the moment."""
        return _stdout.get() or sys.stdout

    def line(self, text: str = "", *, newline: bool = True) -> None:
        """Write one line."""
        click.echo(text, file=self.stream, nl=newline, color=wants_colour(self.stream))

    def done(self, text: str) -> None:
        """Write a line that tells what was done; with ``--verbosity 0`` it is left out."""
        if not _quiet.get():
            self.line(text)

    def json(self, value: Any) -> None:
        """Write the value as JSON, indented for people on a terminal and on one line for programs."""
        pretty = hasattr(self.stream, "isatty") and self.stream.isatty()
        self.line(dumps(value, indent=2 if pretty else None).decode())

    def table(self, rows: Sequence[Sequence[Any]], headers: Sequence[str] = ()) -> None:
        """Write rows in columns, the last one unpadded; nothing for no rows."""
        texts = [[_cell(cell) for cell in row] for row in rows]
        if not texts:
            return
        lines = [list(headers), *texts] if headers else texts
        widths = [max(len(click.unstyle(line[i])) for line in lines) for i in range(len(lines[0]))]
        for number, line in enumerate(lines):
            cells = [cell + " " * (width - len(click.unstyle(cell))) for cell, width in zip(line, widths, strict=True)]
            text = "  ".join(cells).rstrip()
            self.line(style(text, bold=True) if headers and number == 0 else text)

    def progress(self, total: int, label: str = "") -> Progress:
        """Return a progress bar to use in a ``with`` block: ``bar.advance(100)``."""
        return Progress(total, label)

    def pairs(self, values: Mapping[str, Any]) -> None:
        """Write names and values in two columns."""
        self.table([(name, value) for name, value in values.items()])


out = Output()


def quieten() -> None:
    """Leave out what ``note`` and ``out.done`` say, from here on in this task and those it starts."""
    _quiet.set(True)


@contextlib.contextmanager
def redirected(stdout: TextIO | None = None, stderr: TextIO | None = None, *, quiet: bool = False) -> Iterator[None]:
    """Send ``out`` and ``note`` to other streams inside the block, in this task only.

    Args:
        stdout: Where results go.
        stderr: Where words for people go.
        quiet: Leave out ``note`` and ``out.done``.
    """
    tokens = _stdout.set(stdout or _stdout.get()), _stderr.set(stderr or _stderr.get())
    loudness = _quiet.set(quiet or _quiet.get())
    try:
        yield
    finally:
        _stdout.reset(tokens[0])
        _stderr.reset(tokens[1])
        _quiet.reset(loudness)


def _cell(value: Any) -> str:
    return "" if value is None else str(value)
