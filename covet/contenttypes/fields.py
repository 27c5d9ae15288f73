"""Relations to any model: ``GenericForeignKey`` on the rows that refer; ``GenericRelation`` is for the models referred to.

Two columns say what is meant: the key of a content type and the key of a row. What a type's key stands for is read from
the database once and kept, so that most uses touch no further table.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Iterator
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Self, overload

from typing_extensions import TypeVar

from covet import checks
from covet.contenttypes.managers import types_on
from covet.contenttypes.referred import Referred, check_key
from covet.contenttypes.relation import GenericRelation
from covet.db.models.query.chain import PLAIN
from covet.db.models.query.prefetch import Prefetch
from covet.db.models.relations import peers
from covet.db.models.relations.access import Pending
from covet.db.models.state import State
from covet.exceptions import FieldDoesNotExist, ObjectDoesNotExist, ValidationError

if TYPE_CHECKING:
    from covet.contenttypes.models import ContentType
    from covet.db.models.base import Model
    from covet.db.models.query.queryset import QuerySet
    from covet.db.sql.nodes import ColumnType

__all__ = ["GenericForeignKey", "GenericPrefetch", "GenericRelation"]

M = TypeVar("M", bound="Model", default=Any)


class GenericForeignKey:
    """A relation to one row of any model, by two fields of this one.

    ``comment.content_object`` is the row, or an object that knows its key only; ``await`` completes it, for all rows of
    the same result with one statement for each model. It has no column of its own and is no name in queries.

    Args:
        ct_field: The foreign key to ``ContentType``.
        fk_field: The field that holds the key of the row.
        for_concrete_model: Take a proxy for the model that it stands for.
    """

    is_relation = True
    many_to_one = True
    many_to_many = one_to_many = one_to_one = False
    needs_preparing = True
    auto_created = concrete = editable = generated = hidden = primary_key = unique = False
    blank = null = True
    attname = column = related_model = remote_field = None
    related_query_name = None

    name: str
    model: Any

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: type[Any]) -> Self: ...
        @overload
        def __get__(self, instance: Model, owner: type[Any]) -> Any: ...
        def __get__(self, instance: Model | None, owner: type[Any]) -> Any: ...
        def __set__(self, instance: Model, value: Model | None) -> None: ...

    def __init__(
        self, ct_field: str = "content_type", fk_field: str = "object_id", for_concrete_model: bool = True
    ) -> None:
        self.ct_field = ct_field
        self.fk_field = fk_field
        self.for_concrete_model = for_concrete_model

    @property
    def pair(self) -> tuple[str, str]:
        """The names of the two fields that hold the relation."""
        return self.ct_field, self.fk_field

    @property
    def cache_name(self) -> str:
        """The attribute that holds the object in memory, beside the keys that it is for."""
        return f"_{self.name}_cache"

    def contribute_to_class(self, cls: Any, name: str, private_only: bool = True) -> None:
        """Join the model."""
        self.name = name
        self.model = cls
        cls._meta.add_field(self, private=True)
        setattr(cls, name, _GenericDescriptor(self))
        setattr(cls, self.cache_name, None)

    def column_type(self) -> ColumnType | None:
        """Return ``None``: its two fields have the columns."""
        return None

    def clone(self) -> GenericForeignKey:
        """Return a fresh one with the same options."""
        return GenericForeignKey(self.ct_field, self.fk_field, self.for_concrete_model)

    def __str__(self) -> str:
        return f"{self.model._meta.label}.{self.name}"

    # ── the object in memory

    def _keys(self, instance: Any) -> tuple[Any, Any]:
        return getattr(instance, self._ct_attname()), getattr(instance, self.fk_field)

    def _ct_attname(self) -> str:
        return str(self.model._meta.get_field(self.ct_field).attname)

    def get_cached_value(self, instance: Any, default: Any = None) -> Any:
        """Return the object in memory, unless the two fields name another by now."""
        cached = getattr(instance, self.cache_name)
        if cached is None:
            return default
        if cached.__class__ is Pending:
            return cached.value
        return cached[2] if cached[:2] == self._keys(instance) else default

    def set_cached_value(self, instance: Any, value: Any) -> None:
        """Keep the object for the keys of this moment."""
        setattr(instance, self.cache_name, (*self._keys(instance), value))

    def delete_cached_value(self, instance: Any) -> None:
        """Forget the object."""
        instance.__dict__.pop(self.cache_name, None)

    def is_cached(self, instance: Any) -> bool:
        """Whether the object is in memory, if only with its key."""
        return self.get_cached_value(instance) is not None

    def get(self, instance: Any) -> Any:
        """Return the object: loaded, or one that knows its key only; ``None`` when the fields name nothing."""
        cached = getattr(instance, self.cache_name)
        if cached.__class__ is Pending:
            return cached.value
        type_id, key = self._keys(instance)
        if cached is not None and cached[0] == type_id and cached[1] == key:
            return cached[2]
        if type_id is None or key is None:
            return None
        content_type = types_on(instance._row_state.db).known_by_id(type_id)
        model = None if content_type is None else content_type.model_class()
        if model is None:
            # Which table the row is in is known to the database alone.
            return Referred(self, instance, type_id, key)
        stub = self._stub(instance, model, key)
        setattr(instance, self.cache_name, (type_id, key, stub))
        return stub

    def _stub(self, instance: Any, model: Any, key: Any) -> Any:
        if model._meta.pk.is_composite:
            check_key(self, model)
        state: State = instance._row_state
        row = object.__new__(model)
        row._row_state = State(
            False,
            state.db,
            loader=peers.loader_of(instance, self.load),
            partial=True,
            origin=(self.model._meta.object_name, self.name),
            fetch_mode=state.fetch_mode,
        )
        try:
            row.pk = model._meta.pk.to_python(key)
        except ValidationError:
            row.pk = key  # no row has such a key, which await says
        return row

    def set(self, instance: Any, value: Any) -> None:
        """Let an instance refer to an object; its type's key is looked up when the instance is saved, if it must be."""
        meta = self.model._meta
        if value is None:
            setattr(instance, self.ct_field, None)
            setattr(instance, self.fk_field, None)
            setattr(instance, self.cache_name, None)
            return
        if not hasattr(value, "_row_state"):
            raise ValueError(f"{meta.object_name}.{self.name} must be an instance of a model, not {value!r}.")
        if value._meta.pk.is_composite:
            check_key(self, value)
        content_type = types_on(self._alias(instance, value)).known(value, self.for_concrete_model)
        setattr(instance, self.ct_field, content_type)
        setattr(
            instance, self.fk_field, None if value.pk is None else meta.get_field(self.fk_field).to_python(value.pk)
        )
        if content_type is None or value.pk is None:
            setattr(instance, self.cache_name, Pending(value))
        else:
            self.set_cached_value(instance, value)

    @staticmethod
    def _alias(instance: Any, value: Any) -> str | None:
        alias: str | None = instance._row_state.db or value._row_state.db
        return alias

    def prepare_save(self, instance: Any) -> Awaitable[None] | None:
        """Take over the keys of an object that was assigned before they were known.

        Raises:
            ValueError: The object is still not saved.
        """
        cached = getattr(instance, self.cache_name)
        if cached.__class__ is not Pending:
            return None
        if cached.value.pk is None:
            raise ValueError(
                f"{instance._meta.object_name}.{self.name} refers to an unsaved {cached.value._meta.object_name}: saving "
                "now would lose the relation. Save that object first."
            )
        return self.settle(instance)

    async def settle(self, instance: Any) -> None:
        """Set the two fields of an object that was assigned, looking up the key of its type where nobody knows it yet."""
        cached = getattr(instance, self.cache_name)
        if cached.__class__ is Pending:
            value = cached.value
            await types_on(self._alias(instance, value)).get_for_model(value, self.for_concrete_model)
            self.set(instance, value)

    # ── loading

    async def load(self, owner: Any) -> None:
        """Load what ``owner`` refers to, for all peers that refer to the same model."""
        state: State = owner._row_state
        name = f"{self.model._meta.object_name}.{self.name}"
        peers.check_mode(owner, name, f'Load it with the query: prefetch_related("{self.name}").')
        type_id = getattr(owner, self._ct_attname())
        async with peers.one_loader(state, (self, type_id)):
            if self.is_loaded(owner):
                return
            rows = [row for row in peers.siblings(owner) if isinstance(row, self.model) and not self.is_loaded(row)]
            types = types_on(state.db)
            known = await types.get_for_ids({one for row in rows if (one := self._keys(row)[0]) is not None})
            if type_id not in known:
                raise ObjectDoesNotExist(f"{name} names the content type {type_id!r}, and there is no such row.")
            if known[type_id].model_class() is None:
                raise ObjectDoesNotExist(
                    f"{name} refers to a row of {known[type_id].app_label}.{known[type_id].model}, and no installed app "
                    "has that model any more."
                )
            rows = [row for row in rows if self._keys(row)[0] == type_id and self._keys(row)[1] is not None]
            await self._load_type(rows, known[type_id], state.db, None)
            for row in rows:
                if not self.is_loaded(row):
                    self._note_missing(row, known[type_id].model_class())
            if not self.is_loaded(owner):
                await self.get_cached_value(owner)  # says that it is gone

    def is_loaded(self, instance: Any) -> bool:
        """Whether the object is in memory with its values."""
        value = self.get_cached_value(instance)
        if value is None:
            return False
        state: State = value._row_state
        return not (state.partial and state.loader is not None)

    def _note_missing(self, row: Any, model: Any) -> None:
        """Let awaiting the object of this row say that it is gone, without asking again."""
        stub = self.get_cached_value(row) or self._stub(row, model, self._keys(row)[1])
        label, key = f"{self.model._meta.object_name}.{self.name}", self._keys(row)[1]

        async def gone(_instance: Any) -> Any:
            raise model.DoesNotExist(
                f"{label} refers to the {model._meta.object_name} with key {key!r}, and there is no such row."
            )

        stub._state.loader = gone
        self.set_cached_value(row, stub)

    async def _load_type(
        self, rows: list[Any], content_type: ContentType, alias: str | None, queryset: Any
    ) -> list[Any]:
        """Load the objects of rows that refer to one model, by one statement."""
        model: Any = content_type.model_class()
        check_key(self, model)
        convert = model._meta.pk.to_python
        waiting: dict[Any, list[Any]] = {}
        for row in rows:
            try:
                waiting.setdefault(convert(self._keys(row)[1]), []).append(row)
            except ValidationError:
                continue  # no row has such a key
        if not waiting:
            return []
        if queryset is None:
            queryset = model._base_manager.all()
        if alias is not None and queryset._db is None:
            queryset = queryset.using(alias)
        mode = rows[0]._row_state.fetch_mode
        if mode is not None and queryset._manner.mode is None:
            queryset = queryset.fetch_mode(mode)
        found = await peers.in_chunks(queryset, "pk__in", list(waiting))
        peers.hand_out(self, found, waiting, attrgetter("pk"))
        return found

    async def prefetch(self, instances: list[Any], queryset: Any, to_attr: str | None, alias: str | None) -> list[Any]:
        """Load what the instances refer to, by one statement for each model.

        Raises:
            ValueError: One queryset is given for what may be several models.
        """
        if queryset is not None and not isinstance(queryset, _Querysets):
            raise ValueError(
                f"Prefetch('{self.name}', queryset=…) cannot serve several models. Write GenericPrefetch('{self.name}', "
                "[queryset, …])."
            )
        alias = alias or instances[0]._row_state.db
        wanted: dict[Any, list[Any]] = {}
        for one in instances:
            type_id, key = self._keys(one)
            if type_id is None or key is None or (queryset is None and self.is_loaded(one)):
                continue
            if queryset is not None:
                self.delete_cached_value(one)
            wanted.setdefault(type_id, []).append(one)
        types = await types_on(alias).get_for_ids(wanted) if wanted else {}
        for type_id, rows in wanted.items():
            content_type = types.get(type_id)
            model = None if content_type is None else content_type.model_class()
            if content_type is not None and model is not None:
                await self._load_type(rows, content_type, alias, queryset.of(model) if queryset is not None else None)
            for row in rows:
                if not self.is_loaded(row):
                    # Nothing refers from here to there in the database: rows that are gone are known as such now.
                    self.set_cached_value(row, None)
        if to_attr is not None:
            for one in instances:
                setattr(one, to_attr, self.get_cached_value(one))
        return [value for one in instances if (value := self.get_cached_value(one)) is not None]

    # ── checks

    def check(self) -> list[checks.CheckMessage]:
        """Return what is wrong with the two fields."""
        return [*self._check_object_id(), *self._check_content_type()]

    def _check_object_id(self) -> Iterator[checks.CheckMessage]:
        if self._field(self.fk_field) is None:
            yield checks.Error(
                f"The GenericForeignKey names '{self.fk_field}' for the key of the row, and {self.model._meta.object_name} "
                "has no such field.",
                hint=f"Add it, or write GenericForeignKey('{self.ct_field}', 'its_name').",
                obj=self,
                id="contenttypes.E001",
            )

    def _check_content_type(self) -> Iterator[checks.CheckMessage]:
        field = self._field(self.ct_field)
        name = f"{self.model._meta.object_name}.{self.ct_field}"
        if field is None:
            yield checks.Error(
                f"The GenericForeignKey names '{self.ct_field}' for the content type, and there is no field {name}.",
                hint=f"Write {self.ct_field} = models.ForeignKey(ContentType, on_delete=models.CASCADE).",
                obj=self,
                id="contenttypes.E002",
            )
        elif not field.many_to_one:
            yield checks.Error(
                f"{name} is no ForeignKey, and a GenericForeignKey needs one to ContentType there.",
                obj=self,
                id="contenttypes.E003",
            )
        elif _label_of(field.remote_field.model) != "contenttypes.contenttype":
            yield checks.Error(
                f"{name} is a ForeignKey to {field.remote_field.model}, and a GenericForeignKey needs one to ContentType.",
                obj=self,
                id="contenttypes.E004",
            )

    def _field(self, name: str) -> Any:
        try:
            return self.model._meta.get_field(name)
        except FieldDoesNotExist:
            return None


def _label_of(target: Any) -> str:
    return target.lower() if isinstance(target, str) else str(target._meta.label_lower)


class _GenericDescriptor:
    """``comment.content_object``."""

    __slots__ = ("field",)

    def __init__(self, field: GenericForeignKey) -> None:
        self.field = field

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self.field if instance is None else self.field.get(instance)

    def __set__(self, instance: Any, value: Any) -> None:
        self.field.set(instance, value)


class _Querysets:
    """The querysets of a ``GenericPrefetch``, by model."""

    #: Each queryset brings its own levels along.
    _manner = PLAIN

    def __init__(self, querysets: Iterable[Any]) -> None:
        self.by_model = {queryset.model: queryset for queryset in querysets}

    def of(self, model: Any) -> Any:
        """Return the queryset for a model; ``None`` for its rows as they are."""
        return self.by_model.get(model)


class GenericPrefetch(Prefetch):
    """A generic relation to prefetch, with a queryset for each model that needs one.

    Args:
        lookup: The path of relations, as in ``prefetch_related``; it ends at a ``GenericForeignKey``.
        querysets: What to read of some models; others are read as they are.
        to_attr: The attribute that gets the object, beside the relation itself.

    Raises:
        ValueError: A queryset gives no instances.
    """

    def __init__(self, lookup: str, querysets: Iterable[QuerySet[Any, Any]], to_attr: str | None = None) -> None:
        chosen: list[Any] = [one.get_queryset() if hasattr(one, "get_queryset") else one for one in querysets]
        if any(one._manner.kind != "model" for one in chosen):
            raise ValueError("GenericPrefetch takes querysets of instances, not after values() or values_list().")
        super().__init__(lookup, None, to_attr)
        self.queryset: Any = _Querysets(chosen)
