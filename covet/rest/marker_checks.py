"""Whether what ``Slug``, ``Link`` and ``SelfLink`` name is there: asked by ``manage.py check``, not by the first request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

from pydantic import BaseModel

from covet.checks.messages import CheckMessage, Error
from covet.rest.related import Link
from covet.rest.render import UNSET
from covet.schema.markers import Related, marker_of
from covet.schema.relations import relation_of
from covet.text import suggest

if TYPE_CHECKING:
    from covet.db.models.base import Model
    from covet.rest.endpoint import Compiled
    from covet.urls.names import NameTable

__all__ = ["check_markers"]

Seen: TypeAlias = set[tuple[Any, Any]]
"""The schemas with the models that they show, and the markers with those that they name: each is looked at once."""


def check_markers(endpoints: Iterable[Compiled], names: NameTable) -> Iterator[CheckMessage]:
    """Report markers of the schemas of these endpoints that name no relation, no field or no route; each once.

    Args:
        endpoints: The endpoints of one table of names.
        names: The table.
    """
    seen: Seen = set()
    for compiled in endpoints:
        for annotation in _annotations(compiled):
            yield from _of(annotation, compiled.model, names, seen)


def _annotations(compiled: Compiled) -> Iterator[Any]:
    """Give what an endpoint's answers are made of, and what bodies are read into."""
    if compiled.plan.schema is not UNSET:
        yield compiled.plan.schema
    yield from compiled.endpoint.expandable.values()
    yield from (parameter.annotation for parameter in compiled.signature.parameters)


def _of(
    annotation: Any,
    model: type[Model] | None,
    names: NameTable,
    seen: Seen,
) -> Iterator[CheckMessage]:
    """Look at the schemas in an annotation, and at those that they hold."""
    for schema in _schemas_in(annotation):
        about = getattr(schema, "__covet_model__", model)
        if (schema, about) in seen:
            continue
        seen.add((schema, about))
        for name, info in schema.model_fields.items():
            relation = None if about is None or info.validation_alias is not None else relation_of(about, name)
            related = None if relation is None else relation.related_model
            marker = marker_of(info)
            # What is derived from a schema, for a PATCH or a bulk request, has its markers too.
            if marker is not None and (marker, related) not in seen:
                seen.add((marker, related))
                yield from _of_marker(schema, name, marker, about, related, names)
            # A page holds schemas of the same rows.
            yield from _of(info.annotation, related or (None if _is_schema_of_rows(schema) else about), names, seen)


def _schemas_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _schemas_in(argument)


def _is_schema_of_rows(schema: type[BaseModel]) -> bool:
    return not schema.__pydantic_generic_metadata__["args"]


def _of_marker(
    schema: type[BaseModel],
    name: str,
    marker: Related,
    model: type[Model] | None,
    related: type[Model] | None,
    names: NameTable,
) -> Iterator[CheckMessage]:
    here, kind = f"{schema.__name__}.{name}", type(marker).__name__
    row = model if marker.is_self else related
    if row is not None:
        yield from _of_field(f"{here} is a {kind}", getattr(marker, "field", "pk"), row)
    elif model is not None and not marker.is_self and name in {field.name for field in model._meta.concrete_fields}:
        yield Error(
            f"{here} is a {kind}, and {model._meta.label}.{name} is no relation.",
            hint=f"Relations of {model._meta.label} are: {', '.join(_relations(model)) or 'none'}.",
            obj=schema,
            id="rest.E003",
        )
    if isinstance(marker, Link):
        yield from _of_route(schema, f"{here} is a {kind}", marker, names)


def _relations(model: type[Model]) -> list[str]:
    meta = model._meta
    return [field.name for field in (*meta.concrete_fields, *meta.many_to_many) if field.is_relation]


def _of_field(what: str, field: str, row: type[Model]) -> Iterator[CheckMessage]:
    known = [one.name for one in row._meta.concrete_fields]
    if field == "pk" or field in known or field in {one.attname for one in row._meta.concrete_fields}:
        return
    near = suggest(field, known)
    yield Error(
        f"{what} by {field!r}, and {row._meta.label} has no field of that name.",
        hint=f"Did you mean {near!r}?" if near else f"{row._meta.label} has: {', '.join(known)}.",
        obj=row,
        id="rest.E003",
    )


def _of_route(schema: type[BaseModel], what: str, marker: Link, names: NameTable) -> Iterator[CheckMessage]:
    found = names.parameters(marker.route)
    wanted = marker.argument
    if not found:
        near = suggest(marker.route, list(names.templates))
        yield Error(
            f"{what} to the route {marker.route!r}, and there is none of that name.",
            hint=f"Did you mean {near!r}?" if near else "`manage.py routes` lists the names.",
            obj=schema,
            id="rest.E004",
        )
    elif not any(len(one) == 1 and wanted in (None, *one) for one in found):
        takes = " or ".join(", ".join(one) or "nothing" for one in found)
        given = "one value" if wanted is None else repr(wanted)
        yield Error(
            f"{what} to the route {marker.route!r}, which takes {takes}, and is given {given}.",
            hint="A link fills a route of one parameter; argument= is its name.",
            obj=schema,
            id="rest.E004",
        )
