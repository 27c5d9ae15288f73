"""Streams that are left half-way: by a break, an error, a cancellation, in blocks that end at once."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from covet.conf import override
from covet.conf.service_url import PoolConfig, parse_database
from covet.db import connections, transaction
from tests._apps.blog.models import Author, Profile
from tests.db.models.conftest import create_tables

if TYPE_CHECKING:
    from covet.db.database import Database

ROWS = 300


@pytest.fixture
async def profiles(vendor: str, scratch: Any) -> AsyncIterator[Database]:
    """Rows that no buffer of a socket holds, on a database of one connection: who leaves it in use is met by the next."""
    config = parse_database(await scratch(vendor))
    with override(DATABASES={"default": replace(config, pool=PoolConfig(max_size=1, timeout_s=60))}):
        database = connections["default"]
        await create_tables(database, [Author, Profile])
        authors = await Author.objects.bulk_create([Author(name=f"{number}") for number in range(ROWS)])
        await Profile.objects.bulk_create([Profile(author=author, bio="x" * 20_000) for author in authors])
        yield database
        await database.close()


async def leave(how: str) -> None:
    """Begin to read, and leave the loop; the generator is left to the event loop."""
    async for _ in Profile.objects.order_by("pk").iterator(chunk_size=5):
        if how == "break":
            break
        if how == "error":
            raise ZeroDivisionError
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)


async def in_a_block(how: str) -> None:
    async with transaction.atomic():
        await leave(how)


async def in_a_nested_block(how: str) -> None:
    """The outer block goes on, with statements on the same connection."""
    async with transaction.atomic():
        with suppress(ZeroDivisionError):
            async with transaction.atomic():
                await leave(how)
        assert len(await Profile.objects.all()) == ROWS
        assert await Author.objects.filter(name="0").update(age=1) == 1


@pytest.mark.row("queries.iterator")
@pytest.mark.parametrize("how", ["break", "error", "cancel"])
@pytest.mark.parametrize("read", [leave, in_a_block, in_a_nested_block])
async def test_a_stream_that_is_left_leaves_others_in_peace(profiles: Database, read: Any, how: str) -> None:
    gc.collect()  # what other tests have left is no failure of these
    failures: list[Any] = []
    loop, others = asyncio.get_running_loop(), asyncio.all_tasks()
    loop.set_exception_handler(lambda loop, context: failures.append(context.get("exception") or context["message"]))
    try:
        for _ in range(3):
            reading = asyncio.create_task(read(how))
            counting = [asyncio.create_task(Author.objects.count()) for _ in range(3)]
            found = await asyncio.gather(reading, *counting, return_exceptions=True)
            assert found[0] is None or isinstance(found[0], (ZeroDivisionError, asyncio.CancelledError))
            assert found[1:] == [ROWS] * 3
            assert await Author.objects.count() == ROWS
        # What the event loop was left with runs in tasks of their own, which nobody awaits.
        while behind := asyncio.all_tasks() - others:
            await asyncio.wait(behind)
        await asyncio.sleep(0)
    finally:
        loop.set_exception_handler(None)
    assert failures == []
    assert await Author.objects.count() == ROWS


@pytest.mark.row("queries.iterator")
async def test_closing_a_stream_gives_its_connection_back_at_once(profiles: Database) -> None:
    pool = profiles.spare_pool
    assert pool is not None
    async with aclosing(Profile.objects.order_by("pk").iterator(chunk_size=5)) as rows:
        assert len((await anext(rows)).bio) == 20_000
        assert pool.in_use == 1
    assert pool.in_use == 0


async def test_a_stream_that_is_read_on_after_a_commit_by_hand_says_so_alone(profiles: Database) -> None:
    await transaction.set_autocommit(False)
    try:
        rows = Profile.objects.order_by("pk").iterator(chunk_size=5)
        assert len((await anext(rows)).bio) == 20_000
        await transaction.commit()
        await rows.aclose()

        assert await Author.objects.count() == ROWS
    finally:
        await transaction.rollback()
        await transaction.set_autocommit(True)
