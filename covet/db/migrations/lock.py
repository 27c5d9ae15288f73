"""One process migrates a database at a time; the others wait, and then find nothing left to do.

The lock belongs to a connection of its own (PostgreSQL, MariaDB) or to a file beside the database (SQLite), so a process
that dies loses it at once. It holds no transaction but behind PgBouncer: what is migrated commits as it goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from covet.db.backends.driver import Connection
    from covet.db.backends.postgresql.driver import PostgreSQLConnection
    from covet.db.database import Database

__all__ = ["migration_lock"]

# Half of the key of the advisory lock: "covet", so that locks of the project's own are not met by chance.
_POSTGRESQL_SPACE = 0x636F7665
_POLL_S = 0.1


@contextlib.asynccontextmanager
async def migration_lock(database: Database, on_wait: Callable[[], None] | None = None) -> AsyncIterator[None]:
    """Hold the migration lock of a database inside the block.

    Args:
        database: The database to be migrated.
        on_wait: Called once when another process holds the lock.
    """
    take = {"postgresql": _postgresql, "mysql": _mysql, "sqlite": _sqlite}[database.vendor]
    async with take(database, on_wait or (lambda: None)):
        yield


async def _until(attempt: Callable[[], Awaitable[bool]], on_wait: Callable[[], None]) -> None:
    if await attempt():
        return
    on_wait()
    # There is no event to wait for: the other process tells nobody when it is done.
    while not await attempt():  # noqa: ASYNC110
        await asyncio.sleep(_POLL_S)


@contextlib.asynccontextmanager
async def _own_connection(database: Database) -> AsyncIterator[Connection]:
    """A connection outside the pool: the pool may have but one, and a test may have pinned it."""
    connection = await database.driver.connect()
    try:
        yield connection
    except BaseException:
        connection.terminate()
        raise
    else:
        await connection.close()


@contextlib.asynccontextmanager
async def _postgresql(database: Database, on_wait: Callable[[], None]) -> AsyncIterator[None]:
    # Advisory locks are one database's own, and end with their session.
    key = (_POSTGRESQL_SPACE, zlib.crc32(b"migrations") & 0x7FFFFFFF)
    async with _own_connection(database) as connection:
        # Behind PgBouncer a session is ours for one transaction, and a lock of the session would stay with PgBouncer when
        # we have gone. The lock then belongs to a transaction that stays open meanwhile; whoever connects without saying
        # "pgbouncer" is known by a number that is not the session's.
        ((pid,),) = await connection.fetch("SELECT pg_backend_pid()", ())
        is_pooled = database.driver.pools_transactions or pid != cast("PostgreSQLConnection", connection).announced_pid
        kind = "xact_" if is_pooled else ""

        async def attempt() -> bool:
            if is_pooled:
                await connection.begin()
                await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0", ())
            rows = await connection.fetch(f"SELECT pg_try_advisory_{kind}lock($1::int, $2::int)", key)
            if is_pooled and not rows[0][0]:
                # Who waits gives the session back: those of a pooler are few, and the one that migrates needs another.
                await connection.rollback()
            return bool(rows[0][0])

        await _until(attempt, on_wait)
        yield


@contextlib.asynccontextmanager
async def _mysql(database: Database, on_wait: Callable[[], None]) -> AsyncIterator[None]:
    # Named locks are the whole server's, 64 characters at most, and end with their session.
    name = f"covet_migrations_{zlib.crc32(database.config.name.encode()):08x}"
    async with _own_connection(database) as connection:

        async def attempt() -> bool:
            rows = await connection.fetch("SELECT GET_LOCK(%s, 0)", (name,))
            return bool(rows[0][0] == 1)

        await _until(attempt, on_wait)
        yield


@contextlib.asynccontextmanager
async def _sqlite(database: Database, on_wait: Callable[[], None]) -> AsyncIterator[None]:
    name = database.config.name
    if not name or ":memory:" in name or "mode=memory" in name:
        # Nobody else can reach it.
        yield
        return
    path = Path(f"{name.removeprefix('file:').partition('?')[0]}.migrate.lock")
    if not path.parent.is_dir():
        # There can be no database either: what opens it says so, better than a folder made for it would.
        yield
        return
    held: list[int] = []

    async def attempt() -> bool:
        descriptor = _lock_file(path)
        if descriptor is not None:
            held.append(descriptor)
        return descriptor is not None

    await _until(attempt, on_wait)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)
        os.close(held[0])


def _lock_file(path: Path) -> int | None:
    """Return the descriptor of the locked file; ``None`` when another process holds it.

    A file beside the database, not the database itself: closing any descriptor of a file drops the locks that SQLite
    holds on it in this process.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its last holder takes the file away: a lock on one that is no longer there holds nobody off.
        if os.stat(path).st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None
