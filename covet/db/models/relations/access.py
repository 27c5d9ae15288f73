"""What ``article.author`` and ``author.articles`` are: the descriptors that relations put on models.

A relation to one row is always an object: the loaded one, or one that knows its key only and is completed by ``await``.
The object is kept under ``field.cache_name``; it counts only while its key is the one in ``author_id``.
"""

from __future__ import annotations

from functools import cache
from keyword import iskeyword
from typing import TYPE_CHECKING, Any, Generic, Self, overload

from typing_extensions import TypeVar

from covet.db.models.query.hydrate import MISSING
from covet.db.models.state import BOUND, Pending, State
from covet.db.routers import router
from covet.exceptions import NotLoaded
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.db.models.base import Model
    from covet.db.models.relations import managers, peers
    from covet.db.models.relations.managers import RelatedManager
else:
    managers = late_module(__name__, "covet.db.models.relations.managers")
    peers = late_module(__name__, "covet.db.models.relations.peers")

__all__ = [
    "ForwardDescriptor",
    "ManyDescriptor",
    "Pending",
    "Related",
    "ReverseManyDescriptor",
    "ReverseOneDescriptor",
    "is_absent",
    "keep_together",
]

M = TypeVar("M", bound="Model", default=Any)


class Related(Generic[M]):
    """The annotation of a reverse side: ``articles: Related["Article"]``. Checkers read it; at run time it does nothing."""

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: type[Any]) -> Self: ...
        @overload
        def __get__(self, instance: Model, owner: type[Any]) -> RelatedManager[M]: ...
        def __get__(self, instance: Model | None, owner: type[Any]) -> Self | RelatedManager[M]: ...


class ForwardDescriptor:
    """``article.author``."""

    __slots__ = ("attname", "cache_name", "field", "target")

    def __init__(self, field: Any) -> None:
        self.field = field
        self.attname = field.attname
        self.cache_name = field.cache_name
        # The attribute of the target that holds the key; known once the target is.
        self.target = ""

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self.field
        cached = getattr(instance, self.cache_name)
        key = getattr(instance, self.attname)  # raises where the key itself was not loaded
        if cached is not None:
            if cached.__class__ is Pending:
                self.field.prepare_save(instance, refuse=False)
                return cached.value
            target = self.target
            if not target:
                target = self.target = self.field.target_field.attname
                self.__class__ = _compiled(self.cache_name, self.attname, target)
            if cached.__dict__.get(target) == key:
                return cached
        field = self.field
        if key is None:
            if field.null or instance._row_state.adding is False:
                return None
            raise field.related_model.DoesNotExist(f"This {field.model._meta.object_name} has no {field.name} yet.")
        stub = peers.stub(field, instance, key)
        setattr(instance, self.cache_name, stub)
        return stub

    def __set__(self, instance: Any, value: Any) -> None:
        field = self.field
        if value is None:
            before = instance.__dict__.get(self.cache_name)
            if before is not None and field.one_to_one and before.__class__ is not Pending:
                field.remote_field.delete_cached_value(before)
            setattr(instance, self.attname, None)
            setattr(instance, self.cache_name, None)
            return
        field.check_instance(value)
        keep_together(instance, value, field)
        key = value.__dict__.get(field.target_field.attname)
        setattr(instance, self.attname, key)
        setattr(instance, self.cache_name, value if key is not None else Pending(value))
        if field.one_to_one and field.remote_field.get_accessor_name():
            field.remote_field.set_cached_value(value, instance)

    def __delete__(self, instance: Any) -> None:
        instance.__dict__.pop(self.cache_name, None)

    def __reduce__(self) -> Any:
        return getattr, (self.field.model, self.field.name)


@cache
def _compiled(cache_name: str, attname: str, target: str) -> type[ForwardDescriptor]:
    """Return the descriptor's class with the names written into ``__get__``: half the time of every ``article.author``.

    It asks for attributes, never for ``__dict__``, which Python would have to build first; and for the type, since ``__class__`` is
    an attribute as well, which Python 3.11 looks up at length in a class with ``__getattr__``.
    """
    if not all(name.isidentifier() and not iskeyword(name) for name in (cache_name, attname, target)):
        return ForwardDescriptor
    source = f"""
def __get__(self, instance, owner=None):
    if instance is not None:
        cached = instance.{cache_name}
        if cached is not None and type(cached) is not Pending:
            try:
                if cached.{target} == instance.{attname}:
                    return cached
            except NotLoaded:
                pass
    return slow(self, instance, owner)
"""
    names: dict[str, Any] = {"Pending": Pending, "NotLoaded": NotLoaded, "slow": ForwardDescriptor.__get__}
    exec(source, names)  # noqa: S102  # identifiers, checked above
    return type("ForwardDescriptor", (ForwardDescriptor,), {"__slots__": (), "__get__": names["__get__"]})


def keep_together(instance: Any, value: Any, field: Any) -> None:
    """Refuse a relation across databases, unless a router allows it.

    An unsaved side belongs where the routers write it; without a word of theirs, where the other side is.
    """
    mine, theirs = instance._row_state.db, value._row_state.db
    if mine == theirs:
        return
    if mine is None:
        mine = theirs if router.is_mute else router.db_for_write(type(instance), instance=value)
        instance._row_state = BOUND(instance._row_state, mine)
    elif theirs is None:
        theirs = mine if router.is_mute else router.db_for_write(type(value), instance=instance)
        value._row_state = BOUND(value._row_state, theirs)
    if mine != theirs and not router.allow_relation(value, instance):
        raise ValueError(
            f"{field.model._meta.object_name}.{field.name} cannot refer to {value!r}: it is on database '{theirs}', and "
            f"the instance on '{mine}'. Rows of two databases have no relations, unless a router's allow_relation says so."
        )


class ReverseOneDescriptor:
    """``place.restaurant``: the single row that refers here."""

    __slots__ = ("relation",)

    def __init__(self, relation: Any) -> None:
        self.relation = relation

    @property
    def related(self) -> Any:
        """The relation: ``Place.restaurant.related``."""
        return self.relation

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        relation = self.relation
        if instance is None:
            return self
        cached = getattr(instance, relation.cache_name)
        if cached is not None and cached is not MISSING:
            return cached
        return self._unloaded(instance, is_absent=cached is MISSING)

    def _unloaded(self, instance: Any, *, is_absent: bool) -> Any:
        relation = self.relation
        field = relation.field
        state: State = instance._row_state
        row = object.__new__(field.model)
        key = getattr(instance, field.target_field.attname)

        async def load(holder: Any) -> None:
            peers.fill(row, await peers.load_reverse_one(relation, holder))

        async def alone(self: Any) -> Any:
            queryset = field.model._base_manager.using(peers.place_of(field.model, row))
            peers.fill(row, await queryset.get(**{field.attname: key}))
            return row

        loader = _reverse_loader(instance, load, alone)
        row._row_state = State(
            False,
            state.db,
            loader=_Absent(loader) if is_absent else loader,
            partial=True,
            origin=(relation.model._meta.object_name, str(relation.get_accessor_name())),
            fetch_mode=state.fetch_mode,
        )
        setattr(row, field.attname, key)
        return row

    def __set__(self, instance: Any, value: Any) -> None:
        relation = self.relation
        field = relation.field
        if value is None:
            before = relation.get_cached_value(instance)
            if before is not None:
                setattr(before, field.name, None)
            relation.set_cached_value(instance, None)
            return
        if not isinstance(value, field.model):
            raise ValueError(
                f"{relation.model._meta.object_name}.{relation.get_accessor_name()} must be an instance of "
                f"{field.model._meta.object_name}, not {value!r}."
            )
        setattr(value, field.name, instance)
        relation.set_cached_value(instance, value)


class _Absent:
    """Loads what the query of its owner found not to be there: whoever awaits it asks once more."""

    __slots__ = ("load",)

    def __init__(self, load: Any) -> None:
        self.load = load

    def __call__(self, instance: Any) -> Any:
        return self.load(instance)


def is_absent(value: Any) -> bool:
    """Return whether a value is the row of a reverse one-to-one of which it is known that there is none."""
    state = getattr(value, "_row_state", None)
    return state is not None and state.loader.__class__ is _Absent


def _reverse_loader(owner: Any, load: Any, alone: Any) -> Any:
    import weakref

    reference = weakref.ref(owner)

    async def loader(instance: Any) -> Any:
        holder = reference()
        if holder is None:
            return await alone(instance)
        await load(holder)
        return instance

    return loader


class ReverseManyDescriptor:
    """``author.articles``: the manager of the rows that refer here."""

    __slots__ = ("_cls", "relation")

    def __init__(self, relation: Any) -> None:
        self.relation = relation
        self._cls: Any = None

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        cls = self._cls
        if cls is None:
            cls = self._cls = managers.reverse_manager_class(self.relation)
        return cls(instance)

    def __set__(self, instance: Any, value: Any) -> None:
        name = self.relation.get_accessor_name()
        raise TypeError(f"{name} cannot be assigned. Write 'await {instance._meta.model_name}.{name}.set(…)'.")

    @property
    def rel(self) -> Any:
        """The relation."""
        return self.relation

    @property
    def field(self) -> Any:
        """The field that refers here: ``Author.articles.field``."""
        return self.relation.field


class ManyDescriptor:
    """``article.tags`` and ``tag.articles``: the manager of a many-to-many relation."""

    __slots__ = ("_cls", "relation", "reverse")

    def __init__(self, relation: Any, *, reverse: bool) -> None:
        self.relation = relation
        self.reverse = reverse
        self._cls: Any = None

    @property
    def through(self) -> Any:
        """The model between."""
        return self.relation.through

    @property
    def field(self) -> Any:
        """The many-to-many field."""
        return self.relation.field

    @property
    def rel(self) -> Any:
        """The relation."""
        return self.relation

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        cls = self._cls
        if cls is None:
            cls = self._cls = managers.many_manager_class(self.relation, reverse=self.reverse)
        return cls(instance)

    def __set__(self, instance: Any, value: Any) -> None:
        name = self.relation.get_accessor_name() if self.reverse else self.relation.field.name
        raise TypeError(f"{name} cannot be assigned. Write 'await {instance._meta.model_name}.{name}.set(…)'.")
