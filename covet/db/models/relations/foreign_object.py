"""``ForeignObject``: a relation by several columns, each of which is a field of its own.

The relation adds no column and no constraint: it says that the values of some fields name a row of another model, for
example one whose primary key is composite. The key of the relation is a tuple, in the order of the fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self, overload

from typing_extensions import TypeVar

from covet.db.models.fields.base import Field
from covet.db.models.query.composite import among
from covet.db.models.query.hydrate import MISSING
from covet.db.models.query.paths import Hop
from covet.db.models.relations.access import Pending, keep_together
from covet.db.models.relations.link import link
from covet.db.models.relations.rules import DB_CASCADE, DB_SET_DEFAULT, DB_SET_NULL
from covet.db.models.relations.spec import Relation, RelationField
from covet.db.models.state import State
from covet.exceptions import NotLoaded
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.db.models.base import Model
    from covet.db.models.relations import peers, prefetching
    from covet.db.sql.nodes import ColumnType
else:
    prefetching = late_module(__name__, "covet.db.models.relations.prefetching")
    peers = late_module(__name__, "covet.db.models.relations.peers")

__all__ = ["ForeignObject"]

T = TypeVar("T", default=Any)
# Rows asked for by one statement: each key is a condition on several columns.
_FEW = 250


class ForeignObject(RelationField[T]):
    """A relation to one row of another model by the values of several fields.

    ``line.item`` is an object, loaded or one that knows its key only, as with a ``ForeignKey``; assigning one sets the
    fields. The database knows nothing of the relation: a row that is referred to may be missing.

    Args:
        to: The model, its name, ``"app.Name"`` or ``"self"``.
        on_delete: What happens to rows whose target is deleted; the rules of the database (``DB_CASCADE`` and the like)
            need a constraint, and there is none.
        from_fields: The names of fields of this model.
        to_fields: The names of the fields of the target that they are equal to; together they must be unique.
        related_name: The attribute of the target that gives the rows; ``"+"`` for none.
        related_query_name: The target's name for the rows in queries.
        limit_choices_to: A condition on the rows that forms and schemas offer.
        options: What every field takes, as far as it needs no column.

    Raises:
        ValueError: The lists of fields differ in length, are empty, or ``on_delete`` is a rule of the database.
    """

    many_to_many = False
    many_to_one = True
    one_to_many = False
    one_to_one = False

    if TYPE_CHECKING:

        @overload  # type: ignore[override]  # the related object, not a value
        def __get__(self, instance: None, owner: type[Any]) -> Self: ...
        @overload
        def __get__(self, instance: Model, owner: type[Any]) -> T: ...
        def __get__(self, instance: Model | None, owner: type[Any]) -> Self | T: ...

    def __init__(
        self,
        to: type[T] | str,
        on_delete: Any,
        from_fields: Sequence[str],
        to_fields: Sequence[str],
        *,
        related_name: str | None = None,
        related_query_name: str | None = None,
        limit_choices_to: Any = None,
        **options: Any,
    ) -> None:
        if not isinstance(to, str) and not hasattr(to, "_meta"):
            raise TypeError(f"ForeignObject() takes a model, its name or 'self' as its target, not {to!r}.")
        if isinstance(from_fields, str) or isinstance(to_fields, str) or not from_fields:
            raise ValueError("ForeignObject() takes from_fields and to_fields as lists of names, of one name or more.")
        if len(from_fields) != len(to_fields):
            raise ValueError(
                f"ForeignObject() compares field with field: {len(from_fields)} from_fields do not go with "
                f"{len(to_fields)} to_fields."
            )
        if on_delete in (DB_CASCADE, DB_SET_NULL, DB_SET_DEFAULT):
            raise ValueError(
                "A ForeignObject has no constraint, so the database cannot carry out its on_delete. Use "
                f"{on_delete.__name__.removeprefix('DB_')}."
            )
        if not callable(on_delete):
            raise TypeError(f"ForeignObject(on_delete=…) takes models.CASCADE or another rule, not {on_delete!r}.")
        self.from_fields = tuple(from_fields)
        self.to_fields = tuple(to_fields)
        self.remote_field = Relation(
            self,
            to,
            related_name=related_name,
            related_query_name=related_query_name,
            limit_choices_to=limit_choices_to,
            on_delete=on_delete,
            db_constraint=False,
        )
        options.setdefault("editable", False)
        super().__init__(**options)

    # ── becoming part of a model

    def column_type(self) -> ColumnType | None:
        """Return ``None``: the fields have the columns."""
        return None

    def contribute_to_class(self, cls: type[Model], name: str, private_only: bool = True) -> None:
        """Join the model; the relation is a descriptor."""
        super().contribute_to_class(cls, name, private_only=True)
        setattr(cls, self.name, _Descriptor(self))
        setattr(cls, self.cache_name, None)
        if not cls._meta.abstract:
            # Conditions on keys of several columns are looked for from now on.
            Field.any_is_composite = True
            link(self, cls)

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        """Return what migrations write: it is part of the models there, and no part of a table."""
        name, path, args, kwargs = super().deconstruct()
        if kwargs.get("editable") is False:
            del kwargs["editable"]
        given = self._target_given()
        kwargs |= {
            "to": given["to"],
            "on_delete": self.remote_field.on_delete,
            "from_fields": self.from_fields,
            "to_fields": self.to_fields,
            **given,
        }
        return name, path, args, kwargs

    # ── the two sides

    @property
    def local_related_fields(self) -> tuple[Any, ...]:
        """The fields of this model that name the row."""
        meta = self.model._meta
        return tuple([meta.get_field(name) for name in self.from_fields])

    @property
    def foreign_related_fields(self) -> tuple[Any, ...]:
        """The fields of the target that they are equal to."""
        self._check_resolved()
        meta = self.related_model._meta
        return tuple([meta.pk if name == "pk" else meta.get_field(name) for name in self.to_fields])

    @property
    def related_fields(self) -> list[tuple[Any, Any]]:
        """The pairs of both."""
        return list(zip(self.local_related_fields, self.foreign_related_fields, strict=True))

    @property
    def to_field_is_key(self) -> bool:
        """Never: the fields are named."""
        return False

    def forward_hops(self) -> tuple[Hop, ...]:
        """Return the join to the target; nothing in the database says that the row is there."""
        on = tuple([(mine.column, theirs.column) for mine, theirs in self.related_fields])
        return (Hop(self.name, self.remote_field.model._meta, on, null=True),)

    def reverse_hops(self) -> tuple[Hop, ...]:
        """Return the join from the target."""
        on = tuple([(theirs.column, mine.column) for mine, theirs in self.related_fields])
        return (Hop(self.remote_field.query_name, self.model._meta, on, many=True, null=True),)

    def key_here(self, instance: Any) -> tuple[Any, ...] | None:
        """Return what an instance of this model refers to; ``None`` where a part is missing."""
        values = tuple([getattr(instance, field.attname) for field in self.local_related_fields])
        return None if None in values else values

    def key_there(self, instance: Any) -> tuple[Any, ...] | None:
        """Return what an instance of the target is referred to by; ``None`` where a part is missing."""
        values = tuple([getattr(instance, field.attname) for field in self.foreign_related_fields])
        return None if None in values else values

    def is_for(self, cached: Any, key: tuple[Any, ...] | None) -> bool:
        """Whether an object in memory is the one of this key; its own may be left out of what was loaded of it."""
        own = cached.__dict__
        return key is not None and key == tuple([own.get(field.attname) for field in self.foreign_related_fields])

    def key_of(self, instance: Any) -> Any:
        """Return the key by which an instance of the target is referred to.

        Raises:
            ValueError: It is an instance of another model, or not saved.
        """
        self.check_instance(instance)
        key = self.key_there(instance)
        if key is None:
            raise ValueError(
                f"{self.model._meta.object_name}.{self.name} cannot refer to an unsaved {instance._meta.object_name}: "
                "save it first."
            )
        return key

    def assignments(self, key: tuple[Any, ...] | None) -> list[tuple[Any, Any]]:
        """Return the fields that refer to a key, each with its value; for no key those that may be NULL."""
        fields = self.local_related_fields
        if key is None:
            return [(field, None) for field in fields if field.null]
        return list(zip(fields, key, strict=True))

    def has_default(self) -> bool:
        """Whether every field has a default; true of one that is in no model yet, as nobody need ask for its value."""
        return getattr(self, "model", None) is None or all(field.has_default() for field in self.local_related_fields)

    def get_default(self) -> Any:
        """Return the key that the fields' defaults name."""
        return tuple([field.get_default() for field in self.local_related_fields])

    # ── the object in memory

    def is_cached(self, instance: Any) -> bool:
        """Whether the related object is in memory, if only with its key."""
        return self.get_cached_value(instance) is not None

    def get_cached_value(self, instance: Any, default: Any = None) -> Any:
        """Return the object in memory, unless the fields name another by now."""
        cached = getattr(instance, self.cache_name)
        if cached is None or cached is MISSING:
            return default
        if cached.__class__ is Pending:
            return cached.value
        return cached if self.is_for(cached, self.key_here(instance)) else default

    def set_cached_value(self, instance: Any, value: Any) -> None:
        """Keep the object."""
        setattr(instance, self.cache_name, value)

    def delete_cached_value(self, instance: Any) -> None:
        """Forget the object."""
        instance.__dict__.pop(self.cache_name, None)

    def prepare_save(self, instance: Any, *, refuse: bool = True) -> None:
        """Take over the key of an object that was saved after it was assigned.

        Raises:
            ValueError: The object is still not saved.
        """
        cached = getattr(instance, self.cache_name)
        if cached.__class__ is not Pending:
            return
        value = cached.value
        key = self.key_there(value)
        if key is None:
            if refuse:
                raise ValueError(
                    f"{instance._meta.object_name}.{self.name} refers to an unsaved {value._meta.object_name}: saving "
                    "now would lose the relation. Save that object first."
                )
            return
        for field, part in self.assignments(key):
            setattr(instance, field.attname, part)
        setattr(instance, self.cache_name, value)

    async def settle(self, instance: Any) -> None:
        """Take over the key of an object that was assigned, where it has one by now."""
        self.prepare_save(instance, refuse=False)

    # ── loading

    def is_loaded(self, instance: Any) -> bool:
        """Whether the object is in memory with its values."""
        value = self.get_cached_value(instance)
        return value is not None and not (value._row_state.partial and value._row_state.loader is not None)

    def stub(self, owner: Any, key: tuple[Any, ...]) -> Any:
        """Return the object that knows its key only."""
        state: State = owner._row_state
        row = object.__new__(self.related_model)
        row._row_state = State(
            False,
            state.db,
            loader=peers.loader_of(owner, self.load),
            partial=True,
            origin=(self.model._meta.object_name, self.name),
            fetch_mode=state.fetch_mode,
        )
        for field, value in zip(self.foreign_related_fields, key, strict=True):
            setattr(row, field.attname, value)
        return row

    async def load(self, owner: Any) -> None:
        """Load what ``owner`` refers to, for all peers.

        Raises:
            DoesNotExist: There is no such row.
        """
        state: State = owner._row_state
        name = f"{self.model._meta.object_name}.{self.name}"
        peers.check_mode(owner, name, f'Load it with the query: select_related("{self.name}").')
        async with peers.one_loader(state, self):
            if self.is_loaded(owner):
                return
            rows = [row for row in peers.siblings(owner) if isinstance(row, self.model)]
            await self._load_for(self._wanting(rows), peers.place_of(self.related_model, owner), None)
        if not self.is_loaded(owner):
            raise self.related_model.DoesNotExist(
                f"{name} refers to the {self.related_model._meta.object_name} with {self._told(owner)}, and there is no "
                "such row."
            )

    def _told(self, owner: Any) -> str:
        key = self.key_here(owner) or ()
        return ", ".join(f"{name}={part!r}" for name, part in zip(self.to_fields, key, strict=False))

    def _wanting(self, rows: Iterable[Any]) -> list[Any]:
        """Return the rows whose object is not loaded, and whose fields are loaded and name one."""
        found = []
        for row in rows:
            try:
                if self.key_here(row) is not None and not self.is_loaded(row):
                    found.append(row)
            except NotLoaded:
                continue
        return found

    async def _load_for(self, rows: Sequence[Any], alias: str | None, queryset: Any) -> list[Any]:
        """Load the objects of rows by one statement (several for very many), and hand them out."""
        waiting: dict[Any, list[Any]] = {}
        for row in rows:
            waiting.setdefault(self.key_here(row), []).append(row)
        if queryset is None:
            hints = {"instance": rows[0]} if rows else {}
            queryset = self.related_model._base_manager.db_manager(hints=hints).get_queryset()
        if alias is not None and queryset._db is None:
            queryset = queryset.using(alias)
        mode = rows[0]._row_state.fetch_mode if rows else None
        if mode is not None and queryset._manner.mode is None:
            queryset = queryset.fetch_mode(mode)
        names = [field.attname for field in self.foreign_related_fields]
        keys = list(waiting)
        found: list[Any] = []
        for start in range(0, len(keys), _FEW):
            found += await queryset.filter(among(names, keys[start : start + _FEW]))
        peers.hand_out(self, found, waiting, self.key_there)
        return found

    async def prefetch(self, instances: list[Any], queryset: Any, to_attr: str | None, alias: str | None) -> list[Any]:
        """Load what the instances refer to."""
        alias = alias or peers.place_of(self.related_model, instances[0])
        if queryset is not None:
            for one in instances:
                self.delete_cached_value(one)
        wanted = self._wanting(instances)
        if wanted:
            await self._load_for(wanted, alias, queryset)
        if to_attr is not None:
            for one in instances:
                setattr(one, to_attr, self.get_cached_value(one))
        return [self.get_cached_value(one) for one in instances if self.is_loaded(one)]

    async def prefetch_reverse(
        self, instances: list[Any], queryset: Any, to_attr: str | None, alias: str | None
    ) -> list[Any]:
        """Load the rows that refer to the instances."""
        relation = self.remote_field
        return await prefetching.set_prefetched_by_key(
            relation.get_accessor_name() or "",
            instances,
            queryset,
            to_attr,
            alias or peers.place_of(self.model, instances[0]),
            base=queryset if queryset is not None else relation.related_model._default_manager.get_queryset(),
            lookup=self.name,
            given={},
            key_of=self.key_there,
            owner_key=self.key_here,
            known=self.set_cached_value,
        )


class _Descriptor:
    """``line.item``."""

    __slots__ = ("field",)

    def __init__(self, field: ForeignObject[Any]) -> None:
        self.field = field

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        field = self.field
        if instance is None:
            return field
        cached = getattr(instance, field.cache_name)
        if cached.__class__ is Pending:
            field.prepare_save(instance, refuse=False)
            return cached.value
        key = field.key_here(instance)  # raises where a part of the key was not loaded
        if cached is not None and cached is not MISSING and field.is_for(cached, key):
            return cached
        if key is None:
            if field.null or instance._row_state.adding is False:
                return None
            raise field.related_model.DoesNotExist(f"This {field.model._meta.object_name} has no {field.name} yet.")
        stub = field.stub(instance, key)
        setattr(instance, field.cache_name, stub)
        return stub

    def __set__(self, instance: Any, value: Any) -> None:
        field = self.field
        if value is None:
            for part in field.local_related_fields:
                setattr(instance, part.attname, None)
            setattr(instance, field.cache_name, None)
            return
        field.check_instance(value)
        keep_together(instance, value, field)
        key = field.key_there(value)
        if key is None:
            setattr(instance, field.cache_name, Pending(value))
            return
        for part, one in field.assignments(key):
            setattr(instance, part.attname, one)
        setattr(instance, field.cache_name, value)

    def __delete__(self, instance: Any) -> None:
        instance.__dict__.pop(self.field.cache_name, None)
