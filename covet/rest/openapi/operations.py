"""One compiled endpoint as one operation of the document."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, Final

from pydantic import TypeAdapter

from covet.problems import phrase
from covet.rest.endpoint import Compiled
from covet.rest.openapi.components import Components, problem_response
from covet.rest.pagination import Page
from covet.rest.params import Marker
from covet.rest.render import UNSET
from covet.rest.signature import Parameter
from covet.text import camel_to_words

__all__ = ["collect", "operation"]

_CONVERTERS: Final[dict[str, dict[str, Any]]] = {
    "IntConverter": {"type": "integer", "minimum": 0},
    "UUIDConverter": {"type": "string", "format": "uuid"},
    "SlugConverter": {"type": "string", "pattern": "^[-a-zA-Z0-9_]+$"},
}
_IN: Final = {"query": "query", "header": "header", "cookie": "cookie"}


def collect(compiled: Compiled, components: Components) -> None:
    """Say which types an endpoint names."""
    for parameter in _parameters(compiled):
        components.add(parameter.annotation, "validation")
    body = compiled.binding.body
    if body is not None:
        components.add(body, "validation")
    for parameter in _form(compiled):
        if parameter.marker.source == "form":
            components.add(parameter.annotation, "validation")
    for schema in _answers(compiled).values():
        if schema is not None and schema is not UNSET:
            components.add(schema, "serialization")


def operation(compiled: Compiled, components: Components, operation_id: str) -> dict[str, Any]:
    """Return the operation; ``collect`` and ``Components.build`` come before."""
    endpoint = compiled.endpoint
    described: dict[str, Any] = {}
    if endpoint.tags:
        described["tags"] = list(endpoint.tags)
    summary, description = _texts(compiled)
    described["summary"] = summary
    if description:
        described["description"] = description
    described["operationId"] = operation_id
    parameters = [*_path_parameters(compiled, components), *_other_parameters(compiled, components)]
    if parameters:
        described["parameters"] = parameters
    body = _request_body(compiled, components)
    if body:
        described["requestBody"] = body
    described["responses"] = _responses(compiled, components)
    if endpoint.deprecated:
        described["deprecated"] = True
    return described


def _texts(compiled: Compiled) -> tuple[str, str]:
    endpoint = compiled.endpoint
    doc = inspect.getdoc(endpoint.handler) or ""
    first, _, rest = doc.partition("\n\n")
    name = getattr(endpoint.handler, "__name__", "")
    label = ""
    if compiled.model is not None and name in ("list", "create", "read", "update", "patch", "delete"):
        meta = compiled.model._meta
        label = f" {meta.verbose_name_plural if name == 'list' else meta.verbose_name}"
        first, rest = "", ""
    summary = endpoint.summary or first.replace("\n", " ").rstrip(".") or f"{_sentence(name)}{label}"
    # A docstring's sections (Args, Returns) are for people who read the code.
    description = endpoint.description
    if description is None:
        description = rest.split("\n\nArgs:")[0].split("\n\nReturns:")[0].split("\n\nRaises:")[0]
        if description.startswith(("Args:", "Returns:", "Raises:")):
            description = ""
    return str(summary), str(description).strip()


def _sentence(name: str) -> str:
    words = camel_to_words(name).replace("_", " ").strip()
    return words[:1].upper() + words[1:]


# ── parameters


def _parameters(compiled: Compiled) -> Iterator[Parameter]:
    for parameter in (*compiled.signature.described(), *compiled.page_parameters):
        if parameter.marker.source in ("path", *_IN) and parameter.marker.include_in_schema:
            yield parameter


def _form(compiled: Compiled) -> list[Parameter]:
    return [one for one in compiled.signature.described() if one.marker.source in ("form", "file")]


def _path_parameters(compiled: Compiled, components: Components) -> Iterator[dict[str, Any]]:
    told = {one.wire: one for one in compiled.signature.of("path")}
    for name, converter in compiled.converters.items():
        schema = dict(_CONVERTERS.get(type(converter).__name__, {"type": "string"}))
        described: dict[str, Any] = {"name": name, "in": "path", "required": True}
        parameter = told.get(name)
        if parameter is not None:
            schema = {**components.of(parameter.annotation, "validation"), **_kept(schema)}
            described.update(_about(parameter.marker))
        described["schema"] = schema
        yield described


def _kept(schema: dict[str, Any]) -> dict[str, Any]:
    """What the path itself says beyond the handler's type."""
    return {name: value for name, value in schema.items() if name in ("minimum", "pattern")}


def _other_parameters(compiled: Compiled, components: Components) -> Iterator[dict[str, Any]]:
    for parameter in _parameters(compiled):
        source = parameter.marker.source
        if source == "path":
            continue
        # RFC 9110 headers that OpenAPI tells by other means are not parameters (OpenAPI 3.1, 4.8.12.1).
        if source == "header" and parameter.wire in ("accept", "content-type", "authorization"):
            continue
        described: dict[str, Any] = {"name": parameter.wire, "in": _IN[source]}
        if parameter.is_required:
            described["required"] = True
        described.update(_about(parameter.marker))
        schema = dict(components.of(parameter.annotation, "validation"))
        if not parameter.is_required:
            _tell_default(schema, parameter)
        if parameter.by_comma:
            described["style"], described["explode"] = "form", False
        described["schema"] = schema
        yield described


def _tell_default(schema: dict[str, Any], parameter: Parameter) -> None:
    if parameter.default is None:
        return
    default = TypeAdapter(Any).dump_python(parameter.default, mode="json")
    schema.setdefault("default", default)


def _about(marker: Marker) -> dict[str, Any]:
    about: dict[str, Any] = {}
    if marker.description:
        about["description"] = str(marker.description)
    if marker.deprecated:
        about["deprecated"] = True
    if marker.examples:
        about["examples"] = {f"example{number}": {"value": value} for number, value in enumerate(marker.examples, 1)}
    return about


# ── body and answers


def _request_body(compiled: Compiled, components: Components) -> dict[str, Any]:
    signature = compiled.signature
    if signature.has_form:
        return _form_body(compiled, components)
    if compiled.binding.body is None:
        return {}
    body: dict[str, Any] = {}
    if any(one.is_required for one in signature.bodies):
        body["required"] = True
    body["content"] = {"application/json": {"schema": components.of(compiled.binding.body, "validation")}}
    return body


def _form_body(compiled: Compiled, components: Components) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required: list[str] = []
    parameters = _form(compiled)
    has_files = any(one.marker.source == "file" for one in parameters)
    for parameter in parameters:
        if parameter.marker.source == "file":
            file = {"type": "string", "format": "binary"}
            schema: dict[str, Any] = {"type": "array", "items": file} if parameter.is_list else file
        else:
            schema = dict(components.of(parameter.annotation, "validation"))
            if not parameter.is_required:
                _tell_default(schema, parameter)
        if parameter.marker.description:
            schema["description"] = str(parameter.marker.description)
        properties[parameter.wire] = schema
        if parameter.is_required:
            required.append(parameter.wire)
    schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    kinds = ["multipart/form-data"] if has_files else ["application/x-www-form-urlencoded", "multipart/form-data"]
    body: dict[str, Any] = {"required": True} if required else {}
    body["content"] = {kind: {"schema": schema} for kind in kinds}
    return body


def _answers(compiled: Compiled) -> dict[int, Any]:
    """Return the schemas of the answers by status."""
    answers: dict[int, Any] = {compiled.status: compiled.plan.schema}
    for status, schema in compiled.endpoint.responses.items():
        answers.setdefault(int(status), schema)
    return answers


def _responses(compiled: Compiled, components: Components) -> dict[str, Any]:
    described: dict[str, Any] = {}
    for status, schema in _answers(compiled).items():
        one: dict[str, Any] = {"description": phrase(status)}
        if schema is UNSET:
            one["content"] = {"application/json": {"schema": {}}}
        elif schema is not None and schema is not type(None):
            one["content"] = {"application/json": {"schema": components.of(schema, "serialization")}}
        described[str(status)] = one
    for status, text in _problems(compiled):
        described.setdefault(str(status), problem_response(text))
    return dict(sorted(described.items()))


def _problems(compiled: Compiled) -> Iterator[tuple[int, str]]:
    """Give the problems that this endpoint can answer with."""
    signature = compiled.signature
    has_body = compiled.binding.body is not None or signature.has_form
    if has_body:
        yield 400, "The body cannot be read."
    if not compiled.is_open:
        yield 401, "Nobody is logged in."
        yield 403, "This user may not."
    if compiled.converters or compiled.plan.page is Page:
        yield 404, "Nothing is there."
    if compiled.model is not None and compiled.endpoint.is_write:
        yield 409, "It does not fit with what is there, such as a value that must be unique."
    if has_body:
        yield 413, "The body is too large."
        yield 415, "The body is of another kind."
    if has_body or signature.parameters or signature.groups or compiled.page_parameters:
        yield 422, "Some values are not valid."
    if compiled.throttles:
        yield 429, "Too many requests; Retry-After says when to come back."
