"""The environment for a process that a test starts: nothing of the developer's own, and coverage measured in it too."""

from __future__ import annotations

import os


def bare(**more: str) -> dict[str, str]:
    """Return PATH, what coverage needs to follow into the process, and ``more``."""
    kept = {name: value for name, value in os.environ.items() if name == "PATH" or name.startswith("COVERAGE_")}
    return {**kept, **more}
