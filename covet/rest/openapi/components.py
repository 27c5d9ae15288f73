"""Schemas of the document: each named once, input and output apart only where they differ."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

__all__ = ["PROBLEM", "Components", "problem_response"]

Key: TypeAlias = tuple[int, JsonSchemaMode]

_TEMPLATE: Final = "#/components/schemas/{model}"

PROBLEM: Final[dict[str, Any]] = {
    "title": "Problem",
    "description": "What went wrong (RFC 9457).",
    "type": "object",
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "default": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri-reference"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "detail": {"type": "string", "description": "What is wrong."},
                    "pointer": {"type": "string", "description": "Where in the body (RFC 6901)."},
                    "parameter": {"type": "string", "description": "Which parameter or cookie."},
                    "header": {"type": "string", "description": "Which header."},
                    "code": {"type": "string", "description": "The kind of error, for machines."},
                },
                "required": ["detail"],
            },
        },
    },
    "required": ["type", "title", "status"],
}


@dataclass
class Components:
    """Collects the types that a document names, then gives each its schema.

    Names depend on all types together (two schemas of one name get longer ones), so asking comes first: ``add`` every
    type, ``build`` once, then ``of`` gives the schema or a reference to it.
    """

    _adapters: dict[Key, tuple[JsonSchemaMode, TypeAdapter[Any]]] = field(default_factory=dict)
    _types: list[Any] = field(default_factory=list)
    _made: dict[Key, dict[str, Any]] = field(default_factory=dict)
    schemas: dict[str, Any] = field(default_factory=dict)

    def add(self, annotation: Any, mode: JsonSchemaMode) -> None:
        """Say that the document names a type."""
        key = self._key(annotation, mode)
        if key not in self._adapters:
            self._adapters[key] = (mode, TypeAdapter(annotation))

    def _key(self, annotation: Any, mode: JsonSchemaMode) -> Key:
        for index, known in enumerate(self._types):
            if known is annotation or (type(known) is type(annotation) and known == annotation):
                return index, mode
        self._types.append(annotation)
        return len(self._types) - 1, mode

    def build(self) -> None:
        """Make all schemas."""
        inputs: list[tuple[Key, JsonSchemaMode, TypeAdapter[Any]]] = [
            (key, mode, adapter) for key, (mode, adapter) in self._adapters.items()
        ]
        made, shared = TypeAdapter.json_schemas(inputs, ref_template=_TEMPLATE)
        self._made = {key: schema for (key, _), schema in made.items()}
        definitions: dict[str, Any] = dict(shared.get("$defs", {}))
        definitions["Problem"] = PROBLEM
        self.schemas = {name: _clean(definitions[name]) for name in sorted(definitions)}

    def of(self, annotation: Any, mode: JsonSchemaMode) -> dict[str, Any]:
        """Return the schema of a type that was added, or a reference to it."""
        found: dict[str, Any] = _clean(self._made[self._key(annotation, mode)])
        return found


def _clean(schema: Any) -> Any:
    """Drop the titles that pydantic makes of names: they say nothing and make the document a third longer."""
    if isinstance(schema, dict):
        return {
            name: _clean_properties(value) if name in ("properties", "$defs") else _clean(value)
            for name, value in schema.items()
            if not (name == "title" and isinstance(value, str) and "properties" not in schema)
        }
    if isinstance(schema, list):
        return [_clean(item) for item in schema]
    return schema


def _clean_properties(properties: Any) -> Any:
    return {name: _clean(schema) for name, schema in properties.items()}


def problem_response(description: str) -> dict[str, Any]:
    """Return an answer that is a problem document."""
    return {
        "description": description,
        "content": {"application/problem+json": {"schema": {"$ref": _TEMPLATE.format(model="Problem")}}},
    }
