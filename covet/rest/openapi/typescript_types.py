"""JSON schemas as TypeScript types."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

__all__ = ["RESERVED", "Names", "comment", "declarations", "member", "type_of"]

_REF: Final = "#/components/schemas/"
_IDENTIFIER: Final = re.compile(r"^[A-Za-z_$][\w$]*$")
_SIMPLE: Final = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}

RESERVED: Final = frozenset(
    {
        *(
            "ApiError",
            "Call",
            "Client",
            "ClientOptions",
            "RequestOptions",
            "ServerEvent",
            "Transport",
            "Value",
            "Webhooks",
            "CSRF",
        ),
        *("AbortSignal", "Array", "AsyncGenerator", "Blob", "BodyInit", "Date", "Error", "FormData", "Headers", "JSON"),
        *("Object", "Promise", "ReadonlyArray", "Record", "RequestCredentials", "RequestInit", "Response", "String"),
        *("URLSearchParams", "Symbol", "Map", "Set", "Number", "Boolean", "Function"),
        *("any", "boolean", "never", "null", "number", "object", "string", "symbol", "undefined", "unknown", "void"),
    }
)
"""Names that the client's own code uses, so that no schema may have them."""


class Names:
    """The names of schemas in TypeScript: identifiers, none twice, none that the client uses itself."""

    def __init__(self, schemas: Iterable[str]) -> None:
        self._names: dict[str, str] = {}
        used: set[str] = set(RESERVED)
        for schema in schemas:
            # pydantic's Tree-Input is TreeInput, and Page_Tree_ is PageTree: what people would write.
            parts = re.split(r"[\W_]+", schema, flags=re.ASCII)
            name = "".join([part[:1].upper() + part[1:] for part in parts]) or "Schema"
            if name[0].isdigit():
                name = f"_{name}"
            if name in RESERVED:
                name += "Schema"
            unique, number = name, 2
            while unique in used:
                unique, number = f"{name}{number}", number + 1
            used.add(unique)
            self._names[schema] = unique

    def of(self, reference: str) -> str:
        """Return the name of what a ``$ref`` refers to; what the document does not hold can be anything."""
        return self._names.get(reference.removeprefix(_REF).replace("~1", "/").replace("~0", "~"), "unknown")


def type_of(schema: Any, names: Names) -> str:
    """Return the type of a schema."""
    if not isinstance(schema, Mapping):
        return "never" if schema is False else "unknown"
    if "$ref" in schema:
        return names.of(schema["$ref"])
    if "const" in schema:
        return _literal(schema["const"])
    if "enum" in schema:
        return _union(_literal(value) for value in schema["enum"])
    for word in ("oneOf", "anyOf"):
        if word in schema:
            rest = {name: value for name, value in schema.items() if name in ("properties", "required")}
            union = _union(type_of(one, names) for one in schema[word])
            return f"({union}) & {_object(rest, names)}" if rest.get("properties") else union
    if "allOf" in schema:
        # Parts that hold rules alone, such as patterns, say nothing of the type.
        parts = [_closed(found) for one in schema["allOf"] if (found := type_of(one, names)) != "unknown"]
        if schema.get("properties"):
            parts.append(_object(schema, names))
        if parts or "type" not in schema:
            return " & ".join(parts) or "unknown"
    kind = schema.get("type")
    if isinstance(kind, list):
        return _union(type_of({**schema, "type": one}, names) for one in kind)
    return _plain(kind, schema, names)


def _plain(kind: Any, schema: Mapping[str, Any], names: Names) -> str:
    if kind == "string" and schema.get("format") == "binary":
        return "Blob"
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    if kind == "array" or "items" in schema or "prefixItems" in schema:
        return _array(schema, names)
    if kind == "object" or "properties" in schema:
        return _object(schema, names)
    return "unknown"


def _array(schema: Mapping[str, Any], names: Names) -> str:
    if "prefixItems" in schema:
        parts = [type_of(one, names) for one in schema["prefixItems"]]
        if isinstance(schema.get("items"), Mapping):
            parts.append(f"...{_closed(type_of(schema['items'], names))}[]")
        return f"[{', '.join(parts)}]"
    return f"{_closed(type_of(schema.get('items', True), names))}[]"


def _object(schema: Mapping[str, Any], names: Names) -> str:
    properties = schema.get("properties", {})
    further = schema.get("additionalProperties")
    if not properties:
        return "Record<string, never>" if further is False else f"Record<string, {type_of(further, names)}>"
    required = set(schema.get("required", ()))
    members = [
        f"{member(name)}{'' if name in required else '?'}: {type_of(one, names)}" for name, one in properties.items()
    ]
    shown = f"{{ {'; '.join(members)} }}"
    # Beside members of other types an index signature would have to take these too.
    return f"{shown} & Record<string, unknown>" if further is True else shown


def _closed(kind: str) -> str:
    """Put a union, or whatever else would fall apart, in brackets."""
    return f"({kind})" if re.search(r" [|&] ", kind) else kind


def _union(kinds: Iterable[str]) -> str:
    return " | ".join(dict.fromkeys(_closed(kind) if " & " in kind else kind for kind in kinds)) or "never"


def _literal(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, (dict, list)) else "unknown"


def member(name: str) -> str:
    """Return a member's name, quoted where it is no identifier."""
    return name if _IDENTIFIER.match(name) else json.dumps(name, ensure_ascii=False)


def comment(text: str, indent: str = "", *tags: str) -> Iterator[str]:
    """Give the lines of a comment; nothing without a text."""
    lines = [line.rstrip() for line in (*text.strip().splitlines(), *tags)]
    lines = [line.replace("*/", "*\\/") for line in lines]
    if not any(lines):
        return
    if len(lines) == 1:
        yield f"{indent}/** {lines[0]} */"
        return
    yield f"{indent}/**"
    yield from (f"{indent} * {line}".rstrip() for line in lines)
    yield f"{indent} */"


def declarations(schemas: Mapping[str, Any], names: Names) -> Iterator[str]:
    """Give the lines that declare a type for each schema."""
    for schema_name, schema in schemas.items():
        name = names.of(_REF + schema_name.replace("~", "~0").replace("/", "~1"))
        yield from comment(str(schema.get("description", "")))
        is_interface = (
            schema.get("properties")
            and schema.get("type", "object") == "object"
            and not any(word in schema for word in ("allOf", "anyOf", "oneOf", "enum", "const"))
        )
        if not is_interface:
            yield f"export type {name} = {type_of(schema, names)};"
            yield ""
            continue
        required = set(schema.get("required", ()))
        yield f"export interface {name} {{"
        for key, one in schema["properties"].items():
            notes = ["@deprecated"] if one.get("deprecated") else []
            yield from comment(_about(one), "  ", *notes)
            yield f"  {member(key)}{'' if key in required else '?'}: {type_of(one, names)};"
        if schema.get("additionalProperties") is True:
            yield "  [name: string]: unknown;"
        yield "}"
        yield ""


def _about(schema: Mapping[str, Any]) -> str:
    text = str(schema.get("description", ""))
    form = schema.get("format")
    if form and form != "binary":
        text = f"{text} ({form})" if text else f"({form})"
    return text
