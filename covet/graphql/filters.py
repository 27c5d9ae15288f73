"""The filter input and the ordering enum of a connection, made from the names that it lists."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import strawberry
from msgspec import Struct
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.field import StrawberryField

from covet.db.models.base import Model
from covet.exceptions import FieldDoesNotExist, ImproperlyConfigured, ValidationError
from covet.graphql.errors import bad_input
from covet.graphql.scalars import column_annotation
from covet.text import suggest

__all__ = ["Filters", "Ordering", "make_filters", "make_ordering"]

LOOKUPS: Final = frozenset(
    {
        "exact",
        "iexact",
        "contains",
        "icontains",
        "startswith",
        "istartswith",
        "endswith",
        "iendswith",
        "gt",
        "gte",
        "lt",
        "lte",
        "in",
        "range",
        "isnull",
    }
)


class Filters(Struct, frozen=True):
    """A filter input: its Strawberry class, and the look-up behind each of its attributes."""

    cls: type[Any]
    lookups: Mapping[str, tuple[str, Any]]

    def conditions(self, given: Any) -> dict[str, Any]:
        """Return keyword arguments for ``QuerySet.filter``; what was left out or null is no condition.

        Raises:
            GraphQLError: A value is none of its column's kind.
        """
        found: dict[str, Any] = {}
        for attribute, (lookup, convert) in self.lookups.items():
            value = getattr(given, attribute)
            if value is None or value is strawberry.UNSET:
                continue
            try:
                found[lookup] = [convert(one) for one in value] if isinstance(value, list) else convert(value)
            except (ValidationError, ValueError, TypeError) as error:
                raise bad_input(
                    f"The filter {attribute} cannot take {value!r}.", pointer=f"/filters/{attribute}"
                ) from error
        return found


class Ordering(Struct, frozen=True):
    """An ordering enum; its values are what ``QuerySet.order_by`` takes."""

    cls: Any

    def names(self, given: Sequence[Any]) -> list[str]:
        """Return the names to order by."""
        return [item.value if isinstance(item, enum.Enum) else item for item in given]


def make_filters(name: str, model: type[Model], names: Iterable[str], where: str) -> Filters:
    """Return the filter input of a connection.

    Args:
        name: The input's name in GraphQL.
        model: The model of the rows.
        names: Fields and look-ups: ``"title"``, ``"title__icontains"``, ``"author"``, ``"author__name"``.
        where: The connection, for messages.

    Raises:
        ImproperlyConfigured: A name is no field or look-up of the model.
    """
    lookups: dict[str, tuple[str, Any]] = {}
    namespace: dict[str, Any] = {"__annotations__": {}, "__doc__": "Conditions on the rows; all must hold."}
    for path in names:
        column, lookup = _split(model, path, where)
        annotation, convert = _input_of(column, lookup)
        attribute = path.replace("__", "_") if path != "pk" else "id"
        lookups[attribute] = (path, convert)
        namespace[attribute] = StrawberryField(
            python_name=attribute, type_annotation=StrawberryAnnotation(annotation | None), default=strawberry.UNSET
        )
    made = strawberry.input(type(name, (), namespace), name=name)
    return Filters(made, lookups)


def make_ordering(name: str, model: type[Model], names: Iterable[str], where: str) -> Ordering:
    """Return the ordering enum of a connection: each name up, and down with ``_DESC``."""
    members: dict[str, str] = {}
    for given in names:
        path = given.removeprefix("-")
        _split(model, path, where)
        members[path.upper()] = path
        members[f"{path.upper()}_DESC"] = f"-{path}"
    kind: Any = enum.Enum  # Any: checkers follow the functional form for literals only
    made = kind(name, members)
    return Ordering(strawberry.enum(made, name=name))


def _split(model: type[Model], path: str, where: str) -> tuple[Any, str]:
    """Return the column at the end of a path, and the look-up."""
    column: Any = None
    current: Any = model
    parts = path.split("__")
    for index, part in enumerate(parts):
        known = column is not None and (part in LOOKUPS or _own_lookup(column, part))
        if known and index == len(parts) - 1:
            return column, part
        if current is None:
            raise ImproperlyConfigured(
                f"{where} names '{path}', and '{part}' is no look-up that it may use ({', '.join(sorted(LOOKUPS))})."
            )
        meta = current._meta
        try:
            column = meta.pk if part == "pk" else meta.get_field(part)
        except FieldDoesNotExist:
            near = suggest(part, [one.name for one in meta.fields])
            hint = f" Did you mean '{near}'?" if near else ""
            raise ImproperlyConfigured(
                f"{where} names '{path}', and {meta.label} has no field '{part}'.{hint}"
            ) from None
        current = column.related_model if column.is_relation else None
    return column, "exact"


def _own_lookup(column: Any, name: str) -> bool:
    return hasattr(column, "filter_annotation") and column.get_lookup(name) is not None


def _as_given(value: Any) -> Any:
    return value


def _input_of(column: Any, lookup: str) -> tuple[Any, Any]:
    if lookup == "isnull":
        return bool, bool
    own = getattr(column, "filter_annotation", None)
    if own is not None:
        found = own([] if lookup == "exact" else [lookup], column_annotation)
        if found is None:
            raise ImproperlyConfigured(f"'{column.name}' cannot be filtered by '{lookup}': no single value says it.")
        base = getattr(column, "base_field", None)
        return found[0], _as_given if base is None else base.to_python
    if column.is_relation:
        key = column.related_model._meta.pk
        annotation: Any = strawberry.ID
        convert = key.to_python
    else:
        annotation, convert = column_annotation(column), column.to_python
    if lookup in ("in", "range"):
        return list[annotation], convert
    if lookup not in ("exact", "gt", "gte", "lt", "lte"):
        return str, str
    return annotation, convert
