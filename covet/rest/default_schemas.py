"""Schemas that a viewset makes of its model where it is given none: what is shown, what is written, what is patched."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BaseModel, create_model
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from covet.db.models.base import Model
from covet.db.models.fields.markers import NOT_PROVIDED
from covet.exceptions import ImproperlyConfigured
from covet.schema import ModelSchema, Schema
from covet.schema.field_types import holds_file, is_auto
from covet.schema.markers import marker_of

__all__ = ["default_input", "default_output", "patch_schema"]


def default_output(model: type[Model]) -> type[Schema]:
    """Return a schema of all of a model's fields; a password is never shown."""
    meta = model._meta
    names = [field.name for field in (*meta.concrete_fields, *meta.many_to_many) if field.name != "password"]
    return _make(model, "", names)


def default_input(model: type[Model], shown: Any = None) -> type[Schema]:
    """Return a schema of what a client may write: a model's editable fields, its automatic key and a password left out.

    So are the links of a child model to the tables of its parents: what a client sends is a row in each of them.

    Args:
        model: The model.
        shown: The schema that somebody wrote for answers: what it does not show is not written either, unless a new row
            cannot do without. Who shows four fields of a user does not mean that ``is_superuser`` may be sent.

    Raises:
        ImproperlyConfigured: There is no such field.
    """
    meta = model._meta
    known: Mapping[str, Any] | None = getattr(shown, "__covet_fields__", None)
    related = {name: info for name, info in getattr(shown, "model_fields", {}).items() if is_named_otherwise(info)}
    named = None if known is None else {*known, *(field.name for field in known.values()), *related}
    names = [
        field.name
        for field in (*meta.concrete_fields, *meta.many_to_many)
        if field.editable
        and not holds_file(field)
        and not is_auto(field)
        and not getattr(field.remote_field, "parent_link", False)
        and not field.generated
        and field.name != "password"
        and (named is None or field.name in named or _is_needed(field))
    ]
    if known is not None:
        # Who is shown "author_id" sends "author_id", unless "author" is shown as well, by its key or by a slug or a link.
        by_column = {field.name: field.attname for field in meta.concrete_fields if field.attname in known}
        names = [name if name in known or name in related else by_column.get(name, name) for name in names]
    if not names:
        raise ImproperlyConfigured(f"{meta.label} has no field that a client could write. Use ReadOnlyModelViewSet.")
    declared = {name: info for name, info in related.items() if name in names}
    return _make(model, "Input", names, declared)


def is_named_otherwise(info: FieldInfo) -> bool:
    """Whether a field names its relation by a slug or a link, as is then done in bodies, too."""
    marker = marker_of(info)
    return marker is not None and not marker.is_self


def _is_needed(field: Any) -> bool:
    """Whether a new row needs a value for a field that only a client can give."""
    has_default = field.has_default() or getattr(field, "db_default", NOT_PROVIDED) is not NOT_PROVIDED
    return not (field.many_to_many or field.null or field.blank or has_default)


def _make(
    model: type[Model], suffix: str, names: Sequence[str], declared: Mapping[str, FieldInfo] = MappingProxyType({})
) -> type[Schema]:
    kind: Any = type(ModelSchema)
    annotations = {name: Annotated[(info.annotation, *info.metadata)] for name, info in declared.items()}
    defaults = {name: info.default for name, info in declared.items() if not info.is_required()}
    made: type[Schema] = kind(
        f"{model.__name__}{suffix}",
        (ModelSchema,),
        {
            "__module__": model.__module__,
            "__qualname__": f"{model.__name__}{suffix}",
            "__doc__": None,
            "__annotations__": annotations,
            **defaults,
        },
        model=model,
        fields=list(names),
    )
    return made


def patch_schema(schema: Any, model: type[Model]) -> type[Any]:
    """Return a schema of the same fields, all of which may be left out: those of the model and the schema's own.

    What the schema checks, it checks of a PATCH too; a validator of the whole sees None for what was not sent.

    Raises:
        ImproperlyConfigured: The input is no pydantic schema.
    """
    if not (isinstance(schema, type) and issubclass(schema, BaseModel)):
        raise ImproperlyConfigured(
            f"The viewset of {model._meta.label} has an input that is no Schema, so it needs a patch_input of its own."
        )
    fields: dict[str, Any] = {}
    for name, info in schema.model_fields.items():
        loose = copy.copy(info)
        loose.default, loose.default_factory = PydanticUndefined, lambda: None
        fields[name] = (info.annotation, loose)
    known: dict[str, Any] = getattr(schema, "__covet_fields__", {})
    made: Any = create_model(
        f"{schema.__name__.removesuffix('Input')}Patch", __base__=schema, __module__=schema.__module__, **fields
    )
    made.__doc__ = None
    if known:
        made.__covet_fields__ = dict(known)
    patched: type[Any] = made
    return patched
