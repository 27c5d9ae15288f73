"""The managers of relations to many rows: ``author.articles`` and ``article.tags``.

A class is made once per relation, from the manager class of the related model, so that its own methods are there too.
"""

# ruff: noqa: D102 - the signatures for checkers have their texts where the methods are written
from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from typing_extensions import TypeVar

from covet.concurrency import maybe_await
from covet.db import transaction
from covet.db.models.manager import Manager
from covet.db.models.query.prefetch import PREFETCHED
from covet.db.models.query.queryset import QuerySet
from covet.db.models.relations.ahead import read_ahead, wants_peers
from covet.db.models.relations.prefetching import read_among, read_by, read_many
from covet.db.models.signals import m2m_changed
from covet.db.routers import router

if TYPE_CHECKING:
    from typing import TypeAlias
    from uuid import UUID

    from covet.db.database import Database
    from covet.db.models.base import Model

    Key: TypeAlias = int | str | UUID

__all__ = ["BoundManager", "ManyRelatedManager", "RelatedManager", "many_manager_class", "reverse_manager_class"]

M = TypeVar("M", bound="Model", default=Any)


class RelatedManager(Manager[M]):
    """What checkers know of the managers of relations; the real classes are made for each relation."""

    if TYPE_CHECKING:

        async def add(self, *objs: M, bulk: bool = True, through_defaults: Mapping[str, Any] | None = None) -> None: ...
        async def remove(self, *objs: M, bulk: bool = True) -> None: ...
        async def clear(self, *, bulk: bool = True) -> None: ...
        async def set(
            self,
            objs: Iterable[M],
            *,
            bulk: bool = True,
            clear: bool = False,
            through_defaults: Mapping[str, Any] | None = None,
        ) -> None: ...


class ManyRelatedManager(RelatedManager[M]):
    """What checkers know of the managers of many-to-many fields, which take keys in place of instances."""

    if TYPE_CHECKING:

        async def add(
            self, *objs: M | Key, bulk: bool = True, through_defaults: Mapping[str, Any] | None = None
        ) -> None: ...
        async def remove(self, *objs: M | Key, bulk: bool = True) -> None: ...
        async def set(
            self,
            objs: Iterable[M | Key],
            *,
            bulk: bool = True,
            clear: bool = False,
            through_defaults: Mapping[str, Any] | None = None,
        ) -> None: ...


class BoundManager:
    """What all kinds share: an instance, the name of the relation on it, and prefetched rows.

    Attributes:
        base: The class of the related model's manager that this one extends.
        instance: Whose rows these are.
        accessor: The attribute of the instance that gives the manager.
    """

    base: Any
    instance: Any
    accessor: str
    model: Any
    _db: str | None
    _hints: dict[str, Any]

    def _prefetched(self) -> Any:
        cache = self.instance.__dict__.get(PREFETCHED)
        return None if cache is None else cache.get(self.accessor)

    def _forget(self) -> None:
        cache = self.instance.__dict__.get(PREFETCHED)
        if cache is not None:
            cache.pop(self.accessor, None)

    def _spoken(self) -> str:
        return f"{self.instance._meta.model_name}.{self.accessor}"

    def _write_alias(self) -> str:
        return self._db or router.db_for_write(self.model, instance=self.instance)

    if TYPE_CHECKING:
        # What reading for all peers needs of each kind.

        def _key(self) -> Any: ...
        def get_queryset(self) -> QuerySet[Any, Any]: ...
        def key_of(self, instance: Any) -> Any: ...
        async def read_rows(self, base: Any, keys: list[Any]) -> dict[Any, list[Any]]: ...

    def all(self) -> QuerySet[Any, Any]:
        """Return the rows; those prefetched can be iterated at once."""
        return self.get_queryset()

    def all_rows(self) -> QuerySet[Any, Any]:
        """Return the rows of all instances, as the related model's manager gives them."""
        return super().get_queryset()  # type: ignore[misc,no-any-return]  # of the manager that stands behind this class

    async def read_ahead(self, queryset: QuerySet[Any, Any], database: Database) -> list[Any] | None:
        """Return the rows of ``queryset``, read for all peers of the instance; ``None`` where the query has to run."""
        return await read_ahead(self, queryset, database)

    def _check_databases(self, objs: Iterable[Any]) -> None:
        """Refuse instances of another database, unless a router allows the relation. A bare key is one of this database."""
        here = self.instance._row_state.db
        for one in objs:
            there = one._row_state.db if hasattr(one, "_meta") else here
            if there not in (None, here) and not router.allow_relation(one, self.instance):
                raise ValueError(
                    f"'{self.accessor}' of an instance on database '{here}' cannot take {one!r}, which is on database "
                    f"'{there}'. Rows of two databases have no relations, unless a router's allow_relation says so."
                )

    def _check_saved(self, key: Any) -> Any:
        if key is None:
            instance, meta = self.instance, self.instance._meta
            if instance._is_pk_set():
                raise ValueError(
                    f"{instance!r} has no value in the field by which rows of '{self.accessor}' refer to it. Give it one and "
                    f"save it: 'await {meta.model_name}.save()'."
                )
            raise ValueError(
                f"This {meta.object_name} is not saved, so '{self.accessor}' has no rows yet. Save it first: 'await "
                f"{meta.model_name}.save()'."
            )
        return key


def reverse_manager_class(relation: Any, base: Any = None) -> type[Any]:
    """Return the class of the managers of the rows that refer to an instance by a foreign key.

    Args:
        relation: The relation.
        base: The manager class to start from; the related model's default one without it.
    """
    field = relation.field
    if base is None:
        base = type(relation.related_model._default_manager or relation.related_model._base_manager)

    owner_key = field.target_field.attname if field.concrete else ""

    class ReverseManager(BoundManager, base):  # type: ignore[misc]  # the base is known at run time only
        """The rows that refer to one instance."""

        def __init__(self, instance: Any) -> None:
            super().__init__()
            self.instance = instance
            self.model = relation.related_model
            self.accessor = relation.get_accessor_name() or ""
            self.name = self.accessor
            self._hints = {"instance": instance}

        def __call__(self, *, manager: str) -> Any:
            """Return the same rows through another manager of the related model."""
            chosen = getattr(self.model, manager)
            return reverse_manager_class(relation, type(chosen))(self.instance)

        def _read_key(self) -> Any:
            return getattr(self.instance, owner_key)

        def _key(self) -> Any:
            return self._check_saved(self._read_key())

        def key_of(self, instance: Any) -> Any:
            """Return what the rows know an instance by; ``None`` where that is not loaded."""
            return instance.__dict__.get(owner_key)

        async def read_rows(self, base: Any, keys: list[Any]) -> dict[Any, list[Any]]:
            """Return the rows of ``base`` by the key of the instance that they are related to."""
            return await read_among(base, field.attname, keys)

        def get_queryset(self) -> QuerySet[Any, Any]:
            """Return the rows: those prefetched, or a query for them."""
            found = self._prefetched()
            return found if found is not None else self._rows(super().get_queryset())

        def _rows(self, queryset: Any) -> QuerySet[Any, Any]:
            key = self._read_key()
            if key is None and self.instance._is_pk_set():
                # Saved, yet without a value in the field that is referred to: no row can name it.
                return queryset.none()  # type: ignore[no-any-return]  # a queryset of the related model
            queryset = queryset.filter(**{field.attname: self._check_saved(key)})
            queryset._hints = self._hints
            queryset._manner = queryset._manner.but(known=(field, self.instance))
            if wants_peers(self.instance):
                queryset._ahead = self
            return queryset  # type: ignore[no-any-return]  # a queryset of the related model

        def _unfiltered(self) -> Any:
            queryset = super().get_queryset()
            queryset._db = self._write_alias()
            return queryset

        async def add(self, *objs: Any, bulk: bool = True) -> None:
            """Let these rows refer to the instance, by one UPDATE, or with ``bulk=False`` by saving each."""
            self._key()
            self._forget()
            alias = self._write_alias()
            for one in objs:
                self._check(one)
            if bulk:
                self._check_databases(objs)
                for one in objs:
                    if one._row_state.adding or one._row_state.db != alias:
                        raise ValueError(f"{one!r} is not saved. Use bulk=False, or save it first.")
                keys = [one.pk for one in objs]
                if keys:
                    rows = self.model._base_manager.using(alias).filter(pk__in=keys)
                    await rows.update(**_reference(field, self._key(), self.instance))
                for one in objs:
                    setattr(one, field.name, self.instance)
                return
            async with transaction.atomic(using=alias, savepoint=False):
                for one in objs:
                    setattr(one, field.name, self.instance)
                    await maybe_await(one.save(using=alias))

        def _check(self, one: Any) -> None:
            if not isinstance(one, self.model):
                raise TypeError(f"{self.accessor} takes {self.model._meta.object_name} objects, not {one!r}.")

        async def create(self, **values: Any) -> Any:
            """Create a row that refers to the instance."""
            self._key()
            self._forget()
            return await self._unfiltered().create(**{**values, field.name: self.instance})

        async def get_or_create(self, defaults: Any = None, **lookups: Any) -> tuple[Any, bool]:
            """Return the row that matches, or create one that refers to the instance."""
            self._key()
            self._forget()
            return await self._unfiltered().get_or_create(defaults, **{**lookups, field.name: self.instance})  # type: ignore[no-any-return]

        async def update_or_create(
            self, defaults: Any = None, create_defaults: Any = None, **lookups: Any
        ) -> tuple[Any, bool]:
            """Change the row that matches, or create one that refers to the instance."""
            self._key()
            self._forget()
            lookups[field.name] = self.instance
            return await self._unfiltered().update_or_create(defaults, create_defaults, **lookups)  # type: ignore[no-any-return]

        async def bulk_create(self, objs: Iterable[Any], *args: Any, **options: Any) -> list[Any]:
            """Insert rows that refer to the instance."""
            self._key()
            self._forget()
            rows = list(objs)
            for one in rows:
                self._check(one)
                setattr(one, field.name, self.instance)
            return await self._unfiltered().bulk_create(rows, *args, **options)  # type: ignore[no-any-return]

    ReverseManager.base = base
    if not field.concrete:
        _refer_by_several(ReverseManager, field)
    if field.null:
        _add_removal(ReverseManager, relation)
    else:
        _add_set(ReverseManager)
    return ReverseManager


def _refer_by_several(cls: Any, field: Any) -> None:
    """Let the manager of a ``ForeignObject`` know its instance by a tuple."""

    def _read_key(self: Any) -> Any:
        return field.key_there(self.instance)

    async def read_rows(self: Any, base: Any, keys: list[Any]) -> dict[Any, list[Any]]:
        """Return the rows of ``base`` by the key of the instance that they are related to."""
        return await read_by(base, field.name, keys, field.key_here)

    cls._read_key = _read_key
    cls.key_of = staticmethod(field.key_there)
    cls.read_rows = read_rows


def _reference(field: Any, key: Any, instance: Any) -> dict[str, Any]:
    """Return what ``update`` takes to let rows refer to an instance, or to nothing."""
    if field.concrete:
        return {field.name: instance}
    return {part.name: value for part, value in field.assignments(key)}


def _add_set(cls: Any) -> None:
    async def set_(self: Any, objs: Iterable[Any], *, bulk: bool = True, clear: bool = False) -> None:
        """Let these rows refer to the instance; those that do already stay."""
        await self.add(*list(objs), bulk=bulk)

    cls.set = set_


def _add_removal(cls: Any, relation: Any) -> None:
    """Give the manager what needs a foreign key that can be NULL: ``remove``, ``clear`` and ``set``."""
    field = relation.field

    async def remove(self: Any, *objs: Any, bulk: bool = True) -> None:
        """Let these rows refer to nothing.

        Raises:
            DoesNotExist: A row does not refer to the instance.
        """
        if not objs:
            return
        key = self._key()
        for one in objs:
            self._check(one)
            if (getattr(one, field.attname) if field.concrete else field.key_here(one)) != key:
                raise self.model.DoesNotExist(f"{one!r} does not belong to {self.instance!r}.")
        await _release(self, objs, bulk=bulk)

    async def clear(self: Any, *, bulk: bool = True) -> None:
        """Let no row refer to the instance any more."""
        await _release(self, None, bulk=bulk)

    async def _release(self: Any, objs: Any, *, bulk: bool) -> None:
        self._forget()
        alias = self._write_alias()
        queryset = self.model._base_manager.using(alias).filter(**{field.attname: self._key()})
        if objs is not None:
            queryset = queryset.filter(pk__in=[one.pk for one in objs])
        if bulk:
            await queryset.update(**_reference(field, None, None))
        else:
            async with transaction.atomic(using=alias, savepoint=False):
                for one in await queryset:
                    setattr(one, field.name, None)
                    await maybe_await(one.save(using=alias, update_fields=list(_reference(field, None, None))))
        for one in objs or ():
            setattr(one, field.name, None)

    async def set_(self: Any, objs: Iterable[Any], *, bulk: bool = True, clear: bool = False) -> None:
        """Make these the rows that refer to the instance, and no others."""
        wanted = list(objs)
        alias = self._write_alias()
        async with transaction.atomic(using=alias, savepoint=False):
            if clear:
                await self.clear(bulk=bulk)
                await self.add(*wanted, bulk=bulk)
                return
            self._forget()
            for one in wanted:
                self._check(one)
            present = list(await self.using(alias).all())
            # By their keys: to look for each among all the others would take the square of their number.
            had, kept = {one.pk for one in present}, {one.pk for one in wanted if one._is_pk_set()}
            await self.remove(*[one for one in present if one.pk not in kept], bulk=bulk)
            await self.add(*[one for one in wanted if not one._is_pk_set() or one.pk not in had], bulk=bulk)

    cls.remove = remove
    cls.clear = clear
    cls.set = set_


def many_manager_class(relation: Any, *, reverse: bool) -> type[Any]:
    """Return the class of the managers of a many-to-many relation, seen from one side."""
    many = relation.field
    target_model = many.model if reverse else relation.model
    base: Any = type(target_model._default_manager or target_model._base_manager)

    class ManyManager(BoundManager, base):  # type: ignore[misc]  # the base is known at run time only
        """The related rows of one instance.

        Attributes:
            raw: Whether what is written comes from a fixture, which receivers are told.
        """

        raw = False

        def __init__(self, instance: Any) -> None:
            super().__init__()
            self.instance = instance
            self.model = target_model
            self.through = relation.through
            self.reverse = reverse
            self.symmetrical = relation.symmetrical
            self.accessor = (relation.get_accessor_name() or "") if reverse else many.name
            self.name = self.accessor
            self._hints = {"instance": instance}
            # The foreign keys of the model between: one to the instance, one to the related rows.
            source, target = many.through_keys()
            self.source, self.target = (target, source) if reverse else (source, target)
            self.lookup = many.name if reverse else relation.query_name

        def _key(self) -> Any:
            return self._check_saved(getattr(self.instance, self.source.target_field.attname))

        def key_of(self, instance: Any) -> Any:
            """Return what the rows know an instance by; ``None`` where that is not loaded."""
            return instance.__dict__.get(self.source.target_field.attname)

        async def read_rows(self, base: Any, keys: list[Any]) -> dict[Any, list[Any]]:
            """Return the rows of ``base`` by the key of the instance that they are related to."""
            return await read_many(base, self.lookup, keys)

        def get_queryset(self) -> QuerySet[Any, Any]:
            """Return the rows: those prefetched, or a query for them."""
            found = self._prefetched()
            if found is not None:
                return found  # type: ignore[no-any-return]  # a queryset of the related model
            queryset = super().get_queryset().filter(**{self.lookup: self._key()})
            queryset._hints = self._hints
            queryset.query = queryset.query.with_extras(sticky=True)
            if wants_peers(self.instance):
                queryset._ahead = self
            return queryset

        def _unfiltered(self) -> Any:
            queryset = super().get_queryset()
            queryset._db = self._write_alias()
            return queryset

        # ── writing

        async def add(self, *objs: Any, through_defaults: Mapping[str, Any] | None = None) -> None:
            """Relate these rows, or keys of rows, to the instance; those related already stay as they are.

            Args:
                objs: Instances or keys.
                through_defaults: Further values of the rows between; functions are called once.
            """
            key = self._key()
            self._forget()
            alias = self._write_alias()
            self._check_databases(objs)
            keys = self._keys(objs)
            if not keys:
                return
            defaults = {
                name: await maybe_await(value()) if callable(value) else value
                for name, value in (through_defaults or {}).items()
            }
            async with transaction.atomic(using=alias, savepoint=False):
                await self._add(self.source, self.target, key, keys, alias, defaults)
                if self.symmetrical:
                    await self._add(self.target, self.source, key, keys, alias, defaults)

        async def _add(
            self, source: Any, target: Any, key: Any, keys: list[Any], alias: str, defaults: Mapping[str, Any]
        ) -> None:
            through = self.through
            listened = m2m_changed.has_listeners(through) and source is self.source
            # The unique pair of an automatic table lets the database sort out what is there already.
            ignore = bool(through._meta.auto_created)
            if listened or not ignore:
                rows = through._base_manager.using(alias)
                present = await rows.filter(**{source.attname: key, f"{target.attname}__in": keys}).values_list(
                    target.attname, flat=True
                )
                known = set(present)
                keys = [one for one in keys if one not in known]
            if listened:
                await self._send("pre_add", set(keys), alias)
            if keys:
                made = [through(**{source.attname: key, target.attname: one, **defaults}) for one in keys]
                await through._base_manager.using(alias).bulk_create(made, ignore_conflicts=ignore)
            if listened:
                await self._send("post_add", set(keys), alias)

        async def remove(self, *objs: Any) -> None:
            """Take back the relation to these rows, or keys of rows."""
            key = self._key()
            self._forget()
            keys = self._keys(objs)
            if not keys:
                return
            alias = self._write_alias()
            async with transaction.atomic(using=alias, savepoint=False):
                await self._send("pre_remove", set(keys), alias)
                await self._delete(key, keys, alias)
                await self._send("post_remove", set(keys), alias)

        async def clear(self) -> None:
            """Take back the relation to all rows."""
            key = self._key()
            self._forget()
            alias = self._write_alias()
            async with transaction.atomic(using=alias, savepoint=False):
                await self._send("pre_clear", None, alias)
                await self._delete(key, None, alias)
                await self._send("post_clear", None, alias)

        async def _delete(self, key: Any, keys: list[Any] | None, alias: str) -> None:
            rows = self.through._base_manager.using(alias)
            sides = [(self.source, self.target)]
            if self.symmetrical:
                sides.append((self.target, self.source))
            for source, target in sides:
                found = rows.filter(**{source.attname: key})
                if keys is not None:
                    found = found.filter(**{f"{target.attname}__in": keys})
                await maybe_await(found.delete())

        async def set(
            self, objs: Iterable[Any], *, clear: bool = False, through_defaults: Mapping[str, Any] | None = None
        ) -> None:
            """Make these rows, or keys of rows, the related ones, and no others."""
            wanted = list(objs)
            self._check_databases(wanted)
            alias = self._write_alias()
            async with transaction.atomic(using=alias, savepoint=False):
                if clear:
                    await self.clear()
                    await self.add(*wanted, through_defaults=through_defaults)
                    return
                rows = self.through._base_manager.using(alias).filter(**{self.source.attname: self._key()})
                present = set(await rows.values_list(self.target.attname, flat=True))
                keys = self._keys(wanted)
                await self.remove(*[one for one in present if one not in keys])
                await self.add(*[one for one in keys if one not in present], through_defaults=through_defaults)

        async def create(self, *, through_defaults: Mapping[str, Any] | None = None, **values: Any) -> Any:
            """Create a row and relate it."""
            self._key()
            alias = self._write_alias()
            async with transaction.atomic(using=alias, savepoint=False):
                made = await self._unfiltered().create(**values)
                await self.add(made, through_defaults=through_defaults)
            return made

        async def get_or_create(
            self, defaults: Any = None, *, through_defaults: Mapping[str, Any] | None = None, **lookups: Any
        ) -> tuple[Any, bool]:
            """Return the related row that matches, or create one and relate it; rows that are not related do not count."""
            self._key()
            alias = self._write_alias()
            async with transaction.atomic(using=alias, savepoint=False):
                made, created = await self.get_queryset().using(alias).get_or_create(defaults, **lookups)
                if created:
                    await self.add(made, through_defaults=through_defaults)
            return made, created

        async def update_or_create(
            self,
            defaults: Any = None,
            create_defaults: Any = None,
            *,
            through_defaults: Mapping[str, Any] | None = None,
            **lookups: Any,
        ) -> tuple[Any, bool]:
            """Change the related row that matches, or create one and relate it; rows that are not related do not count."""
            self._key()
            alias = self._write_alias()
            async with transaction.atomic(using=alias, savepoint=False):
                rows = self.get_queryset().using(alias)
                made, created = await rows.update_or_create(defaults, create_defaults, **lookups)
                if created:
                    await self.add(made, through_defaults=through_defaults)
            return made, created

        async def _send(self, action: str, keys: Any, alias: str) -> None:
            if not m2m_changed.has_listeners(self.through):
                return
            await m2m_changed.send(
                self.through,
                instance=self.instance,
                action=action,
                reverse=self.reverse,
                model=self.model,
                pk_set=keys,
                using=alias,
                raw=self.raw,
            )

        def _keys(self, objs: Iterable[Any]) -> list[Any]:
            """Return the keys of instances and keys, each once."""
            found: dict[Any, None] = {}
            field = self.target.target_field
            for one in objs:
                if not hasattr(one, "_meta"):
                    found[field.get_prep_value(field.to_python(one))] = None
                    continue
                if not isinstance(one, self.model._meta.concrete_model):
                    raise TypeError(f"{self.accessor} takes {self.model._meta.object_name} objects, not {one!r}.")
                key = getattr(one, field.attname)
                if key is None:
                    raise ValueError(f"{one!r} is not saved, so it cannot be related. Save it first.")
                found[key] = None
            return list(found)

    ManyManager.base = base
    return ManyManager
