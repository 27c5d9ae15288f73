"""Counts are of a process in which nobody has kept rows or results: writes are then not looked at."""

from __future__ import annotations

import pytest

from covet.db.freshness import freshness


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever earlier tests of this process have kept."""
    monkeypatch.setattr(freshness, "active", False)
