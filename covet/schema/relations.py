"""What a schema reads beyond its model's own row, so that it can be loaded before the answer is written."""

from __future__ import annotations

import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from covet.exceptions import FieldDoesNotExist
from covet.schema.base import Schema

if TYPE_CHECKING:
    from covet.db.models.base import Model

__all__ = ["Needs", "columns", "needs", "schemas_in"]

_MAX_DEPTH = 6


@dataclass(frozen=True, slots=True)
class Needs:
    """The relations that a schema shows.

    Attributes:
        select: Paths of single rows, for ``select_related``.
        prefetch: Paths of many rows, for ``prefetch_related``.
    """

    select: tuple[str, ...] = ()
    prefetch: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.select or self.prefetch)


def needs(schema: type[Schema], model: type[Model]) -> Needs:
    """Return what to load with the rows of a model before this schema can be filled from them."""
    select: list[str] = []
    prefetch: list[str] = []
    _collect(schema, model, "", select, prefetch, many=False, depth=0)
    return Needs(tuple(select), tuple(prefetch))


def _collect(
    schema: type[Schema],
    model: type[Model],
    prefix: str,
    select: list[str],
    prefetch: list[str],
    *,
    many: bool,
    depth: int,
) -> None:
    if depth > _MAX_DEPTH:  # a schema that holds itself: what lies deeper is loaded when it is awaited
        return
    for name, info in schema.model_fields.items():
        field = _relation(model, name)
        if field is None:
            continue
        path = prefix + name
        is_many = bool(field.many_to_many or field.one_to_many)
        inner = next(iter(schemas_in(info.annotation)), None)
        if inner is None and not is_many:
            continue  # a bare key stands in the row itself
        below = many or is_many
        (prefetch if below else select).append(path)
        if inner is not None:
            _collect(inner, field.related_model, f"{path}__", select, prefetch, many=below, depth=depth + 1)


def columns(schema: type[Schema], model: type[Model], prefix: str = "", depth: int = 0) -> list[str] | None:
    """Return the paths of all columns that a schema shows of a row and its joined rows.

    None where it shows what is no column, such as a property, which may read any of them.
    """
    meta = model._meta
    names = {"pk": meta.pk, **{name: field for field in meta.concrete_fields for name in (field.name, field.attname)}}
    found: list[str] = []
    for name, info in schema.model_fields.items():
        field = names.get(name)
        inner = next(iter(schemas_in(info.annotation)), None)
        if field is None:
            relation = _relation(model, name)
            if relation is None or not (relation.many_to_many or relation.one_to_many):
                return None
            continue  # rows of their own, found by the key
        found.append(prefix + field.name)
        if inner is not None and field.is_relation:
            below = None if depth > _MAX_DEPTH else columns(inner, field.related_model, f"{prefix}{name}__", depth + 1)
            if below is None:
                return None
            found.extend(below)
    return found


def _relation(model: type[Model], name: str) -> Any:
    if name == "pk":
        return None
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        for relation in model._meta.related_objects:
            if relation.get_accessor_name() == name:
                return relation
        return None
    return field if field.is_relation and field.name == name else None


def schemas_in(annotation: Any) -> list[type[Schema]]:
    """Return the schemas that an annotation holds, through ``list``, ``Optional``, ``Annotated`` and unions."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return [annotation] if issubclass(annotation, Schema) else []
    origin = get_origin(annotation)
    arguments = get_args(annotation)
    if origin is Annotated:
        arguments = arguments[:1]
    elif origin not in (Union, types.UnionType, list, tuple, set, frozenset, dict):
        return []
    return [schema for argument in arguments for schema in schemas_in(argument)]
