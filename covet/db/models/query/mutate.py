"""``Mutate``: the methods that change rows."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from covet.concurrency import maybe_await
from covet.db.errors import IntegrityError, NotSupportedError
from covet.db.models import signals
from covet.db.models.conflicts import conflict, version_field
from covet.db.models.fields.markers import DATABASE_DEFAULT
from covet.db.models.query import run
from covet.db.models.query.chain import PLAIN, Chain, M, R
from covet.db.models.query.plan import NO_EXTRAS, Query
from covet.db.models.state import LOADED, PARTLY_LOADED
from covet.db.sql.statements import Conflict
from covet.exceptions import FieldDoesNotExist, FieldError
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.db import transaction
    from covet.db.models import places
    from covet.db.models.expressions import refs
    from covet.db.models.query import assignments, write
else:
    assignments = late_module(__name__, "covet.db.models.query.assignments")
    write = late_module(__name__, "covet.db.models.query.write")
    places = late_module(__name__, "covet.db.models.places")
    transaction = late_module(__name__, "covet.db.transaction")
    refs = late_module(__name__, "covet.db.models.expressions.refs")

__all__ = ["Mutate"]


class Mutate(Chain[M, R]):
    """Writing: create rows, change or delete those of the queryset."""

    __slots__ = ()

    async def create(self, **values: Any) -> M:
        """Build an instance, insert it and return it."""
        model: Any = self.model
        instance = model(**values)
        saving = instance.save(force_insert=True, using=run.write_alias(self))
        # A model's own ``save`` may be a plain function.
        await (saving if saving.__class__ is CoroutineType else maybe_await(saving))
        return instance  # type: ignore[no-any-return]  # an instance of the model

    async def get_or_create(self, defaults: Mapping[str, Any] | None = None, **lookups: Any) -> tuple[M, bool]:
        """Return the row that matches, or create it; the flag says whether it was created.

        It is safe against others who create the same row when a unique constraint covers the look-ups.

        Args:
            defaults: Further values of a new row; functions are called only when one is made.
            lookups: What to look for, and the values of a new row (those without ``__``).
        """
        queryset: Any = self
        found = await queryset.filter(**lookups)._for_writing()._get_or_none()
        if found is not None:
            return found, False
        values = await self._creation_values(lookups, defaults)
        return await self._create_or_get(lookups, values)

    async def _create_or_get(self, lookups: Mapping[str, Any], values: dict[str, Any]) -> tuple[M, bool]:
        queryset: Any = self
        alias = run.write_database(self).alias
        try:
            async with transaction.atomic(using=alias):
                return await self._using(alias).create(**values), True
        except IntegrityError:
            # Someone else may have been faster; if it was another rule that failed, the error stands.
            found = await queryset.filter(**lookups)._for_writing()._get_or_none()
            if found is None:
                raise
            return found, False

    async def update_or_create(
        self,
        defaults: Mapping[str, Any] | None = None,
        create_defaults: Mapping[str, Any] | None = None,
        **lookups: Any,
    ) -> tuple[M, bool]:
        """Change the row that matches, or create it; the flag says whether it was created.

        Args:
            defaults: The values to set; functions are called.
            create_defaults: The values of a new row, in place of ``defaults``.
            lookups: What to look for.
        """
        update = dict(defaults or {})
        alias = run.write_database(self).alias
        async with transaction.atomic(using=alias):
            queryset: Any = self._using(alias)
            locked = queryset.select_for_update().filter(**lookups)
            found = await locked._get_or_none()
            if found is None:
                values = await self._creation_values(lookups, update if create_defaults is None else create_defaults)
                found, created = await self._create_or_get(lookups, values)
                if created:
                    return found, True
            for name, value in update.items():
                setattr(found, name, await maybe_await(value()) if callable(value) else value)
            await maybe_await(found.save(using=alias, update_fields=self._fields_to_save(update)))
        return found, False

    def _fields_to_save(self, values: Mapping[str, Any]) -> set[str] | None:
        """Return the fields that these values change, with those that set themselves; ``None`` saves all."""
        meta: Any = self.model._meta
        concrete = {name for field in meta.concrete_fields for name in (field.name, field.attname)}
        if not set(values) <= concrete or meta.pk.name in values:
            return None
        automatic = {
            field.name
            for field in meta.concrete_fields
            if not field.primary_key and (getattr(field, "auto_now", False) or _overrides_pre_save(field))
        }
        # What the database computes is left to it, as in a row that is created.
        written = {name for name in values if not meta.get_field(name).generated}
        return written | automatic

    def _using(self, alias: str) -> Any:
        new = self._chain(self.query)
        new._db = alias
        return new

    def _for_writing(self) -> Any:
        """Return the same queryset reading from the database that writes go to."""
        new = self._chain(self.query)
        new._for_write = True
        if new._manner is not PLAIN:
            new._manner = new._manner.but(caching=None)
        return new

    async def _get_or_none(self) -> Any:
        """Return the only row, ``None`` without one; several are an error."""
        queryset: Any = self
        model: Any = self.model
        try:
            return await queryset.get()
        except model.DoesNotExist:
            return None

    async def _creation_values(self, lookups: Mapping[str, Any], defaults: Mapping[str, Any] | None) -> dict[str, Any]:
        values = {name: value for name, value in lookups.items() if "__" not in name}
        for name, value in (defaults or {}).items():
            values[name] = await maybe_await(value()) if callable(value) else value
        self._check_names(values)
        return values

    def _check_names(self, values: Mapping[str, Any]) -> None:
        meta: Any = self.model._meta
        for name in values:
            if name == "pk" or isinstance(getattr(self.model, name, None), property):
                continue
            try:
                meta.get_field(name)
            except FieldDoesNotExist as error:
                raise FieldError(str(error), model=self.model, name=name) from None

    # ── in bulk

    async def bulk_create(
        self,
        objs: Iterable[M],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Iterable[str] | None = None,
        unique_fields: Iterable[str] | None = None,
    ) -> list[M]:
        """Insert instances in as few statements as possible, and return them with their keys where the database tells.

        ``save()`` is not called, nor its signals sent; ``pre_bulk_create`` and ``post_bulk_create`` are, once.

        Args:
            objs: Instances of the model.
            batch_size: The most rows of one statement.
            ignore_conflicts: Leave out rows that a unique constraint refuses; keys are not set then.
            update_conflicts: Update the row that is in the way.
            update_fields: What is updated then.
            unique_fields: The fields of the constraint (not on MySQL).

        Raises:
            ValueError: Options that do not go together.
        """
        instances: list[Any] = list(objs)
        if batch_size is not None and batch_size <= 0:
            raise ValueError("bulk_create(batch_size=…) takes a positive number.")
        model: Any = self.model
        meta = model._meta
        if any(parent._meta.concrete_model is not meta.concrete_model for parent in meta.all_parents):
            raise ValueError(f"bulk_create() cannot insert {meta.object_name}: its rows lie in more than one table.")
        for instance in instances:
            if not isinstance(instance, model):
                raise TypeError(f"bulk_create() of {meta.object_name} got {instance!r}.")
        database = run.write_database(self)
        conflict = _conflict(meta, database.dialect, ignore_conflicts, update_conflicts, update_fields, unique_fields)
        if not instances:
            return instances
        await signals.pre_bulk_create.send(model, instances=instances, using=database.alias)
        relations = [field for field in meta.concrete_fields if field.is_relation or field.needs_preparing]
        relations += [field for field in meta.private_fields if field.many_to_one]
        for instance in instances:
            await _check_related(instance, relations)
        if meta.placed_model is not None:
            await places.give_places(model, instances, database.alias)
        with_key = [instance for instance in instances if instance._is_pk_set()]
        without_key = [instance for instance in instances if not instance._is_pk_set()]
        parts = [part for part in (with_key, without_key) if part]
        async with transaction.atomic(using=database.alias, savepoint=False):
            for part in parts:
                await self._insert_part(part, database, conflict, batch_size, keyed=part is with_key)
        for instance in instances:
            states = PARTLY_LOADED if instance._row_state.partial else LOADED
            instance._row_state = states[database.alias]
        await signals.post_bulk_create.send(model, instances=instances, using=database.alias)
        return instances

    async def _insert_part(
        self, instances: list[Any], database: Any, conflict: Conflict | None, batch_size: int | None, *, keyed: bool
    ) -> None:
        # A proxy has no columns of its own.
        model: Any = self.model._meta.concrete_model
        meta = model._meta
        key = ("bulk", keyed)
        columns = meta.plans.get(key)
        if columns is None:
            chosen = [field for field in meta.local_concrete_fields if not field.generated]
            if not keyed and meta.auto_field is not None:
                chosen = [field for field in chosen if field is not meta.auto_field]
            columns = meta.plans[key] = write.columns_of(chosen)
        fields = columns.fields
        rows = [columns.gather(instance, True) for instance in instances]
        returning = [] if conflict is not None and not conflict.update else list(meta.db_returning_fields)
        if keyed:
            returning = [field for field in returning if field is not meta.auto_field]
        told = await write.insert_many(
            model, rows, fields, database, returning=returning, conflict=conflict, batch_size=batch_size
        )
        for instance, values in zip(instances, told, strict=True):
            if values is not None:
                for field, value in zip(returning, values, strict=True):
                    setattr(instance, field.attname, value)
            else:
                _forget_defaults(instance, fields)

    async def bulk_update(self, objs: Iterable[M], fields: Iterable[str], batch_size: int | None = None) -> int:
        """Write some fields of many instances, and return how many rows there were.

        Neither ``save()`` nor its signals run; ``pre_bulk_update`` and ``post_bulk_update`` are sent, once.

        Args:
            objs: Saved instances; of two with one key the first counts.
            fields: The names of the fields to write.
            batch_size: The most rows sent together.

        Raises:
            ValueError: No fields, the key or a generated one among them, an unsaved instance.
        """
        if batch_size is not None and batch_size <= 0:
            raise ValueError("bulk_update(batch_size=…) takes a positive number.")
        names = list(fields)
        if not names:
            raise ValueError("bulk_update() needs the names of the fields to write.")
        meta: Any = self.model._meta
        chosen = []
        for name in names:
            field = meta.get_field(name)
            if field.column_type() is None or not hasattr(field, "attname"):
                raise ValueError(f"bulk_update() writes columns, and {meta.object_name}.{name} has none.")
            if field.generated:
                raise ValueError(field.unwritable("bulk_update()"))
            if field in meta.pk_fields or any(field is parent._meta.pk for parent in meta.all_parents):
                raise ValueError("bulk_update() cannot change primary keys.")
            chosen.append(field)
        instances: dict[Any, Any] = {}
        relations = [field for field in chosen if field.is_relation or field.needs_preparing]
        for instance in objs:
            if not instance._is_pk_set():
                raise ValueError("bulk_update() writes saved instances; one of these has no primary key.")
            await _check_related(instance, relations)
            instances.setdefault(instance.pk, instance)
        if not instances:
            return 0
        database = run.write_database(self)
        given = list(instances.values())
        await signals.pre_bulk_update.send(self.model, instances=given, fields=names, using=database.alias)
        total = await self._update_tables(given, chosen, database, batch_size)
        await signals.post_bulk_update.send(self.model, instances=given, fields=names, using=database.alias)
        return total

    async def _update_tables(
        self, instances: list[Any], fields: list[Any], database: Any, batch_size: int | None
    ) -> int:
        tables: dict[Any, list[Any]] = {}
        for field in fields:
            tables.setdefault(field.model._meta.concrete_model, []).append(field)
        size = batch_size or len(instances)
        total = 0
        version = version_field(self.model._meta)
        if version is not None and version not in fields:
            tables.setdefault(version.model._meta.concrete_model, []).append(version)
        async with transaction.atomic(using=database.alias, savepoint=False):
            if version is not None:
                await self._check_versions(instances, version, database)
            for model, members in tables.items():
                count = 0
                for start in range(0, len(instances), size):
                    part = instances[start : start + size]
                    rows = [
                        (getattr(one, model._meta.pk.attname), [field.pre_save(one, False) for field in members])
                        for one in part
                    ]
                    count += await write.update_many(model, rows, members, database)
                total = max(total, count)
        if version is not None:
            for one in instances:
                setattr(one, version.attname, getattr(one, version.attname) + 1)
        return total

    async def _check_versions(self, instances: list[Any], version: Any, database: Any) -> None:
        """Lock the rows, and raise for the first that is not as its instance was read."""
        model: Any = self.model
        rows = model._base_manager.using(database.alias)
        if database.dialect.has_select_for_update:
            rows = rows.select_for_update()
        size = max(database.dialect.max_params - 1, 1)
        found: dict[Any, Any] = {}
        for start in range(0, len(instances), size):
            keys = [one.pk for one in instances[start : start + size]]
            found |= dict(await rows.filter(pk__in=keys).values_list("pk", version.attname))
        for one in instances:
            current = found.get(one.pk)
            if current is not None and current != getattr(one, version.attname):
                raise conflict(one, getattr(one, version.attname))

    # ── by condition

    async def update(self, **values: Any) -> int:
        """Change all rows of the queryset by one statement, and return how many there were.

        Values may be expressions over the same table. No ``save()`` runs; ``pre_update`` and ``post_update`` are sent, once.

        Raises:
            TypeError: The queryset is sliced.
            FieldError: A name is no field with a column.
        """
        query = self.query
        model: Any = self.model
        if (
            values
            and query.extras is NO_EXTRAS
            and query.order is None
            and query.high is None
            and not query.low
            # Who listens may change the values once they were looked at.
            and not (signals.pre_update._entries and signals.pre_update.has_listeners(model))
        ):
            database = run.write_database(self)
            bind = assignments.simple_update(query, values, database)
            if bind is not None:
                sql, args = bind((*query.values, *values.values()))
                rows = await database.execute(sql, args)
                self._cache = None
                if signals.post_update._entries:
                    await signals.post_update.send(model, queryset=self, values=values, using=database.alias, rows=rows)
                return rows
        if query.is_sliced:
            raise TypeError("update() cannot follow a slice: filter by the keys instead.")
        if query.extras.combined is not None:
            raise NotSupportedError("update() cannot follow union() and its kin.")
        if query.extras.distinct_on:
            raise TypeError("update() cannot follow distinct() with field names.")
        if not values:
            return 0
        database = run.write_database(self)
        pairs = [assignments.assignment(query, name, value) for name, value in values.items()]
        version = version_field(model._meta)
        if version is not None and all(field is not version for field, _value in pairs):
            # Whoever holds one of the rows must see that it has changed.
            pairs.append((version, refs.F(version.attname) + 1))
        if signals.pre_update.has_listeners(model):
            await signals.pre_update.send(model, queryset=self, values=values, using=database.alias)
        rows = await self._update_rows(pairs, database)
        self._cache = None
        if signals.post_update.has_listeners(model):
            await signals.post_update.send(model, queryset=self, values=values, using=database.alias, rows=rows)
        return rows

    def _update_rows(self, pairs: list[tuple[Any, Any]], database: Any) -> Awaitable[int]:
        meta: Any = self.model._meta
        query = self.query
        if query.extras is not NO_EXTRAS:
            query = query.with_extras(lock=None, select_related=(), outputs=None)
        if not meta.concrete_model._meta.parents:
            return write.update_where(query, pairs, database)
        return self._update_parents(query, pairs, database)

    async def _update_parents(self, query: Query, pairs: list[tuple[Any, Any]], database: Any) -> int:
        tables: dict[Any, list[tuple[Any, Any]]] = {}
        for field, value in pairs:
            tables.setdefault(field.model._meta.concrete_model, []).append((field, value))
        if set(tables) <= {self.model._meta.concrete_model}:
            return await write.update_where(query, pairs, database)
        # Columns of a parent's table: by the keys of the rows, which the first update may change.
        queryset: Any = self._chain(query)
        queryset._manner = queryset._manner.but(caching=None)
        keys = await queryset.values_list("pk", flat=True)
        rows = 0
        async with transaction.atomic(using=database.alias, savepoint=False):
            for model, members in tables.items():
                part = model._base_manager.using(database.alias).filter(pk__in=keys)
                rows = max(rows, await write.update_where(part.query, members, database))
        return rows

    async def delete(self) -> tuple[int, dict[str, int]]:
        """Delete all rows of the queryset, and what their relations say goes with them.

        Returns:
            How many rows were deleted, and of which models.

        Raises:
            TypeError: The queryset is sliced or gives no instances.
            ProtectedError: A relation with ``PROTECT`` refers to one of the rows.
        """
        if self.query.is_sliced:
            raise TypeError("delete() cannot follow a slice: filter by the keys instead.")
        if self._manner.kind != "model":
            raise TypeError("delete() cannot follow values() or values_list().")
        if self.query.extras.combined is not None:
            raise NotSupportedError("delete() cannot follow union() and its kin.")
        if self.query.extras.distinct_on:
            raise TypeError("delete() cannot follow distinct() with field names.")
        model: Any = self.model
        self._cache = None
        return await model._delete_queryset(self)  # type: ignore[no-any-return]  # what deletion returns

    delete.queryset_only = True  # type: ignore[attr-defined]  # as in Django, managers do not have it


def _overrides_pre_save(field: Any) -> bool:
    from covet.db.models.fields.base import Field

    return type(field).pre_save is not Field.pre_save


async def _check_related(instance: Any, relations: Iterable[Any]) -> None:
    """Refuse an unsaved related object, and take over the key of one that was saved meanwhile."""
    for field in relations:
        waiting = field.prepare_save(instance)
        if waiting is not None:
            await waiting


def _forget_defaults(instance: Any, fields: Iterable[Any]) -> None:
    """Mark what the database filled in, and did not tell, as not loaded."""
    own = instance.__dict__
    for field in fields:
        if own.get(field.attname) is DATABASE_DEFAULT:
            write.forget(instance, field)


def _conflict(
    meta: Any,
    dialect: Any,
    ignore: bool,
    update: bool,
    update_fields: Iterable[str] | None,
    unique_fields: Iterable[str] | None,
) -> Conflict | None:
    if ignore and update:
        raise ValueError("bulk_create() takes ignore_conflicts or update_conflicts, not both.")
    if not update:
        return Conflict() if ignore else None
    changed = [meta.get_field(name) for name in update_fields or ()]
    if not changed:
        raise ValueError("bulk_create(update_conflicts=True) needs update_fields.")
    if any(field.column_type() is None for field in changed):
        raise ValueError("bulk_create(update_fields=…) takes fields with a column.")
    for field in changed:
        if field.generated:
            raise ValueError(field.unwritable("bulk_create(update_fields=…)"))
    if any(field in meta.pk_fields for field in changed):
        raise ValueError("bulk_create(update_fields=…) cannot change the primary key.")
    names = list(unique_fields or ())
    if dialect.has_conflict_target and not names:
        raise ValueError("bulk_create(update_conflicts=True) needs unique_fields, the fields of the constraint.")
    if not dialect.has_conflict_target and names:
        raise ValueError(f"{dialect.title} decides by any unique key itself: leave unique_fields out.")
    unique = [field for name in names for field in (meta.pk_fields if name == "pk" else [meta.get_field(name)])]
    return Conflict(tuple([field.column for field in unique]), tuple([field.column for field in changed]))
