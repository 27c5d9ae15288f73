"""A statement to SQL text and the order of its values; no database is needed, so tests compare text.

The result is kept by shape: ``Compiled.bind(values)`` is generated code that picks the run-time values, adapts them and
puts the constants between them, in one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from msgspec.structs import replace

from covet import json
from covet.db.errors import NotSupportedError
from covet.db.sql.beyond import Beyond, OutOfLimits, adapter_of
from covet.db.sql.dialect import AS_IS, Dialect, unsupported
from covet.db.sql.expressions import PLACE, Bind, Writer
from covet.db.sql.nodes import Exists, Node, Ordering, Param, Raw, Subquery
from covet.db.sql.statements import (
    BulkInsert,
    BulkUpdate,
    Compound,
    Delete,
    Insert,
    Select,
    Statement,
    TableRef,
    Update,
)

__all__ = ["Compiled", "compile_expression", "compile_statement"]

Binder: TypeAlias = Callable[[Sequence[Any]], "tuple[str, list[Any]]"]

# Beyond this many values a list travels to SQLite as one JSON text.
_LONG_LIST = 500
_JSON_KINDS = frozenset(
    ("smallint", "integer", "bigint", "char", "varchar", "text", "uuid", "date", "datetime", "time", "decimal", "float")
)


class Compiled:
    """A compiled statement.

    Attributes:
        sql: The text; where ``expands`` is true, a text with a place for each list, which ``bind`` fills in.
        binds: The values in driver order.
        expands: The text depends on how many values a list holds (databases without arrays).
        returning: Rows come back from an insert, update or delete.
        bind: ``bind(values) -> (sql, args)``: the finished text and the driver's arguments. Always right.
    """

    __slots__ = ("bind", "binds", "expands", "returning", "sql")

    def __init__(
        self,
        sql: str,
        binds: Sequence[Bind],
        dialect: Dialect,
        *,
        returning: bool = False,
        beyond: Binder | None = None,
        takes_all: bool = False,
    ) -> None:
        if not binds and dialect.doubles_percent:
            # Without values the driver does not format the text.
            sql = sql.replace("%%", "%")
        self.binds = tuple(binds)
        self.returning = returning
        self.expands = not dialect.has_array_any and any(bind.many for bind in binds)
        pieces = [sql] if dialect.reuses_placeholders else sql.split(PLACE)
        if not dialect.reuses_placeholders and len(pieces) != len(binds) + 1:
            raise NotSupportedError("An expression of this statement repeats or drops one of its values.", sql=sql)
        self.sql = pieces[0] + "".join(dialect.placeholder(i) + piece for i, piece in enumerate(pieces[1:], 1))
        self.bind: Binder = (
            _expanding(pieces, self.binds, dialect, beyond)
            if self.expands
            else _fixed(self.sql, self.binds, beyond, takes_all=takes_all)
        )

    def args(self, values: Sequence[Any]) -> list[Any]:
        """Return the driver's arguments; where the text ``expands``, use ``bind``, which returns the text as well."""
        return self.bind(values)[1]

    def taken_as_is(self) -> tuple[type[Any] | None, int | None, int | None]:
        """Return which values the one place of the statement takes as they are: their class, and the least and the greatest number.

        No class where there are none, or where it has more places than one.
        """
        if len(self.binds) != 1 or self.expands:
            return None, None, None
        (bind,) = self.binds
        if bind.slot is None or bind.many:
            return None, None, None
        if bind.limits is not None:
            return (int, bind.limits.low, bind.limits.high) if bind.limits.as_is else (None, None, None)
        method = getattr(bind.adapt, "__func__", None)
        return (None if method is None else AS_IS.get(method)), None, None

    def __repr__(self) -> str:
        return f"Compiled({self.sql!r})"


def compile_statement(statement: Statement, dialect: Dialect, *, takes_all: bool = False) -> Compiled:
    """Return the statement as this database's text, with the order of its values.

    Args:
        statement: The statement.
        dialect: The database's dialect.
        takes_all: The values that it will get are those of its slots and no others, as for the row of an insert.
    """
    writer = Writer(dialect, _query)
    writer.in_write = isinstance(statement, (Update, Delete))
    sql, returning = _STATEMENTS[type(statement)](statement, writer)
    beyond = None
    if any(bind.limits is not None for bind in writer.binds):
        beyond = Beyond(statement, lambda other: compile_statement(other, dialect).bind)
    return Compiled(sql, writer.binds, dialect, returning=returning, beyond=beyond, takes_all=takes_all)


def compile_expression(node: Node, dialect: Dialect) -> str:
    """Return a constant expression as text with its constants as literals: for defaults, checks and indexes."""
    return Writer(dialect, _query, inline=True, bare=True).condition(node)


# Queries


def _query(query: Select | Compound, writer: Writer) -> str:
    return _select(query, writer) if isinstance(query, Select) else _compound(query, writer)


def _table(table: TableRef, writer: Writer) -> str:
    quote = writer.dialect.quote
    if isinstance(table.name, str):
        text = quote(table.name)
        return text if table.alias is None or table.alias == table.name else f"{text} AS {quote(table.alias)}"
    return f"({_query(table.name, writer)}) AS {quote(table.alias or 'subquery')}"


def _select(select: Select, writer: Writer) -> str:
    dialect = writer.dialect
    quote = dialect.quote
    parts: list[str] = []
    if select.ctes:
        recursive = "RECURSIVE " if any(cte.recursive for cte in select.ctes) else ""
        queries = ", ".join([f"{quote(cte.name)} AS ({_query(cte.query, writer)})" for cte in select.ctes])
        parts.append(f"WITH {recursive}{queries} ")
    parts.append("SELECT ")
    if select.distinct_on:
        if not dialect.has_distinct_on:
            raise unsupported("distinct() with field names (DISTINCT ON)", dialect)
        parts.append(f"DISTINCT ON ({writer.list(select.distinct_on)}) ")
    elif select.distinct:
        parts.append("DISTINCT ")
    outputs = [
        writer(output.expression) + (f" AS {quote(output.alias)}" if output.alias is not None else "")
        for output in select.outputs
    ]
    parts.append(", ".join(outputs) or "1")
    if select.source is not None:
        parts.append(f" FROM {_table(select.source, writer)}")
    for join in select.joins:
        parts.append(f" {join.kind} JOIN {_table(join.table, writer)} ON {writer.condition(join.on)}")
    if select.where is not None:
        parts.append(f" WHERE {writer.condition(select.where)}")
    if select.group_by:
        parts.append(f" GROUP BY {writer.list(select.group_by)}")
    if select.having is not None:
        parts.append(f" HAVING {writer.condition(select.having)}")
    if select.order_by:
        order = (
            select.order_by
            if dialect.reaches_out_in_order
            else tuple([_by_place(one, select) for one in select.order_by])
        )
        parts.append(f" ORDER BY {writer.list(order)}")
    parts.append(_limit(select, writer))
    if select.lock is not None:
        parts.append(dialect.lock(select.lock))
    return "".join(parts)


def _by_place(item: Node, select: Select) -> Node:
    """Return an item of the order by the place of the column that it repeats, where that is a query of its own."""
    if isinstance(item, Ordering) and isinstance(item.operand, Subquery | Exists):
        for place, output in enumerate(select.outputs, 1):
            if output.expression == item.operand:
                return replace(item, operand=Raw(str(place)))
    return item


def _limit(query: Select | Compound, writer: Writer) -> str:
    limit = None if query.limit is None else writer.plain(query.limit)
    offset = None if query.offset is None else writer.plain(query.offset)
    return writer.dialect.limit(limit, offset)


def _compound(compound: Compound, writer: Writer) -> str:
    dialect = writer.dialect
    op = compound.op.upper()
    if op.startswith(("INTERSECT", "EXCEPT")) and not dialect.has_intersect:
        raise unsupported(f"{op} of queries", dialect)
    texts = []
    for query in compound.queries:
        text = _query(query, writer)
        if dialect.has_compound_brackets:
            text = f"({text})"
        elif isinstance(query, Compound) or query.order_by or query.limit is not None or query.ctes:
            # SQLite takes no brackets round a member; a derived table keeps its order, limit or own members together.
            text = f"SELECT * FROM ({text})"
        texts.append(text)
    order = f" ORDER BY {writer.list(compound.order_by)}" if compound.order_by else ""
    return f" {op} ".join(texts) + order + _limit(compound, writer)


# Writes


def _returning(columns: Sequence[str], has: bool, writer: Writer) -> tuple[str, bool]:
    if not columns or not has:
        return "", False
    return f" RETURNING {', '.join([writer.dialect.quote(name) for name in columns])}", True


def _insert(insert: Insert, writer: Writer) -> tuple[str, bool]:
    dialect = writer.dialect
    quote = dialect.quote
    returning, returns = _returning(insert.returning, dialect.has_returning, writer)
    head = f"INSERT INTO {quote(insert.table)} "
    if not insert.columns:
        if len(insert.rows) > 1:
            raise NotSupportedError("Several rows without any column cannot be inserted by one statement.")
        body = "DEFAULT VALUES" if dialect.has_default_values else "() VALUES ()"
        return head + body + returning, returns
    rows = ", ".join([f"({', '.join([writer.plain(value) for value in row])})" for row in insert.rows])
    text = f"{head}({', '.join([quote(name) for name in insert.columns])}) VALUES {rows}"
    if insert.conflict is not None:
        text += dialect.conflict(insert.conflict, insert.columns)
    return text + returning, returns


def _named(params: Sequence[Param]) -> str:
    return f"covet_given({', '.join([f'v{number}' for number in range(len(params))])})"


def _arrays(params: Sequence[Param], writer: Writer) -> tuple[str, list[str]]:
    """Return the ``unnest`` of the columns of many rows, and what gives each column of such a row as ``covet_given``."""
    dialect = writer.dialect
    arrays, columns = [], []
    for number, param in enumerate(params):
        if param.type is None or not param.many:
            raise NotSupportedError("A statement of many rows needs params with many=True and a type.")
        sent = dialect.column_of_many(param)
        assert sent.type is not None
        arrays.append(f"{writer(sent)}::{dialect.cast_type(sent.type)}[]")
        columns.append(f"covet_given.v{number}{'' if sent is param else f'::{dialect.cast_type(param.type)}'}")
    return f"unnest({', '.join(arrays)})", columns


def _bulk_insert(insert: BulkInsert, writer: Writer) -> tuple[str, bool]:
    dialect = writer.dialect
    if not dialect.has_unnest_insert:
        raise unsupported("an insert from arrays; use Insert with rows", dialect)
    quote = dialect.quote
    given, values = _arrays(insert.params, writer)
    columns = ", ".join([quote(name) for name in insert.columns])
    rows = f"SELECT * FROM {given}"
    if any("::" in value for value in values):
        rows = f"SELECT {', '.join(values)} FROM {given} AS {_named(insert.params)}"
    text = f"INSERT INTO {quote(insert.table)} ({columns}) {rows}"
    if insert.conflict is not None:
        text += dialect.conflict(insert.conflict, insert.columns)
    returning, returns = _returning(insert.returning, dialect.has_returning, writer)
    return text + returning, returns


def _update(update: Update, writer: Writer) -> tuple[str, bool]:
    dialect = writer.dialect
    quote = dialect.quote
    alias = f" AS {quote(update.alias)}" if update.alias is not None and update.alias != update.table else ""
    pairs = ", ".join([f"{quote(item.column)} = {writer.plain(item.value)}" for item in update.assignments])
    text = f"UPDATE {quote(update.table)}{alias} SET {pairs}"
    if update.where is not None:
        text += f" WHERE {writer.condition(update.where)}"
    returning, returns = _returning(update.returning, dialect.has_update_returning, writer)
    return text + returning, returns


def _bulk_update(update: BulkUpdate, writer: Writer) -> tuple[str, bool]:
    dialect = writer.dialect
    if not dialect.has_unnest_insert:
        raise unsupported("an update from arrays; use Update once for each row", dialect)
    quote = dialect.quote
    table = quote(update.table)
    given, values = _arrays(update.params, writer)
    pairs = ", ".join([f"{quote(column)} = {value}" for column, value in zip(update.columns, values, strict=False)])
    found = zip(update.keys, values[len(update.columns) :], strict=True)
    where = " AND ".join([f"{table}.{quote(key)} = {value}" for key, value in found])
    return f"UPDATE {table} SET {pairs} FROM {given} AS {_named(update.params)} WHERE {where}", False


def _delete(delete: Delete, writer: Writer) -> tuple[str, bool]:
    dialect = writer.dialect
    quote = dialect.quote
    table = quote(delete.table)
    if delete.alias is None or delete.alias == delete.table:
        text = f"DELETE FROM {table}"
    elif dialect.vendor == "mysql":
        text = f"DELETE {quote(delete.alias)} FROM {table} AS {quote(delete.alias)}"
    else:
        text = f"DELETE FROM {table} AS {quote(delete.alias)}"
    if delete.where is not None:
        text += f" WHERE {writer.condition(delete.where)}"
    returning, returns = _returning(delete.returning, dialect.has_delete_returning, writer)
    return text + returning, returns


_STATEMENTS: dict[type[Any], Callable[[Any, Writer], tuple[str, bool]]] = {
    Select: lambda query, writer: (_select(query, writer), False),
    Compound: lambda query, writer: (_compound(query, writer), False),
    Insert: _insert,
    BulkInsert: _bulk_insert,
    Update: _update,
    BulkUpdate: _bulk_update,
    Delete: _delete,
}


# Values

# Rows of more columns than this are read by position: a function should not have names without end.
_MOST_NAMES = 250


def _fixed(sql: str, binds: Sequence[Bind], beyond: Binder | None, *, takes_all: bool) -> Binder:
    """Generate ``bind`` for a text that never changes: a list display is several times faster than a loop."""
    names: dict[str, Any] = {"sql": sql, "beyond": beyond, "OutOfLimits": OutOfLimits}
    slots = [bind.slot for bind in binds if bind.slot is not None]
    # One unpacking is faster than a look-up for each value.
    unpacks = takes_all and 0 < len(slots) <= _MOST_NAMES and sorted(slots) == list(range(len(slots)))
    items = [_value(number, bind, names, is_named=unpacks) for number, bind in enumerate(binds)]
    code = f"return sql, [{', '.join(items)}]"
    if unpacks:
        code = f"{''.join(f'v{slot}, ' for slot in range(len(slots)))}= values; {code}"
    if beyond is not None:
        code = f"try:\n        {code}\n    except OutOfLimits:\n        return beyond(values)"
    exec(f"def bind(values):\n    {code}", names)  # noqa: S102  # only names made above
    return names["bind"]  # type: ignore[no-any-return]  # the function defined one line above


def _value(number: int, bind: Bind, names: dict[str, Any], *, is_named: bool) -> str:
    """Return the code of one value of ``bind``, which may have a name already, and add the names that it needs."""
    if bind.slot is None:
        names[f"c{number}"] = bind.value
        return f"c{number}"
    value = f"v{bind.slot}" if is_named else f"values[{bind.slot}]"
    v, first = (value, value) if is_named else ("v", f"(v := {value})")
    adapt = adapter_of(bind)
    if adapt is None:
        return f"list({value})" if bind.many else value
    names[f"a{number}"] = adapt
    if bind.limits is not None and bind.limits.as_is:
        # Keys and other whole numbers are what most look-ups take: two comparisons here, in place of a call.
        low, high = bind.limits.low, bind.limits.high
        if bind.many:
            return f"[v if v.__class__ is int and {low} <= v <= {high} else a{number}(v) for v in {value}]"
        return f"{v} if {first}.__class__ is int and {low} <= {v} <= {high} else a{number}({v})"
    method = getattr(adapt, "__func__", None)
    plain = None if method is None else AS_IS.get(method)
    if plain is not None and not bind.many:
        names[plain.__name__] = plain
        return f"{v} if {first}.__class__ is {plain.__name__} or {v} is None else a{number}({v})"
    return f"[a{number}(item) for item in {value}]" if bind.many else f"a{number}({value})"


def _expanding(pieces: Sequence[str], binds: Sequence[Bind], dialect: Dialect, beyond: Binder | None) -> Binder:
    """Return ``bind`` for a text whose lists get one placeholder for each value."""
    adapters = [adapter_of(bind) for bind in binds]

    def bind(values: Sequence[Any]) -> tuple[str, list[Any]]:
        text = [pieces[0]]
        args: list[Any] = []
        total = sum(len(values[item.slot]) for item in binds if item.many and item.slot is not None)
        for item, adapt, piece in zip(binds, adapters, pieces[1:], strict=True):
            value = item.value if item.slot is None else values[item.slot]
            if not item.many:
                args.append(value if adapt is None or item.slot is None else adapt(value))
                text += [dialect.placeholder(len(args)), piece]
                continue
            found = list(value) if adapt is None else [adapt(one) for one in value]
            text += [_spell_list(found, item, total, args, dialect), piece]
        return "".join(text), args

    if beyond is None:
        return bind

    def checked(values: Sequence[Any]) -> tuple[str, list[Any]]:
        try:
            return bind(values)
        except OutOfLimits:
            return beyond(values)

    return checked


def _spell_list(found: list[Any], item: Bind, total: int, args: list[Any], dialect: Dialect) -> str:
    if not found:
        return "SELECT NULL FROM (SELECT 1 AS covet_none) AS covet_empty WHERE 1 = 0"
    if total > _LONG_LIST and dialect.vendor == "sqlite" and item.type is not None and item.type.kind in _JSON_KINDS:
        args.append(json.dumps(found).decode())
        value = "value" if item.each is None else item.each.format("value")
        return f"SELECT {value} FROM json_each({dialect.placeholder(len(args))})"
    if len(args) + len(found) > dialect.max_params:
        raise NotSupportedError(f"{dialect.title} takes at most {dialect.max_params} values in one statement.")
    marks = []
    for value in found:
        args.append(value)
        mark = dialect.placeholder(len(args))
        marks.append(mark if item.each is None else item.each.format(mark))
    return ", ".join(marks)
