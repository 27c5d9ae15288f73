"""Functions whose annotations name what only type checkers import: who asks for their arguments gets them all the same."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from covet.concurrency import signature
from covet.db.migrations.errors import MigrationError
from covet.db.migrations.operations.special import _require_two_arguments
from covet.db.models.query.hydrate import _hook
from covet.dispatch import Signal
from covet.exceptions import ImproperlyConfigured
from covet.rest.foreign import check_exception_handler
from covet.urls import path
from covet.urls.error_views import check_error_views
from covet.websocket.part import further_arguments

# Before Python 3.14, only text may name what is not there.
FUTURE = "" if sys.version_info >= (3, 14) else "from __future__ import annotations\n"


def written(source: str) -> Callable[..., Any]:
    """Return the function ``f`` of a module that says nothing of annotations but what its Python asks for."""
    module: dict[str, Any] = {"__name__": "somewhere"}
    exec(compile(FUTURE + textwrap.dedent(source), "somewhere.py", "exec", dont_inherit=True), module)
    function: Callable[..., Any] = module["f"]
    return function


def test_the_arguments_are_told() -> None:
    function = written("def f(a: Unknown, *, b: list[Unknown] | None = None) -> Unknown: ...")

    assert list(signature(function).parameters) == ["a", "b"]
    assert signature(function).bind(1, b=2).arguments == {"a": 1, "b": 2}


def test_those_of_a_wrapper_are_its_own() -> None:
    function = written(
        """
        import functools

        def inner(a: Unknown): ...

        @functools.wraps(inner)
        def f(*b: Unknown): ...
        """
    )

    assert list(signature(function).parameters) == ["a"]
    assert list(signature(function, follow_wrapped=False).parameters) == ["b"]


async def test_a_receiver_is_connected() -> None:
    receiver = written("def f(sender: Unknown, **kwargs: Unknown) -> Unknown: return 5")
    signal = Signal()

    signal.connect(receiver)

    assert await signal.send(None) == [(receiver, 5)]


def test_a_receiver_that_takes_too_little_is_still_refused() -> None:
    with pytest.raises(TypeError, match=r"The receiver f must accept \*\*kwargs"):
        Signal().connect(written("def f(sender: Unknown): ..."))


def test_a_view_is_routed() -> None:
    view = written("async def f(request: Unknown) -> Unknown: ...")

    assert path("x", view).view is view


def test_the_view_of_an_error_is_checked() -> None:
    view = written("async def f(request: Unknown) -> Unknown: ...")

    assert [message.id for message in check_error_views({404: view, 500: view})] == ["urls.E007"]


def test_the_arguments_of_a_socket_handler_are_told() -> None:
    handler = written("async def f(socket: Unknown, room: Unknown, more: Unknown = None): ...")

    assert further_arguments(handler, {"room"}) == ["more"]


def test_the_code_of_a_migration_is_checked() -> None:
    _require_two_arguments(written("def f(apps: Unknown, schema_editor: Unknown) -> None: ..."))

    with pytest.raises(MigrationError, match="RunPython calls f with two arguments"):
        _require_two_arguments(written("def f(apps: Unknown) -> None: ..."))


def test_a_handler_of_exceptions_is_checked() -> None:
    check_exception_handler(written("def f(request: Unknown, error: Unknown) -> Unknown: ..."))

    with pytest.raises(ImproperlyConfigured, match="is called with the request and the error"):
        check_exception_handler(written("def f(request: Unknown) -> Unknown: ..."))


def test_a_models_own_way_to_read_a_row_is_looked_at() -> None:
    function = written("def f(alias: Unknown, names: Unknown, values: Unknown, *, fetch_mode: Unknown = None): ...")

    assert _hook(SimpleNamespace(from_db=function)) is function
