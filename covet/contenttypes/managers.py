"""``article.tags`` of a ``GenericRelation``: the manager of the rows that refer to one instance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from covet.concurrency import maybe_await
from covet.db import transaction
from covet.db.models.expressions.subqueries import Subquery
from covet.db.models.relations.ahead import wants_peers
from covet.db.models.relations.managers import BoundManager
from covet.db.models.relations.prefetching import read_among

if TYPE_CHECKING:
    from covet.db.models.query.queryset import QuerySet

__all__ = ["GenericManyDescriptor", "generic_manager_class", "type_key", "types_on"]


def type_key(model: Any, concrete: bool) -> tuple[str, str]:
    """Return the label and name by which content types know a model."""
    meta = model._meta
    if concrete and meta.concrete_model is not None:
        meta = meta.concrete_model._meta
    return meta.app_label, meta.model_name


def types_on(alias: str | None) -> Any:
    """Return the manager of content types on one database."""
    # Models can be imported only once the apps are known; fields are imported by the apps' own models.
    from covet.contenttypes.models import ContentType

    return ContentType.objects.db_manager(alias) if alias else ContentType.objects


class GenericManyDescriptor:
    """Gives an instance its manager; the class is made on first use."""

    __slots__ = ("_cls", "field")

    def __init__(self, field: Any) -> None:
        self.field = field
        self._cls: Any = None

    @property
    def rel(self) -> Any:
        """The relation."""
        return self.field.remote_field

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self.field
        cls = self._cls
        if cls is None:
            cls = self._cls = generic_manager_class(self.field)
        return cls(instance)

    def __set__(self, instance: Any, value: Any) -> None:
        name = self.field.name
        raise TypeError(f"{name} cannot be assigned. Write 'await {instance._meta.model_name}.{name}.set(…)'.")


def generic_manager_class(field: Any, base: Any = None) -> type[Any]:
    """Return the class of the managers of one ``GenericRelation``.

    Args:
        field: The relation.
        base: The manager class to start from; the related model's default one without it.
    """
    if base is None:
        base = type(field.related_model._default_manager or field.related_model._base_manager)

    class GenericManager(BoundManager, base):  # type: ignore[misc]  # the base is known at run time only
        """The rows that refer to one instance by a generic foreign key."""

        def __init__(self, instance: Any) -> None:
            super().__init__()
            self.instance = instance
            self.model = field.related_model
            self.accessor = self.name = field.name
            self._hints = {"instance": instance}

        def __call__(self, *, manager: str) -> Any:
            """Return the same rows through another manager of the related model."""
            return generic_manager_class(field, type(getattr(self.model, manager)))(self.instance)

        # ── reading

        def get_queryset(self) -> QuerySet[Any, Any]:
            """Return the rows: those prefetched, or a query for them."""
            found = self._prefetched()
            if found is not None:
                return found  # type: ignore[no-any-return]  # a queryset of the related model
            self._check_saved(self.instance.pk)
            queryset = super().get_queryset().filter(**self._condition([self.instance]))
            queryset._hints = self._hints
            foreign_key = field.foreign_key()
            if foreign_key is not None:
                queryset._manner = queryset._manner.but(known=(foreign_key, self.instance))
            if wants_peers(self.instance):
                queryset._ahead = self
            return queryset

        def _key(self) -> Any:
            return self.key_of(self.instance)

        def key_of(self, instance: Any) -> Any:
            """Return what the rows know an instance by."""
            return field.key_of_row(instance)

        async def read_rows(self, base: Any, keys: list[Any]) -> dict[Any, list[Any]]:
            """Return the rows of ``base`` by the key of the instance that they refer to."""
            typed = base.filter(**{field.content_type_field.attname: Subquery(self._types())})
            return await read_among(typed, field.object_id_field_name, keys)

        def _types(self) -> QuerySet[Any, Any]:
            """Return the key of the instance's type: as a query inside the query, since it cannot be awaited here."""
            from covet.contenttypes.models import ContentType

            app_label, name = type_key(type(self.instance), field.for_concrete_model)
            return ContentType.objects.filter(app_label=app_label, model=name).order_by().values("pk")

        def _condition(self, instances: list[Any]) -> dict[str, Any]:
            keys = [field.key_of_row(one) for one in instances]
            lookup = field.object_id_field_name
            return {
                field.content_type_field.attname: Subquery(self._types()),
                **({lookup: keys[0]} if len(keys) == 1 else {f"{lookup}__in": keys}),
            }

        def rows_of(self, instances: list[Any], using: str) -> QuerySet[Any, Any]:
            """Return the rows that refer to any of these instances of one model."""
            rows: QuerySet[Any, Any] = self.model._base_manager.using(using).filter(**self._condition(instances))
            return rows

        def _unfiltered(self) -> Any:
            queryset = super().get_queryset()
            queryset._db = self._write_alias()
            return queryset

        # ── writing

        async def _keys(self) -> dict[str, Any]:
            """Return the values of the two fields for rows that refer to the instance."""
            from covet.contenttypes.models import ContentType

            self._check_saved(self.instance.pk)
            self._forget()
            types = ContentType.objects.db_manager(self._write_alias())
            content_type = await types.get_for_model(type(self.instance), field.for_concrete_model)
            return {
                field.content_type_field_name: content_type,
                field.object_id_field_name: field.key_of_row(self.instance),
            }

        def _claim(self, row: Any, keys: dict[str, Any]) -> None:
            for name, value in keys.items():
                setattr(row, name, value)
            foreign_key = field.foreign_key()
            if foreign_key is not None:
                foreign_key.set_cached_value(row, self.instance)

        def _check(self, one: Any) -> None:
            if not isinstance(one, self.model):
                raise TypeError(f"{self.accessor} takes {self.model._meta.object_name} objects, not {one!r}.")

        async def add(self, *objs: Any, bulk: bool = True) -> None:
            """Let these rows refer to the instance, by one UPDATE, or with ``bulk=False`` by saving each."""
            alias = self._write_alias()
            for one in objs:
                self._check(one)
                if bulk and (one._row_state.adding or one._row_state.db != alias):
                    raise ValueError(f"{one!r} is not saved. Use bulk=False, or save it first.")
            keys = await self._keys()
            if bulk and objs:
                rows = self.model._base_manager.using(alias).filter(pk__in=[one.pk for one in objs])
                await rows.update(**keys)
            for one in objs:
                self._claim(one, keys)
            if not bulk:
                async with transaction.atomic(using=alias, savepoint=False):
                    for one in objs:
                        await maybe_await(one.save(using=alias))

        async def remove(self, *objs: Any, bulk: bool = True) -> None:
            """Delete these of the instance's rows; with ``bulk=False`` by the ``delete()`` of each."""
            for one in objs:
                self._check(one)
            if objs:
                await self._delete([one.pk for one in objs], bulk=bulk)

        async def clear(self, *, bulk: bool = True) -> None:
            """Delete all rows of the instance; with ``bulk=False`` by the ``delete()`` of each."""
            await self._delete(None, bulk=bulk)

        async def _delete(self, keys: list[Any] | None, *, bulk: bool) -> None:
            self._check_saved(self.instance.pk)
            self._forget()
            alias = self._write_alias()
            rows = self.rows_of([self.instance], alias)
            if keys is not None:
                rows = rows.filter(pk__in=keys)
            if bulk:
                await rows.delete()
                return
            async with transaction.atomic(using=alias, savepoint=False):
                for one in await rows:
                    await maybe_await(one.delete(using=alias))

        async def set(self, objs: Iterable[Any], *, bulk: bool = True, clear: bool = False) -> None:
            """Make these the rows of the instance: others are deleted."""
            wanted = list(objs)
            alias = self._write_alias()
            async with transaction.atomic(using=alias, savepoint=False):
                if clear:
                    await self.clear(bulk=bulk)
                    await self.add(*wanted, bulk=bulk)
                    return
                self._forget()
                present = list(await self.rows_of([self.instance], alias))
                await self.remove(*[one for one in present if one not in wanted], bulk=bulk)
                await self.add(*[one for one in wanted if one not in present], bulk=bulk)

        async def create(self, **values: Any) -> Any:
            """Create a row that refers to the instance."""
            made = await self._unfiltered().create(**{**values, **await self._keys()})
            self._note(made)
            return made

        async def get_or_create(self, defaults: Any = None, **lookups: Any) -> tuple[Any, bool]:
            """Return the row that matches, or create one that refers to the instance."""
            found, is_new = await self._unfiltered().get_or_create(defaults, **{**lookups, **await self._keys()})
            self._note(found)
            return found, is_new

        async def update_or_create(
            self, defaults: Any = None, create_defaults: Any = None, **lookups: Any
        ) -> tuple[Any, bool]:
            """Change the row that matches, or create one that refers to the instance."""
            lookups |= await self._keys()
            found, is_new = await self._unfiltered().update_or_create(defaults, create_defaults, **lookups)
            self._note(found)
            return found, is_new

        async def bulk_create(self, objs: Iterable[Any], *args: Any, **options: Any) -> list[Any]:
            """Insert rows that refer to the instance."""
            rows = list(objs)
            for one in rows:
                self._check(one)
            keys = await self._keys()
            for one in rows:
                self._claim(one, keys)
            return await self._unfiltered().bulk_create(rows, *args, **options)  # type: ignore[no-any-return]

        def _note(self, row: Any) -> None:
            foreign_key = field.foreign_key()
            if foreign_key is not None:
                foreign_key.set_cached_value(row, self.instance)

    GenericManager.base = base
    return GenericManager
