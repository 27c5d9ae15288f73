"""Managers: where the querysets of a model begin.

A manager has every public method of its queryset class; each call starts from ``get_queryset()``. ``Article.objects`` is
a manager bound to its model; an instance has none.
"""

# ruff: noqa: D102 - the signatures for checkers have their texts where the methods are written
from __future__ import annotations

import datetime as dt
import inspect
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from functools import update_wrapper
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Self, overload

from typing_extensions import TypeVar

from covet.db.models.query.plan import Query
from covet.db.models.query.queryset import QuerySet, QuickGet
from covet.exceptions import QueryNotAwaited

if TYPE_CHECKING:
    from covet.db.models.base import Model
    from covet.db.models.expressions.base import Expression
    from covet.db.models.query.raw import RawQuerySet

__all__ = ["BaseManager", "EmptyManager", "Manager", "ManagerDescriptor"]

M = TypeVar("M", bound="Model", default=Any)
T = TypeVar("T", default=Any)


class BaseManager(Generic[M]):
    """What every manager has, whatever its queryset's methods are."""

    creation_counter: int = 0
    _next_counter: ClassVar[int] = 0
    auto_created = False
    use_in_migrations = False
    _queryset_class: ClassVar[type[QuerySet[Any, Any]]] = QuerySet
    _built_with_as_manager = False
    _constructed: tuple[tuple[Any, ...], dict[str, Any]]

    model: type[M]
    name: str | None

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Remember the arguments: migrations write them."""
        self = super().__new__(cls)
        self._constructed = (args, kwargs)
        return self

    def __init__(self) -> None:
        self.model = None  # type: ignore[assignment]  # set by contribute_to_class
        self.name = None
        self._db: str | None = None
        self._hints: dict[str, Any] = {}
        self._start: QuerySet[Any, Any] | None = None
        self._bound: dict[str, Any] = {}
        self._get: Any = None
        self.creation_counter = BaseManager._next_counter
        BaseManager._next_counter += 1

    @classmethod
    def from_queryset(cls, queryset_class: type[QuerySet[Any, Any]], class_name: str | None = None) -> type[Self]:
        """Return a manager class with the methods of a queryset class.

        Methods with ``queryset_only = True`` and private ones (unless ``queryset_only = False``) are left out.
        """
        name = class_name or f"{cls.__name__}From{queryset_class.__name__}"
        namespace = {"_queryset_class": queryset_class, **_methods(cls, queryset_class)}
        return type(name, (cls,), namespace)

    def contribute_to_class(self, cls: type[M], name: str) -> None:
        """Bind the manager to a model under a name."""
        self.name = self.name or name
        self.model = cls
        self._forget()
        setattr(cls, name, ManagerDescriptor(self))
        cls._meta.add_manager(self)

    def get_queryset(self) -> QuerySet[M, M]:
        """Return the queryset that every call starts from; override it to filter what the manager gives."""
        return self._queryset_class(model=self.model, using=self._db, hints=self._hints or None)

    def _first(self) -> QuerySet[M, M]:
        """Return the queryset to start from; one object serves all calls of a manager that does not change it."""
        if self._start is not None:
            return self._start
        start = self.get_queryset()
        if type(self).get_queryset is BaseManager.get_queryset and not self._hints:
            # Querysets never change, so what a plain manager starts from can be shared.
            self._start = start
        return start

    def all(self) -> QuerySet[M, M]:
        """Return all rows."""
        return self.get_queryset()

    def db_manager(self, using: str | None = None, hints: dict[str, Any] | None = None) -> Self:
        """Return the manager on another database."""
        new = self._copy()
        new._db = using or self._db
        new._hints = hints or self._hints
        return new

    @property
    def db(self) -> str:
        """The alias that reads go to."""
        return self.get_queryset().db

    def _copy(self) -> Self:
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        new._forget()
        return new

    def _forget(self) -> None:
        """Forget the queryset that all calls start from, and its methods."""
        self._start = self._get = None
        self._bound = {}

    def __copy__(self) -> Self:
        return self._copy()

    def __getstate__(self) -> dict[str, Any]:
        return self._copy().__dict__

    def deconstruct(self) -> tuple[bool, str | None, str | None, tuple[Any, ...] | None, dict[str, Any] | None]:
        """Return how a migration makes the manager anew: whether by ``as_manager``, the paths, and the arguments.

        Raises:
            ValueError: The class of the manager cannot be imported by name.
        """
        cls: type[Any] = type(self)
        if self._built_with_as_manager:
            queryset = self._queryset_class
            return True, None, f"{queryset.__module__}.{queryset.__qualname__}", None, None
        module = inspect.getmodule(cls)
        if module is None or not hasattr(module, cls.__name__):
            raise ValueError(
                f"A migration cannot import the manager class {cls.__name__} from {cls.__module__}. "
                "Inherit from the class that from_queryset() returns, and give it a name in a module."
            )
        args, kwargs = self._constructed
        return False, f"{cls.__module__}.{cls.__qualname__}", None, args, kwargs

    def check(self, **kwargs: Any) -> list[Any]:
        """Return what is wrong with the manager; override it to add checks."""
        return []

    if not TYPE_CHECKING:
        # Checkers refuse these anyway. A manager is always true, as in Django: ``manager or Article.objects`` chooses one.

        def __iter__(self):
            raise self._unfit("iterated", "'for row in await {0}.all()' or 'async for row in {0}.all()'")

        def __aiter__(self):
            raise self._unfit("iterated", "'async for row in {0}.all()'")

        def __len__(self):
            raise self._unfit("measured", "'await {0}.count()', or 'len(await {0}.all())' if the rows are needed too")

        def __contains__(self, item):
            raise self._unfit("searched", "'await {0}.contains(row)'")

        def __getitem__(self, item):
            if isinstance(item, slice):
                raise self._unfit("sliced", "'await {0}.all()[2:7]', in an order of order_by(…)")
            raise self._unfit("indexed", "'await {0}.all()[3]', in an order of order_by(…), or 'await {0}.get(pk=…)'")

        def __bool__(self):
            return True

    def _spoken(self) -> str:
        """Return how code writes this manager."""
        return self.name or "objects" if self.model is None else f"{self.model.__name__}.{self.name}"

    def _unfit(self, what: str, instead: str) -> QueryNotAwaited:
        name = self._spoken()
        return QueryNotAwaited(f"{name} is a manager, which cannot be {what}. Write {instead.format(name)}.")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return id(self)

    def __str__(self) -> str:
        label = "?" if self.model is None else self.model._meta.label
        return f"{label}.{self.name}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"


def _methods(base: type[Any], queryset_class: type[Any]) -> dict[str, Any]:
    """Return the queryset methods that a manager class does not have yet, each passing on to a fresh queryset."""
    held: dict[str, Any] = {}
    for kind in reversed(queryset_class.__mro__):
        held.update(vars(kind))
    found: dict[str, Any] = {}
    for name in sorted(held):
        method = held[name].__func__ if isinstance(held[name], staticmethod) else held[name]
        if not inspect.isfunction(method) or hasattr(base, name):
            continue
        only = getattr(method, "queryset_only", None)
        if only or (only is None and name.startswith("_")):
            continue
        found[name] = _passed_on(name, method)
    return found


class _Passed:
    """A coroutine method of querysets on their managers.

    Where all calls start from one queryset, its own method is given and nothing stands in between, which would pack and unpack the
    arguments once more.
    """

    __slots__ = ("_call", "_method", "_name")

    def __init__(self, name: str, method: Any, call: Any) -> None:
        self._name = name
        self._method = method
        self._call = call

    def __get__(self, manager: Any, owner: Any = None) -> Any:
        if manager is None:
            return self._call
        start = manager._start
        # Somebody may have put something else in the method's place, as tests do.
        if start is None or getattr(start.__class__, self._name) is not self._method:
            return MethodType(self._call, manager)
        found = manager._bound.get(self._name)
        if found is None:
            found = manager._bound[self._name] = MethodType(_named(self._method, _label(manager, self._name)), start)
        return found


class _PassedGet(_Passed):
    """``get`` of querysets on their managers: that of ``QuickGet`` where it can be, for which nothing is looked at here."""

    __slots__ = ()

    def __get__(self, manager: Any, owner: Any = None) -> Any:
        if manager is None:
            return self._call
        found = manager._get
        if found is None:
            found = super().__get__(manager, owner)
            start = manager._start
            if found.__self__ is start and QuickGet.suits(start):
                get = _named(vars(QuickGet)["get"], _label(manager, self._name), self._method)
                found = manager._get = MethodType(get, QuickGet(start))
        return found


def _named(method: FunctionType, label: str, seen: FunctionType | None = None) -> FunctionType:
    """Return a copy of a function whose coroutines have another name; who inspects it sees ``seen``."""
    copy = FunctionType(method.__code__, method.__globals__, method.__name__, method.__defaults__, method.__closure__)
    copy.__kwdefaults__ = method.__kwdefaults__
    update_wrapper(copy, seen or method)
    copy.__qualname__ = label
    return copy


def _label(manager: Any, name: str) -> str:
    """Return what Python's warning calls a coroutine that nobody awaits: "Article.objects.get", not "Fetch.get"."""
    return f"{manager.model.__name__}.{manager.name}.{name}"


def _passed_on(name: str, method: Callable[..., Any]) -> Any:
    is_async = inspect.iscoroutinefunction(method)

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        # Asked for here as well as in _first(): nearly always it is there, and every query passes this.
        start = self._start
        return getattr(self._first() if start is None else start, name)(*args, **kwargs)

    if is_async:

        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            coroutine = getattr(self._first(), name)(*args, **kwargs)
            coroutine.__qualname__ = _label(self, name)
            return coroutine

    call.__name__ = name
    call.__qualname__ = f"Manager.{name}"
    call.__doc__ = method.__doc__
    if method is QuerySet.get:
        return _PassedGet(name, method, call)
    return _Passed(name, method, call) if is_async else call


class Manager(BaseManager[M]):
    """The manager of a model, with every method of ``QuerySet``.

    Subclass it and override ``get_queryset`` to start from other rows, or use ``QuerySet.as_manager()``.
    """

    if TYPE_CHECKING:
        # What checkers see; at run time the methods are copied from QuerySet below.
        def none(self) -> QuerySet[M, M]: ...
        def filter(self, *args: Any, **kwargs: Any) -> QuerySet[M, M]: ...
        def exclude(self, *args: Any, **kwargs: Any) -> QuerySet[M, M]: ...
        def complex_filter(self, condition: Any) -> QuerySet[M, M]: ...
        def order_by(self, *items: Any) -> QuerySet[M, M]: ...
        def reverse(self) -> QuerySet[M, M]: ...
        def distinct(self, *names: str) -> QuerySet[M, M]: ...
        def using(self, alias: str | None) -> QuerySet[M, M]: ...
        def fetch_mode(self, mode: Any) -> QuerySet[M, M]: ...
        def cache(self, timeout: float | dt.timedelta | None = 60, *, tags: Iterable[str] = ()) -> QuerySet[M, M]: ...
        def annotate(self, *args: Any, **kwargs: Any) -> QuerySet[M, M]: ...
        def alias(self, *args: Any, **kwargs: Any) -> QuerySet[M, M]: ...
        def select_related(self, *paths: Any) -> QuerySet[M, M]: ...
        def prefetch_related(self, *lookups: Any) -> QuerySet[M, M]: ...
        def only(self, *names: str) -> QuerySet[M, M]: ...
        def defer(self, *names: Any) -> QuerySet[M, M]: ...
        def select_for_update(
            self, nowait: bool = False, skip_locked: bool = False, of: Iterable[str] = (), no_key: bool = False
        ) -> QuerySet[M, M]: ...
        def union(self, *others: Any, all: bool = False) -> QuerySet[M, M]: ...
        def intersection(self, *others: Any) -> QuerySet[M, M]: ...
        def difference(self, *others: Any) -> QuerySet[M, M]: ...
        def values(self, *names: str, **expressions: Any) -> QuerySet[M, dict[str, Any]]: ...
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
            self,
            a: Any,
            b: Any,
            c: Any,
            d: Any,
            e: Any,
            /,
            *,
            flat: Literal[False] = False,
            named: Literal[False] = False,
        ) -> QuerySet[M, tuple[Any, Any, Any, Any, Any]]: ...
        @overload
        def values_list(
            self, *names: Any, flat: Literal[False] = False, named: Literal[False] = False
        ) -> QuerySet[M, tuple[Any, ...]]: ...
        def values_list(self, *names: Any, flat: bool = False, named: bool = False) -> QuerySet[M, Any]: ...
        def dates(self, field_name: str, kind: str, order: str = "ASC") -> QuerySet[M, dt.date]: ...
        def datetimes(
            self, field_name: str, kind: str, order: str = "ASC", tzinfo: dt.tzinfo | None = None
        ) -> QuerySet[M, dt.datetime]: ...
        def raw(
            self,
            raw_query: str,
            params: Sequence[Any] | Mapping[str, Any] = (),
            translations: Mapping[str, str] | None = None,
            using: str | None = None,
        ) -> RawQuerySet[M]: ...
        def extra(
            self,
            select: Mapping[str, str] | None = None,
            where: Iterable[str] | None = None,
            params: Sequence[Any] | None = None,
            tables: Iterable[str] | None = None,
            order_by: Iterable[str] | None = None,
            select_params: Sequence[Any] | None = None,
        ) -> QuerySet[M, M]: ...
        def iterator(self, chunk_size: int = 2000) -> AsyncGenerator[M, None]: ...
        async def get(self, *args: Any, **kwargs: Any) -> M: ...
        async def first(self) -> M | None: ...
        async def last(self) -> M | None: ...
        async def latest(self, *names: str) -> M: ...
        async def earliest(self, *names: str) -> M: ...
        async def in_bulk(self, ids: Iterable[Any] | None = None, *, field_name: str = "pk") -> dict[Any, M]: ...
        async def count(self) -> int: ...
        async def exists(self) -> bool: ...
        async def contains(self, row: Any) -> bool: ...
        async def aggregate(self, *args: Any, **kwargs: Any) -> dict[str, Any]: ...
        async def explain(self, *, format: Any = None, **options: bool) -> str: ...
        async def create(self, **values: Any) -> M: ...
        async def get_or_create(self, defaults: dict[str, Any] | None = None, **lookups: Any) -> tuple[M, bool]: ...
        async def update_or_create(
            self,
            defaults: dict[str, Any] | None = None,
            create_defaults: dict[str, Any] | None = None,
            **lookups: Any,
        ) -> tuple[M, bool]: ...
        async def bulk_create(
            self,
            objs: Iterable[M],
            batch_size: int | None = None,
            ignore_conflicts: bool = False,
            update_conflicts: bool = False,
            update_fields: Iterable[str] | None = None,
            unique_fields: Iterable[str] | None = None,
        ) -> list[M]: ...
        async def bulk_update(self, objs: Iterable[M], fields: Iterable[str], batch_size: int | None = None) -> int: ...
        async def update(self, **values: Any) -> int: ...


for _name, _method in _methods(BaseManager, QuerySet).items():
    setattr(Manager, _name, _method)
QuerySet._manager_class = Manager


class ManagerDescriptor:
    """Gives the manager on the class, and an error on instances, abstract and swapped models."""

    __slots__ = ("_owner", "manager")

    def __init__(self, manager: BaseManager[Any]) -> None:
        self.manager = manager
        #: The model for which nothing has to be asked again: it has rows, and nothing can be swapped for it.
        self._owner: Any = None

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None and owner is self._owner:
            return self.manager
        name = self.manager.name
        if instance is not None:
            raise AttributeError(
                f"Managers are reached by the class: write {owner.__name__}.{name}, not instance.{name}."
            )
        meta = owner._meta
        if meta.abstract:
            raise AttributeError(f"{owner.__name__} is abstract and has no rows; query one of its subclasses.")
        if meta.swappable and meta.swapped:
            raise AttributeError(f"{owner.__name__} is swapped for {meta.swapped}; query that model.")
        if owner is self.manager.model:
            if not meta.swappable:
                self._owner = owner
            return self.manager
        return meta.managers_map[name]


class EmptyManager(Manager[M]):
    """A manager without rows, for objects that stand in for a model (``AnonymousUser``)."""

    def __init__(self, model: type[M]) -> None:
        super().__init__()
        self.model = model

    def get_queryset(self) -> QuerySet[M, M]:
        """Return the empty queryset."""
        return QuerySet(self.model, Query(self.model)).none()
