"""Both type checkers agree with the marks in ``use.py``, and find nothing wrong with the journeys' code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
USE = HERE / "use.py"


def marked(checker: str) -> set[int]:
    """Numbers of the lines that must be errors."""
    lines = USE.read_text().splitlines()
    wanted = {"E"} if checker == "mypy" else {"E", "E pyright"}
    return {
        number
        for number, line in enumerate(lines, 1)
        if (found := re.search(r"# (E(?: pyright)?)$", line)) and found[1] in wanted
    }


def run_mypy(tmp_path: Path, *files: Path) -> set[tuple[str, int, str]]:
    command = [sys.executable, "-m", "mypy", "--strict", "--python-version", "3.11"]
    command += ["--cache-dir", str(tmp_path / "cache"), "--no-error-summary", "--hide-error-context"]
    done = subprocess.run([*command, *map(str, files)], cwd=ROOT, capture_output=True, text=True, check=False)
    names = {file.name for file in files}
    found = set()
    for line in done.stdout.splitlines():
        match = re.match(r"(.+?):(\d+)(?::\d+)?: error: (.*)", line)
        if match and Path(match[1]).name in names:
            found.add((Path(match[1]).name, int(match[2]), match[3]))
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return found


def run_pyright(*files: Path) -> set[tuple[str, int, str]]:
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, *map(str, files)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        report = json.loads(done.stdout)
    except json.JSONDecodeError:
        pytest.fail(f"pyright did not run: {done.stdout[-500:]}{done.stderr[-500:]}")
    return {
        (Path(found["file"]).name, found["range"]["start"]["line"] + 1, found["message"])
        for found in report["generalDiagnostics"]
        if found["severity"] == "error"
    }


def test_mypy_finds_exactly_the_marked_lines(tmp_path: Path) -> None:
    found = run_mypy(tmp_path, USE)
    assert {line for _name, line, _text in found} == marked("mypy"), found


def test_pyright_finds_exactly_the_marked_lines() -> None:
    found = run_pyright(USE)
    assert {line for _name, line, _text in found} == marked("pyright"), found
