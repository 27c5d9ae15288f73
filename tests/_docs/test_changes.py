"""The fragments of the next release's notes are what towncrier and a reader expect."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import repository_root

ROOT = repository_root()
FRAGMENTS = [path for path in sorted((ROOT / "changes").iterdir()) if path.name != "README.md"]
KINDS = {
    "added": "Added|Made",
    "changed": "Changed|Made|Moved",
    "fixed": "Fixed|Made",
    "removed": "Removed",
    "deprecated": "Deprecated",
    "security": "Closed|Refused|Fixed|Made",
}


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.name)
def test_a_fragment_is_named_and_written_as_the_others_are(path: Path) -> None:
    """``<slug>.<kind>.md`` with a paragraph in the past tense that begins with what was done."""
    named = re.fullmatch(r"[a-z0-9-]+\.([a-z]+)\.md", path.name)
    assert named and named[1] in KINDS

    text = path.read_text(encoding="utf-8").strip()

    assert re.match(rf"({KINDS[named[1]]})\b", text), text
    assert text.endswith(".") and "\n\n" not in text


def test_towncrier_takes_all_of_them() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "next"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^- ", done.stdout, re.M)) == len(FRAGMENTS)
