"""The conformance page: which tests show which promise of the ORM, on which database.

A test says what it shows by ``@pytest.mark.row("queries.raw")`` (ids of ``rows.toml``). The database is the test's
``vendor`` parameter; a test that works on one database alone says so by ``on=``. With ``COVET_CONFORMANCE=check``
(``make test``) a run of the whole suite fails when a "must" row has no passing test on one of its databases, and says so
when ``docs/reference/conformance.md`` is out of date; ``COVET_CONFORMANCE=write`` (``make conformance``) writes the page. A run of some tests only (paths, ``-k``, ``-m``, …) is held to nothing and writes nothing; ``-m row`` is
a whole run too: it takes every test that shows a row.
"""

from __future__ import annotations

import os
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROWS = Path(__file__).with_name("rows.toml")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "conformance.md"
UPDATED = PAGE.parents[2] / "build" / "conformance.md"
VENDORS = {"postgresql": "PostgreSQL", "mysql": "MariaDB", "sqlite": "SQLite"}
_PROPERTY = "covet_row"

_HEAD = """# What the ORM promises, and what shows it

Each row is a promise, each tick a test that passed on that database in the run that wrote this page. A dash means that
the row does not apply there. The build fails while a promise lacks its tests.
"""


@dataclass(frozen=True)
class Row:
    """One promise: where it applies, and whether the build insists on it."""

    id: str
    title: str
    level: str = "must"
    databases: tuple[str, ...] = tuple(VENDORS)


@dataclass(frozen=True)
class Group:
    """Rows that belong together on the page."""

    title: str
    rows: tuple[Row, ...]


def read_groups(path: Path = ROWS) -> tuple[Group, ...]:
    """The groups of ``rows.toml``; a wrong level, database or a repeated id is an error."""
    groups, seen = [], set()
    for table in tomllib.loads(path.read_text())["group"]:
        rows = []
        for entry in table["rows"]:
            row = Row(**{**entry, "databases": tuple(entry.get("databases", VENDORS))})
            if row.id in seen or row.level not in ("must", "should") or not set(row.databases) <= set(VENDORS):
                raise pytest.UsageError(f"rows.toml: row {row.id!r} is repeated, or its level or databases are unknown")
            seen.add(row.id)
            rows.append(row)
        groups.append(Group(table["title"], tuple(rows)))
    return tuple(groups)


@dataclass
class Shown:
    """What passed and failed: test files by row and database ("" for a test without one)."""

    passed: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    failed: set[tuple[str, str]] = field(default_factory=set)

    def shows(self, row: Row, vendor: str) -> bool:
        """Whether tests of this row passed on this database, and none failed there."""
        return bool(self.passed.get((row.id, vendor))) and (row.id, vendor) not in self.failed

    def missing(self, groups: Iterable[Group]) -> Iterator[str]:
        """The "must" rows that no test shows, with the database that lacks it."""
        for row in (row for group in groups for row in group.rows if row.level == "must"):
            if not row.databases and not any(self.shows(row, vendor) for vendor in ("", *VENDORS)):
                yield f"{row.id}: no passing test"
            for vendor in row.databases:
                if not self.shows(row, vendor):
                    yield f"{row.id}: no passing test on {VENDORS[vendor]}"

    def page(self, groups: Iterable[Group]) -> str:
        """The page in Markdown."""
        parts = [_HEAD]
        for group in groups:
            parts.append(f"\n## {group.title}\n\n| Promise | {' | '.join(VENDORS.values())} | Shown by |\n")
            parts.append("|---|:-:|:-:|:-:|---|\n")
            for row in group.rows:
                files = sorted({file for (id, _), files in self.passed.items() if id == row.id for file in files})
                cells = [self._cell(row, vendor) for vendor in VENDORS]
                shown = "<br>".join(f"`{file}`" for file in files) or "nothing yet"
                title = row.title.replace("|", "\\|")
                parts.append(f"| {title} | {' | '.join(cells)} | {shown} |\n")
        return "".join(parts)

    def _cell(self, row: Row, vendor: str) -> str:
        if self.shows(row, vendor) or (not row.databases and any(self.shows(row, v) for v in ("", *VENDORS))):
            return "✓"
        return " " if vendor in row.databases or not row.databases else "–"


class Conformance:
    """Marks each test with its rows when it is collected, and gathers the outcomes where the run is reported."""

    def __init__(self, groups: tuple[Group, ...], mode: str) -> None:
        self.groups = groups
        self.mode = mode
        self.shown = Shown()
        self.problems: list[str] = []
        self.notes: list[str] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Note rows and database on each test: its report carries them to the process that sums up."""
        known = {row.id for group in self.groups for row in group.rows}
        for item in items:
            for mark in item.iter_markers("row"):
                unknown = [id for id in mark.args if id not in known]
                if unknown:
                    raise pytest.UsageError(f"{item.nodeid}: no row {unknown[0]!r} in tests/conformance/rows.toml")
                params = getattr(getattr(item, "callspec", None), "params", {})
                vendor = mark.kwargs.get("on") or params.get("vendor", "")
                vendors = (vendor,) if isinstance(vendor, str) else tuple(vendor)
                item.user_properties.extend((_PROPERTY, f"{id} {name}") for id in mark.args for name in vendors)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the outcome of a test for its rows."""
        if report.when != "call" and report.passed:
            return
        for name, value in report.user_properties:
            if name == _PROPERTY:
                id, _, vendor = str(value).partition(" ")
                if report.passed:
                    self.shown.passed[id, vendor].add(report.nodeid.partition("::")[0])
                elif report.failed:
                    self.shown.failed.add((id, vendor))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the page, or hold the run to it."""
        if hasattr(session.config, "workerinput"):
            return
        page = self.shown.page(self.groups)
        if self.mode == "write":
            PAGE.write_text(page)
        elif not PAGE.is_file() or PAGE.read_text() != page:
            # No failure: a test that moved changes the page, and takes no promise back.
            UPDATED.parent.mkdir(exist_ok=True)
            UPDATED.write_text(page)
            self.notes.append(f"docs/reference/conformance.md is out of date; what it should say is in {UPDATED}")
        self.problems[:0] = self.shown.missing(self.groups)
        if self.problems and session.exitstatus == 0:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say what is missing."""
        for problem in self.problems:
            terminalreporter.write_line(f"conformance: {problem}", red=True)
        for note in self.notes:
            terminalreporter.write_line(f"conformance: {note}", yellow=True)


def is_whole(config: pytest.Config) -> bool:
    """Whether the run takes every test that shows a row."""
    option = config.option
    some = ("keyword", "lf", "stepwise", "deselect", "ignore", "ignore_glob", "collectonly")
    if config.args_source is not pytest.Config.ArgsSource.TESTPATHS or option.markexpr not in ("", "row"):
        return False
    return not any(getattr(option, name, None) for name in some)


def register(config: pytest.Config) -> None:
    """Add the plugin to this run; without ``COVET_CONFORMANCE``, or for some tests only, it just refuses unknown rows."""
    # Taken out: it is no setting, and projects that tests run in processes of their own would say so.
    mode = os.environ.pop("COVET_CONFORMANCE", "")
    if mode not in ("", "check", "write"):
        raise pytest.UsageError(f"COVET_CONFORMANCE is 'check' or 'write', not {mode!r}.")
    plugin = Conformance(read_groups(), mode)
    if not mode or not is_whole(config):
        plugin.pytest_sessionfinish = lambda session: None  # type: ignore[method-assign]
    config.pluginmanager.register(plugin, "covet-conformance")
