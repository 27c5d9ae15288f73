"""``ManyToManyField``: a relation through rows of a model between, which is made where none is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self, overload

from typing_extensions import TypeVar, Unpack

from covet.db.models.class_meta import table_name
from covet.db.models.fields.base import FieldOptions
from covet.db.models.query.paths import Hop
from covet.db.models.relations.access import ManyDescriptor
from covet.db.models.relations.foreign import ForeignKey
from covet.db.models.relations.link import link
from covet.db.models.relations.rules import CASCADE
from covet.db.models.relations.spec import Relation, RelationField, lazy_related
from covet.exceptions import ImproperlyConfigured
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.db.models.base import Model
    from covet.db.models.relations import peers, prefetching
    from covet.db.models.relations.managers import ManyRelatedManager
    from covet.db.sql.nodes import ColumnType
else:
    peers = late_module(__name__, "covet.db.models.relations.peers")
    prefetching = late_module(__name__, "covet.db.models.relations.prefetching")

__all__ = ["ManyToManyField"]

M = TypeVar("M", bound="Model", default=Any)


class ManyToManyField(RelationField[M]):
    """A relation to many rows of another model, each of which may be related to many.

    ``article.tags`` is a manager with ``add``, ``remove``, ``set`` and ``clear``, all awaited.

    Args:
        to: The model, its name, ``"app.Name"`` or ``"self"``.
        related_name: The attribute of the target that gives the rows; ``"+"`` for none.
        related_query_name: The target's name for the rows in queries.
        limit_choices_to: A condition on the rows that forms and schemas offer.
        symmetrical: Of a relation to itself: whether it holds both ways. It does unless this is ``False``.
        through: The model between, if it is not made automatically.
        through_fields: The names of its two foreign keys, where it has more: source, then target.
        db_constraint: Whether the automatic table has foreign key constraints.
        db_table: The name of the automatic table.
        options: What every field takes.
    """

    many_to_many = True
    many_to_one = False
    one_to_one = False

    if TYPE_CHECKING:

        @overload  # type: ignore[override]  # a manager, not a value
        def __get__(self, instance: None, owner: type[Any]) -> Self: ...
        @overload
        def __get__(self, instance: Model, owner: type[Any]) -> ManyRelatedManager[M]: ...
        def __get__(self, instance: Model | None, owner: type[Any]) -> Self | ManyRelatedManager[M]: ...

        through: Any

    def __init__(
        self,
        to: type[M] | str,
        *,
        related_name: str | None = None,
        related_query_name: str | None = None,
        limit_choices_to: Any = None,
        symmetrical: bool | None = None,
        through: Any = None,
        through_fields: Sequence[str] | None = None,
        db_constraint: bool = True,
        db_table: str | None = None,
        verbose_name: Any = None,
        **options: Unpack[FieldOptions],
    ) -> None:
        if not isinstance(to, str) and not hasattr(to, "_meta"):
            raise TypeError(f"ManyToManyField() takes a model, its name or 'self' as its target, not {to!r}.")
        if through is not None and db_table is not None:
            raise ValueError("ManyToManyField(db_table=…) names the automatic table; with through= there is none.")
        self._symmetrical_given = symmetrical
        self.remote_field = Relation(
            self,
            to,
            related_name=related_name,
            related_query_name=related_query_name,
            limit_choices_to=limit_choices_to,
            symmetrical=to == "self" if symmetrical is None else symmetrical,
            through=through,
            through_fields=through_fields,
            db_constraint=db_constraint,
        )
        self.db_table = db_table
        self._through_given = through is not None
        super().__init__(verbose_name=verbose_name, **options)

    # ── becoming part of a model

    def column_type(self) -> ColumnType | None:
        """Return ``None``: the keys are in the table between."""
        return None

    def contribute_to_class(self, cls: type[Model], name: str, private_only: bool = False) -> None:
        """Join the model, and make the model between unless one was given."""
        remote = self.remote_field
        if remote.symmetrical and (remote.model == "self" or remote.model is cls):
            # Both sides are the same, so there is no reverse side to name.
            remote.related_name = f"{name}_rel_+"
        elif remote.hidden:
            remote.related_name = f"_{cls.__name__.lower()}_{name}_+"
        super().contribute_to_class(cls, name, private_only)
        setattr(cls, self.name, ManyDescriptor(remote, reverse=False))
        meta = cls._meta
        if not meta.abstract:
            link(self, cls)
        if meta.abstract or meta.swapped:
            return
        if self._through_given:
            lazy_related(cls, remote.through, self._set_through)
        else:
            remote.through = _make_through(self, cls)

    def _set_through(self, model: Any) -> None:
        self.remote_field.through = model
        self._hops = self.remote_field._hops = None

    def set_attributes_from_name(self, name: str) -> None:
        """Work out the names; there is no column."""
        super().set_attributes_from_name(name)
        self.column = None  # type: ignore[assignment]  # other fields always have one

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        """Return what migrations write."""
        name, path, args, kwargs = super().deconstruct()
        remote = self.remote_field
        kwargs |= self._target_given()
        if self._symmetrical_given is not None:
            kwargs["symmetrical"] = self._symmetrical_given
        if not remote.db_constraint:
            kwargs["db_constraint"] = False
        if self.db_table is not None:
            kwargs["db_table"] = self.db_table
        if self._through_given:
            through = remote.through
            kwargs["through"] = through if isinstance(through, str) else through._meta.label_lower
        if remote.through_fields:
            kwargs["through_fields"] = tuple(remote.through_fields)
        return name, path, args, kwargs

    # ── the model between

    def through_keys(self) -> tuple[Any, Any]:
        """Return the foreign keys of the model between: to the holding model, and to the target.

        Raises:
            ImproperlyConfigured: There are none, or they cannot be told apart.
        """
        through = self.remote_field.through
        if isinstance(through, str):
            raise ImproperlyConfigured(f"{self}: there is no model '{through}' to go through (yet).")
        names = self.remote_field.through_fields
        if names:
            source, target = through._meta.get_field(names[0]), through._meta.get_field(names[1])
            return source, target
        keys = [field for field in through._meta.fields if field.is_relation and field.concrete]
        mine = [field for field in keys if _is_same(field.related_model, self.model)]
        theirs = [field for field in keys if _is_same(field.related_model, self.related_model)]
        if _is_same(self.model, self.related_model) and len(mine) == 2:
            # Of a relation to itself the first key is the source.
            return mine[0], mine[1]
        if len(mine) != 1 or len(theirs) != 1:
            raise ImproperlyConfigured(
                f"{self}: {through._meta.object_name} has {len(mine)} keys to {self.model._meta.object_name} and "
                f"{len(theirs)} to {self.related_model._meta.object_name}. Name the two with through_fields=(source, target)."
            )
        return mine[0], theirs[0]

    def forward_hops(self) -> tuple[Hop, ...]:
        """Return the joins over the table between to the target."""
        source, target = self.through_keys()
        return (self._to_between(source, self.name), *target.hops)

    def reverse_hops(self) -> tuple[Hop, ...]:
        """Return the joins from the target over the table between."""
        source, target = self.through_keys()
        return (self._to_between(target, self.remote_field.query_name), *source.hops)

    def _to_between(self, key: Any, name: str) -> Hop:
        """Return the join to the table between.

        Of a model of the project's own it is the one that the reverse side of its key makes: ``filter(members=ann,
        memberships__role="boss")`` is about one and the same row there.
        """
        if self._through_given and key.many_to_one:
            hop: Hop = key.remote_field.hops[0]
            return hop
        return Hop(name, key.model._meta, ((key.target_field.column, key.column),), many=True, null=True)

    # ── values

    def value_from_object(self, instance: Any) -> Any:
        """Return the related rows' query, or nothing for an unsaved instance."""
        return [] if instance.pk is None else getattr(instance, self.name).all()

    async def prefetch(self, instances: list[Any], queryset: Any, to_attr: str | None, alias: str | None) -> list[Any]:
        """Load the related rows of all instances."""
        alias = alias or peers.place_of(self.related_model, instances[0])
        return await prefetching.set_prefetched_many(self, instances, queryset, to_attr, alias, reverse=False)

    async def prefetch_reverse(
        self, instances: list[Any], queryset: Any, to_attr: str | None, alias: str | None
    ) -> list[Any]:
        """Load the rows related the other way round."""
        alias = alias or peers.place_of(self.model, instances[0])
        return await prefetching.set_prefetched_many(self, instances, queryset, to_attr, alias, reverse=True)


def _is_same(left: Any, right: Any) -> bool:
    if isinstance(left, str) or isinstance(right, str):
        return False
    return left._meta.concrete_model is right._meta.concrete_model


def _make_through(field: ManyToManyField[Any], cls: Any) -> Any:
    """Make the model between: an automatic key and the unique pair of foreign keys."""
    meta = cls._meta
    remote = field.remote_field
    to = remote.model
    target_name = to if isinstance(to, str) else to._meta.model_name
    target_name = target_name.rpartition(".")[2].lower()
    itself = target_name == "self" or (to is cls) or (isinstance(to, str) and to.lower() == meta.label_lower)
    source_name = meta.model_name
    if itself or target_name == source_name:
        source_name, target_name = f"from_{meta.model_name}", f"to_{meta.model_name}"
    name = f"{meta.object_name}_{field.name}"
    options = {
        "app_label": meta.app_label,
        "apps": meta.apps,
        "db_table": field.db_table or table_name(meta.db_table, field.name),
        "managed": meta.managed,
        "auto_created": cls,
        "unique_together": ((source_name, target_name),),
        "verbose_name": f"{meta.model_name}-{field.name} relationship",
    }
    auto_created = options.pop("auto_created")
    keys: dict[str, Any] = {"on_delete": CASCADE, "db_constraint": remote.db_constraint}
    namespace = {
        "Meta": type("Meta", (), options),
        "__module__": cls.__module__,
        "__qualname__": name,
        "_through_of": auto_created,
        source_name: ForeignKey(cls, related_name=f"{name}+", **keys),
        target_name: ForeignKey(cls if itself else to, related_name=f"{name}+", **keys),
    }
    root = next(base for base in reversed(cls.__mro__) if isinstance(base, type(cls)))
    through = type(cls)(name, (root,), namespace)
    through._meta.auto_created = auto_created
    return through
