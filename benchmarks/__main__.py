"""``python -m benchmarks [http] [orm] [rows] [migrations] [instructions] [--peers] [--rounds N] [--seconds S] [--only TEXT] [--save]``."""

from __future__ import annotations

import argparse
import datetime as dt
import platform
import subprocess
import sys
from pathlib import Path

USUAL = ["http", "orm", "rows", "migrations"]


def main() -> None:
    """Run the suites that were named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "suites", nargs="*", choices=[*USUAL, "instructions", []], help="all but the last when none is named"
    )
    parser.add_argument("--peers", action="store_true", help="other frameworks and ORMs too (benchmarks/peers.txt)")
    parser.add_argument("--peers-python", default=sys.executable, help="the Python that has the peers")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each contender in each round")
    parser.add_argument(
        "--save", action="store_true", help="keep the tables in benchmarks/results/, with date and versions"
    )
    parser.add_argument("--only", default="", help="rows of the ORM whose name holds this text")
    options = parser.parse_args()
    suites = options.suites or USUAL
    tables = []
    if "http" in suites:
        from benchmarks.suites import http

        tables.append(http.run(options.rounds, max(1, round(options.seconds)), options.peers, options.peers_python))
        print(tables[-1])
        from benchmarks.suites import http_costs

        tables.append(http_costs.run(options.rounds))
        print(tables[-1])
    if "orm" in suites:
        from benchmarks.suites import orm

        tables.append(orm.run(options.rounds, options.seconds, options.only))
        print(tables[-1])
        if options.peers:
            from benchmarks.cores import apart
            from benchmarks.data import database_url
            from benchmarks.suites import orm_peers

            with apart(database_url()):  # the peers' processes inherit the core
                tables.append(orm_peers.run(options.peers_python, options.rounds, options.seconds, options.only))
            print(tables[-1])
    if "rows" in suites:
        from benchmarks.suites import rows

        tables.append(rows.run(options.rounds, options.seconds))
        print(tables[-1])
    if "migrations" in suites:
        from benchmarks.suites import migrations

        tables.append(migrations.run(options.rounds, options.peers))
        print(tables[-1])
    if "instructions" in suites:
        from benchmarks.suites import instructions

        tables.append(instructions.run())
        print(tables[-1])
    if options.save:
        day = dt.date.today().isoformat()
        ours = _versions(sys.executable, OURS)
        theirs = f"; peers: {_versions(options.peers_python, PEERS)}" if options.peers else ""
        path = Path(__file__).parent / "results" / f"{day}-{'-'.join(suites)}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{day}, CPython {platform.python_version()}, {ours}{theirs}\n\n" + "\n\n".join(tables) + "\n")


OURS = "covet uvicorn uvloop httptools asyncpg aiosqlite aiomysql asyncmy pydantic msgspec"
PEERS = (
    "fastapi starlette litestar blacksheep Django django-ninja robyn django-bolt uvicorn uvloop httptools "
    "SQLAlchemy psycopg tortoise-orm piccolo oxyde asyncpg"
)


def _versions(python: str, names: str) -> str:
    """The versions that an environment has of these packages."""
    script = (
        "import sys\nfrom importlib.metadata import PackageNotFoundError, version\n"
        "for name in sys.argv[1].split():\n    try: print(name, version(name))\n    except PackageNotFoundError: pass"
    )
    done = subprocess.run([python, "-c", script, names], capture_output=True, text=True, check=True)
    return ", ".join(done.stdout.splitlines())


if __name__ == "__main__":
    main()
