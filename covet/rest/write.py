"""Schemas to rows: creating and changing instances by what a request's body was read into."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from pydantic import BaseModel

from covet.concurrency import maybe_await
from covet.db import transaction
from covet.db.models.fields.version import VersionField
from covet.db.routers import router
from covet.problems import ProblemError, json_pointer
from covet.rest.errors import invalid
from covet.rest.nested import Writes, emptied, nested_of, save_after, save_before
from covet.rest.related import related_of, resolve_related
from covet.schema.field_types import is_auto, is_written
from covet.schema.rules import changed_columns, members_of, stored

if TYPE_CHECKING:
    from covet.db.models.base import Model

__all__ = ["create", "new_values", "update", "values_of"]

M = TypeVar("M", bound="Model")


def values_of(data: Any, names: Collection[str] | None = None) -> dict[str, Any]:
    """Return the values of a schema or struct by field, relations as instances; of ``names`` only, where given."""
    return {name: value for name, value in members_of(data).items() if names is None or name in names}


async def create(model: type[M], data: Any, **values: Any) -> M:
    """Create a row; many-to-many relations and nested items are written with it, in the same transaction.

    Args:
        model: The model.
        data: The schema; its fields are the model's, or relations with schemas of their own (see ``covet.rest.nested``).
        values: Further values, such as the user who asks.
    """
    await resolve_related(model, [data])
    nested = nested_of(model, data)
    names = {plan.name for plan in nested}
    given = {name: value for name, value in new_values(model, data).items() if name not in names}
    plain, many = _split(model, {**given, **values})
    if not many and not nested:
        return await model.objects.create(**plain)
    async with transaction.atomic(using=router.db_for_write(model)):
        plain.update(await save_before(_WRITES, None, nested, data))
        instance = await model.objects.create(**plain)
        await _relate(instance, many)
        await save_after(_WRITES, instance, nested, data)
    return instance


async def update(instance: M, data: Any, *, partial: bool = False, **values: Any) -> M:
    """Change a row, and what a body nests in it.

    Args:
        instance: The loaded row.
        data: The schema.
        partial: Change what was sent only, as a PATCH does.
        values: Further values.
    """
    await resolve_related(type(instance), [data])
    sent = _changes(instance, data, values_of(data, _sent(data) if partial else None))
    nested = [plan for plan in nested_of(type(instance), data) if plan.name in sent]
    nested += emptied(type(instance), data, sent)
    for plan in nested:
        del sent[plan.name]
    plain, many = _split(type(instance), {**sent, **values})
    if not many and not nested:
        for name, value in plain.items():
            setattr(instance, name, value)
        if plain:
            await _save(instance, plain)
        return instance
    async with transaction.atomic(using=router.db_for_write(type(instance), instance=instance)):
        plain.update(await save_before(_WRITES, instance, nested, data))
        for name, value in plain.items():
            setattr(instance, name, value)
        if plain:
            await _save(instance, plain)
        await _relate(instance, many)
        await save_after(_WRITES, instance, nested, data)
    # What was prefetched before is not what is there now.
    prefetched = instance.__dict__.get("_prefetched_objects_cache", {})
    for name in (*many, *(plan.name for plan in nested)):
        prefetched.pop(name, None)
    return instance


def _sent(data: Any) -> Collection[str] | None:
    """Return the fields that a client sent; None (all of them) where the schema does not remember."""
    if isinstance(data, BaseModel):
        return data.model_fields_set
    if isinstance(data, msgspec.Struct):
        return {name for name in data.__struct_fields__ if getattr(data, name) is not msgspec.UNSET}
    return None


def new_values(model: type[Model], data: Any) -> dict[str, Any]:
    """Return the values of a new row: what a client may say of it.

    Raises:
        UnprocessableContent: It says a key that the database makes.
    """
    told, given = _sent(data), values_of(data)
    values = _without_read_only(data, given)
    read_only = _read_only(data)
    for field in _keys(model):
        for name in _names(model, field):
            value = given.get(name)
            if value is None:
                # A key that the client left open: the model or the database makes it.
                values.pop(name, None)
            elif (is_auto(field) or name in read_only) and (told is None or name in told):
                text = (
                    "The database makes this key; leave it out."
                    if is_auto(field)
                    else "This key is made here; leave it out."
                )
                raise invalid([ProblemError(text, pointer=json_pointer(name), code="read_only")])
    return values


def _changes(instance: Model, data: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Return what is changed of a row; its key says which one it is, and no body names another.

    Raises:
        UnprocessableContent: The body has the key of another row.
    """
    told, given = _sent(data), values
    # A version that the client has read says which state it means to change; the save compares it.
    values = {
        **_without_read_only(data, given),
        **{
            field.name: given[field.name]
            for field in instance._meta.concrete_fields
            if isinstance(field, VersionField)
            and given.get(field.name) is not None
            and told is not None
            and field.name in told
        },
    }
    errors = []
    for field in _keys(type(instance)):
        for name in _names(type(instance), field):
            values.pop(name, None)
            value = given.get(name)
            value = getattr(value, "pk", value)
            known = getattr(instance, field.attname)
            if value is not None and (told is None or name in told) and str(value) != str(known):
                text = f"This is the row {known!r}, and its key does not change."
                errors.append(ProblemError(text, pointer=json_pointer(name), code="key_change"))
    if errors:
        raise invalid(errors)
    return values


def _keys(model: type[Model]) -> list[Any]:
    return list(model._meta.pk_fields)


def _names(model: type[Model], field: Any) -> Iterable[str]:
    """Return the names that a field of the key may have in a schema."""
    alone = len(_keys(model)) == 1
    return dict.fromkeys((field.name, field.attname, *(("pk",) if alone else ())))


def _without_read_only(data: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the model lets nobody edit: OpenAPI tells it as ``readOnly``, and a client sends back what it read."""
    origins = getattr(type(data), "__covet_fields__", {})
    markers = related_of(type(data))
    read_only = _read_only(data)
    return {
        name: value
        for name, value in values.items()
        if name not in read_only
        and (name not in origins or is_written(origins[name]))
        and not (name in markers and markers[name].is_self)
    }


def _read_only(data: Any) -> Collection[str]:
    """Return the names of what a schema that was made for a viewset takes and does not write."""
    names: Collection[str] = getattr(type(data), "__covet_read_only__", ())
    return names


async def _save(instance: Model, values: Collection[str]) -> None:
    # Any: a model's own save may be a plain function.
    saving: Any = instance.save(update_fields=changed_columns(instance, values))
    await maybe_await(saving)


def _split(model: type[Model], values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    many = {field.name for field in model._meta.many_to_many}
    plain = stored(model, {name: value for name, value in values.items() if name not in many})
    return plain, {name: value for name, value in values.items() if name in many}


async def _relate(instance: Model, many: dict[str, Any]) -> None:
    for name, rows in many.items():
        await getattr(instance, name).set(rows)


_WRITES: Final = Writes(create, update)
