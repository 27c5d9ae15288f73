"""``capture_on_commit_callbacks``: what the code under test asked to be run after its commit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from covet.concurrency import maybe_await
from covet.db import connections
from covet.db.backends.blocks import captured, log
from covet.db.connections import DEFAULT_ALIAS

__all__ = ["capture_on_commit_callbacks"]


@asynccontextmanager
async def capture_on_commit_callbacks(
    using: str = DEFAULT_ALIAS, *, execute: bool = False
) -> AsyncIterator[list[Callable[[], Any]]]:
    """Put the functions that ``on_commit`` is given inside the block into a list, in place of running them.

    The list is filled when the block ends. It holds what committed, and what an ``atomic`` block around this one was given
    meanwhile; a function whose own block was rolled back is not in it.

    Args:
        using: The database's alias.
        execute: Run them at the end of the block, in order; what they ask for in turn too.
    """
    outer = captured.get(using)
    found: list[tuple[Any, bool]] = []
    callbacks: list[Callable[[], Any]] = []
    frame = connections[using]._scope.get()
    start = 0 if frame is None else len(frame.hooks)
    captured[using] = found
    try:
        yield callbacks
        if frame is not None:
            found += frame.hooks[start:]
            del frame.hooks[start:]
        if execute:
            done = 0
            while done < len(found):
                await _run(*found[done])
                done += 1
        callbacks[:] = [function for function, _robust in found]
    finally:
        if outer is None:
            del captured[using]
        else:
            captured[using] = outer


async def _run(function: Callable[[], Any], robust: bool) -> None:
    try:
        await maybe_await(function())
    except Exception:
        if not robust:
            raise
        log.exception("An on_commit function failed")
