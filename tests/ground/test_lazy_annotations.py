"""Functions whose annotations name what only type checkers import: who asks for their arguments gets them all the same."""

from __future__ import annotations

import sys
import textwrap
from types import SimpleNamespace
from typing import Any

import pytest

from covet.concurrency import signature
from covet.db import models
from covet.db.migrations import Operation
from covet.db.migrations.errors import MigrationError
from covet.db.migrations.operations.special import _require_two_arguments
from covet.db.models.query.hydrate import _hook
from covet.dispatch import Signal
from covet.exceptions import ImproperlyConfigured
from covet.rest import Query, Router
from covet.rest.foreign import check_exception_handler
from covet.schema import ModelSchema
from covet.urls import path
from covet.urls.error_views import check_error_views
from covet.websocket.part import further_arguments
from tests.rest.library import Author

# Before Python 3.14, only text may name what is not there.
FUTURE = "" if sys.version_info >= (3, 14) else "from __future__ import annotations\n"


def written(source: str, **names: Any) -> Any:
    """Return the function or class ``f`` of a module that says nothing of annotations but what its Python asks for."""
    module: dict[str, Any] = {"__name__": "somewhere", **names}
    exec(compile(FUTURE + textwrap.dedent(source), "somewhere.py", "exec", dont_inherit=True), module)
    return module["f"]


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


def test_a_field_of_ones_own_says_what_its_options_are() -> None:
    field = written(
        """
        class f(CharField):
            def __init__(self, *args: Unknown, rounded: Unknown = None, **kwargs: Unknown) -> None:
                super().__init__(*args, **kwargs)
        """,
        CharField=models.CharField,
    )

    with pytest.raises(TypeError, match=r"f has no option 'round'\. Did you mean 'rounded'"):
        field(max_length=5, round=2)


def test_an_operation_of_ones_own_is_written_into_its_file() -> None:
    operation = written(
        """
        class f(Operation):
            def __init__(self, table: Unknown, rows: Unknown = None) -> None:
                self.table, self.rows = table, rows
        """,
        Operation=Operation,
    )

    assert operation("shelf").deconstruct() == ("f", [], {"table": "shelf"})


def test_a_marker_of_ones_own_takes_options_of_its_own() -> None:
    marker = written(
        """
        class f(Query):
            def __init__(self, *, rounded: Unknown = None, **options: Unknown) -> None:
                super().__init__(**options)
                self.rounded = rounded
        """,
        Query=Query,
    )

    assert marker(rounded=2).rounded == 2
    with pytest.raises(TypeError, match=r"f\(\) has no option 'round': Did you mean 'rounded'"):
        marker(round=2)


def test_a_schema_of_a_model_names_what_comes_later() -> None:
    schema = written(
        """
        class f(ModelSchema, model=Author, fields=["id", "name"]):
            name: int
            shelf: Unknown
        """,
        ModelSchema=ModelSchema,
        Author=Author,
    )

    assert set(schema.__covet_fields__) == {"id"}
    assert schema.model_rebuild(_types_namespace={"Unknown": int})
    assert schema(name="5", shelf="3").model_dump() == {"id": None, "name": 5, "shelf": 3}


def test_the_options_of_a_router_of_ones_own_are_told() -> None:
    router = written(
        """
        class f(Router):
            def __init__(self, *, shelf: Unknown = None, **options: Unknown) -> None:
                super().__init__(**options)
        """,
        Router=Router,
    )
    strict = written(
        """
        class f(Router):
            def __init__(self, room: Unknown, shelf: Unknown = None) -> None:
                super().__init__()
        """,
        Router=Router,
    )

    assert router(shelf=1, tags=["x"]).tags == ("x",)
    with pytest.raises(TypeError, match=r"f\(\) .*'shelv'.*'shelf'"):
        strict("hall", shelv=1)
