"""``ForeignKey`` and ``OneToOneField``: a column that holds the key of a row of another model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, overload

from typing_extensions import TypeVar, Unpack

from covet.db.models.fields.base import FieldOptions
from covet.db.models.query.hydrate import MISSING
from covet.db.models.query.paths import Hop
from covet.db.models.relations.access import ForwardDescriptor, Pending
from covet.db.models.relations.link import link
from covet.db.models.relations.spec import Relation, RelationField
from covet.db.sql.nodes import ColumnType
from covet.exceptions import FieldDoesNotExist
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.db.models.base import Model
    from covet.db.models.relations import peers, prefetching
    from covet.db.sql.dialect import Dialect
else:
    prefetching = late_module(__name__, "covet.db.models.relations.prefetching")
    peers = late_module(__name__, "covet.db.models.relations.peers")

__all__ = ["ForeignKey", "OneToOneField"]

T = TypeVar("T", default=Any)
M = TypeVar("M", bound="Model")

_UNKNOWN = ColumnType("bigint")


class ForeignKey(RelationField[T]):
    """A relation to one row of another model; many rows may refer to the same.

    ``article.author`` is always an object: loaded, or one that knows its key only, which ``await`` completes.
    ``article.author_id`` is the key.

    Args:
        to: The model, its name, ``"app.Name"`` or ``"self"``.
        on_delete: What happens to rows whose target is deleted: ``models.CASCADE``, ``PROTECT``, ``SET_NULL``, …
        related_name: The attribute of the target that gives the rows; ``"+"`` for none.
        related_query_name: The target's name for the rows in queries.
        limit_choices_to: A condition on the rows that forms and schemas offer.
        to_field: A unique field of the target to refer to, in place of its key.
        db_constraint: Whether the database has a foreign key constraint.
        parent_link: This is the link to the parent of a multi-table model.
        options: What every field takes.
    """

    many_to_one = True
    one_to_one = False

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: ForeignKey[M],
            to: type[M],
            on_delete: Any,
            *,
            null: Literal[False] = False,
            related_name: str | None = None,
            related_query_name: str | None = None,
            limit_choices_to: Any = None,
            parent_link: bool = False,
            to_field: str | None = None,
            db_constraint: bool = True,
            verbose_name: Any = None,
            **options: Unpack[FieldOptions],
        ) -> None: ...
        @overload
        def __init__(
            self: ForeignKey[M | None],
            to: type[M],
            on_delete: Any,
            *,
            null: Literal[True],
            related_name: str | None = None,
            related_query_name: str | None = None,
            limit_choices_to: Any = None,
            parent_link: bool = False,
            to_field: str | None = None,
            db_constraint: bool = True,
            verbose_name: Any = None,
            **options: Unpack[FieldOptions],
        ) -> None: ...
        @overload
        def __init__(
            self,
            to: str,
            on_delete: Any,
            *,
            null: bool = False,
            related_name: str | None = None,
            related_query_name: str | None = None,
            limit_choices_to: Any = None,
            parent_link: bool = False,
            to_field: str | None = None,
            db_constraint: bool = True,
            verbose_name: Any = None,
            **options: Unpack[FieldOptions],
        ) -> None: ...

    def __init__(
        self,
        to: Any,
        on_delete: Any = None,
        *,
        related_name: str | None = None,
        related_query_name: str | None = None,
        limit_choices_to: Any = None,
        parent_link: bool = False,
        to_field: str | None = None,
        db_constraint: bool = True,
        **options: Any,
    ) -> None:
        if not isinstance(to, str) and not hasattr(to, "_meta"):
            raise TypeError(f"{type(self).__name__}() takes a model, its name or 'self' as its target, not {to!r}.")
        if on_delete is None:
            raise TypeError(
                f"{type(self).__name__}() needs on_delete, which says what happens to its rows when their target is deleted: "
                "models.CASCADE deletes them too, PROTECT refuses, SET_NULL keeps them."
            )
        if not callable(on_delete):
            raise TypeError(
                f"{type(self).__name__}(on_delete=…) takes models.CASCADE or another rule, not {on_delete!r}."
            )
        options.setdefault("db_index", True)
        self.remote_field = Relation(
            self,
            to,
            related_name=related_name,
            related_query_name=related_query_name,
            limit_choices_to=limit_choices_to,
            on_delete=on_delete,
            parent_link=parent_link,
            field_name=to_field,
            db_constraint=db_constraint,
        )
        self.to_field = to_field
        self.db_constraint = db_constraint
        super().__init__(**options)

    # ── becoming part of a model

    def get_attname(self) -> str:
        """Return the attribute that holds the key."""
        return f"{self.name}_id"

    def contribute_to_class(self, cls: type[Model], name: str, private_only: bool = False) -> None:
        """Join the model: the key is a plain attribute, the relation a descriptor."""
        super().contribute_to_class(cls, name, private_only)
        setattr(cls, self.name, ForwardDescriptor(self))
        setattr(cls, self.cache_name, None)
        if not cls._meta.abstract:
            link(self, cls)

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        """Return what migrations write."""
        name, path, args, kwargs = super().deconstruct()
        remote = self.remote_field
        # An index is the rule here, so that "no index" is what must be written.
        kwargs.pop("db_index", None)
        if not self.db_index and not self.unique:
            kwargs["db_index"] = False
        kwargs["on_delete"] = remote.on_delete
        kwargs |= self._target_given()
        if remote.parent_link:
            kwargs["parent_link"] = True
        if self.to_field and not self._refers_to_key():
            kwargs["to_field"] = self.to_field
        if not self.db_constraint:
            kwargs["db_constraint"] = False
        return name, path, args, kwargs

    def _refers_to_key(self) -> bool:
        target = self.remote_field.model
        return not isinstance(target, str) and target._meta.pk is not None and target._meta.pk.name == self.to_field

    # ── the target

    @property
    def target_field(self) -> Any:
        """The field of the target whose value is the key."""
        found = self._target_field
        if found is None:
            self._check_resolved()
            # Not kept before there is one: the target may still be in the making.
            found = self._target_field = self._find_target_field()
        return found

    def _find_target_field(self) -> Any:
        meta = self.remote_field.model._meta
        if self.to_field is None:
            return meta.pk
        try:
            return meta.get_field(self.to_field)
        except FieldDoesNotExist as error:
            raise FieldDoesNotExist(f"{self}: to_field='{self.to_field}'. {error}") from None

    @property
    def foreign_related_fields(self) -> tuple[Any, ...]:
        """The fields of the target that are referred to."""
        return (self.target_field,)

    def key_there(self, instance: Any) -> Any:
        """Return what an instance of the target is referred to by."""
        return getattr(instance, self.target_field.attname)

    def forward_hops(self) -> tuple[Hop, ...]:
        """Return the join to the target."""
        target = self.target_field
        meta = self.remote_field.model._meta
        hop = Hop(self.name, meta, ((self.column, target.column),), null=self.null, forward=self)
        return (hop,)

    def reverse_hops(self) -> tuple[Hop, ...]:
        """Return the join from the target."""
        target = self.target_field
        name = self.remote_field.query_name
        return (Hop(name, self.model._meta, ((target.column, self.column),), many=self.many_to_one, null=True),)

    # ── values

    @property
    def concrete(self) -> bool:
        """A foreign key has a column, also while its target is not known."""
        return True

    def column_type(self) -> ColumnType | None:
        """Return the type of the target's key."""
        if isinstance(self.remote_field.model, str):
            # Only whether there is a column is asked this early.
            return _UNKNOWN
        target = self.target_field
        return _UNKNOWN if target is None else target.rel_column_type()

    def adapter(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        """Return the adapter of the target's key."""
        return self.target_field.adapter(dialect)  # type: ignore[no-any-return]  # fields of other models are untyped

    def comparer(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        """Return that of the target's key."""
        return self.target_field.comparer(dialect)  # type: ignore[no-any-return]  # fields of other models are untyped

    @property
    def keeps_integers(self) -> bool:
        """Whether a whole number goes to the database as it is, by the target's key."""
        return bool(self.target_field.keeps_integers)

    def converter(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        """Return the converter of the target's key."""
        return self.target_field.converter(dialect)  # type: ignore[no-any-return]  # as above

    def to_python(self, value: Any) -> Any:
        """Return the key as the target's Python type."""
        return value if value is None else self.target_field.to_python(value)

    def get_prep_value(self, value: Any) -> Any:
        """Return the key as the target's column takes it."""
        if hasattr(value, "_meta"):
            value = self.key_of(value)
        return None if value is None else self.target_field.get_prep_value(value)

    def get_default(self) -> Any:
        """Return the default key; an instance counts as its key."""
        default = super().get_default()
        if default == "":
            return None
        return self.key_of(default) if hasattr(default, "_meta") else default

    @property
    def empty_strings_allowed(self) -> bool:  # type: ignore[override]  # a constant on other fields
        """A key is never an empty text by itself."""
        return False

    # ── the object in memory

    def is_cached(self, instance: Any) -> bool:
        """Whether the related object is in memory, if only with its key."""
        return self.get_cached_value(instance) is not None

    def get_cached_value(self, instance: Any, default: Any = None) -> Any:
        """Return the object in memory, unless ``author_id`` names another by now."""
        cached = getattr(instance, self.cache_name)
        if cached is None or cached is MISSING:
            return default
        if cached.__class__ is Pending:
            return cached.value
        if cached.__dict__.get(self.target_field.attname) != instance.__dict__.get(self.attname):
            return default
        return cached

    def set_cached_value(self, instance: Any, value: Any) -> None:
        """Keep the object."""
        setattr(instance, self.cache_name, value)

    def delete_cached_value(self, instance: Any) -> None:
        """Forget the object."""
        instance.__dict__.pop(self.cache_name, None)

    @staticmethod
    def is_stub(value: Any) -> bool:
        """Whether the object knows its key only."""
        if value is None:
            return False
        state = value._row_state
        return bool(state.partial and state.loader is not None)

    def prepare_save(self, instance: Any, *, refuse: bool = True) -> None:
        """Take over the key of an object that was saved after it was assigned.

        Raises:
            ValueError: The object is still not saved.
        """
        cached = getattr(instance, self.cache_name)
        if cached.__class__ is not Pending:
            return
        value = cached.value
        if instance.__dict__.get(self.attname) is not None:
            # The key was set by hand since; it counts.
            setattr(instance, self.cache_name, None)
            return
        key = value.__dict__.get(self.target_field.attname)
        if key is None:
            if refuse:
                raise ValueError(
                    f"{instance._meta.object_name}.{self.name} refers to an unsaved {value._meta.object_name}: saving "
                    "now would lose the relation. Save that object first."
                )
            return
        setattr(instance, self.attname, key)
        setattr(instance, self.cache_name, value)

    # ── prefetching

    async def prefetch(self, instances: list[Any], queryset: Any, to_attr: str | None, alias: str | None) -> list[Any]:
        """Load what the instances refer to."""
        if queryset is None:
            wanted = peers.wanting(self, instances)
        else:
            wanted = [one for one in instances if one.__dict__.get(self.attname) is not None]
        if queryset is not None:
            for one in wanted:
                self.delete_cached_value(one)
        if wanted:
            await peers.load_forward_of(self, wanted, alias, queryset=queryset)
        found = [one for row in instances if (one := self.get_cached_value(row)) is not None and not self.is_stub(one)]
        if to_attr is not None:
            for row in instances:
                setattr(row, to_attr, self.get_cached_value(row))
        return found

    async def prefetch_reverse(
        self, instances: list[Any], queryset: Any, to_attr: str | None, alias: str | None
    ) -> list[Any]:
        """Load the rows that refer to the instances."""
        relation = self.remote_field
        alias = alias or peers.place_of(self.model, instances[0])
        if self.one_to_one:
            wanted = [one for one in instances if queryset is not None or not relation.is_cached(one)]
            if wanted:
                await peers.load_reverse_one_of(relation, wanted, alias, queryset)
            if to_attr is not None:
                for one in instances:
                    setattr(one, to_attr, relation.get_cached_value(one))
            return [found for one in instances if (found := relation.get_cached_value(one)) is not None]
        return await prefetching.set_prefetched(relation, instances, queryset, to_attr, alias)


class OneToOneField(ForeignKey[T]):
    """A relation to one row that no other row may refer to; the target has the single object as its reverse side."""

    many_to_one = False
    one_to_one = True

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: OneToOneField[M],
            to: type[M],
            on_delete: Any,
            *,
            null: Literal[False] = False,
            related_name: str | None = None,
            related_query_name: str | None = None,
            limit_choices_to: Any = None,
            parent_link: bool = False,
            to_field: str | None = None,
            db_constraint: bool = True,
            verbose_name: Any = None,
            **options: Unpack[FieldOptions],
        ) -> None: ...
        @overload
        def __init__(
            self: OneToOneField[M | None],
            to: type[M],
            on_delete: Any,
            *,
            null: Literal[True],
            related_name: str | None = None,
            related_query_name: str | None = None,
            limit_choices_to: Any = None,
            parent_link: bool = False,
            to_field: str | None = None,
            db_constraint: bool = True,
            verbose_name: Any = None,
            **options: Unpack[FieldOptions],
        ) -> None: ...
        @overload
        def __init__(
            self,
            to: str,
            on_delete: Any,
            *,
            null: bool = False,
            related_name: str | None = None,
            related_query_name: str | None = None,
            limit_choices_to: Any = None,
            parent_link: bool = False,
            to_field: str | None = None,
            db_constraint: bool = True,
            verbose_name: Any = None,
            **options: Unpack[FieldOptions],
        ) -> None: ...

    def __init__(self, to: Any, on_delete: Any = None, **options: Any) -> None:
        options["unique"] = True
        super().__init__(to, on_delete, **options)

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        """Return what migrations write: that it is unique goes without saying."""
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("unique", None)
        return name, path, args, kwargs
