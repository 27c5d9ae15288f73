"""Dependencies live until the answer has been made, see what goes wrong, and are replaced in tests."""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Annotated, Any

import pytest

from covet.exceptions import ImproperlyConfigured
from covet.http.errors import Conflict
from covet.http.streaming import StreamingResponse
from covet.rest import Depends, Query, Router, Schema, dependency_overrides, override_dependencies, permissions
from covet.rest.shared import Shared
from covet.urls import include, path
from tests.rest.library import Tag

OPEN: Any = [permissions.AllowAny]
told: list[str] = []


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    told.clear()
    yield
    assert not dependency_overrides


class Out(Schema):
    name: str


class Watched:
    """Says when it is read, which is while the answer is written."""

    @property
    def name(self) -> str:
        told.append("written")
        return "x"


async def outer() -> AsyncIterator[str]:
    told.append("outer opens")
    try:
        yield "outer"
    except Exception as error:
        told.append(f"outer sees {type(error).__name__}")
        raise
    finally:
        told.append("outer closes")


def inner(above: Annotated[str, Depends(outer)]) -> Iterator[str]:
    told.append("inner opens")
    yield f"{above}/inner"
    told.append("inner closes")


async def brief() -> AsyncIterator[int]:
    yield 1
    told.append("brief closes")


async def swallowing() -> AsyncIterator[int]:
    try:
        yield 1
    except Conflict:
        told.append("swallowed")


async def changing() -> AsyncIterator[int]:
    try:
        yield 1
    except KeyError as error:
        raise Conflict("A key was missing.") from error


async def late() -> AsyncIterator[int]:
    yield 1
    raise Conflict("Too late.")


async def lasting(value: Annotated[int, Depends(brief, scope="function")]) -> AsyncIterator[int]:
    yield value


async def who() -> str:
    return "nobody"


api = Router(permissions=OPEN)


@api.get("/order", response=Out)
async def order(value: Annotated[str, Depends(inner)], number: Annotated[int, Depends(brief, scope="function")]) -> Any:
    told.append("handler")
    return Watched()


@api.get("/fails")
async def fails(value: Annotated[str, Depends(inner)]) -> Out:
    raise Conflict("No.")


@api.get("/swallowed")
async def swallowed(value: Annotated[int, Depends(swallowing)]) -> Out:
    raise Conflict("No.")


@api.get("/changed")
async def changed(value: Annotated[int, Depends(changing)]) -> Out:
    raise KeyError("x")


@api.get("/late")
async def too_late(value: Annotated[int, Depends(late)]) -> Out:
    return Out(name="x")


@api.get("/stream")
async def stream(value: Annotated[str, Depends(outer)]) -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"a"
        told.append("streamed")
        yield b"b"

    return StreamingResponse(parts())


@api.get("/who")
async def tell(name: Annotated[str, Depends(who)]) -> Out:
    return Out(name=name)


@api.post("/who")
async def tell_bodiless(name: Annotated[str, Depends(outer)]) -> None: ...


@api.get("/lazy", response=list[Out])
async def lazy(name: Annotated[str, Depends(outer)]) -> Any:
    return Tag.objects.all()


async def test_dependencies_close_in_turn_once_the_answer_is_made(site: Any) -> None:
    client = await site([path("", include(api))])

    answer = await client.get("/order")

    assert answer.json() == {"name": "x"}
    assert told == [
        "outer opens",
        "inner opens",
        "handler",
        "brief closes",
        "written",
        "inner closes",
        "outer closes",
    ]


async def test_an_error_is_raised_at_the_yield_and_answered_all_the_same(site: Any) -> None:
    client = await site([path("", include(api))])

    answer = await client.get("/fails")

    assert answer.status_code == 409
    assert told == ["outer opens", "inner opens", "outer sees Conflict", "outer closes"]


async def test_a_dependency_may_change_an_error_but_not_swallow_it(site: Any) -> None:
    client = await site([path("", include(api))])

    kept = await client.get("/swallowed")
    other = await client.get("/changed")
    late_ = await client.get("/late")

    assert told == ["swallowed"]
    assert [one.status_code for one in (kept, other, late_)] == [409, 409, 409]
    assert other.json()["detail"] == "A key was missing."


async def test_a_streamed_answer_keeps_its_dependencies_open(site: Any) -> None:
    client = await site([path("", include(api))])

    answer = await client.get("/stream")
    nothing = await client.post("/who")

    assert answer.text == "ab"
    assert nothing.status_code == 204
    assert told[:3] == ["outer opens", "streamed", "outer closes"]


async def test_dependencies_are_replaced_while_a_block_lasts(site: Any) -> None:
    client = await site([path("", include(api))])

    async def named(name: Annotated[str, Query()] = "ann") -> str:
        return name

    def opened() -> Iterator[str]:
        told.append("opened")
        yield "from a thread"
        told.append("closed")

    before = (await client.get("/who")).json()
    with override_dependencies({who: named}):
        once = (await client.get("/who")).json()
        asked = (await client.get("/who?name=bob")).json()
        with override_dependencies({who: opened}):
            deeper = (await client.get("/who")).json()
        again = (await client.get("/who")).json()
    after = (await client.get("/who")).json()

    assert [one["name"] for one in (before, once, asked, deeper, again, after)] == [
        "nobody",
        "ann",
        "bob",
        "from a thread",
        "ann",
        "nobody",
    ]
    assert told == ["opened", "closed"]


async def test_overrides_can_be_set_like_a_dictionary(site: Any) -> None:
    client = await site([path("", include(api))])

    dependency_overrides[who] = lambda: "cid"
    try:
        assert (await client.get("/who")).json() == {"name": "cid"}
    finally:
        dependency_overrides.clear()


async def test_what_outlives_the_handler_cannot_need_what_ends_with_it(site: Any) -> None:
    wrong = Router(permissions=OPEN)

    @wrong.get("/")
    async def handler(value: Annotated[int, Depends(lasting)]) -> None: ...

    with pytest.raises(ImproperlyConfigured, match="ends with the handler"):
        await site([path("", include(wrong))])


async def test_a_lazy_queryset_is_read_before_its_dependencies_close(library: Any) -> None:
    client = await library(api)
    await Tag.objects.create(name="red")

    assert (await client.get("/api/lazy")).json() == [{"name": "red"}]
    assert told == ["outer opens", "outer closes"]


async def test_a_router_and_an_endpoint_depend_on_what_no_argument_asks_for(site: Any) -> None:
    guarded = Router(permissions=OPEN, dependencies=[Depends(outer)])

    @guarded.get("/", dependencies=[Depends(inner)])
    async def handler() -> Out:
        told.append("handler")
        return Out(name="x")

    client = await site([path("", include(guarded))])

    assert (await client.get("/")).json() == {"name": "x"}
    assert told == ["outer opens", "inner opens", "handler", "inner closes", "outer closes"]


def plain() -> str:
    told.append("plain made")
    return "plain"


async def shared_pool(name: Annotated[str, Depends(plain, scope="app")]) -> AsyncIterator[list[str]]:
    told.append("pool opens")
    await asyncio.sleep(0)
    yield [name]
    told.append("pool closes")


Pool = Annotated[list[str], Depends(shared_pool, scope="app")]


class Cache:
    def __init__(self, pool: Pool) -> None:
        told.append("cache made")
        self.pool = pool


failing: list[Exception] = []


def fragile() -> str:
    if failing:
        raise failing.pop()
    return "made"


async def of_request() -> str:
    return ""


async def asks(word: str = "") -> str:
    return word


async def depends(value: Annotated[str, Depends(of_request)]) -> str:
    return value


def make_shared() -> Router:
    made = Router(permissions=OPEN)

    @made.get("/shared")
    async def shared(cache: Annotated[Cache, Depends(Cache, scope="app")], pool: Pool) -> list[str]:
        assert cache.pool is pool
        pool.append("x")
        return pool

    @made.get("/fragile")
    async def read(value: Annotated[str, Depends(fragile, scope="app")]) -> str:
        return value

    return made


async def test_what_the_application_shares_is_made_once_and_closed_when_it_stops(site: Any) -> None:
    client = await site([path("", include(make_shared()))], installed=["covet.rest"])
    await client.application.apps.startup()

    answers = await asyncio.gather(*(client.get("/shared") for _ in range(3)))
    before = list(told)
    await client.application.apps.shutdown()

    assert sorted(len(one.json()) for one in answers) == [2, 3, 4]
    assert before == ["plain made", "pool opens", "cache made"]
    assert told == [*before, "pool closes"]


async def test_what_could_not_be_made_is_made_when_it_is_asked_for_again(site: Any) -> None:
    client = await site([path("", include(make_shared()))], installed=["covet.rest"])
    failing[:] = [Conflict("Not yet."), RuntimeError("broken")]

    assert [(await client.get("/fragile")).status_code for _ in range(3)] == [500, 409, 200]


@pytest.mark.parametrize(("function", "name"), [(asks, "word"), (depends, "value")], ids=["asks", "depends"])
async def test_what_the_application_shares_needs_nothing_of_a_request(site: Any, function: Any, name: str) -> None:
    api = Router(permissions=OPEN, dependencies=[Depends(function, scope="app")])

    @api.get("/")
    async def read() -> str:
        return ""

    with pytest.raises(ImproperlyConfigured, match=f"its argument '{name}'"):
        await site([path("", include(api))])


async def test_what_is_torn_down_with_the_application_needs_the_app_that_does_it(site: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"'covet\.rest'"):
        await site([path("", include(make_shared()))])


def test_what_is_shared_is_made_once_in_each_loop_that_an_application_runs_in() -> None:
    """A process may start its application more than once: each command and each test has a loop of its own."""
    shared = Shared()
    made: list[str] = []

    async def pool() -> str:
        made.append("pool")
        await asyncio.sleep(0)
        return f"pool {len(made)}"

    async def work() -> list[str]:
        try:
            return await asyncio.gather(*[shared.value(pool, {}) for _ in range(3)])
        finally:
            await shared.close()

    assert asyncio.run(work()) == ["pool 1"] * 3
    assert asyncio.run(work()) == ["pool 2"] * 3


class Session:
    def __init__(self, name: str) -> None:
        self.name = name


@asynccontextmanager
async def session(name: Annotated[str, Query()] = "main") -> AsyncIterator[Session]:
    told.append(f"{name} opens")
    try:
        yield Session(name)
    except Conflict:
        told.append(f"{name} sees Conflict")
        raise
    finally:
        told.append(f"{name} closes")


@contextmanager
def sync_session() -> Iterator[Session]:
    told.append("sync opens")
    yield Session("sync")
    told.append("sync closes")


class Sessions:
    """Both its method and the object itself are dependencies."""

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Session]:
        yield Session("method")
        told.append("method closes")

    async def __call__(self) -> AsyncIterator[Session]:
        yield Session("object")
        told.append("object closes")


class SyncSessions:
    def __call__(self) -> Iterator[Session]:
        yield Session("sync object")
        told.append("sync object closes")


def logged(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        told.append("called")
        return function(*args, **kwargs)

    return wrapper


@logged
async def wrapped() -> AsyncIterator[Session]:
    yield Session("wrapped")
    told.append("wrapped closes")


@logged
def wrapped_sync() -> Iterator[Session]:
    yield Session("wrapped sync")
    told.append("wrapped sync closes")


@logged
@asynccontextmanager
async def wrapped_manager() -> AsyncIterator[Session]:
    yield Session("wrapped manager")
    told.append("wrapped manager closes")


@pytest.mark.parametrize("scope", ["request", "function"])
@pytest.mark.parametrize(
    ("function", "name", "events"),
    [
        (session, "main", ["main opens", "handler", "main closes"]),
        (functools.partial(session, name="partial"), "partial", ["partial opens", "handler", "partial closes"]),
        (sync_session, "sync", ["sync opens", "handler", "sync closes"]),
        (Sessions().one, "method", ["handler", "method closes"]),
        (Sessions(), "object", ["handler", "object closes"]),
        (SyncSessions(), "sync object", ["handler", "sync object closes"]),
        (wrapped, "wrapped", ["called", "handler", "wrapped closes"]),
        (wrapped_sync, "wrapped sync", ["called", "handler", "wrapped sync closes"]),
        (wrapped_manager, "wrapped manager", ["called", "handler", "wrapped manager closes"]),
    ],
    ids=[
        "asynccontextmanager",
        "partial",
        "contextmanager",
        "method",
        "object",
        "sync-object",
        "wrapped",
        "sync",
        "both",
    ],
)
async def test_whatever_yields_is_entered_and_left(
    site: Any, function: Any, name: str, events: list[str], scope: Any
) -> None:
    made = Router(permissions=OPEN)

    wanted: Any = Depends(function, scope=scope)

    @made.get("/")
    async def handler(session: Any = wanted) -> str:
        told.append("handler")
        return f"{session.name}"

    client = await site([path("", include(made))])

    assert (await client.get("/")).json() == name
    assert told == events


def collected(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> list[Any]:
        return list(function(*args, **kwargs))

    return wrapper


@collected
def names() -> Iterator[str]:
    yield "one"
    yield "two"


async def given(site: Any, function: Any, scope: Any) -> Any:
    """What a handler gets from a dependency, by way of its answer."""
    made = Router(permissions=OPEN)
    wanted: Any = Depends(function, scope=scope)

    @made.get("/")
    async def handler(found: Any = wanted) -> list[str]:
        return found  # type: ignore[no-any-return]  # as the decorator made it

    client = await site([path("", include(made))], installed=["covet.rest"])
    return (await client.get("/")).json()


@pytest.mark.parametrize("scope", ["request", "function", "app"])
async def test_a_decorator_that_takes_what_is_yielded_gives_the_value_itself(site: Any, scope: Any) -> None:
    assert await given(site, names, scope) == ["one", "two"]


def here() -> str:
    return threading.current_thread().name


@collected
def body() -> Iterator[str]:
    yield here()


class Bodies:
    @collected
    def __call__(self) -> Iterator[str]:
        yield here()


@logged
def wrapped_body() -> Iterator[list[str]]:
    yield [here()]


@logged
@contextmanager
def wrapped_manager_body() -> Iterator[list[str]]:
    yield [here()]


class Objects:
    def __call__(self) -> Iterator[list[str]]:
        yield [here()]


@pytest.mark.parametrize("scope", ["request", "function", "app"])
@pytest.mark.parametrize(
    "function",
    [body, functools.partial(body), Bodies(), wrapped_body, wrapped_manager_body, Objects()],
    ids=["collected", "partial", "collected-object", "wrapped", "wrapped-manager", "object"],
)
async def test_no_sync_body_runs_on_the_loop_whatever_decorates_it(site: Any, function: Any, scope: Any) -> None:
    (name,) = await given(site, function, scope)

    assert name != here()


async def test_a_context_manager_sees_the_handlers_error_and_its_parameters(site: Any) -> None:
    made = Router(permissions=OPEN)

    @made.get("/")
    async def handler(session: Annotated[Session, Depends(session)]) -> None:
        raise Conflict("No.")

    client = await site([path("", include(made))])

    assert (await client.get("/?name=other")).status_code == 409
    assert told == ["other opens", "other sees Conflict", "other closes"]


async def test_a_context_manager_is_shared_by_the_application(site: Any) -> None:
    made = Router(permissions=OPEN)

    @made.get("/")
    async def handler(session: Annotated[Session, Depends(sync_session, scope="app")]) -> str:
        return session.name

    client = await site([path("", include(made))], installed=["covet.rest"])
    await client.application.apps.startup()

    assert [(await client.get("/")).json() for _ in range(2)] == ["sync", "sync"]
    assert told == ["sync opens"]

    await client.application.apps.shutdown()

    assert told == ["sync opens", "sync closes"]


async def test_an_argument_that_wants_the_manager_itself_is_told_what_to_write(site: Any) -> None:
    made = Router(permissions=OPEN)

    @made.get("/")
    async def handler(session: Annotated[AbstractAsyncContextManager[Session], Depends(session)]) -> None: ...

    with pytest.raises(ImproperlyConfigured, match=r"'session' wants .* enters it .* Depends\(lambda: session\(\)\)"):
        await site([path("", include(made))])


async def test_a_function_may_give_the_manager_itself(site: Any) -> None:
    made = Router(permissions=OPEN)

    @made.get("/")
    async def handler(session: Annotated[AbstractAsyncContextManager[Session], Depends(lambda: session())]) -> str:
        async with session as entered:
            return entered.name

    client = await site([path("", include(made))])

    assert (await client.get("/")).json() == "main"


async def twice() -> AsyncIterator[int]:
    yield 1
    yield 2


def sync_twice() -> Iterator[int]:
    yield 1
    yield 2


async def again() -> AsyncIterator[int]:
    try:
        yield 1
    except Conflict:
        yield 2


@asynccontextmanager
async def managed_twice() -> AsyncIterator[int]:
    yield 1
    yield 2


async def never() -> AsyncIterator[int]:
    numbers: list[int] = []
    for number in numbers:
        yield number


@contextmanager
def sync_never() -> Iterator[int]:
    yield from ()


async def own_error() -> AsyncIterator[int]:
    yield 1
    raise RuntimeError("of the program")


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (twice, "yields more than once"),
        (sync_twice, "yields more than once"),
        (again, "yields more than once"),
        (managed_twice, "yields more than once"),
        (never, "ended without a yield"),
        (sync_never, "ended without a yield"),
    ],
)
@pytest.mark.parametrize("scope", ["request", "function"])
async def test_a_dependency_that_does_not_yield_once_is_named(
    site: Any, caplog: Any, function: Any, said: str, scope: Any
) -> None:
    made = Router(permissions=OPEN)

    wanted: Any = Depends(function, scope=scope)

    @made.get("/")
    async def handler(value: Any = wanted) -> None:
        if function is again:
            raise Conflict("No.")

    client = await site([path("", include(made))])

    line = inspect.unwrap(function).__code__.co_firstlineno
    assert (await client.get("/")).status_code == 500
    assert f"ImproperlyConfigured: The dependency {function.__name__} ({__file__}, line {line}) {said}" in caplog.text


async def test_a_dependencys_own_error_stays_what_it_is(site: Any, caplog: Any) -> None:
    made = Router(permissions=OPEN)

    @made.get("/")
    async def handler(value: Annotated[int, Depends(own_error)]) -> None: ...

    client = await site([path("", include(made))])

    assert (await client.get("/")).status_code == 500
    assert "RuntimeError: of the program" in caplog.text
    assert "ImproperlyConfigured" not in caplog.text
