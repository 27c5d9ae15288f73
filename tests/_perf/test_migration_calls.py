"""Calls of reading, planning and comparing migrations: so many a migration, however many there are."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

from covet.db.migrations.loader import Loader
from covet.db.migrations.state import ProjectState
from tests._perf.test_statement_calls import calls_of

EACH = 10


def write_apps(folder: Path, prefix: str, count: int) -> dict[str, str | None]:
    """Apps of ten migrations each, whose first waits for the app before."""
    for number in range(count):
        migrations = folder / f"{prefix}{number}" / "migrations"
        migrations.mkdir(parents=True)
        for package in (migrations.parent, migrations):
            (package / "__init__.py").touch()
        for step in range(EACH):
            needs = [(f"{prefix}{number}", f"{step:04}_x")] if step else []
            needs += [(f"{prefix}{number - 1}", "0001_x")] if number and not step else []
            operation = (
                f"AddField('item', 'n{step}', models.IntegerField(default=0))"
                if step
                else "CreateModel('Item', [('id', models.BigAutoField(primary_key=True))])"
            )
            (migrations / f"{step + 1:04}_x.py").write_text(
                textwrap.dedent(
                    f"""
                    from covet.db import migrations, models
                    class Migration(migrations.Migration):
                        dependencies = {needs!r}
                        operations = [migrations.{operation}]
                    """
                )
            )
    return {f"{prefix}{number}": f"{prefix}{number}.migrations" for number in range(count)}


@pytest.mark.parametrize("work", ["read", "plan", "state"])
async def test_calls_a_migration_do_not_grow_with_their_number(
    work: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    counts = {}
    for count in (4, 8):
        packages = write_apps(tmp_path, f"mgc_{work}_{count}_", count)
        loader = Loader(packages) if work != "read" else None

        async def do(packages: dict[str, str | None] = packages, loader: Loader | None = loader) -> None:
            if loader is None:
                Loader(packages)
            elif work == "plan":
                assert len(loader.graph.full_plan()) == len(packages) * EACH
            else:
                assert isinstance(loader.state(), ProjectState)

        counts[count] = len(await calls_of(do))
    for name in [name for name in sys.modules if name.startswith("mgc_")]:
        del sys.modules[name]

    # Twice the migrations, twice the calls, and what is done once is in both.
    assert counts[8] <= 2 * counts[4]
    assert counts[8] / (8 * EACH) <= {"read": 20.5, "plan": 4.5, "state": 16.5}[work]
