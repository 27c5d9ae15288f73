"""Threads beside the loop, and the way back."""

import asyncio
import contextvars
import functools
import threading

import pytest

from covet.concurrency import THREADS, hands_over, is_async, maybe_await, run_sync, serving_loop, to_thread

current = contextvars.ContextVar("current", default="none")


async def read():
    await asyncio.sleep(0)
    return current.get(), threading.current_thread()


@pytest.mark.row("contract.run_sync")
async def test_a_thread_gets_back_to_its_loop_with_its_context():
    current.set("here")

    def work():
        return run_sync(read()), threading.current_thread()

    (value, thread), worker = await to_thread(work)

    assert value == "here"
    assert thread is threading.current_thread()
    assert worker is not thread


class Query:
    """Awaitable and no coroutine, as querysets are."""

    def __await__(self):
        return read().__await__()


@pytest.mark.row("contract.run_sync")
async def test_whatever_is_awaited_is_run_as_a_coroutine_is():
    current.set("there")

    value, thread = await to_thread(lambda: run_sync(Query()))

    assert (value, thread) == ("there", threading.current_thread())
    with pytest.raises(RuntimeError, match=r"Write `await Query`"):
        run_sync(Query())


@pytest.mark.row("contract.run_sync")
async def test_run_sync_on_the_loops_own_thread_says_what_to_write():
    with pytest.raises(RuntimeError, match=r"Write `await read\(…\)`"):
        run_sync(read())


def test_run_sync_without_a_loop_says_so():
    with pytest.raises(RuntimeError, match="no running event loop"):
        run_sync(read())


async def test_a_plain_thread_finds_the_serving_loop():
    found = []
    with serving_loop():
        thread = threading.Thread(target=lambda: found.append(run_sync(read())))
        thread.start()
        while thread.is_alive():
            await asyncio.sleep(0)

    assert found[0][1] is threading.current_thread()


async def test_threads_that_wait_for_threads_do_not_starve():
    """More threads than the pool has, each waiting for one more: a single pool would stand still."""

    def outer():
        return run_sync(to_thread(lambda: 1))

    async with asyncio.timeout(30):
        results = await asyncio.gather(*(to_thread(outer) for _ in range(THREADS * 2)))

    assert sum(results) == THREADS * 2


async def test_an_exception_comes_through_both_ways():
    async def fail():
        raise KeyError("inner")

    with pytest.raises(KeyError, match="inner"):
        await to_thread(lambda: run_sync(fail()))


async def test_maybe_await_waits_for_coroutines_and_leaves_other_awaitables():
    class Awaitable:
        def __await__(self):
            raise AssertionError("an awaitable value must not be awaited")

    value = Awaitable()

    assert await maybe_await(asyncio.sleep(0, 3)) == 3
    assert await maybe_await(4) == 4
    assert await maybe_await(value) is value


def test_is_async_sees_through_partials_and_callables():
    class Call:
        async def __call__(self):
            pass

    assert is_async(read)
    assert is_async(functools.partial(read))

    class HandsOver:
        @hands_over
        def __call__(self):
            return read()

    assert is_async(Call())
    assert is_async(HandsOver())
    assert is_async(HandsOver().__call__)
    assert not is_async(Call)
    assert not is_async(HandsOver)
    assert not is_async(len)
