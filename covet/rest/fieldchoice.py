"""``?fields=id,title,author.name``: the answer shows these fields, and only their columns and relations are read.

A choice becomes a schema of its own, planned like any other, so that rows still go to JSON the shortest way. Schemas that
say themselves how they are written are written whole and cut afterwards.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias, get_args, get_origin

from msgspec.structs import replace
from pydantic import BaseModel, Field, create_model

from covet import json
from covet.http.request import Request
from covet.problems import ProblemError
from covet.rest.annotations import page_item, page_kind
from covet.rest.errors import MOST_ERRORS, invalid
from covet.rest.params import Query
from covet.rest.render import UNSET, Plan, plan_response
from covet.rest.signature import Parameter
from covet.schema import Schema
from covet.schema.projection import writes_plainly
from covet.schema.relations import schemas_in
from covet.text import suggest

if TYPE_CHECKING:
    from covet.rest.pagination import AnyRequest

__all__ = ["FIELDS_PARAMETER", "MAX_LENGTH", "FieldChoice", "item_schema", "wires_of", "with_schema"]

Tree: TypeAlias = "dict[str, Tree]"

FIELDS_PARAMETER: Final = "fields"
MAX_LENGTH: Final = 2000
"""How long the names in a query may be."""
_MAX_PLANS: Final = 64
_MAX_PATHS: Final = 200
_PATTERN: Final = r"^[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*$"


class FieldChoice:
    """What ``?fields=`` may name at one endpoint, and the plans of what it named.

    Args:
        plan: The plan of the whole answer.
        schema: The schema of one item of it.
        most: How many plans are kept.
    """

    def __init__(self, plan: Plan, schema: type[BaseModel], *, most: int = _MAX_PLANS) -> None:
        self._plan = plan
        self._schema = schema
        self._most = most
        # By the texts that clients write, and by what they mean: each plan of the latter has classes of its own.
        self._known: OrderedDict[str, Plan] = OrderedDict()
        self._plans: OrderedDict[str, Plan] = OrderedDict()

    @classmethod
    def of(cls, plan: Plan) -> FieldChoice | None:
        """Return the choice of an answer, or None where it shows no schema."""
        if plan.schema is None or plan.schema is UNSET:
            return None
        inner = item_schema(plan.schema)
        return None if inner is None else cls(plan, inner)

    @property
    def parameter(self) -> Parameter:
        """The query parameter, for the documentation."""
        paths = _paths(self._schema)
        # A schema that holds itself has no end of them: its names are told as a pattern then.
        one: Any = Annotated[str, Field(pattern=_PATTERN)] if paths is None else Literal[tuple(paths)]
        many: Any = Annotated[list[one], Field(min_length=1)]
        description = "The fields to show, separated by commas; 'a.b' for a field of a field."
        if paths is None:
            description += f" It has: {', '.join(wires_of(self._schema))}."
        return Parameter(
            FIELDS_PARAMETER, FIELDS_PARAMETER, Query(description=description), many, None, is_list=True, by_comma=True
        )

    def plan(self, request: Request) -> Plan:
        """Return the plan of what a request asks for.

        Raises:
            UnprocessableContent: It names a field that is not there.
        """
        raw = request.raw_query
        if not raw or b"fields=" not in raw:
            return self._plan
        given = request.query.getlist(FIELDS_PARAMETER)
        if not given:
            return self._plan
        text = ",".join(given)
        return _kept(self._known, text, self._most, self._read)

    def _read(self, text: str) -> Plan:
        tree, errors = _parse(text, self._schema)
        if errors:
            raise invalid(errors)
        return _kept(self._plans, _canonical(tree), self._most, lambda _: self._chosen(tree))

    def _chosen(self, tree: Tree) -> Plan:
        narrow = _narrow(self._schema, tree)
        if narrow is None:
            return _cut(self._plan, tree)
        made = plan_response(with_schema(self._plan.schema, self._schema, narrow), None, "fields")
        # Permissions and messages are about the endpoint's own model.
        return replace(made, model=self._plan.model)


def _kept(plans: OrderedDict[str, Plan], key: str, most: int, make: Callable[[str], Plan]) -> Plan:
    """Return the plan of a key, made where it is not kept; so many are, those that were asked for last."""
    plan = plans.get(key)
    if plan is not None:
        plans.move_to_end(key)
        return plan
    plan = plans[key] = make(key)
    if len(plans) > most:
        plans.popitem(last=False)
    return plan


def _canonical(tree: Tree) -> str:
    """Return a text that is the same for all orders in which the same fields are named."""
    return ",".join([f"{name}({_canonical(tree[name])})" for name in sorted(tree)])


def item_schema(annotation: Any) -> type[BaseModel] | None:
    """Return the schema of one item of an answer: of a page, a list, or the answer itself; None where it has none."""
    return _schema_of(page_item(annotation) or annotation)


def _schema_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation if issubclass(annotation, BaseModel) else None
    found = [_schema_of(argument) for argument in get_args(annotation) if argument is not type(None)]
    known = [one for one in found if one is not None]
    return known[0] if len(known) == 1 else None


def wires_of(schema: type[BaseModel]) -> dict[str, str]:
    """Return a schema's attributes by their names in JSON."""
    computed = schema.__pydantic_decorators__.computed_fields
    names = {info.serialization_alias or info.alias or name: name for name, info in schema.model_fields.items()}
    return {**names, **{one.info.alias or name: name for name, one in computed.items()}}


def _paths(schema: type[BaseModel]) -> list[str] | None:
    """Return all that may be named; None where there is no end of it."""
    paths: list[str] = []
    waiting: list[tuple[str, type[BaseModel]]] = [("", schema)]
    while waiting:
        prefix, current = waiting.pop(0)
        for wire, name in wires_of(current).items():
            paths.append(prefix + wire)
            info = current.model_fields.get(name)
            waiting.extend((f"{prefix}{wire}.", one) for one in (schemas_in(info.annotation) if info else ()))
        if len(paths) > _MAX_PATHS:
            return None
    return list(dict.fromkeys(paths))


def _parse(text: str, schema: type[BaseModel]) -> tuple[Tree, list[ProblemError]]:
    tree: Tree = {}
    errors: list[ProblemError] = []
    if len(text) > MAX_LENGTH:
        return tree, [
            ProblemError(f"This may have {MAX_LENGTH} characters at most.", parameter=FIELDS_PARAMETER, code="too_long")
        ]
    for path in dict.fromkeys(filter(None, (part.strip() for part in text.split(",")))):
        if len(errors) > MOST_ERRORS:
            break
        place, current = tree, [schema]
        for part in path.split("."):
            known = {wire: (one, name) for one in current for wire, name in wires_of(one).items()}
            if part not in known:
                near = suggest(part, known)
                hint = f"Did you mean {near!r}?" if near else f"It has: {', '.join(known) or 'none'}."
                errors.append(
                    ProblemError(
                        f"There is no field {path!r}. {hint}", parameter=FIELDS_PARAMETER, code="unknown_field"
                    )
                )
                break
            owner, name = known[part]
            place = place.setdefault(part, {})
            info = owner.model_fields.get(name)
            current = [] if info is None else list(schemas_in(info.annotation))
    if not tree and not errors:
        errors.append(ProblemError("Name at least one field.", parameter=FIELDS_PARAMETER, code="empty"))
    return tree, errors


def _narrow(schema: type[BaseModel], tree: Tree) -> type[Schema] | None:
    """Return a schema of the chosen fields only; None where the schema itself says how it is written."""
    if not issubclass(schema, Schema) or not writes_plainly(schema):
        return None
    wires = wires_of(schema)
    fields: dict[str, Any] = {}
    for wire in wires:  # in the schema's order, whatever the client's
        if wire not in tree:
            continue
        name = wires[wire]
        info = copy.copy(schema.model_fields[name])
        annotation: Any = info.annotation
        inner = schemas_in(annotation)
        if tree[wire] and inner:
            below = _narrow(inner[0], tree[wire]) if len(inner) == 1 else None
            if below is None:
                return None
            annotation = with_schema(annotation, inner[0], below)
            info.annotation = annotation
        fields[name] = (annotation, info)
    made: type[Schema] = create_model(f"{schema.__name__}Chosen", __base__=Schema, **fields)
    origins: Mapping[str, Any] = getattr(schema, "__covet_fields__", {})
    chosen: Any = made
    chosen.__covet_chosen__ = True
    chosen.__covet_fields__ = {name: field for name, field in origins.items() if name in fields}
    if hasattr(schema, "__covet_model__"):
        chosen.__covet_model__ = schema.__covet_model__
    return made


def with_schema(annotation: Any, old: Any, new: Any) -> Any:
    """Return an annotation with one schema in the place of another."""
    if annotation is old:
        return new
    item = page_item(annotation)
    if item is not None:
        kind: Any = page_kind(annotation)
        return kind[with_schema(item, old, new)]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if not arguments:
        return annotation
    inner = tuple(with_schema(argument, old, new) for argument in arguments)
    if origin is Annotated:
        return Annotated[(inner[0], *arguments[1:])]
    if isinstance(origin, type) and origin in (list, set, frozenset, tuple, dict):
        return origin[inner]
    joined: Any = inner[0]
    for one in inner[1:]:
        joined = joined | one
    return joined


def _cut(plan: Plan, tree: Tree) -> Plan:
    """Return a plan that writes the whole answer and leaves out what was not chosen."""
    is_paged = plan.page is not None and not plan.page.is_bare

    async def render(request: Request, value: Any, page: AnyRequest | None) -> bytes:
        body = await plan.render(request, value, page) if plan.is_async else plan.render(value)
        whole = json.loads(body)
        if is_paged:
            whole["items"] = _pruned(whole["items"], tree)
            return json.dumps(whole)
        return json.dumps(_pruned(whole, tree))

    return replace(plan, render=render, is_async=True, projection=None)


def _pruned(value: Any, tree: Tree) -> Any:
    if not tree:
        return value
    if isinstance(value, list):
        return [_pruned(item, tree) for item in value]
    if isinstance(value, dict):
        return {name: _pruned(item, tree[name]) for name, item in value.items() if name in tree}
    return value
