"""The environments for processes that a test starts: nothing of the developer's own, and coverage measured in them or not."""

from __future__ import annotations

import os

_COVERAGE = "COVERAGE_"


def bare(*, measured: bool = True, **more: str) -> dict[str, str]:
    """Return PATH, what coverage needs to follow into the process if it is to be measured there, and ``more``.

    A process takes about twice as long under coverage: where other tests measure what it runs, or where none of it is ours,
    that would be time for nothing.
    """
    kept = {name: value for name, value in os.environ.items() if measured and name.startswith(_COVERAGE)}
    return {"PATH": os.environ["PATH"], **kept, **more}


def unmeasured(*but: str, **more: str) -> dict[str, str]:
    """Return our own environment without coverage and without the names that begin with one of ``but``, and ``more``."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith((_COVERAGE, *but))}, **more}
