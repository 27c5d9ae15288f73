"""Ten pods that start at once, a lock whose holder is killed, and a migration that was killed half-way, as processes."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from tests.db.migrations.test_processes import MODELS, Project

HALF_WAY = """
import os
import signal
from pathlib import Path

from covet.db import migrations, models


def die(apps, schema_editor):
    if not Path("live").exists():
        os.kill(os.getpid(), signal.SIGKILL)


class Migration(migrations.Migration):
    dependencies = [("blog", "0001_initial")]
    operations = [
        migrations.AddField("item", "n", models.IntegerField(default=1)),
        migrations.RunPython(die, migrations.RunPython.noop),
        migrations.AddField("item", "m", models.IntegerField(default=1)),
    ]
"""


async def test_ten_processes_at_once_apply_once_and_all_are_content(vendor, scratch, tmp_path):
    project = Project(tmp_path, await scratch(vendor))
    await project.run("makemigrations")
    project.models(MODELS + "    n = models.IntegerField(default=1)\n")
    await project.run("makemigrations", "--name", "n")

    async with asyncio.timeout(300):
        results = await asyncio.gather(*[project.run("migrate") for _ in range(10)])

    assert [code for code, _, _ in results] == [0] * 10, results
    assert sum(out.count("Applying") for _, out, _ in results) == 2, results
    assert not any("Traceback" in err for _, _, err in results), results
    _, out, _ = await project.run("showmigrations", "--json")
    assert [row["applied"] for row in json.loads(out)] == [True, True]


async def killed_half_way(vendor, scratch, tmp_path):
    project = Project(tmp_path, await scratch(vendor))
    await project.run("makemigrations")
    (project.folder / "blog" / "migrations" / "0002_half.py").write_text(HALF_WAY)
    code, _, _ = await project.run("migrate")
    assert code == -9
    (project.folder / "live").touch()
    return project


async def test_a_killed_migration_is_finished_by_the_next_run(vendor, scratch, tmp_path):
    """The lock of the killed process is free, and no column is added twice."""
    project = await killed_half_way(vendor, scratch, tmp_path)

    code, out, err = await project.run("migrate", "--verbosity", "2")

    assert code == 0, err
    assert "Applying blog.0002_half…" in out and "0001_initial" not in out
    # What MariaDB had committed is not done again; elsewhere the transaction took it back.
    assert ("stopped in the middle of blog.0002_half" in err) == (vendor == "mysql")
    assert ("Add field n to item" in out) == (vendor != "mysql")
    assert re.search(r"Add field m to item \(\d+ ms\)", out)
    code, out, err = await project.run("migrate", "blog", "0001", "--verbosity", "0")
    assert (code, out) == (0, ""), err


@pytest.mark.vendors("mysql")  # the others keep nothing of it
async def test_a_killed_migration_can_be_taken_back(vendor, scratch, tmp_path):
    project = await killed_half_way(vendor, scratch, tmp_path)

    code, _, err = await project.run("migrate", "blog", "zero")
    assert code == 1
    assert err.startswith("Error: An earlier run was stopped half-way, applying blog.0002_half. Finish that first"), err
    code, out, err = await project.run("migrate", "--rollback-partial")
    assert (code, out) == (0, "  Took back blog.0002_half\n    - Add field n to item\n"), err
    code, out, err = await project.run("migrate", "--rollback-partial", "--json")
    assert (code, json.loads(out)) == (0, None), err
    code, _, err = await project.run("migrate", "blog", "zero")
    assert code == 0, err
    code, _, err = await project.run("migrate")
    assert code == 0, err


async def test_what_ran_is_told_and_the_rest_can_be_recorded_by_hand(vendor, scratch, tmp_path):
    """A migration without a transaction whose second statement fails."""
    project = Project(tmp_path, await scratch(vendor))
    await project.run("makemigrations")
    source = HALF_WAY.replace("    operations", "    atomic = False\n    operations").replace(
        "migrations.RunPython(die, migrations.RunPython.noop)",
        "migrations.RunSQL('CREATE TABLE other (id int); INSERT INTO nowhere VALUES (1)', 'DROP TABLE other')",
    )
    (project.folder / "blog" / "migrations" / "0002_half.py").write_text(source)

    code, _, err = await project.run("migrate")

    assert code == 1 and "Traceback" not in err
    assert (
        "this stays done: Add field n to item. Of the failed operation these statements have run: CREATE TABLE" in err
    )
    assert "migrate --rollback-partial" in err
    code, out, err = await project.run("migrate", "--rollback-partial", "--json")
    assert code == 0 and len(json.loads(out)["taken_back"]) == 2, err
    # The same again, and finished by hand.
    code, _, err = await project.run("migrate")
    assert code == 1, err
    code, _, err = await project.run("migrate", "--fake")
    assert code == 0, err
    code, out, _ = await project.run("migrate", "--rollback-partial")
    assert (code, out) == (0, "No migration was left half-way.\n")
