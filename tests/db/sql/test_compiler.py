"""Statements to text: pure, no database."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet.db.backends.mysql.dialect import MySQLDialect
from covet.db.backends.postgresql.dialect import PostgreSQLDialect
from covet.db.backends.sqlite.dialect import SQLiteDialect
from covet.db.errors import NotSupportedError
from covet.db.sql import nodes as n
from covet.db.sql import statements as s
from covet.db.sql.compiler import compile_expression, compile_statement
from covet.db.sql.dialect import escape_like
from covet.db.sql.walk import columns_of, rename_columns, walk

PG = PostgreSQLDialect()
MARIADB = MySQLDialect((10, 11, 6), is_mariadb=True)
MYSQL = MySQLDialect((8, 0, 36))
SQLITE = SQLiteDialect()
DIALECTS = [PG, MARIADB, MYSQL, SQLITE]
BIGINT = n.ColumnType("bigint")
ID = n.Column("t", "id")


def select(**parts: Any) -> s.Select:
    return s.Select((s.Output(ID),), s.TableRef("t"), **parts)


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        (PG, 'SELECT "t"."id" FROM "t" WHERE "t"."id" = $1 LIMIT $2'),
        (MARIADB, "SELECT `t`.`id` FROM `t` WHERE `t`.`id` = %s LIMIT %s"),
        (SQLITE, 'SELECT "t"."id" FROM "t" WHERE "t"."id" = ? LIMIT ?'),
    ],
)
def test_a_plain_select_in_three_dialects(dialect: Any, expected: str) -> None:
    compiled = compile_statement(select(where=n.Binary("=", ID, n.Param(0)), limit=n.Param(1)), dialect)

    assert compiled.sql == expected
    assert compiled.bind([7, 21]) == (expected, [7, 21])


def test_the_same_value_twice_is_one_placeholder_on_postgresql_so_that_group_by_matches() -> None:
    expression = n.Func("COALESCE", (ID, n.Param(0, type=BIGINT)))
    statement = s.Select((s.Output(expression, "x"),), s.TableRef("t"), group_by=(expression,))

    compiled = compile_statement(statement, PG)

    assert compiled.sql.count("$1::bigint") == 2
    assert compiled.args([5]) == [5]


def test_a_list_is_one_array_on_postgresql_and_one_placeholder_for_each_value_elsewhere() -> None:
    statement = select(where=n.In(ID, n.Param(0, type=BIGINT, many=True)))

    assert compile_statement(statement, PG).bind([[1, 2]]) == (
        'SELECT "t"."id" FROM "t" WHERE "t"."id" = ANY($1::bigint[])',
        [[1, 2]],
    )
    assert compile_statement(statement, SQLITE).bind([[1, 2]]) == (
        'SELECT "t"."id" FROM "t" WHERE "t"."id" IN (?, ?)',
        [1, 2],
    )
    assert compile_statement(statement, MARIADB).expands


@pytest.mark.parametrize("dialect", [MARIADB, SQLITE])
def test_an_empty_list_is_a_query_without_rows(dialect: Any) -> None:
    sql, args = compile_statement(select(where=n.In(ID, n.Param(0, many=True))), dialect).bind([[]])

    assert "WHERE 1 = 0" in sql
    assert args == []


def test_a_very_long_list_travels_to_sqlite_as_one_json_text() -> None:
    sql, args = compile_statement(select(where=n.In(ID, n.Param(0, type=BIGINT, many=True))), SQLITE).bind(
        [list(range(40_000))]
    )

    assert "json_each(?)" in sql
    assert len(args) == 1


@pytest.mark.parametrize("dialect", DIALECTS)
def test_lists_keep_their_place_among_other_values(dialect: Any) -> None:
    where = n.And((n.Binary("=", ID, n.Param(1)), n.In(ID, n.Param(0, many=True)), n.Binary(">", ID, n.Bound(9))))

    sql, args = compile_statement(select(where=where, limit=n.Param(2)), dialect).bind([[1, 2], 5, 20])

    flat = [item for arg in args for item in (arg if isinstance(arg, list) else [arg])]
    assert flat == [5, 1, 2, 9, 20]
    assert sql.startswith("SELECT")


def test_arithmetic_is_bracketed_and_spelled_by_the_database() -> None:
    power = n.Binary("^", ID, n.Bound(2))
    text = n.Binary("||", n.Column(None, "a"), n.Column(None, "b"))

    assert compile_expression(power, PG) == '("id" ^ 2)'
    assert compile_expression(power, MARIADB) == "(POW(`id`, 2))"
    assert compile_expression(power, SQLITE) == '(COVET_POWER("id", 2))'
    assert compile_expression(text, MARIADB) == "(CONCAT(`a`, `b`))"


def test_insert_with_conflict_and_returning() -> None:
    insert = s.Insert("t", ("a", "b"), ((n.Param(0), n.Param(1)),), ("id",), s.Conflict(("a",), ("b",)))

    pg, mariadb, mysql = (compile_statement(insert, dialect) for dialect in (PG, MARIADB, MYSQL))

    assert pg.sql == (
        'INSERT INTO "t" ("a", "b") VALUES ($1, $2) ON CONFLICT ("a") DO UPDATE SET "b" = EXCLUDED."b" RETURNING "id"'
    )
    assert mariadb.sql.endswith("ON DUPLICATE KEY UPDATE `b` = VALUES(`b`) RETURNING `id`")
    assert (pg.returning, mariadb.returning, mysql.returning) == (True, True, False)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("columns", [1, 3, 400])
def test_values_that_are_taken_altogether_are_bound_as_one_by_one(dialect: Any, columns: int) -> None:
    names = tuple([f"c{number}" for number in range(columns)])
    params = tuple([n.Param(slot, str if slot % 2 else None) for slot in range(columns)])
    insert = s.Insert("t", names, (params,), ())
    values = list(range(columns))

    sql, args = compile_statement(insert, dialect, takes_all=True).bind(values)

    assert (sql, args) == compile_statement(insert, dialect).bind(values)
    assert args == [str(value) if value % 2 else value for value in values]


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        (PG, 'INSERT INTO "t" DEFAULT VALUES'),
        (MYSQL, "INSERT INTO `t` () VALUES ()"),
        (SQLITE, 'INSERT INTO "t" DEFAULT VALUES'),
    ],
)
def test_insert_of_nothing_but_defaults(dialect: Any, expected: str) -> None:
    assert compile_statement(s.Insert("t", (), ((),)), dialect).sql == expected


def test_bulk_insert_is_one_constant_text_on_postgresql_only() -> None:
    params = (n.Param(0, type=n.ColumnType("varchar", 10), many=True), n.Param(1, type=BIGINT, many=True))
    insert = s.BulkInsert("t", ("a", "b"), params, ("id",))

    assert compile_statement(insert, PG).sql == (
        'INSERT INTO "t" ("a", "b") SELECT * FROM unnest($1::varchar[], $2::bigint[]) RETURNING "id"'
    )
    with pytest.raises(NotSupportedError, match="insert from arrays"):
        compile_statement(insert, SQLITE)


def test_bulk_update_is_one_constant_text_on_postgresql_only() -> None:
    params = (n.Param(0, type=n.ColumnType("varchar", 10), many=True), n.Param(1, type=BIGINT, many=True))
    update = s.BulkUpdate("t", ("a",), ("id",), params)

    assert compile_statement(update, PG).sql == (
        'UPDATE "t" SET "a" = covet_given.v0 FROM unnest($1::varchar[], $2::bigint[]) AS covet_given(v0, v1) '
        'WHERE "t"."id" = covet_given.v1'
    )
    with pytest.raises(NotSupportedError, match="update from arrays"):
        compile_statement(update, SQLITE)


def test_filter_of_an_aggregate_becomes_a_case_on_mysql() -> None:
    count = n.Func("COUNT", (n.Star(),), filter=n.Binary(">", ID, n.Bound(1)))

    assert "FILTER (WHERE" in compile_statement(s.Select((s.Output(count),), s.TableRef("t")), PG).sql
    assert (
        "COUNT(CASE WHEN `t`.`id` > %s THEN 1 END)"
        in compile_statement(s.Select((s.Output(count),), s.TableRef("t")), MARIADB).sql
    )


def test_nulls_last_without_the_words() -> None:
    last = n.Ordering(ID, descending=False, nulls="last")

    assert compile_statement(select(order_by=(last,)), PG).sql.endswith('ORDER BY "t"."id" NULLS LAST')
    assert compile_statement(select(order_by=(last,)), MARIADB).sql.endswith("ORDER BY `t`.`id` IS NULL, `t`.`id`")


def test_locks_that_a_server_does_not_have_are_refused_and_sqlite_needs_none() -> None:
    skip = select(lock=s.Lock(skip_locked=True))

    assert compile_statement(skip, PG).sql.endswith("FOR UPDATE SKIP LOCKED")
    assert "FOR UPDATE" not in compile_statement(skip, SQLITE).sql
    with pytest.raises(NotSupportedError, match="MariaDB cannot do this: select_for_update"):
        compile_statement(skip, MySQLDialect((10, 5, 1), is_mariadb=True))


def test_offset_alone() -> None:
    assert compile_statement(select(offset=n.Param(0)), PG).sql.endswith("OFFSET $1")
    assert compile_statement(select(offset=n.Param(0)), SQLITE).sql.endswith("LIMIT -1 OFFSET ?")
    assert compile_statement(select(offset=n.Param(0)), MARIADB).sql.endswith("LIMIT 18446744073709551615 OFFSET %s")


def test_members_of_a_union_with_a_limit_stay_together() -> None:
    union = s.Compound("UNION ALL", (select(limit=n.Param(0)), select()), limit=n.Param(1))

    assert compile_statement(union, PG).sql.startswith("(SELECT")
    assert compile_statement(union, SQLITE).sql.startswith("SELECT * FROM (SELECT")


def test_a_percent_sign_in_a_name_is_doubled_only_where_the_driver_formats_the_text() -> None:
    odd = s.Select(
        (s.Output(n.Column(None, "100%")),), s.TableRef("t"), where=n.Binary("=", n.Column(None, "a"), n.Param(0))
    )
    without = s.Select((s.Output(n.Column(None, "100%")),), s.TableRef("t"))

    assert "`100%%`" in compile_statement(odd, MARIADB).sql
    assert "`100%`" in compile_statement(without, MARIADB).sql
    assert '"100%"' in compile_statement(odd, PG).sql


def test_raw_sql_takes_its_values_in_order_and_counts_them() -> None:
    raw = n.Raw("a %% 2 = %s AND b = %s", (n.Bound(1), n.Param(0)))

    compiled = compile_statement(select(where=raw), PG)

    assert "WHERE a % 2 = $1::integer AND b = $2" in compiled.sql
    with pytest.raises(NotSupportedError, match="1 places"):
        compile_statement(select(where=n.Raw("a = %s", ())), PG)


def test_a_case_without_branches_is_its_default() -> None:
    assert compile_expression(n.Case((), n.Bound(3)), PG) == "3"


def test_empty_and_is_true_and_empty_or_is_false() -> None:
    assert compile_expression(n.And(()), PG) == "1 = 1"
    assert compile_expression(n.Or(()), PG) == "1 = 0"
    assert compile_expression(n.Not(n.Or(())), PG) == "NOT (1 = 0)"


def test_constants_in_ddl_are_literals_and_values_are_refused() -> None:
    check = n.Binary("<>", n.Column("t", "name"), n.Bound("it's"))

    assert compile_expression(check, PG) == "\"name\" <> 'it''s'"
    with pytest.raises(NotSupportedError, match="no values that come later"):
        compile_expression(n.Binary("=", ID, n.Param(0)), PG)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("part", sorted(PG.extract_parts))
def test_every_date_part_is_spelled_by_every_dialect(dialect: Any, part: str) -> None:
    func = n.Func(f"EXTRACT_{part}", (ID, n.Bound("Europe/Berlin")))

    assert compile_statement(s.Select((s.Output(func),), s.TableRef("t")), dialect).sql


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_unknown_date_part_is_named(dialect: Any) -> None:
    with pytest.raises(NotSupportedError, match="no date part 'decade'"):
        compile_statement(s.Select((s.Output(n.Func("EXTRACT_decade", (ID,))),)), dialect)


def test_an_update_from_a_query_of_the_same_table_is_wrapped_on_mysql() -> None:
    where = n.In(n.Column("t", "id"), select(limit=n.Param(0)))

    assert "SELECT * FROM (SELECT" in compile_statement(s.Delete("t", where), MARIADB).sql
    assert "SELECT * FROM" not in compile_statement(s.Delete("t", where), PG).sql


def test_walking_and_renaming_columns() -> None:
    node = n.And((n.Binary("=", n.Column(None, "a"), n.Bound(1)), n.IsNull(n.Func("LOWER", (n.Column("t", "b"),)))))

    assert columns_of(node) == {"a", "b"}
    assert columns_of(rename_columns(node, {"a": "c"})) == {"b", "c"}
    assert len(list(walk(node))) == 7
    assert rename_columns(node, {"x": "y"}) is node


@given(st.text(min_size=1))
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_quoted_name_cannot_be_left(dialect: Any, name: str) -> None:
    """Whatever the name, only the outer quotes stand alone."""
    if "\x00" in name:
        with pytest.raises(NotSupportedError):
            dialect.quote(name)
        return
    quoted = dialect.quote(name)
    mark = dialect.quote_char
    inner = quoted[1:-1]
    assert quoted[0] == quoted[-1] == mark
    assert mark not in inner.replace(mark * 2, "")


@given(st.text())
def test_escaped_like_text_has_no_bare_wildcards(text: str) -> None:
    escaped = escape_like(text)
    bare = escaped.replace("\\\\", "").replace("\\%", "").replace("\\_", "")
    assert "%" not in bare and "_" not in bare and "\\" not in bare
