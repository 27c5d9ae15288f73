"""``GenericRelation``: the side of the models that a ``GenericForeignKey`` may refer to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Self, overload

from typing_extensions import TypeVar

from covet import checks
from covet.contenttypes.managers import GenericManyDescriptor, type_key, types_on
from covet.contenttypes.referred import check_key
from covet.db.models.fields.numbers import PositiveIntegerField
from covet.db.models.query.paths import Hop
from covet.db.models.relations.peers import place_of
from covet.db.models.relations.prefetching import set_prefetched_by_key
from covet.db.models.relations.rules import DB_CASCADE, DO_NOTHING
from covet.db.models.relations.spec import Relation, RelationField, lazy_related
from covet.db.sql import nodes
from covet.db.sql.statements import Output, Select, TableRef

if TYPE_CHECKING:
    from covet.contenttypes.fields import GenericForeignKey
    from covet.db.models.base import Model
    from covet.db.models.query.queryset import QuerySet
    from covet.db.models.relations.managers import RelatedManager
    from covet.db.sql.nodes import ColumnType

__all__ = ["GenericRelation"]

M = TypeVar("M", bound="Model", default=Any)

#: What reads a key of a kind from a text. MariaDB's unsigned numbers go further than its CAST.
_READERS: Final = {"smallint": "INTEGER_OF", "integer": "INTEGER_OF", "bigint": "INTEGER_OF", "uuid": "UUID_OF"}


class GenericRelation(RelationField[M]):
    """The reverse side of a ``GenericForeignKey``: the rows that refer to an instance of this model.

    ``article.tags`` is a manager; its rows are deleted with the instance. The relation is a name in queries, and with
    ``related_query_name`` its reverse is one too.

    Args:
        to: The model with the ``GenericForeignKey``, its name or ``"app.Name"``.
        content_type_field: That model's foreign key to ``ContentType``.
        object_id_field: That model's field for the key of the row.
        for_concrete_model: As on the ``GenericForeignKey``.
        related_query_name: The name of this model in queries of the other.
    """

    many_to_many = False
    many_to_one = False
    one_to_many = True
    one_to_one = False
    auto_created = False

    if TYPE_CHECKING:

        @overload  # type: ignore[override]  # a manager, not a value
        def __get__(self, instance: None, owner: type[Any]) -> Self: ...
        @overload
        def __get__(self, instance: Model, owner: type[Any]) -> RelatedManager[M]: ...
        def __get__(self, instance: Model | None, owner: type[Any]) -> Self | RelatedManager[M]: ...

    def __init__(
        self,
        to: type[M] | str,
        content_type_field: str = "content_type",
        object_id_field: str = "object_id",
        for_concrete_model: bool = True,
        related_query_name: str | None = None,
        limit_choices_to: Any = None,
        verbose_name: Any = None,
    ) -> None:
        if not isinstance(to, str) and not hasattr(to, "_meta"):
            raise TypeError(f"GenericRelation() takes a model or its name as its target, not {to!r}.")
        self.content_type_field_name = content_type_field
        self.object_id_field_name = object_id_field
        self.for_concrete_model = for_concrete_model
        self.remote_field = GenericRel(
            self,
            to,
            related_name=None if related_query_name else "+",
            related_query_name=related_query_name,
            limit_choices_to=limit_choices_to,
            on_delete=DO_NOTHING,
        )
        super().__init__(verbose_name=verbose_name, editable=False, blank=True, null=True)

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        """Return how it is made anew; migrations do not write it, as it has no column."""
        name, path, args, kwargs = super().deconstruct()
        for option in ("editable", "blank", "null", "related_name"):
            kwargs.pop(option, None)
        kwargs |= {
            "to": self._label_of_target(),
            "content_type_field": self.content_type_field_name,
            "object_id_field": self.object_id_field_name,
        }
        if not self.for_concrete_model:
            kwargs["for_concrete_model"] = False
        if self.remote_field.related_query_name:
            kwargs["related_query_name"] = self.remote_field.related_query_name
        return name, path, args, kwargs

    # ── becoming part of a model

    def column_type(self) -> ColumnType | None:
        """Return ``None``: the columns are the other model's."""
        return None

    def contribute_to_class(self, cls: type[Model], name: str, private_only: bool = True) -> None:
        """Join the model."""
        super().contribute_to_class(cls, name, private_only=True)
        setattr(cls, self.name, GenericManyDescriptor(self))
        if not cls._meta.abstract:
            lazy_related(cls, self.remote_field.model, self._connect)

    def _connect(self, target: Any) -> None:
        self.remote_field.model = target
        self._hops = self.remote_field._hops = None
        self.model._meta.plans.clear()
        if self.remote_field.related_query_name:
            target._meta.add_related(self.remote_field)

    # ── the two fields of the other model

    @property
    def target_field(self) -> Any:
        """What the relation's values in queries are: keys of the other model."""
        return self.related_model._meta.pk

    @property
    def object_id_field(self) -> Any:
        """The other model's field for the key of the row."""
        self._check_resolved()
        return self.related_model._meta.get_field(self.object_id_field_name)

    @property
    def content_type_field(self) -> Any:
        """The other model's foreign key to ``ContentType``."""
        self._check_resolved()
        return self.related_model._meta.get_field(self.content_type_field_name)

    def foreign_key(self) -> GenericForeignKey | None:
        """Return the ``GenericForeignKey`` of the other model with these two fields."""
        pair = (self.content_type_field_name, self.object_id_field_name)
        for field in self.related_model._meta.private_fields_with_parents:
            if getattr(field, "pair", None) == pair:
                return field  # type: ignore[no-any-return]  # fields of other models are untyped
        return None

    def key_of_row(self, instance: Any) -> Any:
        """Return an instance's key as the other model's field holds it."""
        if self.model._meta.pk.is_composite:
            check_key(self, self.model)
        return self.object_id_field.to_python(instance.pk)

    # ── queries

    def forward_hops(self) -> tuple[Hop, ...]:
        """Return the join to the rows that refer."""
        return (
            Hop(
                self.name,
                self.related_model._meta,
                (),
                many=True,
                null=True,
                restrict=lambda here, there: self._refers(there, here),
            ),
        )

    def reverse_hops(self) -> tuple[Hop, ...]:
        """Return the join from a row to what it refers to, when that is of this model."""
        name = self.remote_field.query_name
        return (Hop(name, self.model._meta, (), null=True, restrict=self._is_referred_to),)

    def _is_referred_to(self, row: str, owner: str) -> nodes.Node:
        """Add to ``_refers``, where the key is a text: what the text stands for as a key, so that an index finds the owner.

        It follows from the other condition, and says nothing of texts that are no keys of this model.
        """
        refers = self._refers(row, owner)
        key, held = self.model._meta.pk, self.object_id_field
        reader = _READERS.get(key.column_type().kind)
        if reader is None or held.column_type().kind not in nodes.TEXT_KINDS or isinstance(key, PositiveIntegerField):
            return refers
        read = nodes.Func(reader, (nodes.Column(row, held.column),))
        return nodes.And((nodes.Binary("=", nodes.Column(owner, key.column), read), refers))

    def _refers(self, row: str, owner: str) -> nodes.Node:
        """Return the condition that the row under one alias refers to that of this model under another.

        What is compared is the column of the row as it stands, so that an index on its two columns is used.
        """
        check_key(self, self.model)
        key, held = self.model._meta.pk, self.object_id_field
        kind, held_type = key.column_type().kind, held.column_type()
        value: nodes.Node = nodes.Column(owner, key.column)
        if held_type.kind in nodes.TEXT_KINDS and kind not in nodes.TEXT_KINDS:
            # Compared as they are, numbers and texts are an error on PostgreSQL, and the digits of a UUID are none
            # of its texts elsewhere. Not the other way round: texts of other models need not be keys of this one.
            value = nodes.Func("UUID_TEXT", (value,)) if kind == "uuid" else nodes.Cast(value, held_type)
        return nodes.And((nodes.Binary("=", value, nodes.Column(row, held.column)), self._is(row)))

    def _is(self, alias: str) -> nodes.Node:
        """Return the condition that rows under ``alias`` refer to this model.

        The key of the type is part of the statement as a query of its own, which each database runs once: SQL is built
        before anything can be awaited.
        """
        from covet.contenttypes.models import ContentType

        meta = ContentType._meta
        app_label, name = type_key(self.model, self.for_concrete_model)
        inner = "generic_type"
        label_field, model_field = meta.get_field("app_label"), meta.get_field("model")
        where = nodes.And(
            (
                nodes.Binary(
                    "=", nodes.Column(inner, label_field.column), nodes.Bound(app_label, label_field.column_type())
                ),
                nodes.Binary(
                    "=", nodes.Column(inner, model_field.column), nodes.Bound(name, model_field.column_type())
                ),
            )
        )
        query = Select((Output(nodes.Column(inner, meta.pk.column)),), TableRef(meta.db_table, inner), where=where)
        return nodes.Binary("=", nodes.Column(alias, self.content_type_field.column), nodes.Subquery(query))

    # ── loading and deleting

    async def prefetch(self, instances: list[Any], queryset: Any, to_attr: str | None, alias: str | None) -> list[Any]:
        """Load the rows that refer to the instances."""
        base = queryset if queryset is not None else self.related_model._default_manager.get_queryset()
        content_type = await types_on(alias or instances[0]._row_state.db).get_for_model(
            type(instances[0]), self.for_concrete_model
        )
        foreign_key = self.foreign_key()

        def known(row: Any, owner: Any) -> None:
            if foreign_key is not None:
                foreign_key.set_cached_value(row, owner)

        return await set_prefetched_by_key(
            self.name,
            instances,
            queryset,
            to_attr,
            alias or place_of(self.related_model, instances[0]),
            base=base,
            lookup=self.object_id_field_name,
            given={self.content_type_field.attname: content_type.pk},
            key_of=self.key_of_row,
            owner_key=lambda row: getattr(row, self.object_id_field_name),
            known=known,
        )

    def bulk_related_objects(self, objs: list[Any], using: str) -> QuerySet[Any, Any]:
        """Return the rows that refer to these instances, which are deleted with them."""
        manager = getattr(objs[0], self.name)
        rows: QuerySet[Any, Any] = manager.rows_of(objs, using)
        return rows

    # ── checks

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Return what is wrong with the relation."""
        target = self.remote_field.model
        if isinstance(target, str):
            return []  # that the model is missing is said for all relations together
        if self.foreign_key() is None:
            return [
                checks.Error(
                    f"The GenericRelation leads to {target._meta.label}, which has no GenericForeignKey with the fields "
                    f"'{self.content_type_field_name}' and '{self.object_id_field_name}'.",
                    hint="Add one there, or name its fields: GenericRelation(…, content_type_field=…, object_id_field=…).",
                    obj=self,
                    id="contenttypes.E004",
                )
            ]
        return [*self._check_key(), *self._check_database_cascades()]

    def _check_key(self) -> Iterator[checks.CheckMessage]:
        try:
            check_key(self, self.model)
        except ValueError as error:
            yield checks.Error(str(error), obj=self, id="fields.E347")

    def _check_database_cascades(self) -> Iterator[checks.CheckMessage]:
        for field in self.model._meta.local_fields:
            if field.remote_field is not None and getattr(field.remote_field, "on_delete", None) is DB_CASCADE:
                yield checks.Error(
                    f"{self.model._meta.object_name}.{field.name} is DB_CASCADE: the database would delete rows of "
                    f"{self.model._meta.object_name} and leave those of {self.name}, of which it knows nothing.",
                    hint="Use on_delete=models.CASCADE.",
                    obj=self,
                    id="contenttypes.E006",
                )


class GenericRel(Relation):
    """The side of a ``GenericRelation`` at the model that refers: a name in queries, and no attribute."""

    # A row refers to one object of the model, and its columns are found by hops alone.
    @property
    def one_to_many(self) -> bool:
        """Never: a row refers to one object."""
        return False

    @property
    def target_field(self) -> Any:
        """What its values in queries are: keys of the model with the ``GenericRelation``."""
        return self.related_model._meta.pk

    def get_accessor_name(self) -> str | None:
        """Return ``None``: rows have their ``GenericForeignKey``."""
        return None
