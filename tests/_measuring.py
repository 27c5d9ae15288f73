"""What coverage measures while all tests run: each line of ours where it is tested first, not once for each database and server.

To be traced takes a test's process nearly as much again as running does. A test that runs on three databases goes three times
through nearly the same lines, and a journey through those that the tests of each room have been through. Coverage goes on in the
first of them alone. So what it reports can be too low, never too high, and none of the tests is left out.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from typing import Any

import pytest

__all__ = ["Measuring"]

# Whole projects, the pages of the documentation, counts of calls, types: what they run is measured in the tests of its room.
_ELSEWHERE = "tests/_"
# Here lies what is written for each database and each server.
_EACH = ("tests/db/backends/", "tests/handlers/")
_BESIDE = {"sqlite", "postgresql", "mysql", "asgi", "protocol", "rsgi"}


class Measuring:
    """Stops coverage for a test that is not measured: in the thread that runs it, and in the processes that it starts."""

    def __init__(self) -> None:
        self._measured: set[str] = set()
        self._stopped: tuple[Any, dict[str, str]] | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Choose: the first of those that differ in the database or the way of a request alone, in the order of all workers."""
        seen: set[tuple[str, ...]] = set()
        for item in items:
            name, _, rest = item.nodeid.partition("[")
            test = (name, *(word for word in rest.rstrip("]").split("-") if word not in _BESIDE))
            if name.startswith(_EACH) or not (name.startswith(_ELSEWHERE) or _looks_for_values(item) or test in seen):
                self._measured.add(item.nodeid)
            seen.add(test)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Stop it, or let it go on, before the first fixture of the test is made."""
        if item.nodeid in self._measured:
            self.go_on()
        else:
            self.stop()
        return (yield)

    def pytest_sessionfinish(self) -> None:
        """Let it go on for the end, which is its own."""
        self.go_on()

    def stop(self) -> None:
        """Stop what measures here, if it is coverage; a debugger is left alone.

        So is what Python 3.14 tells of the lines of this process, each once: that costs little. A process has all of them new.
        """
        tracer = sys.gettrace()
        traced = type(tracer).__module__.startswith("coverage")
        if self._stopped is None and (traced or _monitors()):
            shared = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("COVERAGE_PROCESS_")}
            self._stopped = tracer if traced else None, shared
            if traced:
                # Not by coverage's own `stop`, which ends it in threads that later tests use.
                sys.settrace(None)

    def go_on(self) -> None:
        """Measure again."""
        if self._stopped is not None:
            tracer, shared = self._stopped
            self._stopped = None
            os.environ.update(shared)
            if tracer is not None:
                sys.settrace(tracer)


def _monitors() -> bool:
    """Whether coverage is told of lines by ``sys.monitoring``, as it is on Python 3.14 where nothing else is asked for."""
    monitoring = getattr(sys, "monitoring", None)
    return monitoring is not None and (monitoring.get_tool(monitoring.COVERAGE_ID) or "").startswith("coverage")


def _looks_for_values(item: pytest.Item) -> bool:
    """Whether Hypothesis runs it: a hundred times through the same lines."""
    return getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
