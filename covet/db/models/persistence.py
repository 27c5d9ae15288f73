"""Saving, deleting and refreshing one instance: what is decided here is which statement, and over which fields.

The hot path is the save of a model with one table: no signal listened to, no expression among the values. Its list of
values is made by generated code, and its text is compiled once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Iterable
from typing import TYPE_CHECKING, Any

from covet.db import transaction
from covet.db.connections import DEFAULT_ALIAS, connections
from covet.db.models.conflicts import conflict
from covet.db.models.deletion import delete_instance
from covet.db.models.fields.markers import DATABASE_DEFAULT
from covet.db.models.query import write
from covet.db.models.relations.access import Pending
from covet.db.models.save_plans import SavePlan, TablePlan, is_key, save_plan, table_plan, updatable
from covet.db.models.signals import post_save, pre_save
from covet.db.models.state import LOADED, PARTLY_LOADED, State
from covet.db.routers import router
from covet.exceptions import FieldDoesNotExist, NotLoaded
from covet.loading import late_module
from covet.text import suggest

if TYPE_CHECKING:
    from covet.db.database import Database
    from covet.db.models import places
else:
    places = late_module(__name__, "covet.db.models.places")

__all__ = ["delete", "refresh_from_db", "save"]


async def save(
    instance: Any,
    *,
    force_insert: bool | tuple[type[Any], ...] = False,
    force_update: bool = False,
    using: str | None = None,
    update_fields: Iterable[str] | None = None,
) -> None:
    """Write an instance: INSERT if it is new, else UPDATE of every loaded field, and INSERT when no row was there.

    Args:
        instance: The instance.
        force_insert: Only INSERT; a tuple names the parents for which that holds.
        force_update: Only UPDATE.
        using: The alias; without one that of the instance, or the router's choice.
        update_fields: Write these fields alone; an empty list writes nothing.

    Raises:
        ValueError: Options that do not go together, an unknown field, an unsaved related object.
        NotUpdated: The row to update is gone.
        TypeError: ``force_insert`` names no parent.
    """
    cls = type(instance)
    meta = cls._meta
    plan: SavePlan = meta.plans.get("save") or save_plan(meta)
    if plan.has_place and instance._row_state.adding and instance.__dict__.get("_order") is None:
        await places.give_place(instance, using)
    for cache_name, field in plan.relations:
        if getattr(instance, cache_name).__class__ is Pending:
            if update_fields is not None and not field.is_relation:
                update_fields = list(update_fields)
                if field.name not in update_fields:
                    continue  # a file waits for the save that writes its name
            waiting = field.prepare_save(instance)
            if waiting is not None:
                await waiting
    if using is None:
        using = _write_alias(cls, instance)
    if force_insert and (force_update or update_fields):
        raise ValueError("save(force_insert=…) does not go with force_update or update_fields.")
    names = None
    if update_fields is not None or instance._row_state.partial:
        names = _update_names(instance, update_fields, force_insert=bool(force_insert), using=using)
        if names is not None and not names:
            return
    if force_insert and force_insert is not True:
        _check_forced(cls, force_insert)
    if pre_save._entries and pre_save.has_listeners(cls) and not meta.auto_created:
        await pre_save.send(cls, instance=instance, raw=False, using=using, update_fields=names)
    database = connections[using]
    if plan.has_parents:
        created = await _save_tables(instance, database, force_insert, force_update=force_update, names=names)
    else:
        created = not await _save_table(
            instance, plan.concrete, database, force_insert=force_insert, force_update=force_update, names=names
        )
    # A receiver or an expression may have changed the state meanwhile.
    state: State = instance._row_state
    if state.adding or state.db != using or state.loader is not None:
        partial = state.partial and any(name not in instance.__dict__ for name in meta.attnames)
        instance._row_state = (PARTLY_LOADED if partial else LOADED)[using]
    if post_save._entries and post_save.has_listeners(cls) and not meta.auto_created:
        await post_save.send(cls, instance=instance, created=created, raw=False, using=using, update_fields=names)


def _write_alias(cls: Any, instance: Any) -> str:
    if not router.is_mute and router.routers:
        return router.db_for_write(cls, instance=instance)
    return instance._row_state.db or DEFAULT_ALIAS


def _update_names(
    instance: Any, update_fields: Iterable[str] | None, *, force_insert: bool, using: str
) -> frozenset[str] | None:
    """Return the fields to update, by name; ``None`` is all of them."""
    meta = type(instance)._meta
    if update_fields is not None:
        given = list(update_fields)
        known = updatable(meta)
        for name in given:
            if name not in known:
                computed = [field for field in meta.concrete_fields if field.generated and field.name == name]
                if computed:
                    raise ValueError(computed[0].unwritable("save(update_fields=…)"))
                hint = suggest(name, known)
                tail = f"Did you mean '{hint}'?" if hint else f"Fields are: {', '.join(sorted(known))}."
                raise ValueError(
                    f"{meta.object_name} has no field '{name}' that save(update_fields=…) can write. {tail}"
                )
        return frozenset(given)
    state: State = instance._row_state
    if force_insert or state.adding or using != state.db:
        return None
    own = instance.__dict__
    loaded = [field for field in meta.concrete_fields if field.attname in own]
    if len(loaded) == len(meta.concrete_fields):
        return None
    # An instance of which fields were left out writes those that it has.
    return frozenset([field.attname for field in loaded if not is_key(field, meta)])


def _check_forced(cls: Any, force_insert: bool | tuple[type[Any], ...]) -> None:
    """Raise for what cannot name the models whose tables get an INSERT whatever happens."""
    if not isinstance(force_insert, tuple):
        raise TypeError("save(force_insert=…) takes a truth value or a tuple of models.")
    for one in force_insert:
        if not isinstance(one, type) or not issubclass(cls, one):
            raise TypeError(f"save(force_insert=…) names {one!r}, which is no base of {cls.__name__}.")


async def _save_tables(
    instance: Any,
    database: Database,
    force_insert: bool | tuple[type[Any], ...],
    *,
    force_update: bool,
    names: frozenset[str] | None,
) -> bool:
    """Save the row in its table, after those of its parents; return whether it was created."""
    cls = type(instance)
    concrete: Any = cls._meta.concrete_model
    # The models whose tables get an INSERT whatever happens.
    forced = (cls,) if force_insert is True else force_insert or ()
    async with transaction.atomic(using=database.alias, savepoint=False):
        inserted = await _save_parents(instance, concrete, database, forced, force_update=force_update, names=names)
        updated = await _save_table(
            instance,
            concrete,
            database,
            force_insert=inserted or cls in forced or concrete in forced,
            force_update=force_update,
            names=names,
        )
    return not updated


async def _save_parents(
    instance: Any,
    model: Any,
    database: Database,
    forced: tuple[type[Any], ...],
    *,
    force_update: bool,
    names: frozenset[str] | None,
) -> bool:
    """Save the rows in the tables of all parents; return whether one of them was new."""
    any_inserted = False
    for parent, link in model._meta.parents.items():
        if link is None:
            continue
        parent_key, own_key = parent._meta.pk.attname, link.attname
        if instance.__dict__.get(parent_key) is None and instance.__dict__.get(own_key) is not None:
            setattr(instance, parent_key, getattr(instance, own_key))
        inserted = await _save_parents(instance, parent, database, forced, force_update=force_update, names=names)
        force = inserted or any(
            one is parent or (one is not type(instance) and issubclass(parent, one)) for one in forced
        )
        updated = await _save_table(
            instance, parent, database, force_insert=force, force_update=force_update, names=names
        )
        any_inserted |= not updated
        setattr(instance, own_key, getattr(instance, link.target_field.attname))
        link.delete_cached_value(instance)
    return any_inserted


def _save_table(
    instance: Any,
    model: Any,
    database: Database,
    *,
    force_insert: bool | tuple[type[Any], ...],
    force_update: bool,
    names: frozenset[str] | None,
) -> Awaitable[bool | None]:
    """Save the part of the instance that lies in one table; what is returned tells whether a row was updated.

    Nothing here waits, and one coroutine less for each save is worth it.
    """
    meta = model._meta
    plan: TablePlan = meta.plans.get("table") or table_plan(meta)
    key_field = meta.pk
    try:
        # Not by ``__dict__``, which Python would have to build first, and the instance would keep.
        key = instance.pk if key_field.is_composite else getattr(instance, key_field.attname)
    except NotLoaded:
        key = None
    if key is None and plan.made_key and key_field.has_default():
        key = key_field.get_default()
        setattr(instance, key_field.attname, key)
    has_key = key is not None and key is not DATABASE_DEFAULT
    if not has_key and (force_update or names is not None):
        raise ValueError(
            f"{meta.object_name} has no primary key, so there is no row to update. Save it without options first."
        )
    if (
        not force_insert
        and has_key
        and instance._row_state.adding
        and names is None
        and not force_update
        and (plan.made_key or plan.version is not None)
    ):
        # The key of a new instance was just made, so no row can have it; and with a version nothing is overwritten blindly.
        force_insert = True
    if has_key and not force_insert:
        return _update_or_insert(instance, model, plan, key, database, force_update=force_update, names=names)
    return _insert(instance, model, plan, database, has_key=has_key)


async def _update_or_insert(
    instance: Any,
    model: Any,
    plan: TablePlan,
    key: Any,
    database: Database,
    *,
    force_update: bool,
    names: frozenset[str] | None,
) -> bool:
    """Update the row, or insert it where there is none; return whether it was updated."""
    if await _update(instance, model, plan, key, database, force=force_update or names is not None, names=names):
        return True
    if plan.version is not None:
        await _refuse_stale(instance, model, plan.version, key, database)
    if force_update or (names is not None and _touches(plan, names)):
        raise type(instance).NotUpdated(f"There is no {model._meta.object_name} with key {key!r} to update.")
    if names is not None:
        return True
    await _insert(instance, model, plan, database, has_key=True)
    return False


async def _refuse_stale(instance: Any, model: Any, version: Any, key: Any, database: Database) -> None:
    """Raise for a row that was changed since it was read, or that is gone."""
    there = await model._base_manager.using(database.alias).filter(pk=key).exists()
    if there or not instance._row_state.adding:
        raise conflict(instance, instance.__dict__[version.attname], is_gone=not there)


def _touches(plan: TablePlan, names: frozenset[str]) -> bool:
    return any(field.name in names or field.attname in names for field in plan.update.fields)


def _update(
    instance: Any,
    model: Any,
    plan: TablePlan,
    key: Any,
    database: Database,
    *,
    force: bool,
    names: frozenset[str] | None,
) -> Awaitable[bool]:
    """Update the row; what is returned tells whether there was one."""
    columns = plan.update if names is None else plan.some(names)
    if not columns.fields:
        # Nothing to write, yet whether there is a row decides between this and an INSERT.
        return _nowhere() if force and names is not None else _is_there(model, key, database)
    try:
        values = columns.gather(instance, False)
    except NotLoaded:
        if names is not None:
            raise
        # A field was deleted from the instance: what is left is written.
        own = instance.__dict__
        columns = plan.some(frozenset([name for name in columns.names if name in own]))
        if not columns.fields:
            return _is_there(model, key, database)
        values = columns.gather(instance, False)
    if plan.version is not None:
        return _update_version(instance, model, columns, values, key, database, plan.version)
    if model._meta.select_on_save and not force:
        return _update_if_there(instance, model, columns, values, key, database)
    return write.update_row(model, instance, columns, values, key, database)


async def _nowhere() -> bool:
    return False


async def _is_there(model: Any, key: Any, database: Database) -> bool:
    return bool(await model._base_manager.using(database.alias).filter(pk=key).exists())


async def _update_if_there(
    instance: Any, model: Any, columns: write.Columns, values: list[Any], key: Any, database: Database
) -> bool:
    """Update a row where a trigger may swallow the count of an UPDATE: whether there is one is asked for beforehand."""
    if not await _is_there(model, key, database):
        return False
    updated = await write.update_row(model, instance, columns, values, key, database)
    return updated or await _is_there(model, key, database)


async def _update_version(
    instance: Any, model: Any, columns: write.Columns, values: list[Any], key: Any, database: Database, version: Any
) -> bool:
    """Update a row if it is of the version that the instance was read with; the instance then has the next one."""
    before = (version, getattr(instance, version.attname))
    if not await write.update_row(model, instance, columns, values, key, database, version=before):
        return False
    setattr(instance, version.attname, values[columns.fields.index(version)])
    return True


def _insert(instance: Any, model: Any, plan: TablePlan, database: Database, *, has_key: bool) -> Awaitable[None]:
    columns = plan.with_key if has_key else plan.without_key
    values = columns.gather(instance, True)
    if DATABASE_DEFAULT in values and any(value is DATABASE_DEFAULT for value in values):
        # Columns that the database fills in are left out, which every database understands.
        kept = [
            (field, value) for field, value in zip(columns.fields, values, strict=True) if value is not DATABASE_DEFAULT
        ]
        columns = write.Columns([field for field, _value in kept], columns.gather)
        values = [value for _field, value in kept]
    return write.insert_row(model, instance, columns, values, database)


# ── deleting and refreshing


async def delete(instance: Any, *, using: str | None = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
    """Delete the row of an instance, and what its relations say goes with it.

    Raises:
        ValueError: The instance has no primary key.
    """
    cls = type(instance)
    if not instance._is_pk_set():
        raise ValueError(f"This {cls.__name__} has no primary key, so there is no row to delete. Was it saved?")
    alias = using or router.db_for_write(cls, instance=instance)
    return await delete_instance(instance, alias, keep_parents=keep_parents)


async def refresh_from_db(
    instance: Any,
    *,
    using: str | None = None,
    fields: Collection[str] | None = None,
    from_queryset: Any = None,
) -> None:
    """Read an instance's row again; loaded relations are forgotten.

    Args:
        instance: The instance.
        using: The alias; without one that of the instance.
        fields: Only these fields and relations.
        from_queryset: Where to read the row, for example with ``select_related`` or ``select_for_update``.

    Raises:
        ValueError: A name in ``fields`` is a path or unknown.
        DoesNotExist: The row is gone.
    """
    cls = type(instance)
    meta = cls._meta
    own = instance.__dict__
    state: State = instance._row_state
    wanted: list[Any] | None = None
    if fields is not None:
        wanted = _refreshed(instance, fields)
        if not wanted:
            return
    elif state.partial and state.loader is None:
        untold = own.get("_untold", ())
        loaded = [field for field in meta.concrete_fields if field.attname in own or field.attname in untold]
        wanted = loaded if len(loaded) < len(meta.concrete_fields) else None
    alias = using or state.db
    if state.peers is not None and state.peers.ahead:
        # Who refreshes wants to know what is there now, of the relations too.
        state.peers.ahead.clear()
    queryset = (
        from_queryset if from_queryset is not None else cls._base_manager.db_manager(hints={"instance": instance}).all()
    )
    if alias is not None:
        queryset = queryset.using(alias)
    if wanted is not None:
        queryset = queryset.only(*[field.attname for field in wanted])
    found = await queryset.get(pk=instance.pk)
    _take_over(instance, found, meta.concrete_fields if wanted is None else wanted, everything=fields is None)
    if state.loader is not None or state.partial or state.db != found._row_state.db:
        partial = any(name not in own for name in meta.attnames)
        instance._row_state = State(
            False, found._row_state.db, peers=state.peers, partial=partial, fetch_mode=state.fetch_mode
        )


def _refreshed(instance: Any, names: Collection[str]) -> list[Any]:
    """Return the columns to read again; relations among the names are forgotten, so that they are loaded anew."""
    meta = type(instance)._meta
    found = []
    for name in names:
        if "__" in name:
            raise ValueError(f"refresh_from_db(fields=…) takes fields of the instance itself, not '{name}'.")
        prefetched = instance.__dict__.get("_prefetched_objects_cache", {})
        if name in prefetched:
            del prefetched[name]
            continue
        try:
            field = meta.pk if name == "pk" else meta.get_field(name)
        except FieldDoesNotExist as error:
            raise ValueError(str(error)) from None
        if getattr(field, "column_type", None) is not None and field.column_type() is not None:
            found.append(field)
        elif hasattr(field, "delete_cached_value"):
            field.delete_cached_value(instance)
    return found


def _take_over(instance: Any, found: Any, fields: Iterable[Any], *, everything: bool) -> None:
    own, new = instance.__dict__, found.__dict__
    for field in fields:
        if field.attname not in new:
            continue
        own[field.attname] = new[field.attname]
        if field.is_relation:
            field.delete_cached_value(instance)
            joined = field.get_cached_value(found)
            if joined is not None:
                field.set_cached_value(instance, joined)
        elif field.needs_preparing:
            own.pop(field.cache_name, None)  # a file that was assigned is given up, as every other value
    if everything:
        own.pop("_prefetched_objects_cache", None)
        for relation in type(instance)._meta.related_objects:
            if relation.one_to_one:
                relation.delete_cached_value(instance)
        for field in getattr(type(instance)._meta, "private_fields", ()):
            if hasattr(field, "delete_cached_value"):
                field.delete_cached_value(instance)
