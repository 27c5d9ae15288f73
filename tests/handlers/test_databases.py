"""What a request does with a database: statements on the debug page, a transaction round a view."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from covet.db import connections, transaction
from covet.http import JSONResponse, Request, Response
from covet.urls import path
from tests.handlers.sites import Site


async def read_then_fail(request: Request) -> Response:
    await connections["default"].fetch("SELECT 41 + 1 AS answer")
    raise RuntimeError("after a statement")


async def write(request: Request, fails: int) -> Response:
    await connections["default"].execute("INSERT INTO notes (text) VALUES ('x')")
    if fails:
        raise RuntimeError("after a write")
    return Response("ok")


@transaction.non_atomic_requests
async def write_for_good(request: Request) -> Response:
    assert not connections["default"].in_atomic_block
    return await write(request, 1)


@transaction.non_atomic_requests(using="archive")
async def write_without_the_other(request: Request) -> Response:
    return await write(request, 1)


async def count(request: Request) -> Response:
    rows = await connections["default"].fetch("SELECT count(*) FROM notes")
    return JSONResponse(rows[0][0])


async def prepare(request: Request) -> Response:
    await connections["default"].execute("CREATE TABLE notes (text TEXT)")
    return Response("ok")


ROUTES = [
    path("fail", read_then_fail),
    path("write/<int:fails>", write),
    path("for-good", write_for_good),
    path("without-the-other", write_without_the_other),
    path("count", count),
    path("prepare", prepare),
]


@pytest.fixture
async def closing(site: Site) -> AsyncIterator[None]:
    """Closes the test's databases before its settings are put back."""
    yield
    for database in connections.made:
        await database.close()


async def test_the_debug_page_shows_the_statements_that_ran(site: Site, closing: None, tmp_path: Path) -> None:
    client = await site(ROUTES, DEBUG=True, DATABASES={"default": f"sqlite:///{tmp_path / 'db.sqlite3'}"})

    page = (await client.get("/fail", headers={"accept": "text/html"})).text

    assert "1 statement, " in page
    assert "SELECT 41 + 1 AS answer" in page


@pytest.mark.row("connections.query_log")
async def test_the_debug_page_shows_the_plan_of_a_slow_statement(
    site: Site, closing: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However long a machine with much to do takes to explain one.
    monkeypatch.setattr("covet.db.backends.plans._LIMIT_S", 60.0)
    databases = {"default": f"sqlite:///{tmp_path / 'db.sqlite3'}"}
    client = await site(ROUTES, DEBUG=True, SLOW_QUERY_MS=0, DATABASES=databases)

    page = (await client.get("/fail", headers={"accept": "text/html"})).text

    assert "SCAN CONSTANT ROW" in page


async def test_with_atomic_requests_a_failing_view_leaves_nothing(site: Site, closing: None, tmp_path: Path) -> None:
    config = {"BACKEND": "sqlite", "NAME": str(tmp_path / "db.sqlite3"), "ATOMIC_REQUESTS": True}
    client = await site(ROUTES, DATABASES={"default": config})
    await client.get("/prepare")

    assert (await client.get("/write/0")).status_code == 200
    assert (await client.get("/write/1")).status_code == 500

    assert (await client.get("/count")).json() == 1


@pytest.mark.row("transactions.atomic_requests", on="sqlite")
async def test_a_view_may_do_without_the_transaction_of_its_request(site: Site, closing: None, tmp_path: Path) -> None:
    config = {"BACKEND": "sqlite", "NAME": str(tmp_path / "db.sqlite3"), "ATOMIC_REQUESTS": True}
    client = await site(ROUTES, DATABASES={"default": config})
    await client.get("/prepare")

    assert (await client.get("/for-good")).status_code == 500
    assert (await client.get("/count")).json() == 1
    assert (await client.get("/without-the-other")).status_code == 500
    assert (await client.get("/count")).json() == 1
