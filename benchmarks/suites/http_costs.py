"""What a request pays for the whole middleware stack, and what a process pays to start: CPU and memory until the first answer."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import table

# Those of a new project.
STACK = [
    "covet.debug.middleware.DebugPanelMiddleware",
    "covet.middleware.cors.CorsMiddleware",
    "covet.middleware.security.SecurityMiddleware",
    "covet.sessions.middleware.SessionMiddleware",
    "covet.middleware.common.CommonMiddleware",
    "covet.middleware.csrf.CsrfMiddleware",
    "covet.rest.middleware.RateLimitMiddleware",
    "covet.auth.middleware.AuthenticationMiddleware",
]
# A start is one short run: on a busy machine the ratios of single pairs lay between 0.9 and 2.0.
STARTS = 15
APPS = [
    "covet.contenttypes",
    "covet.auth",
    "covet.sessions",
    "covet.staticfiles",
    "covet.rest",
    "benchmarks.apps.bench",
]

# A request in process: the application as a server calls it, with nothing on the other side.
_STACK = """
import asyncio, json, time
from benchmarks.apps.covet_app import app

HEADERS = [(b"host", b"localhost"), (b"user-agent", b"bench/1.0"), (b"accept", b"*/*")]
seen = []

async def receive():
    return {"type": "http.request", "body": b"", "more_body": False}

async def send(message):
    if message["type"] == "http.response.start":
        seen.append(message["status"])

async def ask(count):
    for _ in range(count):
        await app({
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "GET",
            "scheme": "http", "path": "/json", "raw_path": b"/json", "query_string": b"", "root_path": "",
            "headers": list(HEADERS), "client": ("127.0.0.1", 50000), "server": ("127.0.0.1", 8000), "state": {},
        }, receive, send)

async def main():
    await ask(200)
    best = []
    for _ in range(5):
        start = time.process_time()
        await ask(2000)
        best.append((time.process_time() - start) / 2000)
    assert set(seen) == {200}
    print(json.dumps(min(best)))

asyncio.run(main())
"""

# A server in this process up to its first answer; then what it has imported, and what that took.
_FIRST = """
import asyncio, json, os, socket, sys, time
import uvicorn

def resident():
    with open("/proc/self/statm") as figures:
        return int(figures.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

async def main():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        "benchmarks.apps.covet_app:app", http="covet.handlers.protocol:CovetProtocol", loop="uvloop", log_level="warning"
    )
    server = uvicorn.Server(config)
    task = asyncio.ensure_future(server.serve(sockets=[listener]))
    while not server.started:
        assert not task.done(), "it did not start"
        await asyncio.sleep(0.001)
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    writer.write(b"GET /articles/77 HTTP/1.1\\r\\nhost: localhost\\r\\nconnection: close\\r\\n\\r\\n")
    answer = await reader.read()
    cpu = time.process_time()
    assert answer.startswith(b"HTTP/1.1 200"), answer
    rss = resident()
    writer.close()
    server.should_exit = True
    await task
    return cpu, rss

names = sys.modules
import uvloop
cpu, rss = uvloop.run(main())
known = set(sys.stdlib_module_names) | {"covet", "benchmarks", "__main__"}
outside = sorted(n for n in list(sys.modules) if n.partition(".")[0] not in known and not n.startswith("covet_test"))
print(json.dumps({"cpu": cpu, "rss": rss, "modules": outside}))
"""

_IMPORTS = """
import importlib, json, os, sys, time
for name in MODULES:
    try:
        importlib.import_module(name)
    except ImportError:
        pass
cpu = time.process_time()
with open("/proc/self/statm") as figures:
    rss = int(figures.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
print(json.dumps({"cpu": cpu, "rss": rss}))
"""


def run(rounds: int) -> str:
    """Return the table."""
    full = {"BENCH_MIDDLEWARE": json.dumps(STACK), "BENCH_APPS": json.dumps(APPS)}
    with tempfile.TemporaryDirectory() as folder:
        # Bytecode of their own, written by one start that is not counted: an installed package has its already.
        return _run(rounds, {**full, "PYTHONPYCACHEPREFIX": folder})


def _run(rounds: int, full: dict[str, str]) -> str:
    cache = {"PYTHONPYCACHEPREFIX": full["PYTHONPYCACHEPREFIX"]}
    first = _child(_FIRST, full)
    _child(_IMPORTS.replace("MODULES", repr(first["modules"])), cache)
    stacks = [
        _child(_STACK, full) / _child(_STACK, {**cache, "BENCH_APPS": full["BENCH_APPS"]})
        for _ in range(max(rounds, 3))
    ]
    starts, imports = [], []
    for _ in range(max(rounds, STARTS)):
        starts.append(_child(_FIRST, full))
        imports.append(_child(_IMPORTS.replace("MODULES", repr(first["modules"])), cache))
    memory = [(start["rss"] - bare["rss"]) / 2**20 for start, bare in zip(starts, imports, strict=True)]
    rows = [
        ("a request through the whole stack, in process, without = 1", [f"{statistics.median(stacks):.2f}", "≤ 2"]),
        (
            "start to the first answer, its packages' import = 1",
            [f"{_median_cpu(starts) / _median_cpu(imports):.2f}", "≤ 1.3"],
        ),
        ("resident memory beyond these packages', MiB", [f"{statistics.median(memory):.1f}", "≤ 15"]),
    ]
    return table("Costs of a request and a process", ["measured", "aim"], rows)


def count_start() -> str:
    """Return the table of what a start executes, counted by valgrind: its CPU time hangs on the caches that it finds cold."""
    full = {"BENCH_MIDDLEWARE": json.dumps(STACK), "BENCH_APPS": json.dumps(APPS)}
    with tempfile.TemporaryDirectory() as folder:
        cache = {"PYTHONPYCACHEPREFIX": folder, "PYTHONHASHSEED": "0"}
        imports = _IMPORTS.replace("MODULES", repr(_child(_FIRST, {**full, **cache})["modules"]))
        _child(imports, cache)
        start, alone = _instructions(_FIRST, {**full, **cache}), _instructions(imports, cache)
    cells = [f"{alone / 1e6:.0f}M", f"{start / 1e6:.0f}M", f"{start / alone:.2f}"]
    return table(
        "Instructions of a start", ["its packages", "first answer", "measured", "aim"], [("", [*cells, "≤ 1.3"])]
    )


def _instructions(source: str, environment: dict[str, str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        _child(source, environment, ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={folder}/out"])
        found = re.search(r"^summary: (\d+)", (Path(folder) / "out").read_text(), re.MULTILINE)
    assert found is not None, "callgrind has written no summary"
    return int(found[1])


def _median_cpu(runs: list[dict[str, Any]]) -> float:
    return statistics.median([run["cpu"] for run in runs])


def _child(source: str, environment: dict[str, str], under: Sequence[str] = ()) -> Any:
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [*under, sys.executable, "-c", source],
        env={
            **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            "PYTHONPATH": root,
            # pydantic looks for plugins in all that is installed: at development ten times what a server has beside it.
            "PYDANTIC_DISABLE_PLUGINS": "__all__",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])
