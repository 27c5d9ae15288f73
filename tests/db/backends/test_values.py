"""Values go to each database and come back the same: per column type, by Hypothesis."""

from __future__ import annotations

import datetime as dt
import math
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from covet.db import models
from covet.db.sql import nodes as n
from covet.db.sql import statements as s
from covet.db.sql.compiler import compile_statement
from covet.db.sql.ddl import ColumnDef, TableDef

if TYPE_CHECKING:
    from covet.db.database import Database

TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=60)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**50), 2**50) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
KINDS: dict[str, tuple[n.ColumnType, st.SearchStrategy[Any]]] = {
    "smallint": (n.ColumnType("smallint"), st.integers(-(2**15), 2**15 - 1)),
    "integer": (n.ColumnType("integer"), st.integers(-(2**31), 2**31 - 1)),
    "bigint": (n.ColumnType("bigint"), st.integers(-(2**63), 2**63 - 1)),
    "float": (
        n.ColumnType("float"),
        st.floats(-1e300, 1e300, allow_subnormal=False).filter(lambda x: x == 0 or abs(x) > 1e-300),
    ),
    # SQLite keeps 15 significant digits of a decimal.
    "decimal": (n.ColumnType("decimal", precision=15, scale=4), st.decimals(-(10**10), 10**10, places=4)),
    "boolean": (n.ColumnType("boolean"), st.booleans()),
    "varchar": (n.ColumnType("varchar", 60), TEXT),
    "text": (n.ColumnType("text"), TEXT),
    "date": (n.ColumnType("date"), st.dates(dt.date(1, 1, 1))),
    "time": (n.ColumnType("time"), st.times()),
    "datetime": (
        n.ColumnType("datetime"),
        st.datetimes(dt.datetime(1000, 1, 2), dt.datetime(9999, 12, 30), timezones=st.just(dt.UTC) | st.timezones()),
    ),
    "interval": (n.ColumnType("interval"), st.timedeltas(dt.timedelta(-9999), dt.timedelta(9999))),
    "uuid": (n.ColumnType("uuid"), st.uuids()),
    "binary": (n.ColumnType("binary"), st.binary(max_size=300)),
    "json": (n.ColumnType("json"), JSON.filter(lambda value: value is not None)),
    "inet": (n.ColumnType("inet"), st.ip_addresses().map(models.GenericIPAddressField().to_python)),
}


def same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-15) or a == b
    return isinstance(a, type(b)) and a == b


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.row("compiler.converters")
async def test_a_value_comes_back_as_it_went(database: Database, kind: str) -> None:
    """By insert and by comparison, NULL included, for whatever Hypothesis finds."""
    column_type, values = KINDS[kind]
    table = TableDef(
        "values_",
        (
            ColumnDef("id", n.ColumnType("bigint"), primary_key=True, identity=True),
            ColumnDef("v", column_type, null=True),
        ),
    )
    async with database.schema_editor() as editor:
        await editor.create_table(table)
    dialect = database.dialect
    insert = compile_statement(s.Insert("values_", ("v",), ((n.Param(0, type=column_type),),)), dialect)
    select = compile_statement(s.Select((s.Output(n.Column("values_", "v")),), s.TableRef("values_")), dialect)
    found_sql = compile_statement(
        s.Select(
            (s.Output(n.Func("COUNT", (n.Star(),))),),
            s.TableRef("values_"),
            where=n.Binary("=", n.Column("values_", "v"), n.Param(0, type=column_type)),
        ),
        dialect,
    )
    convert = dialect.converter(column_type) or (lambda value: value)
    comparable = kind not in ("json", "float")

    async def there_and_back(value: Any) -> tuple[Any, int]:
        await database.execute("DELETE FROM values_")
        await database.insert(*insert.bind([value]))
        rows = await database.fetch(*select.bind([]))
        count = (await database.fetch(*found_sql.bind([value])))[0][0] if comparable and value is not None else 1
        return convert(rows[0][0]), count

    assert (await there_and_back(None))[0] is None
    for value in examples(values, 40):
        back, count = await there_and_back(value)
        if isinstance(value, dt.datetime):
            assert back == value.astimezone(dt.UTC)
            assert back.utcoffset() == dt.timedelta(0)
        else:
            assert same(back, value), (value, back)
        assert count == 1, value


def examples(strategy: st.SearchStrategy[Any], count: int) -> list[Any]:
    """Draw values once: Hypothesis drives sync functions, the database is async."""
    drawn: list[Any] = []

    @settings(max_examples=count, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def draw(value: Any) -> None:
        drawn.append(value)

    draw()
    return drawn


@pytest.mark.row("fields.db_column", "compiler.injection")
async def test_names_with_every_odd_character_work_as_tables_and_columns(database: Database) -> None:
    for name in ("select", 'do"uble', "ba`ck", "100%", "%s", "a b", "ünïcödé", "semi;colon", "quote'"):
        table = TableDef(
            f"t {name}",
            (ColumnDef("id", n.ColumnType("integer"), primary_key=True), ColumnDef(name, n.ColumnType("text"))),
        )
        async with database.schema_editor() as editor:
            await editor.create_table(table)
        dialect = database.dialect
        insert = s.Insert(table.name, ("id", name), ((n.Param(0), n.Param(1)),))
        select = s.Select(
            (s.Output(n.Column(table.name, name)),),
            s.TableRef(table.name),
            where=n.Binary("=", n.Column(table.name, "id"), n.Param(0)),
        )

        await database.insert(*compile_statement(insert, dialect).bind([1, "50% of 'it' \\ \"is\" `ok` %s"]))

        rows = await database.fetch(*compile_statement(select, dialect).bind([1]))
        assert rows[0][0] == "50% of 'it' \\ \"is\" `ok` %s"
        assert name in [column.name for column in await database.introspection.columns(table.name)]


@pytest.mark.row("lookups.text", "lookups.itext")
async def test_text_matches_follow_djangos_rules_for_case(database: Database) -> None:
    await database.execute("CREATE TABLE words (w varchar(50))")
    dialect = database.dialect
    insert = compile_statement(s.Insert("words", ("w",), ((n.Param(0),),)), dialect)
    for word in ("Apple", "apple", "100%", "100x", "a_b", "axb", "back\\slash"):
        await database.insert(*insert.bind([word]))

    async def match(kind: str, pattern: str) -> list[str]:
        where = n.Match(kind, n.Column("words", "w"), n.Param(0, type=n.ColumnType("text")))
        statement = s.Select((s.Output(n.Column("words", "w")),), s.TableRef("words"), where=where)
        return sorted(row[0] for row in await database.fetch(*compile_statement(statement, dialect).bind([pattern])))

    case_sensitive = database.vendor != "sqlite"
    assert await match("like", "app%") == (["apple"] if case_sensitive else ["Apple", "apple"])
    assert await match("ilike", "APP%") == ["Apple", "apple"]
    assert await match("iexact", "APPLE") == ["Apple", "apple"]
    assert await match("like", "100\\%") == ["100%"]
    assert await match("like", "a\\_b") == ["a_b"]
    assert await match("like", "back\\\\slash") == ["back\\slash"]
    assert await match("regex", "^[A-Z]") == ["Apple"]
    assert await match("iregex", "^APP") == ["Apple", "apple"]


async def test_date_functions_agree_on_all_databases(database: Database) -> None:
    """In a zone with daylight saving; the moment is 2024-03-31 00:30 UTC, which is 01:30 in Berlin."""
    table = TableDef(
        "moments",
        (ColumnDef("id", n.ColumnType("integer"), primary_key=True), ColumnDef("at", n.ColumnType("datetime"))),
    )
    async with database.schema_editor() as editor:
        await editor.create_table(table)
    dialect = database.dialect
    moment = dt.datetime(2024, 3, 31, 23, 30, 15, 250_000, tzinfo=dt.UTC)
    insert = s.Insert("moments", ("id", "at"), ((n.Bound(1), n.Param(0, type=n.ColumnType("datetime"))),))
    await database.insert(*compile_statement(insert, dialect).bind([moment]))
    at = n.Column("moments", "at")
    zone = n.Bound("Europe/Berlin")

    async def value(node: n.Node, type_: n.ColumnType) -> Any:
        compiled = compile_statement(s.Select((s.Output(node),), s.TableRef("moments")), dialect)
        found = (await database.fetch(*compiled.bind([])))[0][0]
        convert = dialect.converter(type_)
        return convert(found) if convert is not None else found

    integer = n.ColumnType("integer")
    parts = {
        "year": 2024, "iso_year": 2024, "month": 4, "day": 1, "week": 14, "week_day": 2, "iso_week_day": 1,
        "quarter": 2, "hour": 1, "minute": 30, "second": 15,
    }  # fmt: skip
    for part, expected in parts.items():
        assert await value(n.Func(f"EXTRACT_{part}", (at, zone)), integer) == expected, part

    datetime = n.ColumnType("datetime")
    utc = {
        "year": dt.datetime(2023, 12, 31, 23), "quarter": dt.datetime(2024, 3, 31, 22), "month": dt.datetime(2024, 3, 31, 22),
        "week": dt.datetime(2024, 3, 31, 22), "day": dt.datetime(2024, 3, 31, 22), "hour": dt.datetime(2024, 3, 31, 23),
        "minute": dt.datetime(2024, 3, 31, 23, 30), "second": dt.datetime(2024, 3, 31, 23, 30, 15),
    }  # fmt: skip
    for unit, moment_ in utc.items():
        found = await value(n.Func(f"TRUNC_{unit}", (at, zone), type=datetime), datetime)
        assert found == moment_.replace(tzinfo=dt.UTC), unit
    date = n.ColumnType("date")
    assert await value(n.Func("TRUNC_date", (at, zone), type=date), date) == dt.date(2024, 4, 1)


async def test_logical_functions_agree_on_all_databases(database: Database) -> None:
    text, integer = n.ColumnType("text"), n.ColumnType("integer")

    async def value(node: n.Node) -> Any:
        compiled = compile_statement(s.Select((s.Output(node),)), database.dialect)
        return (await database.fetch(*compiled.bind([])))[0][0]

    def words(*values: Any) -> tuple[n.Node, ...]:
        return tuple(n.Bound(value, text if isinstance(value, str) else integer) for value in values)

    assert await value(n.Func("LENGTH", words("äbc"))) == 3
    assert await value(n.Func("CONCAT", words("a", "b", "c"))) == "abc"
    assert await value(n.Func("STRPOS", words("hello", "l"))) == 3
    assert await value(n.Func("SUBSTRING", words("hello", 2, 3))) == "ell"
    assert await value(n.Func("LEFT", words("hello", 2))) == "he"
    assert await value(n.Func("RIGHT", words("hello", 2))) == "lo"
    assert await value(n.Func("LPAD", words("7", 3, "0"))) == "007"
    assert await value(n.Func("REPEAT", words("ab", 2))) == "abab"
    assert await value(n.Func("REVERSE", words("abc"))) == "cba"
    assert await value(n.Func("GREATEST", words(3, 9, 5))) == 9
    assert await value(n.Func("MD5", words("a"))) == "0cc175b9c0f1b6a831c399e269772661"
    assert (
        await value(n.Func("SHA256", words("a"))) == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    )
    assert int(await value(n.Binary("^", *words(2, 10)))) == 1024
    assert int(await value(n.Binary("#", *words(6, 3)))) == 5
    assert int(await value(n.Binary("%", *words(7, 4)))) == 3
    assert await value(n.Binary("||", *words("a", "b"))) == "ab"


@pytest.mark.row("lookups.json_path")
async def test_json_paths_agree_on_all_databases(database: Database) -> None:
    json = n.ColumnType("json")
    table = TableDef("docs", (ColumnDef("id", n.ColumnType("integer"), primary_key=True), ColumnDef("d", json)))
    async with database.schema_editor() as editor:
        await editor.create_table(table)
    dialect = database.dialect
    document = {"a": {"b c": [10, "x'\"%"]}}
    insert = s.Insert("docs", ("id", "d"), ((n.Bound(1), n.Param(0, type=json)),))
    await database.insert(*compile_statement(insert, dialect).bind([document]))

    async def at(*path: str | int, as_text: bool = False) -> Any:
        node = n.JSONPath(n.Column("docs", "d"), path, as_text)
        compiled = compile_statement(s.Select((s.Output(node),), s.TableRef("docs")), dialect)
        return (await database.fetch(*compiled.bind([])))[0][0]

    assert dialect.converter(json)(await at("a")) == document["a"]  # type: ignore[misc]
    assert await at("a", "b c", 1, as_text=True) == "x'\"%"
    assert await at("a", "nothing", as_text=True) is None


async def test_decimals_of_a_sum_keep_their_cents(database: Database) -> None:
    price = n.ColumnType("decimal", precision=10, scale=2)
    table = TableDef("prices", (ColumnDef("id", n.ColumnType("integer"), primary_key=True), ColumnDef("p", price)))
    async with database.schema_editor() as editor:
        await editor.create_table(table)
    insert = compile_statement(
        s.Insert("prices", ("id", "p"), ((n.Param(0), n.Param(1, type=price)),)), database.dialect
    )
    for number, text in enumerate(("0.10", "0.20", "19.99")):
        await database.insert(*insert.bind([number, Decimal(text)]))

    rows = await database.fetch("SELECT SUM(p) FROM prices")

    convert = database.dialect.converter(price) or (lambda value: value)
    assert convert(rows[0][0]) == Decimal("20.29")


@pytest.mark.row("fields.uuid", "lookups.special")
async def test_a_uuid_given_as_text_is_found(database: Database) -> None:
    key = uuid.uuid4()
    kind = n.ColumnType("uuid")
    table = TableDef("keys_", (ColumnDef("id", kind, primary_key=True),))
    async with database.schema_editor() as editor:
        await editor.create_table(table)
    await database.insert(
        *compile_statement(s.Insert("keys_", ("id",), ((n.Param(0, type=kind),),)), database.dialect).bind([key])
    )

    rows = await database.fetch("SELECT id FROM keys_")

    convert = database.dialect.converter(kind) or (lambda value: value)
    assert convert(rows[0][0]) == key
