"""One compiled endpoint as one operation of the document."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import TypeAdapter

from covet.problems import phrase
from covet.rest.bodies import JSON_PATCH
from covet.rest.endpoint import Compiled
from covet.rest.openapi.components import Components, problem_response
from covet.rest.openapi.security import requirements, uses_csrf
from covet.rest.pagination import PageRequest, has_link_header
from covet.rest.params import Marker
from covet.rest.render import UNSET
from covet.rest.signature import Parameter
from covet.rest.streams import media_types
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
    if compiled.endpoint.patches is not None:
        components.add(_json_patch(), "validation")
    for parameter in _form(compiled):
        if parameter.marker.source == "form":
            components.add(parameter.annotation, "validation")
    for schema, _ in _answers(compiled).values():
        if _is_schema(schema):
            components.add(schema, "serialization")
    if compiled.expansion is not None:
        components.add(compiled.expansion.documented, "serialization")
    if compiled.stream is not None and compiled.stream.item is not None:
        components.add(compiled.stream.item, "serialization")


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
    parameters.extend(_condition_parameters(compiled))
    if compiled.version is not None:
        parameters.extend(compiled.version.parameters())
    if parameters:
        described["parameters"] = parameters
    body = _request_body(compiled, components)
    if body:
        described["requestBody"] = body
    described["responses"] = _responses(compiled, components)
    if endpoint.deprecated or compiled.deprecation is not None:
        described["deprecated"] = True
    asked = endpoint.security
    if asked is not None or not compiled.is_open:
        described["security"] = requirements(asked, write=endpoint.is_write)
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
    elif endpoint.summary and endpoint.summary != first:
        rest = doc  # its first line is said nowhere else
    summary = endpoint.summary or first.replace("\n", " ").rstrip(".") or f"{_sentence(name)}{label}"
    # A docstring's sections (Args, Returns) are for people who read the code.
    description = endpoint.description
    if description is None:
        rest, _, _ = rest.partition("\f")  # what follows a form feed is for those who read the code
        description = rest.split("\n\nArgs:")[0].split("\n\nReturns:")[0].split("\n\nRaises:")[0]
        if description.startswith(("Args:", "Returns:", "Raises:")):
            description = ""
    return str(summary), str(description).strip()


def _sentence(name: str) -> str:
    words = camel_to_words(name).replace("_", " ").strip()
    return words[:1].upper() + words[1:]


# ── parameters


def _parameters(compiled: Compiled) -> Iterator[Parameter]:
    for parameter in (*compiled.signature.described(), *compiled.page_parameters, *compiled.told_parameters):
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
            schema = _both(components.of(parameter.annotation, "validation"), schema)
            _title(schema, parameter.marker)
            described.update(_about(parameter.marker))
        described["schema"] = schema
        yield described


def _both(own: dict[str, Any], path: dict[str, Any]) -> dict[str, Any]:
    """Return what the handler's type says and what the path itself says beyond it."""
    if not own:
        return path
    made = dict(own)
    if "minimum" in path and "exclusiveMinimum" not in own:
        made["minimum"] = max(path["minimum"], own.get("minimum", path["minimum"]))
    if "pattern" in path:
        if "pattern" in own:
            made["allOf"] = [*own.get("allOf", ()), {"pattern": path["pattern"]}]
        else:
            made["pattern"] = path["pattern"]
    return made


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
        _title(schema, parameter.marker)
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


def _title(schema: dict[str, Any], marker: Marker) -> None:
    if marker.title:
        schema["title"] = str(marker.title)


def _about(marker: Marker) -> dict[str, Any]:
    about: dict[str, Any] = {}
    if marker.description:
        about["description"] = str(marker.description)
    if marker.deprecated:
        about["deprecated"] = True
    if marker.examples:
        about["examples"] = {name: dict(example) for name, example in marker.examples.items()}
    return about


def _condition_parameters(compiled: Compiled) -> Iterator[dict[str, Any]]:
    """Give the headers of conditional requests."""
    names: dict[str, str] = {}
    if compiled.endpoint.conditional and not compiled.endpoint.is_write:
        names["If-None-Match"] = "An ETag: nothing is sent again that is still in this state."
    if _changes_row(compiled):
        names["If-Match"] = "An ETag: nothing is done if it is in another state by now."
    for name, text in names.items():
        described: dict[str, Any] = {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}
        if name == "If-Match" and getattr(_viewset(compiled), "require_match", False):
            described["required"] = True
        yield described


def _viewset(compiled: Compiled) -> Any:
    return getattr(compiled.endpoint.handler, "__self__", None)


def _changes_row(compiled: Compiled) -> bool:
    """Whether an endpoint is one of a viewset that changes one row, and so asks what state it is meant for."""
    name = getattr(compiled.endpoint.handler, "__name__", "")
    return hasattr(_viewset(compiled), "require_match") and name in ("update", "patch", "delete")


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
    schema = components.of(compiled.binding.body, "validation")
    media: dict[str, Any] = {"schema": schema}
    if len(signature.bodies) == 1:  # of several, each is a member of one schema
        marker = signature.bodies[0].marker
        about = _about(marker)
        if "description" in about:
            body["description"] = about["description"]
        if "examples" in about:
            media["examples"] = about["examples"]
        if marker.title:
            media["schema"] = {**schema, "title": str(marker.title)}
    body["content"] = {kind: media for kind in compiled.body_kinds}
    if compiled.endpoint.patches is not None:
        body["content"][JSON_PATCH] = {"schema": components.of(_json_patch(), "validation")}
    return body


def _json_patch() -> Any:
    from covet.rest.patches import JsonPatch  # for documents with a viewset that changes rows

    return JsonPatch


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
        _title(schema, parameter.marker)
        about = _about(parameter.marker)
        if "examples" in about:
            about["examples"] = [example["value"] for example in about["examples"].values() if "value" in example]
        schema.update(about)
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


def _answers(compiled: Compiled) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Return for each status the schema of its answer, and what the endpoint says of it in OpenAPI's words."""
    main = str(compiled.status)
    answers: dict[str, tuple[Any, dict[str, Any]]] = {main: (compiled.plan.schema, {})}
    for status, said in compiled.endpoint.responses.items():
        key = status if isinstance(status, str) else str(int(status))
        words = dict(said) if isinstance(said, Mapping) else {}
        schema = words.pop("model", None) if isinstance(said, Mapping) else said
        if key == main and (schema is None or compiled.plan.schema is not UNSET):
            schema = compiled.plan.schema  # only a handler that makes its own response leaves it to `responses`
        answers[key] = (schema, words)
    return answers


def _is_schema(schema: Any) -> bool:
    return schema is not None and schema is not UNSET and schema is not type(None)


def _unsaid(compiled: Compiled, components: Components) -> dict[str, Any]:
    """Return the content of an answer that no schema describes as a whole: a stream's, or that of a response class."""
    stream = compiled.stream
    if stream is not None:
        if stream.item is None:
            return {stream.media_type: {"schema": {"type": "string"}}}
        item = components.of(stream.item, "serialization")
        return {stream.media_type: {"schema": {**item, "description": "One such value on each line."}}}
    kinds = media_types(compiled.signature.returns)
    return _contents(compiled, {}) if kinds is None else {kind: {} for kind in kinds}


def _responses(compiled: Compiled, components: Components) -> dict[str, Any]:
    described: dict[str, Any] = {}
    # The answer to a write is no state that a GET would show: it has no tag.
    is_tagged = compiled.endpoint.conditional and not compiled.endpoint.is_write
    for status, (schema, words) in _answers(compiled).items():
        is_main = status == str(compiled.status)
        one: dict[str, Any] = {"description": _phrase(status)}
        content: dict[str, Any] = {}
        if _is_schema(schema):
            shown = components.of(schema, "serialization")
            content = _contents(compiled, _said(compiled, components, shown) if is_main else shown)
        elif schema is UNSET and "content" not in words:
            content = _unsaid(compiled, components)
        elif schema is None and "content" not in words and status[0] in "45":
            content = problem_response("")["content"]  # errors have this form, whatever else is said of one
        one.update(words)
        if content := {**content, **words.get("content", {})}:
            one["content"] = content
        if is_tagged and schema is not None and status.startswith("2"):
            one["headers"] = {**one.get("headers", {}), **_headers(compiled)}
        if told := _told_headers(compiled, is_page=is_main):
            one["headers"] = {**one.get("headers", {}), **told}
        described[status] = one
    if is_tagged:
        described["304"] = {"description": "The client has this already (If-None-Match, If-Modified-Since)."}
    for number, text in _problems(compiled):
        described.setdefault(str(number), problem_response(text))
        if number == 429:
            wait = {"description": "Seconds to wait.", "schema": {"type": "integer"}}
            described["429"].setdefault("headers", {"Retry-After": wait})
        if number == 415 and compiled.accept_patch:
            kinds = {"description": "What a PATCH may be (RFC 5789).", "schema": {"type": "string"}}
            described["415"].setdefault("headers", {"Accept-Patch": kinds})
    return dict(sorted(described.items()))


def _phrase(status: str) -> str:
    if status.isdigit():
        return phrase(int(status))
    return "Any other answer." if status == "default" else f"Any other status of {status}."


def _said(compiled: Compiled, components: Components, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of the answer with what the endpoint leaves out of it, and what its client may choose."""
    is_page = compiled.plan.page is not None and not compiled.plan.page.is_bare
    if compiled.endpoint.omit:
        return components.partial(schema, is_page=is_page)
    expansion, selects = compiled.expansion, compiled.fields is not None
    if expansion is None and not selects:
        return schema
    expanded = None if expansion is None else components.of(expansion.documented, "serialization")
    return components.chosen(schema, is_page=is_page, expanded=expanded, selects=selects)


def _contents(compiled: Compiled, schema: dict[str, Any]) -> dict[str, Any]:
    """Return an answer in each of its forms; a page for people is a text."""
    return {one.media_types[0]: {"schema": {"type": "string"} if one.page else schema} for one in compiled.formats}


def _headers(compiled: Compiled) -> dict[str, Any]:
    described = {"ETag": {"description": "Names this state.", "schema": {"type": "string"}}}
    if compiled.endpoint.last_modified is not None:
        described["Last-Modified"] = {"description": "When it was last changed.", "schema": {"type": "string"}}
    return described


def _told_headers(compiled: Compiled, *, is_page: bool) -> dict[str, Any]:
    texts: dict[str, str] = {}
    page = compiled.plan.page
    if compiled.throttles:
        texts["RateLimit-Policy"] = "What may be asked in what time."
        texts["RateLimit"] = "What is left of it."
    if compiled.deprecation is not None:
        texts.update(compiled.deprecation.described())
    if is_page and page is not None and has_link_header(page):
        text = "The addresses of the first, prev, next and last page, where there are such (RFC 8288)."
        texts["Link"] = f"{text} {texts['Link']}" if "Link" in texts else text
        if page.is_bare:
            texts["X-Total-Count"] = "How many items there are on all pages."
    return {name: {"description": text, "schema": {"type": "string"}} for name, text in texts.items()}


def _problems(compiled: Compiled) -> Iterator[tuple[int, str]]:
    """Give the problems that this endpoint can answer with."""
    signature = compiled.signature
    has_body = compiled.binding.body is not None or signature.has_form
    if has_body:
        yield 400, "The body cannot be read."
    if not compiled.is_open:
        yield 401, "Nobody is logged in."
        yield 403, "This user may not."
    elif uses_csrf() and compiled.endpoint.is_write:
        yield 403, "A write with a session lacks the CSRF token."
    if compiled.converters or getattr(compiled.plan.page, "asked_by", None) is PageRequest:
        yield 404, "Nothing is there."
    if compiled.plan.schema is not None and compiled.negotiates:
        yield 406, "There is no form that the client takes."
    if (compiled.model is not None or compiled.endpoint.idempotent) and compiled.endpoint.is_write:
        yield 409, "It does not fit with what is there, such as a value that must be unique."
    if compiled.endpoint.conditional or _changes_row(compiled):
        yield 412, "It is in another state than the request is meant for (If-Match, If-Unmodified-Since)."
    if has_body:
        yield 413, "The body is too large."
        yield 415, "The body is of another kind."
    if has_body or signature.parameters or signature.groups or compiled.page_parameters or compiled.told_parameters:
        yield 422, "Some values are not valid."
    if compiled.throttles:
        yield 429, "Too many requests; Retry-After says when to come back."
    if getattr(_viewset(compiled), "require_match", False) and _changes_row(compiled):
        yield 428, "The request does not say by If-Match which state it is meant for."
    if compiled.endpoint.idempotent and compiled.endpoint.is_write:
        yield 400, "The Idempotency-Key is none."
    if any(not one.fail_open for one in compiled.throttles) or (
        compiled.endpoint.idempotent and compiled.endpoint.is_write
    ):
        yield 503, "Something that the answer needs cannot be reached."
    if compiled.version is not None:
        yield compiled.version.unknown_status, "There is no such version."
