"""500 migrations across 50 apps: the graph, the plan and a ``migrate`` that finds nothing to do; Django's beside it.

Both projects have the same files but for the name of the package. Each figure is of a process of its own, in turns, since all
three are things that a process does once.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import table

APPS = 50
EACH = 10
AIM = "≤ 0.5"
# The process is mostly imports, of which Django has no asyncio to make; it stands there to be seen.
AIMS = {"graph": AIM, "plan": AIM, "migrate": AIM, "process": "–"}
FIGURES = ("graph", "plan", "migrate", "process")
TITLES = {
    "graph": "read 500 files and build the graph",
    "plan": "plan for an empty database",
    "migrate": "migrate, nothing to do",
    "process": "the process of that",
}

_COVET = """
import asyncio, json, sys, time
began = time.perf_counter()
from covet.apps import lifecycle

async def main():
    from covet.apps.registry import apps
    from covet.db.connections import connections
    from covet.db.migrations.execute import Executor
    from covet.db.migrations.loader import Loader

    figures = {}
    start = time.perf_counter()
    loader = Loader.from_apps(apps)
    figures["graph"] = time.perf_counter() - start
    executor = Executor(connections["default"], loader)
    start = time.perf_counter()
    steps = executor.plan(set())
    figures["plan"] = time.perf_counter() - start
    assert len(steps) == COUNT, len(steps)
    await executor.migrate(fake=True)
    await connections.close()
    return figures

lifecycle.setup()
figures = asyncio.run(main())
print(json.dumps(figures))
"""

_COVET_NOOP = """
import asyncio, io, json, time
from covet.apps import lifecycle
lifecycle.setup()
from covet.management import call_command
start = time.perf_counter()
asyncio.run(call_command("migrate", stdout=io.StringIO()))
print(json.dumps({"migrate": time.perf_counter() - start}))
"""

_DJANGO = """
import json, time
import django
django.setup()
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

figures = {}
start = time.perf_counter()
MigrationLoader(None)
figures["graph"] = time.perf_counter() - start
executor = MigrationExecutor(connection)
start = time.perf_counter()
steps = executor.migration_plan(executor.loader.graph.leaf_nodes())
figures["plan"] = time.perf_counter() - start
executor.migrate(executor.loader.graph.leaf_nodes(), fake=True)
print(json.dumps(figures))
"""

_DJANGO_NOOP = """
import io, json, time
import django
django.setup()
from django.core.management import call_command
start = time.perf_counter()
call_command("migrate", stdout=io.StringIO())
print(json.dumps({"migrate": time.perf_counter() - start}))
"""


def run(rounds: int, peers: bool) -> str:
    """Return the table: seconds of ours and, with peers, as a part of Django's."""
    with tempfile.TemporaryDirectory() as name:
        contenders = ["covet", "django"] if peers else ["covet"]
        found: dict[str, dict[str, list[float]]] = {}
        for contender in contenders:
            _write(Path(name) / contender, contender)
            found[contender] = {figure: [] for figure in FIGURES}
        for _ in range(rounds):
            for contender in contenders:
                for figure, seconds in _measure(Path(name) / contender, contender).items():
                    found[contender][figure].append(seconds)
            contenders.reverse()
    rows = []
    for figure in FIGURES:
        mine = statistics.median(found["covet"][figure])
        cells = [f"{mine * 1000:.0f} ms"]
        if peers:
            theirs = found["django"][figure]
            ratio = statistics.median([a / b for a, b in zip(found["covet"][figure], theirs, strict=True)])
            cells += [f"{statistics.median(theirs) * 1000:.0f} ms", f"{ratio:.2f}"]
        rows.append((TITLES[figure], [*cells, AIMS[figure]]))
    heads = ["covet", "Django", "ratio", "aim"] if peers else ["covet", "aim"]
    return table(f"Migrations: {APPS} apps with {EACH} each", heads, rows)


def _measure(folder: Path, contender: str) -> dict[str, float]:
    """Return the figures of one round, in seconds."""
    (folder / "db.sqlite3").unlink(missing_ok=True)
    first, again = (_COVET, _COVET_NOOP) if contender == "covet" else (_DJANGO, _DJANGO_NOOP)
    figures = _child(folder, first.replace("COUNT", str(APPS * EACH)))
    _child(folder, again)  # the caches of the disk, and Python's
    began = time.perf_counter()
    figures |= _child(folder, again)
    figures["process"] = time.perf_counter() - began
    return figures


def _child(folder: Path, source: str) -> dict[str, float]:
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": f"{folder}:{Path(__file__).parents[2]}",
        "COVET_SETTINGS_MODULE": "site_settings",
        "DJANGO_SETTINGS_MODULE": "site_settings",
    }
    done = subprocess.run(  # our own text
        [sys.executable, "-c", source],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _write(folder: Path, package: str) -> None:
    """Write a project: each app's models refer to those of the app before, each migration adds a column."""
    folder.mkdir()
    names = [f"app{number:02}" for number in range(APPS)]
    path = folder / "db.sqlite3"
    engine = f"sqlite:///{path}" if package == "covet" else {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path)}
    (folder / "site_settings.py").write_text(
        f"SECRET_KEY = {'x' * 50!r}\nINSTALLED_APPS = {names!r}\nDATABASES = {{'default': {engine!r}}}\n"
        "DEFAULT_AUTO_FIELD = " + repr(f"{package}.db.models.BigAutoField") + "\n"
    )
    for number, name in enumerate(names):
        before = names[number - 1] if number else None
        app = folder / name
        (app / "migrations").mkdir(parents=True)
        for file in (app / "__init__.py", app / "migrations" / "__init__.py"):
            file.write_text("")
        lines = [f"from {package}.db import models\n\n\nclass Item(models.Model):"]
        lines.append("    id = models.BigAutoField(primary_key=True)")
        lines += [f"    field{n} = models.IntegerField(default=0)" for n in range(EACH)]
        if before:
            lines.append(f"    before = models.ForeignKey('{before}.Item', on_delete=models.CASCADE, null=True)")
        (app / "models.py").write_text("\n".join(lines) + "\n")
        for step in range(EACH):
            source = _source(package, name, before, step)
            (app / "migrations" / f"{step + 1:04}_step.py").write_text(source)


def _source(package: str, name: str, before: str | None, step: int) -> str:
    needs = [(name, f"{step:04}_step")] if step else []
    if before and not step:
        needs.append((before, "0001_step"))
    field = f"('field{step}', models.IntegerField(default=0))"
    if step:
        operation = f"migrations.AddField('item', 'field{step}', models.IntegerField(default=0))"
    else:
        fields = f"('id', models.BigAutoField(primary_key=True, serialize=False)), {field}"
        if before:
            fields += f", ('before', models.ForeignKey('{before}.item', on_delete=models.CASCADE, null=True))"
        operation = f"migrations.CreateModel('Item', [{fields}])"
    return (
        f"from {package}.db import migrations, models\n\n\nclass Migration(migrations.Migration):\n"
        f"    dependencies = {needs!r}\n    operations = [{operation}]\n"
    )
