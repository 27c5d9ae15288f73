"""Both halves of ``first_step``: what is over at once, what waits, what fails, and what is awaited after it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import types
import weakref
from collections.abc import Generator
from typing import Any

import pytest

from covet import accel
from covet.accel.twins import steps as twin

HALVES: dict[str, Any] = {"python": (twin.first_step, twin.Waiting), "chosen": (accel.first_step, accel.Waiting)}
both = pytest.mark.parametrize(("first_step", "waiting"), HALVES.values(), ids=HALVES.keys())


class Yields:
    """Waits for ``value``, and returns what it is sent."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield self.value)


@both
@pytest.mark.parametrize(
    "value", [None, 1, (), (1, 2), [], StopIteration("a value like any other"), ValueError, Yields(1)]
)
def test_what_is_over_at_once_is_returned_as_it_is(first_step: Any, waiting: Any, value: Any) -> None:
    async def view() -> Any:
        return value

    assert first_step(view()) is value


@both
@pytest.mark.parametrize("value", [None, (), (1, 2), StopIteration("a value like any other")])
async def test_what_waits_goes_on_where_it_is_awaited(first_step: Any, waiting: Any, value: Any) -> None:
    loop = asyncio.get_running_loop()
    first, second = loop.create_future(), loop.create_future()
    given = []

    async def view() -> Any:
        given.extend([await first, await second])
        return value

    begun = first_step(view())

    assert type(begun) is waiting
    loop.call_soon(first.set_result, 1)
    loop.call_soon(loop.call_soon, second.set_result, 2)
    assert await begun is value
    assert given == [1, 2]


@both
def test_the_loop_is_told_of_each_wait_once_and_answers_reach_the_view(first_step: Any, waiting: Any) -> None:
    async def view() -> Any:
        return [await Yields("a"), await Yields("b")]

    steps = first_step(view()).__await__()

    assert next(steps) == "a"
    assert steps.send(None) == "b"
    with pytest.raises(StopIteration) as ended:
        steps.send(2)
    assert ended.value.value == [None, 2]


@both
@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), asyncio.CancelledError("why")])
def test_an_error_comes_out_as_it_is(first_step: Any, waiting: Any, error: BaseException) -> None:
    async def view() -> Any:
        raise error

    with pytest.raises(type(error)) as caught:
        first_step(view())

    assert caught.value is error
    assert caught.traceback[-1].name == "view"


@both
async def test_a_cancellation_reaches_what_waits(first_step: Any, waiting: Any) -> None:
    over = []

    async def view() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            over.append(True)

    begun = first_step(view())

    async def go_on() -> None:
        await begun

    task = asyncio.create_task(go_on())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert over == [True]


@both
def test_the_failure_of_the_first_wait_may_be_caught(first_step: Any, waiting: Any) -> None:
    async def view() -> Any:
        try:
            await Yields(1)
        except LookupError as error:
            await Yields(2)
            return error.args
        raise AssertionError

    steps = first_step(view()).__await__()
    assert next(steps) == 1
    assert steps.throw(LookupError("gone")) == 2
    with pytest.raises(StopIteration) as ended:
        next(steps)
    assert ended.value.value == ("gone",)


@both
def test_what_the_view_raises_later_did_not_come_during_the_failure_of_its_first_wait(
    first_step: Any, waiting: Any
) -> None:
    async def view() -> Any:
        with contextlib.suppress(LookupError):
            await Yields(1)
        await Yields(2)
        raise ValueError("its own")

    steps = first_step(view()).__await__()
    next(steps)
    steps.throw(LookupError("gone"))
    with pytest.raises(ValueError, match="its own") as caught:
        next(steps)
    assert caught.value.__context__ is None


@both
def test_awaitables_without_a_throw_do_not_see_the_failure_of_their_wait(first_step: Any, waiting: Any) -> None:
    class Bare:
        def __await__(self) -> Any:
            return iter([1])

    steps = first_step(Bare()).__await__()
    assert next(steps) == 1
    with pytest.raises(LookupError, match="gone"):
        steps.throw(LookupError("gone"))


@both
def test_what_nobody_awaits_is_closed_and_freed(first_step: Any, waiting: Any) -> None:
    closed = []

    class Kept:
        pass

    async def view(kept: Kept) -> None:
        try:
            await Yields(kept)
        finally:
            closed.append(True)

    kept = Kept()
    gone = weakref.ref(kept)
    kept.begun = first_step(view(kept))  # type: ignore[attr-defined]
    del kept
    gc.collect()

    assert gone() is None
    assert closed == [True]


@both
async def test_generators_that_types_coroutine_made_awaitable_are_taken(first_step: Any, waiting: Any) -> None:
    @types.coroutine
    def at_once() -> Generator[Any, Any, str]:
        return "there"
        yield

    @types.coroutine
    def later() -> Generator[Any, Any, str]:
        yield
        return "later"

    assert first_step(at_once()) == "there"
    begun = first_step(later())
    assert type(begun) is waiting
    assert await begun == "later"


def plain() -> Generator[Any, Any, None]:
    yield


@both
@pytest.mark.parametrize("value", [3, plain()], ids=["number", "generator"])
def test_only_what_can_be_awaited_has_steps(first_step: Any, waiting: Any, value: Any) -> None:
    async def awaits() -> None:
        await value

    with pytest.raises(TypeError) as own:
        awaits().send(None)
    with pytest.raises(TypeError) as ours:
        first_step(value)

    assert str(ours.value) == str(own.value)


class Broken:
    def __await__(self) -> Generator[Any, Any, None]:
        raise AttributeError("of its own")


@both
def test_the_failure_of_an_await_of_its_own_is_told_as_it_is(first_step: Any, waiting: Any) -> None:
    with pytest.raises(AttributeError, match="of its own"):
        first_step(Broken())
