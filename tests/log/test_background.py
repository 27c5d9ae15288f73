"""Handlers that write in a thread, and filters that a LOGGING may name."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from covet.conf import override
from covet.log import BackgroundHandler, CallbackFilter, configure_logging, request_id
from tests.conftest import repository_root

pytestmark = pytest.mark.usefixtures("_logging_as_before")


@pytest.fixture
def _logging_as_before() -> Iterator[None]:
    root, ours, shop = logging.getLogger(), logging.getLogger("covet"), logging.getLogger("shop")
    before = list(root.handlers), root.level, ours.level
    as_made = list(shop.handlers), shop.level, shop.propagate
    yield
    root.handlers[:], root.level, ours.level = before
    shop.handlers[:], shop.level, shop.propagate = as_made
    root.manager._clear_cache()  # type: ignore[attr-defined]  # levels are cached


class Gate(logging.Handler):
    """Writes once it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = threading.Event()
        self.lines: list[str] = []
        self.threads: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        self.opened.wait()
        self.threads.add(threading.current_thread().name)
        self.lines.append(record.getMessage())


def record(message: str, *args: Any) -> logging.LogRecord:
    return logging.LogRecord("covet.test", logging.WARNING, "file.py", 1, message, args, None)


def test_whoever_logs_does_not_wait_and_lines_stay_in_order() -> None:
    gate = Gate()
    handler = BackgroundHandler(gate)
    changing = [1]

    handler.handle(record("first %s", changing))
    changing.append(2)
    for number in range(3):
        handler.handle(record("line %d", number))
    assert gate.lines == []
    gate.opened.set()
    handler.flush()

    assert gate.lines == ["first [1]", "line 0", "line 1", "line 2"]
    assert gate.threads == {"covet log"}
    handler.close()
    handler.close()


def test_more_than_may_wait_are_dropped_and_that_is_told() -> None:
    gate = Gate()
    handler = BackgroundHandler(gate, limit=2)
    for number in range(10):
        handler.handle(record("line %d", number))
    gate.opened.set()
    handler.flush()
    handler.close()

    kept = [line for line in gate.lines if line.startswith("line")]
    # Once where the thread is slow to begin; where it holds the first line by then, a second time with what comes later.
    told = [int(line.split()[0]) for line in gate.lines if "were lost" in line]
    assert sum(told) == 10 - len(kept) and 0 not in told
    assert kept == sorted(kept) and len(kept) in (2, 3)


def test_a_handler_that_fails_is_told_by_logging_and_the_next_line_is_written(capsys: Any) -> None:
    class Fails(Gate):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage() == "bad":
                raise OSError("disk full")
            super().emit(record)

    gate = Fails()
    gate.opened.set()
    handler = BackgroundHandler(gate)
    handler.handle(record("bad"))
    handler.handle(record("good"))
    handler.flush()
    handler.close()

    assert gate.lines == ["good"]
    assert "disk full" in capsys.readouterr().err


def test_production_writes_in_the_background_with_the_requests_id() -> None:
    stream = io.StringIO()
    own = {
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "stream": stream,
                "formatter": "json",
                "filters": ["request_id"],
                "background": True,
            }
        },
        "loggers": {"shop": {"handlers": ["console"], "propagate": False, "level": "INFO"}},
    }
    with override(LOGGING=own, DEBUG=False):
        configure_logging()
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, BackgroundHandler)
    assert logging.getLogger("shop").handlers == [handler]
    token = request_id.set("abc")
    try:
        logging.getLogger("shop").info("sold", extra={"order": 7})
    finally:
        request_id.reset(token)
    handler.flush()

    entry = json.loads(stream.getvalue())
    assert (entry["message"], entry["order"], entry["request_id"]) == ("sold", 7, "abc")


@pytest.mark.parametrize("debug", [True, False])
def test_only_production_does_so_by_default(debug: bool) -> None:
    with override(DEBUG=debug, LOGGING={}):
        configure_logging()

    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, BackgroundHandler) is not debug


END = """
import logging, os, sys
from covet.conf import settings
settings.configure(DEBUG=False)
from covet.log import configure_logging
configure_logging()
logging.getLogger("covet.test").warning("before")
if len(sys.argv) > 1:
    child = os.fork()
    if child == 0:
        logging.getLogger("covet.test").warning("of the child")
        logging.shutdown()
        os._exit(0)
    os.waitpid(child, 0)
for number in range(200):
    logging.getLogger("covet.test").warning("line %d", number)
"""


@pytest.mark.parametrize("fork", [[], ["fork"]], ids=["alone", "with a child"])
def test_all_is_written_before_the_process_ends(fork: list[str], tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(repository_root())}
    # From Python 3.12 on a fork beside a thread is warned of, which the one that writes lines is.
    command = [sys.executable, "-W", "ignore:This process:DeprecationWarning", "-c", END, *fork]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    lines = [json.loads(line)["message"] for line in done.stderr.splitlines()]

    assert done.returncode == 0
    assert [line for line in lines if line.startswith("line")] == [f"line {number}" for number in range(200)]
    assert lines.count("before") == 1
    assert lines.count("of the child") == len(fork)


given: list[dict[str, Any]] = []


def take(config: dict[str, Any]) -> None:
    given.append(config)


def test_a_project_may_set_logging_up_itself() -> None:
    before = list(logging.getLogger().handlers)
    with override(LOGGING_CONFIG=None):
        configure_logging()
    assert logging.getLogger().handlers == before
    with override(LOGGING_CONFIG=f"{__name__}.take", LOGGING={"loggers": {"shop": {"level": "INFO"}}}):
        configure_logging()
    assert logging.getLogger().handlers == before
    assert given.pop()["loggers"] == {"shop": {"level": "INFO"}, "covet": {"level": "WARNING"}}


def test_filters_ask_the_setting_or_a_function() -> None:
    stream = io.StringIO()
    own: dict[str, Any] = {
        "filters": {"short": {"()": "covet.log.CallbackFilter", "callback": lambda one: len(one.getMessage()) < 10}},
        "handlers": {
            name: {"class": "logging.StreamHandler", "stream": stream, "filters": [name]}
            for name in ("require_debug_true", "require_debug_false", "short")
        },
        "root": {"level": "WARNING", "handlers": ["require_debug_true", "require_debug_false", "short"]},
    }
    own["filters"] |= {
        "require_debug_true": {"()": "covet.log.RequireDebugTrue"},
        "require_debug_false": {"()": "covet.log.RequireDebugFalse"},
    }
    with override(LOGGING=own, DEBUG=False):
        configure_logging()
        logging.getLogger("elsewhere").warning("a long line, in production")
    with override(DEBUG=True):
        logging.getLogger("elsewhere").warning("short")

    assert stream.getvalue().splitlines() == ["a long line, in production", "short", "short"]
    assert CallbackFilter(lambda one: None).filter(record("x")) is False


def test_a_handler_that_somebody_elses_config_has_closed_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(record.getMessage())

    handler = BackgroundHandler(Keeping())
    own = logging.getLogger("tests.log.closed")
    own.propagate = False
    own.addHandler(handler)
    try:
        own.error("before")
        handler.close()
        own.error("after")
        handler.flush()
        assert written == ["before", "after"]
        # As at the end of the interpreter: closed for good, and no thread can be started any more.
        handler.close()
        monkeypatch.setattr(threading.Thread, "start", cannot_start)
        own.error("at the very end")
    finally:
        own.removeHandler(handler)
        monkeypatch.undo()
        handler.close()

    assert written == ["before", "after", "at the very end"]


def cannot_start(thread: threading.Thread) -> None:
    raise RuntimeError("can't create new thread at interpreter shutdown")
