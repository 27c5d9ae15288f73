"""All tests run, and coverage counts what is the same on three databases once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests._environ import unmeasured

PROJECT = {
    "conftest.py": """
from tests._measuring import Measuring

def pytest_configure(config):
    config.pluginmanager.register(Measuring())
""",
    "mine.py": """
import sys

def ran(where):
    if where == "sqlite":
        return 1
    if where == "mysql":
        return 2
    if where == "a process of sqlite":
        return 3
    if where == "a process of mysql":
        return 4
    if where == "mysql alone":
        return 5
    if where == "a page":
        return 6
    if where == "values":
        return 7
    if where == "plain":
        return 8
    if where == "a backend of mysql":
        return 9

if __name__ == "__main__":
    ran(sys.argv[1])
""",
    "tests/test_it.py": """
import subprocess, sys
import pytest
from hypothesis import given, strategies
from mine import ran

@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def vendor(request):
    assert ran(request.param) or request.param == "postgresql"  # what a fixture runs counts with its test
    return request.param

def test_on_each(vendor):
    subprocess.run([sys.executable, "mine.py", f"a process of {vendor}"], check=True)

@pytest.mark.parametrize("vendor", ["mysql"])
def test_on_one(vendor):
    assert ran("mysql alone")

@given(strategies.none())
def test_values(_):
    assert ran("values")

def test_plain():
    assert ran("plain")
""",
    "tests/_docs/test_it.py": "from mine import ran\ndef test_page(): assert ran('a page')\n",
    "tests/db/backends/test_it.py": """
import pytest
from mine import ran
@pytest.mark.parametrize("vendor", ["sqlite", "mysql"])
def test_backend(vendor): assert ran(f"a backend of {vendor}") or vendor == "sqlite"
""",
    "pyproject.toml": """
[tool.pytest.ini_options]
addopts = "--import-mode=importlib"
pythonpath = ["."]
[tool.coverage.run]
source = ["."]
omit = ["tests/*", "conftest.py"]
parallel = true
core = "CORE"
patch = ["subprocess"]
""",
}


# What each core measures, by the numbers that the lines of mine.py return. The second leaves this process alone: only what runs
# in the process of a test that is not measured stays out.
MEASURED = {"ctrace": set("13589"), "sysmon": set("12356789")}
CORES = ["ctrace", "sysmon"] if sys.version_info >= (3, 14) else ["ctrace"]


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("workers", ["0", "2"])
def test_each_test_runs_and_the_first_of_its_kind_is_measured(tmp_path: Path, workers: str, core: str) -> None:
    for name, text in PROJECT.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text.replace("CORE", core))
    # Of the installed plugins only these: to import all takes longer than the tests.
    plain = ["-p", "no:cacheprovider", "-p", "pytest_cov", "-p", "xdist"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plain, "-n", workers, "--cov", "--cov-report=json"],
        cwd=tmp_path,
        env=unmeasured("PYTEST", PYTHONPATH=str(Path(__file__).parents[2]), PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"),
        capture_output=True,
        text=True,
    )
    assert "9 passed" in run.stdout, run.stdout + run.stderr
    lines = (tmp_path / "mine.py").read_text().splitlines()
    executed = json.loads((tmp_path / "coverage.json").read_text())["files"]["mine.py"]["executed_lines"]
    returned = {line.split()[1] for number, line in enumerate(lines, 1) if number in executed and "return " in line}
    assert returned == MEASURED[core]
