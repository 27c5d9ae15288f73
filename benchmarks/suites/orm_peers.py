"""The peers' table: each ORM in a process of its own, in turns with asyncpg's pool there.

Run with the Python of an environment that has ``benchmarks/peers.txt``; it needs nothing of Covet:
``python -m benchmarks.suites.orm_peers tortoise``. ``python -m benchmarks orm --peers`` calls it for each of them.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import subprocess
import sys
import traceback

from benchmarks.measure import compare, table

PEERS = ("oxyde", "sqlalchemy", "tortoise", "piccolo", "django")
TASKS = (1, 16)


async def _measure(peer: str, tasks: int, rounds: int, seconds: float, only: str) -> dict[str, float | str]:
    """Return asyncpg = 1 ratios by row; what a peer cannot do is told by its error."""
    from benchmarks.peers import bare

    raw, new_article = await bare.works()
    ours = await importlib.import_module(f"benchmarks.peers.{peer}").works(new_article, tasks)
    found: dict[str, float | str] = {}
    for name, work in raw.items():
        if only not in name:
            continue
        try:
            floor, result = await compare(
                {"asyncpg": work, peer: ours[name]}, rounds=rounds, seconds=seconds, tasks=tasks
            )
            found[name] = result.faster(floor)
        except Exception as error:
            traceback.print_exc()
            found[name] = type(error).__name__
    return found


def run(python: str, rounds: int, seconds: float, only: str = "") -> str:
    """Return the table of all peers, each measured by the other Python."""
    cells: dict[str, list[str]] = {}
    for peer in PEERS:
        figures = []
        for tasks in TASKS:
            command = [python, "-m", "benchmarks.suites.orm_peers", peer, "--tasks", str(tasks)]
            command += ["--rounds", str(rounds), "--seconds", str(seconds), "--only", only]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{peer} could not be measured by {python}:\n{done.stderr[-2000:]}")
            figures.append(json.loads(done.stdout.splitlines()[-1]))
        for name in figures[0]:
            cells.setdefault(name, []).append(" / ".join(_text(one[name]) for one in figures))
    return table("Peers, asyncpg's pool = 1", list(PEERS), list(cells.items()))


def _text(figure: float | str) -> str:
    return figure if isinstance(figure, str) else f"{figure:.2f}"


def main() -> None:
    """Measure one peer in this process and print its figures as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("--tasks", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    found = asyncio.run(_measure(options.peer, options.tasks, options.rounds, options.seconds, options.only))
    print(json.dumps(found))
    sys.stdout.flush()
    # Threads and pools of a peer that do not end by themselves are no reason to wait.
    import os

    os._exit(0)


if __name__ == "__main__":
    main()
