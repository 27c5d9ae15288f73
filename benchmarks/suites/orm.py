"""The ORM beside asyncpg's own pool, in one process, in turns."""

from __future__ import annotations

import asyncio
import os
import random
from typing import Any

import msgspec

from benchmarks.data import COLUMNS, ROWS, database_url, prepare
from benchmarks.measure import compare, table

SELECT = f"SELECT {', '.join(COLUMNS)} FROM bench_article"
AIMS = {
    "get by pk": "2.5 / 2.2", "100 rows to instances": "1.3 / 1.3", "100 rows to JSON": "1.5 / 1.5", "insert": "2 / 2",
    "load, change, save": "1.8 / 2", "join to author": "1 / 1", "row.author over 100": "40 / 20", "transaction": "1.4 / 1.4",
}  # fmt: skip


def run(rounds: int, seconds: float) -> str:
    """Print the table of ratios, at 1 and at 16 tasks."""
    os.environ["COVET_SETTINGS_MODULE"] = "benchmarks.apps.covet_settings"
    import covet

    asyncio.run(prepare())
    return covet.run(_run(rounds, seconds))


async def _run(rounds: int, seconds: float) -> str:
    import asyncpg

    from benchmarks.apps.bench.models import Article, Author
    from benchmarks.apps.bench.urls import ArticleOut
    from covet.db import transaction
    from covet.rest.rows import encode_queryset
    from covet.schema.projection import projection

    pool = await asyncpg.create_pool(database_url(), min_size=16, max_size=16)
    encode = msgspec.json.Encoder().encode
    key = random.Random(1)
    insert = f"INSERT INTO bench_article ({', '.join(COLUMNS[1:])}) VALUES ({', '.join(f'${i}' for i in range(1, len(COLUMNS)))}) RETURNING id"
    update = f"UPDATE bench_article SET {', '.join(f'{c} = ${i}' for i, c in enumerate(COLUMNS[1:], 1))} WHERE id = ${len(COLUMNS)}"
    joined = "SELECT a.*, u.* FROM bench_article a JOIN bench_author u ON u.id = a.author_id ORDER BY a.id LIMIT 100"
    plan = projection(ArticleOut, Article)
    assert plan is not None
    sample = await Article.objects.get(pk=1)
    values = {name: getattr(sample, name) for name in COLUMNS[1:]}

    async def raw_get() -> Any:
        return await pool.fetchrow(SELECT + " WHERE id = $1", key.randint(1, ROWS))

    async def our_get() -> Any:
        return await Article.objects.get(pk=key.randint(1, ROWS))

    async def raw_rows() -> Any:
        return await pool.fetch(SELECT + " ORDER BY id LIMIT 100")

    async def our_rows() -> Any:
        return await Article.objects.order_by("pk")[:100]

    async def raw_json() -> Any:
        return encode([dict(row) for row in await raw_rows()])

    async def our_json() -> Any:
        return await encode_queryset(Article.objects.order_by("pk")[:100], plan)

    async def raw_insert() -> Any:
        return await pool.fetchval(insert, *values.values())

    async def our_insert() -> Any:
        return await Article.objects.create(**values)

    async def raw_save() -> Any:
        row = dict(await raw_get())
        row["views"] += 1
        await pool.execute(update, *(row[c] for c in COLUMNS[1:]), row["id"])

    async def our_save() -> Any:
        row = await our_get()
        row.views += 1
        await row.save()

    async def raw_join() -> Any:
        return await pool.fetch(joined)

    async def our_join() -> Any:
        return await Article.objects.select_related("author").order_by("pk")[:100]

    async def raw_touch() -> Any:
        for row in await raw_rows():
            await pool.fetchrow("SELECT id, name FROM bench_author WHERE id = $1", row["author_id"])

    async def our_touch() -> Any:
        for row in await our_rows():
            await row.author

    async def raw_transaction() -> Any:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("UPDATE bench_author SET name = name WHERE id = $1", key.randint(1, 200))
            await connection.fetchrow("SELECT id, name FROM bench_author WHERE id = $1", key.randint(1, 200))

    async def our_transaction() -> Any:
        async with transaction.atomic():
            await Author.objects.filter(pk=key.randint(1, 200)).update(name="x")
            await Author.objects.get(pk=key.randint(1, 200))

    pairs = {
        "get by pk": (raw_get, our_get), "100 rows to instances": (raw_rows, our_rows), "100 rows to JSON": (raw_json, our_json),
        "insert": (raw_insert, our_insert), "load, change, save": (raw_save, our_save), "join to author": (raw_join, our_join),
        "row.author over 100": (raw_touch, our_touch), "transaction": (raw_transaction, our_transaction),
    }  # fmt: skip
    rows = []
    for name, (raw, ours) in pairs.items():
        ratios = []
        for tasks in (1, 16):
            bare, covet_ = await compare({"asyncpg": raw, "covet": ours}, rounds=rounds, seconds=seconds, tasks=tasks)
            ratios.append(covet_.rate / bare.rate)
        rows.append((name, [f"{ratios[0]:.2f}", f"{ratios[1]:.2f}", AIMS[name]]))
        print(f"  {name}: {ratios[0]:.2f} / {ratios[1]:.2f}", flush=True)
    await pool.close()
    return table("PostgreSQL, asyncpg's pool = 1", ["1 task", "16 tasks", "aim"], rows)
