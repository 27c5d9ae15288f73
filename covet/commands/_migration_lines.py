"""Prints how far a run of ``migrate`` is: a line for each migration, and at a terminal a bar with the operation of the moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from covet.management.output import note, out, style

if TYPE_CHECKING:
    from covet.db.migrations.execute import Step
    from covet.db.migrations.operations.base import Operation

__all__ = ["MigrationLines"]

_BAR = 20


class MigrationLines:
    """Prints each migration on a line, its end once it is done.

    Args:
        verbosity: From 2 on each operation has a line with its time.
    """

    def __init__(self, verbosity: int = 1) -> None:
        self._verbosity = verbosity
        self._total = self._done = 0
        self._line = ""
        self._is_shown = False

    def planned(self, steps: Sequence[Step]) -> None:
        """Know how much there is to do."""
        self._total = sum(len(step.migration.operations) for step in steps)

    def started(self, step: Step, *, fake: bool) -> None:
        """Begin the line of a migration."""
        self._line = f"  {'Unapplying' if step.backwards else 'Applying'} {step.migration}… "
        out.line(self._line, newline=self._verbosity > 1)
        out.stream.flush()

    def operation(self, operation: Operation, duration_s: float | None) -> None:
        """Move the bar or, when each operation has a line, print it."""
        if duration_s is not None:
            self._done += 1
        if self._verbosity > 1:
            if duration_s is not None:
                out.line(f"    {operation.symbol} {operation.describe()} ({duration_s * 1000:.0f} ms)")
        elif duration_s is None and out.stream.isatty() and self._total:
            filled = _BAR * self._done // self._total
            bar = "━" * filled + "·" * (_BAR - filled)
            text = f"{self._line}{bar} {self._done}/{self._total} {operation.describe()}"
            out.line(f"\r\x1b[2K{text[: _width()]}", newline=False)
            out.stream.flush()
            self._is_shown = True

    def finished(self, step: Step, *, fake: bool, duration_s: float) -> None:
        """End the line of a migration."""
        self._end(style("FAKED", "yellow") if fake else f"{style('OK', 'green')} ({duration_s * 1000:.0f} ms)")

    def failed(self) -> None:
        """End the line of a migration that failed."""
        self._end(style("FAILED", "red"))

    def resumed(self, step: Step) -> None:
        """Say that an earlier run was stopped in the middle of it."""
        note(f"An earlier run was stopped in the middle of {step.migration}; going on from there.")

    def retried(self, step: Step, pause_s: float) -> None:
        """Say that a lock was not granted."""
        note(f"{step.migration} did not get a lock in time and let the others go first; again in {pause_s:.1f} s.")

    def waiting(self) -> None:
        """Say that another process is at work."""
        note("Another process is migrating this database; waiting for it.")

    def synced(self, tables: Sequence[str]) -> None:
        """Print the tables of apps without migrations."""
        for table in tables:
            out.line(f"  Created table {table}")

    def _end(self, text: str) -> None:
        if self._is_shown:
            out.line(f"\r\x1b[2K{self._line}", newline=False)
            self._is_shown = False
        out.line(f"    {text}" if self._verbosity > 1 else text)


def _width() -> int:
    import shutil

    return shutil.get_terminal_size().columns - 1
