"""The Python blocks of every page run, one after another, in one fresh interpreter a page.

A block marked ``{ .python .project }`` runs in a project (``test_fragments.py``), one marked ``{ .python .notest }`` is
left out: a fragment that shows a shape, not a program. Tutorials are walked by ``test_tutorials.py`` instead.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import _forking
from tests._docs.blocks import blocks_of
from tests._environ import unmeasured
from tests.conftest import repository_root

ROOT = repository_root()
PAGES = [
    ROOT / "README.md",
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if page.parent.name != "tutorial"),
]


def runnable(page: Path) -> list[tuple[int, str]]:
    return [
        (block.line, block.text)
        for block in blocks_of(page)
        if block.language == "python" and not block.title and not block.is_of_a_project
    ]


@pytest.mark.parametrize(
    "page", [page for page in PAGES if runnable(page)], ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_the_python_blocks_of_a_page_run(page: Path, tmp_path: Path) -> None:
    """Each block compiles with its own line numbers, so that a traceback points into the page."""
    program = "namespace = globals()\n" + "".join(
        f"exec(compile({chr(10) * (line - 1) + text!r}, {str(page)!r}, 'exec'), namespace)\n"
        for line, text in runnable(page)
    )
    environment = unmeasured("COVET_S")

    done = _forking.run("-W", "error::RuntimeWarning", "-c", program, cwd=tmp_path, env=environment, timeout=120)

    assert done.returncode == 0, f"{page}:\n{done.stdout}\n{done.stderr}"
