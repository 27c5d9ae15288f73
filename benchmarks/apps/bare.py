"""The floor: a bare ASGI function over raw asyncpg, with msgspec for the bytes."""

from __future__ import annotations

from typing import Any

import asyncpg
import msgspec

from benchmarks.apps.struct_types import ORDERS, Order
from benchmarks.data import COLUMNS, database_url

pool: Any = None
encode = msgspec.json.Encoder().encode
SELECT = f"SELECT {', '.join(COLUMNS)} FROM bench_article"
decode_order = msgspec.json.Decoder(Order).decode


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer the benchmark's paths."""
    global pool
    if scope["type"] == "lifespan":
        await receive()
        pool = await asyncpg.create_pool(database_url(), min_size=10, max_size=10)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await pool.close()
        await send({"type": "lifespan.shutdown.complete"})
        return
    path = scope["path"]
    if path == "/json":
        body = encode({"message": "Hello, World!"})
    elif path in ("/objects", "/objects-struct"):
        body = encode(ORDERS)
    elif path in ("/order", "/order-struct"):
        body = encode(decode_order((await receive())["body"]))
    elif path == "/articles":
        body = encode([dict(row) for row in await pool.fetch(SELECT + " ORDER BY id LIMIT 100")])
    else:
        body = encode(dict(await pool.fetchrow(SELECT + " WHERE id = $1", int(path.rpartition("/")[2]))))
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
