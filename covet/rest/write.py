"""Schemas to rows: creating and changing instances by what a request's body was read into."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, TypeVar

from covet.concurrency import maybe_await
from covet.db import transaction
from covet.db.routers import router

if TYPE_CHECKING:
    from pydantic import BaseModel

    from covet.db.models.base import Model

__all__ = ["create", "update", "values_of"]

M = TypeVar("M", bound="Model")


def values_of(data: BaseModel, names: Collection[str] | None = None) -> dict[str, Any]:
    """Return the values of a schema by field, relations as instances; of ``names`` only, where given."""
    return {name: getattr(data, name) for name in type(data).model_fields if names is None or name in names}


async def create(model: type[M], data: BaseModel, **values: Any) -> M:
    """Create a row; many-to-many relations are set after it, in the same transaction.

    Args:
        model: The model.
        data: The schema; its fields are the model's.
        values: Further values, such as the user who asks.
    """
    plain, many = _split(model, {**values_of(data), **values})
    if not many:
        return await model.objects.create(**plain)
    async with transaction.atomic(using=router.db_for_write(model)):
        instance = await model.objects.create(**plain)
        await _relate(instance, many)
    return instance


async def update(instance: M, data: BaseModel, *, partial: bool = False, **values: Any) -> M:
    """Change a row.

    Args:
        instance: The loaded row.
        data: The schema.
        partial: Change what was sent only, as a PATCH does.
        values: Further values.
    """
    sent = values_of(data, data.model_fields_set if partial else None)
    plain, many = _split(type(instance), {**sent, **values})
    for name, value in plain.items():
        setattr(instance, name, value)
    if not many:
        if plain:
            await _save(instance, plain)
        return instance
    async with transaction.atomic(using=router.db_for_write(type(instance), instance=instance)):
        if plain:
            await _save(instance, plain)
        await _relate(instance, many)
    return instance


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
