"""``get`` on managers: values of one field go the shortest way to the database, and must find and raise what they would otherwise."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from covet.conf import override
from covet.db import connections, models, transaction
from covet.db.database import Database
from covet.db.errors import ProgrammingError
from covet.db.models.query.queryset import QuerySet
from covet.db.observe import record_queries
from tests._apps.blog.models import Article, Author, Tag
from tests.conftest import Scratch
from tests.db.models.conftest import create_tables


class Careful(models.Manager["Author"]):
    """A manager with a ``get`` of its own, which asks the ordinary one."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[dict[str, Any]] = []

    async def get(self, *args: Any, **kwargs: Any) -> Author:
        self.asked.append(kwargs)
        return await super().get(*args, **kwargs)


async def _write() -> Author:
    author = await Author.objects.create(name="Ann", email="ann@x.org", age=7)
    await Author.objects.create(name="Bob", email="bob@x.org", age=7)
    await Article.objects.create(title="5", author=author, views=5, rating=Decimal("1.50"), is_open=False)
    return author


async def _told(waited: Any) -> Any:
    try:
        return await waited
    except Exception as error:
        return type(error), str(error)


async def test_every_value_finds_and_raises_what_the_queryset_would(blog: Database) -> None:
    author = await _write()
    article = await author.articles.get()
    asked: list[tuple[Any, dict[str, Any]]] = [
        *[(Author, {"pk": key}) for key in (author.pk, str(author.pk), True, -1, 10**30, "x", None, 1.0, [author.pk])],
        *[(Author, {"name": name}) for name in ("Ann", "ann", "", None, 5, "x" * 300)],
        *[(Author, {"age": age}) for age in (7, 2**31, -(2**40), "7", 7.0, True)],
        *[(Article, {"is_open": value}) for value in (False, True, 0, 1)],
        *[(Article, {"rating": value}) for value in (Decimal("1.50"), 1.5, "1.5", 2)],
        *[(Article, {"author": value}) for value in (author.pk, author, str(author.pk), 10**30)],
        *[(Article, {"author_id": author.pk}), (Article, {"author__name": "Ann"}), (Article, {"views__gt": 4})],
        *[(Article, {"title": "5", "views": 5}), (Article, {"views": 5, "is_open": False}), (Article, {"nothing": 1})],
        (Article, {"id": article.pk}),
    ]
    for model, names in asked:
        expected = await _told(model.objects.all().get(**names))
        # The first one of its shape, and those after it, with a value of another class in between.
        for value in (names, {name: "1" for name in names}, names, names):
            found = await _told(model.objects.get(**value))
            if value is names:
                assert (type(found), found) == (type(expected), expected), names


async def test_a_row_read_by_its_key_is_whole(blog: Database) -> None:
    author = await _write()
    for _ in range(3):
        article = await Article.objects.get(author=author.pk)
        assert (article.title, article.rating, article.is_open) == ("5", Decimal("1.50"), False)
        assert article._state.db == blog.alias and not article._state.adding
        assert await article.author == author


async def test_listeners_wrappers_and_blocks_see_the_statement(blog: Database) -> None:
    author = await _write()
    await Author.objects.get(pk=author.pk)
    with record_queries() as log:
        await Author.objects.get(pk=author.pk)
    assert [record.args for record in log] == [[author.pk]]

    async def refuse(*_: Any) -> Any:
        raise PermissionError("no statements")

    with blog.execute_wrapper(refuse), pytest.raises(PermissionError):
        await Author.objects.get(pk=author.pk)
    with pytest.raises(ZeroDivisionError):
        async with transaction.atomic():
            new = await Author.objects.create(name="Eve")
            assert await Author.objects.get(pk=new.pk) == new
            raise ZeroDivisionError
    with pytest.raises(Author.DoesNotExist):
        await Author.objects.get(pk=new.pk)


async def test_the_optimizer_counts_at_once(blog: Database) -> None:
    author = await _write()
    for is_on in (True, False, True):
        with override(QUERY_OPTIMIZER=is_on), record_queries() as log:
            assert await Author.objects.get(pk=author.pk) == author
            assert await Author.objects.get(pk=author.pk) == author
        assert [("LIMIT" in record.sql) for record in log] == [not is_on, not is_on]


async def test_each_database_and_router_is_asked_for_its_own_rows(three: tuple[Database, ...]) -> None:
    for database in three:
        await Tag.objects.using(database.alias).create(pk=1, label=database.alias)
    for _ in range(2):
        for database in three:
            assert (await Tag.objects.db_manager(database.alias).get(pk=1)).label == database.alias
        assert (await Tag.objects.get(pk=1)).label == "default"
        with override(DATABASE_ROUTERS=[_Elsewhere()]):
            assert (await Tag.objects.get(pk=1)).label == "mysql"


class _Elsewhere:
    def db_for_read(self, model: type[Any], **hints: Any) -> str:
        return "mysql"


async def test_a_managers_own_get_stands_before_it(blog: Database) -> None:
    author = await _write()
    manager: Any = Careful()
    manager.model, manager.name = Author, "careful"
    for _ in range(3):
        assert await manager.get(pk=author.pk) == author
    assert manager.asked == [{"pk": author.pk}] * 3


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda manager: pickle.loads(pickle.dumps(manager))])
async def test_a_manager_that_was_used_can_be_copied(blog: Database, how: Any) -> None:
    author = await _write()
    await Author.objects.get(pk=author.pk)
    assert await how(Author.objects).get(pk=author.pk) == author


async def test_a_method_that_was_put_in_its_place_is_called(blog: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    author = await _write()
    await Author.objects.get(pk=author.pk)

    async def instead(self: Any, **names: Any) -> Any:
        return names

    with monkeypatch.context() as patched:
        patched.setattr(QuerySet, "get", instead)
        assert await Author.objects.get(pk=3) == await Article.objects.get(pk=3) == {"pk": 3}
    with monkeypatch.context() as patched:
        patched.setattr(models.Manager, "get", instead)
        assert await Author.objects.get(pk=3) == {"pk": 3}
    assert await Author.objects.get(pk=author.pk) == author


async def test_names_without_end_do_not_fill_the_memory(blog: Database) -> None:
    author = await _write()
    await Author.objects.get(pk=author.pk)
    known = blog.statements[Author.objects.get.__self__]  # type: ignore[attr-defined]  # a bound method
    for names in ("name__exact", "articles__author__name", "articles__author__articles__author__name", "name", "id"):
        await _told(Author.objects.get(**{names: "Ann" if "name" in names else author.pk}))
    assert set(known) == {"pk", "name", "id"}


@pytest.fixture
async def one(scratch: Scratch) -> Any:
    """PostgreSQL by one connection, with the tables of the blog."""
    from tests._apps.blog.models import MODELS

    with override(DATABASES={"default": f"{await scratch('postgresql')}?pool_max_size=1"}):
        database = connections["default"]
        await create_tables(database, MODELS)
        yield database
        await database.close()


@pytest.fixture
def no_statement_left(one: Database) -> Iterator[None]:
    yield
    assert one.writer_pool.in_use == 0


@pytest.mark.usefixtures("no_statement_left")
async def test_a_row_is_read_after_its_table_has_changed(one: Database) -> None:
    author = await _write()
    for _ in range(3):
        assert await Author.objects.get(pk=author.pk) == author
    await one.execute("ALTER TABLE testblog_author ALTER name TYPE text")
    assert await Author.objects.get(pk=author.pk) == author


@pytest.mark.usefixtures("no_statement_left")
async def test_a_connection_that_died_in_the_pool_is_replaced(one: Database) -> None:
    author = await _write()
    for _ in range(3):
        assert await Author.objects.get(pk=author.pk) == author
    [connection] = one.writer_pool.kept
    connection.terminate()
    assert await Author.objects.get(pk=author.pk) == author
    assert connection not in one.writer_pool.kept


@pytest.mark.usefixtures("no_statement_left")
async def test_a_failure_is_told_with_its_statement_and_gives_the_connection_back(one: Database) -> None:
    author = await _write()
    for _ in range(3):
        await Author.objects.get(pk=author.pk)
    await one.execute("DROP TABLE testblog_author CASCADE")
    with pytest.raises(ProgrammingError, match="does not exist") as caught:
        await Author.objects.get(pk=author.pk)
    assert caught.value.alias == "default" and caught.value.sql is not None and "testblog_author" in caught.value.sql


@pytest.mark.usefixtures("no_statement_left")
async def test_one_that_is_cancelled_leaves_a_clean_connection(one: Database) -> None:
    author = await _write()
    for _ in range(3):
        await Author.objects.get(pk=author.pk)
    [connection] = one.writer_pool.kept
    reading = asyncio.ensure_future(Author.objects.get(pk=author.pk))
    await asyncio.sleep(0)
    assert one.writer_pool.in_use == 1
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await Author.objects.get(pk=author.pk) == author
    assert one.writer_pool.kept == [connection]
