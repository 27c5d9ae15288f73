"""Killed anywhere, run again: every statement of a migration is a place to die at."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests._environ import unmeasured

ROOT = Path(__file__).parents[3]


CASES = [
    ("sqlite", "atomic"),
    ("sqlite", "single"),
    ("postgresql", "atomic"),
    ("postgresql", "single"),
    ("mysql", "single"),
]


async def kill_at_each(url: str, kind: str, stride: int) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.db.migrations.kill_points", url, kind, str(stride)),
        cwd=ROOT,
        # Its children are killed, or end at once: what was measured in them would be lost.
        env=unmeasured(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 600)

    assert process.returncode == 0, err.decode()
    if not stride:
        return
    forwards, backwards, taken_back = map(int, out.split())
    # Fewer would mean that the children did not die where they were meant to.
    assert forwards > 15 and backwards > 10 and taken_back == forwards


@pytest.mark.parametrize(("vendor", "kind"), CASES)
async def test_killed_before_a_statement_the_next_run_ends_in_the_right_schema(vendor, kind, scratch):
    """Forwards, backwards, and taken back: see kill_points. 'single' commits each statement by itself."""
    await kill_at_each(await scratch(vendor), kind, 2 if vendor == "mysql" else 5)


@pytest.mark.soak
@pytest.mark.parametrize(("vendor", "kind"), CASES)
async def test_killed_before_any_statement_the_next_run_ends_in_the_right_schema(vendor, kind, scratch):
    """All of them, where there is time."""
    await kill_at_each(await scratch(vendor), kind, 1)


@pytest.mark.soak
@pytest.mark.parametrize(("vendor", "kind"), CASES)
async def test_killed_at_random_times_the_next_run_ends_in_the_right_schema(vendor, kind, scratch):
    """Not only between statements, but while the database works on one."""
    await kill_at_each(await scratch(vendor), kind, 0)
