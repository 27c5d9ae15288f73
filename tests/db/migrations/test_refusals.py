"""What ``makemigrations`` cannot do: one clear line with the way out, an exit code, and no file."""

from __future__ import annotations

import pytest

from tests.db.migrations.test_processes import Project

PARENT = """
from covet.db import models

class Base(models.Model):
    name = models.CharField(max_length=20)

class Item({parent}):
    title = models.CharField(max_length=20)
"""


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path, f"sqlite:///{tmp_path / 'db.sqlite3'}")


def files(project):
    return sorted(path.name for path in (project.folder / "blog" / "migrations").glob("0*"))


@pytest.mark.parametrize("arguments", [(), ("--check",), ("--noinput", "--accept-data-loss"), ("--dry-run",)], ids=str)
async def test_a_parent_with_a_table_cannot_be_exchanged(project, arguments):
    project.models(PARENT.format(parent="models.Model"))
    await project.run("makemigrations")
    project.models(PARENT.format(parent="Base"))

    code, out, err = await project.run("makemigrations", *arguments)

    assert code == 1 and "copy the rows with RunPython" in err and "Traceback" not in out + err
    assert files(project) == ["0001_initial.py"]
    code, out, err = await project.run("migrate")
    assert code == 0, err
