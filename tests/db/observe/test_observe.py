"""Listening to statements, and choosing databases by routers."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from covet.conf import override
from covet.db import transaction
from covet.db.errors import ProgrammingError
from covet.db.observe import log_slow_queries, record_queries
from covet.db.routers import Router
from covet.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from covet.db.database import Database


@pytest.mark.row("connections.query_log")
async def test_statements_of_the_block_and_of_its_tasks_are_recorded(database: Database) -> None:
    await database.fetch("SELECT 1")
    with record_queries() as queries:
        await database.fetch("SELECT 2")
        await asyncio.gather(database.fetch("SELECT 3"), database.fetch("SELECT 4"))
        async with transaction.atomic():
            await database.execute("SELECT 5")
    await database.fetch("SELECT 6")

    assert sorted(query.sql for query in queries) == ["SELECT 2", "SELECT 3", "SELECT 4", "SELECT 5"]
    assert {query.alias for query in queries} == {"default"}
    assert all(query.duration_s >= 0 for query in queries)
    assert "test_observe.py:" in queries[0].where


async def test_values_and_errors_are_recorded(database: Database) -> None:
    mark = database.dialect.placeholder(1)
    kind = {"postgresql": "::int", "mysql": "", "sqlite": ""}[database.vendor]
    with record_queries() as queries:
        await database.fetch(f"SELECT {mark}{kind}", (7,))
        with pytest.raises(ProgrammingError):
            await database.fetch("SELECT nothing FROM nowhere")

    assert queries[0].args == (7,)
    assert queries[0].error is None
    assert isinstance(queries[1].error, ProgrammingError)


async def test_only_the_wanted_databases_are_recorded_and_blocks_nest(database: Database) -> None:
    with record_queries(["other"]) as none, record_queries() as outer:
        await database.fetch("SELECT 1")
        with record_queries(["default"]) as inner:
            await database.fetch("SELECT 2")

    assert (len(none), len(outer), len(inner)) == (0, 2, 1)


async def test_slow_statements_are_logged_with_their_place_and_without_values(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), log_slow_queries(over_s=0):
        await database.fetch("SELECT 1")

    assert "SELECT 1" in caplog.text
    assert "test_observe.py" in caplog.text


class Book:
    """Stands for a model."""


class Split:
    """Reads from one database and writes to another."""

    def db_for_read(self, model: type[Any], **hints: Any) -> str | None:
        return "replica" if model is Book else None

    def allow_relation(self, first: Any, second: Any, **hints: Any) -> bool | None:
        return None

    def allow_migrate(self, alias: str, app_label: str, model_name: str | None = None, **hints: Any) -> bool | None:
        return alias != "replica"


class Late:
    """Asked only when the first has no opinion."""

    @staticmethod
    def db_for_read(model: type[Any], **hints: Any) -> str | None:
        return "late"

    @staticmethod
    def db_for_write(model: type[Any], **hints: Any) -> str | None:
        return "late" if model is not Book else None


class Row:
    def __init__(self, alias: str | None) -> None:
        self._row_state = type("State", (), {"db": alias})()


@pytest.mark.row("connections.routers")
def test_routers_are_asked_in_order_and_the_first_answer_counts() -> None:
    with override(DATABASE_ROUTERS=[Split(), Late]):
        router = Router()
        assert router.db_for_read(Book) == "replica"
        assert router.db_for_read(int) == "late"
        assert router.db_for_write(int) == "late"
        assert router.db_for_write(Book) == "default"
        assert router.db_for_write(Book, instance=Row("other")) == "other"
        assert not router.allow_migrate("replica", "shop", model_name="book")
        assert router.allow_migrate("default", "shop")
        assert router.allow_relation(Row("a"), Row("a"))
        assert not router.allow_relation(Row("a"), Row("b"))


def test_without_routers_everything_is_default() -> None:
    router = Router()

    assert router.db_for_read(Book) == router.db_for_write(Book) == "default"
    assert router.allow_migrate("anything", "shop")


def test_something_that_is_no_router_is_named() -> None:
    with override(DATABASE_ROUTERS=["decimal.Decimal"]), pytest.raises(ImproperlyConfigured, match="is no router"):
        Router().db_for_read(Book)
