"""The environments for processes that a test starts: nothing of the developer's own, and coverage measured in them or not."""

from __future__ import annotations

import os
from pathlib import Path

import coverage.config

_COVERAGE = "COVERAGE_"
# Python takes the bytecode of a module for its source's as long as the second of the last change and the size are the same: a
# test that writes a module anew within a second would run the old one.
_NO_BYTECODE = {"PYTHONDONTWRITEBYTECODE": "1"}
_SHARED = "COVERAGE_PROCESS_CONFIG"  # of coverage's own making: what it measures in other processes


def share_coverage() -> None:
    """Let the processes that tests start measure the same files as this one, but not look for those that nothing ran.

    Coverage goes through every file of a source when it ends, and writes down its name. Once in a run is enough.
    """
    if shared := os.environ.get(_SHARED):
        config = coverage.config.CoverageConfig.deserialize(shared)
        config.run_include = [str(Path(folder) / "*") for folder in config.source or []] + config.run_include
        config.source = None
        os.environ[_SHARED] = config.serialize()


def bare(*, measured: bool = True, **more: str) -> dict[str, str]:
    """Return PATH, what coverage needs to follow into the process if it is to be measured there, and ``more``.

    A process takes about twice as long under coverage: where other tests measure what it runs, or where none of it is ours,
    that would be time for nothing.
    """
    kept = {name: value for name, value in os.environ.items() if measured and name.startswith(_COVERAGE)}
    return {"PATH": os.environ["PATH"], **_NO_BYTECODE, **kept, **more}


def unmeasured(*but: str, **more: str) -> dict[str, str]:
    """Return our own environment without coverage and without the names that begin with one of ``but``, and ``more``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith((_COVERAGE, *but))}
    return {**kept, **_NO_BYTECODE, **more}
