"""Queries to results: find the compiled statement by shape, gather the values, ask the database, make rows.

Hot: ``fetch`` and ``get_one`` are what every read runs. Everything else happens once per shape.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from covet.conf import settings
from covet.db.connections import DEFAULT_ALIAS, connections
from covet.db.errors import TransactionManagementError
from covet.db.freshness import freshness
from covet.db.models.expressions.leaves import SCALARS
from covet.db.models.fields.registration import lookup_watchers
from covet.db.models.query.assemble import Assembler, Rows
from covet.db.models.query.hydrate import converters, instances, is_plain, records, single
from covet.db.models.query.names import optimizer
from covet.db.models.query.plan import Query
from covet.db.models.signals import post_init
from covet.db.routers import router
from covet.db.sql import nodes as n
from covet.db.sql.compiler import Compiled, compile_statement
from covet.db.sql.statements import Compound, Select
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.db import stores
    from covet.db.database import Database
    from covet.db.models.query import result_cache
    from covet.db.models.query.result_cache import Caching
else:
    result_cache = late_module(__name__, "covet.db.models.query.result_cache")
    stores = late_module(__name__, "covet.db.stores")

__all__ = [
    "RowResult",
    "aggregate",
    "compile_rows",
    "count",
    "exists",
    "explain_statement",
    "fetch",
    "fetch_rows",
    "get_rows",
    "read_database",
    "rows_plan",
    "simple_get",
    "sql_of",
    "write_alias",
    "write_database",
]

# ``get`` reads this many rows at most: enough to say "more than 20" without reading a table.
_GET_LIMIT = 21
# So many different limits of one shape get a text of their own, where that makes the server's plans better.
_OWN_TEXTS = 16


class RowsPlan:
    """A compiled read.

    ``bind`` gives text and arguments, ``make`` turns rows into results, which ``makes_apart`` lets the database do where it reads
    them; ``tables()`` are what it reads.
    """

    __slots__ = ("bind", "compiled", "empty", "make", "makes_apart", "one", "tables")

    def __init__(
        self,
        compiled: Compiled,
        make: Any,
        one: Any,
        statement: Select | Compound,
        *,
        empty: bool,
        makes_apart: bool = False,
    ) -> None:
        self.compiled = compiled
        self.bind = compiled.bind
        self.make = make
        self.makes_apart = makes_apart
        self.one = one
        self.tables = _tables_of(statement)
        self.empty = empty


def _tables_of(statement: Select | Compound) -> Callable[[], tuple[str, ...] | None]:
    """Return what looks for a statement's tables once, when its rows are first cached: those of most never are."""
    return cache(lambda: result_cache.tables_read(statement))


def read_database(queryset: Any) -> Database:
    """Return the database that a queryset reads from: its own alias, or the router's choice."""
    alias = queryset._db
    if alias is None:
        # Not by the settings, whose look-up of a name is a hundredth of all that a row by key costs the client.
        if router.is_mute or not router.routers:
            hints = queryset._hints
            alias = _hinted(hints) if hints else DEFAULT_ALIAS
        elif queryset._for_write or queryset.query.extras.lock is not None:
            alias = router.db_for_write(queryset.model, **queryset._hints)
        else:
            alias = router.db_for_read(queryset.model, **queryset._hints)
    return connections[alias]


def write_database(queryset: Any) -> Database:
    """Return the database that a queryset writes to."""
    return connections[write_alias(queryset)]


def write_alias(queryset: Any) -> str:
    """Return the alias of the database that a queryset writes to."""
    alias: str | None = queryset._db
    if alias is not None:
        return alias
    hints = queryset._hints
    if not router.is_mute and router.routers:
        return router.db_for_write(queryset.model, **hints)
    return _hinted(hints) if hints else DEFAULT_ALIAS


def _hinted(hints: dict[str, Any]) -> str:
    """Return what the router would without routers, which most projects have none of: the hinted instance's database."""
    instance = hints.get("instance")
    return DEFAULT_ALIAS if instance is None else instance._row_state.db or DEFAULT_ALIAS


def rows_plan(query: Query, kind: str, database: Database, *, limit: int | None = None) -> RowsPlan:
    """Return the compiled read of a query, from the database's cache or made now."""
    is_optimized = optimizer.is_on
    if is_optimized is None:
        is_optimized = optimizer.look()
    key = (kind, limit, query.key(), is_optimized)
    plan: Any = database.statements.get(key)
    if plan.__class__ is dict:
        plan = plan.get(query.high - query.low)  # type: ignore[operator]  # kept by limit: so the query is sliced
    if plan is None:
        plan = _kept(key, query, database, lambda size: compile_rows(query, kind, database, limit, size))
    return plan  # type: ignore[no-any-return]  # what compile_rows returned, now or before


def _kept(key: Hashable, query: Query, database: Database, build: Callable[[int | None], Any]) -> Any:
    """Compile a read and keep it.

    PostgreSQL guesses that a limit it does not know takes a tenth of the table, finds that plan worse than one for the
    values at hand, and so plans anew for every execution. A limit that stands in the text is planned once. The texts of
    one shape are bounded: a page size from outside must not fill the caches.
    """
    if query.high is None or not database.dialect.plans_by_limit:
        plan = database.statements[key] = build(None)
        return plan
    by_limit = database.statements.get(key)
    if by_limit is None:
        by_limit = database.statements[key] = {}
    size = query.high - query.low
    if len(by_limit) < _OWN_TEXTS:
        plan = by_limit[size] = build(size)
        return plan
    plan = by_limit.get(None)
    if plan is None:
        plan = by_limit[None] = build(None)
    return plan


def _with_limit(statement: Select | Compound, size: int | None) -> Select | Compound:
    """Return the statement with its limit written into the text."""
    if size is None or statement.limit is None:
        return statement
    return replace(statement, limit=n.Keyword(str(size)))


def compile_rows(query: Query, kind: str, database: Database, limit: int | None, size: int | None = None) -> RowsPlan:
    """Compile a read of rows in one of the forms, with a limit of the caller's own or with that of the query."""
    dialect = database.dialect
    ordered = limit is None or query.is_sliced
    if limit is not None and settings.QUERY_OPTIMIZER and query.names_one_row:
        limit = None
    rows = Assembler(query, dialect, alias=database.alias).rows(ordered=ordered, limit=limit)
    if limit is not None and query.high is None:
        size = limit
    compiled = compile_statement(_with_limit(rows.statement, size), dialect)
    one = None
    if kind == "model":
        if rows.root is None:
            raise TypeError(
                "This query selects values, and the queryset that was given it makes instances: give it to one that makes "
                f"values, such as {query.model.__name__}.objects.values()."
            )
        make = instances(rows.root, rows.columns, dialect, rows.hidden)
        if not rows.root.children and not rows.hidden:
            one = single(rows.root, rows.columns, dialect)
    else:
        make = records(kind, rows.columns, dialect, rows.hidden)
    # On SQLite the rows are read in a thread: there they are made too, in place of under the feet of the next statement.
    apart = dialect.vendor == "sqlite" and is_plain(rows.root if kind == "model" else None, rows.columns, dialect)
    return RowsPlan(compiled, make, one, rows.statement, empty=rows.empty or query.is_empty, makes_apart=apart)


async def _rows_of(database: Database, sql: str, args: Any, plan: Any, caching: Caching | None) -> Any:
    """Return the rows of a compiled read, by way of the result cache where the queryset asks for it."""
    if caching is None:
        return await database.fetch(sql, args)
    return await result_cache.cached_rows(database, sql, args, plan.tables(), caching)


def fetch(
    query: Query, kind: str, database: Database, mode: Any = None, caching: Caching | None = None
) -> Awaitable[list[Any]]:
    """Return what gives the rows of a query in one of the forms: ``model dict tuple flat named``.

    A plain function, so that no coroutine of ours stands before a database that makes the rows by itself.
    """
    if query.extras.lock is not None:
        _check_lock(query, database)
    plan = rows_plan(query, kind, database)
    if plan.empty:
        return _no_rows()
    sql, args = plan.bind(query.all_values())
    if plan.makes_apart and caching is None and not post_init._entries:
        return database.fetch_made(sql, args, plan.make, mode)
    return _fetch_and_make(database, sql, args, plan, mode, caching)


async def _no_rows() -> list[Any]:
    return []


async def _fetch_and_make(
    database: Database, sql: str, args: Any, plan: RowsPlan, mode: Any, caching: Caching | None
) -> list[Any]:
    rows = await (database.fetch(sql, args) if caching is None else _rows_of(database, sql, args, plan, caching))
    return plan.make(rows, database.alias, mode) if rows else []


async def get_rows(
    query: Query, kind: str, database: Database, mode: Any = None, caching: Caching | None = None
) -> list[Any]:
    """Return at most 21 rows, unordered: what ``get`` needs to tell one from none and from several."""
    if query.extras.lock is not None:
        _check_lock(query, database)
    plan = rows_plan(query, kind, database, limit=_GET_LIMIT)
    if plan.empty:
        return []
    sql, args = plan.bind(query.all_values())
    rows = await _rows_of(database, sql, args, plan, caching)
    if len(rows) == 1 and mode is None and plan.one is not None:
        return [plan.one(rows[0], database.alias)]
    return plan.make(rows, database.alias, mode) if rows else []


def simple_get(query: Query, kwargs: dict[str, Any], database: Database) -> RowsPlan | Query | None:
    """Return the plan of a ``get`` by plain values, without building the filtered query; ``None`` for any other.

    ``get(pk=…)`` is the most frequent query of all: this saves it a third of its Python. Its values are those of the query
    and then those of ``kwargs``. Where the filtered query had to be built to see that there is no such plan, it is returned.
    """
    for value in kwargs.values():
        if value.__class__ not in SCALARS:
            return None
    names = tuple(kwargs)
    is_optimized = optimizer.is_on
    if is_optimized is None:
        is_optimized = optimizer.look()
    key = ("get", query.model, query.where, names, is_optimized)
    plan: RowsPlan | None = database.statements.get(key)
    if plan is None:
        filtered = query.filtered((), kwargs, negate=False, where="get")
        if query.model._meta.plans.get(names) is not False:
            return filtered  # the names mean something else in another time zone
        plan = compile_rows(filtered, "model", database, _GET_LIMIT)
        if plan.empty or plan.one is None:
            return filtered
        database.statements[key] = plan
    return plan


def _check_lock(query: Query, database: Database) -> None:
    if database.dialect.has_select_for_update and not database.in_atomic_block:
        raise TransactionManagementError(
            f"select_for_update() on {query.model._meta.object_name} needs a transaction that holds the lock: "
            "put it inside 'async with transaction.atomic():'."
        )
    if freshness.active:
        # What was read before the lock was held may be older than what the lock protects.
        freshness.note((stores.EVERYTHING,))


class Counted:
    """A compiled statement whose one value is the answer."""

    __slots__ = ("bind", "empty", "tables")

    def __init__(self, bind: Any, statement: Select | Compound, *, empty: bool) -> None:
        self.bind = bind
        self.tables = _tables_of(statement)
        self.empty = empty


def _statement(key: Hashable, query: Query, database: Database, build: Callable[[Assembler], Any]) -> Counted:
    plan: Counted | None = database.statements.get(key)
    if plan is None:
        statement = build(Assembler(query, database.dialect, alias=database.alias))
        plan = Counted(compile_statement(statement, database.dialect).bind, statement, empty=False)
        database.statements[key] = plan
    return plan


async def count(query: Query, database: Database, caching: Caching | None = None) -> int:
    """Return the number of rows."""
    if query.is_empty:
        return 0
    if query.extras.lock is not None:
        query = query.with_extras(lock=None)
    plan = _statement(("count", query.key(), settings.QUERY_OPTIMIZER), query, database, lambda build: build.count())
    sql, args = plan.bind(query.all_values())
    rows = await _rows_of(database, sql, args, plan, caching)
    return int(rows[0][0])


async def exists(query: Query, database: Database, caching: Caching | None = None) -> bool:
    """Return whether there is a row."""
    if query.is_empty:
        return False
    one = not query.is_sliced
    if one:
        query = query.sliced(0, 1)
    if query.extras.lock is not None:
        query = query.with_extras(lock=None)
    plan = _statement(
        ("exists", one, query.key(), settings.QUERY_OPTIMIZER),
        query,
        database,
        lambda build: _with_limit(build.exists_select(), 1 if one else None),
    )
    sql, args = plan.bind(query.all_values())
    return bool(await _rows_of(database, sql, args, plan, caching))


async def aggregate(
    query: Query, aggregates: Sequence[tuple[str, Any]], database: Database, caching: Caching | None = None
) -> dict[str, Any]:
    """Return the values of aggregates over the rows of a query."""
    query = query.zoned([expression for _name, expression in aggregates])
    values = list(query.all_values())
    start = len(values)
    shapes = tuple([(name, expression.shape(values)) for name, expression in aggregates])
    if query.is_empty and all(_tells_of_no_rows(expression) for _name, expression in aggregates):
        return {name: _of_no_rows(expression) for name, expression in aggregates}
    key = ("aggregate", query.key(), shapes, settings.QUERY_OPTIMIZER)
    plan: RowsPlan | None = database.statements.get(key)
    if plan is None:
        rows = Assembler(query, database.dialect, alias=database.alias).aggregate(aggregates, start)
        compiled = compile_statement(rows.statement, database.dialect)
        make = records("dict", rows.columns, database.dialect)
        plan = RowsPlan(compiled, make, None, rows.statement, empty=rows.empty)
        database.statements[key] = plan
    sql, args = plan.bind(values)
    rows_read = await _rows_of(database, sql, args, plan, caching)
    return dict(plan.make(rows_read, database.alias, None)[0])


def _tells_of_no_rows(expression: Any) -> bool:
    """Whether a result for no rows is known; what stands round an aggregate (``Count("pk") + 1``) the database computes."""
    default = getattr(expression, "default", None)
    return expression.is_aggregate and (default is None or hasattr(default, "value"))


def _of_no_rows(expression: Any) -> Any:
    """Return what an aggregate gives for no rows."""
    default = getattr(getattr(expression, "default", None), "value", None)
    return getattr(expression, "empty_result_set_value", None) if default is None else default


# ── for interfaces that need no instances


class RowResult(Struct, frozen=True):
    """Driver rows of exactly the columns asked for, with what still turns a value into Python.

    Attributes:
        rows: The driver's rows; each unpacks like a tuple.
        fields: The field of each column.
        converters: One for each column; ``None`` where the value is right as it is.
    """

    rows: Sequence[Any]
    fields: tuple[Any, ...]
    converters: tuple[Callable[[Any], Any] | None, ...]


async def fetch_rows(queryset: Any, names: Sequence[str]) -> RowResult:
    """Return driver rows of a queryset: these columns, in this order, and no instances.

    Args:
        queryset: What to read; its filters, order, slices and database count.
        names: Attribute names, ``"author__name"`` paths and annotations.
    """
    outputs = (*names, *_telling_apart(queryset.query, names))
    query = queryset.query.with_extras(outputs=outputs, select_related=(), only=None, defer=frozenset())
    database = read_database(queryset)
    key = ("raw", query.key(), settings.QUERY_OPTIMIZER)
    found = database.statements.get(key)
    if found.__class__ is dict:
        found = found.get(query.high - query.low)
    if found is None:
        found = _kept(key, query, database, lambda size: _compile_columns(query, database, size))
    bind, fields, converts, empty, tables, width = found
    visible = len(names)
    if empty or query.is_empty:
        return RowResult([], fields[:visible], converts[:visible])
    sql, args = bind(query.all_values())
    caching = queryset._manner.caching
    if caching is not None:
        rows = await result_cache.cached_rows(database, sql, args, tables(), caching)
    else:
        rows = await database.fetch(sql, args)
    if width > visible:
        rows = [row[:visible] for row in rows]
    return RowResult(rows, fields[:visible], converts[:visible])


def _telling_apart(query: Query, names: Sequence[str]) -> list[str]:
    """Return what ``distinct()`` must read besides, so that rows that are alike in some columns only stay two."""
    extras = query.extras
    if not extras.distinct or extras.distinct_on or extras.outputs is not None or extras.combined is not None:
        return []
    whole = [field.attname for field in query.model._meta.pk_fields]
    whole += [
        annotation.name for annotation in extras.annotations if annotation.selected and not annotation.is_relation
    ]
    return [name for name in whole if name not in names]


def _compile_columns(query: Query, database: Database, size: int | None) -> tuple[Any, ...]:
    rows: Rows = Assembler(query, database.dialect, alias=database.alias).rows()
    compiled = compile_statement(_with_limit(rows.statement, size), database.dialect)
    fields = tuple([column.field for column in rows.columns])
    return (
        compiled.bind,
        fields,
        tuple(converters(rows.columns, database.dialect)),
        rows.empty,
        _tables_of(rows.statement),
        len(rows.columns) + rows.hidden,
    )


def sql_of(query: Query, database: Database) -> tuple[str, list[Any]]:
    """Return the text and arguments that reading the query would run."""
    rows = Assembler(query, database.dialect, alias=database.alias).rows()
    return compile_statement(rows.statement, database.dialect).bind(query.all_values())


def _compiled(query: Query, using: str | None) -> tuple[str, list[Any], Any]:
    """Return text, arguments and dialect, for ``Query.sql_with_params`` and its text."""
    database = connections[using or router.db_for_read(query.model)]
    sql, args = sql_of(query, database)
    return sql, args, database.dialect


Query.compiled = staticmethod(_compiled)


def _forget_statements() -> None:
    for database in connections.made:
        database.statements.clear()


lookup_watchers.append(_forget_statements)


def explain_statement(query: Query, database: Database) -> Select | Any:
    """Return the statement that reading the query would run, as a value."""
    return Assembler(query, database.dialect, alias=database.alias).rows().statement
