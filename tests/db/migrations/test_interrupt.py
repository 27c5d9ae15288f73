"""Ctrl-C in the middle of ``migrate``: a line says what became of the migration, nothing hangs, and the next run goes on."""

from __future__ import annotations

import asyncio
import json
import signal
import sys

import pytest

from tests.db.migrations.test_exit_codes import Site

# A statement that takes for ever on each database, and one that has been done before it.
SLOW = """
from pathlib import Path

from covet.db import migrations, models

FOR_EVER = {
    "postgresql": "SELECT pg_sleep(600)",
    "mysql": "SELECT SLEEP(600)",
    "sqlite": "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c",
}


async def wait(apps, schema_editor):
    if not Path("live").exists():
        print("waiting", flush=True)
        await schema_editor.execute(FOR_EVER[schema_editor.vendor])


class Migration(migrations.Migration):
    dependencies = [("blog", "0001_initial")]
    operations = [
        migrations.AddField("item", "n", models.IntegerField(default=1)),
        migrations.RunPython(wait, migrations.RunPython.noop),
        migrations.AddField("item", "m", models.IntegerField(default=1)),
    ]
"""


async def started(site, *arguments):
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "manage.py",
        *arguments,
        cwd=site.folder,
        env=site.environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def said(stream, text):
    async with asyncio.timeout(60):
        await stream.readuntil(text)


async def ended(process):
    """Send the signal of Ctrl-C, and return the exit code and what the process said after it."""
    try:
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(60):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, out.decode(), err.decode()


async def interrupted(site, *arguments):
    """Run a command and interrupt it in its statement that takes for ever."""
    process = await started(site, *arguments)
    await said(process.stdout, b"waiting")
    return await ended(process)


@pytest.fixture
async def site(vendor, scratch, tmp_path):
    site = Site(tmp_path, await scratch(vendor))
    await site.run("makemigrations")
    assert (await site.run("migrate"))[0] == 0
    site.migration("0002_slow", SLOW)
    return site


async def test_ctrl_c_says_what_became_of_the_migration_and_the_next_run_goes_on(site, vendor):
    code, _, err = await interrupted(site, "migrate")

    assert code == 130 and len(err.splitlines()) == 1, err
    assert err.startswith("Interrupted while blog.0002_slow was being applied"), err
    assert ("nothing of it was kept" in err) == (vendor != "mysql")
    assert ("--rollback-partial" in err) == (vendor == "mysql")
    code, out, _ = await site.run("showmigrations", "--json")
    assert [row["applied"] for row in json.loads(out)] == [True, False]

    # The lock is free, and what stayed is not done again.
    (site.folder / "live").touch()
    code, out, err = await site.run("migrate", "--verbosity", "2")
    assert code == 0, err
    assert ("Add field n to item" in out) == (vendor != "mysql")
    assert "Add field m to item" in out
    code, _, err = await site.run("migrate", "blog", "zero")
    assert code == 0, err


async def test_ctrl_c_on_the_way_back_and_without_a_transaction(site, vendor):
    site.migration(
        "0002_slow",
        SLOW.replace("migrations.RunPython.noop", "wait").replace(
            "    operations", "    atomic = False\n    operations"
        ),
    )
    (site.folder / "live").touch()
    assert (await site.run("migrate"))[0] == 0
    (site.folder / "live").unlink()

    code, out, err = await interrupted(site, "migrate", "blog", "0001", "--json")

    assert (code, out.strip()) == (130, ""), out
    assert err.startswith("Interrupted while blog.0002_slow was being undone, without a transaction"), err
    # Taken back: done again, in this case.
    (site.folder / "live").touch()
    code, out, err = await site.run("migrate", "--rollback-partial")
    assert code == 0 and "Add field m to item" in out and "Add field n to item" not in out, err
    code, out, err = await site.run("migrate", "blog", "0001")
    assert code == 0, err


async def test_ctrl_c_while_waiting_for_the_lock_disturbs_nobody(site):
    holder = await started(site, "migrate")
    try:
        await said(holder.stdout, b"waiting")
        waiter = await started(site, "migrate")
        await said(waiter.stderr, b"Another process is migrating this database; waiting for it.\n")

        code, out, err = await ended(waiter)

        assert (code, out) == (130, "") and err.startswith("Interrupted before any migration") and err.count("\n") == 1
        assert holder.returncode is None
    finally:
        code, _, err = await ended(holder)
    assert code == 130, err
