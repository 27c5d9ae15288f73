"""Coroutines that are begun without a task of their own find what they find in one, and never each other."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine
from contextvars import ContextVar
from typing import Any

import pytest

from covet.handlers.steps import Steps

colour: ContextVar[str] = ContextVar("colour", default="none")

Task = asyncio.Task[None]


async def begun(call: Callable[[], Any]) -> Any:
    """Call from the loop, as a transport does, and return what it returned."""
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def run() -> None:
        try:
            done.set_result(call())
        except BaseException as error:
            done.set_exception(error)

    asyncio.get_running_loop().call_soon(run)
    return await done


@pytest.fixture
async def steps() -> AsyncIterator[Later]:
    """Steps that are let go behind the test, as the last connection does it."""
    later = Later()
    yield later
    if later.made is not None:
        later.made.close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


class Later:
    """Steps of the running loop."""

    def __init__(self) -> None:
        self.made: Steps | None = None

    async def start(self, coroutine: Coroutine[Any, Any, None]) -> Task | None:
        """Start from a callback of the loop."""
        if self.made is None:
            self.made = Steps(asyncio.get_running_loop())
        task: Task | None = await begun(lambda: self.made.start(coroutine))  # type: ignore[union-attr]
        return task


async def test_what_waits_for_nothing_ends_at_once_and_makes_one_task_for_all(steps: Later) -> None:
    seen = []

    async def view() -> None:
        seen.append(id(asyncio.current_task()))
        async with asyncio.timeout(30):
            pass

    for _ in range(5):
        assert await steps.start(view()) is None

    assert len(seen) == 5
    assert len(set(seen)) == 1


async def test_what_waits_goes_on_in_the_task_it_began_in(steps: Later) -> None:
    seen = []

    async def view() -> None:
        seen.append(asyncio.current_task())
        await asyncio.sleep(0)
        seen.append(asyncio.current_task())
        await asyncio.sleep(0.001)
        seen.append(asyncio.current_task())

    first = await steps.start(view())
    second = await steps.start(view())
    assert first is not None and second is not None
    await asyncio.gather(first, second)

    assert first is not second
    assert seen.count(first) == 3
    assert seen.count(second) == 3
    assert {type(task) for task in seen} == {asyncio.Task}


async def test_a_spare_that_has_parked_goes_on_with_what_waits(steps: Later) -> None:
    async def nothing() -> None:
        pass

    async def view() -> None:
        await asyncio.sleep(0.001)
        found.append(asyncio.current_task())

    found: list[Any] = []
    await steps.start(nothing())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task = await steps.start(view())
    assert task is not None
    await task

    assert found == [task]


async def test_each_has_a_context_of_its_own_for_all_its_steps(steps: Later) -> None:
    seen = []

    async def sets(name: str) -> None:
        seen.append(colour.get())
        colour.set(name)

    async def sets_and_waits(name: str) -> None:
        await sets(name)
        await asyncio.sleep(0)
        seen.append(colour.get())
        await asyncio.create_task(asyncio.sleep(0))
        seen.append(colour.get())

    await steps.start(sets("red"))
    task = await steps.start(sets_and_waits("green"))
    await steps.start(sets("blue"))
    assert task is not None
    await task

    assert sorted(seen) == ["green", "green", "none", "none", "none"]
    assert colour.get() == "none"


KEEPERS: dict[str, Callable[[dict[Any, Any], Task], Any]] = {
    "a reference": lambda kept, task: kept.update(task=task),
    "a callback": lambda kept, task: task.add_done_callback(lambda _: kept.update(done=True)),
    "a name": lambda kept, task: task.set_name("mine"),
    "a cancellation": lambda kept, task: task.cancel(),
}


@pytest.mark.parametrize("keep", KEEPERS.values(), ids=KEEPERS.keys())
async def test_a_task_that_somebody_could_know_again_is_not_given_to_another(steps: Later, keep: Any) -> None:
    kept: dict[Any, Any] = {}
    names = []

    async def view() -> None:
        task = asyncio.current_task()
        assert task is not None
        names.append(task.get_name())
        assert not task.cancelling()
        keep(kept, task)

    async def other() -> None:
        task = asyncio.current_task()
        assert task is not None and task is not kept.get("task")
        assert not task.cancelling()
        names.append(task.get_name())
        await asyncio.sleep(0)

    assert await steps.start(view()) is None
    task = await steps.start(other())
    assert task is not None
    await task
    await asyncio.sleep(0)

    assert names[0] != names[1]
    if "task" in kept:
        # It ended, as it seemed to have from within.
        assert await kept["task"] is None
    assert kept.get("done", True)
    assert "mine" not in names


async def test_a_callback_of_the_task_is_called_when_its_view_has_ended(steps: Later) -> None:
    ended = asyncio.Event()

    async def view() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.add_done_callback(lambda _: ended.set())

    await steps.start(view())
    async with asyncio.timeout(30):
        await ended.wait()


@pytest.mark.parametrize("turns", [0, 1, 3])
async def test_a_cancellation_reaches_what_is_waited_for_and_then_the_view(steps: Later, turns: int) -> None:
    """Whether it comes before the task took its first step, before it waits, or later."""
    seen: list[Any] = []
    inner: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def view() -> None:
        try:
            await inner
        except asyncio.CancelledError:
            seen.append(inner.cancelled())
            await asyncio.sleep(0)
            seen.append("cleaned up")
            raise

    def start_and_cancel() -> Task:
        task = steps.made.start(view())  # type: ignore[union-attr]
        assert task is not None
        if not turns:
            task.cancel()
        return task

    await steps.start(asyncio.sleep(0, None))
    task = await begun(start_and_cancel)
    for _ in range(turns - 1):
        await asyncio.sleep(0)
    if turns:
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert seen == [True, "cleaned up"]


async def test_a_cancellation_reaches_a_view_whose_wait_is_over_already(steps: Later) -> None:
    caught = asyncio.Event()

    async def view() -> None:
        try:
            await done
        except asyncio.CancelledError:
            caught.set()
            raise

    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def start_and_cancel() -> Task:
        task = steps.made.start(view())  # type: ignore[union-attr]
        assert task is not None
        done.set_result(None)
        task.cancel()
        return task

    await steps.start(asyncio.sleep(0, None))
    task = await begun(start_and_cancel)
    with pytest.raises(asyncio.CancelledError):
        await task

    assert caught.is_set()


async def test_a_timeout_that_began_in_the_first_step_ends_a_later_one(steps: Later) -> None:
    seen = []

    async def view() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        seen.append("went on")
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(0))
        seen.append("to the end")

    task = await steps.start(view())
    assert task is not None
    await task

    assert seen == ["went on", "to the end"]


async def test_what_a_view_raises_in_its_first_step_ends_a_task(steps: Later) -> None:
    # What another test has left is told to that one's handler, and not to the one below.
    gc.collect()
    told: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: told.append(context))

    async def view() -> None:
        raise LookupError("no such thing")

    async def nothing() -> None:
        pass

    try:
        assert await steps.start(view()) is None
        assert await steps.start(nothing()) is None
        for _ in range(3):
            await asyncio.sleep(0)
        gc.collect()
    finally:
        loop.set_exception_handler(None)

    assert [str(context.get("exception")) for context in told] == ["no such thing"]


async def test_a_task_of_the_projects_own_making_is_left_to_it(steps: Later) -> None:
    made = []
    loop = asyncio.get_running_loop()

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Task:
        made.append(asyncio.Task(coroutine, loop=loop, **options))
        return made[-1]

    async def view() -> None:
        assert asyncio.current_task() in made

    loop.set_task_factory(factory)  # type: ignore[arg-type]
    try:
        task = await steps.start(view())
    finally:
        loop.set_task_factory(None)
    assert task is not None
    await task

    assert made == [task]


async def test_a_start_from_within_a_task_leaves_that_the_current_one() -> None:
    seen = []

    async def view() -> None:
        seen.append(asyncio.current_task())

    task = Steps(asyncio.get_running_loop()).start(view())
    assert task is not None
    await task
    me = asyncio.current_task()

    assert seen == [task]
    assert task is not me


async def test_nothing_is_left_of_closed_steps(steps: Later) -> None:
    async def nothing() -> None:
        pass

    before = asyncio.all_tasks()
    await steps.start(nothing())
    assert steps.made is not None
    steps.made.close()
    steps.made.close()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    # A task that another test left may end meanwhile.
    assert asyncio.all_tasks() - before == set()

    assert await steps.start(nothing()) is None
    spare = asyncio.all_tasks() - before
    for task in spare:
        # As the end of asyncio.run() does it.
        task.cancel()
    await asyncio.gather(*spare, return_exceptions=True)
    assert await steps.start(nothing()) is None
    steps.made.close()
    await asyncio.sleep(0)


async def test_a_task_that_is_referred_to_weakly_is_not_given_again(steps: Later) -> None:
    """Maps of tasks hold them so: what one view has put there, the next one must not find."""
    kept: list[weakref.ref[Any]] = []

    async def view() -> None:
        task = asyncio.current_task()
        assert task is not None
        assert all(one() is not task for one in kept)
        kept.append(weakref.ref(task, lambda gone: None))

    for _ in range(3):
        assert await steps.start(view()) is None

    assert len(kept) == 3
