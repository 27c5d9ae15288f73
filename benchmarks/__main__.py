"""``python -m benchmarks [http] [orm] [rows] [--peers] [--rounds N] [--seconds S] [--only TEXT] [--save]``."""

from __future__ import annotations

import argparse
import datetime as dt
import platform
from importlib.metadata import version
from pathlib import Path


def main() -> None:
    """Run the suites that were named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("suites", nargs="*", choices=["http", "orm", "rows", []], help="all when none is named")
    parser.add_argument(
        "--peers", action="store_true", help="FastAPI, SQLAlchemy and Django too (benchmarks/peers.txt)"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each contender in each round")
    parser.add_argument(
        "--save", action="store_true", help="keep the tables in benchmarks/results/, with date and versions"
    )
    parser.add_argument("--only", default="", help="rows of the ORM whose name holds this text")
    options = parser.parse_args()
    suites = options.suites or ["http", "orm", "rows"]
    tables = []
    if "http" in suites:
        from benchmarks.suites import http

        tables.append(http.run(options.rounds, max(1, round(options.seconds)), options.peers))
        print(tables[-1])
    if "orm" in suites:
        from benchmarks.suites import orm

        tables.append(orm.run(options.rounds, options.seconds, options.only))
        print(tables[-1])
    if "rows" in suites:
        from benchmarks.suites import rows

        tables.append(rows.run(options.rounds, options.seconds))
        print(tables[-1])
    if options.save:
        day = dt.date.today().isoformat()
        names = ["covet", "uvicorn", "uvloop", "httptools", "asyncpg", "pydantic", "msgspec"]
        names += ["fastapi", "SQLAlchemy", "Django", "psycopg"] if options.peers else []
        versions = ", ".join(f"{name} {version(name)}" for name in names)
        path = Path(__file__).parent / "results" / f"{day}.txt"
        path.write_text(f"{day}, CPython {platform.python_version()}, {versions}\n\n" + "\n\n".join(tables) + "\n")


if __name__ == "__main__":
    main()
