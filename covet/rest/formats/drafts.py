"""What the form of an endpoint's page begins with: a body as the endpoint takes it, to be filled in or changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema

from covet.schema.structs import is_struct

if TYPE_CHECKING:
    from covet.rest.endpoint import Compiled

__all__ = ["draft"]

_REF: Final = "#/$defs/"
_MAX_DEPTH: Final = 5
_EMPTY: Final[dict[str, Any]] = {"string": "", "integer": 0, "number": 0, "boolean": False, "array": [], "object": {}}


def draft(compiled: Compiled, shown: Any) -> Any:
    """Return the body that a form for an endpoint begins with; None where it reads none as JSON.

    Args:
        compiled: The endpoint that the form sends to.
        shown: What the page shows of the same address: a body that replaces or changes it begins with its values.
    """
    body = compiled.binding.body
    if body is None or not any("json" in kind for kind in compiled.body_kinds):
        return None
    bodies = compiled.signature.bodies
    if len(bodies) == 1 and bodies[0].marker.examples:
        return next(iter(bodies[0].marker.examples.values())).get("value")
    try:
        schema = msgspec.json.schema(body) if is_struct(body) else TypeAdapter(body).json_schema()
    except PydanticInvalidForJsonSchema:
        return None  # a type of the user's own, which says nothing of itself
    made = _value(schema, schema.get("$defs", {}), 0)
    if compiled.endpoint.method in ("PUT", "PATCH") and isinstance(made, dict) and isinstance(shown, dict):
        made |= {name: value for name, value in shown.items() if name in made}
    return made


def _value(schema: Any, named: dict[str, Any], depth: int) -> Any:
    """Return a value of a schema: its example, its default, or as little as its type has."""
    if not isinstance(schema, dict):
        return None
    if "default" in schema:
        return schema["default"]
    for name in ("examples", "enum"):
        if schema.get(name):
            return schema[name][0]
    if "const" in schema:
        return schema["const"]
    reference = schema.get("$ref", "")
    if reference.startswith(_REF):
        # What holds itself would have no end.
        return _value(named.get(reference.removeprefix(_REF)), named, depth + 1) if depth < _MAX_DEPTH else None
    for name in ("allOf", "anyOf", "oneOf"):
        if schema.get(name):
            choices = schema[name]
            return None if {"type": "null"} in choices else _value(choices[0], named, depth)
    kind = schema.get("type")
    if kind == "object":
        members = {name: part for name, part in schema.get("properties", {}).items() if not _is_read_only(part)}
        return {name: _value(part, named, depth) for name, part in members.items()}
    return schema.get("minimum", _EMPTY.get(kind)) if isinstance(kind, str) else None


def _is_read_only(schema: Any) -> bool:
    return isinstance(schema, dict) and bool(schema.get("readOnly"))
