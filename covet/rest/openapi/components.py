"""Schemas of the document: each named once, input and output apart only where they differ."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Struct, field
from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from covet.problems import PROBLEM_MARK
from covet.rest.openapi.generator import Generator
from covet.schema.structs import STRUCT_MARK, StructValue, is_struct

__all__ = ["CHOSEN_MARK", "PROBLEM", "Components", "problem_response"]

Key: TypeAlias = tuple[int, JsonSchemaMode]

_REF: Final = "#/components/schemas/"
_TEMPLATE: Final = _REF + "{model}"

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
        "request_id": {"type": "string", "description": "What the server's log calls this request."},
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
    # Each kind may have further members (RFC 9457, 3.2).
    "additionalProperties": True,
}


CHOSEN_MARK: Final = "x-chosen-by"
"""Says of an answer's schema which parameters make it another than the first of its alternatives: one for each that follows."""
_AS_IT_IS: Final = frozenset({"default", "enum", "const", "examples"})


class Components(Struct):
    """Collects the types that a document names, then gives each its schema.

    Names depend on all types together (two schemas of one name get longer ones), so asking comes first: ``add`` every
    type, ``build`` once, then ``of`` gives the schema or a reference to it.
    """

    _adapters: dict[Key, tuple[JsonSchemaMode, TypeAdapter[Any]]] = field(default_factory=dict)
    _types: list[Any] = field(default_factory=list)
    _made: dict[Key, dict[str, Any]] = field(default_factory=dict)
    _chosen: dict[str, str] = field(default_factory=dict)
    schemas: dict[str, Any] = field(default_factory=dict)

    def add(self, annotation: Any, mode: JsonSchemaMode) -> None:
        """Say that the document names a type."""
        key = self._key(annotation, mode)
        if is_struct(annotation):
            annotation = Annotated[annotation, StructValue(annotation)]
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
        made, shared = TypeAdapter.json_schemas(inputs, ref_template=_TEMPLATE, schema_generator=Generator)
        definitions: dict[str, Any] = dict(shared.get("$defs", {}))
        self._made = {key: schema for (key, _), schema in made.items()}
        structs = _Structs([self._made, definitions], set(definitions))
        self._made = structs.put_into(self._made)
        definitions = {**structs.put_into(definitions), **structs.definitions}
        definitions["Problem"] = PROBLEM
        self.schemas = {name: _clean(definitions[name]) for name in sorted(definitions)}

    def of(self, annotation: Any, mode: JsonSchemaMode) -> dict[str, Any]:
        """Return the schema of a type that was added, or a reference to it."""
        found: dict[str, Any] = _clean(self._made[self._key(annotation, mode)])
        return found

    def chosen(
        self, schema: dict[str, Any], *, is_page: bool, expanded: dict[str, Any] | None = None, selects: bool = True
    ) -> dict[str, Any]:
        """Return the schema of an answer that a client has a say in.

        Args:
            schema: That of the answer nobody said anything of.
            is_page: Whether it is a page, whose own members are always there.
            expanded: That of the answer of which parts may be shown whole, where there are such.
            selects: Whether the client chooses the fields, so that each may be missing.
        """
        choices, parameters = [schema], []
        if expanded is not None:
            choices.append(expanded)
            parameters.append("expand")
        if selects:
            choices.append(self._loose(choices[-1], keep_required=is_page))
            parameters.append("fields")
        return {"anyOf": choices, CHOSEN_MARK: parameters}

    def partial(self, schema: dict[str, Any], *, is_page: bool) -> dict[str, Any]:
        """Return the schema of an answer that leaves out members.

        Args:
            schema: That of the whole answer.
            is_page: Whether it is a page, whose own members are always there.
        """
        loose: dict[str, Any] = self._loose(schema, keep_required=is_page)
        return loose

    def _loose(self, schema: Any, *, keep_required: bool = False) -> Any:
        """Return a schema of the same fields of which each may be missing, those of fields too."""
        if isinstance(schema, list):
            return [self._loose(one) for one in schema]
        if not isinstance(schema, dict):
            return schema
        name = str(schema.get("$ref", "")).removeprefix(_REF)
        if "$ref" in schema and name in self.schemas:
            return {**schema, "$ref": f"{_REF}{self._loosened(name, keep_required)}"}
        made: dict[str, Any] = {}
        for key, value in schema.items():
            if key in _AS_IT_IS or (key == "required" and keep_required):
                made[key] = value
            elif key == "properties":
                made[key] = {one: self._loose(inner) for one, inner in value.items()}
            elif key not in ("required", "discriminator"):
                # Without what must be there, one value may be several of the alternatives.
                made["anyOf" if key == "oneOf" else key] = self._loose(value)
        return made

    def _loosened(self, name: str, keep_required: bool) -> str:
        """Return the name of the schema whose fields may be missing, which is made when it is first asked for."""
        if name not in self._chosen:
            number, loose = 2, f"{name}Chosen"
            while loose in self.schemas:
                loose, number = f"{name}Chosen{number}", number + 1
            self._chosen[name] = loose
            self.schemas[loose] = {}  # a schema that holds itself finds its name taken
            self.schemas[loose] = self._loose(self.schemas[name], keep_required=keep_required)
            self.schemas = dict(sorted(self.schemas.items()))
        return self._chosen[name]


class _Structs:
    """The structs that pydantic's schemas only have a mark for; msgspec tells how they look.

    Args:
        places: Where to look for marks.
        taken: Names that schemas have already.
    """

    def __init__(self, places: Any, taken: set[str]) -> None:
        self._found: list[Any] = []
        self._find(places)
        self.definitions: dict[str, Any] = {}
        self._schemas: list[dict[str, Any]] = []
        if not self._found:
            return
        schemas, named = msgspec.json.schema_components(self._found, ref_template=f"{_REF}{{name}}")
        names = {name: f"{name}Struct" if name in taken else name for name in named}
        self._schemas = [_renamed(schema, names) for schema in schemas]
        self.definitions = {names[name]: _renamed(schema, names) for name, schema in named.items()}

    def _find(self, value: Any) -> None:
        if isinstance(value, dict):
            if STRUCT_MARK in value:
                if not any(value[STRUCT_MARK] == known for known in self._found):
                    self._found.append(value[STRUCT_MARK])
                return
            value = list(value.values())
        if isinstance(value, list):
            for item in value:
                self._find(item)

    def put_into(self, value: Any) -> Any:
        """Return schemas with the structs' in the place of their marks."""
        if isinstance(value, dict):
            if STRUCT_MARK in value:
                index = next(place for place, known in enumerate(self._found) if known == value[STRUCT_MARK])
                rest = {name: item for name, item in value.items() if name != STRUCT_MARK}
                return {**self._schemas[index], **rest}
            return {name: self.put_into(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.put_into(item) for item in value]
        return value


def _renamed(schema: Any, names: dict[str, str]) -> Any:
    if isinstance(schema, dict):
        return {
            name: _REF + names[item.removeprefix(_REF)]
            if name == "$ref" and isinstance(item, str)
            else _renamed(item, names)
            for name, item in schema.items()
        }
    if isinstance(schema, list):
        return [_renamed(item, names) for item in schema]
    return schema


def _clean(schema: Any) -> Any:
    """Drop the titles that pydantic makes of names: they say nothing and make the document a third longer."""
    if isinstance(schema, dict):
        if PROBLEM_MARK in schema:
            return {"$ref": _TEMPLATE.format(model="Problem")}
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
