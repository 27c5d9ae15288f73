"""A typed client in TypeScript, made of an OpenAPI document: one module without dependencies, for browsers and Node.

The same document gives the same bytes, so that the client can be committed and compared.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from covet.rest.openapi.components import CHOSEN_MARK
from covet.rest.openapi.typescript_types import RESERVED, Names, comment, declarations, member, type_of

__all__ = ["typescript_client"]

_RUNTIME: Final = Path(__file__).resolve().parent / "runtime.ts"
_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_FORMS: Final = {"multipart/form-data": "multipart", "application/x-www-form-urlencoded": "urlencoded"}
_TEXT: Final = re.compile(r"text/|[^;]*[/+](?:json|xml|yaml|x-ndjson)\b")
_OWN: Final = frozenset({"constructor", "send", "follow", "sent", "fetched", "opened", "lines", "events", "options"})
_JSON: Final = re.compile(r"[/+]json$")
# What stands in the place of the body where an operation takes such (RFC 7396, RFC 6902).
_PATCHES: Final = (
    (
        "mergePatch",
        "application/merge-patch+json",
        "What is sent in its place: members that go into those that are there.",
    ),
    (
        "jsonPatch",
        "application/json-patch+json",
        "What is sent in its place: operations, done in their order, all or none.",
    ),
)
_STREAMS: Final = {"text/event-stream": "events", "application/x-ndjson": "lines"}


def typescript_client(document: Mapping[str, Any]) -> str:
    """Return the module.

    Args:
        document: An OpenAPI 3.1 document, as ``build_document`` gives it.
    """
    schemas = document.get("components", {}).get("schemas", {})
    names = Names(schemas)
    operations = _operations(document, names)
    lines = [
        f"// The client of {_line(document['info']['title'])} {_line(document['info']['version'])}.",
        "// Made by `manage.py client --lang ts`; it is written anew, not changed by hand.",
        "",
        *declarations(schemas, names),
        *_webhooks(document.get("webhooks", {}), names),
        _csrf(document),
        "",
        _RUNTIME.read_text("utf-8").rstrip(),
        "",
    ]
    for one in operations:
        lines.extend(one.error_type())
    lines.append("")
    lines.extend(comment(str(document["info"].get("description", ""))))
    lines.append("export class Client extends Transport {")
    for number, one in enumerate(operations):
        lines.extend([""] if number else [])
        lines.extend(one.method())
    lines.append("}")
    return "\n".join(lines) + "\n"


def _line(value: Any) -> str:
    return " ".join(str(value).split())


def _csrf(document: Mapping[str, Any]) -> str:
    scheme = document.get("components", {}).get("securitySchemes", {}).get("csrf")
    told = "null"
    if scheme is not None:
        told = f"{{ cookie: {json.dumps(scheme['x-csrf-cookie'])}, header: {json.dumps(scheme['name'])} }}"
    return f"const CSRF: {{ readonly cookie: string; readonly header: string }} | null = {told};"


def _webhooks(webhooks: Mapping[str, Any], names: Names) -> Iterator[str]:
    if not webhooks:
        return
    yield "/** What the server sends to those who asked for it, by what happened. */"
    yield "export interface Webhooks {"
    for name, item in webhooks.items():
        for method in _METHODS:
            if method in item:
                media = item[method].get("requestBody", {}).get("content", {})
                schema = next((one.get("schema", {}) for one in media.values()), None)
                yield from comment(item[method].get("summary", ""), "  ")
                yield f"  {member(name)}: {'undefined' if schema is None else type_of(schema, names)};"
                break
    yield "}"
    yield ""


def _operations(document: Mapping[str, Any], names: Names) -> list[_Operation]:
    found = []
    used: set[str] = set(_OWN)
    for path, item in document.get("paths", {}).items():
        for method in _METHODS:
            if method not in item:
                continue
            described = item[method]
            wanted = _camel(described.get("operationId") or f"{method} {path}")
            name, number = wanted, 2
            while name in used:
                name, number = f"{wanted}{number}", number + 1
            used.update((name, f"{name}Items"))
            found.append(_Operation(name, method.upper(), path, described, names, document))
    return found


def _camel(text: str) -> str:
    parts = [part for part in re.split(r"[^A-Za-z0-9]+", text) if part]
    name = "".join([part if not number else part[:1].upper() + part[1:] for number, part in enumerate(parts)])
    name = name[:1].lower() + name[1:]
    return f"_{name}" if not name or name[0].isdigit() else name


class _Argument(Struct, frozen=True):
    """One member of a method's argument.

    Attributes:
        label: Its name there.
        wire: Its name on the wire.
        place: Where it goes.
        kind: Its type.
        is_required: Whether it must be given.
        about: What it is.
        joined: Whether a list goes as one value.
    """

    label: str
    wire: str
    place: str
    kind: str
    is_required: bool
    about: str = ""
    joined: bool = False


class _Operation:
    def __init__(
        self,
        name: str,
        method: str,
        path: str,
        described: Mapping[str, Any],
        names: Names,
        document: Mapping[str, Any],
    ) -> None:
        self.name = name
        self.http_method = method
        self.path = path
        self.described = described
        self.names = names
        self.document = document
        self.form: str | None = None
        # What is answered when parameters are given, the least that is known of it last.
        self.variants: list[tuple[str, Any]] = []
        self.stream: str | None = None
        self.arguments = self._arguments()
        self.answer, self.schema = self._answer()

    @property
    def _error_name(self) -> str:
        name = f"{self.name[:1].upper()}{self.name[1:]}Error"
        return f"{name}Type" if name in RESERVED else name

    def error_type(self) -> Iterator[str]:
        """Give the declaration of what the method throws."""
        statuses = [status for status in self.described.get("responses", {}) if status.isdigit() and int(status) >= 300]
        kind = f"ApiError<{' | '.join(statuses)}>" if statuses else "ApiError"
        yield f"export type {self._error_name} = {kind};"

    def _arguments(self) -> list[_Argument]:
        made: list[_Argument] = []
        used = {"body"}
        for given in self.described.get("parameters", ()):
            place, wire = given["in"], given["name"]
            label = _camel(wire) if place in ("header", "cookie") else wire
            if label in used:
                label = f"{label}_{place}"
            used.add(label)
            kind = type_of(given.get("schema", {}), self.names)
            joined = given.get("explode") is False
            about = str(given.get("description", ""))
            is_required = place == "path" or bool(given.get("required"))
            if place == "path":
                kind = _without_null(kind)
            made.append(_Argument(label, wire, place, kind, is_required, about, joined))
        body = self.described.get("requestBody")
        if body:
            content = body.get("content", {})
            media = "application/json" if "application/json" in content else next(iter(content), "")
            self.form = _FORMS.get(media)
            is_required = bool(body.get("required"))
            made.append(_Argument("body", media, "body", self._sent(media, content), is_required, "What is sent."))
            for name, patch, about in _PATCHES:
                if patch in content and patch != media:
                    label = f"{name}_body" if name in used else name
                    made.append(_Argument(label, patch, "body", self._sent(patch, content), is_required, about))
        return made

    def _sent(self, media: str, content: Mapping[str, Any]) -> str:
        """Return the type of a body of a form."""
        if media and media not in _FORMS and not _JSON.search(media):
            return "BodyInit"
        return type_of(content.get(media, {}).get("schema", {}), self.names)

    def _answer(self) -> tuple[str, Any]:
        kinds: list[str] = []
        schema: Any = None
        for status, response in self.described.get("responses", {}).items():
            if not status.startswith("2"):
                continue
            content = response.get("content", {})
            if "application/json" in content:
                schema = content["application/json"].get("schema", {})
                if CHOSEN_MARK in schema:
                    self.variants = list(zip(schema[CHOSEN_MARK], schema["anyOf"][1:], strict=True))
                    schema = schema["anyOf"][0]
                kinds.append(type_of(schema, self.names))
            elif any(kind in _STREAMS for kind in content):
                kind, media = next((kind, one) for kind, one in content.items() if kind in _STREAMS)
                self.stream = _STREAMS[kind]
                is_events = self.stream == "events"
                kinds.append("ServerEvent" if is_events else type_of(media.get("schema", {}), self.names))
            else:
                kinds.append(_other_kind(content))
        kinds = list(dict.fromkeys(kinds))
        if kinds in (["undefined"], []):
            return "void", None
        return " | ".join(kinds), schema

    def method(self) -> Iterator[str]:
        """Give the lines of the method, and of its generator where the answer is a page."""
        deprecated = ["@deprecated"] if self.described.get("deprecated") else []
        text = str(self.described.get("summary", self.name))
        more = str(self.described.get("description", ""))
        about = list(
            comment(f"{text}.\n\n{more}" if more else f"{text}.", "  ", f"@throws {{{self._error_name}}}", *deprecated)
        )
        answer = self.answer
        if self.stream is not None:
            yield from about
            yield f"  async *{self.name}({self._signature(given=True)}): AsyncGenerator<{answer}, void, undefined> {{"
            yield f"    yield* this.{self.stream}{'' if self.stream == 'events' else f'<{answer}>'}("
            yield from self._called()
            yield "  }"
            return
        if self.variants:
            # Whoever chooses fields gets an answer of which each may be missing.
            yield from about
            yield f"  {self.name}({self._signature(without=self._given(0))}): Promise<{self.answer}>;"
            for number, (_, schema) in enumerate(self.variants, 1):
                answer = type_of(schema, self.names)
                yield f"  {self.name}({self._signature(without=self._given(number))}): Promise<{answer}>;"
        yield from about if not self.variants else ()
        yield f"  async {self.name}({self._signature(given=True)}): Promise<{answer}> {{"
        yield f"    return this.send<{answer}>("
        yield from self._called()
        yield "  }"
        yield from self._generator(text, answer, deprecated)

    def _called(self) -> Iterator[str]:
        yield "      {"
        for line in self._call():
            yield f"        {line}"
        yield "      },"
        yield "      options,"
        yield "    );"

    def _generator(self, text: str, answer: str, deprecated: list[str]) -> Iterator[str]:
        item = self._item(self.schema)
        if item is None:
            return
        name = f"{self.name}Items"
        yield ""
        about = list(comment(f"{text}: the items of all pages, from this one on.", "  ", *deprecated))
        yield from about
        if self.variants:
            yield f"  {name}({self._signature(without=self._given(0))}): AsyncGenerator<{item}, void, undefined>;"
            for number, (_, schema) in enumerate(self.variants, 1):
                item = self._item(schema)
                yield f"  {name}({self._signature(without=self._given(number))}): AsyncGenerator<{item}, void, undefined>;"
        yield f"  async *{name}({self._signature(given=True)}): AsyncGenerator<{item}, void, undefined> {{"
        passed = "args, options" if self.arguments else "options"
        yield f"    let page: {answer} = await this.{self.name}({passed});"
        yield "    for (;;) {"
        yield "      yield* page.items;"
        yield "      if (page.next === null || page.next === undefined) return;"
        yield f"      page = await this.follow<{answer}>(page.next, options);"
        yield "    }"
        yield "  }"

    def _given(self, number: int) -> frozenset[str]:
        """Return the parameters that a call with this answer does not have: those of the answers that follow."""
        return frozenset(name for name, _ in self.variants[number:])

    def _signature(self, *, without: Collection[str] = (), given: bool = False) -> str:
        """Return the parameters of the method.

        Args:
            without: The query parameters that such a call does not have.
            given: For the method itself, whose defaults are written out.
        """
        if not self.arguments:
            return f"options{': RequestOptions = {}' if given or not self.variants else '?: RequestOptions'}"
        bodies = [one for one in self.arguments if one.place == "body"]
        plain = self.arguments if len(bodies) < 2 else [one for one in self.arguments if one.place != "body"]
        parts = []
        for one in plain:
            kind = "never" if one.place == "query" and one.wire in without else one.kind
            parts.append(f"    {_member(one, kind)}")
        is_open = not any(one.is_required for one in self.arguments)
        head, tail = ("args", " = {}") if given else ("args?" if is_open else "args", "")
        lines = ["{", *parts, "  }"]
        if len(bodies) > 1:
            lines[-1] += " & ("
            for body in bodies:
                # One of them, and never two.
                absent = [f"{member(one.label)}?: never;" for one in bodies if one is not body]
                lines.append(f"    | {{ {' '.join([_member(body, body.kind), *absent])} }}")
            lines.append("  )")
        members = "\n".join(lines)
        options = "options: RequestOptions = {}" if given else "options?: RequestOptions"
        return f"{head}: {members}{tail if is_open else ''}, {options}"

    def _call(self) -> Iterator[str]:
        by_place: dict[str, list[_Argument]] = {}
        for one in self.arguments:
            by_place.setdefault(one.place, []).append(one)
        path = json.dumps(self.path).strip('"').replace("`", "\\`").replace("${", "\\${")
        for one in by_place.get("path", ()):
            path = path.replace(f"{{{one.wire}}}", f"${{segment({_access(one)})}}")
        yield f"method: {json.dumps(self.http_method)},"
        yield f"path: `{path}`,"
        for place, key in (("query", "query"), ("header", "headers"), ("cookie", "cookies")):
            given = by_place.get(place)
            if given:
                pairs = ", ".join(_pair(one) for one in given)
                yield f"{key}: [{pairs}],"
        bodies = by_place.get("body", [])
        if len(bodies) > 1:
            yield f"...this.sent({', '.join([_pair(one) for one in bodies])}),"
        for one in bodies if len(bodies) == 1 else ():
            yield f"body: {_access(one)},"
            if self.form:
                yield f"form: {json.dumps(self.form)},"
            elif one.wire and one.wire != "application/json":
                yield f"media: {json.dumps(one.wire)},"

    def _item(self, schema: Any) -> str | None:
        """Return the type of a page's items, where the answer is one that tells of the next."""
        if self.http_method != "GET" or not isinstance(schema, Mapping):
            return None
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            schema = self.document.get("components", {}).get("schemas", {}).get(name, {})
        properties: Mapping[str, Any] = schema.get("properties", {})
        items = properties.get("items", {})
        if "next" not in properties or items.get("type") != "array" or " | " in self.answer:
            return None
        return type_of(items.get("items", {}), self.names)


def _other_kind(content: Mapping[str, Any]) -> str:
    """Return the type of an answer that is no JSON: nothing, a text, or bytes."""
    if not content:
        return "undefined"
    if "*/*" in content:
        return "string | Blob"
    return "string" if any(_TEXT.match(kind) for kind in content) else "Blob"


def _without_null(kind: str) -> str:
    parts = [part for part in kind.split(" | ") if part != "null"]
    return " | ".join(parts) or "string"


def _member(one: _Argument, kind: str) -> str:
    about = _line(one.about).replace("*/", "*\\/")
    note = f"/** {about} */ " if about else ""
    return f"{note}{member(one.label)}{'' if one.is_required else '?'}: {kind};"


def _access(one: _Argument) -> str:
    name = member(one.label)
    return f"args[{name}]" if name.startswith('"') else f"args.{name}"


def _pair(one: _Argument) -> str:
    return f"[{json.dumps(one.wire)}, {_access(one)}{', true' if one.joined else ''}]"
