"""Relations by another name than their key: by a unique field (``Slug``), or by the address of the other row (``Link``).

Markers of a schema's fields. Answers read what they show with the rows, by joins; what a client sends is looked up before
anything is written, with one statement for all of a list, and what is not there is told with its place.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from covet.db.models.base import Model
from covet.exceptions import ImproperlyConfigured, ValidationError
from covet.http.errors import HTTPException
from covet.problems import ProblemError, json_pointer
from covet.rest.errors import invalid
from covet.schema.markers import Related
from covet.urls.addresses import NoReverseMatch, resolve, reverse, script_prefix

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue

    from covet.schema.rules import Place

__all__ = ["Link", "SelfLink", "Slug", "resolve_related"]


class Slug(Related):
    """A relation by a unique field of its rows: ``author: Annotated[str, Slug("username")]``.

    ``Annotated[list[str], Slug("slug")]`` is a many-to-many relation, ``Annotated[str | None, …]`` one that may be null.

    Args:
        field: The field of the other model.
        queryset: Gives the rows that a client may name; all of the model's when left out.
    """

    def __init__(self, field: str, *, queryset: Callable[[], Any] | None = None) -> None:
        self.field = field
        self.queryset = queryset
        self.reads = (field,)

    def value_of(self, row: Any) -> Any:
        """Return what is shown of a row."""
        return getattr(row, self.field)

    def sought(self, sent: Any) -> Any:
        """Return the value of ``field`` that was sent."""
        return sent


class Link(Related):
    """A relation by the addresses of its rows: ``author: Annotated[str, Link("authors-detail")]``.

    Lists and nulls are written as for ``Slug``. Clients may send whole addresses or paths; the host is not looked at.

    Args:
        route: The name of the route that shows one row, as for ``reverse()``.
        field: The field of the other model that stands in the address.
        argument: The parameter of the route that holds it; may be left out where the route has but one.
        queryset: Gives the rows that a client may name; all of the model's when left out.
    """

    def __init__(
        self,
        route: str,
        *,
        field: str = "pk",
        argument: str | None = None,
        queryset: Callable[[], Any] | None = None,
    ) -> None:
        self.route = route
        self.field = field
        self.argument = argument
        self.queryset = queryset
        self.reads = () if field == "pk" else (field,)

    def value_of(self, row: Any) -> str:
        """Return the address of a row."""
        return self.address(getattr(row, self.field))

    def address(self, key: Any) -> str:
        """Return the address of the row with this value of ``field``."""
        if self.argument is None:
            return reverse(self.route, [key])
        return reverse(self.route, kwargs={self.argument: key})

    def sought(self, sent: Any) -> Any:
        """Return the value of ``field`` in an address that was sent; None where it is no address of this route."""
        try:
            path = urlsplit(str(sent)).path
            _, params = resolve(unquote(path).removeprefix(script_prefix.get()))
            name = self.argument or (next(iter(params)) if len(params) == 1 else "")
            # The same route whatever it is called: in another version of the API, say.
            is_own = name in params and unquote(urlsplit(reverse(self.route, kwargs=params)).path) == unquote(path)
        except (HTTPException, NoReverseMatch, ValueError):
            return None
        return params[name] if is_own else None

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Tell that the texts are addresses."""
        described = handler(schema)
        for one in (described, described.get("items", {}), *described.get("anyOf", ())):
            if one.get("type") == "string":
                one["format"] = "uri-reference"
        return described


class SelfLink(Link):
    """The address of the row itself: ``url: Annotated[str, SelfLink("articles-detail")]``; read only.

    Its name must be none of the model's own.
    """

    is_self = True

    def __init__(self, route: str, *, field: str = "pk", argument: str | None = None) -> None:
        super().__init__(route, field=field, argument=argument)
        self.reads = (field,)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Make an address of what ``field`` holds; what a client sends back is not looked at."""
        made = core_schema.no_info_plain_validator_function(self._shown)
        return core_schema.with_default_schema(
            core_schema.json_or_python_schema(json_schema=core_schema.str_schema(), python_schema=made), default=""
        )

    def _shown(self, value: Any) -> str:
        return value if isinstance(value, str) and "/" in value else self.address(value)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Tell that nobody writes it."""
        return {"type": "string", "format": "uri-reference", "readOnly": True}


async def resolve_related(model: type[Model], items: Sequence[Any], places: Sequence[Place] | None = None) -> None:
    """Put the rows that bodies name by slugs and links in the place of these; one statement for each relation.

    Args:
        model: The model whose relations they are.
        items: What the bodies were read into; those that were resolved before are left as they are.
        places: Where each stands in the request's body.

    Raises:
        UnprocessableContent: Some name rows that there are not.
    """
    if not items or not (markers := related_of(type(items[0]))):
        return
    errors: list[ProblemError] = []
    for name, marker in markers.items():
        if marker.is_self:
            continue
        sent = [_Sent(item, name, places[index] if places else ()) for index, item in enumerate(items)]
        sent = [one for one in sent if one.values]
        if sent:
            await _resolve(model, name, marker, sent, errors)
    if errors:
        raise invalid(errors)


async def _resolve(model: type[Model], name: str, marker: Any, sent: list[_Sent], errors: list[ProblemError]) -> None:
    related: Any = model._meta.get_field(name).related_model
    field = related._meta.pk if marker.field == "pk" else related._meta.get_field(marker.field)
    wanted = {value: _as_held(field, marker.sought(value)) for one in sent for value in one.values}
    found: dict[Any, list[Any]] = {}
    keys = {key for key in wanted.values() if key is not None}
    if keys:
        rows = marker.queryset() if marker.queryset is not None else related._default_manager.all()
        for row in await rows.filter(**{f"{marker.field}__in": list(keys)}):
            found.setdefault(getattr(row, marker.field), []).append(row)
    for one in sent:
        named: list[Any] = []
        for index, value in enumerate(one.values):
            rows = found.get(wanted[value], [])
            if len(rows) == 1:
                named.append(rows[0])
                continue
            place = (*one.place, name, index) if one.is_list else (*one.place, name)
            text = f"There is no {related._meta.verbose_name} {value!r}."
            if rows:
                text = f"There are several {related._meta.verbose_name_plural} {value!r}."
            errors.append(
                ProblemError(text, pointer=json_pointer(*place), code="ambiguous" if rows else "unknown_related")
            )
        one.put(named)


def _as_held(field: Any, sent: Any) -> Any:
    """Return a value as rows hold it: a text may stand for a number; None for what the field cannot hold."""
    try:
        return field.to_python(sent)
    except ValidationError:
        return None


class _Sent:
    """What one body has for a relation."""

    def __init__(self, item: Any, name: str, place: Place) -> None:
        self.item, self.name, self.place = item, name, place
        value = getattr(item, name, None)
        self.is_list = isinstance(value, (list, tuple, set, frozenset))
        values: Iterable[Any] = [] if value is None else [value]
        if isinstance(value, (list, tuple, set, frozenset)):
            values = value
        # What is a row already was resolved before.
        self.values = [one for one in values if not isinstance(one, Model)]

    def put(self, rows: list[Any]) -> None:
        """Put the rows in the place of their names."""
        if len(rows) == len(self.values):
            # Not by setattr: a schema that checks assignments expects the names.
            self.item.__dict__[self.name] = rows if self.is_list else rows[0]


def related_of(schema: Any) -> dict[str, Any]:
    """Return the markers of a schema's fields, by name.

    Raises:
        ImproperlyConfigured: One stands on what is no relation of the schema's model.
    """
    return _related_of(schema)


@functools.lru_cache(maxsize=1024)
def _related_of(schema: Any) -> dict[str, Any]:
    if not (isinstance(schema, type) and issubclass(schema, BaseModel)):
        return {}
    found = {}
    for name, info in schema.model_fields.items():
        for one in info.metadata:
            if isinstance(one, Related):
                found[name] = one
    model: Any = getattr(schema, "__covet_model__", None)
    for name, marker in found.items():
        if model is not None and not marker.is_self:
            _check(schema, model, name, marker)
    return found


def _check(schema: type[Any], model: Any, name: str, marker: Any) -> None:
    known = {field.name: field for field in (*model._meta.fields, *model._meta.many_to_many) if field.is_relation}
    if name not in known:
        raise ImproperlyConfigured(
            f"{schema.__name__}.{name} is a {type(marker).__name__}, and {model._meta.label} has no relation {name!r} of its own."
        )
