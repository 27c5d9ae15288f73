"""See the statements that run: for tests that count them, debug pages and slow-query logs. Free while nobody looks."""

from __future__ import annotations

import functools
import inspect
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import Token
from typing import Any, TypeVar

from covet.db.backends.listening import Gate, QueryRecord, fresh_log, recorders
from covet.db.freshness import CacheCall, cache_listeners
from covet.exceptions import CovetError

__all__ = [
    "CacheCall",
    "QueryBudgetExceeded",
    "QueryRecord",
    "fresh_log",
    "log_slow_queries",
    "observe_cache",
    "observe_queries",
    "query_budget",
    "record_queries",
]

log = logging.getLogger("covet.db.slow")
budget_log = logging.getLogger("covet.db.budget")

F = TypeVar("F", bound=Callable[..., Any])

_SHOWN_PLACES = 5


@contextmanager
def observe_queries(listener: Callable[[QueryRecord], None]) -> Iterator[None]:
    """Call ``listener`` after each statement of this context, and of the tasks started in it."""
    token = recorders.set((*recorders.get(), listener))
    try:
        yield
    finally:
        recorders.reset(token)


@contextmanager
def observe_cache(listener: Callable[[CacheCall], None]) -> Iterator[None]:
    """Call ``listener`` after each call of the store of cached results, in this context and in the tasks started in it."""
    token = cache_listeners.set((*cache_listeners.get(), listener))
    try:
        yield
    finally:
        cache_listeners.reset(token)


@contextmanager
def record_queries(aliases: Collection[str] | None = None) -> Iterator[list[QueryRecord]]:
    """Gather the statements that run inside the block, in this task and in those it starts.

    Args:
        aliases: Only these databases; all when left out.
    """
    records: list[QueryRecord] = []

    def keep(record: QueryRecord) -> None:
        if aliases is None or record.alias in aliases:
            records.append(record)

    with observe_queries(keep):
        yield records


@contextmanager
def log_slow_queries(over_s: float) -> Iterator[None]:
    """Log statements that take longer than ``over_s``, with the place that asked for them, never with their values."""

    def look(record: QueryRecord) -> None:
        if record.duration_s > over_s:
            log.warning("%.0f ms on '%s' from %s: %s", record.duration_s * 1e3, record.alias, record.where, record.sql)

    with observe_queries(look):
        yield


class QueryBudgetExceeded(CovetError):
    """More statements are asked for than the budget allows; the message names the lines of code that asked for most of them."""


class query_budget:  # read as a verb: a context manager and a decorator, like contextlib's
    """Bound the statements of a block, or of a function: ``with query_budget(20):``, ``@query_budget(20, refuse=True)``.

    One inside another takes its place: a view with a budget of its own is not held to ``QUERY_BUDGET``. Statements of tasks
    started inside count too.

    Args:
        limit: How many statements may run; ``None`` is any number, which also lifts a budget around it.
        refuse: Raise in place of sending the first statement too many, where otherwise there is a warning at the end.
        what: What has the budget, for messages; a decorated function is named by itself.

    Raises:
        QueryBudgetExceeded: With ``refuse``.
    """

    def __init__(self, limit: int | None, *, refuse: bool = False, what: str = "This block") -> None:
        self.limit = limit
        self.refuse = refuse
        self.what = what
        self._entered: list[tuple[Any, _Spending]] = []

    def __enter__(self) -> query_budget:
        spending = _Spending(self.limit, self.refuse, self.what)
        self._entered.append((spending.begin(), spending))
        return self

    def __exit__(self, *_: object) -> None:
        token, spending = self._entered.pop()
        recorders.reset(token)
        spending.warn()

    def __call__(self, function: F) -> F:
        """Give each call of a function, sync or async, a budget of its own; of one that yields, until it has ended."""
        name = getattr(function, "__qualname__", str(function))
        if inspect.isasyncgenfunction(function):
            return self._of_generator(function, name)  # type: ignore[return-value]  # the same signature
        if inspect.isgeneratorfunction(function):
            raise TypeError(
                f"query_budget() cannot count the statements of {name}, a generator that is not async: write "
                "'with query_budget(…):' inside of it, around what asks, with no yield in the block."
            )

        @functools.wraps(function)
        async def run(*args: Any, **kwargs: Any) -> Any:
            with query_budget(self.limit, refuse=self.refuse, what=name):
                return await function(*args, **kwargs)

        @functools.wraps(function)
        def run_sync(*args: Any, **kwargs: Any) -> Any:
            with query_budget(self.limit, refuse=self.refuse, what=name):
                return function(*args, **kwargs)

        return run if inspect.iscoroutinefunction(function) else run_sync  # type: ignore[return-value]  # the same signature

    def _of_generator(self, function: Callable[..., AsyncGenerator[Any, Any]], name: str) -> Callable[..., Any]:
        @functools.wraps(function)
        async def run(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            # A generator has the context of whoever asks for its next value: the budget holds while it runs itself, and not
            # between, where the statements are another's.
            spending = _Spending(self.limit, self.refuse, name)
            values = function(*args, **kwargs)
            step: Callable[[], Awaitable[Any]] = values.__anext__
            try:
                while True:
                    try:
                        with spending.counting():
                            value = await step()
                    except StopAsyncIteration:
                        return
                    try:
                        step = functools.partial(values.asend, (yield value))
                    except GeneratorExit:
                        raise
                    except BaseException as error:  # it belongs at the yield of the function, as a dependency's does
                        step = functools.partial(values.athrow, error)
            finally:
                with spending.counting():
                    await values.aclose()
                spending.warn()

        return run


class _Spending(Gate):
    """Counts the statements of one block by the place that asked for them."""

    __slots__ = ("_count", "_limit", "_places", "_refuse", "_what")

    def __init__(self, limit: int | None, refuse: bool, what: str) -> None:
        self._limit = limit
        self._refuse = refuse
        self._what = what
        self._count = 0
        self._places: Counter[str] = Counter()

    def begin(self) -> Token[tuple[Any, ...]]:
        """Count from here on, in the place of a budget around this one; the token ends it."""
        others = tuple(recorder for recorder in recorders.get() if not isinstance(recorder, _Spending))
        # Without a limit nothing has to be counted, and statements take the short way again.
        return recorders.set(others if self._limit is None else (*others, self))

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count what runs inside."""
        token = self.begin()
        try:
            yield
        finally:
            recorders.reset(token)

    def admit(self, place: str) -> None:
        if not self._refuse:
            return
        self._note(place)
        if self._is_over:
            raise QueryBudgetExceeded(self._text())

    def __call__(self, record: QueryRecord) -> None:
        if not self._refuse:
            self._note(record.where)

    def _note(self, place: str) -> None:
        self._count += 1
        self._places[place] += 1

    @property
    def _is_over(self) -> bool:
        return self._limit is not None and self._count > self._limit

    def warn(self) -> None:
        if self._is_over and not self._refuse:
            budget_log.warning("%s", self._text())

    def _text(self) -> str:
        places = "; ".join(f"{count} at {place}" for place, count in self._places.most_common(_SHOWN_PLACES))
        return (
            f"{self._what} {'asks for' if self._refuse else 'ran'} {self._count} statements, and its budget is {self._limit}. "
            f"Most were asked for by: {places}. "
            "Load what a loop needs beforehand (select_related, prefetch_related), or raise the budget."
        )
