"""What is paid once or for each row: the memory of an instance that was read, and the import."""

from __future__ import annotations

import gc
import statistics
import subprocess
import sys
import time
import tracemalloc
from typing import Any

from benchmarks.measure import table

_INSTANCES = 20_000
_STARTS = 7


async def run() -> str:
    """Return the table."""
    memory = await _memory()
    start = _import()
    print(f"  memory: {memory:.0f} bytes, import: {start:.1f}", flush=True)
    rows = [
        ("bytes of an instance of 10 fields", [f"{memory:.0f}", "200"]),
        ("import covet.db, bare Python = 1", [f"{start:.1f}", "10"]),
    ]
    return table("Fixed costs", ["measured", "aim"], rows)


async def _memory() -> float:
    """Bytes of an instance beside its values: the same driver row is read again and again, so its values cost nothing."""
    from benchmarks.apps.bench.models import Article
    from covet.db import connections
    from covet.db.models.query import run

    query = Article.objects.order_by("pk")[:1].query
    database = connections["default"]
    plan = run.rows_plan(query, "model", database)
    sql, args = plan.bind(query.all_values())
    rows: list[Any] = [*await database.fetch(sql, args)] * _INSTANCES
    plan.make(rows, "default", None)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    made = plan.make(rows, "default", None)
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (after - before) / len(made)


def _import() -> float:
    """How many times the start of a bare interpreter the import takes."""

    def seconds(code: str) -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - started

    pairs = [(seconds("pass"), seconds("import covet.db")) for _ in range(_STARTS)]
    return statistics.median([with_it / bare for bare, with_it in pairs])
