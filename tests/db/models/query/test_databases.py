"""Two databases of two vendors at once: aliases, routers, and what must not cross them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from covet.conf import override
from covet.db import connections, transaction
from covet.db.database import Database
from covet.db.errors import ProgrammingError
from covet.db.observe import record_queries
from tests._apps.blog.models import MODELS, Article, Author, Profile, Tag
from tests.conftest import Scratch
from tests.db.models.conftest import create_tables


class TagsElsewhere:
    """Tags live on the second database; everything else on the first."""

    def db_for_read(self, model: type[Any], **hints: Any) -> str | None:
        return "other" if model is Tag else None

    def db_for_write(self, model: type[Any], **hints: Any) -> str | None:
        return self.db_for_read(model, **hints)

    def allow_migrate(self, alias: str, app_label: str, model_name: str | None = None, **hints: Any) -> bool:
        return (model_name == "tag") == (alias == "other")


@pytest.fixture(params=["postgresql", "mysql"])
async def both(request: pytest.FixtureRequest, scratch: Scratch) -> AsyncIterator[tuple[Database, Database]]:
    """SQLite as ``default`` beside a server as ``other``, each with the tables of the blog."""
    urls = {"default": await scratch("sqlite"), "other": await scratch(request.param)}
    with override(DATABASES=urls):
        first, second = connections["default"], connections["other"]
        for database in (first, second):
            await create_tables(database, MODELS)
        yield first, second
        await first.close()
        await second.close()


@pytest.mark.row("queries.using", on=("sqlite", "postgresql", "mysql"))
async def test_using_chooses_the_database(both: tuple[Database, Database]) -> None:
    here = await Author.objects.create(name="here")
    there = await Author.objects.using("other").create(name="there")
    assert (here._state.db, there._state.db) == ("default", "other")
    assert [author.name for author in await Author.objects.all()] == ["here"]
    assert [author.name for author in await Author.objects.using("other")] == ["there"]
    assert Author.objects.using("other").db == "other"
    assert await Author.objects.using("other").count() == 1
    # An instance stays where it came from.
    there.name = "changed"
    await there.save()
    assert await Author.objects.using("other").filter(name="changed").exists()
    await there.refresh_from_db()
    made = await there.articles.create(title="x")
    assert made._state.db == "other"
    assert await there.articles.count() == 1
    (article,) = await Article.objects.using("other")
    with record_queries() as queries:
        assert (await article.author).name == "changed"
    assert [query.alias for query in queries] == ["other"]
    with record_queries() as queries:
        (author,) = await Author.objects.using("other").prefetch_related("articles__tags")
        assert len(author.articles.all()) == 1
    assert {query.alias for query in queries} == {"other"}
    await there.delete()
    assert await Article.objects.using("other").count() == 0
    assert await Author.objects.count() == 1


@pytest.mark.row("connections.routers", on=("sqlite", "postgresql", "mysql"))
async def test_a_router_sends_models_where_they_live(both: tuple[Database, Database]) -> None:
    with override(DATABASE_ROUTERS=[TagsElsewhere()]):
        tag = await Tag.objects.create(label="far")
        author = await Author.objects.create(name="near")
        assert (tag._state.db, author._state.db) == ("other", "default")
        with record_queries() as queries:
            assert await Tag.objects.count() == 1
            assert await Author.objects.count() == 1
        assert [query.alias for query in queries] == ["other", "default"]
    assert await Tag.objects.count() == 0


@pytest.mark.row("connections.routers", on=("sqlite", "postgresql", "mysql"))
async def test_relations_across_databases_are_refused(both: tuple[Database, Database]) -> None:
    far = await Author.objects.using("other").create(name="far")
    article = await Article.objects.create(title="x", author=await Author.objects.create(name="near"))
    with pytest.raises(ValueError, match="on database 'other'"):
        article.author = far
    with pytest.raises(ValueError, match="database"):
        await Article.objects.filter(author__in=Author.objects.using("other"))


@pytest.mark.row("connections.routers", on=("sqlite", "postgresql", "mysql"))
async def test_managers_of_relations_refuse_rows_of_another_database(both: tuple[Database, Database]) -> None:
    near = await Author.objects.create(name="near")
    article = await Article.objects.create(title="x", author=near)
    far = await Tag.objects.using("other").create(label="far")
    far_article = await Article.objects.using("other").create(
        title="y", author=await Author.objects.using("other").create(name="far")
    )
    told = "on database 'default' cannot take .*, which is on database 'other'"

    for write in (
        lambda: article.tags.add(far),
        lambda: article.tags.set([far]),
        lambda: article.tags.set([far], clear=True),
        lambda: near.articles.add(far_article),
        lambda: near.edited.set([far_article]),
    ):
        with pytest.raises(ValueError, match=told):
            await write()
    with pytest.raises(ValueError, match="on database 'default', and the instance on 'other'"):
        await near.articles.add(far_article, bulk=False)
    assert await Article.tags.through.objects.count() == 0
    with override(DATABASE_ROUTERS=[Relates()]):
        here = await Tag.objects.create(label="near")
        await article.tags.add(here, far)
    assert await Article.tags.through.objects.count() == 2 - (here.pk == far.pk)


class Relates:
    """Copies of the same rows live on both databases, so that any two may be related."""

    def allow_relation(self, first: Any, second: Any, **hints: Any) -> bool:
        return True


@pytest.mark.row("connections.routers", on=("sqlite", "postgresql", "mysql"))
async def test_a_new_row_belongs_where_its_relations_are(both: tuple[Database, Database]) -> None:
    near = await Author.objects.create(name="near")
    far = await Author.objects.using("other").create(name="far")

    article = Article(title="x", author=far)
    assert (article._state.adding, article._state.db) == (True, "other")
    with pytest.raises(ValueError, match="on database 'default'"):
        article.editor = near
    with pytest.raises(ValueError, match="on database 'default'"):
        Article(title="y", author=far, editor=near)
    await article.save()
    assert await Article.objects.using("other").filter(author=far).count() == 1
    assert await Article.objects.count() == 0
    # A row between two others is a row like any.
    tag = await Tag.objects.create(label="a")
    through = Article.tags.through
    with pytest.raises(ValueError, match="on database"):
        through(article=article, tag=tag)
    # An unsaved target comes along.
    new = Author(name="new")
    article.editor = new
    await new.save()
    assert new._state.db == "other"


async def test_a_transaction_of_one_database_is_none_of_the_other(both: tuple[Database, Database]) -> None:
    with pytest.raises(RuntimeError, match="stop"):
        async with transaction.atomic(using="other"):
            await Author.objects.using("other").create(name="rolled back")
            await Author.objects.create(name="stays")
            raise RuntimeError("stop")
    assert await Author.objects.using("other").count() == 0
    assert await Author.objects.count() == 1


async def test_the_same_shape_is_compiled_for_each_vendor(both: tuple[Database, Database]) -> None:
    for alias in ("default", "other", "default"):
        await Author.objects.using(alias).create(name="x", age=1)
        assert await Author.objects.using(alias).filter(age__in=[1, 2], name__contains="x").exists()


class ReadsElsewhere:
    """Reads go to a replica, writes to the first database."""

    def db_for_read(self, model: type[Any], **hints: Any) -> str:
        return "other"

    def db_for_write(self, model: type[Any], **hints: Any) -> str:
        return "default"


async def test_a_write_does_not_send_later_reads_to_the_writer(both: tuple[Database, Database]) -> None:
    with override(DATABASE_ROUTERS=[ReadsElsewhere()]):
        await Author.objects.create(name="written")
        await Author.objects.update(age=1)
        with record_queries() as queries:
            assert await Author.objects.count() == 0
            await Author.objects.get_or_create(name="written")
            async with transaction.atomic():
                await Author.objects.select_for_update().filter(name="written")
    assert queries[0].alias == "other"
    assert {query.alias for query in queries if "SELECT" in query.sql} == {"other", "default"}
    assert await Author.objects.using("default").count() == 1


class AuthorsElsewhere:
    """Authors and their profiles live on the second database; what refers to them stays on the first."""

    def db_for_read(self, model: type[Any], **hints: Any) -> str:
        return "other" if model in (Author, Profile) else "default"

    def db_for_write(self, model: type[Any], **hints: Any) -> str:
        return self.db_for_read(model)


@pytest.mark.row("connections.routers", on=("sqlite", "postgresql", "mysql"))
async def test_what_a_row_refers_to_is_read_where_the_routers_say(both: tuple[Database, Database]) -> None:
    with override(DATABASE_ROUTERS=[AuthorsElsewhere()]):
        far = await Author.objects.create(name="far")
        await Profile.objects.create(author=far)
        # The first database wants its key to exist there as well.
        await Author.objects.using("default").create(pk=far.pk, name="near")
        await Article.objects.create(title="x", author_id=far.pk)

        with record_queries() as queries:
            article = await Article.objects.get()
            author = await article.author
            (again,) = await Article.objects.prefetch_related("author__articles", "author__profile")
            assert [found.title for found in again.author.articles.all()] == ["x"]
            assert [found.title for found in await author.articles.all()] == ["x"]
            await (await Author.objects.get()).profile

    assert (author.name, author._state.db, again.author._state.db) == ("far", "other", "other")
    aliases = [
        (query.alias, "FROM" in query.sql and query.sql.split("FROM ")[1].split()[0].strip('"`')) for query in queries
    ]
    assert {table: alias for alias, table in aliases} == {
        Article._meta.db_table: "default",
        Author._meta.db_table: "other",
        Profile._meta.db_table: "other",
    }
    assert len(set(aliases)) == 3


@pytest.mark.row("connections.routers", on=("sqlite", "postgresql", "mysql"))
async def test_a_new_row_belongs_where_the_routers_write_it(both: tuple[Database, Database]) -> None:
    """Not where its relations happen to be: those are then of another database, and refused unless a router allows it."""
    told = "it is on database 'other', and the instance on 'default'"
    with override(DATABASE_ROUTERS=[AuthorsElsewhere()]):
        far = await Author.objects.create(name="far")
        with pytest.raises(ValueError, match=told):
            Article(title="x", author=far)
        near = await Author.objects.using("default").create(pk=far.pk, name="near")
        article = await Article.objects.create(title="x", author=near)
        with pytest.raises(ValueError, match=told):
            article.editor = Author(name="new")
    with override(DATABASE_ROUTERS=[AuthorsElsewhere(), Relates()]):
        article = await Article.objects.create(title="y", author=far)
        assert article._state.db == "default"
        assert (await (await Article.objects.get(title="y")).author).name == "far"


async def test_a_join_over_two_databases_says_where_the_rows_are(both: tuple[Database, Database]) -> None:
    await both[0].execute(f"ALTER TABLE {Tag._meta.db_table} RENAME TO gone")
    await both[1].execute(f"ALTER TABLE {Author._meta.db_table} RENAME TO gone")

    with override(DATABASE_ROUTERS=[TagsElsewhere()]):
        with pytest.raises(ProgrammingError) as caught:
            await Article.objects.filter(tags__label="far")
        assert "keep the rows of testblog.Tag in 'other', not in 'default'" in str(caught.value)
        assert "prefetch_related()" in str(caught.value)
        assert "migrate" not in str(caught.value)

        with pytest.raises(ProgrammingError, match=r"keep the rows of testblog\.Author in 'default', not in 'other'"):
            await Author.objects.using("other").count()

    # Without routers each database is to have every table, and the command names the one that lacks it.
    with pytest.raises(ProgrammingError, match=r"Run 'python manage.py migrate --database other'\."):
        await Author.objects.using("other").count()
    with pytest.raises(ProgrammingError, match=r"Run 'python manage.py migrate'\."):
        await Tag.objects.count()


class Undecided:
    """A router that raises where it is asked for a table."""

    def allow_migrate(self, alias: str, app_label: str, model_name: str | None = None, **hints: Any) -> bool:
        return bool({"author": True}[model_name or ""])


@pytest.mark.parametrize("routers", [[Undecided()], ["tests.db.models.query.test_databases.Nowhere"]])
async def test_a_router_that_raises_does_not_hide_the_error_it_is_asked_about(
    both: tuple[Database, Database], routers: list[Any]
) -> None:
    await both[0].execute(f"ALTER TABLE {Tag._meta.db_table} RENAME TO gone")
    with pytest.raises(ProgrammingError) as caught:
        await Tag.objects.count()

    with override(DATABASE_ROUTERS=routers):
        told = str(caught.value)

    assert told.startswith("No such table: testblog_tag. (database 'default')")
    assert "DATABASE_ROUTERS were asked in which database its rows belong, and raised" in told
    assert "SQL: SELECT COUNT(*)" in told
