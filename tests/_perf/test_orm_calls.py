"""How many Python functions a query calls: a new branch on the hot path fails here, not in a release.

The bounds are what was measured and a little room. Raise one only for a reason that is worth it on every query.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from covet.conf import override
from covet.db import connections
from covet.db.database import Database
from tests._apps.blog.models import MODELS, Article, Author
from tests.conftest import Scratch
from tests.db.models.conftest import create_tables

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
async def rows(scratch: Scratch) -> AsyncIterator[Database]:
    with override(DATABASES={"default": await scratch("sqlite")}):
        database = connections["default"]
        await create_tables(database, MODELS)
        author = await Author.objects.create(name="x")
        await Article.objects.bulk_create([Article(title=str(n), author=author, views=n) for n in range(200)])
        yield database
        await database.close()


class _Answers:
    """Stands between the ORM and the driver: the rows are there already, so that only our own calls are counted."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.rows: Any = ()

    async def fetch(self, sql: str, args: Any = ()) -> Any:
        return self.rows

    async def insert(self, sql: str, args: Any = ()) -> Any:
        return [(1,)], 1

    async def execute(self, sql: str, args: Any = ()) -> int:
        return 1


async def _calls(run: Callable[[], Awaitable[Any]]) -> int:
    await run()
    calls = 0

    def count(frame: Any, event: str, arg: Any) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        await run()
    finally:
        sys.setprofile(before)
    return calls


@pytest.fixture
async def answers(rows: Database, monkeypatch: pytest.MonkeyPatch) -> _Answers:
    found = _Answers(rows)
    for name in ("fetch", "insert", "execute"):
        monkeypatch.setattr(rows, name, getattr(found, name))
    return found


async def _driver_rows(database: Database, count: int) -> Any:
    columns = ", ".join(f'"{field.column}"' for field in Article._meta.concrete_fields)
    return await Database.fetch(database, f'SELECT {columns} FROM "testblog_article" LIMIT {count}')


async def test_get_by_key_calls_few_functions(rows: Database, answers: _Answers) -> None:
    answers.rows = await _driver_rows(rows, 1)
    # SQLite needs converters for dates, decimals and truth values: five of the eleven columns.
    assert await _calls(lambda: Article.objects.get(pk=1)) <= 24


async def test_a_row_costs_no_call_of_its_own(rows: Database, answers: _Answers) -> None:
    plain = Author.objects.order_by("pk")
    columns = ", ".join(f'"{field.column}"' for field in Author._meta.concrete_fields)
    authors = await Database.fetch(rows, f'SELECT {columns} FROM "testblog_author"')
    answers.rows = list(authors)
    one = await _calls(lambda: plain.all()._fetch())
    answers.rows = list(authors) * 100
    hundred = await _calls(lambda: plain.all()._fetch())
    assert hundred == one
    answers.rows = [("x", 1)]
    one = await _calls(lambda: plain.values("name", "age")._fetch())
    answers.rows = [("x", 1)] * 100
    assert await _calls(lambda: plain.values("name", "age")._fetch()) == one


async def test_a_filtered_ordered_slice_is_cheap(rows: Database, answers: _Answers) -> None:
    assert await _calls(lambda: Article.objects.filter(views__gt=3, title="x").order_by("-views")[:20]._fetch()) <= 36


async def test_saving_and_creating_are_cheap(rows: Database, answers: _Answers) -> None:
    author = Author(pk=1, name="x")
    author._state.adding = False
    assert await _calls(author.save) <= 36
    assert await _calls(lambda: Author.objects.create(name="x")) <= 46


async def test_a_loaded_relation_costs_one_call(rows: Database) -> None:
    article = await Article.objects.select_related("author").order_by("pk").first()
    assert article is not None

    async def read() -> None:
        article.author

    # The coroutine, the descriptor, and the two steps to the target's key.
    assert await _calls(read) <= 8


async def test_one_state_serves_all_rows_of_a_result(rows: Database) -> None:
    found = await Article.objects.all()
    assert len({id(row._row_state) for row in found}) == 1
    assert found[0]._state is not found[1]._state
