"""Inserts that travel together: each row gets what it would have got alone, whatever happens to its companions."""

from __future__ import annotations

import asyncio
import contextvars
import datetime as dt
import os
import uuid
from collections.abc import Awaitable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from msgspec.structs import replace

from covet.apps import apps
from covet.conf import override
from covet.conf.service_url import PoolConfig
from covet.db import connections, models, transaction
from covet.db.backends.postgresql.together import _ALONE, Together
from covet.db.database import Database
from covet.db.errors import (
    CheckViolation,
    ConnectionLost,
    DatabaseError,
    DataError,
    ForeignKeyViolation,
    InternalError,
    LockTimeout,
    NotNullViolation,
    PoolTimeout,
    QueryCanceled,
    UniqueViolation,
)
from covet.db.observe import QueryBudgetExceeded, query_budget, record_queries
from covet.db.sql.statements import Insert
from tests.db._patience import waiting_at_most
from tests.db.models.conftest import create_tables

pytestmark = pytest.mark.vendors("postgresql")

with apps.isolate():

    class Owner(models.Model):
        name = models.CharField(max_length=20)

        class Meta:
            app_label = "together"

    class Parcel(models.Model):
        code = models.CharField(max_length=20, unique=True)
        weight = models.IntegerField(default=1)
        note = models.TextField(default="", blank=True)
        owner = models.ForeignKey(Owner, on_delete=models.CASCADE, null=True)

        class Meta:
            app_label = "together"
            constraints = [models.CheckConstraint(condition=models.Q(weight__gt=0), name="together_weight")]

    class Anything(models.Model):
        big = models.BigIntegerField(null=True)
        small = models.SmallIntegerField(null=True)
        flag = models.BooleanField(null=True)
        ratio = models.FloatField(null=True)
        price = models.DecimalField(max_digits=12, decimal_places=3, null=True)
        name = models.CharField(max_length=12, null=True)
        text = models.TextField(null=True)
        day = models.DateField(null=True)
        clock = models.TimeField(null=True)
        moment = models.DateTimeField(null=True)
        length = models.DurationField(null=True)
        token = models.UUIDField(null=True)
        data = models.BinaryField(null=True)
        document = models.JSONField(null=True)
        address = models.GenericIPAddressField(null=True)

        class Meta:
            app_label = "together"

    class Keyed(models.Model):
        key = models.UUIDField(primary_key=True, default=uuid.uuid4)
        name = models.CharField(max_length=20)

        class Meta:
            app_label = "together"

    class Letter(models.Model):
        text = models.CharField(max_length=1_000_000, default="")

        class Meta:
            app_label = "together"


MODELS = (Owner, Parcel, Anything, Keyed, Letter)


@pytest.fixture
async def db(database: Database) -> Database:
    """The database with the tables of this module."""
    await create_tables(database, MODELS)
    return database


async def sharer(db: Database, model: Any) -> Together:
    """Return what lets the inserts of a model share statements, once it knows its table."""
    await model.objects.using(db.alias).filter(pk=None).delete()
    for _ in range(2):
        try:
            async with transaction.atomic(db):
                await model.objects.create(**_SAMPLE.get(model, {}))
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass
    found: Together = next(
        plan.together for key, plan in db.statements.items() if key[:2] == ("insert", model) and plan.together
    )
    return found


_SAMPLE: dict[Any, dict[str, Any]] = {Parcel: {"code": "sample"}, Keyed: {"name": "sample"}}


@contextmanager
def crowd(together: Together) -> Iterator[None]:
    """As if a few others were under way: who comes now does not go at once."""
    together.room -= 4
    try:
        yield
    finally:
        together.room += 4


async def acquainted(db: Database, model: Any = Parcel) -> Together:
    """Return what lets inserts share statements, with all that it has to know of the table."""
    together = await sharer(db, model)
    made = await model.objects.create(**_SAMPLE.get(model, {}))
    with crowd(together):
        await model.objects.create(**{**_SAMPLE.get(model, {}), **({"code": "other"} if model is Parcel else {})})
    await settled(db)
    await model.objects.all().delete()
    assert made is not None
    return together


async def settled(db: Database) -> None:
    """Wait for what goes on behind the statements."""
    await asyncio.sleep(0)
    pool = db.writer_pool
    await pool._end_tasks()


async def together_of(together: Together, calls: Iterable[Awaitable[Any]]) -> list[Any]:
    """Run calls at the same time, each in a task, and return their results and errors."""
    with crowd(together):
        return await asyncio.gather(*calls, return_exceptions=True)


async def statements_of(db: Database, model: Any = Parcel) -> int:
    """By how many transactions the rows of a table have been written."""
    table = db.dialect.quote(model._meta.db_table)
    rows = await db.fetch(f"SELECT count(DISTINCT xmin::text) FROM {table}")
    return int(rows[0][0])


async def nothing_is_dirty(db: Database) -> None:
    await settled(db)
    for connection in db.writer_pool.kept:
        assert not connection.is_dirty
        assert not connection.in_transaction
        assert [tuple(row) for row in await connection.fetch("SHOW lock_timeout", ())] == [("0",)]
    assert db.writer_pool.in_use == 0


# ── what shares a statement


async def test_inserts_of_one_turn_share_a_statement_and_each_gets_its_own_key(db: Database) -> None:
    together = await acquainted(db)

    made = await together_of(together, [Parcel.objects.create(code=f"c{n}") for n in range(10)])

    assert {row.pk: row.code for row in made} == {row.pk: row.code async for row in Parcel.objects.all()}
    assert await statements_of(db) == 1
    assert together.room == _ALONE
    await nothing_is_dirty(db)


async def test_many_go_by_two_statements_so_that_client_and_server_work_at_once(db: Database) -> None:
    together = await acquainted(db)
    await together_of(together, [Parcel.objects.create(code=f"c{n}") for n in range(16)])
    assert await statements_of(db) == 2


async def test_no_statement_takes_rows_without_end(db: Database) -> None:
    together = await acquainted(db)
    await together_of(together, [Parcel.objects.create(code=f"c{n}") for n in range(300)])
    rows = await db.fetch("SELECT count(*) FROM together_parcel GROUP BY xmin::text")
    assert max(row[0] for row in rows) == 64
    assert sum(row[0] for row in rows) == 300


async def test_a_few_go_each_alone_and_at_once(db: Database) -> None:
    await acquainted(db)
    await asyncio.gather(*[Parcel.objects.create(code=f"c{n}") for n in range(4)])
    assert await statements_of(db) == 4


async def test_one_that_finds_no_company_goes_by_its_own_statement(db: Database) -> None:
    together = await acquainted(db)
    with crowd(together), record_queries() as records:
        made = await Parcel.objects.create(code="alone")
    assert made.pk is not None
    assert [record.sql.startswith('INSERT INTO "together_parcel"') for record in records] == [True]
    assert "unnest" not in records[0].sql


async def test_rows_without_anything_to_return_share_as_well(db: Database) -> None:
    together = await acquainted(db, Keyed)
    made = await together_of(together, [Keyed.objects.create(name=str(n)) for n in range(8)])
    assert {row.pk: row.name for row in made} == {row.pk: row.name async for row in Keyed.objects.all()}
    assert await statements_of(db, Keyed) == 1


async def test_what_becomes_known_of_the_table_leaves_a_statement_that_is_to_be_sent_as_it_is(db: Database) -> None:
    together = await acquainted(db)

    async def forget() -> None:
        # The queue has been flushed by then, and its statement has not begun.
        assert together._sent
        together._sql = ""

    made = await together_of(together, [*[Parcel.objects.create(code=f"c{n}") for n in range(8)], soon(forget)])

    assert made[-1] is None
    assert {row.pk: row.code for row in made[:-1]} == {row.pk: row.code async for row in Parcel.objects.all()}


async def soon(call: Any) -> None:
    """Call in the next turn of the loop, before what was called for in this one by others begins."""
    await asyncio.sleep(0)
    await call()


async def test_the_option_turns_it_off(db: Database) -> None:
    config = db.config
    for value in (False, "off"):
        other = Database("default", replace(config, options={"group_inserts": value}))
        with connections.using({"default": other}):
            await asyncio.gather(*[Parcel.objects.create(code=f"{value}{n}") for n in range(10)])
            assert not any(plan.together for key, plan in other.statements.items() if key[0] == "insert")
            await other.close()
    assert await statements_of(db) == 20


async def test_transactions_never_share(db: Database) -> None:
    together = await acquainted(db)

    async def insert(n: int) -> None:
        async with transaction.atomic(db):
            await Parcel.objects.create(code=f"c{n}")
            if n % 2:
                raise ZeroDivisionError

    found = await together_of(together, [insert(n) for n in range(8)])

    assert [isinstance(one, ZeroDivisionError) for one in found] == [False, True] * 4
    assert sorted([row.code async for row in Parcel.objects.all()]) == ["c0", "c2", "c4", "c6"]
    assert await statements_of(db) == 4


async def test_a_pinned_database_keeps_them_in_its_transaction(db: Database) -> None:
    together = await acquainted(db)
    async with db.pinned():
        await together_of(together, [Parcel.objects.create(code=f"c{n}") for n in range(8)])
        assert await Parcel.objects.count() == 8
    assert await Parcel.objects.count() == 0


async def test_long_values_go_alone_where_a_column_holds_such_by_its_limit(db: Database) -> None:
    together = await acquainted(db, Letter)
    made = await together_of(together, [Letter.objects.create(text="x" * (70_000 if n < 4 else 10)) for n in range(8)])
    assert [len(row.text) async for row in Letter.objects.order_by("pk")].count(70_000) == 4
    assert len({row.pk for row in made}) == 8
    assert await statements_of(db, Letter) == 5


async def test_long_values_go_alone(db: Database) -> None:
    together = await acquainted(db)
    long = "x" * 70_000
    found = await together_of(
        together, [Parcel.objects.create(code=f"c{n}", note=long if n < 3 else "short") for n in range(9)]
    )
    assert not [one for one in found if isinstance(one, BaseException)]
    assert await statements_of(db) == 4


@pytest.mark.parametrize("kind", ["words", "text[]", "int4range"])
async def test_columns_of_other_types_go_alone(db: Database, kind: str) -> None:
    await db.execute("CREATE TYPE words AS ENUM ('a', 'b')")
    await db.execute(f"ALTER TABLE together_parcel DROP note, ADD note {kind}")
    insert = Insert("together_parcel", ("code", "weight", "note"), ((),), ("id",))
    together = Together(db.driver, insert)
    together._begin(db.writer_pool)
    for _ in range(2):
        together._ask(db.writer_pool)
        await settled(db)
        assert together._known_until > 0
        assert (together._sql == "") is (kind != "text")
        await db.execute("ALTER TABLE together_parcel ALTER note TYPE text")
        kind, together._known_until = "text", float("-inf")


# ── the same as one by one

VALUES = {
    "big": st.integers(-(2**63), 2**63 - 1),
    "small": st.integers(-(2**15), 2**15 - 1),
    "flag": st.booleans(),
    "ratio": st.floats(allow_nan=False),
    "price": st.decimals(-(10**8), 10**8, places=3),
    "name": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
    "text": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    "day": st.dates(),
    "clock": st.times(),
    "moment": st.datetimes(timezones=st.just(dt.UTC), min_value=dt.datetime(1, 1, 3), max_value=dt.datetime(9999, 12, 29)),
    "length": st.timedeltas(dt.timedelta(-10_000), dt.timedelta(10_000)),
    "token": st.uuids(),
    "data": st.binary(max_size=30),
    "document": st.recursive(
        st.none() | st.booleans() | st.integers(-99, 99) | st.text("ab\"\\{}, é"), lambda kind: st.lists(kind) | st.dictionaries(st.text("ab"), kind),
        max_leaves=4,
    ),
    "address": st.ip_addresses().map(str),
}  # fmt: skip
ROWS = st.lists(
    st.fixed_dictionaries({name: st.none() | kind for name, kind in VALUES.items()}), min_size=2, max_size=10
)


@given(ROWS)
@examples(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
async def test_rows_together_are_as_rows_one_by_one(db: Database, rows: list[dict[str, Any]]) -> None:
    together = next((plan.together for key, plan in db.statements.items() if key[:2] == ("insert", Anything)), None)
    if together is None:
        together = await acquainted(db, Anything)
    await Anything.objects.all().delete()

    made = await together_of(together, [Anything.objects.create(**row) for row in rows])

    assert not [one for one in made if isinstance(one, BaseException)]
    assert await statements_of(db, Anything) == 1
    columns = ", ".join(VALUES)
    sql = f"SELECT ROW({columns})::text FROM together_anything WHERE id = $1"
    for instance, row in zip(made, rows, strict=True):
        alone = await Anything.objects.create(**row)
        assert [tuple(found) for found in await db.fetch(sql, [instance.pk])] == [
            tuple(found) for found in await db.fetch(sql, [alone.pk])
        ]


# ── what is refused


@pytest.mark.parametrize(
    ("bad", "error", "words"),
    [
        ({"code": "taken"}, UniqueViolation, "together_parcel_code"),
        ({"weight": 0}, CheckViolation, "together_weight"),
        ({"owner_id": 99}, ForeignKeyViolation, "owner_id"),
        ({"code": None}, NotNullViolation, "code"),
        ({"code": "x" * 21}, DataError, "too long"),
        ({"code": "a\0b"}, DataError, ""),
        ({"weight": 2**40}, DataError, ""),
        ({"owner_id": "x"}, ValueError, ""),
    ],
)
async def test_a_bad_row_gets_its_error_and_the_others_get_in(
    db: Database, bad: dict[str, Any], error: type[DatabaseError], words: str
) -> None:
    together = await acquainted(db)
    await Parcel.objects.create(code="taken")
    with pytest.raises(error) as lone:
        await Parcel.objects.create(**{"code": "bad", **bad})

    found = await together_of(
        together, [Parcel.objects.create(**{"code": f"c{n}", **(bad if n == 4 else {})}) for n in range(10)]
    )

    refused = found.pop(4)
    assert type(refused) is type(lone.value)
    assert str(refused) == str(lone.value)
    assert words in str(refused)
    assert vars(refused) == vars(lone.value)
    assert {row.pk: row.code for row in found} == {
        row.pk: row.code async for row in Parcel.objects.exclude(code="taken")
    }
    await nothing_is_dirty(db)


async def test_a_list_in_the_place_of_a_value_is_not_taken_apart(db: Database) -> None:
    """Alone it would be refused; as a part of an array it would be as many values as it has."""
    together = await acquainted(db)

    class Code(str):
        __slots__ = ()

    assert together._fit(["a", 1, "", None])
    assert together._fit([Code("a"), True, "", uuid.uuid4()])
    for value in (["a"], ("a",), {"a": 1}, object()):
        assert not together._fit([value, 1, "", None])


async def test_after_a_refusal_the_next_ones_go_alone_for_a_while(db: Database) -> None:
    together = await acquainted(db)
    await together_of(together, [Parcel.objects.create(code="same") for n in range(6)])
    assert await Parcel.objects.count() == 1

    await together_of(together, [Parcel.objects.create(code=f"c{n}") for n in range(10)])
    assert await statements_of(db) == 11

    await together_of(together, [Parcel.objects.create(code=f"d{n}") for n in range(32)])
    await together_of(together, [Parcel.objects.create(code=f"e{n}") for n in range(10)])
    assert (await db.fetch("SELECT count(DISTINCT xmin::text) FROM together_parcel WHERE code LIKE 'e%'"))[0][0] == 1


async def test_a_row_that_waits_for_a_lock_holds_nobody_up(db: Database) -> None:
    """The transaction that holds the lock waits for one of the others: the server would never see that nobody can go on."""
    together = await acquainted(db)
    held, free = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with transaction.atomic(db):
            await Parcel.objects.create(code="wanted")
            held.set()
            await free.wait()

    async def insert(code: str) -> Any:
        found = await Parcel.objects.create(code=code)
        if code == "c3":
            free.set()
        return found

    holder = asyncio.create_task(hold(), context=contextvars.Context())
    await held.wait()
    async with asyncio.timeout(30):
        found = await together_of(together, [insert(code) for code in ("c0", "wanted", "c1", "c2", "c3")])
        await holder

    assert isinstance(found.pop(1), UniqueViolation)
    assert [row.code for row in found] == ["c0", "c1", "c2", "c3"]
    await nothing_is_dirty(db)


async def test_the_time_out_of_locks_is_there_before_the_first_row_and_gone_after_the_last(db: Database) -> None:
    await db.execute("ALTER TABLE together_parcel ADD COLUMN patience text DEFAULT current_setting('lock_timeout')")
    together = await acquainted(db)
    await together_of(together, [Parcel.objects.create(code=f"c{n}") for n in range(5)])
    rows = await db.fetch("SELECT patience, count(*) FROM together_parcel GROUP BY patience")
    assert [tuple(row) for row in rows] == [("20ms", 5)]
    await nothing_is_dirty(db)


@pytest.mark.parametrize(("own", "found"), [("5ms", "5ms"), ("0", "20ms"), ("3s", "20ms"), ("2min", "20ms")])
async def test_a_shorter_time_out_of_locks_stays(db: Database, own: str, found: str) -> None:
    await db.execute("ALTER TABLE together_parcel ADD COLUMN patience text DEFAULT current_setting('lock_timeout')")
    options = {"server_settings": {"lock_timeout": own}}
    other = Database("default", replace(db.config, options=options))
    with connections.using({"default": other}):
        together = await acquainted(other)
        await together_of(together, [Parcel.objects.create(code=f"c{n}") for n in range(5)])
        await other.close()
    rows = await db.fetch("SELECT DISTINCT patience FROM together_parcel")
    assert [tuple(row) for row in rows] == [(found,)]


async def test_a_lock_time_out_of_ones_own_is_the_error_of_the_row_that_waited(db: Database) -> None:
    other = Database("default", replace(db.config, options={"server_settings": {"lock_timeout": "30ms"}}))
    with connections.using({"default": other}):
        together = await acquainted(other)
        async with transaction.atomic(db):
            await db.execute("INSERT INTO together_parcel (code, weight, note) VALUES ('wanted', 1, '')")
            found = await together_of(together, [Parcel.objects.create(code=code) for code in ("c0", "wanted", "c1")])
        await other.close()
    assert isinstance(found[1], LockTimeout)
    assert [found[0].code, found[2].code] == ["c0", "c1"]


# ── triggers, rules and other kinds of tables

_TRIGGER = "CREATE FUNCTION {0}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {1} END $$"


async def _trigger(db: Database, name: str, body: str, when: str) -> None:
    await db.execute(_TRIGGER.format(name, body))
    await db.execute(f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION {name}()")


async def test_a_trigger_that_leaves_rows_out_leaves_no_doubt_whose_key_is_whose(db: Database) -> None:
    drop = "IF NEW.weight = 2 THEN RETURN NULL; END IF; RETURN NEW;"
    await _trigger(db, "leaves_out", drop, "BEFORE INSERT ON together_parcel FOR EACH ROW")
    together = await acquainted(db)

    whole = await together_of(together, [Parcel.objects.create(code=f"c{n}") for n in range(5)])
    assert await statements_of(db) == 1
    some = await together_of(together, [Parcel.objects.create(code=f"d{n}", weight=1 + n % 2) for n in range(6)])

    assert [row.pk is None for row in some] == [False, True] * 3
    kept = {row.pk: row.code for row in [*whole, *some] if row.pk is not None}
    assert kept == {row.pk: row.code async for row in Parcel.objects.all()}
    await nothing_is_dirty(db)


async def test_a_younger_trigger_that_leaves_rows_out_is_an_error_and_known_from_then_on(db: Database) -> None:
    together = await acquainted(db)
    drop = "IF NEW.weight = 2 THEN RETURN NULL; END IF; RETURN NEW;"
    await _trigger(db, "leaves_out", drop, "BEFORE INSERT ON together_parcel FOR EACH ROW")

    found = await together_of(together, [Parcel.objects.create(code=f"c{n}", weight=1 + n % 2) for n in range(6)])
    assert [type(one) for one in found] == [InternalError] * 6
    assert len({id(one) for one in found}) == 6
    assert "trigger" in str(found[0])
    assert await Parcel.objects.count() == 3

    await together_of(together, [Parcel.objects.create(code=f"x{n}") for n in range(2)])
    await settled(db)
    some = await together_of(together, [Parcel.objects.create(code=f"d{n}", weight=1 + n % 2) for n in range(6)])
    assert [row.pk is None for row in some] == [False, True] * 3


async def test_where_all_rows_are_left_out_none_has_a_key(db: Database) -> None:
    together = await acquainted(db)
    await _trigger(db, "leaves_out", "RETURN NULL;", "BEFORE INSERT ON together_parcel FOR EACH ROW")
    found = await together_of(together, [Parcel.objects.create(code=f"c{n}") for n in range(6)])
    assert [row.pk for row in found] == [None] * 6


@pytest.mark.parametrize(
    "when",
    [
        "AFTER INSERT ON together_parcel FOR EACH STATEMENT",
        "AFTER INSERT ON together_parcel REFERENCING NEW TABLE AS fresh FOR EACH ROW",
    ],
)
async def test_a_trigger_that_sees_whole_statements_sees_one_for_each_row(db: Database, when: str) -> None:
    await db.execute("CREATE TABLE seen (n integer)")
    count = "fresh" if "fresh" in when else "together_parcel"
    await _trigger(db, "sees", f"INSERT INTO seen SELECT count(*) FROM {count}; RETURN NULL;", when)
    together = await acquainted(db)
    await db.execute("TRUNCATE seen")

    await together_of(together, [Parcel.objects.create(code=f"c{n}") for n in range(6)])

    assert await statements_of(db) == 6
    assert (await db.fetch("SELECT count(*) FROM seen"))[0][0] == 6


async def test_a_trigger_of_each_row_sees_each_row(db: Database) -> None:
    await db.execute("CREATE TABLE seen (code text)")
    await _trigger(
        db, "sees", "INSERT INTO seen VALUES (NEW.code); RETURN NULL;", "AFTER INSERT ON together_parcel FOR EACH ROW"
    )
    together = await acquainted(db)
    await db.execute("TRUNCATE seen")
    await together_of(together, [Parcel.objects.create(code=f"c{n}") for n in range(6)])
    assert await statements_of(db) == 1
    assert sorted(row[0] for row in await db.fetch("SELECT code FROM seen")) == [f"c{n}" for n in range(6)]


async def test_rules_and_views_are_asked_row_by_row(db: Database) -> None:
    await db.execute("CREATE TABLE seen (code text)")
    await db.execute(
        "CREATE RULE sees AS ON INSERT TO together_parcel DO ALSO INSERT INTO seen VALUES (current_query()::text)"
    )
    together = await acquainted(db)
    await db.execute("TRUNCATE seen")
    await together_of(together, [Parcel.objects.create(code=f"c{n}") for n in range(6)])
    assert await statements_of(db) == 6

    await db.execute("DROP RULE sees ON together_parcel")
    await db.execute("ALTER TABLE together_parcel RENAME TO hidden")
    await db.execute("CREATE VIEW together_parcel AS SELECT * FROM hidden")
    for _ in range(4):
        together._rest, together._known_until = 0, float("-inf")
        await together_of(together, [Parcel.objects.create(code=f"v{uuid.uuid4().hex[:8]}") for n in range(4)])
        await settled(db)
    assert together._sql == ""


async def test_rows_of_a_partitioned_table_share(db: Database) -> None:
    await db.execute("DROP TABLE together_keyed")
    await db.execute(
        "CREATE TABLE together_keyed (key uuid NOT NULL, name varchar(20) NOT NULL) PARTITION BY HASH (key)"
    )
    for n in range(3):
        await db.execute(f"CREATE TABLE part{n} PARTITION OF together_keyed FOR VALUES WITH (MODULUS 3, REMAINDER {n})")
    together = await acquainted(db, Keyed)
    made = await together_of(together, [Keyed.objects.create(name=str(n)) for n in range(10)])
    assert {row.pk: row.name for row in made} == {row.pk: row.name async for row in Keyed.objects.all()}
    assert await statements_of(db, Keyed) == 1


async def test_rows_of_a_table_with_a_partition_elsewhere_go_alone(db: Database) -> None:
    """The time-out of locks is the session's, and what another server does waits for its own."""
    url = urlsplit(os.environ["COVET_TEST_POSTGRES_URL"])
    options = ", ".join(f"{name} '{value}'" for name, value in (("user", url.username), ("password", url.password)))
    await db.execute("DROP TABLE together_keyed")
    await db.execute("CREATE TABLE elsewhere (key uuid NOT NULL, name varchar(20) NOT NULL)")
    await db.execute("CREATE EXTENSION postgres_fdw")
    try:
        await db.execute(
            "CREATE SERVER loopback FOREIGN DATA WRAPPER postgres_fdw "
            f"OPTIONS (host '{url.hostname}', port '{url.port}', dbname '{db.config.name}')"
        )
        await db.execute(f"CREATE USER MAPPING FOR CURRENT_USER SERVER loopback OPTIONS ({options})")
        await db.execute(
            "CREATE TABLE together_keyed (key uuid NOT NULL, name varchar(20) NOT NULL) PARTITION BY LIST (name)"
        )
        await db.execute("CREATE TABLE near PARTITION OF together_keyed DEFAULT")
        await db.execute(
            "CREATE FOREIGN TABLE far PARTITION OF together_keyed FOR VALUES IN ('far') "
            "SERVER loopback OPTIONS (table_name 'elsewhere')"
        )
        together = await acquainted(db, Keyed)
        made = await together_of(together, [Keyed.objects.create(name=("near", "far")[n % 2]) for n in range(8)])
        assert {row.pk: row.name for row in made} == {row.pk: row.name async for row in Keyed.objects.all()}
        for table in ("near", "elsewhere"):
            assert (await db.fetch(f"SELECT count(DISTINCT xmin::text) FROM {table}"))[0][0] == 4
    finally:
        await db.execute("DROP EXTENSION postgres_fdw CASCADE")
        await db.execute("DROP TABLE IF EXISTS together_keyed")
        await db.execute("DROP TABLE elsewhere")


async def test_rows_that_a_policy_forbids_are_refused_alone(db: Database) -> None:
    role = f"{db.config.name}_guest".lower()  # PostgreSQL takes a name without quotes for one in small letters
    await db.execute(f"DROP ROLE IF EXISTS {role}")
    await db.execute(f"CREATE ROLE {role}")
    try:
        await db.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
        await db.execute(f"GRANT USAGE ON SCHEMA public TO {role}")
        await db.execute("ALTER TABLE together_parcel ENABLE ROW LEVEL SECURITY")
        await db.execute("CREATE POLICY light ON together_parcel USING (true) WITH CHECK (weight < 5)")
        other = Database("default", replace(db.config, options={"role": role}))
        with connections.using({"default": other}):
            together = await acquainted(other)
            await together_of(together, [Parcel.objects.create(code=f"c{n}") for n in range(4)])
            assert await statements_of(db) == 1
            found = await together_of(
                together, [Parcel.objects.create(code=f"d{n}", weight=4 + n % 2) for n in range(6)]
            )
            await other.close()
        assert [isinstance(one, DatabaseError) for one in found] == [False, True] * 3
        assert "row-level security" in str(found[1])
    finally:
        await db.execute(f"DROP OWNED BY {role}")
        await db.execute(f"DROP ROLE {role}")


async def test_where_the_catalogue_may_not_be_read_each_goes_alone(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    role = f"{db.config.name}_guest".lower()  # PostgreSQL takes a name without quotes for one in small letters
    await db.execute(f"DROP ROLE IF EXISTS {role}")
    await db.execute(f"CREATE ROLE {role}")
    await db.execute("REVOKE SELECT ON pg_catalog.pg_trigger FROM PUBLIC")
    try:
        await db.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
        await db.execute(f"GRANT USAGE ON SCHEMA public TO {role}")
        other = Database("default", replace(db.config, options={"role": role}))
        with connections.using({"default": other}), caplog.at_level("DEBUG", "covet.db.backends"):
            together = await acquainted(other)
            made = await together_of(together, [Parcel.objects.create(code=f"c{n}") for n in range(6)])
            await nothing_is_dirty(other)
            await other.close()
    finally:
        await db.execute("GRANT SELECT ON pg_catalog.pg_trigger TO PUBLIC")
        await db.execute(f"DROP OWNED BY {role}")
        await db.execute(f"DROP ROLE {role}")
    assert {row.pk: row.code for row in made} == {row.pk: row.code async for row in Parcel.objects.all()}
    assert await statements_of(db) == 6
    told = [record for record in caplog.records if "could not be asked" in record.message]
    assert ["permission denied for table pg_trigger" in str(record.exc_info) for record in told] == [True]
    assert [record for record in caplog.records if record.name == "asyncio"] == []


@pytest.mark.parametrize("fails", ["_run", "_text"])
async def test_a_fault_in_reading_the_catalogue_is_told_and_each_goes_alone(db: Database, fails: str) -> None:
    together = await acquainted(db)
    together._known_until = float("-inf")
    told: list[Any] = []
    loop = asyncio.get_running_loop()

    def broken(*args: Any, **named: Any) -> Any:
        raise ZeroDivisionError

    loop.set_exception_handler(lambda _, context: told.append(context))
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Together, fails, broken)
            first = await together_of(together, [Parcel.objects.create(code="first")])
            await settled(db)
        made = await together_of(together, [Parcel.objects.create(code=f"c{n}") for n in range(6)])
    finally:
        loop.set_exception_handler(None)
    assert [type(one["exception"]) for one in told] == [ZeroDivisionError]
    assert 'inserts into "together_parcel"' in told[0]["message"]
    assert {row.pk: row.code for row in first + made} == {row.pk: row.code async for row in Parcel.objects.all()}
    assert await statements_of(db) == 7


async def test_what_an_earlier_pool_is_told_late_changes_nothing(db: Database) -> None:
    together = await acquainted(db)
    known = together._sql
    other = Database("default", db.config)
    await other.execute("SELECT 1")
    assert other.writer_pool is not None
    # As a coroutine that a closed loop has left, and that is collected at some time.
    left = together._look(other.writer_pool)
    left.send(None)
    left.close()
    await other.close()
    assert together._sql == known != ""


async def test_serializable_transactions_stay_as_small_as_they_are(db: Database) -> None:
    other = Database("default", replace(db.config, options={"isolation_level": "serializable"}))
    with connections.using({"default": other}):
        together = await acquainted(other)
        await together_of(together, [Parcel.objects.create(code=f"c{n}") for n in range(6)])
        await other.close()
    assert await statements_of(db) == 6


# ── cancellation, time-outs, lost connections

_SLOW = "IF NEW.code = 'slow' THEN PERFORM pg_sleep({0}); END IF; RETURN NULL;"


async def _slow(db: Database, seconds: float) -> None:
    """Let a row with the code 'slow' take its time, and the statement that it is in."""
    await _trigger(db, "sleeps", _SLOW.format(seconds), "AFTER INSERT ON together_parcel FOR EACH ROW")


async def _running(db: Database, sql: str = "INSERT%") -> list[int]:
    """Wait until a statement runs, and return the processes of such."""
    watcher = Database("default", db.config)
    try:
        async with asyncio.timeout(30):
            while True:
                rows = await watcher.fetch(
                    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND "
                    "wait_event = 'PgSleep' AND query LIKE $1",
                    (sql,),
                )
                if rows:
                    return [row[0] for row in rows]
    finally:
        await watcher.close()


async def test_one_that_is_cancelled_before_the_sending_is_left_out(db: Database) -> None:
    together = await acquainted(db)
    with crowd(together):
        tasks = [asyncio.create_task(Parcel.objects.create(code=f"c{n}")) for n in range(6)]
        await asyncio.sleep(0)
        assert len(together._queue) == 6
        tasks[2].cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(found.pop(2), asyncio.CancelledError)
    assert {row.pk: row.code for row in found} == {row.pk: row.code async for row in Parcel.objects.all()}
    assert await statements_of(db) == 1


async def test_one_that_is_cancelled_after_the_sending_disturbs_nobody(db: Database) -> None:
    await _slow(db, 0.3)
    together = await acquainted(db)
    with crowd(together):
        codes = ["slow", "c1", "c2", "c3"]
        tasks = [asyncio.create_task(Parcel.objects.create(code=code)) for code in codes]
        await _running(db)
        tasks[0].cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(found.pop(0), asyncio.CancelledError)
    assert [row.code for row in found] == codes[1:]
    kept = {row.pk: row.code async for row in Parcel.objects.all()}
    assert {row.pk: row.code for row in found}.items() <= kept.items()
    assert together.room == _ALONE
    await nothing_is_dirty(db)


async def test_a_statement_that_nobody_waits_for_any_more_is_stopped(db: Database) -> None:
    await _slow(db, 600)
    together = await acquainted(db)
    with crowd(together):
        tasks = [asyncio.create_task(Parcel.objects.create(code=code)) for code in ("slow", "c1", "c2")]
        await _running(db)
        for task in tasks:
            task.cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in found] == [asyncio.CancelledError] * 3
    async with asyncio.timeout(30):
        await nothing_is_dirty(db)
    assert await Parcel.objects.count() == 0
    assert not together._sent


async def test_a_time_out_of_one_is_its_own(db: Database) -> None:
    await _slow(db, 0.4)
    together = await acquainted(db)

    async def hurried() -> None:
        async with asyncio.timeout(0.05):
            await Parcel.objects.create(code="hurried")

    found = await together_of(
        together, [Parcel.objects.create(code="slow"), hurried(), Parcel.objects.create(code="patient")]
    )
    assert isinstance(found[1], TimeoutError)
    assert [found[0].code, found[2].code] == ["slow", "patient"]


async def test_the_time_out_of_commands_is_everyones(db: Database) -> None:
    await _slow(db, 600)
    other = Database("default", replace(db.config, options={"command_timeout": 0.3}))
    with connections.using({"default": other}):
        together = await acquainted(other)
        found = await together_of(together, [Parcel.objects.create(code=code) for code in ("slow", "c1", "c2")])
        async with asyncio.timeout(30):
            await settled(other)
        assert other.writer_pool.in_use == 0
        await other.close()
    assert [type(one) for one in found] == [QueryCanceled] * 3
    assert len({id(one) for one in found}) == 3
    assert "command_timeout" in str(found[2])
    assert await Parcel.objects.count() == 0


async def test_the_servers_time_out_is_that_of_the_row_that_took_so_long(db: Database) -> None:
    await _slow(db, 600)
    other = Database("default", replace(db.config, options={"server_settings": {"statement_timeout": "300"}}))
    with connections.using({"default": other}):
        together = await acquainted(other)
        found = await together_of(together, [Parcel.objects.create(code=code) for code in ("c0", "slow", "c2")])
        await other.close()
    assert isinstance(found.pop(1), QueryCanceled)
    assert {row.pk: row.code for row in found} == {row.pk: row.code async for row in Parcel.objects.all()}


async def test_a_lost_connection_is_everyones_and_nothing_is_done_twice(db: Database) -> None:
    await _slow(db, 600)
    together = await acquainted(db)
    with crowd(together):
        codes = ("c0", "slow", "c2", "c3")
        tasks = [asyncio.create_task(Parcel.objects.create(code=code)) for code in codes]
        (pid,) = await _running(db)
        await db.fetch("SELECT pg_terminate_backend($1)", (pid,))
        found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in found] == [ConnectionLost] * 4
    assert len({id(one) for one in found}) == 4
    assert all(one.alias == "default" and "INSERT" in one.sql for one in found)
    assert await Parcel.objects.count() == 0
    async with asyncio.timeout(30):
        await nothing_is_dirty(db)
    await db.execute("DROP TRIGGER sleeps ON together_parcel")
    assert len(await together_of(together, [Parcel.objects.create(code=code) for code in codes])) == 4
    assert await Parcel.objects.count() == 4


async def test_connections_that_died_in_the_pool_are_no_error(db: Database) -> None:
    together = await acquainted(db)
    watcher = Database("default", db.config)
    await watcher.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await watcher.close()
    while not all(connection.is_closed for connection in db.writer_pool.kept):
        await asyncio.sleep(0)
    found = await together_of(together, [Parcel.objects.create(code=f"c{n}") for n in range(6)])
    assert {row.pk: row.code for row in found} == {row.pk: row.code async for row in Parcel.objects.all()}


async def test_a_full_pool_is_told_to_each(db: Database) -> None:
    other = Database("default", replace(db.config, pool=PoolConfig(max_size=1, timeout_s=5)))
    with connections.using({"default": other}):
        together = await acquainted(other)
        held, free = asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            async with transaction.atomic(other):
                await other.fetch("SELECT 1")
                held.set()
                await free.wait()

        holder = asyncio.create_task(hold(), context=contextvars.Context())
        await held.wait()
        with waiting_at_most(other, 0.2):
            found = await together_of(together, [Parcel.objects.create(code=f"c{n}") for n in range(4)])
        free.set()
        await holder
        assert [type(one) for one in found] == [PoolTimeout] * 4
        assert len({id(one) for one in found}) == 4
        assert str(found[3]) == str(found[0])
        # Served once there is a connection again.
        assert len(await together_of(together, [Parcel.objects.create(code=f"d{n}") for n in range(4)])) == 4
        await other.close()
    assert await statements_of(db) == 1


async def _closed_meanwhile(db: Database, grace_s: float = 30) -> tuple[list[Any], int]:
    """Close a database while three rows are on their way; return what each task got, and the process that inserts them."""
    other = Database("default", db.config)
    with connections.using({"default": other}):
        together = await acquainted(other)
        with crowd(together):
            tasks = [asyncio.create_task(Parcel.objects.create(code=code)) for code in ("slow", "c1", "c2")]
            (pid,) = await _running(db)
            await other.close(grace_s)
            return await asyncio.gather(*tasks, return_exceptions=True), pid


async def test_closing_waits_for_them(db: Database) -> None:
    await _slow(db, 0.3)
    found, _ = await _closed_meanwhile(db)
    assert {row.pk: row.code for row in found} == {row.pk: row.code async for row in Parcel.objects.all()}


async def test_closing_that_waits_no_longer_is_an_error_for_each(db: Database) -> None:
    await _slow(db, 600)
    found, pid = await _closed_meanwhile(db, 0.05)
    # The server does not look for a client that is gone while it sleeps.
    await db.fetch("SELECT pg_terminate_backend($1)", (pid,))
    assert [type(one) for one in found] == [ConnectionLost] * 3
    assert len({id(one) for one in found}) == 3


# ── what is told of them


async def test_each_counts_one_statement_of_its_own_at_its_own_place(db: Database) -> None:
    together = await acquainted(db)

    async def insert(n: int) -> Any:
        with record_queries() as records:
            await Parcel.objects.create(code=f"c{n}")
        (record,) = records
        return record

    async def refused() -> None:
        with query_budget(0, refuse=True):
            await Parcel.objects.create(code="refused")

    found = await together_of(together, [insert(0), refused(), insert(1), insert(2)])

    assert isinstance(found.pop(1), QueryBudgetExceeded)
    assert await statements_of(db) == 1
    lone = await insert(9)
    assert [record.sql for record in found] == [lone.sql] * 3
    assert [record.args[0] for record in found] == ["c0", "c1", "c2"]
    assert {record.where for record in found} == {lone.where}
    assert __file__ in lone.where
    assert all(record.error is None and record.duration_s > 0 for record in found)


async def test_the_error_of_one_is_in_its_record_alone(db: Database) -> None:
    together = await acquainted(db)

    async def insert(code: str) -> list[Any]:
        with record_queries() as records:
            await asyncio.gather(Parcel.objects.create(code=code), return_exceptions=True)
        return [type(record.error) for record in records]

    found = await together_of(together, [insert(code) for code in ("c0", "c1", "c1", "c2")])
    assert sorted(found, key=str) == sorted([[type(None)]] * 3 + [[UniqueViolation]], key=str)


async def test_what_a_wrapper_makes_of_a_statement_goes_as_it_made_it(db: Database) -> None:
    together = await acquainted(db)

    async def marks(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        return await execute(f"-- mark\n{sql}", params, many, context)

    async def insert(n: int) -> str:
        with db.execute_wrapper(marks), record_queries() as records:
            await Parcel.objects.create(code=f"c{n}")
        return str(records[0].sql)

    for start in (0, 4):
        # The second time they are statements that have run before, like any others.
        found = await together_of(together, [insert(n) for n in range(start, start + 4)])
        assert [sql.startswith("-- mark\nINSERT") for sql in found] == [True] * 4
    assert await statements_of(db) == 8


async def test_what_they_run_in_is_no_members_context(db: Database) -> None:
    """The statement's task is nobody's: neither the request nor the listeners of one of them stand in it."""
    together = await acquainted(db)
    mark = contextvars.ContextVar[str]("mark", default="")
    seen: list[str] = []
    send = Together._run

    async def look(self: Together, *args: Any) -> Any:
        seen.append(mark.get())
        return await send(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Together, "_run", look)
        token = mark.set("of a request")
        await together_of(together, [Parcel.objects.create(code=f"c{n}") for n in range(4)])
        mark.reset(token)
    assert seen == [""]


async def test_cached_results_are_told_of_them(db: Database) -> None:
    together = await acquainted(db)
    with override(CACHES={"default": "memory://"}):
        assert await Parcel.objects.cache(60).count() == 0
        await together_of(together, [Parcel.objects.create(code=f"c{n}") for n in range(4)])
        assert await Parcel.objects.cache(60).count() == 4
    assert await statements_of(db) == 1
