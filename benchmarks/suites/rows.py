"""Lists of 100 as JSON: rows of the driver by both halves of ``encode_rows``, values of a schema by its ``Writer``."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Any

import msgspec
import pydantic

from benchmarks.measure import Work, compare, table
from covet.accel import RowPlan
from covet.accel.plans import Kind
from covet.accel.twins import rows as twin
from covet.schema import Schema, Writer

NAMES = ["id", "title", "slug", "author", "views", "score", "published_at", "is_public"]
KINDS: list[Kind] = ["plain", "plain", "plain", "plain", "plain", "float", "plain", "plain"]  # as a schema tells them
MOMENT = dt.datetime(2026, 11, 25, 9, 30, tzinfo=dt.UTC)
ROWS = [(n, f"Article {n}", f"article-{n}", n % 7, n * 13, n / 3, MOMENT, n % 2 == 0) for n in range(100)]


class Article(Schema):
    """The same as a schema."""

    id: int
    title: str
    slug: str
    author: int
    views: int
    score: float
    published_at: dt.datetime
    is_public: bool


def run(rounds: int, seconds: float) -> str:
    """Return the tables: what each takes as a part of what the first one takes."""
    return asyncio.run(_run(rounds, seconds))


async def _run(rounds: int, seconds: float) -> str:
    plan = RowPlan(NAMES, kinds=KINDS)
    encoder = msgspec.json.Encoder()
    of_rows: dict[str, Callable[[], Any]] = {
        "msgspec over dictionaries": lambda: encoder.encode([dict(zip(NAMES, row, strict=True)) for row in ROWS]),
        "encode_rows, Python": lambda: twin.encode_rows(ROWS, plan),
    }
    try:
        import covet_rust
    except ModuleNotFoundError:
        print("covet_rust is not installed: its row is left out.")
    else:
        of_rows["encode_rows, Rust"] = lambda: covet_rust.encode_rows(ROWS, plan)
    values = [Article(**dict(zip(NAMES, row, strict=True))) for row in ROWS]
    articles = pydantic.TypeAdapter(list[Article])
    writer = Writer(Article)
    of_values: dict[str, Callable[[], Any]] = {
        "pydantic": lambda: articles.dump_json(values),
        "schema.Writer": lambda: writer.many(values),
    }
    tables = []
    for title, calls in (("100 rows to JSON", of_rows), ("100 values to JSON", of_values)):
        works = {name: _as_work(call) for name, call in calls.items()}
        first, *others = await compare(works, rounds=rounds, seconds=seconds, tasks=1)
        tables.append(
            table(
                f"{title}, beside {first.name}",
                ["time"],
                [(other.name, [f"{first.faster(other):.2f}"]) for other in others],
            )
        )
    return "\n\n".join(tables)


def _as_work(call: Callable[[], Any]) -> Work:
    async def work() -> None:
        call()

    return work
