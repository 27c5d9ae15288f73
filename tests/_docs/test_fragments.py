"""The fragments of a page run as its reader would use them: inside a project.

A block marked ``{ .python .project }`` belongs to a fresh project ``mysite`` with the app ``blog`` of ``examples/``. With
``title="blog/schema.py"`` it is that file: all files of the page are written first, then ``manage.py check`` must find nothing, and
the tests among them must pass. Without a title it runs inside the project, with the models of ``blog`` imported and
``await`` at the top level, one block after another in one namespace; ``at_hand.py`` makes the rows, the user and the request
that fragments speak of.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import _forking
from tests._docs.blocks import Block, blocks_of
from tests._environ import unmeasured
from tests.conftest import repository_root

ROOT = repository_root()
AT_HAND = Path(__file__).parent / "at_hand.py"
PAGES = [page for page in sorted((ROOT / "docs").rglob("*.md")) if any(b.is_of_a_project for b in blocks_of(page))]

RUNNER = """
import ast
import asyncio
import inspect
import runpy
import sys
import types

import covet


async def main(page, blocks):
    from covet.db import connections
    from covet.db.migrations.execute import migrate_all

    await migrate_all(connections["default"], verbosity=0)
    # Classes of a fragment belong to the app, as if they stood in one of its modules.
    module = sys.modules["blog.page"] = types.ModuleType("blog.page")
    module.__package__ = "blog"
    vars(module).update(await runpy.run_path(AT_HAND)["at_hand"]())
    for line, text in blocks:
        code = compile("\\n" * (line - 1) + text, page, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        result = eval(code, vars(module))
        if inspect.isawaitable(result):
            await asyncio.wait_for(result, 30)


sys.path.insert(0, ".")
covet.run(main(PAGE, BLOCKS))
"""


class Project:
    """A scaffolded project with the app ``blog`` in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = unmeasured("COVET_", "PYTEST")
        self.environment = kept | {"COVET_SETTINGS_MODULE": "mysite.settings", "NO_COLOR": "1"}
        self.python("-m", "covet", "startproject", "mysite", ".")
        shutil.copytree(ROOT / "examples" / "blog" / "blog", folder / "blog")
        self.install("blog")

    def install(self, app: str) -> None:
        settings = self.folder / "mysite" / "settings.py"
        settings.write_text(settings.read_text().replace("INSTALLED_APPS = [", f'INSTALLED_APPS = [\n    "{app}",', 1))

    def write(self, block: Block) -> None:
        assert block.title
        path = self.folder / block.title
        for parent in reversed(path.relative_to(self.folder).parents[:-1]):
            (self.folder / parent).mkdir(exist_ok=True)
            if "templates" not in parent.parts:
                (self.folder / parent / "__init__.py").touch()
        if path.name == "settings.py":  # a page shows some settings, not all of them
            path.write_text(path.read_text() + "\n" + block.text)
        else:
            path.write_text(block.text)
        app = block.title.split("/")[0]
        if (
            app not in {"blog", "mysite", "tests"}
            and f'"{app}",' not in (self.folder / "mysite/settings.py").read_text()
        ):
            self.install(app)

    def python(self, *arguments: str, accept: tuple[int, ...] = (0,)) -> None:
        arguments = ("-W", "error::RuntimeWarning", *arguments)
        if "pytest" in arguments:
            done = subprocess.run(
                [sys.executable, *arguments],
                cwd=self.folder,
                env=self.environment,
                capture_output=True,
                text=True,
                timeout=120,
            )
        else:
            done = _forking.run(*arguments, cwd=self.folder, env=self.environment, timeout=120)
        assert done.returncode in accept, f"{' '.join(arguments)[:200]}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_fragments_of_a_page_work_in_a_project(page: Path, tmp_path: Path) -> None:
    """Files are checked and their tests pass; the other fragments run, one after another."""
    blocks = [block for block in blocks_of(page) if block.is_of_a_project]
    files = [block for block in blocks if block.title]
    project = Project(tmp_path)
    for block in files:
        project.write(block)

    if files:
        project.python("manage.py", "makemigrations", "--noinput")
        project.python("manage.py", "check", "--fail-level", "WARNING")
    if any("tests/" in (block.title or "") for block in files):
        project.python("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:schemathesis")

    fragments = [(block.line, block.text) for block in blocks if not block.title]
    if fragments:
        values = f"AT_HAND, PAGE, BLOCKS = {str(AT_HAND)!r}, {str(page)!r}, {fragments!r}"
        (tmp_path / "run_page.py").write_text(f"{values}\n{RUNNER}")
        project.python("run_page.py")
