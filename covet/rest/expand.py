"""``?expand=author,author.publisher``: related rows shown whole, where the answer has their keys or nothing at all.

What may be named stands in ``expandable``. Each set of names becomes a schema of its own, planned like any other, so that the
rows are joined and prefetched as if somebody had written it; who asks for nothing has the plan that there would be anyway.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union

from msgspec import Struct
from msgspec.structs import replace
from pydantic import Field, create_model

from covet.exceptions import ImproperlyConfigured
from covet.http.request import Request
from covet.problems import ProblemError
from covet.rest.errors import MOST_ERRORS, invalid
from covet.rest.fieldchoice import FIELDS_PARAMETER, MAX_LENGTH, FieldChoice, item_schema, with_schema
from covet.rest.params import Query
from covet.rest.render import UNSET, Plan, plan_response
from covet.rest.signature import Parameter
from covet.schema import Schema
from covet.schema.relations import relation_of, schemas_in
from covet.text import suggest

if TYPE_CHECKING:
    from covet.db.models.base import Model

__all__ = ["EXPAND_PARAMETER", "Expansion"]

EXPAND_PARAMETER: Final = "expand"
_MAX_VARIANTS: Final = 64
# Fields may be chosen of each variant: a plan is a class of pydantic's, and clients may name what they like.
_MAX_CHOICES: Final = 8


class Part(Struct, frozen=True):
    """One relation that may be shown whole.

    Attributes:
        name: The relation.
        schema: What is shown of its rows; None where the schema above has a schema there already, and only what lies below is
            left to choose.
        below: The relations of these rows that may be shown whole.
    """

    name: str
    schema: type[Schema] | None
    below: tuple[Part, ...] = ()


class Expansion:
    """What ``?expand=`` may name at one endpoint, and the plans of what it named.

    Args:
        plan: The plan of the answer that expands nothing.
        expandable: The schemas of related rows, by their paths: ``{"author": AuthorOut, "author.publisher": PublisherOut}``.
        model: The model of the rows, where the schema does not say.
        where: The handler's name, for messages.
        selects: Whether ``?fields=`` chooses from the answer as well.

    Raises:
        ImproperlyConfigured: There is no such relation, or nothing that it could be a relation of.
    """

    def __init__(
        self, plan: Plan, expandable: Mapping[str, Any], model: type[Model] | None, where: str, *, selects: bool
    ) -> None:
        schema = None if plan.schema is None or plan.schema is UNSET else item_schema(plan.schema)
        model = getattr(schema, "__covet_model__", model)
        if schema is None or not issubclass(schema, Schema) or model is None:
            raise ImproperlyConfigured(
                f"{where}: expandable names relations, and the answer shows no rows of a model. Give it a ModelSchema by "
                "response=…, or say model=…."
            )
        self._plan = plan
        self._schema = schema
        self._model: Any = model
        self._parts = tuple(_parts(schema, self._model, dict(expandable), f"{where}: expandable"))
        self._names = tuple(_paths(self._parts))
        self._new = frozenset(_new_paths(schema, self._model, self._parts))
        self._choice = FieldChoice.of(plan) if selects else None
        self._variants: OrderedDict[frozenset[str], Plan | FieldChoice] = OrderedDict()

    @property
    def parameters(self) -> list[Parameter]:
        """The query parameters, for the documentation; ``fields`` may name what can be expanded, too."""
        one: Any = Literal[self._names]
        text = "The related rows to show whole, separated by commas; 'a.b' shows 'a' as well."
        asked = Parameter(
            EXPAND_PARAMETER, EXPAND_PARAMETER, Query(description=text), list[one], None, is_list=True, by_comma=True
        )
        if self._choice is None:
            return [asked]
        return [FieldChoice(self._plan, self._shown(frozenset(self._names))).parameter, asked]

    @property
    def documented(self) -> Any:
        """The annotation of an answer of which parts were expanded: each may be its key or its row."""
        return with_schema(self._plan.schema, self._schema, _documented(self._schema, self._model, self._parts))

    def plan(self, request: Request) -> Plan:
        """Return the plan of what a request asks for.

        Raises:
            UnprocessableContent: It names what cannot be expanded, or a field that is not there.
        """
        raw = request.raw_query
        if not raw or (b"expand=" not in raw and b"fields=" not in raw):
            return self._plan
        wanted = self._wanted(",".join(request.query.getlist(EXPAND_PARAMETER)))
        if self._choice is not None:
            wanted |= self._implied(",".join(request.query.getlist(FIELDS_PARAMETER)))
        found = self._variant(frozenset(wanted))
        return found.plan(request) if isinstance(found, FieldChoice) else found

    def _wanted(self, text: str) -> set[str]:
        if len(text) > MAX_LENGTH:
            long = f"This may have {MAX_LENGTH} characters at most."
            raise invalid([ProblemError(long, parameter=EXPAND_PARAMETER, code="too_long")])
        names = dict.fromkeys(filter(None, (part.strip() for part in text.split(","))))
        unknown = [name for name in names if name not in self._names]
        if unknown:
            raise invalid([self._refused(name) for name in unknown[: MOST_ERRORS + 1]])
        return set(names)

    def _refused(self, name: str) -> ProblemError:
        near = suggest(name, self._names)
        hint = f"Did you mean {near!r}?" if near else f"It expands: {', '.join(self._names)}."
        return ProblemError(
            f"{name!r} cannot be expanded. {hint}", parameter=EXPAND_PARAMETER, code="unknown_expansion"
        )

    def _implied(self, text: str) -> set[str]:
        """Return what must be expanded for the fields that were chosen: who asks for a field of a row wants the row."""
        asked = [part.strip() for part in text[:MAX_LENGTH].split(",")]
        return {
            name
            for name in self._names
            if any(path.startswith(f"{name}.") or (path == name and name in self._new) for path in asked)
        }

    def _variant(self, names: frozenset[str]) -> Plan | FieldChoice:
        if not names:
            return self._plan if self._choice is None else self._choice
        found = self._variants.get(names)
        if found is None:
            found = self._variants[names] = self._planned(names)
            if len(self._variants) > _MAX_VARIANTS:
                self._variants.popitem(last=False)
        else:
            self._variants.move_to_end(names)
        return found

    def _planned(self, names: frozenset[str]) -> Plan | FieldChoice:
        schema = self._shown(names)
        made = plan_response(with_schema(self._plan.schema, self._schema, schema), None, EXPAND_PARAMETER)
        # Permissions and messages are about the endpoint's own model.
        plan = replace(made, model=self._plan.model)
        return plan if self._choice is None else FieldChoice(plan, schema, most=_MAX_CHOICES)

    def _shown(self, names: frozenset[str]) -> type[Schema]:
        return _expanded(self._schema, self._model, tuple(_chosen(self._parts, names, "")))


def _parts(
    schema: type[Schema], model: Any, expandable: dict[str, Any], where: str, prefix: str = ""
) -> Iterator[Part]:
    """Give the parts at a prefix; each path must lead along relations to where a schema is shown."""
    here = dict.fromkeys(path.removeprefix(prefix).partition(".")[0] for path in expandable if path.startswith(prefix))
    for name in here:
        path = prefix + name
        related = getattr(relation_of(model, name), "related_model", None)
        if related is None:
            known = [one for one in _relations(model) if relation_of(model, one) is not None]
            near = suggest(name, known)
            hint = f"Did you mean {near!r}?" if near else f"It has: {', '.join(known) or 'none'}."
            raise ImproperlyConfigured(f"{where}: {model._meta.label} has no relation {name!r} to one model. {hint}")
        given = expandable.get(path)
        inner = given
        if given is None:
            held = schemas_in(schema.model_fields[name].annotation) if name in schema.model_fields else []
            if len(held) != 1:
                raise ImproperlyConfigured(
                    f"{where} names what lies below {path!r}, and no schema shows that: add {path!r} and its schema."
                )
            inner = held[0]
        if not (isinstance(inner, type) and issubclass(inner, Schema)):
            raise ImproperlyConfigured(f"{where}: {path!r} is shown by a Schema, not by {inner!r}.")
        owner = getattr(inner, "__covet_model__", related)
        if not issubclass(related, owner):
            raise ImproperlyConfigured(
                f"{where}: {path!r} leads to {related._meta.label}, and {inner.__name__} shows {owner._meta.label}."
            )
        yield Part(name, given, tuple(_parts(inner, related, expandable, where, f"{path}.")))


def _relations(model: Any) -> list[str]:
    meta = model._meta
    own = [field.name for field in (*meta.fields, *meta.many_to_many) if field.is_relation]
    return [*own, *(name for one in meta.related_objects if (name := one.get_accessor_name()))]


def _paths(parts: Iterable[Part], prefix: str = "") -> Iterator[str]:
    for part in parts:
        path = prefix + part.name
        if part.schema is not None:
            yield path
        yield from _paths(part.below, f"{path}.")


def _new_paths(schema: type[Schema], model: Any, parts: Iterable[Part], prefix: str = "") -> Iterator[str]:
    """Give the paths that stand in no answer as long as nobody expands them."""
    for part in parts:
        path = prefix + part.name
        if part.name not in schema.model_fields:
            yield path
        inner = _below(schema, part)
        yield from _new_paths(inner, relation_of(model, part.name).related_model, part.below, f"{path}.")


def _below(schema: type[Schema], part: Part) -> type[Schema]:
    """Return the schema of a part's rows: its own, or the one that stands there already."""
    return part.schema or schemas_in(schema.model_fields[part.name].annotation)[0]


def _chosen(parts: Iterable[Part], names: frozenset[str], prefix: str) -> Iterator[Part]:
    """Give the parts that were named, and those on the way to them."""
    for part in parts:
        path = prefix + part.name
        below = tuple(_chosen(part.below, names, f"{path}."))
        if below or path in names:
            yield Part(part.name, part.schema, below)


def _row(relation: Any, schema: Any) -> Any:
    """Return the annotation of the rows of a relation."""
    if relation.many_to_many or relation.one_to_many:
        return list[schema]
    return schema | None if relation.null or not relation.concrete else schema


def _expanded(schema: type[Schema], model: Any, parts: Iterable[Part]) -> type[Schema]:
    """Return a schema that shows these parts whole, whatever else is that of the schema."""
    fields: dict[str, Any] = {}
    for part in parts:
        relation = relation_of(model, part.name)
        below = _below(schema, part)
        inner = _expanded(below, relation.related_model, part.below) if part.below else below
        known = schema.model_fields.get(part.name)
        shown = _row(relation, inner) if part.schema is not None else with_schema(_whole(known), below, inner)
        # A row that nothing points back at has no such attribute.
        default: Any = ... if relation.concrete or relation.one_to_many or relation.many_to_many else None
        fields[part.name] = (shown, Field(default, **_said(schema, part.name)))
    return _made(schema, fields)


@functools.lru_cache(maxsize=256)
def _documented(schema: type[Schema], model: Any, parts: tuple[Part, ...]) -> type[Schema]:
    """Return a schema of what any choice of parts shows; one for all endpoints, so that it has one name."""
    fields: dict[str, Any] = {}
    for part in parts:
        relation = relation_of(model, part.name)
        below = _below(schema, part)
        inner = _documented(below, relation.related_model, part.below) if part.below else below
        known = schema.model_fields.get(part.name)
        if known is None:
            # Not required: it is there if it was asked for.
            fields[part.name] = (
                _row(relation, inner),
                Field(exclude_if=lambda value: False, **_said(schema, part.name)),
            )
        elif part.schema is None:
            fields[part.name] = (with_schema(_whole(known), below, inner), Field(..., **_said(schema, part.name)))
        else:
            either: Any = Union[(_whole(known), _row(relation, inner))]  # noqa: UP007  one of them may be no type
            fields[part.name] = (either, Field(..., **_said(schema, part.name)))
    return _made(schema, fields)


def _whole(info: Any) -> Any:
    return Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation


def _said(schema: type[Schema], name: str) -> dict[str, Any]:
    """Return what the schema says of a field beside its type; rows are read from the relation's own attribute."""
    info = schema.model_fields.get(name)
    said: dict[str, Any] = {}
    if info is not None:
        said = {
            key: value for key in ("title", "description", "deprecated") if (value := getattr(info, key)) is not None
        }
        wire = info.serialization_alias or info.alias
        if wire is not None:
            said["serialization_alias"] = wire
    if said.get("serialization_alias") or schema.model_config.get("alias_generator") is not None:
        said["validation_alias"] = name
    return said


def _made(schema: type[Schema], fields: dict[str, Any]) -> type[Schema]:
    made: type[Schema] = create_model(
        f"{schema.__name__}Expanded", __base__=schema, __module__=schema.__module__, **fields
    )
    made.__doc__ = schema.__doc__
    return made
