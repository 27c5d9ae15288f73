"""Schemas to rows: creating and changing instances by what a request's body was read into."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from pydantic import BaseModel

from covet.concurrency import maybe_await
from covet.db import transaction
from covet.db.routers import router
from covet.rest.nested import Writes, nested_of, save_after, save_before
from covet.schema.rules import members_of

if TYPE_CHECKING:
    from covet.db.models.base import Model

__all__ = ["create", "update", "values_of"]

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
    nested = nested_of(model, data)
    names = {plan.name for plan in nested}
    given = {name: value for name, value in values_of(data).items() if name not in names}
    plain, many = _split(model, {**_without_open_key(model, given), **values})
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
    sent = values_of(data, _sent(data) if partial else None)
    nested = [plan for plan in nested_of(type(instance), data) if plan.name in sent]
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


def _without_open_key(model: type[Model], values: dict[str, Any]) -> dict[str, Any]:
    """Leave out a key that the client left open, so that the model or the database makes it."""
    name = model._meta.pk.name
    return {key: value for key, value in values.items() if value is not None or key not in (name, "pk")}


async def _save(instance: Model, values: Collection[str]) -> None:
    # Any: a model's own save may be a plain function.
    saving: Any = instance.save(update_fields=_columns(instance, values))
    await maybe_await(saving)


def _split(model: type[Model], values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    many = {field.name for field in model._meta.many_to_many}
    plain = {name: value for name, value in values.items() if name not in many}
    return plain, {name: value for name, value in values.items() if name in many}


def _columns(instance: Model, values: Collection[str]) -> list[str]:
    """Return the fields to save: those that changed, and those that keep the time of a change themselves."""
    meta = instance._meta
    names = [field.name for field in meta.concrete_fields if field.name in values or field.attname in values]
    names += [field.name for field in meta.concrete_fields if getattr(field, "auto_now", False)]
    return list(dict.fromkeys(name for name in names if name != meta.pk.name))


async def _relate(instance: Model, many: dict[str, Any]) -> None:
    for name, rows in many.items():
        await getattr(instance, name).set(rows)


_WRITES: Final = Writes(create, update)
