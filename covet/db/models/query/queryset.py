"""``QuerySet[M, R]``: rows of a model ``M``, each read as an ``R``; and the methods that change what a row is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, overload

from typing_extensions import TypeVar

from covet.db.connections import DEFAULT_ALIAS, connections
from covet.db.models.expressions.leaves import SCALARS
from covet.db.models.expressions.q import check_depth
from covet.db.models.query import run
from covet.db.models.query.chain import PLAIN, M, R
from covet.db.models.query.fetch import Fetch
from covet.db.models.query.mutate import Mutate
from covet.db.models.query.names import optimizer
from covet.db.models.query.paths import unknown_name
from covet.db.models.query.plan import NO_EXTRAS, Query
from covet.db.models.query.refine import Refine
from covet.db.routers import router
from covet.exceptions import FieldError
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.db.backends.driver import Rows
    from covet.db.database import Database
    from covet.db.models.expressions import refs
    from covet.db.models.expressions.base import Expression
    from covet.db.models.manager import Manager
    from covet.db.models.query import dates, extra, raw
else:
    refs = late_module(__name__, "covet.db.models.expressions.refs")
    raw = late_module(__name__, "covet.db.models.query.raw")
    dates = late_module(__name__, "covet.db.models.query.dates")
    extra = late_module(__name__, "covet.db.models.query.extra")

__all__ = ["QuerySet", "QuickGet"]

T = TypeVar("T", default=Any)


class QuerySet(Refine[M, R], Fetch[M, R], Mutate[M, R]):
    """A lazy query over the rows of a model.

    Methods that refine it return a new queryset and ask nothing; ``await queryset`` reads the rows once and keeps them::

        articles = Article.objects.filter(views__gt=10).order_by("-views")
        for article in await articles[:20]:
            ...
    """

    __slots__ = ()

    #: The class that ``as_manager`` starts from; managers are above this room and put theirs here.
    _manager_class: ClassVar[type[Manager[Any]]]

    # ── what a row is

    def values(self, *names: str, **expressions: Any) -> QuerySet[M, dict[str, Any]]:
        """Return rows as dictionaries: of these fields and expressions, or of all fields.

        Before ``annotate()`` of an aggregate the names are also the groups.
        """
        return self._as("dict", names, expressions)

    @overload
    def values_list(
        self, value: Expression[T], /, *, flat: Literal[True], named: Literal[False] = False
    ) -> QuerySet[M, T]: ...
    @overload
    def values_list(self, *names: Any, flat: Literal[True], named: Literal[False] = False) -> QuerySet[M, Any]: ...
    @overload
    def values_list(self, *names: Any, flat: Literal[False] = False, named: Literal[True]) -> QuerySet[M, Any]: ...
    @overload
    def values_list(
        self, a: Any, /, *, flat: Literal[False] = False, named: Literal[False] = False
    ) -> QuerySet[M, tuple[Any]]: ...
    @overload
    def values_list(
        self, a: Any, b: Any, /, *, flat: Literal[False] = False, named: Literal[False] = False
    ) -> QuerySet[M, tuple[Any, Any]]: ...
    @overload
    def values_list(
        self, a: Any, b: Any, c: Any, /, *, flat: Literal[False] = False, named: Literal[False] = False
    ) -> QuerySet[M, tuple[Any, Any, Any]]: ...
    @overload
    def values_list(
        self, a: Any, b: Any, c: Any, d: Any, /, *, flat: Literal[False] = False, named: Literal[False] = False
    ) -> QuerySet[M, tuple[Any, Any, Any, Any]]: ...
    @overload
    def values_list(
        self, a: Any, b: Any, c: Any, d: Any, e: Any, /, *, flat: Literal[False] = False, named: Literal[False] = False
    ) -> QuerySet[M, tuple[Any, Any, Any, Any, Any]]: ...
    @overload
    def values_list(
        self, *names: Any, flat: Literal[False] = False, named: Literal[False] = False
    ) -> QuerySet[M, tuple[Any, ...]]: ...
    def values_list(self, *names: Any, flat: bool = False, named: bool = False) -> QuerySet[M, Any]:
        """Return rows as tuples; with ``flat`` the values of one field, with ``named`` named tuples.

        Raises:
            TypeError: ``flat`` with ``named``, or with more or less than one field.
        """
        if flat and named:
            raise TypeError("values_list() takes flat=True or named=True, not both.")
        if flat and len(names) > 1:
            raise TypeError(f"values_list(flat=True) takes one field, not {len(names)}.")
        if flat and not names:
            names = ("pk",)
        expressions: dict[str, Any] = {}
        chosen: list[str] = []
        number = 1
        for name in names:
            if isinstance(name, str):
                chosen.append(name)
                continue
            check_depth(name, "values_list")
            if type(name) is refs.F and self.query.annotation(name.name) is None:
                chosen.append(name.name)
                number += 1
                continue
            try:
                prefix = name.default_alias
            except TypeError:
                prefix = type(name).__name__.lower()
            alias = prefix if type(name) is refs.F else f"{prefix}{number}"
            while alias in expressions or alias in names or alias in self.model._meta.fields_map:
                number += 1
                alias = f"{prefix}{number}"
            expressions[alias] = name
            chosen.append(alias)
            number += 1
        kind = "flat" if flat else "named" if named else "tuple"
        return self._as(kind, tuple(chosen), expressions, mixed=bool(expressions))

    def _as(
        self, kind: str, names: tuple[str, ...], expressions: dict[str, Any], *, mixed: bool = False
    ) -> QuerySet[M, Any]:
        self._check_unsliced_values()
        query = self.query
        queryset: QuerySet[M, Any] = self._chain(query)
        queryset._manner = queryset._manner.but(kind=kind)
        extras = query.extras
        if extras.combined is not None and expressions:
            raise FieldError("values() after union() and its kin takes names of selected columns only.")
        query = query.with_extras(outputs=(), select_related=(), only=None, defer=frozenset())
        for name, expression in expressions.items():
            query = self._add_annotation(query, name, expression, selected=True, method="values")
        if mixed:
            outputs = names
        elif names or expressions:
            outputs = (*names, *expressions)
        elif extras.combined is not None and extras.outputs is not None:
            outputs = extras.outputs
        else:
            fields = tuple([field.attname for field in self.model._meta.concrete_fields])
            outputs = (*fields, *[one.name for one in extras.annotations if one.selected])
        reads = query.extras.reads
        for name in names:
            if extras.combined is None and self._check_value(query, name):
                reads = (*reads, (len(query.where), name))
        # What an aggregate of these expressions is grouped by is every other value.
        group: Any = extras.group_by
        if group is None and query.extras.group_by is not None:
            group = tuple([name for name in outputs if name not in expressions])
        queryset.query = query.with_extras(outputs=outputs, group_by=group, reads=reads).zoned(names)
        return queryset

    def _check_unsliced_values(self) -> None:
        if self._manner.prefetch and self._manner.kind != "model":
            raise TypeError("prefetch_related() has nothing to load relations into after values().")

    def _check_value(self, query: Query, name: str) -> bool:
        """Raise for a name that nothing has; return whether it reads a relation to many rows."""
        if not isinstance(name, str):
            raise TypeError(f"values() takes names, and expressions by keyword, not {name!r}.")
        head = name.partition("__")[0]
        annotation = query.named(name)[0]
        if annotation is not None:
            if not annotation.selected:
                raise FieldError(
                    f"'{annotation.name}' is an alias, which is there for conditions and order and not read (in "
                    f"values('{name}')). Write annotate({annotation.name}=…) for a value.",
                    model=self.model,
                    name=name,
                )
            return False
        meta = self.model._meta
        try:
            path = query.path(name, f"values('{name}')")
        except FieldError as error:
            if not meta.apps.models_ready:
                return False
            known = [one.name for one in query.extras.annotations]
            raise (unknown_name(meta, head, f"values('{name}')", known) if error.name == head else error) from None
        if path.relation is not None and path.rest:
            raise unknown_name(path.at, path.rest[0], f"values('{name}')")
        return bool(path.hops) and path.many

    @property
    def output_field(self) -> Any:
        """The field of the one selected column, for ``Subquery``; ``None`` when nobody knows."""
        outputs = self.query.extras.outputs
        if outputs is None:
            return self.model._meta.pk
        if len(outputs) != 1:
            return None
        annotation, _rest = self.query.named(outputs[0])
        if annotation is not None:
            return annotation.expression.output_field
        return self.query.path(outputs[0], "values()").field

    def dates(self, field_name: str, kind: str, order: str = "ASC") -> QuerySet[M, dt.date]:
        """Return the different dates of a field, cut down to ``year``, ``month``, ``week`` or ``day``.

        Raises:
            ValueError: Another kind or order.
        """
        self._check_refinable("dates")
        return dates.truncated(self, field_name, kind, order, moments=False, tzinfo=None)

    def datetimes(
        self, field_name: str, kind: str, order: str = "ASC", tzinfo: dt.tzinfo | None = None
    ) -> QuerySet[M, dt.datetime]:
        """Return the different moments of a field, cut down to a unit from ``year`` to ``second``.

        Args:
            field_name: A ``DateTimeField``, or the path to one.
            kind: The unit.
            order: ``"ASC"`` or ``"DESC"``.
            tzinfo: The zone in which days and hours begin; the current one by default.

        Raises:
            ValueError: Another kind or order.
        """
        self._check_refinable("datetimes")
        return dates.truncated(self, field_name, kind, order, moments=True, tzinfo=tzinfo)

    # ── SQL of the project's own

    def extra(
        self,
        select: Mapping[str, str] | None = None,
        where: Iterable[str] | None = None,
        params: Sequence[Any] | None = None,
        tables: Iterable[str] | None = None,
        order_by: Iterable[str] | None = None,
        select_params: Sequence[Any] | None = None,
    ) -> Self:
        """Return the rows with pieces of SQL in the query: for code that comes from Django.

        Args:
            select: SQL by the name of the attribute that gets its value.
            where: Conditions, all of which must hold.
            params: The values of ``%s`` in the conditions, in order.
            tables: Further tables to cross with; quoted.
            order_by: Names, as for ``order_by``, and ``"table.column"``.
            select_params: The values of ``%s`` in ``select``.

        Raises:
            ProgrammingError: There are more or fewer values than places.
            TypeError: The queryset is sliced.
        """
        self._check_refinable("extra")
        return extra.with_extra(  # type: ignore[return-value]  # a copy of this queryset
            self,
            select=select or {},
            select_params=select_params or (),
            where=where or (),
            params=params or (),
            tables=tables or (),
            order_by=order_by or (),
        )

    def raw(
        self,
        raw_query: str,
        params: Sequence[Any] | Mapping[str, Any] = (),
        translations: Mapping[str, str] | None = None,
        using: str | None = None,
    ) -> raw.RawQuerySet[M]:
        """Return instances read by SQL text: ``await Article.objects.raw("SELECT * FROM blog_article WHERE id = %s", [1])``.

        Conditions of this queryset do not count. Never build the text from what users send: pass it as ``params``.

        Args:
            raw_query: The SQL; ``%s`` takes the next of ``params``, ``%(name)s`` the one of that name.
            params: The values.
            translations: Field names by the names of columns, where these differ.
            using: The database; the one of this queryset otherwise.

        Raises:
            TypeError: ``params`` is neither a sequence nor a dictionary.
        """
        return raw.RawQuerySet(
            raw_query,
            self.model,
            params=params,
            translations=translations,
            using=using or self._db,
            hints=self._hints,
        )

    # ── managers

    @classmethod
    def as_manager(cls) -> Self:
        """Return a manager with this queryset's methods: ``objects = ArticleQuerySet.as_manager()``.

        Checkers see the queryset itself, so its own methods keep their types.
        """
        manager: Manager[Any] = cls._manager_class.from_queryset(cls)()
        manager._built_with_as_manager = True
        return manager  # type: ignore[return-value]  # typed as what it behaves like

    as_manager.queryset_only = True  # type: ignore[attr-defined]  # managers do not copy it


class _OneValue:
    """The statement of a ``get`` by one field, for the values that travel as they are: a text is bound without a call of ours.

    Attributes:
        kind: The class of these values; ``None`` where there are none.
        low: The least of them, for whole numbers.
        high: The greatest.
    """

    __slots__ = ("high", "is_optimized", "kind", "low", "one", "sql")

    def __init__(self, plan: run.RowsPlan) -> None:
        self.is_optimized = optimizer.is_on
        self.sql, self.one = plan.compiled.sql, plan.one
        kind, self.low, self.high = plan.compiled.taken_as_is()
        # Truth values are none: they may be a condition by themselves.
        self.kind = kind if kind in SCALARS else None


class QuickGet:
    """``get`` of a manager whose calls all start from all rows of its model.

    ``get(pk=…)`` is the most frequent query of all, so what is the same for one and the next is worked out once, and nothing of ours
    is awaited round the driver. What is no look-up by plain values goes to the queryset's own ``get``; rows and errors are the same.

    Args:
        start: What all calls start from.
    """

    __slots__ = ("_alias", "_kind", "_start")

    def __init__(self, start: QuerySet[Any, Any]) -> None:
        self._start = start
        self._kind = start.__class__
        self._alias = start._db or DEFAULT_ALIAS

    @staticmethod
    def suits(start: QuerySet[Any, Any]) -> bool:
        """Whether a queryset is all rows of its model and nothing besides, as the one of a plain manager is."""
        query = start.query
        is_whole = not query.where and query.extras is NO_EXTRAS and query.high is None and not query.low
        return is_whole and start._manner is PLAIN and not start._hints

    async def get(self, *args: Any, **kwargs: Any) -> Any:
        """Return the only row that matches, as ``QuerySet.get`` does."""
        one = None
        # Somebody may have put something else in the method's place, as tests do.
        if kwargs and not args and self._kind.get is _GET:
            database = connections[self._alias] if router.is_mute else run.read_database(self._start)
            if len(kwargs) == 1:
                [(name, value)] = kwargs.items()
                plan: _OneValue | None = database.statements.get(self, _NO_PLANS).get(name)
                if (
                    plan is not None
                    and value.__class__ is plan.kind
                    and (plan.low is None or plan.low <= value <= plan.high)
                    and plan.is_optimized is optimizer.is_on
                ):
                    sql, arguments, one = plan.sql, [value], plan.one
            if one is None:
                found = run.simple_get(self._start.query, kwargs, database)
                if isinstance(found, run.RowsPlan):
                    sql, arguments, one = self._prepared(database, kwargs, found)
                else:
                    return await self._filtered(database, kwargs, found)
        if one is None:
            return await self._start.get(*args, **kwargs)
        rows: Rows | None = None
        pool = database.pool_to_read(sql)
        if pool is not None:
            # What ``fetch`` does, without its coroutine.
            connection = pool.kept.pop()
            try:
                rows = await connection.begin_fetch(sql, arguments)
            except BaseException as error:
                await database.settle_failure(pool, connection, error, sql)
            else:
                pool.release(connection)
        if rows is None:
            rows = await database.fetch(sql, arguments)
        if len(rows) == 1:
            return one(rows[0], database.alias)
        raise self._start._not_one(len(rows))

    async def _filtered(self, database: Database, kwargs: dict[str, Any], query: Query | None) -> Any:
        """Return the only row of a query, of the one that ``get`` by these names is where it was not built yet."""
        if query is None:
            query = self._start.query.filtered((), kwargs, negate=False, where="get")
        rows = await run.get_rows(query, "model", database)
        if len(rows) == 1:
            return rows[0]
        raise self._start._not_one(len(rows))

    def _prepared(self, database: Database, kwargs: dict[str, Any], plan: run.RowsPlan) -> tuple[str, list[Any], Any]:
        """Return text, arguments and what makes the instance; keep what the next ``get`` by this name can do with."""
        if len(kwargs) == 1:
            (name,) = kwargs
            # Names of fields: of those with look-ups there is no end, and they may come from outside.
            if "__" not in name:
                known = database.statements.get(self)
                if known is None:
                    known = database.statements[self] = {}
                known[name] = _OneValue(plan)
        return *plan.bind(tuple(kwargs.values())), plan.one


_GET: Any = QuerySet.get
_NO_PLANS: dict[str, _OneValue] = {}
