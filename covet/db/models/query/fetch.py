"""``Fetch``: the methods that ask the database and give results."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from covet.concurrency import verdict
from covet.db.models.expressions.q import check_depth
from covet.db.models.query import run
from covet.db.models.query.chain import PLAIN, Chain, M, R
from covet.db.models.query.plan import NO_EXTRAS
from covet.db.models.query.refine import check_alias
from covet.exceptions import FieldError, QueryNotAwaited
from covet.loading import late_module

if TYPE_CHECKING:
    from typing import Self

    from covet.db.models.query import parts, prefetch
else:
    prefetch = late_module(__name__, "covet.db.models.query.prefetch")
    parts = late_module(__name__, "covet.db.models.query.parts")

__all__ = ["Fetch", "Pick"]

# Keys of several parts in one statement: each makes a condition of its own.
_FEW_KEYS = 500

_CHUNK = 2000
Row = TypeVar("Row")


class Pick(Generic[Row]):
    """``queryset[3]`` before the queryset was awaited: awaiting it gives the row, or raises ``IndexError``."""

    __slots__ = ("_index", "_queryset")

    def __init__(self, queryset: Any, index: int) -> None:
        self._queryset = queryset
        self._index = index

    def __await__(self) -> Generator[Any, None, Row]:
        return self._read().__await__()

    async def _read(self) -> Row:
        rows = await self._queryset._fetch()
        if not rows:
            raise IndexError(f"The queryset has no row {self._index}.")
        return rows[0]  # type: ignore[no-any-return]  # a row of the queryset

    def __getattr__(self, name: str) -> Any:
        # What inspects an object asks for names such as these, and wants to hear that there are none.
        if name.startswith("_"):
            raise AttributeError(name)
        raise QueryNotAwaited(
            f"This row of a {self._queryset.model.__name__} queryset was not awaited yet, so it has no '{name}'. Write "
            f"'(await queryset[{self._index}]).{name}'."
        )

    def __repr__(self) -> str:
        return f"<row {self._index} of {self._queryset!r}>"


class Stepped(Generic[Row]):
    """``queryset[::2]`` before the queryset was awaited: awaiting it gives the list."""

    __slots__ = ("_queryset", "_step")

    def __init__(self, queryset: Any, step: int) -> None:
        self._queryset = queryset
        self._step = step

    def __await__(self) -> Generator[Any, None, list[Row]]:
        return self._read().__await__()

    async def _read(self) -> list[Row]:
        return (await self._queryset._fetch())[:: self._step]  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<every {self._step}. row of {self._queryset!r}>"


class Fetch(Chain[M, R]):
    """Reading: await the queryset, iterate it, or ask for one row or a number."""

    __slots__ = ()

    @property
    def db(self) -> str:
        """The alias of the database that the rows are read from."""
        return run.read_database(self).alias

    def __await__(self) -> Generator[Any, None, list[R]]:
        """Read the rows once; later awaits return the same list."""
        return self._fetch().__await__()

    async def _fetch(self) -> list[Any]:
        rows = self._cache
        manner = self._manner
        if rows is not None and (self._prefetched or not manner.prefetch):
            return rows
        database = run.read_database(self)
        frame = database.current_block()
        while self._reading is not None and self._reading[0] is frame:
            # Another task of the same block is at it: its rows are these. One of another block may have to wait for us.
            done = asyncio.get_running_loop().create_future()
            self._reading[1].append(done)
            await done
            if self._cache is not None and (self._prefetched or not manner.prefetch):
                return self._cache
        waiting: list[asyncio.Future[None]] = []
        self._reading = (frame, waiting)
        try:
            rows = self._cache
            if rows is None:
                if self._ahead is not None:
                    rows = await self._ahead.read_ahead(self, database)
                if rows is None:
                    rows = await run.fetch(self.query, manner.kind, database, manner.mode, manner.caching)
                if manner.known is not None:
                    self._set_known(rows)
                self._cache = rows
            if manner.prefetch and not self._prefetched:
                if rows and manner.kind == "model":
                    await prefetch.prefetch_rows(rows, manner.prefetch, self._db)
                self._prefetched = True
        finally:
            self._reading = None
            for done in waiting:
                if not done.done():
                    done.set_result(None)
        return rows

    def _set_known(self, rows: list[Any]) -> None:
        known = self._manner.known
        if known is not None and self._manner.kind == "model":
            relation, value = known
            for row in rows:
                relation.set_cached_value(row, value)

    async def __aiter__(self) -> AsyncIterator[R]:
        for row in await self._fetch():
            yield row

    @overload
    def __getitem__(self, item: slice) -> Self: ...
    @overload
    def __getitem__(self, item: int) -> Pick[R]: ...
    def __getitem__(self, item: int | slice) -> Any:
        """Return rows by position: lazily, or from the rows already read.

        Raises:
            ValueError: Negative positions: use ``reverse()``.
        """
        if not isinstance(item, slice):
            return self._picked(item)
        low, high, step = item.start or 0, item.stop, item.step
        if low < 0 or (high or 0) < 0 or (step or 1) < 1:
            raise ValueError("Negative positions are not supported: use order_by(…).reverse() and positions from 0.")
        if self._cache is not None:
            return self._cache[item]
        part = self._sliced(low, high)
        return part if step is None or step == 1 else Stepped(part, step)

    def _picked(self, position: int) -> Any:
        if not isinstance(position, int):
            raise TypeError(f"A queryset is indexed by numbers and slices, not by {position!r}.")
        if position < 0:
            raise ValueError("Negative positions are not supported: use order_by(…).reverse() and a position from 0.")
        if self._cache is not None:
            return self._cache[position]
        return Pick(self._sliced(position, position + 1), position)

    def _sliced(self, low: int, high: int | None) -> Self:
        if high is not None and high < low:
            high = low
        return self._chain(self.query.sliced(low, high))

    # ── one row

    async def get(self, *args: Any, **kwargs: Any) -> R:
        """Return the only row that matches.

        Raises:
            DoesNotExist: None matches; each model has its own class.
            MultipleObjectsReturned: More than one does.
        """
        query = self.query
        plan: Any = None
        if (
            kwargs
            and not args
            and self._manner is PLAIN
            and query.extras is NO_EXTRAS
            and query.high is None
            and not query.low
        ):
            database = run.read_database(self)
            plan = run.simple_get(query, kwargs, database)
            if isinstance(plan, run.RowsPlan):
                sql, arguments = plan.bind((*query.values, *kwargs.values()))
                rows = await database.fetch(sql, arguments)
                if len(rows) == 1:
                    return plan.one(rows[0], database.alias)  # type: ignore[no-any-return]  # an instance
                raise self._not_one(len(rows))
        if plan is not None:
            query = plan
        elif args or kwargs:
            if query.extras.combined is not None or query.is_sliced:
                self.filter(*args, **kwargs)  # type: ignore[attr-defined]  # raises what a filter would raise here
            query = query.filtered(args, kwargs, negate=False, where="get")
        manner = self._manner
        rows = await run.get_rows(query, manner.kind, run.read_database(self), manner.mode, manner.caching)
        if len(rows) == 1:
            if manner.known is not None:
                self._set_known(rows)
            if manner.prefetch and manner.kind == "model":
                await prefetch.prefetch_rows(rows, manner.prefetch, self._db)
            return rows[0]  # type: ignore[no-any-return]
        raise self._not_one(len(rows))

    def _not_one(self, count: int) -> Exception:
        """Return the error of ``get`` for a number of rows that is not one."""
        name = self.model._meta.object_name
        if not count:
            return self.model.DoesNotExist(f"No {name} matches the query.")
        found = f"more than {count - 1}" if count > 20 else str(count)
        return self.model.MultipleObjectsReturned(f"get() matches {found} rows of {name}, not one.")

    async def first(self) -> R | None:
        """Return the first row or ``None``; by key when the queryset has no order."""
        if self._cache is not None:
            return self._cache[0] if self._cache else None
        rows = await self._in_order("first")._sliced(0, 1)._fetch()
        return rows[0] if rows else None

    async def last(self) -> R | None:
        """Return the last row or ``None``; by key when the queryset has no order."""
        if self._cache is not None:
            return self._cache[-1] if self._cache else None
        queryset = self._in_order("last")
        if queryset.query.is_sliced:
            rows = await queryset._fetch()
            return rows[-1] if rows else None
        query = queryset.query.with_extras(reversed=not queryset.query.extras.reversed)
        rows = await queryset._chain(query)._sliced(0, 1)._fetch()
        return rows[0] if rows else None

    def _in_order(self, method: str) -> Self:
        if self.query.order is not None or self.ordered or self.query.is_sliced:
            return self  # order_by() without names asks for any row
        if self.query.extras.group_by is not None and self.query.extras.group_by is not True:
            raise TypeError(f"{method}() of grouped rows needs an order: write order_by(…) before it.")
        return self._chain(self.query.ordered(("pk",)))

    async def latest(self, *names: str) -> R:
        """Return the row with the greatest values of these fields (or ``Meta.get_latest_by``)."""
        return await self._extreme(names, "latest", reverse=True)

    async def earliest(self, *names: str) -> R:
        """Return the row with the smallest values of these fields (or ``Meta.get_latest_by``)."""
        return await self._extreme(names, "earliest", reverse=False)

    async def _extreme(self, names: tuple[str, ...], method: str, *, reverse: bool) -> R:
        if self.query.is_sliced:
            raise TypeError(f"{method}() cannot follow a slice.")
        if not names:
            latest = self.model._meta.get_latest_by
            names = (latest,) if isinstance(latest, str) else tuple(latest or ())
        if not names:
            raise ValueError(
                f"{method}() needs field names, or get_latest_by in Meta of {self.model._meta.object_name}."
            )
        query = self.query.ordered(names).with_extras(reversed=self.query.extras.reversed is not reverse)
        rows = await self._chain(query)._sliced(0, 1)._fetch()
        if not rows:
            raise self.model.DoesNotExist(f"No {self.model._meta.object_name} matches the query.")
        return rows[0]  # type: ignore[no-any-return]

    async def in_bulk(self, ids: Iterable[Any] | None = None, *, field_name: str = "pk") -> dict[Any, R]:
        """Return the rows by key, those of ``ids`` or all.

        Args:
            ids: The keys; an empty list runs no statement.
            field_name: A unique field, in place of the key.
        """
        if self.query.is_sliced:
            raise TypeError("in_bulk() cannot follow a slice.")
        meta = self.model._meta
        field = meta.pk if field_name == "pk" else meta.get_field(field_name)
        unique_alone = any(
            tuple(getattr(one, "fields", ())) == (field_name,) for one in getattr(meta, "total_unique_constraints", ())
        )
        if not (field.unique or unique_alone) and self.query.extras.distinct_on != (field_name,):
            raise ValueError(f"in_bulk() needs a unique field, and {meta.object_name}.{field_name} is not unique.")
        if self._manner.kind != "model" and not self._key_names(field) and self.query.extras.group_by is None:
            return await self._in_bulk_beside(ids, field_name)
        if ids is None:
            return {self._key_of(row, field): row for row in await self._chain(self.query)._fetch()}
        wanted = list(ids)
        found: dict[Any, Any] = {}
        size = max(run.read_database(self).dialect.max_params - len(self.query.all_values()) - 1, 1)
        if field.is_composite:
            size = _FEW_KEYS

        async def read(part: Any) -> list[Any]:
            query = self.query.filtered((), {f"{field_name}__in": part}, negate=False, where="in_bulk")
            return await self._chain(query)._fetch()

        found.update({self._key_of(row, field): row for row in await parts.read_parts(wanted, size, read)})
        return found

    def _key_of(self, row: Any, field: Any) -> Any:
        kind = self._manner.kind
        if kind == "model":
            return getattr(row, field.attname)
        outputs, names = self.query.extras.outputs or (), self._key_names(field)
        if not names:
            raise FieldError(f"in_bulk() after values() needs '{field.name}' among the values.", name=field.name)
        if kind == "dict":
            return row[names[0]]
        return row if kind == "flat" else row[outputs.index(names[0])]

    def _key_names(self, field: Any) -> list[str]:
        aliases = (field.name, field.attname, *(("pk",) if field.primary_key else ()))
        return [name for name in aliases if name in (self.query.extras.outputs or ())]

    async def _in_bulk_beside(self, ids: Iterable[Any] | None, field_name: str) -> dict[Any, Any]:
        """Return values that lack the key by it: it is read beside them. Named tuples get it as well, as in Django."""
        kind, outputs = self._manner.kind, self.query.extras.outputs or ()
        keyed = self._chain(self.query.with_extras(outputs=(field_name, *outputs)))
        if kind == "named":
            return await keyed.in_bulk(ids, field_name=field_name)
        keyed._manner = keyed._manner.but(kind="tuple")
        rows: dict[Any, Any] = await keyed.in_bulk(ids, field_name=field_name)
        if kind == "dict":
            return {key: dict(zip(outputs, row[1:], strict=True)) for key, row in rows.items()}
        return {key: row[1] if kind == "flat" else row[1:] for key, row in rows.items()}

    # ── numbers

    async def count(self) -> int:
        """Return the number of rows: of those already read, or by ``SELECT COUNT``."""
        if self._cache is not None:
            return len(self._cache)
        return await run.count(self.query, run.read_database(self), self._manner.caching)

    @verdict
    async def exists(self) -> bool:
        """Return whether there is a row."""
        if self._cache is not None:
            return bool(self._cache)
        return await run.exists(self.query, run.read_database(self), self._manner.caching)

    @verdict
    async def contains(self, row: Any) -> bool:
        """Return whether the queryset holds this row.

        Raises:
            TypeError: ``row`` is no instance, or the queryset gives no instances.
            ValueError: The instance is not saved.
        """
        if self._manner.kind != "model":
            raise TypeError("contains() cannot follow values() or values_list().")
        meta = getattr(row, "_meta", None)
        if meta is None:
            raise TypeError(f"contains() takes an instance of {self.model._meta.object_name}, not {row!r}.")
        if meta.concrete_model is not self.model._meta.concrete_model:
            return False
        if row.pk is None:
            raise ValueError("contains() needs a saved instance.")
        if self._cache is not None:
            return row in self._cache
        if self.query.is_sliced or self.query.extras.combined is not None:
            return row in await self._fetch()
        query = self.query.filtered((), {"pk": row.pk}, negate=False, where="contains")
        return await run.exists(query, run.read_database(self), self._manner.caching)

    async def aggregate(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return aggregates over all rows: ``await Article.objects.aggregate(Sum("views"), n=Count("*"))``.

        An expression may name those before it: ``aggregate(n=Count("*"), double=F("n") * 2)``.

        Raises:
            TypeError: An expression has no name and none can be made, or holds no aggregate.
        """
        expressions: list[tuple[str, Any]] = []
        for arg in args:
            check_depth(arg, "aggregate")
            expressions.append((arg.default_alias, arg))
        expressions += kwargs.items()
        before: dict[str, Any] = {}
        for number, (name, given) in enumerate(expressions):
            check_alias(name)
            check_depth(given, "aggregate")
            expression = _with_aggregates(given, before)
            expressions[number] = name, self.query.parted(expression)
            before[name] = expression
            if not hasattr(expression, "resolve"):
                raise TypeError(f"aggregate({name}=…) takes an aggregate, not {expression!r}.")
            if not expression.contains_aggregate:
                raise TypeError(
                    f"aggregate({name}=…) takes an aggregate such as Count(…), and {expression!r} holds none."
                )
        if not expressions:
            return {}
        return await run.aggregate(self.query, expressions, run.read_database(self), self._manner.caching)

    # ── streams and plans

    async def iterator(self, chunk_size: int = _CHUNK) -> AsyncGenerator[R, None]:
        """Stream the rows by a server-side cursor; nothing is cached, and the connection is held until the end.

        A loop that is left half-way gives the connection back a little later; ``contextlib.aclosing`` around it, at once.

        Args:
            chunk_size: How many rows are in memory at once, and how many are prefetched for together.

        Raises:
            ValueError: ``chunk_size`` is not positive.
        """
        if chunk_size <= 0:
            raise ValueError("iterator(chunk_size=…) takes a positive number.")
        database = run.read_database(self)
        manner = self._manner
        plan = run.rows_plan(self.query, manner.kind, database)
        if plan.empty or self.query.is_empty:
            return
        sql, args = plan.bind(self.query.all_values())
        async with aclosing(database.stream(sql, args, chunk_size=chunk_size)) as chunks:
            async for chunk in chunks:
                rows = plan.make(chunk, database.alias, manner.mode)
                if manner.known is not None:
                    self._set_known(rows)
                if manner.prefetch and manner.kind == "model":
                    await prefetch.prefetch_rows(rows, manner.prefetch, self._db)
                for row in rows:
                    yield row

    async def explain(self, *, format: str | None = None, **options: bool) -> str:
        """Return the database's plan for reading these rows.

        Args:
            format: A format that the database knows.
            options: Options that the database knows, such as ``analyze=True``.

        Raises:
            ValueError: The database does not know the format or an option.
        """
        database = run.read_database(self)
        sql, args = run.sql_of(self.query, database)
        rows = await database.fetch(database.dialect.explain(sql, format, options), args)
        return "\n".join([" ".join([str(value) for value in row]) for row in rows])


def _with_aggregates(expression: Any, before: Mapping[str, Any]) -> Any:
    """Return an expression with the aggregates that it names in place of their names; an aggregate's own argument is a row's."""
    sources = getattr(expression, "sources", ())
    name = getattr(expression, "name", None)
    if not before or getattr(expression, "is_aggregate", False):
        return expression
    if not sources:
        return before[name] if isinstance(name, str) and name in before else expression
    new = tuple([_with_aggregates(source, before) for source in sources])
    if all(one is old for one, old in zip(new, sources, strict=True)):
        return expression
    changed = expression.copy()
    changed.sources = new
    return changed
