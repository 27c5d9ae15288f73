"""Deleting: the rules of ``on_delete`` and the collector that finds, in few statements, all that goes with some rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from covet.apps import apps
from covet.db import transaction
from covet.db.connections import connections
from covet.db.freshness import freshness
from covet.db.models.conflicts import conflict, version_field
from covet.db.models.query import run, write
from covet.db.models.query.plan import Query
from covet.db.models.relations.rules import (
    CASCADE,
    DB_CASCADE,
    DB_SET_DEFAULT,
    DB_SET_NULL,
    DO_NOTHING,
    PASSIVE,
    PROTECT,
    RESTRICT,
    SET,
    SET_DEFAULT,
    SET_NULL,
    ProtectedError,
    RestrictedError,
)
from covet.db.models.signals import post_delete, pre_delete

__all__ = [
    "CASCADE",
    "DB_CASCADE",
    "DB_SET_DEFAULT",
    "DB_SET_NULL",
    "DO_NOTHING",
    "PROTECT",
    "RESTRICT",
    "SET",
    "SET_DEFAULT",
    "SET_NULL",
    "Collector",
    "ProtectedError",
    "RestrictedError",
    "delete_instance",
    "delete_queryset",
]


# MySQL and MariaDB count the bytes of a statement, and not its values: so many keys fit if they have no more than 500 each.
_MOST_KEYS = 30_000


async def delete_queryset(queryset: Any) -> tuple[int, dict[str, int]]:
    """Delete the rows of a queryset; what ``await queryset.delete()`` runs."""
    alias = run.write_database(queryset).alias
    start = queryset._chain(
        queryset.query.ordered(()).with_extras(lock=None, select_related=(), only=None, defer=frozenset())
    )
    start._db = alias
    start._manner = start._manner.but(prefetch=(), caching=None)
    collector = Collector(alias, origin=queryset)
    await collector.collect(start)
    return await collector.delete()


async def delete_instance(instance: Any, using: str, *, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
    """Delete one row; what ``await instance.delete()`` runs."""
    collector = Collector(using, origin=instance)
    version = version_field(type(instance)._meta)
    if version is not None and version.attname in instance.__dict__:
        collector.guard = _Guard(instance, version)
    await collector.collect([instance], keep_parents=keep_parents)
    return await collector.delete()


class Collector:
    """Finds all rows that go with some, then deletes them in an order that the database accepts.

    Args:
        using: The alias.
        origin: What the user deletes: an instance or a queryset; receivers of signals get it.
    """

    def __init__(self, using: str, origin: Any = None) -> None:
        self.using = using
        self.origin = origin
        self.defers = connections[using].vendor != "mysql"
        # Model → key → instance; in the order of discovery.
        self.data: dict[Any, dict[Any, Any]] = {}
        self.field_updates: dict[tuple[Any, Any], list[Any]] = {}
        self.fast_deletes: list[Any] = []
        self.dependencies: dict[Any, set[Any]] = {}
        self._restricted: dict[Any, dict[Any, set[Any]]] = {}
        # The row that must still have the version it was read with.
        self.guard: _Guard | None = None

    # ── what rules call

    def add(self, objs: Iterable[Any], source: Any = None, nullable: bool = False, reverse: bool = False) -> list[Any]:
        """Note instances for deletion; return those that were not noted before."""
        new = []
        model = None
        for one in objs:
            model = type(one)
            known = self.data.setdefault(model, {})
            if one.pk not in known:
                known[one.pk] = one
                new.append(one)
        # A key that may be NULL is no reason for an order: it is set to NULL where it must be.
        if source is not None and not nullable and model is not None:
            self._depend(source, model, reverse=reverse)
        return new

    def _depend(self, model: Any, dependency: Any, *, reverse: bool = False) -> None:
        if reverse:
            model, dependency = dependency, model
        self.dependencies.setdefault(model._meta.concrete_model, set()).add(dependency._meta.concrete_model)
        self.data.setdefault(dependency, self.data.get(dependency, {}))

    def add_field_update(self, field: Any, value: Any, objs: list[Any]) -> None:
        """Note that a field of these rows is to be set."""
        if objs and not field.concrete:
            # A relation of several columns: each is a field of its own.
            for part, one in field.assignments(value):
                self.add_field_update(part, one, objs)
        elif objs:
            self.field_updates.setdefault((field, _Value(value)), []).extend(objs)

    def add_restricted(self, field: Any, objs: list[Any]) -> None:
        """Note rows that must be deleted too, or the deletion is refused."""
        if objs:
            self._restricted.setdefault(field.model, {}).setdefault(field, set()).update(objs)

    # ── collecting

    def can_fast_delete(self, model: Any, from_field: Any = None) -> bool:
        """Whether rows of a model can go by one DELETE, unread: no signals, no cascades, no parents."""
        meta = model._meta
        if pre_delete.has_listeners(model) or post_delete.has_listeners(model):
            return False
        links = [link for link in meta.parents.values() if link is not None]
        if any(link is not from_field for link in links):
            return False
        if any(relation.field.remote_field.on_delete not in PASSIVE for relation in _deletable(meta)):
            return False
        return not any(hasattr(field, "bulk_related_objects") for field in meta.private_fields)

    async def collect(
        self,
        objs: Any,
        *,
        source: Any = None,
        nullable: bool = False,
        reverse: bool = False,
        keep_parents: bool = False,
        fail_on_restricted: bool = True,
    ) -> None:
        """Note rows for deletion, and all that their relations say.

        Args:
            objs: Instances of one model, or a queryset.
            source: The model whose rows these refer to.
            nullable: Their key may be NULL.
            reverse: ``source`` depends on these, not the other way round.
            keep_parents: Leave the rows in the tables of parents.
            fail_on_restricted: Check relations with ``RESTRICT`` now.
        """
        if hasattr(objs, "query"):
            if self.can_fast_delete(objs.model):
                self.fast_deletes.append(objs)
                return
            objs = await objs
        new = self.add(objs, source, nullable, reverse)
        if not new:
            return
        model = type(new[0])
        if not keep_parents:
            await self._collect_parents(model, new)
        await self._collect_related(model, new, keep_parents=keep_parents)
        for field in model._meta.private_fields:
            related = getattr(field, "bulk_related_objects", None)
            if related is None:
                continue
            for part in _chunks(new, connections[self.using]):
                await self.collect(related(part, self.using), source=model, nullable=True, fail_on_restricted=False)
        if fail_on_restricted:
            await self._check_restricted()

    async def _collect_parents(self, model: Any, objs: list[Any]) -> None:
        for parent, link in model._meta.concrete_model._meta.parents.items():
            if link is None:
                continue
            rows = [_parent_row(parent, link, one) for one in objs]
            await self.collect(rows, source=model, reverse=True, fail_on_restricted=False)

    async def _collect_related(self, model: Any, objs: list[Any], *, keep_parents: bool) -> None:
        protected: list[ProtectedError] = []
        parents = set(model._meta.all_parents) if keep_parents else set()
        for relation in _deletable(model._meta):
            field = relation.field
            rule = field.remote_field.on_delete
            if rule in PASSIVE or relation.model in parents:
                continue
            if field.remote_field.parent_link and relation.related_model is model:
                continue
            try:
                await self._apply(rule, field, objs)
            except ProtectedError as error:
                protected.append(error)
        if protected:
            rows = {row for error in protected for row in error.protected_objects}
            raise ProtectedError(" ".join(str(error) for error in protected), rows)

    async def _apply(self, rule: Any, field: Any, objs: list[Any]) -> None:
        """Apply one rule to the rows that refer to ``objs``, in chunks where the database needs them."""
        fast = rule is CASCADE and self.can_fast_delete(field.model, from_field=field)
        dialect = connections[self.using].dialect
        size = max(min(dialect.max_params, _MOST_KEYS) - 1, 1)
        keys = [field.key_there(one) for one in objs]
        if not field.concrete:
            # A key of several columns makes a long condition; one that lacks a part is referred to by nobody.
            keys, size = [key for key in keys if key is not None], 250
        for start in range(0, len(keys), size):
            rows = field.model._base_manager.using(self.using).filter(
                **{f"{field.attname}__in": keys[start : start + size]}
            )
            if fast:
                self.fast_deletes.append(rows)
                continue
            found = await rows
            if found:
                await rule(self, field, found, self.using)

    async def _check_restricted(self) -> None:
        """Raise for restricting rows that are not deleted by another way."""
        if not self._restricted:
            return
        left: dict[str, set[Any]] = {}
        for model, by_field in self._restricted.items():
            gone = set(self.data.get(model, {}).values())
            listed = {row.pk for rows in by_field.values() for row in rows}
            for queryset in self.fast_deletes:
                if queryset.model is model:
                    gone.update(await queryset.filter(pk__in=list(listed)))
            for field, rows in by_field.items():
                staying = rows - gone
                if staying:
                    left.setdefault(f"{model._meta.object_name}.{field.name}", set()).update(staying)
        if left:
            names = ", ".join(sorted(left))
            rows = {row for found in left.values() for row in found}
            raise RestrictedError(f"The rows cannot be deleted: {names} refers to them and is RESTRICT.", rows)

    # ── deleting

    def _sorted_models(self) -> list[Any]:
        """Return the models so that each comes after those it waits for; circles keep the order of discovery."""
        models = list(self.data)
        placed: list[Any] = []
        concrete: set[Any] = set()
        while len(placed) < len(models):
            found = False
            for model in models:
                if model in placed:
                    continue
                needs = self.dependencies.get(model._meta.concrete_model, set()) - {model._meta.concrete_model}
                if not needs - concrete:
                    placed.append(model)
                    concrete.add(model._meta.concrete_model)
                    found = True
            if not found:
                return models
        return placed

    async def delete(self) -> tuple[int, dict[str, int]]:
        """Delete all that was collected, in one transaction; return how many rows of which models."""
        counts: Counter[str] = Counter()
        database = connections[self.using]
        single = self._single()
        if single is not None:
            model, instance = single
            if self.guard is not None:
                counts[model._meta.label] = await self.guard.delete(database)
                _unset_key(instance)
                return _result(counts)
            query = Query(model).filtered((), {"pk": instance.pk}, negate=False, where="delete")
            counts[model._meta.label] = await write.delete_where(query, database)
            _unset_key(instance)
            return _result(counts)
        if not self.data and len(self.fast_deletes) == 1:
            queryset = self.fast_deletes[0]
            count = await write.delete_where(queryset.query, database)
            if count:
                counts[queryset.model._meta.label] = count
            return _result(counts)
        async with transaction.atomic(using=self.using, savepoint=False):
            await self._delete_all(database, counts)
        for (field, value), objs in self.field_updates.items():
            for one in objs:
                setattr(one, field.attname, value.value)
        for instances in self.data.values():
            for one in instances.values():
                _unset_key(one)
        return _result(counts)

    def _single(self) -> tuple[Any, Any] | None:
        filled = [(model, rows) for model, rows in self.data.items() if rows]
        if self.fast_deletes or self.field_updates or len(filled) != 1 or len(filled[0][1]) != 1:
            return None
        model, rows = filled[0]
        return (model, next(iter(rows.values()))) if self.can_fast_delete(model) else None

    async def _delete_all(self, database: Any, counts: Counter[str]) -> None:
        models = self._sorted_models()
        for model in models:
            if pre_delete.has_listeners(model) and not model._meta.auto_created:
                for one in self.data[model].values():
                    await pre_delete.send(model, instance=one, using=self.using, origin=self.origin)
        for queryset in self.fast_deletes:
            count = await write.delete_where(queryset.query, database)
            if count:
                counts[queryset.model._meta.label] += count
        for (field, value), objs in self.field_updates.items():
            for part in _chunks([one.pk for one in objs], database):
                query = Query(field.model).filtered((), {"pk__in": part}, negate=False, where="delete")
                await write.update_where(query, [(field, value.value)], database)
        for model in models:
            # Rows found later refer to those found before, so they go first.
            rows = self.data[model]
            keys = [one.pk for one in reversed(list(rows.values()))]
            if self.guard is not None and self.guard.model is model and self.guard.key in rows:
                keys.remove(self.guard.key)
                counts[model._meta.label] += await self.guard.delete(database)
            for part in _chunks(keys, database):
                query = Query(model).filtered((), {"pk__in": part}, negate=False, where="delete")
                count = await write.delete_where(query, database)
                if count:
                    counts[model._meta.label] += count
            if post_delete.has_listeners(model) and not model._meta.auto_created:
                for one in reversed(list(self.data[model].values())):
                    await post_delete.send(model, instance=one, using=self.using, origin=self.origin)


class _Guard:
    """The row of an instance with a version: it is deleted only as it was read."""

    __slots__ = ("_field", "_instance", "_version", "key", "model")

    def __init__(self, instance: Any, field: Any) -> None:
        self._instance = instance
        self._field = field
        self._version = instance.__dict__[field.attname]
        self.model = (
            field.model
            if field.model._meta.concrete_model is not type(instance)._meta.concrete_model
            else type(instance)
        )
        self.key = instance.pk

    async def delete(self, database: Any) -> int:
        """Delete the row.

        Raises:
            VersionConflict: It was changed since it was read.
        """
        model = self._field.model
        here = {"pk": self.key, self._field.attname: self._version}
        query = Query(model).filtered((), here, negate=False, where="delete")
        count = await write.delete_where(query, database)
        if not count and await model._base_manager.using(database.alias).filter(pk=self.key).exists():
            raise conflict(self._instance, self._version, action="deleted")
        return count


class _Value:
    """A value as part of a key, whether it can be hashed or not."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        return hash(type(self.value))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Value) and type(self.value) is type(other.value) and bool(self.value == other.value)


def _deletable(meta: Any) -> list[Any]:
    """Return the relations of other models that deletion must look at: foreign keys that point here."""
    return [relation for relation in meta.all_related_objects if not relation.many_to_many]


def _parent_row(parent: Any, link: Any, instance: Any) -> Any:
    """Return the part of an instance that lies in a parent's table, as an instance of the parent."""
    row = object.__new__(parent)
    own = instance.__dict__
    for field in parent._meta.concrete_fields:
        if field.attname in own:
            row.__dict__[field.attname] = own[field.attname]
    row._row_state = instance._row_state
    setattr(row, link.target_field.attname, getattr(instance, link.attname))
    return row


def _unset_key(instance: Any) -> None:
    setattr(instance, type(instance)._meta.pk.attname, None)


def _chunks(keys: list[Any], database: Any) -> Iterable[list[Any]]:
    # A few parameters stand beside the keys; keys of several parts make long conditions.
    size = max(min(database.dialect.max_params, _MOST_KEYS) - 8, 1)
    if keys and isinstance(keys[0], tuple):
        size = 500
    return [keys[start : start + size] for start in range(0, len(keys), size)]


def _result(counts: Counter[str]) -> tuple[int, dict[str, int]]:
    return sum(counts.values()), dict(counts)


def _written_with(table: str) -> Iterable[str]:
    """Return the tables that the database itself may write when rows of one go, in lower case."""
    known = apps.current()
    if not known.models_ready:
        return ()
    models = known.get_models(include_auto_created=True, include_swapped=True)
    found: dict[str, None] = {}
    pending = [table]
    while pending:
        name = pending.pop()
        relations = [one for model in models if model._meta.db_table.lower() == name for one in _deletable(model._meta)]
        for relation in relations:
            other = relation.related_model._meta.db_table.lower()
            if relation.field.remote_field.on_delete in _BY_DATABASE and other not in found:
                found[other] = None
                pending.append(other)
    return found


_BY_DATABASE = frozenset({DB_CASCADE, DB_SET_NULL, DB_SET_DEFAULT})
# Cached results of those tables are out of date as well, and no statement names them.
freshness.cascades = _written_with
