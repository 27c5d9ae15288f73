"""Both type checkers agree with the marks in ``use.py``, and find nothing wrong with the journeys' code."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests._environ import unmeasured

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
USE = HERE / "use.py"
JOURNEYS = ROOT / "tests" / "_journeys"


def marked(checker: str) -> set[int]:
    """Numbers of the lines that must be errors."""
    lines = USE.read_text().splitlines()
    wanted = {"E"} if checker == "mypy" else {"E", "E pyright"}
    return {
        number
        for number, line in enumerate(lines, 1)
        if (found := re.search(r"# (E(?: pyright)?)$", line)) and found[1] in wanted
    }


@pytest.fixture(scope="session")
def mypy_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all runs, with what ``make types`` has found already: most of the time goes into reading Covet itself.

    mypy reads anew what has changed since. It is a copy, as somebody may be running mypy meanwhile.
    """
    cache = tmp_path_factory.mktemp("mypy")
    if (found := ROOT / ".mypy_cache").is_dir():
        shutil.copytree(found, cache, dirs_exist_ok=True)
    return cache


def run_mypy(cache: Path, *files: Path, cwd: Path = ROOT) -> set[tuple[str, int, str]]:
    command = [sys.executable, "-m", "mypy", "--strict", "--python-version", "3.11"]
    command += ["--cache-dir", str(cache), "--no-error-summary", "--hide-error-context"]
    command += ["--config-file", str(ROOT / "pyproject.toml"), "--explicit-package-bases", "--namespace-packages"]
    environment = unmeasured(MYPYPATH=str(cwd))
    done = subprocess.run(
        [*command, *map(str, files)], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    names = {file.name for file in files}
    found = set()
    for line in done.stdout.splitlines():
        match = re.match(r"(.+?):(\d+)(?::\d+)?: error: (.*)", line)
        if match and Path(match[1]).name in names:
            found.add((Path(match[1]).name, int(match[2]), match[3]))
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return found


def run_pyright(*files: Path, cwd: Path = ROOT) -> set[tuple[str, int, str]]:
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, *map(str, files)],
        cwd=cwd,
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


@pytest.mark.row("typing")
def test_mypy_finds_exactly_the_marked_lines(mypy_cache: Path) -> None:
    found = run_mypy(mypy_cache, USE)
    assert {line for _name, line, _text in found} == marked("mypy"), found


@pytest.mark.row("typing")
def test_pyright_finds_exactly_the_marked_lines() -> None:
    found = run_pyright(USE)
    assert {line for _name, line, _text in found} == marked("pyright"), found


def test_mypy_finds_nothing_in_the_code_of_the_journeys(mypy_cache: Path) -> None:
    assert run_mypy(mypy_cache, *sorted(JOURNEYS.rglob("*.py")), cwd=JOURNEYS) == set()


def test_pyright_finds_nothing_in_the_code_of_the_journeys() -> None:
    assert run_pyright(*sorted(JOURNEYS.rglob("*.py")), cwd=JOURNEYS) == set()
