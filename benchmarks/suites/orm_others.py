"""The ORM on SQLite and on MariaDB, beside their bare drivers: one connection, or sixteen handed round in a list."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from benchmarks.cores import apart
from benchmarks.data import COLUMNS, DATABASE, keys
from benchmarks.measure import HEADS, ratios, table

ROWS = 2000
AIM = "0.8"
SELECT = f"SELECT {', '.join(COLUMNS)} FROM bench_article"


async def run(rounds: int, seconds: float, only: str) -> list[str]:
    """Return a table for each database."""
    tables = []
    for title, measure in (
        ("SQLite, aiosqlite's execute_fetchall = 1", _sqlite),
        ("MariaDB, bare driver = 1", _mariadb),
    ):
        rows = await measure(rounds, seconds, only)
        if rows:
            tables.append(table(title, HEADS, rows))
    return tables


async def _measure(prefix: str, url: str, mark: str, fetch: Callable[..., Awaitable[Any]], *rest: Any) -> list[Any]:
    """Return the rows of one database: a get and a list, the bare driver's and ours."""
    from benchmarks.apps.bench.models import Article
    from covet.conf.service_url import parse_database
    from covet.db import connections
    from covet.db.database import Database

    rounds, seconds, only = rest
    articles = keys(ROWS)

    async def raw_get() -> Any:
        return await fetch(f"{SELECT} WHERE id = {mark}", (next(articles),))

    async def our_get() -> Any:
        return await Article.objects.get(pk=next(articles))

    async def raw_rows() -> Any:
        return await fetch(f"{SELECT} ORDER BY id LIMIT 100", ())

    async def our_rows() -> Any:
        return await Article.objects.order_by("pk")[:100]

    found = []
    database = Database("default", parse_database(url))
    with connections.using({"default": database}):
        for name, raw, ours in (("get by pk", raw_get, our_get), ("100 rows to instances", raw_rows, our_rows)):
            if only in name:
                pair = {"bare": raw, "covet": ours}
                cells = await ratios(f"{prefix}, {name}", pair, rounds, seconds, (1, 16))
                found.append((f"{prefix}, {name}", [*cells, AIM]))
        await database.close()
    return found


async def _fill(url: str) -> None:
    """Make the tables and their rows anew."""
    from benchmarks.apps.bench.models import Article, Author
    from covet.conf.service_url import parse_database
    from covet.db import connections
    from covet.db.database import Database
    from covet.db.models.table import table_of

    database = Database("default", parse_database(url))
    with connections.using({"default": database}):
        async with database.schema_editor() as editor:
            for model in (Author, Article):
                await editor.create_table(table_of(model))
        await Author.objects.bulk_create([Author(name=f"Author {n}") for n in range(1, 201)])
        begin = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
        articles = [
            Article(
                title=f"Title {n}", body="word " * 20, author_id=1 + n % 200, published_at=begin + dt.timedelta(minutes=n),
                views=n, rating=n / 7.0, slug=f"title-{n}", active=n % 2 == 0, language="en",
            )
            for n in range(1, ROWS + 1)
        ]  # fmt: skip
        await Article.objects.bulk_create(articles, batch_size=500)
        await database.close()


async def _sqlite(*rest: Any) -> list[Any]:
    import aiosqlite

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.sqlite3"
        url = f"sqlite:///{path}"
        await _fill(url)
        connection = await aiosqlite.connect(path)

        async def fetch(sql: str, args: tuple[Any, ...]) -> Any:
            return await connection.execute_fetchall(sql, args)

        try:
            return await _measure("SQLite", url, "?", fetch, *rest)
        finally:
            await connection.close()


async def _mariadb(*rest: Any) -> list[Any]:
    import aiomysql

    base = os.environ.get("COVET_TEST_MYSQL_URL", "mysql://covet:covet@127.0.0.1:33069/covet")
    parts = urlsplit(base)
    where = {"host": parts.hostname, "port": parts.port, "user": parts.username, "password": parts.password or ""}
    first = await aiomysql.connect(**where, autocommit=True)
    async with first.cursor() as cursor:
        await cursor.execute(f"SHOW DATABASES LIKE '{DATABASE}'")
        if await cursor.fetchone():
            await cursor.execute(f"DROP DATABASE {DATABASE}")
        await cursor.execute(f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4")
    first.close()
    url = urlunsplit(parts._replace(path=f"/{DATABASE}", query=""))
    await _fill(url)
    rows = []
    for name, connect in _mysql_drivers(where).items():
        connections = [await connect() for _ in range(16)]

        async def fetch(sql: str, args: tuple[Any, ...], kept: list[Any] = connections) -> Any:
            connection = kept.pop()
            try:
                async with connection.cursor() as cursor:
                    await cursor.execute(sql, args)
                    return await cursor.fetchall()
            finally:
                kept.append(connection)

        with apart(base):
            rows += await _measure(name, f"{url}?driver={name}&pool_max_size=16", "%s", fetch, *rest)
        for connection in connections:
            connection.close()
    await asyncio.sleep(0)
    return rows


def _mysql_drivers(where: dict[str, Any]) -> dict[str, Callable[[], Awaitable[Any]]]:
    """The drivers that are installed: how each connects."""
    import aiomysql

    found: dict[str, Callable[[], Awaitable[Any]]] = {
        "aiomysql": lambda: aiomysql.connect(**where, db=DATABASE, autocommit=True)
    }
    try:
        import asyncmy
    except ImportError:
        return found
    found["asyncmy"] = lambda: asyncmy.connect(**where, database=DATABASE, autocommit=True)
    return found
