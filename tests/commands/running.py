"""A command of a project that runs until it is told to end: its output as it comes, and its end."""

from __future__ import annotations

import contextlib
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path


class Running:
    """``manage.py`` with these arguments, in a process of its own.

    Args:
        arguments: The command and what it takes.
        project: The folder of the project.
        environ: Its whole environment.
    """

    def __init__(self, *arguments: str, project: Path, environ: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=project,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            env=environ,
        )
        self.output = ""
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def until(self, text: str, timeout: float = 60.0) -> str:
        """Wait for a text, and return what came with it since the last wait."""
        deadline = time.monotonic() + timeout
        seen = ""
        while text not in seen:
            try:
                line = self._lines.get(timeout=max(deadline - time.monotonic(), 0.01))
            except queue.Empty:
                raise AssertionError(f"{text!r} did not come:\n{self.output}") from None
            if line is None:
                raise AssertionError(f"It ended before {text!r} came:\n{self.output}")
            self.output += line
            seen += line
        return seen

    def has_said(self, text: str) -> bool:
        """Whether a text has come by now, without waiting for it."""
        with contextlib.suppress(queue.Empty):
            while (line := self._lines.get_nowait()) is not None:
                self.output += line
            self._lines.put(None)  # the end, for whoever waits next
        return text in self.output

    def rest(self) -> str:
        """Return all that it writes until its end."""
        while (line := self._lines.get(timeout=60)) is not None:
            self.output += line
        return self.output

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal, and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)

    def close(self) -> None:
        """End it, whatever it does."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
