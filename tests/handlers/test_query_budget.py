"""QUERY_BUDGET and ``query_budget``: who runs too many statements is told, or refused, with the lines that ask for them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from covet.conf.budget import Budget, parse_budget
from covet.db import connections, transaction
from covet.db.observe import QueryBudgetExceeded, query_budget
from covet.http import Request, Response, StreamingResponse
from covet.urls import path
from tests.handlers.sites import Site


async def ask(request: Request, count: int) -> Response:
    for _ in range(count):
        await connections["default"].fetch("SELECT 1")
    return Response("ok")


@query_budget(5)
async def ask_by_its_own_budget(request: Request, count: int) -> Response:
    return await ask(request, count)


async def ask_at_once(request: Request, count: int) -> Response:
    await asyncio.gather(*(connections["default"].fetch("SELECT 1") for _ in range(count)))
    return Response("ok")


ROUTES = [
    path("at-once/<int:count>", ask_at_once),
    path("ask/<int:count>", ask),
    path("own/<int:count>", ask_by_its_own_budget),
]


@pytest.fixture
async def closing(site: Site) -> AsyncIterator[None]:
    """Closes the test's databases before its settings are put back."""
    yield
    for database in connections.made:
        await database.close()


@pytest.mark.row("guards.budget")
async def test_a_request_over_its_budget_is_told_with_the_line_that_asks(
    site: Site, closing: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def told() -> list[logging.LogRecord]:
        return [record for record in caplog.records if record.name == "covet.db.budget"]

    client = await site(ROUTES, QUERY_BUDGET=2, DATABASES={"default": f"sqlite:///{tmp_path / 'db.sqlite3'}"})
    with caplog.at_level(logging.WARNING, "covet.db.budget"):
        assert (await client.get("/ask/2")).text == "ok"
        assert told() == []
        assert (await client.get("/ask/3")).text == "ok"

    (record,) = told()
    line = ask.__code__.co_firstlineno + 2
    assert "GET /ask/3 ran 3 statements, and its budget is 2" in record.getMessage()
    assert f"3 at {__file__}:{line}" in record.getMessage()

    caplog.clear()
    with caplog.at_level(logging.WARNING, "covet.db.budget"):
        assert (await client.get("/at-once/3")).text == "ok"
    (record,) = told()
    line = ask_at_once.__code__.co_firstlineno + 1
    assert f"3 at {__file__}:{line} (" in record.getMessage()


@pytest.mark.row("guards.budget")
async def test_a_request_over_its_budget_is_refused_when_asked_to(site: Site, closing: None, tmp_path: Path) -> None:
    client = await site(
        ROUTES,
        DEBUG=True,
        QUERY_BUDGET={"max": 2, "refuse": True},
        DATABASES={"default": f"sqlite:///{tmp_path / 'db.sqlite3'}"},
    )
    assert (await client.get("/ask/2")).text == "ok"
    refused = await client.get("/ask/3")
    assert refused.status_code == 500
    assert "its budget is 2" in refused.text
    assert (await client.get("/own/4")).text == "ok"


@pytest.mark.row("guards.budget")
async def test_a_budget_inside_another_takes_its_place_and_none_lifts_it(
    site: Site, closing: None, tmp_path: Path
) -> None:
    await site(ROUTES, DATABASES={"default": f"sqlite:///{tmp_path / 'db.sqlite3'}"})
    database = connections["default"]
    with query_budget(1, refuse=True):
        with query_budget(None):
            for _ in range(3):
                await database.fetch("SELECT 1")
        await database.fetch("SELECT 1")
        with pytest.raises(QueryBudgetExceeded, match="2 statements"):
            await asyncio.gather(database.fetch("SELECT 1"))


async def test_a_write_too_many_is_undone_with_its_block(site: Site, closing: None, tmp_path: Path) -> None:
    await site(ROUTES, DATABASES={"default": f"sqlite:///{tmp_path / 'db.sqlite3'}"})
    database = connections["default"]
    await database.execute("CREATE TABLE note (n integer)")
    with pytest.raises(QueryBudgetExceeded), query_budget(1, refuse=True):
        async with transaction.atomic():
            for number in range(5):
                await database.execute("INSERT INTO note VALUES (?)", (number,))
    assert await database.fetch("SELECT n FROM note") == []


async def test_the_statement_too_many_is_never_sent(site: Site, closing: None, tmp_path: Path) -> None:
    await site(ROUTES, DATABASES={"default": f"sqlite:///{tmp_path / 'db.sqlite3'}"})
    database = connections["default"]
    await database.execute("CREATE TABLE note (n integer)")
    told = "asks for 2 statements, and its budget is 1"
    with pytest.raises(QueryBudgetExceeded, match=told), query_budget(1, refuse=True):
        await database.execute("INSERT INTO note VALUES (1)")
        await database.execute("INSERT INTO note VALUES (2)")
    with pytest.raises(QueryBudgetExceeded), query_budget(0, refuse=True):
        async for _chunk in database.stream("SELECT n FROM note"):
            pass
    assert await database.fetch("SELECT n FROM note") == [(1,)]


def test_a_plain_function_keeps_its_kind() -> None:
    @query_budget(1)
    def double(number: int) -> int:
        return 2 * number

    assert double(4) == 8


@pytest.mark.parametrize(
    ("value", "budget"),
    [(None, None), ("", None), (0, Budget(0)), ("7", Budget(7)), ({"max": 3, "refuse": True}, Budget(3, True))],
)
def test_the_setting_takes_a_number_or_a_mapping(value: object, budget: Budget | None) -> None:
    assert parse_budget(value) == budget


@pytest.mark.parametrize("value", [True, -1, "many", {"most": 3}, {"max": 3, "refuse": "yes"}, {"refuse": True}])
def test_what_is_no_budget_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="whole number"):
        parse_budget(value)


@query_budget(2)
async def numbers(count: int) -> AsyncGenerator[int, None]:
    for number in range(count):
        await connections["default"].fetch("SELECT 1")
        yield number


async def test_a_generator_has_its_budget_until_it_has_ended(
    site: Site, closing: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def stream(request: Request, count: int) -> Response:
        async def lines() -> AsyncIterator[str]:
            async for number in numbers(count):
                await connections["default"].fetch("SELECT 2")  # the reader's own, which is not the generator's
                yield f"{number}\n"

        return StreamingResponse(lines())

    url = f"sqlite:///{tmp_path / 'db.sqlite3'}"
    client = await site([path("stream/<int:count>", stream)], QUERY_BUDGET=1, DATABASES={"default": url})
    with caplog.at_level(logging.WARNING, "covet.db.budget"):
        assert (await client.get("/stream/2")).text == "0\n1\n"
        assert caplog.records == []
        assert (await client.get("/stream/3")).text == "0\n1\n2\n"
    (record,) = caplog.records
    assert "numbers ran 3 statements, and its budget is 2" in record.getMessage()
    assert f"3 at {__file__}:" in record.getMessage()

    # One that is left half-way is told of all the same.
    caplog.clear()
    with caplog.at_level(logging.WARNING, "covet.db.budget"):
        async with aclosing(numbers(9)) as left:
            async for number in left:
                if number == 2:
                    break
    assert "numbers ran 3 statements" in caplog.text


async def test_what_a_generator_asks_while_it_is_closed_counts_too(
    site: Site, closing: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    @query_budget(1)
    async def left_early() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            for _ in range(2):
                await connections["default"].fetch("SELECT 1")

    await site([], DATABASES={"default": f"sqlite:///{tmp_path / 'db.sqlite3'}"})
    with caplog.at_level(logging.WARNING, "covet.db.budget"):
        async with aclosing(left_early()) as values:
            assert await anext(values) == 1
            assert caplog.messages == []

    [told] = caplog.messages
    assert "left_early" in told


async def test_a_generator_is_refused_its_statement_too_many(site: Site, closing: None, tmp_path: Path) -> None:
    seen: list[str] = []

    @query_budget(1, refuse=True)
    async def ask_between() -> AsyncGenerator[int, None]:
        try:
            yield 1
        except KeyError:
            seen.append("raised at the yield")
        await connections["default"].fetch("SELECT 1")
        yield 2
        await connections["default"].fetch("SELECT 1")

    await site([], DATABASES={"default": f"sqlite:///{tmp_path / 'db.sqlite3'}"})
    values = ask_between()
    assert await anext(values) == 1
    assert await values.athrow(KeyError()) == 2
    with pytest.raises(QueryBudgetExceeded, match="ask_between asks for 2 statements, and its budget is 1"):
        await anext(values)
    assert seen == ["raised at the yield"]


def test_a_generator_that_is_not_async_is_told_where_its_budget_belongs() -> None:
    def rows() -> Iterator[int]:
        yield 1

    with pytest.raises(TypeError, match=r"rows, a generator that is not async: write 'with query_budget\(…\):' inside"):
        query_budget(1)(rows)
