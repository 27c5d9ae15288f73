"""``await article.author``: what one row needs is loaded for all rows that were read with it.

Rows of one result share a ``Batch`` that knows them weakly. An instance that is not loaded knows how it is loaded (the
loader of its state); while one task loads for the batch, others wait for it, so ``gather`` over a hundred rows runs one
statement.
"""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from enum import Enum
from functools import partial
from operator import attrgetter
from typing import Any

from covet.conf import settings
from covet.db.connections import DEFAULT_ALIAS
from covet.db.errors import StatementTooLong
from covet.db.models.query.among import fetch_among
from covet.db.models.query.parts import read_parts
from covet.db.models.query.prefetch import accessors, prefetch_rows
from covet.db.models.query.results import Batch, one_loader
from covet.db.models.query.run import read_database
from covet.db.models.relations.linking import Made, by_attribute, made_for, match
from covet.db.models.state import State
from covet.db.routers import router
from covet.exceptions import FieldError, NotLoaded
from covet.text import suggest

__all__ = [
    "FETCH_ONE",
    "FETCH_PEERS",
    "FETCH_RAISE",
    "Batch",
    "FetchMode",
    "check_mode",
    "complete",
    "fetch",
    "fill",
    "hand_out",
    "in_chunks",
    "load_alone",
    "load_reverse_one",
    "loader_of",
    "one_loader",
    "place_of",
    "siblings",
    "stub",
]


class FetchMode(Enum):
    """How a relation or field that is missing is loaded."""

    ONE = "one"
    PEERS = "peers"
    RAISE = "raise"

    def __repr__(self) -> str:
        return f"models.FETCH_{self.name}"


FETCH_ONE = FetchMode.ONE
FETCH_PEERS = FetchMode.PEERS
FETCH_RAISE = FetchMode.RAISE


def siblings(instance: Any) -> list[Any]:
    """Return the instance and its peers that are still alive; the instance alone where it has none."""
    state: State = instance._row_state
    batch = state.peers
    if batch is None or state.fetch_mode is FETCH_ONE:
        return [instance]
    rows: list[Any] = batch.alive()
    return rows if any(row is instance for row in rows) else [instance, *rows]


async def complete(instance: Any) -> Any:
    """Load whatever the instance lacks; what ``await instance`` runs.

    Raises:
        DoesNotExist: The row is gone.
        NotLoaded: The instance is not saved, or its fetch mode forbids loading.
    """
    state: State = instance._row_state
    if state.loader is not None:
        return await state.loader(instance)
    if state.adding:
        raise NotLoaded(
            f"This {type(instance).__name__} is not saved, so there is no row to complete it from. "
            f"Write 'await {instance._meta.model_name}.save()' first."
        )
    missing = _missing(instance)
    if missing:
        await _load_fields(instance, missing)
    elif state.partial:
        instance._state.partial = False
    return instance


def _missing(instance: Any) -> tuple[str, ...]:
    own = instance.__dict__
    return tuple([name for name in instance._meta.attnames if name not in own])


def check_mode(instance: Any, what: str, line: str) -> None:
    """Raise ``NotLoaded`` when the instance's fetch mode forbids to load what is missing."""
    if instance._row_state.fetch_mode is FETCH_RAISE:
        raise NotLoaded(f"{what} is not loaded, and the queryset's fetch mode is FETCH_RAISE. {line}")


async def _load_fields(instance: Any, missing: tuple[str, ...]) -> None:
    """Load fields that were left out, for all peers that lack the same."""
    meta = instance._meta
    check_mode(
        instance,
        f"{meta.object_name}.{missing[0]}",
        f"Read it with the query: take '{missing[0]}' out of defer(), or add it to only().",
    )
    state: State = instance._row_state
    async with one_loader(state, ("fields", missing)):
        if not _missing(instance):
            return
        rows = [row for row in siblings(instance) if type(row) is type(instance) and _missing(row) == missing]
        queryset = type(instance)._base_manager.using(state.db)
        keys = [row.pk for row in rows]
        names = ("pk", *missing)
        if len(rows) == 1:
            found = await queryset.filter(pk=keys[0]).values_list(*names)
        else:
            found = await queryset.filter(pk__in=keys).values_list(*names)
        by_key = {values[0]: values[1:] for values in found}
        for row in rows:
            values = by_key.get(row.pk)
            if values is None:
                continue
            own = row.__dict__
            own.update(zip(missing, values, strict=True))
            row._state.partial = False
    if instance.pk not in by_key:
        raise type(instance).DoesNotExist(f"The {meta.object_name} with key {instance.pk!r} is gone.")


def place_of(model: type[Any], instance: Any) -> str | None:
    """Return the alias to read the rows of ``model`` from that ``instance`` refers to.

    The routers say it, and learn of the instance; without a word of theirs it is the database that the instance is on.
    """
    if settings.DATABASE_ROUTERS:
        return router.db_for_read(model, instance=instance)
    alias: str | None = instance._row_state.db
    return alias


async def load_alone(instance: Any, name: str = "pk") -> Any:
    """Load an instance that knows its key only, or what ``name`` says, by itself."""
    model = type(instance)
    queryset = model._base_manager.using(place_of(model, instance))
    found = await queryset.get(**{name: getattr(instance, name)})
    fill(instance, found)
    return instance


def fill(instance: Any, found: Any) -> None:
    """Make ``instance`` what ``found`` is: the same values, state and peers."""
    instance.__dict__.update(found.__dict__)
    batch = found._row_state.peers
    if batch is not None:
        batch.add(instance)


def hand_out(
    field: Any, found: Iterable[Any], waiting: Mapping[Any, Iterable[Any]], key_of: Callable[[Any], Any]
) -> None:
    """Give objects that were loaded for a relation to the rows that wait for them.

    Args:
        field: The relation.
        found: The objects.
        waiting: The rows, by the key that they refer to.
        key_of: Returns the key of an object.
    """
    for one in found:
        for row in waiting.get(key_of(one), ()):
            held = field.get_cached_value(row)
            if held is None or field.is_loaded(row):
                field.set_cached_value(row, one)
            else:
                # Somebody may hold the object that knew its key only: it becomes the loaded one.
                fill(held, one)


# ── relations

_row_state_of = attrgetter("_row_state")


def loader_of(owner: Any, load: Callable[[Any], Awaitable[Any]], name: str = "pk") -> Callable[[Any], Awaitable[Any]]:
    """Return the loader of an object that ``owner`` refers to.

    The owner is held weakly: an instance and the object that it refers to must not keep each other alive.
    """
    reference = weakref.ref(owner)

    async def loader(instance: Any) -> Any:
        holder = reference()
        if holder is None:
            return await load_alone(instance, name)
        await load(holder)
        if instance._row_state.loader is loader:
            # The holder refers to something else by now; this object still has its own key.
            return await load_alone(instance, name)
        return instance

    return loader


def stub(field: Any, owner: Any, key: Any) -> Any:
    """Return the object that knows its key only, for a relation that was not loaded."""
    target = field.related_model
    state: State = owner._row_state
    instance = object.__new__(target)
    name = field.target_field.attname
    instance._row_state = State(
        False,
        state.db,
        loader=loader_of(owner, partial(load_forward, field), name),
        partial=True,
        origin=(field.model._meta.object_name, field.name),
        fetch_mode=state.fetch_mode,
    )
    setattr(instance, name, key)
    return instance


async def load_forward(field: Any, owner: Any) -> None:
    """Load what ``field`` of ``owner`` refers to, for all peers."""
    state: State = owner._row_state
    if state.fetch_mode is FETCH_RAISE:
        check_mode(
            owner,
            f"{field.model._meta.object_name}.{field.name}",
            f'Load it with the query: select_related("{field.name}").',
        )
    # They stand for the field here, whose hash is a call in Python.
    made = made_for(field)
    async with one_loader(state, made):
        if not field.is_stub(field.get_cached_value(owner)):
            return
        untouched = _untouched(made, owner, state)
        rows, keys = (wanting(field, siblings(owner)), None) if untouched is None else untouched
        found = await load_forward_of(field, rows, None, required=owner, keys=keys)
        if state.peers is not None:
            state.peers.keep(made, found)


def _untouched(made: Made, owner: Any, state: State) -> tuple[list[Any], list[Any]] | None:
    """Return all rows of the owner's result with the keys of the relation, where nobody has touched any of them.

    That is how a loop over a result finds it, nearly always: one pass then, in place of one for each question that
    ``siblings`` and ``wanting`` ask.
    """
    batch = state.peers
    if batch is None or state.partial or state.fetch_mode is FETCH_ONE:
        return None
    result = None if batch.result is None or batch.refs else batch.result()
    if result is None:
        return None
    rows: list[Any] = result.joined[batch.number - 1] if batch.number else result
    keys = made.untouched(rows, owner, state)
    # A copy, since the project may change its list while we wait for the statement.
    return None if keys is None else ([*rows], keys)


def wanting(field: Any, rows: Sequence[Any]) -> list[Any]:
    """Return the rows whose relation is not loaded, and has something to load."""
    attname, cache_name, model = field.attname, field.cache_name, field.model
    if set(map(type, rows)) == {model} and not any(state.partial for state in set(map(_row_state_of, rows))):
        # Whole rows of one model, nearly always: nothing can be missing.
        return made_for(field).wanting(rows, field, _is_open)
    found = []
    for row in rows:
        if not isinstance(row, model):
            continue
        try:
            # ``__dict__`` only where something may be missing: asking for it makes Python build one.
            key = row.__dict__.get(attname) if row._row_state.partial else getattr(row, attname)
        except NotLoaded:
            continue
        if key is not None and (getattr(row, cache_name) is None or _is_open(field, row)):
            found.append(row)
    return found


def _is_open(field: Any, row: Any) -> bool:
    """Whether what the row keeps for the relation is still to be loaded, or of another key by now."""
    value = field.get_cached_value(row)
    return value is None or field.is_stub(value)


async def load_forward_of(
    field: Any,
    rows: Sequence[Any],
    alias: str | None,
    *,
    queryset: Any = None,
    required: Any = None,
    keys: Sequence[Any] | None = None,
) -> list[Any]:
    """Load what ``field`` of these rows refers to by one statement; return the objects.

    Args:
        field: The relation.
        rows: The rows.
        alias: Where from, unless the queryset says it; without one, where the routers say, or where the rows are.
        queryset: What to read; without one, all objects of the related model.
        required: The row whose object has to be there.
        keys: The key of each row, where the caller has them.
    """
    target = field.target_field
    of_rows = list(map(attrgetter(field.attname), rows)) if keys is None else keys
    keys = list(set(of_rows))
    routed = settings.DATABASE_ROUTERS
    if alias is None and rows:
        alias = router.db_for_read(field.related_model, instance=rows[0]) if routed else rows[0]._row_state.db
    if queryset is None:
        manager = field.related_model._base_manager
        if alias == DEFAULT_ALIAS and not routed:
            # Nobody asks for hints: the queryset that all calls of the manager start from will do.
            queryset = manager._first()
        else:
            queryset = manager.db_manager(hints={"instance": rows[0]} if rows else {}).get_queryset()
    if alias is not None and queryset._db is None and (alias != DEFAULT_ALIAS or routed):
        queryset = queryset.using(alias)
    mode = rows[0]._row_state.fetch_mode if rows else None
    if mode is not None and queryset._manner.mode is None:
        queryset = queryset.fetch_mode(mode)
    if len(keys) == 1:
        found = await queryset.filter(**{target.attname: keys[0]})
    else:
        found = await in_chunks(queryset, f"{target.attname}__in", keys)
    by_key = by_attribute(target.attname)(found)
    two_way = field.one_to_one and bool(field.remote_field.get_accessor_name())
    asked: set[Any] | None = None
    for row in rows if two_way else made_for(field).link(rows, of_rows, by_key.get):
        key = getattr(row, field.attname)
        one = by_key.get(key)
        cached = field.get_cached_value(row)
        if one is None and found:
            asked = {*map(target.to_python, keys)} if asked is None else asked
            one = await match(key, by_key, target, asked, queryset, target.attname)
            if one is not None:
                # As the database spells it, or the object would not be taken for what the row refers to.
                setattr(row, field.attname, getattr(one, target.attname))
        if one is None:
            if row is required:
                raise field.related_model.DoesNotExist(
                    f"{field.model._meta.object_name}.{field.name} refers to the {field.related_model._meta.object_name} "
                    f"with key {row.__dict__[field.attname]!r}, and there is no such row."
                )
            continue
        if cached is not None and field.is_stub(cached):
            fill(cached, one)
            one = cached
        else:
            field.set_cached_value(row, one)
        if two_way:
            field.remote_field.set_cached_value(one, row)
    return found  # type: ignore[no-any-return]  # the rows of the queryset


async def in_chunks(queryset: Any, lookup: str, keys: list[Any]) -> list[Any]:
    """Return the rows whose ``lookup`` is among the keys, each given once; in several statements where there are very many."""
    database = read_database(queryset)
    size = max(database.dialect.max_params - len(queryset.query.all_values()) - 1, 1)
    if len(keys) <= size:
        try:
            return await fetch_among(queryset, lookup, keys, database)
        except StatementTooLong:
            size = (len(keys) + 1) // 2
    return await read_parts(keys, size, lambda part: fetch_among(queryset, lookup, list(part), database))


async def load_reverse_one(relation: Any, owner: Any) -> Any:
    """Return the row of a reverse one-to-one, loaded for all peers.

    Raises:
        DoesNotExist: No row refers to the owner.
    """
    state: State = owner._row_state
    field = relation.field
    name = relation.get_accessor_name()
    if relation.get_cached_value(owner) is None and not relation.is_cached(owner):
        check_mode(
            owner, f"{owner._meta.object_name}.{name}", f'Load it with the query: select_related("{relation.name}").'
        )
        async with one_loader(state, relation):
            if not relation.is_cached(owner):
                rows = [
                    row for row in siblings(owner) if isinstance(row, relation.model) and not relation.is_cached(row)
                ]
                await load_reverse_one_of(relation, rows, place_of(field.model, owner))
    found = relation.get_cached_value(owner)
    if found is None:
        raise field.model.DoesNotExist(f"{owner._meta.object_name} {owner.pk!r} has no {name}.")
    return found


async def load_reverse_one_of(relation: Any, rows: Sequence[Any], alias: str | None, queryset: Any = None) -> list[Any]:
    """Load the single rows that refer to these by one statement; note those that have none."""
    field = relation.field
    target = field.target_field.attname
    if queryset is None:
        queryset = field.model._base_manager.all()
    if alias is not None and queryset._db is None:
        queryset = queryset.using(alias)
    keys = [getattr(row, target) for row in rows]
    found = await in_chunks(queryset, f"{field.attname}__in", list(set(keys)))
    by_key = {getattr(one, field.attname): one for one in found}
    as_given = by_key.keys() <= set(keys) and len(set(map(type, keys))) < 2
    asked = set() if as_given else {*map(field.target_field.to_python, keys)}
    for row in rows:
        key = getattr(row, target)
        one = by_key.get(key)
        if one is None and not as_given:
            one = await match(key, by_key, field.target_field, asked, queryset, field.attname)
        relation.set_cached_value(row, one)
        if one is not None:
            field.set_cached_value(one, row)
    return list(found)


async def fetch(instance: Any, *names: str) -> None:
    """Load relations and left-out fields of an instance by name; what ``await instance.fetch("author")`` runs.

    Raises:
        FieldError: A name is neither a field nor a relation.
    """
    meta = instance._meta
    relations = accessors(meta)
    for name in names:
        relation = relations.get(name)
        if relation is None:
            field = meta.fields_map.get(name)
            if field is None or getattr(field, "attname", None) is None:
                hint = suggest(name, [*relations, *meta.fields_map])
                tail = f"Did you mean '{hint}'?" if hint else ""
                raise FieldError(f"{meta.object_name} has nothing to fetch named '{name}'. {tail}".rstrip(), name=name)
            if field.attname not in instance.__dict__:
                await complete(instance)
            continue
        if relation.concrete:
            found = getattr(instance, name)
            if found is not None:
                await found
        else:
            await prefetch_rows([instance], [name], None)
