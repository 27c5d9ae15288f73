"""How long tasks wait for a connection of a pool that is open: the limit holds for opening one as well, which takes its time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from msgspec.structs import replace

from covet.db.database import Database


@contextlib.contextmanager
def waiting_at_most(db: Database, seconds: float) -> Iterator[None]:
    """Let nobody wait for longer inside the block; the database is open, and so is what is held of it."""
    pools = [pool for pool in (db._writer, db._readers) if pool is not None]
    assert pools
    before = [pool.config for pool in pools]
    for pool in pools:
        pool.config = replace(pool.config, timeout_s=seconds)
    try:
        yield
    finally:
        for pool, config in zip(pools, before, strict=True):
            pool.config = config
