"""``create``, ``update`` and ``delete``: mutations of a model, with a schema as their input.

The schema's rules hold as in REST: a wrong value is named by a pointer, and what only the database can know (a key that
does not exist, a value that must be unique) is told the same way. Rows and their many-to-many keys are written in one
transaction.
"""

from __future__ import annotations

import builtins
import contextlib
import datetime
import decimal
import types
import typing
import uuid
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import strawberry
from graphql import GraphQLError
from strawberry.annotation import StrawberryAnnotation
from strawberry.scalars import JSON, Base64
from strawberry.types.base import StrawberryOptional
from strawberry.types.field import StrawberryField

from covet import access
from covet.concurrency import maybe_await
from covet.db import transaction
from covet.db.errors import DataError, ForeignKeyViolation, IntegrityError, UniqueViolation
from covet.db.routers import router
from covet.exceptions import FieldDoesNotExist, ImproperlyConfigured, ValidationError
from covet.graphql.errors import bad_input, not_found
from covet.graphql.fields import RootField, _argument
from covet.graphql.scalars import BigInt, Duration, column_annotation
from covet.problems import json_pointer
from covet.schema import Schema
from covet.schema.rules import broken_fields, changed_columns, dangling, keys_in, stored

if TYPE_CHECKING:
    from covet.graphql.merge import Registry

__all__ = ["create", "delete", "update"]

_PLAIN: Final[dict[Any, Any]] = {
    str: str,
    int: BigInt,
    float: float,
    bool: bool,
    datetime.datetime: datetime.datetime,
    datetime.date: datetime.date,
    datetime.time: datetime.time,
    datetime.timedelta: Duration,
    decimal.Decimal: decimal.Decimal,
    uuid.UUID: uuid.UUID,
    bytes: Base64,
}


class _WriteField(RootField):
    """A mutation of one model."""

    write = True
    action: access.permissions.Action = "add"

    def __init__(
        self,
        schema: builtins.type[Schema] | None = None,
        *,
        permissions: Iterable[Any] | None = None,
        description: str | None = None,
    ) -> None:
        super().__init__(permissions=permissions, description=description)
        self.schema = schema

    def link(self, registry: Registry) -> None:
        """Take the type from the annotation, and make the input from the schema."""
        annotated = self.type
        if isinstance(annotated, StrawberryOptional):
            annotated = annotated.of_type
        self.kind = self.row_type(annotated, f"{builtins.type(self).__name__} is")
        self.arguments = self._arguments_of(registry)

    def _arguments_of(self, registry: Registry) -> list[Any]:
        assert self.schema is not None
        model = getattr(self.schema, "__covet_model__", None)
        if model is not None and model is not self.kind.model:
            raise ImproperlyConfigured(
                f"{self.where} takes {self.schema.__name__}, a schema of {model.__name__}, "
                f"but its type {self.kind.label} shows {self.kind.model.__name__}."
            )
        return [_argument("data", registry.input_for(self.schema, partial=self.action == "change"))]

    def _values(self, given: Any, base: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return what the input says, checked by the schema, as the columns will hold it."""
        assert self.schema is not None
        values = validated(
            self.schema, {**(base or {}), **_plain(given)}, only=_given(given) if base is not None else None
        )
        return stored(self.kind.model, values)

    async def _found(self, info: Any, given: str) -> Any:
        """Return the row of a key, if it may be seen and written."""
        meta = self.kind.model._meta
        try:
            key = meta.pk.to_python(given)
        except (ValidationError, ValueError):
            key = None
        row = None
        if key is not None:
            rows = (await self.kind.queryset(info)).filter(pk=key)
            with contextlib.suppress(DataError):  # a number that the column cannot hold is no key of a row
                row = await rows.first()
        if row is None:
            raise not_found(f"There is no {meta.verbose_name} with the id {given!r}.")
        target = access.Target(True, self.kind.model, self.action, self.python_name)
        held = access.effective(self.permissions, self.kind.model)
        await access.check_object(held, info.context.connection, target, row)
        return row


class CreateField(_WriteField):
    """Makes a row."""

    async def resolve(self, info: Any, **arguments: Any) -> Any:
        """Check the input, write the row and its many-to-many keys, and return it."""
        values = self._values(arguments["data"])
        many = _take_many(self.kind.model, values)
        try:
            async with transaction.atomic(using=router.db_for_write(self.kind.model)):
                row = await self.kind.model.objects.create(**values)
                await _set_many(row, many)
        except IntegrityError as error:
            raise await broken_rule(error, self.kind.model, {**values, **many}) from error
        info.context.written.append((self.kind.model, {**values, **many}))
        return row


class UpdateField(_WriteField):
    """Changes a row: just what the input names."""

    action = "change"

    def _arguments_of(self, registry: Registry) -> list[Any]:
        return [_argument("id", strawberry.ID), *super()._arguments_of(registry)]

    async def resolve(self, info: Any, **arguments: Any) -> Any:
        """Check the input, write what it names, and return the row."""
        row = await self._found(info, arguments["id"])
        assert self.schema is not None
        values = self._values(arguments["data"], _current(row, self.schema))
        many = _take_many(self.kind.model, values)
        for name, value in values.items():
            setattr(row, name, value)
        try:
            async with transaction.atomic(using=router.db_for_write(self.kind.model, instance=row)):
                if values:
                    await maybe_await(row.save(update_fields=changed_columns(row, values)))
                await _set_many(row, many)
        except IntegrityError as error:
            raise await broken_rule(error, self.kind.model, {**values, **many}) from error
        info.context.written.append((self.kind.model, {**values, **many}))
        return row


class DeleteField(_WriteField):
    """Deletes a row and returns it as it was."""

    action = "delete"

    def _arguments_of(self, registry: Registry) -> list[Any]:
        return [_argument("id", strawberry.ID)]

    async def resolve(self, info: Any, **arguments: Any) -> Any:
        """Delete the row; what is selected of it is what it held."""
        from covet.graphql.select import complete

        row = await self._found(info, arguments["id"])
        key = row.pk
        try:
            async with transaction.atomic(using=router.db_for_write(self.kind.model, instance=row)):
                # Relations have to be read while they are there.
                await complete(row, self.kind, info._raw_info, info)
                await maybe_await(row.delete())
        except IntegrityError as error:
            raise await broken_rule(error, self.kind.model, {}) from error
        row.pk = key
        return row


def create(
    schema: builtins.type[Schema], *, permissions: Iterable[Any] | None = None, description: str | None = None
) -> Any:
    """Declare a mutation that makes a row: ``create_article: ArticleType = graphql.create(ArticleIn)``.

    Args:
        schema: The input: a ``ModelSchema`` of the model.
        permissions: Who may, instead of the model's policy or ``DEFAULT_PERMISSIONS``; a mutation counts as a write.
        description: What GraphiQL shows.
    """
    return CreateField(schema, permissions=permissions, description=description)


def update(
    schema: builtins.type[Schema], *, permissions: Iterable[Any] | None = None, description: str | None = None
) -> Any:
    """Declare a mutation that changes a row by its key; fields that the input leaves out stay as they are."""
    return UpdateField(schema, permissions=permissions, description=description)


def delete(*, permissions: Iterable[Any] | None = None, description: str | None = None) -> Any:
    """Declare a mutation that deletes a row by its key and returns it as it was."""
    return DeleteField(None, permissions=permissions, description=description)


# -- values ---------------------------------------------------------------------------------------------------------


def validated(
    schema: builtins.type[Schema], values: Mapping[str, Any], *, only: Iterable[str] | None = None
) -> dict[str, Any]:
    """Return the values as the schema makes them.

    Raises:
        GraphQLError: Values are wrong; ``extensions.errors`` points at each.
    """
    try:
        data = schema.model_validate(dict(values))
    except ValueError as error:
        listed = getattr(error, "errors", None)
        if listed is None:
            raise
        found = [_wrong(schema, one) for one in listed(include_url=False, include_input=False)]
        # A key may fail in several ways; one word about each place is enough.
        errors = {one["pointer"]: one for one in reversed(found)}
        raise bad_input("Some values are not valid.", errors=reversed(errors.values())) from error
    names = set(schema.model_fields if only is None else only)
    return {
        name: getattr(data, name) for name in schema.model_fields if name in names and name in data.model_fields_set
    }


def _wrong(schema: builtins.type[Schema], error: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a client is told of one of pydantic's errors."""
    location = error["loc"]
    column = _column(schema, location[0]) if location else None
    detail = error["msg"].removeprefix("Value error, ")
    if column is not None and column.is_relation:
        # What follows is pydantic's way through the forms that a key may have.
        location = [part for index, part in enumerate(location) if index == 0 or isinstance(part, int)]
        detail = f"This is no key of a {column.related_model._meta.verbose_name}."
    return {"detail": detail, "pointer": json_pointer("data", *location), "code": error["type"]}


def _plain(given: Any) -> dict[str, Any]:
    """Return a Strawberry input as plain values, without what was left out."""
    found: dict[str, Any] = {}
    for field in given.__strawberry_definition__.fields:
        value = getattr(given, field.python_name)
        if value is strawberry.UNSET:
            continue
        found[field.python_name] = _plain_value(value)
    return found


def _plain_value(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain_value(one) for one in value]
    return _plain(value) if hasattr(builtins.type(value), "__strawberry_definition__") else value


def _given(given: Any) -> set[str]:
    return set(_plain(given))


def _current(row: Any, schema: builtins.type[Schema]) -> dict[str, Any]:
    """Return what a row holds under the schema's names, so that rules across fields see the whole."""
    found: dict[str, Any] = {}
    meta = row._meta
    for name in schema.model_fields:
        try:
            column = meta.get_field(name)
        except FieldDoesNotExist:
            continue
        if not column.many_to_many:
            found[name] = getattr(row, column.attname)
        else:
            found[name] = []
    return found


def _take_many(model: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Take the many-to-many values out of the others."""
    names = [many.name for many in model._meta.many_to_many if many.name in values]
    return {name: values.pop(name) for name in names}


async def _set_many(row: Any, many: Mapping[str, Any]) -> None:
    for name, keys in many.items():
        await getattr(row, name).set(keys)


async def broken_rule(error: IntegrityError, model: Any, values: Mapping[str, Any]) -> GraphQLError:
    """Return what a client is told of a rule of the database that its values broke.

    Args:
        error: The database's error; the transaction is rolled back already.
        model: The model that was written.
        values: What was to be written, many-to-many values included.
    """
    names = broken_fields(error, [model])
    if isinstance(error, UniqueViolation):
        message = f"A {model._meta.verbose_name} with this {' and '.join(names) or 'value'} exists already."
        return _told(message, [(json_pointer("data", name), message) for name in names], "unique", "CONFLICT")
    if isinstance(error, ForeignKeyViolation):
        keys = list(keys_in(values))
        if not keys:
            return _told("Other rows still point at this one.", [], "foreign_key", "CONFLICT")
        told = [(json_pointer("data", *one.place), one.detail) for one in await dangling(names, keys)]
        return _told("A key points at nothing.", told, "foreign_key", "BAD_USER_INPUT")
    message = "These values break a rule of the database."
    return _told(message, [(json_pointer("data", name), message) for name in names], "constraint", "BAD_USER_INPUT")


def _told(message: str, places: Iterable[tuple[str, str]], kind: str, code: str) -> GraphQLError:
    errors = [{"detail": detail, "pointer": pointer, "code": kind} for pointer, detail in places]
    return GraphQLError(message, extensions={"code": code, **({"errors": errors} if errors else {})})


# -- inputs ---------------------------------------------------------------------------------------------------------


def make_input(schema: builtins.type[Schema], registry: Registry, *, partial: bool = False) -> Any:
    """Return the Strawberry input of a schema; each of its fields becomes one of the input."""
    namespace: dict[str, Any] = {"__annotations__": {}, "__doc__": schema.__doc__}
    for name, info in schema.model_fields.items():
        annotation = _annotation(schema, name, info.annotation, registry)
        is_optional = partial or not info.is_required()
        if is_optional and not _is_nullable(annotation):
            annotation = annotation | None
        namespace[name] = StrawberryField(
            python_name=name,
            type_annotation=StrawberryAnnotation(annotation),
            description=info.description,
            **({"default": strawberry.UNSET} if is_optional else {}),
        )
    name = f"{schema.__name__}Partial" if partial else schema.__name__
    return strawberry.input(builtins.type(name, (), namespace), name=name)


def _annotation(schema: builtins.type[Schema], name: str, annotated: Any, registry: Registry) -> Any:
    column = _column(schema, name)
    if column is None:
        return _from_python(annotated, registry)
    if column.many_to_many:
        return list[strawberry.ID]
    annotation = column_annotation(column)
    return annotation | None if column.null else annotation


def _column(schema: builtins.type[Schema], name: str) -> Any:
    return getattr(schema, "__covet_fields__", {}).get(name)


def _is_nullable(annotation: Any) -> bool:
    return builtins.type(None) in typing.get_args(annotation)


def _from_python(annotated: Any, registry: Registry) -> Any:
    """Return the GraphQL annotation of a Python one; what has no counterpart is JSON."""
    if annotated in _PLAIN:
        return _PLAIN[annotated]
    if isinstance(annotated, builtins.type) and issubclass(annotated, Schema):
        return registry.input_for(annotated)
    origin, arguments = typing.get_origin(annotated), typing.get_args(annotated)
    if origin is typing.Annotated:
        return _from_python(arguments[0], registry)
    if origin in (typing.Union, types.UnionType):
        inner = [one for one in arguments if one is not builtins.type(None)]
        made = _from_python(inner[0], registry) if len(inner) == 1 else JSON
        return made | None if len(inner) < len(arguments) else made
    if origin in (list, set, tuple, frozenset) and arguments:
        return list[_from_python(arguments[0], registry)]  # type: ignore[misc]
    return JSON
