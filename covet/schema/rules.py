"""Values as the database holds them, and its rules that they broke, as places in what was sent: for REST and GraphQL.

A database names columns, or nothing at all; a client knows the members of the body it sent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from pydantic import BaseModel

from covet.apps import apps
from covet.db.errors import DatabaseError, IntegrityError
from covet.schema.markers import read_alias

if TYPE_CHECKING:
    from covet.db.models.base import Model
    from covet.db.models.constraints import BaseConstraint

__all__ = [
    "Dangling",
    "Located",
    "Place",
    "broken_constraint",
    "broken_fields",
    "changed_columns",
    "dangling",
    "keys_in",
    "locate",
    "located",
    "members_of",
    "models_in",
    "place_of",
    "stored",
    "written_model",
]

Place = tuple[str | int, ...]


class Located(Struct, frozen=True):
    """Where in a body the values stand whose writing failed.

    Attributes:
        place: The place of the item.
        data: What it was read into.
        model: What was written.
    """

    place: Place
    data: Any
    model: type[Model]


class Dangling(Struct, frozen=True):
    """A key that points at nothing: where it stands, and what it would be the key of."""

    place: Place
    row: Any

    @property
    def detail(self) -> str:
        """What is wrong, for people."""
        return f"There is no {self.row._meta.verbose_name} with the key {self.row.pk!r}."


def stored(model: type[Model], values: dict[str, Any]) -> dict[str, Any]:
    """Return values as their columns give them back, so that the answer to a write is what the next read says."""
    plans = model._meta.plans
    known: dict[str, Any] | None = plans.get("canonical")
    if known is None:
        found = [(field.name, field.canonical()) for field in model._meta.concrete_fields]
        known = plans["canonical"] = {name: spell for name, spell in found if spell is not None}
    return {name: known[name](value) if name in known else value for name, value in values.items()} if known else values


def changed_columns(instance: Model, values: Collection[str]) -> list[str]:
    """Return the fields to save: those that changed, and those that keep the time of a change themselves."""
    meta = instance._meta
    names = [field.name for field in meta.concrete_fields if field.name in values or field.attname in values]
    names += [field.name for field in meta.concrete_fields if getattr(field, "auto_now", False)]
    return list(dict.fromkeys(name for name in names if name != meta.pk.name))


def locate(error: BaseException, place: Place, data: Any = None, model: type[Model] | None = None) -> None:
    """Note where in the body the values of a failed write stand; an outer level puts its own place in front.

    Args:
        error: The error on its way out.
        place: The place of the item, as seen from the level that calls.
        data: What the item was read into; kept from the innermost level.
        model: What was written.
    """
    known = located(error)
    if known is None:
        if model is not None:
            error.__covet_located__ = Located(place, data, model)  # type: ignore[attr-defined]
        return
    error.__covet_located__ = Located((*place, *known.place), known.data, known.model)  # type: ignore[attr-defined]


def located(error: BaseException) -> Located | None:
    """Return what ``locate`` noted."""
    found: Located | None = getattr(error, "__covet_located__", None)
    return found


def broken_fields(error: IntegrityError, models: Iterable[type[Model] | None]) -> list[str]:
    """Return the fields of a broken rule, as far as the database names its columns and one of the models has them."""
    for model in models:
        if model is None:
            continue
        meta = model._meta
        if error.table and error.table != meta.db_table:
            continue
        columns = {field.column: field.name for field in meta.concrete_fields}
        names = [columns[column] for column in error.columns if column in columns]
        if names:
            return names
    return []


def broken_constraint(
    error: IntegrityError, models: Iterable[type[Model] | None], names: Sequence[str] = ()
) -> BaseConstraint | None:
    """Return the constraint of one of the models that was broken: by the name that the database tells, else by the fields.

    Args:
        error: The database's error.
        models: Whose constraint it may be.
        names: What ``broken_fields`` says; SQLite names no constraint for a unique rule, and its columns. Where two rules are for
            the same ones, it may be either, and none is returned.
    """
    alike: list[BaseConstraint] = []
    for model in filter(None, models):
        is_there = not error.table or error.table == model._meta.db_table
        for constraint in model._meta.constraints:
            if error.constraint == constraint.name:
                return constraint
            is_alike = is_there and names and tuple(getattr(constraint, "fields", ())) == tuple(names)
            if is_alike and constraint not in alike:
                alike.append(constraint)
    return alike[0] if len(alike) == 1 and not error.constraint else None


def written_model(error: IntegrityError) -> type[Model] | None:
    """Return the model that was written, by the table that the database names, else by the name of the constraint."""
    models = [model for app in apps.current().all_models.values() for model in app.values()]
    if error.table:
        return next((model for model in models if model._meta.db_table == error.table), None)
    named = (model for model in models for rule in model._meta.constraints if rule.name == error.constraint)
    return next(named, None) if error.constraint else None


def place_of(name: str, data: Iterable[Any]) -> Place | None:
    """Return where a body has the value of a field, as the client spells it; None where it has none.

    Args:
        name: The field. What stands under ``author_id`` is of ``author``, too.
        data: What the body was read into. Lists are not looked into: which item it was is not known.
    """
    for one in data:
        members = members_of(one)
        for member in (name, f"{name}_id"):
            if member in members:
                return (_sent_name(one, member),)
        for member, value in members.items():
            if isinstance(value, (BaseModel, msgspec.Struct)):
                below = place_of(name, (value,))
                if below is not None:
                    return (_sent_name(one, member), *below)
    return None


def _sent_name(data: Any, member: str) -> str:
    if isinstance(data, BaseModel):
        info = type(data).model_fields[member]
        alias = read_alias(info)
        return alias if isinstance(alias, str) else member
    if isinstance(data, msgspec.Struct):
        return data.__struct_encode_fields__[data.__struct_fields__.index(member)]
    return member


def members_of(data: Any) -> Mapping[str, Any]:
    """Return the members of a schema, struct or mapping by name."""
    if isinstance(data, BaseModel):
        return {name: getattr(data, name) for name in type(data).model_fields}
    if isinstance(data, msgspec.Struct):
        return {name: getattr(data, name) for name in data.__struct_fields__}
    return data if isinstance(data, Mapping) else {}


def keys_in(data: Any, place: Place = ()) -> Iterable[tuple[Place, Any]]:
    """Give the rows that values point at by their keys, with their places; those of nested items too."""
    columns = _columns_of(getattr(type(data), "__covet_model__", None))
    for name, value in members_of(data).items():
        here = (*place, name)
        if hasattr(value, "_meta"):
            yield here, value
        elif name in columns and value is not None:
            yield here, columns[name].unloaded(value)
        elif isinstance(value, list):
            for index, row in enumerate(value):
                if hasattr(row, "_meta"):
                    yield (*here, index), row
                else:
                    yield from _nested_keys(row, (*here, index))
        else:
            yield from _nested_keys(value, here)


def _columns_of(model: type[Model] | None) -> dict[str, type[Model]]:
    """Return the models that the columns of a model's relations hold keys of, such as ``author_id``."""
    if model is None:
        return {}
    relations = [field for field in model._meta.concrete_fields if field.attname != field.name]
    return {one.attname: one.related_model for one in relations if one.target_field.primary_key}


def _nested_keys(value: Any, place: Place) -> Iterable[tuple[Place, Any]]:
    return keys_in(value, place) if isinstance(value, (BaseModel, msgspec.Struct)) else ()


def models_in(data: Any) -> Iterable[type[Model]]:
    """Give the models of a schema and of the items that it holds."""
    model = getattr(type(data), "__covet_model__", None)
    if model is not None:
        yield model
    for value in members_of(data).values():
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, (BaseModel, msgspec.Struct)):
                yield from models_in(item)


async def dangling(names: Sequence[str], keys: Sequence[tuple[Place, Any]]) -> list[Dangling]:
    """Return which keys point at nothing: those of the columns that the database named, else whichever is not there.

    Args:
        names: The fields that the database named.
        keys: What ``keys_in`` gave.
    """
    told = {*names, *(f"{name}_id" for name in names)}
    named = [Dangling(place, row) for place, row in keys if _field_of(place) in told]
    if len(named) == 1:
        return named
    # SQLite does not say which key it was, a many-to-many table names columns that the client never saw, and several
    # items may have a key of one name.
    listed = named or [Dangling(place, row) for place, row in keys]
    return [one for one in listed if await _is_gone(one.row)] or named


def _field_of(place: Place) -> str | int:
    return next(part for part in reversed(place) if isinstance(part, str))


async def _is_gone(row: Any) -> bool:
    try:
        return not await type(row)._meta.base_manager.filter(pk=row.pk).exists()
    except DatabaseError:  # the transaction round this is broken, so nothing can be asked: name no key
        return False
