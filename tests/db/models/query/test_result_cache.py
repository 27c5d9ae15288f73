"""Cached results: given again until a write, never older than the last commit, and never a reason for a query to fail."""

from __future__ import annotations

import asyncio
import contextvars
import datetime as dt
import decimal
import ipaddress
import logging
import os
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet.apps import apps
from covet.conf import override
from covet.db import connections, models, transaction
from covet.db.database import Database
from covet.db.freshness import freshness, tables_written
from covet.db.models import Count, F, Max, Prefetch, query_cache
from covet.db.models.query.result_cache import decode_rows, encode_rows
from covet.db.observe import record_queries
from covet.db.redis_store import RedisStore
from covet.db.stores import Found, MemoryStore, ResultStore
from covet.exceptions import ImproperlyConfigured
from covet.redis import RedisPools, RedisUnavailable
from tests._apps.blog.models import Article, Author, Comment, Tag


@pytest.fixture
async def pools(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RedisPools]:
    # A query asks its database after a while; on a machine with much to do that would be no fault of the store.
    monkeypatch.setattr("covet.db.redis_store._ANSWER_S", 60.0)
    made = RedisPools({"default": os.environ["COVET_TEST_REDIS_URL"]})
    yield made
    await made.close()


def redis_store(pools: RedisPools, prefix: str = "", **options: Any) -> RedisStore:
    return RedisStore(pools, prefix=prefix or f"covet-test-{uuid.uuid4().hex}", **options)


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest, pools: RedisPools) -> ResultStore:
    """A store of each kind, empty."""
    return MemoryStore() if request.param == "memory" else redis_store(pools)


@pytest.fixture
def cached(blog: Database, store: ResultStore) -> Any:
    """The blog, with results kept in the store."""
    with override(QUERY_CACHE="memory://"):
        query_cache.use(store)
        yield blog


async def statements(awaitable: Any) -> int:
    """Return how many statements something runs."""
    with record_queries() as queries:
        await awaitable
    return len(queries)


async def _write() -> Article:
    author = await Author.objects.create(name="Ann", age=3)
    article = await Article.objects.create(
        title="one", author=author, rating=decimal.Decimal("1.50"), day=dt.date(2026, 1, 2), views=5
    )
    await article.tags.add(await Tag.objects.create(label="red"))
    return article


# ── giving again


@pytest.mark.row("cache.results")
async def test_a_result_is_given_again_in_every_form(cached: Database) -> None:
    await _write()
    kept = Article.objects.filter(title="one").cache(timeout=60)
    forms: list[Callable[[], Any]] = [
        lambda: kept.all(),
        lambda: kept.values("title", "rating", "day"),
        lambda: kept.values_list("pk", flat=True),
        lambda: kept.select_related("author"),
        lambda: kept.get(views=5),
        lambda: kept.first(),
        lambda: kept.count(),
        lambda: kept.exists(),
        lambda: kept.aggregate(n=Count("pk"), most=Max("rating")),
        lambda: kept.in_bulk(),
        lambda: kept.annotate(n=Count("tags")).values_list("n"),
    ]
    for form in forms:
        first = await form()
        with record_queries() as queries:
            again = await form()
        assert not queries
        assert repr(again) == repr(first)

    one, other = await kept.get(views=5), await kept.get(views=5)
    assert one is not other
    assert (one.rating, one.day) == (decimal.Decimal("1.50"), dt.date(2026, 1, 2))
    assert (await one.author).name == "Ann"
    assert await statements(kept.filter(views=5).all()) == 1, "other values are another result"


@pytest.mark.row("cache.results")
async def test_not_asked_for_nothing_is_kept(cached: Database) -> None:
    assert await statements(Article.objects.count()) == 1
    assert await statements(Article.objects.cache().count()) == 1
    assert await statements(Article.objects.cache().cache(None).count()) == 1


async def test_prefetched_relations_are_read_anew_unless_they_are_cached_themselves(cached: Database) -> None:
    article = await _write()
    rows = Article.objects.cache().prefetch_related("tags")
    assert [len(one.tags.all()) for one in await rows.all()] == [1]

    await article.tags.add(await Tag.objects.create(label="blue"))

    assert [len(one.tags.all()) for one in await rows.all()] == [2]
    assert await statements(rows.all()) == 1
    both = Article.objects.cache().prefetch_related(Prefetch("tags", queryset=Tag.objects.cache()))
    assert [len(one.tags.all()) for one in await both.all()] == [2]
    assert await statements(both.all()) == 0


# ── writes


async def _save(article: Article) -> None:
    article.title = "changed"
    await article.save()


async def _rollback_inside(article: Article) -> None:
    async with transaction.atomic():
        await Article.objects.update(title="changed")


WRITES: dict[str, Callable[[Article], Any]] = {
    "save": _save,
    "create": lambda article: Article.objects.create(title="two", author_id=article.author_id),
    "update": lambda article: Article.objects.filter(pk=article.pk).update(views=F("views") + 1),
    "delete": lambda article: article.delete(),
    "delete of a queryset": lambda article: Article.objects.all().delete(),
    "cascade": lambda article: Author.objects.all().delete(),
    "bulk_create": lambda article: Article.objects.bulk_create([Article(title="b", author_id=article.author_id)]),
    "bulk_update": lambda article: Article.objects.bulk_update([article], ["title"]),
    "raw": lambda article: connections["default"].execute("UPDATE testblog_article SET title = 'raw'"),
    "in a transaction": _rollback_inside,
    "raw with comments": lambda article: connections["default"].execute(
        "/* who */ UPDATE /* what */ testblog_article SET title = 'raw'"
    ),
}


@pytest.mark.row("cache.results")
@pytest.mark.parametrize("name", WRITES)
async def test_a_write_to_a_table_ends_the_results_that_read_it(cached: Database, name: str) -> None:
    article = await _write()
    asked: list[Any] = [
        Article.objects.order_by("pk").cache().values_list("title", "views"),
        Author.objects.filter(articles__views__gte=5).cache().values_list("articles__title"),
        Author.objects.filter(pk__in=Article.objects.values("author_id")).cache().values_list("name"),
    ]
    for rows in asked:
        await rows.all()
        assert await statements(rows.all()) == 0
    untouched = Comment.objects.cache()
    await untouched.count()

    await WRITES[name](article)

    for rows in asked:
        assert list(await rows.all()) == list(await rows.cache(None))
    if name in {"save", "update", "bulk_update", "raw", "raw with comments"}:
        assert await statements(untouched.count()) == 0


@pytest.mark.row("cache.results")
async def test_many_to_many_writes_end_results_that_join_the_table_between(cached: Database) -> None:
    article = await _write()
    rows = Article.objects.filter(tags__label="red").cache()
    assert await rows.count() == 1

    await article.tags.clear()

    assert await rows.count() == 0


@pytest.mark.row("cache.results")
async def test_tags_models_and_tables_are_invalidated_by_hand(cached: Database) -> None:
    await _write()
    front = Article.objects.cache(tags=["front", "home"])
    for targets, tags in (((), ["home"]), ((Article,), []), (("testblog_article",), [])):
        await front.count()
        assert await statements(front.count()) == 0
        await query_cache.invalidate(Comment, tags=["other"])
        assert await statements(front.count()) == 0
        await query_cache.invalidate(*targets, tags=tags)
        assert await statements(front.count()) == 1
    await query_cache.invalidate()
    await query_cache.clear()
    assert await statements(front.count()) == 1
    with pytest.raises(TypeError, match="models, names of tables and tags"):
        await query_cache.invalidate(3)


# ── transactions


@pytest.mark.row("cache.transactions")
async def test_a_transaction_sees_its_own_writes_and_tells_them_at_its_commit(cached: Database) -> None:
    await _write()
    rows = Article.objects.cache()
    assert await rows.filter(title="new").count() == 0
    async with transaction.atomic():
        await Article.objects.update(title="new")
        assert await rows.filter(title="new").count() == 1
        with record_queries() as queries:
            await Author.objects.cache().count()
            await Author.objects.cache().count()
        assert len(queries) == 2, "what a transaction sees is not put into the cache"
        await query_cache.invalidate(tags=["front"])
    assert await rows.filter(title="new").count() == 1


@pytest.mark.row("cache.transactions")
async def test_a_rolled_back_write_leaves_results_as_they_are(cached: Database) -> None:
    await _write()
    rows = Article.objects.filter(title="new").cache()
    assert await rows.count() == 0
    with pytest.raises(ZeroDivisionError):
        async with transaction.atomic():
            await Article.objects.update(title="new")
            raise ZeroDivisionError
    assert await statements(rows.count()) == 0
    assert await rows.count() == 0


@pytest.mark.row("cache.transactions")
async def test_hooks_after_the_commit_see_what_was_committed(cached: Database) -> None:
    await _write()
    rows = Article.objects.filter(title="new").cache()
    seen = [await rows.count()]

    async def look() -> None:
        seen.append(await rows.count())

    async with transaction.atomic():
        await Article.objects.update(title="new")
        transaction.on_commit(look)

    assert seen == [0, 1]


async def test_a_pinned_test_leaves_nothing_behind(cached: Database) -> None:
    rows = Tag.objects.cache()
    assert await rows.count() == 0
    async with cached.pinned():
        await Tag.objects.create(label="x")
        assert await rows.count() == 1
        async with transaction.atomic():
            await Tag.objects.create(label="y")
        assert await rows.count() == 2
    assert await rows.count() == 0


# ── what is never kept


@pytest.mark.row("cache.transactions")
async def test_locks_random_order_and_streams_ask_the_database(cached: Database) -> None:
    await _write()
    for _ in range(2):
        assert await statements(Article.objects.order_by("?").cache().values_list("pk").all()) == 1
        async with transaction.atomic():
            assert await statements(Article.objects.select_for_update().cache()) == 1
        with record_queries() as queries:
            assert [one.title async for one in Article.objects.cache().iterator()] == ["one"]
        assert len(queries) == 1
    found, made = await Author.objects.cache().get_or_create(name="Ann")
    assert not made and found.age == 3


@pytest.mark.parametrize(
    ("given_", "error"), [({"timeout": 0}, ValueError), ({"timeout": -1}, ValueError), ({"tags": "front"}, TypeError),
                          ({"tags": [1]}, TypeError)]
)  # fmt: skip
def test_wrong_options_are_refused(given_: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match="cache"):
        Article.objects.cache(**given_)


# ── the race of a reader and a writer


class Stopping:
    """A store that waits before or after a step until the test lets it go on."""

    def __init__(self, inner: ResultStore, step: str) -> None:
        self.inner, self.step = inner, step
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def _stop(self, step: str) -> None:
        if step == self.step:
            self.reached.set()
            await self.go.wait()

    async def get(self, key: str, names: Any) -> Found:
        found = await self.inner.get(key, names)
        await self._stop("after get")
        return found

    async def set(self, key: str, value: bytes, names: Any, marks: Any, timeout_s: float) -> bool:
        await self._stop("before set")
        return await self.inner.set(key, value, names, marks, timeout_s)

    async def begin(self, names: Any) -> str:
        writer = await self.inner.begin(names)
        await self._stop("after begin")
        return writer

    async def end(self, names: Any, writer: str) -> None:
        await self._stop("before end")
        await self.inner.end(names, writer)

    async def clear(self) -> None:
        await self.inner.clear()

    async def close(self) -> None:
        await self.inner.close()


async def test_a_result_read_before_a_write_is_never_kept_after_it(blog: Database, pools: RedisPools) -> None:
    """Two processes, here two stores on one server: the reader stops between its query and keeping the result."""
    await _write()
    prefix = f"covet-test-{uuid.uuid4().hex}"
    reader, writer = Stopping(redis_store(pools, prefix), "before set"), redis_store(pools, prefix)
    rows = Article.objects.filter(title="one").cache()
    with override(QUERY_CACHE="memory://"):
        query_cache.use(reader)
        reading = asyncio.create_task(rows.count())
        await reader.reached.wait()
        names = ("testblog_article",)
        token = await writer.begin(names)
        with override(QUERY_CACHE="memory://"):
            await connections["default"].execute("UPDATE testblog_article SET title = 'two'")
        await writer.end(names, token)
        reader.go.set()

        assert await reading == 1, "it was right when it was read"
        query_cache.use(writer)
        assert await rows.count() == 0


@pytest.mark.parametrize("step", ["after begin", "before end"])
async def test_while_a_write_is_on_its_way_readers_ask_the_database(
    blog: Database, pools: RedisPools, step: str
) -> None:
    """The writer stops before its statement, or between its statement and the news of it."""
    await _write()
    prefix = f"covet-test-{uuid.uuid4().hex}"
    writing, reader = Stopping(redis_store(pools, prefix), step), redis_store(pools, prefix)
    rows = Article.objects.filter(title="one").cache()
    with override(QUERY_CACHE="memory://"):
        query_cache.use(reader)
        assert await rows.count() == 1
        query_cache.use(writing)
        task = asyncio.create_task(Article.objects.update(title="two"))
        await writing.reached.wait()

        query_cache.use(reader)
        assert await rows.count() == (1 if step == "after begin" else 0)
        query_cache.use(writing)
        writing.go.set()
        await task

        query_cache.use(reader)
        assert await rows.count() == 0


@pytest.mark.row("cache.stores")
async def test_a_writer_that_died_makes_results_out_of_date(pools: RedisPools) -> None:
    store = redis_store(pools, lease_s=0.001)
    found = await store.get("k", ("t",))
    assert found.marks is not None and await store.set("k", b"v", ("t",), found.marks, 60)
    await store.begin(("t",))

    while (again := await store.get("k", ("t",))).marks is None:
        await asyncio.sleep(0)

    assert again.value is None and again.marks != found.marks


# ── the stores themselves


@pytest.mark.row("cache.stores")
async def test_a_store_gives_what_it_was_given_until_a_name_is_written(store: ResultStore) -> None:
    names = ("a", "b")
    first = await store.get("k", names)
    assert first.value is None and first.marks is not None
    assert await store.set("k", b"value", names, first.marks, 60)
    assert (await store.get("k", names)).value == b"value"

    writer = await store.begin(("b",))
    other = await store.begin(("b", "c"))
    assert await store.get("k", names) == Found()
    assert not await store.set("k", b"old", names, first.marks, 60)
    await store.end(("b",), writer)
    assert await store.get("k", names) == Found(), "another writer is still at it"
    await store.end(("b", "c"), other)

    after = await store.get("k", names)
    assert after.value is None and after.marks not in (None, first.marks)
    assert not await store.set("k", b"old", names, first.marks, 60)
    assert await store.set("k", b"", names, after.marks or (), 60)
    await store.clear()
    assert (await store.get("k", names)).value is None
    await store.close()


async def test_an_entry_ends_with_its_time(pools: RedisPools) -> None:
    now = [0.0]
    memory = MemoryStore(clock=lambda: now[0])
    found = await memory.get("k", ("a",))
    assert await memory.set("k", b"v", ("a",), found.marks or (), 10)
    now[0] = 9.9
    assert (await memory.get("k", ("a",))).value == b"v"
    now[0] = 10.0
    assert (await memory.get("k", ("a",))).value is None

    store = redis_store(pools)
    found = await store.get("k", ("a",))
    assert await store.set("k", b"v", ("a",), found.marks or (), 0.001)
    while (await store.get("k", ("a",))).value is not None:
        await asyncio.sleep(0)


@pytest.mark.row("cache.stores")
async def test_the_memory_store_is_bounded() -> None:
    store = MemoryStore(max_entries=3, max_bytes=10)
    for number in range(9):
        found = await store.get(str(number), ("a",))
        await store.set(str(number), b"xx", ("a",), found.marks or (), 60)
    assert len(store) == 3
    assert (await store.get("6", ("a",))).value == b"xx"
    marks = (await store.get("n", ("a",))).marks or ()
    assert not await store.set("n", b"x" * 11, ("a",), marks, 60)
    assert await store.set("n", b"x" * 9, ("a",), marks, 60)
    assert len(store) == 1
    for number in range(9):
        await store.end((f"tag:{number}",), await store.begin((f"tag:{number}",)))
    assert (await store.get("n", ("a",))).value is None, "marks are forgotten together, so nothing old comes back"


# ── rows as bytes

_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
    st.decimals(allow_nan=False),
    st.datetimes(),
    st.datetimes(timezones=st.just(dt.UTC)),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.uuids(),
    st.ip_addresses(),
    st.builds(lambda one: ipaddress.ip_interface(f"{one}/24"), st.ip_addresses(v=4)),
    st.builds(lambda one: ipaddress.ip_network(f"{one}/64", strict=False), st.ip_addresses(v=6)),
    st.lists(st.none() | st.integers() | st.dates()),
    st.dictionaries(st.text(), st.integers() | st.text()),
)


@given(st.lists(st.tuples(_values, _values)))
def test_rows_come_back_as_they_were(rows: list[tuple[Any, ...]]) -> None:
    again = decode_rows(encode_rows(rows))

    assert again == rows
    assert [[type(value) for value in row] for row in again] == [[type(value) for value in row] for row in rows]


async def test_values_without_a_form_are_read_every_time(cached: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TypeError, match="no form in the result cache"):
        encode_rows([(object(),)])


# ── what a statement writes


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ('INSERT INTO "shop_item" ("a") VALUES (?)', {"shop_item"}),
        ("insert ignore into `Shop` (a) values (1)", {"shop"}),
        ('INSERT OR REPLACE INTO "a""b" VALUES (1)', {'a"b'}),
        ('UPDATE "public"."shop" SET "x" = 1', {"shop"}),
        ("UPDATE ONLY shop SET x = 1", {"shop"}),
        ("UPDATE ONLY (shop) SET x = 1", {"shop"}),
        ("DELETE FROM ONLY (shop) WHERE x", {"shop"}),
        ("TRUNCATE ONLY (shop), street", {"shop", "street"}),
        ("DELETE FROM shop.*, street.* USING shop JOIN street", {"shop", "street"}),
        ("DELETE FROM shop", {"shop"}),
        ("DELETE `T2` FROM `shop` AS `T2`", {"shop"}),
        ("  -- why\n DELETE FROM shop WHERE x = 'a'", {"shop"}),
        ("WITH gone AS (DELETE FROM shop RETURNING *) SELECT * FROM gone", {"shop", "gone"}),
        ("WITH x AS (SELECT 1) SELECT * FROM x", set()),
        ("TRUNCATE TABLE a, b RESTART IDENTITY", {"a", "b"}),
        ("SET foreign_key_checks = 0; TRUNCATE TABLE `a`; TRUNCATE TABLE `b`", {"a", "b"}),
        ("ALTER TABLE shop ADD COLUMN x int", {"shop"}),
        ("DROP TABLE IF EXISTS shop", {"shop"}),
        ("SELECT * FROM shop WHERE x = 'UPDATE it'", set()),
        ("EXPLAIN SELECT * FROM shop", set()),
        ("EXPLAIN ANALYZE UPDATE shop SET x = 1", {"shop"}),
        ("CALL tidy()", {"*"}),
        ("SELECT 1; CALL tidy()", {"*"}),
        ("SAVEPOINT x", set()),
        ("REPLACE shop SET a = 1", {"shop"}),
        ("INSERT shop VALUES (1)", {"shop"}),
        ("INSERT LOW_PRIORITY IGNORE INTO shop VALUES (1)", {"shop"}),
        ("UPDATE LOW_PRIORITY IGNORE shop SET x = 1", {"shop"}),
        ("DELETE QUICK FROM shop", {"shop"}),
        ("UPDATE a, b SET b.y = 1", {"a", "b"}),
        ("UPDATE a AS x JOIN `b` ON x.i = b.i SET b.y = 1", {"a", "b"}),
        ("UPDATE shop AS s SET x = 1 FROM other", {"shop"}),
        ("DELETE FROM a , b USING a JOIN b", {"a", "b"}),
        ("LOAD DATA INFILE 'x' INTO TABLE shop", {"shop"}),
        ("/* who */ UPDATE /* what */ shop SET x = 1", {"shop"}),
        ("# who\nUPDATE shop SET x = 1", {"shop"}),
        ("/* who */ SELECT 1", set()),
        ("/* a */ DELETE /* b */ FROM -- c\n shop", {"shop"}),
        ("UPDATE /* '", {"*"}),
        ("", set()),
    ],
)
def test_the_tables_that_a_statement_writes(sql: str, tables: set[str]) -> None:
    assert set(tables_written(sql)) >= tables
    assert bool(tables_written(sql)) is bool(tables)


# ── failures and settings


@pytest.mark.row("cache.stores")
async def test_a_store_that_does_not_answer_fails_no_query(
    blog: Database, caplog: pytest.LogCaptureFixture, pools: RedisPools
) -> None:
    await _write()
    dead = RedisPools({"default": "redis://127.0.0.1:1/0"})
    prefix = f"covet-test-{uuid.uuid4().hex}"
    working = redis_store(pools, prefix)
    rows = Article.objects.filter(title="one").cache()
    try:
        with override(QUERY_CACHE="memory://"), caplog.at_level(logging.WARNING, "covet.db.cache"):
            query_cache.use(working)
            assert await rows.count() == 1
            failures = query_cache.counts().failures
            freshness._store = _Broken()
            await Article.objects.update(title="two")
            assert await rows.count() == 0
            assert query_cache.counts().failures > failures
            assert [record.name for record in caplog.records].count("covet.db.cache") == 1, "said once"
            freshness._store = working
            assert await rows.count() == 0, "what the store has missed is told before anything is taken from it"
            assert await statements(rows.count()) == 0
    finally:
        await dead.close()


async def test_a_result_read_between_a_savepoint_and_the_commit_around_it_is_not_kept(cached: Database) -> None:
    await _write()
    rows = Article.objects.filter(title="one").cache()
    assert await rows.count() == 1

    async with transaction.atomic():
        async with transaction.atomic():
            await Article.objects.update(title="two")
        # Others cannot see it yet, and must not keep what they see.
        elsewhere = asyncio.create_task(rows.all().count(), context=contextvars.Context())
        assert await elsewhere == 1

    assert await rows.count() == 0


async def test_what_a_store_that_is_down_must_be_told_does_not_grow_without_end(
    blog: Database, pools: RedisPools
) -> None:
    await _write()
    working = redis_store(pools)
    rows = Article.objects.filter(title="one").cache()
    with override(QUERY_CACHE="memory://"):
        query_cache.use(working)
        assert await rows.count() == 1
        freshness._store = _Broken()
        await Article.objects.update(title="two")
        for number in range(5000):
            await freshness.drop([f"article {number}"])
        assert len(freshness._owed) <= 4096
        freshness._store = working
        assert await rows.count() == 0, "the tables among so many names are not forgotten"


class _Broken:
    is_shared = True

    async def _fail(self, *args: Any) -> Any:
        raise RedisUnavailable("redis://127.0.0.1:1/0", "refused")

    get = set = begin = end = clear = close = _fail


async def test_the_setting_names_the_store(blog: Database) -> None:
    with override(QUERY_CACHE=os.environ["COVET_TEST_REDIS_URL"]):
        assert isinstance(freshness.store, RedisStore) and freshness.active
        assert await statements(Tag.objects.create(label="x")) == 1
        assert await Tag.objects.cache().count() == 1
        await freshness.close()
    with override(QUERY_CACHE="memory://"):
        assert isinstance(freshness.store, MemoryStore) and not freshness.active
    with override(QUERY_CACHE="covet.db.stores.MemoryStore"):
        assert isinstance(freshness.store, MemoryStore) and freshness.active
    with override(QUERY_CACHE="ftp://x"), pytest.raises(ImproperlyConfigured, match="QUERY_CACHE"):
        freshness.store  # making it is the check
    with override(QUERY_CACHE="memory://"):
        assert (await Tag.objects.cache().count()) == 1


def test_tables_that_the_database_writes_by_itself_end_too() -> None:
    with apps.isolate():

        class Owner(models.Model):
            class Meta:
                app_label = "cascading"

        class Thing(models.Model):
            owner = models.ForeignKey(Owner, models.DB_CASCADE)

            class Meta:
                app_label = "cascading"

        class Part(models.Model):
            thing = models.ForeignKey(Thing, models.DB_SET_NULL, null=True)
            other = models.ForeignKey(Owner, models.CASCADE)

            class Meta:
                app_label = "cascading"

        owner, thing, part = [kind._meta.db_table for kind in (Owner, Thing, Part)]
        quoted = connections["default"].dialect.quote

        assert set(freshness.targets(f"DELETE FROM {quoted(owner)}")) == {owner, thing, part}
        assert set(freshness.targets(f"DELETE FROM {quoted(thing)}")) == {thing, part}
        assert freshness.targets(f"DELETE FROM {quoted(part)}") == (part,)


class HangingStore(MemoryStore):
    """A store that answers once it is let, or fails."""

    def __init__(self) -> None:
        super().__init__()
        self.fails = True
        self.asked = 0
        self.may_answer = asyncio.Event()

    async def get(self, key: str, names: Any) -> Found:
        await self._wait()
        return await super().get(key, names)

    async def begin(self, names: Any) -> str:
        await self._wait()
        return await super().begin(names)

    async def _wait(self) -> None:
        self.asked += 1
        await self.may_answer.wait()
        if self.fails:
            raise OSError("It hangs.")


@pytest.mark.row("cache.stores")
async def test_one_query_at_a_time_waits_for_a_store_that_hangs(blog: Database) -> None:
    store = HangingStore()
    with override(QUERY_CACHE="memory://"):
        query_cache.use(store)
        count = Author.objects.cache(timeout=60).count
        store.may_answer.set()
        assert await count() == 0
        store.may_answer.clear()
        before = store.asked

        waits = asyncio.create_task(count())
        await asyncio.sleep(0)
        assert store.asked == before + 1
        # Reads and writes beside it do not ask; what they should have told is kept.
        assert await asyncio.gather(*[count() for _ in range(5)]) == [0] * 5
        await Author.objects.create(name="Ann")
        assert await count() == 1
        assert store.asked == before + 1

        store.fails = False
        store.may_answer.set()
        assert await waits in (0, 1)
        # The first answer brings what was missed, before anything is kept.
        assert not freshness._owed
        assert await count() == 1
        await Author.objects.create(name="Bob")
        assert await count() == 2


class SilentStore(HangingStore):
    """A store that says nothing for longer than anybody waits for it."""

    async def _wait(self) -> None:
        self.asked += 1
        if self.fails:
            raise RedisUnavailable("redis://127.0.0.1:1/0", "no answer") from TimeoutError()


@pytest.mark.row("cache.stores")
async def test_a_store_that_hung_is_left_alone_for_a_while_by_a_lone_reader(
    blog: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(freshness, "_now", lambda: now)
    store = SilentStore()
    with override(QUERY_CACHE="memory://"):
        query_cache.use(store)
        count = Author.objects.cache(timeout=60).count

        assert [await count() for _ in range(4)] == [0] * 4
        assert store.asked == 1
        now += 9.9
        await count()
        assert store.asked == 1
        now += 0.2
        await count()
        assert store.asked == 2, "Ten seconds later one asks again."
        await count()
        assert store.asked == 2

        # What it must be told, it is told as soon as it can be: each asks until then.
        await Author.objects.create(name="Ann")
        asked = store.asked
        assert await count() == 1
        assert store.asked == asked + 1

        store.fails = False
        assert await count() == 1
        assert not freshness._owed
        asked = store.asked
        assert await count() == 1
        assert store.asked == asked + 1, "It works: each read asks it."


class LateStore(MemoryStore):
    """A store that fails, and later does what it is told, but says so late."""

    def __init__(self) -> None:
        super().__init__()
        self.fails = True
        self.ended: list[set[str]] = []
        self.may_answer = asyncio.Event()

    async def begin(self, names: Any) -> str:
        if self.fails:
            raise OSError("It is down.")
        return await super().begin(names)

    async def end(self, names: Any, writer: str) -> None:
        await super().end(names, writer)
        self.ended.append(set(names))
        await self.may_answer.wait()


@pytest.mark.row("cache.stores")
async def test_a_store_is_told_of_a_write_that_comes_while_it_is_told_of_an_earlier_one() -> None:
    store = LateStore()
    with override(QUERY_CACHE="memory://"):
        query_cache.use(store)
        await freshness.begin({"tag"})
        store.fails = False
        tells = asyncio.create_task(freshness.get("key", {"other"}))
        await asyncio.sleep(0)
        assert store.ended == [{"tag"}]

        # It has taken the first one in, and knows nothing of this.
        await freshness.drop({"tag"})
        store.may_answer.set()
        await tells

        assert store.ended == [{"tag"}, {"tag"}]
        assert not freshness._owed
