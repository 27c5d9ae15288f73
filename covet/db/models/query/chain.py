"""``Chain``: what every queryset holds, how it is copied, and what plain Python may do with it.

Nothing here asks a database. Iterating, measuring or testing a queryset that was not awaited raises ``QueryNotAwaited``
with the line to write instead; once awaited its rows are cached, and it behaves like a list.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, Self

from msgspec import Struct
from msgspec.structs import replace
from typing_extensions import TypeVar

from covet.db.models.query.plan import Query
from covet.exceptions import QueryNotAwaited

if TYPE_CHECKING:
    from covet.db.models.base import Model
    from covet.db.models.query.result_cache import Caching

__all__ = ["PLAIN", "Chain", "M", "Manner", "R"]

M = TypeVar("M", bound="Model")
R = TypeVar("R", covariant=True, default=M)  # noqa: PLC0105  # short, as it stands in every signature

_SHOWN = 20
# Hints and known objects belong to the manager that the queryset came from.
_PICKLED = ("model", "query", "_db", "_cache", "_prefetched", "_for_write")


class Manner(Struct, frozen=True, eq=False):
    """How the rows of a queryset are read and what is made of them; most querysets share ``PLAIN``.

    Attributes:
        kind: The form of a row: ``model dict tuple flat named``.
        mode: How relations of the rows are loaded; ``None`` is the default.
        caching: How long results are kept beyond the queryset.
        prefetch: What ``prefetch_related`` was given.
        known: A relation and the object that all rows have for it.
    """

    kind: str = "model"
    mode: Any = None
    caching: Caching | None = None
    prefetch: tuple[Any, ...] = ()
    known: tuple[Any, Any] | None = None

    def but(self, **changes: Any) -> Manner:
        """Return a copy with some parts changed."""
        return replace(self, **changes)


#: Instances, and nothing beside them. Hot paths ask whether it is this very object.
PLAIN = Manner()


class _Unread:
    """A queryset inside a query that is pickled: it is a question there, which nobody has asked."""

    def __init__(self, queryset: Chain[Any, Any]) -> None:
        self.queryset = queryset

    def __reduce__(self) -> tuple[Any, ...]:
        queryset = self.queryset
        state = _state_of(queryset) | {"_cache": None, "_prefetched": False}
        return _restored, (queryset.__class__, state, getattr(queryset, "__dict__", None))


class Chain(Generic[M, R]):
    """The state of a queryset.

    Attributes:
        model: The model whose rows are asked for.
        query: The immutable plan.
    """

    __slots__ = (
        "_ahead",
        "_cache",
        "_db",
        "_for_write",
        "_hints",
        "_manner",
        "_prefetched",
        "_reading",
        "model",
        "query",
    )

    model: type[M]
    query: Query
    _ahead: Any  # the manager that this is the whole set of: it may read the rows for other instances too
    _db: str | None
    _hints: dict[str, Any]
    _manner: Manner
    _cache: list[Any] | None
    _prefetched: bool
    _for_write: bool
    _reading: tuple[Any, list[Any]] | None  # the block whose task reads the rows now, and who waits for it

    _NO_HINTS: ClassVar[dict[str, Any]] = {}

    def __init__(
        self,
        model: type[M] | None = None,
        query: Query | None = None,
        using: str | None = None,
        hints: dict[str, Any] | None = None,
    ) -> None:
        self.model = model  # type: ignore[assignment]  # as_manager() makes one before its model exists
        self.query = query or Query(model)
        self._ahead = None
        self._db = using
        self._hints = hints or self._NO_HINTS
        self._manner = PLAIN
        self._cache = None
        self._prefetched = False
        self._for_write = False
        self._reading = None

    def _chain(self, query: Query) -> Self:
        """Return a copy round another query; its rows are not read yet."""
        cls = self.__class__
        new = cls.__new__(cls)
        new.model = self.model
        new.query = query
        new._ahead = None
        new._db = self._db
        new._hints = self._hints
        new._manner = self._manner
        new._cache = None
        new._prefetched = False
        new._for_write = self._for_write
        new._reading = None
        if cls.__dictoffset__:  # a subclass without __slots__ may keep attributes of its own
            new.__dict__.update(self.__dict__)
        return new

    # ── plain Python

    def _refuse(self, what: str, instead: str) -> NoReturn:
        name = "queryset" if self.model is None else f"{self.model._meta.object_name} queryset"
        raise QueryNotAwaited(f"This {name} was not awaited yet, so it cannot be {what}. Write {instead}.")

    def __iter__(self) -> Iterator[R]:
        if self._cache is None:
            self._refuse("iterated", "'for row in await queryset' or 'async for row in queryset'")
        return iter(self._cache)

    def __len__(self) -> int:
        if self._cache is None:
            self._refuse("measured", "'await queryset.count()', or 'len(await queryset)' if the rows are needed too")
        return len(self._cache)

    def __bool__(self) -> bool:
        if self._cache is None:
            self._refuse("tested for truth", "'await queryset.exists()', or 'if await queryset'")
        return bool(self._cache)

    def __contains__(self, item: object) -> bool:
        if self._cache is None:
            self._refuse("searched", "'await queryset.contains(row)'")
        return item in self._cache

    def __repr__(self) -> str:
        name = type(self).__name__
        label = "?" if self.model is None else self.model._meta.object_name
        if self._cache is None:
            return f"<{name} {label} (not evaluated)>"
        shown = [repr(row) for row in self._cache[:_SHOWN]]
        if len(self._cache) > _SHOWN:
            shown.append("...(remaining elements truncated)...")
        return f"<{name} [{', '.join(shown)}]>"

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle the rows with the query: only once they are read, since pickling cannot wait."""
        if self._cache is None:
            self._refuse("pickled", "'await queryset' first, or pickle 'queryset.query'")
        return _restored, (self.__class__, _state_of(self), getattr(self, "__dict__", None))

    def unread(self) -> _Unread:
        """Return what is pickled as this queryset without its rows, as a part of ``queryset.query``."""
        return _Unread(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self._chain(self.query)

    def __class_getitem__(cls, item: Any) -> Any:
        return super().__class_getitem__(item)  # type: ignore[misc]  # Generic has it at run time

    # ── what others ask

    @property
    def gives_instances(self) -> bool:
        """Whether a row is an instance of the model, and not what ``values()`` makes of it."""
        return self._manner.kind == "model"

    @property
    def is_evaluated(self) -> bool:
        """Whether the rows have been read."""
        return self._cache is not None

    @property
    def ordered(self) -> bool:
        """Whether the rows come in an order that was asked for, or that the model has."""
        query = self.query
        if query.extras.empty:
            return True
        if query.order is not None:
            return bool(query.order)
        return bool(self.model._meta.ordering) and query.extras.group_by is None

    @property
    def totally_ordered(self) -> bool:
        """Whether no two rows can change places: the order ends at a unique field."""
        query, meta = self.query, self.model._meta
        if query.extras.empty:
            return True
        if not self.ordered or query.extras.combined is not None or query.extras.group_by is not None:
            return False
        names: set[str] = set()
        for item in query.order_items if query.order is not None else tuple(meta.ordering):
            name = (
                item.lstrip("-") if isinstance(item, str) else getattr(getattr(item, "expression", item), "name", None)
            )
            field = meta.fields_map.get(name) if isinstance(name, str) else None
            if name == "pk" or (field is not None and getattr(field, "unique", False) and not field.null):
                return True
            if field is not None and not field.null:
                names |= {field.name, field.attname}
        together = [set(group) for group in meta.unique_together]
        together += [set(one.fields) for one in meta.total_unique_constraints]
        return any(group and group <= names for group in (*together, {field.attname for field in meta.pk_fields}))

    def shape(self, values: list[Any]) -> Any:
        """Append the values of a queryset that stands inside another query, and return its shape."""
        values.extend(self.query.all_values())
        key = self.query.key()
        # An alias that was chosen is part of the shape: whether it fits is checked when the shape is new.
        return key if self._db is None else (key, self._db)


def _state_of(queryset: Chain[Any, Any]) -> dict[str, Any]:
    """Return what is pickled of a queryset."""
    manner = queryset._manner.but(caching=None, known=None)
    return {name: getattr(queryset, name) for name in _PICKLED} | {"_manner": manner}


def _restored(cls: type[Chain[Any, Any]], state: dict[str, Any], extra: dict[str, Any] | None) -> Chain[Any, Any]:
    """Make a queryset anew from what was pickled."""
    new: Chain[Any, Any] = cls.__new__(cls)
    new._hints = Chain._NO_HINTS
    new._ahead = new._reading = None
    for name, value in state.items():
        setattr(new, name, value)
    if extra:
        new.__dict__.update(extra)
    return new
