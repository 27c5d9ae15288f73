"""Schemas that a viewset makes of its model where it is given none: what is shown, what is written, what is patched."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field, GetCoreSchemaHandler, create_model
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, core_schema

from covet.db.models.base import Model
from covet.db.models.fields.markers import NOT_PROVIDED
from covet.db.models.fields.version import VersionField
from covet.exceptions import ImproperlyConfigured
from covet.schema import ModelSchema, Schema
from covet.schema.field_types import definition, holds_file, is_auto
from covet.schema.markers import marker_of

__all__ = ["default_input", "default_output", "patch_schema"]

_PLAIN: Final = (bool, bool | None, float, float | None, int, int | None, str, str | None)


def default_output(model: type[Model]) -> type[Schema]:
    """Return a schema of all of a model's fields; a password is never shown."""
    meta = model._meta
    names = [field.name for field in (*meta.concrete_fields, *meta.many_to_many) if field.name != "password"]
    return _make(model, "", names)


def default_input(model: type[Model], shown: Any = None) -> type[Schema]:
    """Return a schema of what a client may write: a model's editable fields, its automatic key and a password left out.

    So are the links of a child model to the tables of its parents: what a client sends is a row in each of them.

    What answers show besides may stand in a body, so that a client sends back what it has read. It is read only: nothing of it is
    written, and ``model_dump()`` does not have it. The key says which row is meant, and the version which state of it.

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
    declared: dict[str, Any] = {name: _as_declared(info) for name, info in related.items() if name in names}
    answers = default_output(model) if shown is None else shown
    read_only = _read_only(model, answers, names)
    made = _make(model, "Input", names, {**declared, **read_only}, answers)
    written: Any = made
    written.__covet_read_only__ = frozenset(read_only)
    return made


def _as_declared(info: FieldInfo) -> tuple[Any, Any]:
    return Annotated[(info.annotation, *info.metadata)], ... if info.is_required() else info.default


class _LeftAside:
    """Marks what a body may bring and nobody reads."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_wrap_validator_function(lambda value, read: None, handler(source))


class _OrNone:
    """Marks what says nothing when it is null, as the key in a form that knows no row yet."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_wrap_validator_function(
            lambda value, read: None if value is None else read(value), handler(source)
        )


def _read_only(model: type[Model], shown: Any, written: Collection[str]) -> dict[str, tuple[Any, FieldInfo]]:
    """Return what answers show and no body writes, by name: the annotation of each, and its field."""
    if not (isinstance(shown, type) and issubclass(shown, BaseModel)):
        return {}
    own: Mapping[str, Any] = getattr(shown, "__covet_fields__", {})
    keys = {field.name for field in model._meta.pk_fields}
    found: dict[str, tuple[Any, FieldInfo]] = {}
    for name, info in shown.model_fields.items():
        if name in written or info.exclude:
            continue
        field = own.get(name)
        alias = info.serialization_alias or info.alias
        marker = marker_of(info)
        if marker is not None and marker.is_self:
            found[name] = Annotated[str, _LeftAside()], _field(alias, {"format": "uri-reference"})
            continue
        if field is None:
            found[name] = Annotated[_told_of(shown, info.annotation, info.metadata), _LeftAside()], _field(alias)
            continue
        annotation, described = definition(field, optional=True)
        is_compared = field.name in keys or isinstance(field, VersionField)
        found[name] = (
            Annotated[annotation, _OrNone() if is_compared else _LeftAside()],
            _field(alias, described.json_schema_extra, description=described.description),
        )
    for name, computed in shown.model_computed_fields.items():
        found[name] = Annotated[_told_of(shown, computed.return_type), _LeftAside()], _field(computed.alias)
    return found


def _field(alias: str | None, extra: Any = None, **options: Any) -> Any:
    extra = {**(extra or {}), "readOnly": True}
    return Field(default_factory=lambda: None, alias=alias, exclude=True, json_schema_extra=extra, **options)


def _told_of(shown: type[BaseModel], annotation: Any, metadata: Sequence[Any] = ()) -> Any:
    """Return the type that OpenAPI tells of a member that nobody reads: Any, where it may be spelled in another way."""
    is_plain = annotation in _PLAIN and not metadata and not shown.__pydantic_decorators__.field_serializers
    return annotation if is_plain else Any


def is_named_otherwise(info: FieldInfo) -> bool:
    """Whether a field names its relation by a slug or a link, as is then done in bodies, too."""
    marker = marker_of(info)
    return marker is not None and not marker.is_self


def _is_needed(field: Any) -> bool:
    """Whether a new row needs a value for a field that only a client can give."""
    has_default = field.has_default() or getattr(field, "db_default", NOT_PROVIDED) is not NOT_PROVIDED
    return not (field.many_to_many or field.null or field.blank or has_default)


def _make(
    model: type[Model],
    suffix: str,
    names: Sequence[str],
    declared: Mapping[str, tuple[Any, Any]] = MappingProxyType({}),
    like: Any = None,
) -> type[Schema]:
    kind: Any = type(ModelSchema)
    spelled = getattr(like, "model_config", {}).get("alias_generator")
    made: type[Schema] = kind(
        f"{model.__name__}{suffix}",
        (ModelSchema,),
        {
            "__module__": model.__module__,
            "__qualname__": f"{model.__name__}{suffix}",
            "__doc__": None,
            "__annotations__": {name: annotation for name, (annotation, _) in declared.items()},
            **{name: default for name, (_, default) in declared.items() if default is not ...},
            # Names are spelled as in answers, and may be the fields' own, too.
            **({"model_config": {"alias_generator": spelled, "populate_by_name": True}} if spelled else {}),
        },
        model=model,
        fields=list(names),
        # A relation that is only shown may be named by a string, and its target come later.
        **({} if like is None else {"defer_build": True}),
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
