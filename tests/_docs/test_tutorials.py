"""A tutorial is walked as a reader would: its commands run, its titled blocks are written into files.

In a ``console`` block the lines that begin with ``$`` are commands; the lines below one must appear in its output, in
order (a line with ``…`` stands for anything). ``runserver`` is started in the background on a free port, which
replaces ``127.0.0.1:8000`` wherever the page says it, and is stopped at the page's end or before the next start.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests._docs.blocks import Block, blocks_of
from tests._environ import unmeasured
from tests._ports import free_port
from tests.conftest import repository_root

TUTORIALS = sorted((repository_root() / "docs" / "tutorial").glob("*.md"))


class Reader:
    """Somebody who types what the page says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        kept = unmeasured("COVET_", "PYTEST")
        self.environment = kept | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}", "NO_COLOR": "1"}

    def follow(self, block: Block) -> None:
        if block.title:
            path = self.folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.own_port(block.text), encoding="utf-8")
        elif block.language == "console":
            for command, expected in commands_of(block.text):
                self.type(command, expected, block.line)

    def own_port(self, text: str) -> str:
        return text.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}")

    def type(self, command: str, expected: list[str], line: int) -> None:
        command = self.own_port(command)
        if command.startswith("pip install"):
            return  # the checkout's own environment has it; tests/_e2e installs the wheels
        if "runserver" in command:
            self.serve(command)
            return
        parts = re.split(r"\s*&&\s*", command)
        for part in [part for part in parts if part.startswith("cd ")]:
            prefix = " && ".join(parts[: parts.index(part)])
            if prefix:
                self.type(prefix, [], line)
            self.folder = self.folder / part[3:].strip()
            parts = parts[parts.index(part) + 1 :]
        if not parts:
            return
        done = subprocess.run(
            " && ".join(parts),
            shell=True,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"line {line}: {command}\n{done.stdout}"
        rest = done.stdout
        for text in expected:
            pattern = re.escape(self.own_port(text)).replace("…", ".*?")
            found = re.search(pattern, rest, re.S)
            assert found, f"line {line}: {command}\nnot in its output: {text!r}\n{done.stdout}"
            rest = rest[found.end() :]

    def serve(self, command: str) -> None:
        self.stop()
        log = self.folder / "runserver.log"
        with log.open("w") as output:
            self.server = subprocess.Popen(
                [sys.executable, "manage.py", "runserver", f"127.0.0.1:{self.port}"],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self.server.poll() is None, f"{command} ended:\n{log.read_text()}"
            try:
                # The port is open before the project is loaded; an answer is what the reader waits for.
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=60):
                    return
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.05)
        pytest.fail(f"{command} did not answer:\n{log.read_text()}")

    def stop(self) -> None:
        if self.server is not None:
            self.server.send_signal(signal.SIGINT)
            self.server.wait(60)
            self.server = None


def commands_of(text: str) -> list[tuple[str, list[str]]]:
    """The commands of a console block, each with the lines that it must print."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:].split("   #")[0].strip(), []))
        elif line.startswith("> ") and found:
            command, expected = found.pop()
            found.append((f"{command}\n{line[2:]}", expected))
        elif line.strip() and line.strip() != "…" and found:
            found[-1][1].append(line.strip())
    return found


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_can_be_followed(page: Path, tmp_path: Path) -> None:
    """Every command succeeds and prints what the page shows."""
    reader = Reader(tmp_path)
    try:
        for block in blocks_of(page):
            reader.follow(block)
    finally:
        reader.stop()
