"""The ORM beside bare drivers, in one process, in turns: PostgreSQL here, the other databases and fixed costs beside it.

Both sides do the same work: the same columns of the same rows, values given by name, keys read back; what they read is
compared before anything is timed. ``row.author`` over a hundred rows is the loop that everybody writes first: a hundred
statements for who has nothing better. The client and a server of its own have a core each.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any

import msgspec

from benchmarks.cores import apart
from benchmarks.data import COLUMNS, ROWS, database_url, keys, prepare
from benchmarks.measure import HEADS, Work, ratios, table
from benchmarks.suites import orm_costs, orm_others

SELECT = f"SELECT {', '.join(COLUMNS)} FROM bench_article"
AUTHOR = "SELECT id, name FROM bench_author WHERE id = $1"
MANY = 1000
AIMS = {
    "get by pk": "2.5 / 2.2", "100 rows to instances": "1.3 / 1.3", "100 rows to JSON": "1.5 / 1.5", "insert": "2 / 2",
    "load, change, save": "1.8 / 2", "join to author": "1 / 1", "row.author over 100": "40 / 20", "transaction": "1.4 / 1.4",
    f"insert {MANY} rows": "0.75", f"update {MANY} rows": "1",
}  # fmt: skip


def run(rounds: int, seconds: float, only: str = "") -> str:
    """Return the tables of ratios; rows whose name holds ``only``."""
    os.environ["COVET_SETTINGS_MODULE"] = "benchmarks.apps.covet_settings"
    import covet

    asyncio.run(prepare())
    with apart(database_url()):
        tables = [covet.run(_run(rounds, seconds, only))]
    tables += covet.run(orm_others.run(rounds, seconds, only))
    if not only:
        tables.append(covet.run(orm_costs.run()))
    return "\n\n".join(tables)


async def _run(rounds: int, seconds: float, only: str) -> str:
    import asyncpg

    from benchmarks.apps.bench.models import Article, Author
    from benchmarks.apps.bench.urls import ArticleOut
    from covet.db import transaction
    from covet.rest.rows import encode_queryset
    from covet.schema.projection import projection

    pool = await asyncpg.create_pool(database_url(), min_size=16, max_size=16)
    encode = msgspec.json.Encoder().encode
    articles, authors = keys(ROWS), keys(200)
    insert = f"INSERT INTO bench_article ({', '.join(COLUMNS[1:])}) VALUES ({', '.join(f'${i}' for i in range(1, len(COLUMNS)))}) RETURNING id"
    update = f"UPDATE bench_article SET {', '.join(f'{c} = ${i}' for i, c in enumerate(COLUMNS[1:], 1))} WHERE id = ${len(COLUMNS)}"
    joined = "SELECT a.*, u.* FROM bench_article a JOIN bench_author u ON u.id = a.author_id ORDER BY a.id LIMIT 100"
    plan = projection(ArticleOut, Article)
    assert plan is not None
    sample = await Article.objects.get(pk=1)
    values = {name: getattr(sample, name) for name in COLUMNS[1:]}

    def new_article() -> dict[str, Any]:
        # One author for all would measure how sixteen transactions lock one row.
        return {**values, "author_id": next(authors)}

    batch = [values] * MANY
    loaded = await Article.objects.order_by("pk")[:MANY]

    async def raw_get() -> Any:
        return await pool.fetchrow(SELECT + " WHERE id = $1", next(articles))

    async def our_get() -> Any:
        return await Article.objects.get(pk=next(articles))

    async def raw_rows() -> Any:
        return await pool.fetch(SELECT + " ORDER BY id LIMIT 100")

    async def our_rows() -> Any:
        return await Article.objects.order_by("pk")[:100]

    async def raw_json() -> Any:
        return encode([dict(row) for row in await raw_rows()])

    async def our_json() -> Any:
        return await encode_queryset(Article.objects.order_by("pk")[:100], plan)

    async def raw_insert() -> Any:
        return await pool.fetchval(insert, *new_article().values())

    async def our_insert() -> Any:
        return await Article.objects.create(**new_article())

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
            await pool.fetchrow(AUTHOR, row["author_id"])

    async def our_touch() -> Any:
        for row in await our_rows():
            await row.author

    async def raw_transaction() -> Any:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("UPDATE bench_author SET name = $1 WHERE id = $2", "x", next(authors))
            await connection.fetchrow(AUTHOR, next(authors))

    async def our_transaction() -> Any:
        async with transaction.atomic():
            await Author.objects.filter(pk=next(authors)).update(name="x")
            await Author.objects.get(pk=next(authors))

    async def raw_insert_many() -> Any:
        rows = [tuple(row.values()) for row in batch]
        async with pool.acquire() as connection:
            return await connection.fetchmany(insert, rows)

    async def our_insert_many() -> Any:
        return await Article.objects.bulk_create([Article(**row) for row in batch])

    async def raw_update_many() -> Any:
        async with pool.acquire() as connection:
            await connection.executemany(
                "UPDATE bench_article SET views = $1, title = $2 WHERE id = $3",
                [(row.views, row.title, row.pk) for row in loaded],
            )

    async def our_update_many() -> Any:
        return await Article.objects.bulk_update(loaded, ["views", "title"])

    pairs: Mapping[str, tuple[Work, Work]] = {
        "get by pk": (raw_get, our_get), "100 rows to instances": (raw_rows, our_rows), "100 rows to JSON": (raw_json, our_json),
        "join to author": (raw_join, our_join), "row.author over 100": (raw_touch, our_touch), "insert": (raw_insert, our_insert),
        "load, change, save": (raw_save, our_save), "transaction": (raw_transaction, our_transaction),
        f"insert {MANY} rows": (raw_insert_many, our_insert_many), f"update {MANY} rows": (raw_update_many, our_update_many),
    }  # fmt: skip
    assert [tuple(getattr(row, name) for name in COLUMNS) for row in await our_rows()] == [
        tuple(r) for r in await raw_rows()
    ]
    assert [row.author.name for row in await our_join()] == [row["name"] for row in await raw_join()]
    assert msgspec.json.decode(await our_json()) == msgspec.json.decode(await raw_json())
    rows = []
    for name, (raw, ours) in pairs.items():
        if only not in name:
            continue
        cells = await ratios(
            name, {"asyncpg": raw, "covet": ours}, rounds, seconds, (1,) if str(MANY) in name else (1, 16)
        )
        rows.append((name, [*cells, AIMS[name]]))
    await pool.close()
    return table("PostgreSQL, asyncpg's pool = 1", HEADS, rows)
