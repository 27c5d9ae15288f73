"""asyncpg's own pool: what everybody is measured against, in each peer's own process; and its connections without a pool."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec

from benchmarks.data import COLUMNS, ROWS, database_url, keys

Work = Callable[[], Awaitable[Any]]
ARTICLE = f"SELECT {', '.join(COLUMNS)} FROM bench_article"
AUTHOR = "SELECT id, name FROM bench_author WHERE id = $1"
AUTHORS = "SELECT id, name FROM bench_author WHERE id = ANY($1)"

_articles = keys(ROWS)
_authors = keys(200)
#: How all of them make JSON of plain values.
encode_json = msgspec.json.Encoder().encode


def article_key() -> int:
    """The key of any article."""
    return next(_articles)


def author_key() -> int:
    """The key of any author."""
    return next(_authors)


class Kept:
    """Connections in a list and nothing else, for the operations that the pool has: what asyncpg takes without it."""

    def __init__(self, connections: list[Any]) -> None:
        self._connections = connections

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        """Lend the connection that was used last."""
        connection = self._connections.pop()
        try:
            yield connection
        finally:
            self._connections.append(connection)

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any) -> Any:
            connection = self._connections.pop()
            try:
                return await getattr(connection, name)(*args)
            finally:
                self._connections.append(connection)

        # Found without this from now on.
        setattr(self, name, call)
        return call

    async def close(self) -> None:
        """Close them all."""
        for connection in self._connections:
            await connection.close()


async def kept() -> Kept:
    """Open as many connections as the pool has."""
    return Kept([await asyncpg.connect(database_url()) for _ in range(16)])


async def works(pool: Any = None) -> tuple[dict[str, Work], Callable[[], dict[str, Any]]]:
    """Return the operations, and what gives the values of a new article.

    Args:
        pool: asyncpg's, or ``Kept``; without one, a pool is opened.
    """
    pool = pool or await asyncpg.create_pool(database_url(), min_size=16, max_size=16)
    columns = COLUMNS[1:]
    places = ", ".join(f"${number}" for number in range(1, len(COLUMNS)))
    insert = f"INSERT INTO bench_article ({', '.join(columns)}) VALUES ({places}) RETURNING id"
    changes = ", ".join(f"{column} = ${number}" for number, column in enumerate(columns, 1))
    update = f"UPDATE bench_article SET {changes} WHERE id = ${len(COLUMNS)}"
    joined = "SELECT a.*, u.* FROM bench_article a JOIN bench_author u ON u.id = a.author_id ORDER BY a.id LIMIT 100"
    sample = dict(await pool.fetchrow(ARTICLE + " WHERE id = 1"))
    values = {name: sample[name] for name in columns}

    def new_article() -> dict[str, Any]:
        # One author for all would measure how sixteen transactions lock one row.
        return {**values, "author_id": author_key()}

    async def get() -> Any:
        return await pool.fetchrow(ARTICLE + " WHERE id = $1", article_key())

    async def rows() -> Any:
        return await pool.fetch(ARTICLE + " ORDER BY id LIMIT 100")

    async def encode() -> Any:
        return encode_json([dict(row) for row in await rows()])

    async def create() -> Any:
        return await pool.fetchval(insert, *new_article().values())

    async def save() -> Any:
        row = dict(await get())
        row["views"] += 1
        await pool.execute(update, *[row[name] for name in columns], row["id"])

    async def join() -> Any:
        return await pool.fetch(joined)

    async def touch() -> Any:
        for row in await rows():
            await pool.fetchrow(AUTHOR, row["author_id"])

    async def transaction() -> Any:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("UPDATE bench_author SET name = $1 WHERE id = $2", "x", author_key())
            await connection.fetchrow(AUTHOR, author_key())

    return {
        "get by pk": get,
        "100 rows to instances": rows,
        "100 rows to JSON": encode,
        "insert": create,
        "load, change, save": save,
        "join to author": join,
        "row.author over 100": touch,
        "transaction": transaction,
    }, new_article
