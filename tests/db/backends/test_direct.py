"""A waiter is a future in all that asyncio and drivers ask of one, and wakes its task where its answer is read; in both halves."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import socket
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from covet.accel.twins import waiters as twin
from covet.db.backends import direct
from tests._calls import profiled

# The fixture ``half`` sets them: what was chosen, and the plain classes.
Gate: Any = direct.Gate
Prompt: Any = direct.Prompt
Waiter: Any = direct.Waiter

place: contextvars.ContextVar[str] = contextvars.ContextVar("place", default="nowhere")


class Wire:
    """A transport and the protocol of a driver in one."""

    def __init__(self) -> None:
        self.protocol: Any = self
        self.on_data: Callable[[bytes], None] = lambda data: None
        self.told: list[str] = []

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def data_received(self, data: bytes) -> None:
        self.on_data(data)
        self.told.append("driver is done")

    def eof_received(self) -> None:
        self.told.append("eof")

    def connection_lost(self, error: Exception | None) -> None:
        self.told.append("lost")

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")


class PlainGate(twin.Gate, asyncio.Protocol):
    """The gate as it is without the native half."""

    stand_before = direct.Gate.stand_before


@pytest.fixture(params=["chosen", "python"], autouse=True)
def half(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    classes = {"chosen": (direct.Gate, direct.Prompt, direct.Waiter), "python": (PlainGate, twin.Prompt, twin.Waiter)}
    half: str = request.param
    for name, kind in zip(("Gate", "Prompt", "Waiter"), classes[half], strict=True):
        monkeypatch.setitem(globals(), name, kind)
    return half


def loop_for(gate: Any) -> Any:
    return direct.loop_for(gate, Waiter)


@pytest.fixture
async def gate(half: str) -> Any:
    return Gate(asyncio.get_running_loop())


@pytest.fixture
def wire(gate: Any) -> Wire:
    wire = Wire()
    gate.stand_before(wire, wire)
    return wire


async def begun(coroutine: Any) -> asyncio.Task[Any]:
    """A task that has come to its first wait."""
    task: asyncio.Task[Any] = asyncio.ensure_future(coroutine)
    await asyncio.sleep(0)
    return task


async def deliver(wire: Wire, data: bytes = b"") -> None:
    """Let the loop read something, outside of any task, and look right behind it."""
    loop = asyncio.get_running_loop()
    read = loop.create_future()

    def receive() -> None:
        wire.protocol.data_received(data)
        wire.told.append("read")
        read.set_result(None)

    loop.call_soon(receive)
    await read


async def test_a_task_goes_on_within_the_reading_and_after_the_driver(gate: Any, wire: Wire) -> None:
    waiter = loop_for(gate).create_future()

    async def work() -> None:
        place.set("in the task")
        wire.told.append(f"got {await waiter} {place.get()}")

    task = await begun(work())
    wire.on_data = waiter.set_result
    await deliver(wire, b"x")
    assert wire.told == ["driver is done", "got b'x' in the task", "read"]
    await task
    assert place.get() == "nowhere"


async def test_an_error_reaches_the_task_by_the_same_way(gate: Any, wire: Wire) -> None:
    waiter = Waiter(gate)

    async def work() -> None:
        try:
            await waiter
        except ZeroDivisionError as error:
            wire.told.append(f"{error!r}")

    task = await begun(work())
    wire.on_data = lambda data: waiter.set_exception(ZeroDivisionError)
    await deliver(wire)
    await task
    assert wire.told == ["driver is done", "ZeroDivisionError()", "read"]
    with pytest.raises(ZeroDivisionError):
        await waiter
    assert isinstance(waiter.exception(), ZeroDivisionError)


async def test_a_result_from_elsewhere_wakes_in_the_next_turn(gate: Any) -> None:
    waiter = Waiter(gate)
    told: list[Any] = []

    async def work() -> None:
        told.append(await waiter)

    task = await begun(work())
    waiter.set_result(1)
    assert not told
    await task
    assert told == [1]
    assert await waiter == 1
    assert waiter.result() == 1
    assert waiter.exception() is None


async def test_a_task_that_asks_again_waits_for_the_next_reading(gate: Any, wire: Wire) -> None:
    waiting: list[Any] = []
    wire.on_data = lambda data: waiting.pop().set_result(data)

    async def ask() -> bytes:
        waiting.append(Waiter(gate))
        return await waiting[0]  # type: ignore[no-any-return]  # what was received

    async def work() -> list[bytes]:
        return [await ask() for _ in range(3)]

    task = await begun(work())
    for data in (b"a", b"b", b"c"):
        await deliver(wire, data)
    assert await task == [b"a", b"b", b"c"]


async def test_a_cancelled_waiter_cancels_its_task_and_takes_no_result(gate: Any, wire: Wire) -> None:
    waiter = Waiter(gate)
    told: list[str] = []
    waiter.add_done_callback(lambda found: told.append(f"cancelled: {found.cancelled()}"))

    async def work() -> None:
        await waiter

    task = await begun(work())
    assert task.cancel("enough")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told == ["cancelled: True"]
    assert waiter.done() and not waiter.cancel()
    for ask in (waiter.result, waiter.exception):
        with pytest.raises(asyncio.CancelledError, match="enough"):
            ask()
    with pytest.raises(asyncio.InvalidStateError):
        waiter.set_result(1)
    with pytest.raises(asyncio.InvalidStateError):
        waiter.set_exception(ValueError())
    other = Waiter(gate)
    other.cancel()
    with pytest.raises(asyncio.CancelledError):
        await other


async def test_a_gate_that_holds_tells_of_a_cancellation_which_comes_with_the_answer(gate: Any, wire: Wire) -> None:
    waiter, free = Waiter(gate), Waiter(gate)
    told: list[str] = []

    async def work() -> None:
        try:
            await waiter
        except asyncio.CancelledError:
            told.append(f"cancelled, and the answer is {waiter.result()!r}")
            raise

    gate.hold(lambda: told.append("asked"))
    task = await begun(work())
    assert task.cancel()
    await asyncio.sleep(0)
    assert (told, waiter.done(), task.done()) == (["asked"], False, False)
    wire.on_data = waiter.set_result
    await deliver(wire, b"x")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told == ["asked", "cancelled, and the answer is b'x'"]
    assert gate.let_go() is waiter
    assert gate.let_go() is None
    assert free.cancel() and free.cancelled()


async def test_timeouts_shields_and_groups_take_it_for_a_future(gate: Any, wire: Wire) -> None:
    waiter = Waiter(gate)
    assert asyncio.isfuture(waiter)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await asyncio.shield(waiter)
    assert not waiter.done()
    wire.on_data = waiter.set_result
    loop = asyncio.get_running_loop()
    loop.call_soon(wire.protocol.data_received, b"y")
    assert list(await asyncio.gather(waiter, asyncio.shield(waiter))) == [b"y", b"y"]
    timed_out = Waiter(gate)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await timed_out
    assert timed_out.cancelled()


async def test_functions_are_called_once_and_can_be_taken_back(gate: Any) -> None:
    waiter = Waiter(gate)
    told: list[Any] = []
    forgotten: list[Any] = []
    waiter.add_done_callback(told.append)
    waiter.add_done_callback(forgotten.append)
    assert waiter.remove_done_callback(forgotten.append) == 1
    with pytest.raises(asyncio.InvalidStateError):
        waiter.result()
    waiter.set_result(None)
    waiter.add_done_callback(told.append)
    await asyncio.sleep(0)
    assert (told, forgotten) == ([waiter, waiter], [])
    assert repr(waiter) == "<Waiter finished>"
    assert waiter.get_loop() is asyncio.get_running_loop()


async def test_a_waiter_awaited_by_what_is_no_task_says_so(gate: Any) -> None:
    steps = Waiter(gate).__await__()
    next(steps)
    with pytest.raises(RuntimeError, match="await wasn't used with future"):
        next(steps)


async def test_what_else_the_transport_tells_reaches_the_driver(wire: Wire) -> None:
    wire.protocol.pause_writing()
    wire.protocol.resume_writing()
    wire.protocol.eof_received()
    wire.protocol.connection_lost(None)
    assert wire.told == ["pause", "resume", "eof", "lost"]


async def test_a_driver_that_fails_leaves_the_gate_closed(gate: Any, wire: Wire) -> None:
    waiter = Waiter(gate)
    got: list[Any] = []
    waiter.add_done_callback(got.append)

    def fail(data: bytes) -> None:
        waiter.set_result(data)
        raise ValueError("no")

    wire.on_data = fail
    with pytest.raises(ValueError, match="no"):
        wire.protocol.data_received(b"")
    assert got == [waiter]
    assert not gate.is_open


async def test_all_but_the_futures_of_the_loop_is_its_own(gate: Any) -> None:
    loop = loop_for(gate)
    assert loop.time() == pytest.approx(asyncio.get_running_loop().time(), abs=60)
    assert loop.create_future().get_loop() is asyncio.get_running_loop()


async def test_an_answer_of_another_thread_wakes_the_task_in_the_callback_that_brings_it(gate: Any) -> None:
    loop = asyncio.get_running_loop()
    told: list[Any] = []

    async def work(waiter: Any) -> None:
        try:
            told.append(await waiter)
        except ZeroDivisionError as error:
            told.append(error)

    first, second = Prompt(gate), Prompt(gate)
    tasks = [await begun(work(first)), await begun(work(second))]
    error = ZeroDivisionError()

    def bring(waiter: Any, way: str, value: Any) -> None:
        getattr(waiter, way)(value)
        told.append(f"after {way}")

    loop.call_soon_threadsafe(bring, first, "set_result", 1)
    loop.call_soon_threadsafe(bring, second, "set_exception", error)
    await asyncio.gather(*tasks)
    assert told == [1, "after set_result", error, "after set_exception"]
    with pytest.raises(asyncio.InvalidStateError):
        first.set_result(2)


@pytest.mark.parametrize("answer", [None, (), (1, 2), [3], ValueError("a value"), StopIteration(4)], ids=repr)
async def test_whatever_the_answer_is_the_task_gets_that_very_object(gate: Any, wire: Wire, answer: Any) -> None:
    early, late = Waiter(gate), Waiter(gate)
    late.set_result(answer)
    wire.on_data = lambda data: early.set_result(answer)

    async def work() -> list[Any]:
        return [await early, await late]

    task = await begun(work())
    await deliver(wire)
    assert [found is answer for found in await task] == [True, True]


async def test_two_tasks_may_wait_for_one_answer(gate: Any, wire: Wire) -> None:
    waiter = Waiter(gate)

    async def work() -> Any:
        return await waiter

    tasks = [await begun(work()), await begun(work())]
    wire.on_data = waiter.set_result
    await deliver(wire, b"both")
    assert await asyncio.gather(*tasks) == [b"both", b"both"]


async def test_an_error_that_is_raised_again_keeps_the_traceback_it_came_with(gate: Any) -> None:
    waiter = Waiter(gate)
    try:
        raise ZeroDivisionError
    except ZeroDivisionError as error:
        waiter.set_exception(error)

    def depth() -> int:
        with pytest.raises(ZeroDivisionError) as caught:
            waiter.result()
        return len(caught.traceback)

    assert depth() == depth()


async def test_what_waits_on_itself_is_collected(gate: Any) -> None:
    class Held:
        def __call__(self, waiter: Any) -> None: ...

    # Those before must make no difference: memory that is used again is looked through as well.
    assert not any([Waiter(gate).done() for _ in range(100)])
    held: Any = Held()
    held.waiter = Waiter(gate)
    held.waiter.add_done_callback(held)
    gone = weakref.ref(held)
    del held
    gc.collect()
    assert gone() is None


async def test_a_gate_that_stands_before_nothing_takes_what_comes(half: str) -> None:
    gate = Gate(asyncio.get_running_loop())
    gate.data_received(b"x")
    assert not gate.is_open


class Talks(asyncio.Protocol):
    """A driver's protocol on a real transport."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def connection_lost(self, error: Exception | None) -> None:
        self.told.append("lost" if error is None else type(error).__name__)

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")


@pytest.fixture
async def line(gate: Any) -> AsyncIterator[tuple[Any, Talks, socket.socket]]:
    """A transport of asyncio's that the gate stands behind, the driver's protocol, and the other end."""
    near, far = socket.socketpair()
    far.setblocking(False)
    transport, talks = await asyncio.get_running_loop().create_connection(Talks, sock=near)
    gate.stand_before(talks, transport)
    yield transport, talks, far
    transport.abort()
    far.close()


async def test_what_fits_goes_to_the_socket_past_the_transport(line: tuple[Any, Talks, socket.socket]) -> None:
    transport, _, far = line
    entered: list[str] = []

    def look(frame: Any, event: str, _: Any) -> None:
        if event == "call":
            entered.append(frame.f_code.co_qualname)

    with profiled(look):
        transport.write(memoryview(b"small"))
    assert far.recv(100) == b"small"
    assert [name for name in entered if name.startswith("_SelectorSocketTransport")] == []


async def test_what_does_not_fit_follows_in_order(line: tuple[Any, Talks, socket.socket]) -> None:
    transport, talks, far = line
    parts = [bytes([number]) * 300_000 for number in range(12)]
    for part in parts:
        transport.write(memoryview(part))
    assert talks.told == ["pause"]
    # There is room again, and what waits goes first all the same.
    found = bytearray(far.recv(1 << 20))
    transport.write(b"last")
    whole = b"".join(parts) + b"last"
    while len(found) < len(whole):
        found += await asyncio.get_running_loop().sock_recv(far, 1 << 20)
    assert found == whole
    assert talks.told == ["pause", "resume"]
    transport.write(b"again")
    assert far.recv(100) == b"again"


async def test_what_cannot_leave_ends_the_connection(line: tuple[Any, Talks, socket.socket]) -> None:
    transport, talks, far = line
    far.close()
    transport.write(b"to nobody")
    assert transport.is_closing()
    transport.write(b"once more")
    for _ in range(3):
        await asyncio.sleep(0)
    assert talks.told == ["BrokenPipeError"]


async def test_nothing_leaves_after_an_abort(line: tuple[Any, Talks, socket.socket]) -> None:
    transport, talks, far = line
    transport.abort()
    transport.write(b"too late")
    for _ in range(3):
        await asyncio.sleep(0)
    assert talks.told == ["lost"]
    assert far.recv(100) == b""


async def test_a_gate_that_stands_before_nothing_writes_nowhere(half: str) -> None:
    with pytest.raises(RuntimeError, match="before nothing"):
        Gate(asyncio.get_running_loop()).write(b"x")


class Like:
    """A transport of the one kind whose insides are known, on a Python where one of them is missing."""

    def __init__(self, missing: str) -> None:
        for name in {"_sock", "_buffer", "_conn_lost"} - {missing}:
            setattr(self, name, self)

    def set_protocol(self, protocol: Any) -> None: ...

    def send(self, data: bytes) -> None: ...

    write = send


class Shut:
    """The same, where nothing can be set."""

    __slots__ = ("_buffer", "_conn_lost", "_sock")
    set_protocol, send, write = Like.set_protocol, Like.send, Like.write

    def __init__(self, missing: str) -> None:
        self._sock = self._buffer = self._conn_lost = self


@pytest.mark.parametrize(
    ("kind", "missing", "is_own"),
    [
        (Like, "_sock", True),
        (Like, "_buffer", True),
        (Like, "_conn_lost", True),
        (Shut, "__dict__", True),
        (Like, "nothing", False),
    ],
)
async def test_a_transport_that_is_made_otherwise_keeps_its_own_write(
    gate: Any, kind: Any, missing: str, is_own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct, "_PLAIN", kind)
    transport = kind(missing)

    gate.stand_before(Wire(), transport)

    assert (transport.write == kind.write.__get__(transport)) is is_own
