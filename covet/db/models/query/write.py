"""Writes as plans: one-row inserts and updates, bulk inserts and updates in batches, updates and deletes by condition.

Text is compiled once per shape; values are gathered in the order of the fields. An expression among the values
(``F("views") + 1``) is part of the shape.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any

from covet.conf import settings
from covet.db.errors import StatementTooLong
from covet.db.models.expressions.leaves import SCALARS
from covet.db.models.fields.base import Field
from covet.db.models.fields.markers import DATABASE_DEFAULT
from covet.db.models.query.assemble import Assembler
from covet.db.models.query.lookups import reads_zone
from covet.db.models.query.plan import Query
from covet.db.sql import nodes as n
from covet.db.sql.compiler import Compiled, compile_statement
from covet.db.sql.statements import Assignment, BulkInsert, BulkUpdate, Conflict, Insert, Update
from covet.exceptions import FieldError
from covet.timezone import get_current_timezone

if TYPE_CHECKING:
    from covet.db.database import Database
    from covet.db.sql.dialect import Dialect

__all__ = [
    "Columns",
    "columns_of",
    "delete_where",
    "forget",
    "insert_many",
    "insert_row",
    "is_expression",
    "update_many",
    "update_row",
    "update_where",
]

#: Classes of values that are neither expressions nor markers; grows with what a project stores.
_PLAIN: set[type[Any]] = {*SCALARS, bool, type(None), dict, list, tuple, bytearray, memoryview}


def is_expression(value: Any) -> bool:
    """Whether a value is SQL to be, and not a value."""
    cls = value.__class__
    if cls in _PLAIN:
        return False
    if value is DATABASE_DEFAULT:
        return True
    if hasattr(cls, "resolve") and hasattr(cls, "shape"):
        return True
    if not hasattr(cls, "_meta"):
        _PLAIN.add(cls)
    return False


def _are_plain(values: Sequence[Any]) -> bool:
    return _PLAIN.issuperset(map(type, values)) or not any(map(is_expression, values))


class Columns:
    """Some columns of one table, and a generated function that lists an instance's values for them."""

    __slots__ = ("fields", "gather", "names")

    def __init__(self, fields: Sequence[Any], gather: Callable[[Any, bool], list[Any]]) -> None:
        self.fields = tuple(fields)
        self.names = tuple([field.attname for field in fields])
        self.gather = gather


def columns_of(fields: Sequence[Any]) -> Columns:
    """Return the columns of these fields; only fields with a ``pre_save`` of their own are called for a value."""
    names: dict[str, Any] = {}
    items = []
    for number, field in enumerate(fields):
        if not field.makes_value and field.attname.isidentifier():
            items.append(f"o.{field.attname}")
        else:
            names[f"p{number}"] = field.pre_save
            items.append(f"p{number}(o, add)")
    exec(f"def gather(o, add):\n return [{', '.join(items)}]", names)  # noqa: S102  # identifiers, checked above
    return Columns(fields, names["gather"])


class _Returned:
    """A compiled write and what comes back from it: the fields, and how each value becomes Python."""

    __slots__ = ("bind", "fields", "returns", "set", "together")

    def __init__(self, compiled: Compiled, fields: Sequence[Any], dialect: Any, together: Any = None) -> None:
        self.bind = compiled.bind
        #: Counts the inserts of this shape that are under way, and lets some share a statement; ``None`` where each goes alone.
        self.together = together
        self.returns = compiled.returning
        self.fields = tuple(fields)
        #: Puts the values that the database made on an instance.
        self.set = _setter(fields, dialect)


def _setter(fields: Sequence[Any], dialect: Any) -> Callable[[Any, Sequence[Any]], None]:
    """Return a generated function that puts the values of a row on an instance."""
    names: dict[str, Any] = {}
    lines = []
    for number, field in enumerate(fields):
        convert = field.converter(dialect)
        value = f"row[{number}]"
        if convert is not None:
            names[f"c{number}"] = convert
            value = f"c{number}({value})"
        is_name = field.attname.isidentifier()
        lines.append(f" o.{field.attname} = {value}" if is_name else f" setattr(o, {field.attname!r}, {value})")
    exec("\n".join(["def set(o, row):", *lines, " return"]), names)  # noqa: S102  # identifiers and literals
    return names["set"]  # type: ignore[no-any-return]  # made above


# ── one row


async def insert_row(model: Any, instance: Any, columns: Columns, values: Sequence[Any], database: Database) -> None:
    """Insert one row of ``model``'s own table and put on the instance what the database made."""
    shapes: Hashable = None
    arguments: Sequence[Any] = values
    # ``_are_plain``, written out: a call less for each row.
    if not _PLAIN.issuperset(map(type, values)) and any(map(is_expression, values)):
        arguments, shapes = _shaped(values)
    key = ("insert", model, columns.names, shapes)
    plan: _Returned | None = database.statements.get(key)
    if plan is None:
        plan = _compile_insert(model, columns.fields, values, database, takes_all=shapes is None)
        database.statements[key] = plan
    sql, args = plan.bind(arguments)
    together = plan.together
    if together is None:
        rows, last_id = await database.insert(sql, args)
    elif (room := together.room) < 1:
        rows, last_id = await together.insert(database, sql, args)
    else:
        together.room = room - 1
        try:
            rows, last_id = await database.insert(sql, args)
        finally:
            together.room += 1
    if plan.returns:
        if rows:
            plan.set(instance, rows[0])
        return
    _without_returning(model, instance, plan.fields, last_id)


def _shaped(values: Sequence[Any]) -> tuple[list[Any], Hashable]:
    """Return the run-time values of a list that holds expressions, and what the SQL depends on."""
    arguments: list[Any] = []
    shapes = tuple([_value_shape(value, arguments) for value in values])
    return arguments, shapes


def _compile_insert(
    model: Any, fields: Sequence[Any], values: Sequence[Any], database: Database, *, takes_all: bool
) -> _Returned:
    computed = [field for field, value in zip(fields, values, strict=True) if is_expression(value)]
    returning = tuple(dict.fromkeys((*model._meta.db_returning_fields, *computed)))
    statement = Insert(
        model._meta.db_table,
        tuple([field.column for field in fields]),
        (_insert_nodes(model, fields, values, database),),
        tuple([field.column for field in returning]),
    )
    compiled = compile_statement(statement, database.dialect, takes_all=takes_all)
    together = database.driver.together(statement, compiled.sql) if takes_all else None
    return _Returned(compiled, returning, database.dialect, together)


def _without_returning(model: Any, instance: Any, fields: Sequence[Any], last_id: int | None) -> None:
    """Set the key that the driver told; what else the database made is unknown now, so it is deferred."""
    for field in fields:
        if field is model._meta.auto_field:
            value = instance.__dict__.get(field.attname)
            if value is None or value is DATABASE_DEFAULT:
                setattr(instance, field.attname, last_id)
        else:
            forget(instance, field)


def forget(instance: Any, field: Any) -> None:
    """Leave out a value that the database made and did not tell; other than a deferred one, ``refresh_from_db`` reads it."""
    own = instance.__dict__
    own.pop(field.attname, None)
    own["_untold"] = {*own.get("_untold", ()), field.attname}
    instance._state.partial = True


def _value_shape(value: Any, values: list[Any]) -> Hashable:
    if value is DATABASE_DEFAULT:
        return "default"
    if is_expression(value):
        # Its names may read parts of moments, which are other ones in another time zone.
        return (value.shape(values), str(get_current_timezone()) if reads_zone(value) else None)
    values.append(value)
    return None


def _insert_nodes(
    model: Any, fields: Sequence[Field[Any]], values: Sequence[Any], database: Database
) -> tuple[n.Node, ...]:
    builder = _InsertScope(Query(model), database.dialect)
    return tuple([_node(builder, field, value) for field, value in zip(fields, values, strict=True)])


class _InsertScope(Assembler):
    """The scope of an insert: there is no row yet whose columns an expression could read."""

    def ref(self, name: str) -> Any:
        raise FieldError(f"F('{name}') cannot be used in an INSERT: there is no row yet to read it from.", name=name)


def _node(builder: Assembler, field: Field[Any], value: Any) -> n.Node:
    if value is DATABASE_DEFAULT:
        if builder.dialect.has_default_keyword or not is_expression(field.db_default):
            return (
                n.Keyword("DEFAULT")
                if builder.dialect.has_default_keyword
                else n.Bound(field.db_default, field.column_type())
            )
        return field.db_default.resolve(builder).node  # type: ignore[no-any-return]  # expressions are untyped here
    if is_expression(value):
        return field.written_node(value.resolve(builder))
    return builder.param(value, field)


async def update_row(
    model: Any,
    instance: Any,
    columns: Columns,
    values: list[Any],
    key: Any,
    database: Database,
    *,
    version: tuple[Any, Any] | None = None,
) -> bool:
    """Update the row of ``model``'s own table with that key; return whether there was one.

    Args:
        model: The model whose table it is.
        instance: What is written; it gets what the database computes.
        columns: The columns to write.
        values: Their values.
        key: The key of the row.
        database: The database.
        version: A field that the row must hold this value in; its column is among those written.
    """
    shapes: Hashable = None
    arguments = values
    # ``_are_plain``, written out: a call less for each row.
    if not _PLAIN.issuperset(map(type, values)) and any(map(is_expression, values)):
        arguments, shapes = _shaped(values)
    cache_key = ("update_row", model, columns.names, shapes)
    plan: _Returned | None = database.statements.get(cache_key)
    if plan is None:
        plan = _compile_update(model, columns.fields, values, database, version, takes_all=shapes is None)
        database.statements[cache_key] = plan
    keys = key if model._meta.pk.is_composite else (key,)
    sql, args = plan.bind([*arguments, *keys] if version is None else [*arguments, *keys, version[1]])
    if plan.returns:
        rows, _last_id = await database.insert(sql, args)
        if rows:
            plan.set(instance, rows[0])
        return bool(rows)
    found = await database.execute(sql, args) > 0
    for field in plan.fields:
        # The value is known to the database alone: reading it again must not repeat the expression.
        forget(instance, field)
    return found


def _compile_update(
    model: Any,
    fields: Sequence[Any],
    values: Sequence[Any],
    database: Database,
    version: Any = None,
    *,
    takes_all: bool,
) -> _Returned:
    meta = model._meta
    computed = [field for field, value in zip(fields, values, strict=True) if is_expression(value)]
    returning = (*computed, *[field for field in meta.db_returning_fields if field.generated])
    builder = Assembler(Query(model), database.dialect, update=True)
    pairs = tuple(
        [Assignment(field.column, _node(builder, field, value)) for field, value in zip(fields, values, strict=True)]
    )
    where = _key_is(meta, builder)
    if version is not None:
        field, value = version
        where = n.And((where, n.Binary("=", n.Column(None, field.column), builder.param(value, field))))
    statement = Update(meta.db_table, pairs, where, tuple([field.column for field in returning]))
    compiled = compile_statement(statement, database.dialect, takes_all=takes_all)
    return _Returned(compiled, returning, database.dialect)


def _key_is(meta: Any, builder: Assembler) -> n.Node:
    """Return the condition that the key is the one given, by the next parameters."""
    parts: list[n.Node] = [
        n.Binary("=", n.Column(None, field.column), builder.param(None, field)) for field in meta.pk_fields
    ]
    return parts[0] if len(parts) == 1 else n.And(tuple(parts))


# ── by condition


async def update_where(query: Query, assignments: Sequence[tuple[Field[Any], Any]], database: Database) -> int:
    """Update the rows of a query; return how many there were."""
    if query.is_empty:
        return 0
    values = list(query.all_values())
    start = len(values)
    shapes: list[Hashable] = []
    for field, value in assignments:
        if value is None:
            shapes.append((field.attname, "null"))
        else:
            shapes.append((field.attname, _value_shape(value, values)))
    key = ("update", query.key(), tuple(shapes), settings.QUERY_OPTIMIZER)
    plan = database.statements.get(key)
    if plan is None:
        statement, empty = Assembler(query, database.dialect, alias=database.alias).update(assignments, start)
        plan = (compile_statement(statement, database.dialect).bind, empty)
        database.statements[key] = plan
    if plan[1]:
        return 0
    sql, args = plan[0](values)
    return await database.execute(sql, args)


async def delete_where(query: Query, database: Database) -> int:
    """Delete the rows of a query, and nothing else; return how many there were."""
    if query.is_empty:
        return 0
    key = ("delete", query.key(), settings.QUERY_OPTIMIZER)
    plan = database.statements.get(key)
    if plan is None:
        statement, empty = Assembler(query, database.dialect, alias=database.alias).delete()
        plan = (compile_statement(statement, database.dialect).bind, empty)
        database.statements[key] = plan
    if plan[1]:
        return 0
    sql, args = plan[0](query.all_values())
    return await database.execute(sql, args)


# ── many rows


async def insert_many(
    model: Any,
    rows: Sequence[Sequence[Any]],
    fields: Sequence[Field[Any]],
    database: Database,
    *,
    returning: Sequence[Any] = (),
    conflict: Conflict | None = None,
    batch_size: int | None = None,
) -> list[Sequence[Any] | None]:
    """Insert rows in as few statements as the database allows.

    Returns:
        For each row the values of ``returning``, converted; ``None`` where the database did not tell.
    """
    found: list[Sequence[Any] | None] = []
    plain = all(map(_are_plain, rows))
    unnest = plain and bool(fields) and database.dialect.has_unnest_insert
    size = len(rows) if unnest else max(database.dialect.max_params // max(len(fields), 1), 1)
    if not fields and len(rows) > 1:
        size = 1  # no SQL inserts several rows of defaults
    if batch_size is not None:
        size = min(size, batch_size)
    for start in range(0, len(rows), max(size, 1)):
        part = rows[start : start + size]
        if unnest:
            sql, args, converters, returns = _unnest(model, part, fields, database, returning, conflict)
        else:
            sql, args, converters, returns = _rows(model, part, fields, database, returning, conflict)
        try:
            if not returns:
                found += await _insert_untold(sql, args, part, model, database, returning, conflict)
                continue
            told, _last_id = await database.insert(sql, args)
        except StatementTooLong:
            # The driver of MySQL and MariaDB knows it before it sends anything.
            if len(part) == 1:
                raise
            half = (len(part) + 1) // 2
            found += await insert_many(
                model, part, fields, database, returning=returning, conflict=conflict, batch_size=half
            )
            continue
        converted: list[Sequence[Any] | None] = [
            [value if convert is None else convert(value) for convert, value in zip(converters, row, strict=True)]
            for row in told
        ]
        if len(converted) < len(part):
            # Rows that were in conflict are not told, so nobody knows which ones these are.
            converted = [None] * len(part)
        found += converted
    return found


async def _insert_untold(
    sql: str,
    args: Sequence[Any],
    part: Sequence[Sequence[Any]],
    model: Any,
    database: Database,
    returning: Sequence[Any],
    conflict: Conflict | None,
) -> list[Sequence[Any] | None]:
    """Insert without RETURNING: MySQL tells the first key, and so all of them where there is one row."""
    _rows_told, last_id = await database.insert(sql, args)
    auto = model._meta.auto_field
    if conflict is None and last_id and len(returning) == 1 and returning[0] is auto and len(part) == 1:
        return [[last_id]]
    return [None] * len(part)


def _unnest(
    model: Any,
    rows: Sequence[Sequence[Any]],
    fields: Sequence[Field[Any]],
    database: Database,
    returning: Sequence[Any],
    conflict: Conflict | None,
) -> tuple[str, list[Any], tuple[Any, ...], bool]:
    """Return one constant statement for any number of rows: each column travels as one array."""
    key = (
        "insert_many",
        model,
        tuple([field.attname for field in fields]),
        tuple([f.attname for f in returning]),
        conflict,
    )
    plan = database.statements.get(key)
    dialect = database.dialect
    if plan is None:
        params = tuple(
            [
                n.Param(slot, _each(field.adapter(dialect)), field.column_type(), many=True)
                for slot, field in enumerate(fields)
            ]
        )
        statement = BulkInsert(
            model._meta.db_table,
            tuple([field.column for field in fields]),
            params,
            tuple([field.column for field in returning]),
            conflict,
        )
        plan = database.statements[key] = _insert_plan(statement, returning, dialect)
    bind, converters, returns = plan
    sql, args = bind(list(zip(*rows, strict=True)))
    return sql, args, converters, returns


def _insert_plan(statement: Insert | BulkInsert, returning: Sequence[Any], dialect: Dialect) -> tuple[Any, ...]:
    """Return what binds the values of an insert, what reads the columns that it returns, and whether it does."""
    compiled = compile_statement(statement, dialect)
    return compiled.bind, tuple([field.converter(dialect) for field in returning]), compiled.returning


def _each(adapt: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    return (lambda value: value) if adapt is None else adapt


def _rows(
    model: Any,
    rows: Sequence[Sequence[Any]],
    fields: Sequence[Field[Any]],
    database: Database,
    returning: Sequence[Any],
    conflict: Conflict | None,
) -> tuple[str, list[Any], tuple[Any, ...], bool]:
    """Return one statement with a list of values for each row."""
    values: list[Any] = []
    shapes = None
    if all(map(_are_plain, rows)):
        for row in rows:
            values += row
    else:
        shapes = tuple([tuple([_value_shape(value, values) for value in row]) for row in rows])
    names = tuple([field.attname for field in fields])
    key = ("insert_rows", model, names, tuple([f.attname for f in returning]), conflict, len(rows), shapes)
    plan = database.statements.get(key)
    dialect = database.dialect
    if plan is None:
        builder = _InsertScope(Query(model), dialect)
        nodes = tuple(
            [tuple([_node(builder, field, value) for field, value in zip(fields, row, strict=True)]) for row in rows]
        )
        statement = Insert(
            model._meta.db_table,
            tuple([field.column for field in fields]),
            nodes,
            tuple([field.column for field in returning]),
            conflict,
        )
        plan = database.statements[key] = _insert_plan(statement, returning, dialect)
    bind, converters, returns = plan
    sql, args = bind(values)
    return sql, args, converters, returns


async def update_many(
    model: Any, rows: Sequence[tuple[Any, Sequence[Any]]], fields: Sequence[Field[Any]], database: Database
) -> int:
    """Update rows by key, each with values of its own: from arrays, or by one prepared statement run for all of them.

    Rows that hold expressions are updated one by one. Returns how many rows there were.

    Args:
        model: The model whose table it is.
        rows: The key and the values of each row.
        fields: The fields, in the order of the values.
        database: The database.
    """
    plain = [row for row in rows if _are_plain(row[1])]
    total = 0
    if plain and database.dialect.has_unnest_insert:
        total = await _update_from_arrays(model, plain, fields, database)
    elif plain:
        sql, _args, bind = _update_text(model, fields, plain[0], database)
        wide = model._meta.pk.is_composite
        arguments = [bind([*values, *(key if wide else (key,))])[1] for key, values in plain]
        again = _may_be_one_row([key for key, _ in plain])
        if again:
            arguments.reverse()  # of two for one row the first counts
        told = await database.execute_many(sql, arguments)
        if told is None or again:
            told = await model._base_manager.using(database.alias).filter(pk__in=[key for key, _ in plain]).count()
        total = told
    for key, values in rows:
        if not _are_plain(values):
            query = Query(model).filtered((), {"pk": key}, negate=False, where="bulk_update")
            total += await update_where(query, list(zip(fields, values, strict=True)), database)
    return total


def _may_be_one_row(keys: Sequence[Any]) -> bool:
    """Whether two texts among the keys may be one to the database, whose collation may know no case, accents or end of spaces."""
    texts = [key for key in keys if isinstance(key, (str, tuple))]
    return len(set(map(_folded, texts))) < len(texts)


def _folded(key: Any) -> Any:
    if isinstance(key, tuple):
        return tuple(map(_folded, key))
    if not isinstance(key, str) or (key.isascii() and key.islower() and not key.endswith(" ")):
        return key
    plain = [sign for sign in unicodedata.normalize("NFKD", key.casefold()) if not unicodedata.combining(sign)]
    return "".join(plain).rstrip(" ")


async def _update_from_arrays(
    model: Any, rows: Sequence[tuple[Any, Sequence[Any]]], fields: Sequence[Field[Any]], database: Database
) -> int:
    """Update rows by one constant statement, each column as one array: a tenth of the server's work for many rows."""
    meta = model._meta
    key = ("update_arrays", model, tuple([field.attname for field in fields]))
    bind = database.statements.get(key)
    if bind is None:
        written = [*fields, *meta.pk_fields]
        params = tuple(
            [
                n.Param(slot, _each(field.adapter(database.dialect)), field.column_type(), many=True)
                for slot, field in enumerate(written)
            ]
        )
        columns = tuple([field.column for field in fields])
        keys = tuple([field.column for field in meta.pk_fields])
        bind = compile_statement(BulkUpdate(meta.db_table, columns, keys, params), database.dialect).bind
        database.statements[key] = bind
    values = list(zip(*[row[1] for row in rows], strict=True))
    if len(meta.pk_fields) > 1:
        values += zip(*[row[0] for row in rows], strict=True)
    else:
        values.append(tuple([row[0] for row in rows]))
    sql, args = bind(values)
    return await database.execute(sql, args)


def _update_text(
    model: Any, fields: Sequence[Field[Any]], row: tuple[Any, Sequence[Any]], database: Database
) -> tuple[str, list[Any], Callable[[Sequence[Any]], tuple[str, list[Any]]]]:
    meta = model._meta
    key = ("update_many", model, tuple([field.attname for field in fields]))
    bind = database.statements.get(key)
    if bind is None:
        builder = Assembler(Query(model), database.dialect, update=True)
        pairs = tuple([Assignment(field.column, builder.param(None, field)) for field in fields])
        where = _key_is(meta, builder)
        bind = compile_statement(Update(meta.db_table, pairs, where), database.dialect).bind
        database.statements[key] = bind
    sql, args = bind([*row[1], *(row[0] if meta.pk.is_composite else (row[0],))])
    return sql, args, bind
