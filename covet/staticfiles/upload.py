"""Bringing collected files to a storage: what is new or has changed, names made of content first, the manifest last.

Whoever reads the storage meanwhile finds all that the manifest names, that of the last run or that of this one.
"""

from __future__ import annotations

import asyncio
import json
import posixpath
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from covet.concurrency import to_thread
from covet.exceptions import CommandError, ImproperlyConfigured
from covet.files.storage import Storage
from covet.staticfiles.collect import Collected
from covet.staticfiles.manifest import MANIFEST, Manifest

__all__ = ["names_in", "read_manifest", "upload"]

_AT_ONCE = 16


async def upload(root: Path, storage: Storage, *, clear: bool = False, dry_run: bool = False) -> Collected:
    """Bring a collected folder to a storage.

    Args:
        root: The folder; its manifest, if it has one, says which names are made of content.
        storage: Where to.
        clear: Delete everything in the storage first.
        dry_run: Only tell.

    Raises:
        CommandError: The storage keeps a file under another name.
    """
    done = Collected()
    there = set(await names_in(storage))
    if clear:
        done.removed = sorted(there)
        if not dry_run:
            await _each(storage.delete, there)
        there = set()
    manifest = await to_thread(Manifest.read, root)
    stored = frozenset() if manifest is None else manifest.stored
    paths = await to_thread(_paths, root)

    async def bring(path: str) -> None:
        file = root / path
        # A name that is made of content never changes what it holds.
        if path in there and (path in stored or await _is_same(file, storage, path)):
            done.unmodified += 1
            return
        done.copied.append(path)
        if not dry_run:
            await _put(storage, path, file, is_there=path in there)

    await _each(bring, [path for path in paths if path in stored])
    done.hashed = len(stored)
    await _each(bring, [path for path in paths if path not in stored and path != MANIFEST])
    if MANIFEST in paths:
        await bring(MANIFEST)
    done.copied.sort()
    return done


async def names_in(storage: Storage, folder: str = "") -> list[str]:
    """Return the names of all files in a storage."""
    lister: Any = getattr(storage, "listdir", None)
    if lister is None:
        raise CommandError(
            f"{storage!r} cannot list what it holds (listdir), so collectstatic cannot tell what is new."
        )
    try:
        folders, files = await lister(folder)
    except FileNotFoundError:
        return []
    found = [posixpath.join(folder, file) for file in files]
    for below in folders:
        found += await names_in(storage, posixpath.join(folder, below))
    return found


async def read_manifest(storage: Storage) -> Manifest | None:
    """Return the manifest that a storage holds.

    Raises:
        ImproperlyConfigured: It is no manifest of ours.
    """
    try:
        async with await storage.open(MANIFEST) as file:
            text = await file.read()
    except FileNotFoundError:
        return None
    try:
        return Manifest.parse(json.loads(text))
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{MANIFEST} in {storage!r} is broken ({error}). Run collectstatic again."
        ) from error


async def _is_same(file: Path, storage: Any, path: str) -> bool:
    if path == MANIFEST:
        # It is written anew each time, and as long as the last one whatever it says.
        async with await storage.open(path) as kept:
            return bool(await kept.read() == await to_thread(file.read_bytes))
    status = await to_thread(file.stat)
    if await storage.size(path) != status.st_size:
        return False
    changed = getattr(storage, "get_modified_time", None)
    return changed is not None and (await changed(path)).timestamp() >= int(status.st_mtime)


async def _put(storage: Any, path: str, file: Path, *, is_there: bool) -> None:
    if is_there and not getattr(storage, "allow_overwrite", False):
        await storage.delete(path)
    content = await to_thread(file.read_bytes)
    kept = await storage.save(path, content)
    if kept != path:
        raise CommandError(
            f"{storage!r} keeps {path!r} as {kept!r}, where nobody looks for it. Give the file that name, or leave it out by "
            "--ignore."
        )


async def _each(work: Any, paths: Iterable[str]) -> None:
    """Do the work for each path, some at once."""
    free = asyncio.Semaphore(_AT_ONCE)

    async def one(path: str) -> None:
        async with free:
            await work(path)

    try:
        async with asyncio.TaskGroup() as group:
            for path in paths:
                group.create_task(one(path))
    except BaseExceptionGroup as errors:
        # One is enough to be told of, with its own cause; the others are mostly the same.
        first = errors.exceptions[0]
        raise first from first.__cause__


def _paths(root: Path) -> list[str]:
    return sorted(file.relative_to(root).as_posix() for file in root.rglob("*") if file.is_file())
