"""One migrated set of databases for all workers of a test run, which copy it: migrations run once, not once a worker."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from covet.concurrency import to_thread

__all__ = ["shared_by_workers", "template_folder"]


def template_folder() -> Path | None:
    """Return where this run's workers keep what they share; ``None`` where there are no others."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if not run or int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) < 2 or sys.platform == "win32":
        return None
    return Path(tempfile.gettempdir()) / f"covet-test-{run}"


@asynccontextmanager
async def shared_by_workers(
    folder: Path, make: Callable[[], Awaitable[None]], drop: Callable[[], Awaitable[None]]
) -> AsyncIterator[None]:
    """Have the templates inside the block: the first worker makes them, the last one to leave drops them.

    Args:
        folder: The run's own.
        make: Makes the templates; when it fails, the next worker tries.
        drop: Drops them.
    """
    users = folder / "users"
    async with _locked(folder):
        if not users.exists():
            await drop()
            await make()
        count = int(users.read_text()) if users.exists() else 0
        users.write_text(str(count + 1))
    try:
        yield
    finally:
        async with _locked(folder):
            left = int(users.read_text()) - 1
            users.write_text(str(left))
            if not left:
                await drop()
                await to_thread(shutil.rmtree, folder)
                folder.with_suffix(".lock").unlink()


@asynccontextmanager
async def _locked(folder: Path) -> AsyncIterator[None]:
    import fcntl

    while True:
        descriptor = os.open(folder.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
        await to_thread(fcntl.flock, descriptor, fcntl.LOCK_EX)
        # The last worker of all takes the file away: a lock on one that is no longer there holds nobody off.
        try:
            if os.stat(folder.with_suffix(".lock")).st_ino == os.fstat(descriptor).st_ino:
                break
        except FileNotFoundError:
            pass
        os.close(descriptor)
    try:
        await to_thread(folder.mkdir, exist_ok=True)
        yield
    finally:
        os.close(descriptor)
