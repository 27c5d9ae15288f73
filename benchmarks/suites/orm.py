"""The ORM beside bare drivers, in one process, in turns: PostgreSQL here, the other databases and fixed costs beside it.

Both sides do the same work: the same columns of the same rows, values given by name, keys read back; what they read is
compared before anything is timed. ``row.author`` over a hundred rows is the loop that everybody writes first: a hundred
statements for who has nothing better. The client and a server of its own have a core each.

``kept`` is asyncpg without its pool, connections in a list: what is left of a row when the pool's own work is taken off.
"row.author by hand" is the same loop as the best code over that would have it: the rows, their authors in one statement, a dict.
The authors of the first hundred rows have keys without a gap, which the ORM makes use of; "row.author, keys apart" reads a
hundred others, of which no two have neighbouring keys.
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
from benchmarks.peers import bare
from benchmarks.suites import orm_costs, orm_others

MANY = 1000
# Their authors are every second one.
EVEN = list(range(2, 202, 2))
BY_HAND = "row.author by hand"
APART = "row.author, keys apart"
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

    pool, kept = await asyncpg.create_pool(database_url(), min_size=16, max_size=16), await bare.kept()
    raw, new_article = await bare.works(pool)
    floor, _ = await bare.works(kept)
    articles, authors = keys(ROWS), keys(200)
    places = ", ".join(f"${number}" for number in range(1, len(COLUMNS)))
    insert = f"INSERT INTO bench_article ({', '.join(COLUMNS[1:])}) VALUES ({places}) RETURNING id"
    plan = projection(ArticleOut, Article)
    assert plan is not None
    batch = [new_article() for _ in range(MANY)]
    loaded = await Article.objects.order_by("pk")[:MANY]

    async def our_get() -> Any:
        return await Article.objects.get(pk=next(articles))

    async def our_rows() -> Any:
        return await Article.objects.order_by("pk")[:100]

    async def our_json() -> Any:
        return await encode_queryset(Article.objects.order_by("pk")[:100], plan)

    async def our_insert() -> Any:
        return await Article.objects.create(**new_article())

    async def our_save() -> Any:
        row = await our_get()
        row.views += 1
        await row.save()

    async def our_join() -> Any:
        return await Article.objects.select_related("author").order_by("pk")[:100]

    async def our_touch() -> Any:
        for row in await our_rows():
            await row.author

    async def by_hand() -> Any:
        rows = await kept.fetch(bare.ARTICLE + " ORDER BY id LIMIT 100")
        found = await kept.fetch(bare.AUTHORS, list({row["author_id"] for row in rows}))
        authors = {row["id"]: row for row in found}
        for row in rows:
            authors[row["author_id"]]

    async def raw_apart() -> Any:
        for row in await pool.fetch(bare.ARTICLE + " WHERE id = ANY($1)", EVEN):
            await pool.fetchrow(bare.AUTHOR, row["author_id"])

    async def our_apart() -> Any:
        for row in await Article.objects.filter(pk__in=EVEN):
            await row.author

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

    ours: Mapping[str, Work] = {
        "get by pk": our_get, "100 rows to instances": our_rows, "100 rows to JSON": our_json, "join to author": our_join,
        "row.author over 100": our_touch, "insert": our_insert, "load, change, save": our_save, "transaction": our_transaction,
        f"insert {MANY} rows": our_insert_many, f"update {MANY} rows": our_update_many,
    }  # fmt: skip
    raw |= {f"insert {MANY} rows": raw_insert_many, f"update {MANY} rows": raw_update_many}
    await _agree(ours, raw)
    rows = []
    for name, work in ours.items():
        if only not in name:
            continue
        contenders = {"asyncpg's pool": raw[name], "covet": work}
        if name in floor:
            contenders["kept connections"] = floor[name]
        cells = await ratios(name, contenders, rounds, seconds, (1, 16) if name in floor else (1,))
        rows.append((name, [*cells, *[""] * (4 - len(cells)), AIMS[name]]))
        if name == "row.author over 100":
            cells = await ratios(BY_HAND, {"asyncpg's pool": raw[name], "covet": by_hand}, rounds, seconds, (1, 16))
            rows.append((BY_HAND, [*cells, "", ""]))
            cells = await ratios(APART, {"asyncpg's pool": raw_apart, "covet": our_apart}, rounds, seconds, (1, 16))
            rows.append((APART, [*cells, "", ""]))
    await kept.close()
    await pool.close()
    return table("PostgreSQL, asyncpg's pool = 1", [*HEADS[:-1], "kept", HEADS[-1]], rows)


async def _agree(ours: Mapping[str, Work], raw: Mapping[str, Work]) -> None:
    """Raise when both sides do not read the same."""
    rows: Any = await ours["100 rows to instances"]()
    bare_rows: Any = await raw["100 rows to instances"]()
    joined: Any = await ours["join to author"]()
    bare_joined: Any = await raw["join to author"]()
    encoded: Any = await ours["100 rows to JSON"]()
    bare_encoded: Any = await raw["100 rows to JSON"]()
    assert [tuple(getattr(row, name) for name in COLUMNS) for row in rows] == [tuple(row) for row in bare_rows]
    assert [row.author.name for row in joined] == [row["name"] for row in bare_joined]
    assert msgspec.json.decode(encoded) == msgspec.json.decode(bare_encoded)
