"""The conformance plugin tells what is shown from what is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests._environ import unmeasured
from tests.conformance.plugin import Group, Row, Shown, read_groups

ROW = Row("a.one", "One")
ANYWHERE = Row("a.any", "Anywhere", databases=())
GROUPS = (Group("A", (ROW, ANYWHERE)),)


def test_a_row_needs_a_passing_test_on_each_of_its_databases() -> None:
    shown = Shown()
    shown.passed["a.one", "postgresql"].add("tests/x.py")
    shown.passed["a.one", "sqlite"].add("tests/x.py")
    assert list(shown.missing(GROUPS)) == ["a.one: no passing test on MariaDB", "a.any: no passing test"]


def test_one_failing_test_unmakes_the_row_on_its_database() -> None:
    shown = Shown()
    for vendor in ("postgresql", "mysql", "sqlite"):
        shown.passed["a.one", vendor].add("tests/x.py")
    shown.passed["a.any", ""].add("tests/y.py")
    assert list(shown.missing(GROUPS)) == []
    shown.failed.add(("a.one", "sqlite"))
    assert list(shown.missing(GROUPS)) == ["a.one: no passing test on SQLite"]


def test_the_page_ticks_what_passed_and_names_the_files() -> None:
    shown = Shown()
    shown.passed["a.one", "mysql"].add("tests/x.py")
    assert "| One |   | ✓ |   | `tests/x.py` |" in shown.page(GROUPS)


def test_the_list_of_rows_refuses_an_unknown_database(tmp_path: Path) -> None:
    file = tmp_path / "rows.toml"
    file.write_text('[[group]]\nid = "g"\ntitle = "G"\nrows = [{ id = "x", title = "X", databases = ["oracle"] }]\n')
    with pytest.raises(pytest.UsageError, match="row 'x'"):
        read_groups(file)


def _run(folder: Path, mode: str, rows: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "rows.toml").write_text(f'[[group]]\nid = "g"\ntitle = "G"\nrows = [{rows}]\n')
    (folder / "conftest.py").write_text(
        "from pathlib import Path\nfrom tests.conformance import plugin\n"
        "here = Path(__file__).parent\nplugin.PAGE = here / 'page.md'\nplugin.UPDATED = here / 'build' / 'page.md'\n"
        "def pytest_configure(config):\n"
        "    plugin.register.__globals__['read_groups'] = lambda: plugin_read(here / 'rows.toml')\n"
        "    plugin.register(config)\n"
        "plugin_read = plugin.read_groups\n"
    )
    (folder / "test_it.py").write_text(
        "import pytest\n@pytest.mark.row('x.one')\n@pytest.mark.parametrize('vendor', ['sqlite', 'mysql'])\n"
        "def test_it(vendor): pass\n"
    )
    (folder / "pytest.ini").write_text("[pytest]\ntestpaths = .\nmarkers = row(*ids): rows\n")
    root = Path(__file__).resolve().parents[2]
    # Of the installed plugins none is needed, and to import them takes longer than all else.
    environment = unmeasured(COVET_CONFORMANCE=mode, PYTHONPATH=str(root), PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        cwd=folder,
        check=False,
    )


def test_a_run_fails_while_a_must_row_lacks_a_test(tmp_path: Path) -> None:
    both = '{ id = "x.one", title = "One", databases = ["sqlite", "mysql"] }'
    assert _run(tmp_path, "write", both).returncode == 0
    assert _run(tmp_path, "check", both).returncode == 0
    third = both.replace('"mysql"]', '"mysql", "postgresql"]')
    run = _run(tmp_path, "check", third)
    assert run.returncode == 1
    assert "x.one: no passing test on PostgreSQL" in run.stdout
    assert "conformance.md is out of date" in run.stdout
    assert _run(tmp_path, "check", third, "-m", "row").returncode == 1


@pytest.mark.parametrize(
    "arguments", [["-k", "it"], ["-m", "not soak"], ["test_it.py"], ["--collect-only"]], ids=" ".join
)
def test_a_run_of_some_tests_is_held_to_nothing_and_writes_nothing(tmp_path: Path, arguments: list[str]) -> None:
    lacking = '{ id = "x.one", title = "One" }'
    for mode in ("check", "write"):
        run = _run(tmp_path, mode, lacking, *arguments)
        assert run.returncode == 0, run.stdout
        assert "conformance:" not in run.stdout
    assert not (tmp_path / "page.md").exists()


def test_an_unknown_mode_is_refused(tmp_path: Path) -> None:
    run = _run(tmp_path, "wirte", '{ id = "x.one", title = "One" }')
    assert run.returncode == 4
    assert "'check' or 'write'" in run.stderr + run.stdout


def test_an_unknown_row_stops_the_collection(tmp_path: Path) -> None:
    run = _run(tmp_path, "", '{ id = "y.two", title = "Two" }')
    assert run.returncode == 4
    assert "no row 'x.one'" in run.stderr + run.stdout
