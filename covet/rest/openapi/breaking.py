"""What of a document's change breaks its clients: two OpenAPI documents in, sentences that name each place out.

One question does the work: does everything that one schema describes fit into another? What clients send must still fit
into what is read now; what is answered now must still fit into what clients were told. More than that, such as a new
optional parameter or a new member of an answer, breaks nobody.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import asdict

__all__ = ["Breakage", "breakages"]

_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_LOWER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_REF: Final = "#/components/"


class Breakage(Struct, frozen=True):
    """One thing that breaks clients.

    Attributes:
        operation: The method and path.
        place: Where in the operation: ``query parameter 'size'``, ``body /title``, ``answer 200 /items/0``.
        text: What is different.
    """

    operation: str
    place: str
    text: str

    def __str__(self) -> str:
        where = f"{self.operation}: {self.place}" if self.place else self.operation
        return f"{where}: {self.text}"

    def to_dict(self) -> dict[str, str]:
        """Return the parts by name, for JSON."""
        return asdict(self)


def breakages(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Breakage]:
    """Return what breaks clients of the old document when the new one takes its place, in the order of the old one."""
    return list(_Comparison(old, new).run())


class _Comparison:
    def __init__(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        self.old = old
        self.new = new

    def run(self) -> Iterator[Breakage]:
        # Parameters' names are no part of an address: /a/{id} and /a/{pk} are one.
        paths = {_shape(path): item for path, item in self.new.get("paths", {}).items()}
        for path, item in self.old.get("paths", {}).items():
            found = paths.get(_shape(path), {})
            for method in _METHODS:
                if method not in item:
                    continue
                name = f"{method.upper()} {path}"
                if method not in found:
                    yield Breakage(name, "", "is gone.")
                    continue
                yield from self._operation(name, item[method], found[method])
        yield from self._outgoing("webhook ", self.old.get("webhooks", {}), self.new.get("webhooks", {}))
        yield from self._schemes()

    def _outgoing(self, before_name: str, old: Any, new: Any) -> Iterator[Breakage]:
        """Give what breaks those who are told: the body of a webhook or callback is an answer that nobody asked for."""
        for event, item in old.items():
            found = new.get(event, {})
            for method in _METHODS:
                if method not in item:
                    continue
                name = f"{before_name}{event}"
                if method not in found:
                    yield Breakage(
                        name, "", "is not sent any more." if not found else f"is not sent by {method.upper()}."
                    )
                    continue
                before = _follow(self.old, item[method].get("requestBody") or {})
                after = _follow(self.new, found[method].get("requestBody") or {})
                yield from self._contents(name, "body", before, after)

    def _operation(self, name: str, old: Any, new: Any) -> Iterator[Breakage]:
        yield from self._parameters(name, old, new)
        yield from self._body(name, old, new)
        yield from self._answers(name, old, new)
        yield from self._credentials(name, old, new)
        for label, below in old.get("callbacks", {}).items():
            yield from self._outgoing(f"{name} callback {label} ", below, new.get("callbacks", {}).get(label, {}))
        was, now = old.get("operationId"), new.get("operationId")
        if was is not None and now is not None and was != now:
            yield Breakage(name, "", f"is called {now} now, and was {was}: clients that are generated lose the method.")

    def _credentials(self, name: str, old: Any, new: Any) -> Iterator[Breakage]:
        if not _is_closed(self.old, old) and _is_closed(self.new, new):
            yield Breakage(name, "", "asks for credentials now.")
            return
        if not _is_closed(self.new, new):
            return
        taken = [_demands(one) for one in _security(self.new, new)]
        for one in _security(self.old, old):
            # Whoever sends these must still send enough.
            held = _demands(one)
            if any(needed <= held for needed in taken):
                continue
            near = [needed - held for needed in taken if {scheme for scheme, _ in needed} <= {*one}]
            if near:
                scopes = ", ".join(sorted(scope for _, scope in min(near, key=len)))
                yield Breakage(name, "", f"asks for the scope {scopes} of {' and '.join(one)} now.")
            else:
                yield Breakage(name, "", f"does not take the credentials {' and '.join(one)} any more.")

    def _schemes(self) -> Iterator[Breakage]:
        """Give the credentials that go by the same name and are sent in another way."""
        before, after = (one.get("components", {}).get("securitySchemes", {}) for one in (self.old, self.new))
        for name, scheme in before.items():
            if name not in after:
                continue
            for part in ("type", "in", "name", "scheme", "openIdConnectUrl", "flows"):
                was, now = _way(scheme, part), _way(after[name], part)
                if was != now:
                    yield Breakage(f"credentials {name}", "", f"{part} is {_text(now)}, and was {_text(was)}.")

    # ── what clients send

    def _parameters(self, name: str, old: Any, new: Any) -> Iterator[Breakage]:
        # Those of a path are compared by their place: their names are not on the wire.
        before, after = self._keyed(self.old, old), self._keyed(self.new, new)
        for key, parameter in after.items():
            if key not in before and parameter.get("required"):
                yield Breakage(name, _named(parameter), "is new and required.")
        for key, parameter in before.items():
            now = after.get(key)
            if now is None:
                yield Breakage(name, _named(parameter), "is not read any more.")
                continue
            if now.get("required") and not parameter.get("required"):
                yield Breakage(name, _named(parameter), "is required now.")
            if _written(parameter) != _written(now) and "array" in _types(parameter.get("schema", {})):
                yield Breakage(
                    name, _named(parameter), f"is written {_written(now)} now, and was {_written(parameter)}."
                )
            for place, text in self._sent(parameter.get("schema", {}), now.get("schema", {})):
                yield Breakage(name, f"{_named(parameter)}{_at(place)}", text)

    @staticmethod
    def _keyed(document: Mapping[str, Any], operation: Any) -> dict[tuple[str, str], Any]:
        keyed: dict[tuple[str, str], Any] = {}
        in_path = 0
        for given in operation.get("parameters", ()):
            parameter = _follow(document, given)
            label = str(parameter["name"])
            if parameter["in"] == "path":
                label, in_path = str(in_path), in_path + 1
            elif parameter["in"] == "header":
                label = label.lower()
            keyed[parameter["in"], label] = parameter
        return keyed

    def _body(self, name: str, old: Any, new: Any) -> Iterator[Breakage]:
        before = _follow(self.old, old.get("requestBody") or {})
        after = _follow(self.new, new.get("requestBody") or {})
        if after.get("required") and not before.get("required"):
            yield Breakage(name, "body", "is required now.")
        told: set[tuple[str, str]] = set()
        for kind, media in before.get("content", {}).items():
            now = after.get("content", {}).get(kind)
            if now is None:
                yield Breakage(name, "body", f"{kind} is not read any more.")
                continue
            for place, text in self._sent(media.get("schema", {}), now.get("schema", {})):
                if (place, text) not in told:
                    told.add((place, text))
                    yield Breakage(name, f"body{_at(place)}", text)

    def _sent(self, old: Any, new: Any) -> Iterator[tuple[str, str]]:
        return _Fit(self.old, self.new, is_answer=False).misfits(old, new, "")

    # ── what clients get

    def _answers(self, name: str, old: Any, new: Any) -> Iterator[Breakage]:
        for status, given in old.get("responses", {}).items():
            if not status.startswith("2"):
                continue
            if status not in new.get("responses", {}):
                yield Breakage(name, f"answer {status}", "is gone.")
                continue
            before, after = _follow(self.old, given), _follow(self.new, new["responses"][status])
            yield from self._contents(name, f"answer {status}", before, after)
            now = {header.lower(): _follow(self.new, one) for header, one in after.get("headers", {}).items()}
            for header, one in before.get("headers", {}).items():
                found = now.get(header.lower())
                if found is None:
                    yield Breakage(name, f"answer {status}", f"the header {header} is not sent any more.")
                elif _follow(self.old, one).get("required") and not found.get("required"):
                    yield Breakage(name, f"answer {status}", f"the header {header} may be missing now.")
            yield from self._links(name, f"answer {status}", before.get("links", {}), after.get("links", {}))

    def _links(self, name: str, where: str, old: Any, new: Any) -> Iterator[Breakage]:
        for label, given in old.items():
            if label not in new:
                yield Breakage(name, where, f"the link {label} is gone.")
                continue
            before, after = _follow(self.old, given), _follow(self.new, new[label])
            was, now = _target(self.old, before), _target(self.new, after)
            if _shape(was) != _shape(now):
                yield Breakage(name, where, f"the link {label} leads to {now}, and led to {was}.")
            # What a parameter of a path is called is no part of an address.
            elif sorted(map(str, before.get("parameters", {}).values())) != sorted(
                map(str, after.get("parameters", {}).values())
            ):
                yield Breakage(name, where, f"the link {label} takes its parameters from elsewhere now.")

    def _contents(self, name: str, where: str, before: Any, after: Any) -> Iterator[Breakage]:
        told: set[tuple[str, str]] = set()
        for kind, media in before.get("content", {}).items():
            now = after.get("content", {}).get(kind)
            if now is None:
                yield Breakage(name, where, f"{kind} is not given any more.")
                continue
            fit = _Fit(self.new, self.old, is_answer=True)
            for place, text in fit.misfits(now.get("schema", {}), media.get("schema", {}), ""):
                # The forms of one answer share its schema: said of one, it is said of all.
                if (place, text) not in told:
                    told.add((place, text))
                    yield Breakage(name, f"{where}{_at(place)}", text)


class _Fit:
    """Whether what one schema (``inner``) describes fits into another (``outer``), each with its document."""

    def __init__(self, inner: Mapping[str, Any], outer: Mapping[str, Any], *, is_answer: bool) -> None:
        self.inner = inner
        self.outer = outer
        self.is_answer = is_answer
        self._open: set[tuple[str, str]] = set()

    def misfits(self, inner: Any, outer: Any, place: str) -> Iterator[tuple[str, str]]:
        """Give each place where it does not, and why."""
        return self._alternatives(inner, outer, place)

    def _alternatives(self, inner: Any, outer: Any, place: str) -> Iterator[tuple[str, str]]:
        givens, takens = list(_choices(self.inner, inner)), list(_choices(self.outer, outer))
        if len(givens) == len(takens) == 1:
            yield from self._single(givens[0], takens[0], place)
            return
        for given in givens:
            tries = [list(self._single(given, taken, place)) for taken in takens]
            if all(tries):
                # The one of the same kind says best what is wrong; without one, the kind itself does.
                same = [
                    found
                    for found, taken in zip(tries, takens, strict=True)
                    if _types(given) & _types(taken) and _types(given)
                ]
                yield from min(same, key=len) if same else [(place, self._kind(given))]

    def _kind(self, given: Any) -> str:
        shown = " or ".join(sorted(_types(given))) or "any value"
        return f"may be {shown} now." if self.is_answer else f"{shown} is not taken any more."

    def _single(self, inner: Any, outer: Any, place: str) -> Iterator[tuple[str, str]]:
        key = (_text(inner), _text(outer))
        if key in self._open:  # a schema that holds itself: what is being compared already is not compared again
            return
        self._open.add(key)
        try:
            yield from self._parts(inner, outer, place)
        finally:
            self._open.discard(key)

    def _parts(self, inner: Any, outer: Any, place: str) -> Iterator[tuple[str, str]]:
        has, may = _types(inner), _types(outer)
        if may and (not has or not has <= may):
            extra = sorted(has - may)
            yield (
                place,
                self._kind({"type": extra} if extra else {}) if extra or self.is_answer else "takes fewer types now.",
            )
            return
        yield from self._values(inner, outer, place)
        for name in _LOWER:
            if name in outer and outer[name] > inner.get(name, float("-inf")) and not _is_no_bound(name, outer[name]):
                yield place, self._bound(name, inner.get(name), outer[name])
        for name in _UPPER:
            if name in outer and outer[name] < inner.get(name, float("inf")):
                yield place, self._bound(name, inner.get(name), outer[name])
        for name in ("pattern", "format"):
            if outer.get(name) is not None and inner.get(name) != outer[name]:
                yield place, self._bound(name, inner.get(name), outer[name])
        yield from self._habits(inner, outer, place)
        if "items" in inner or "items" in outer:
            yield from self.misfits(inner.get("items", {}), outer.get("items", {}), f"{place}/0")
        yield from self._members(inner, outer, place)

    def _habits(self, inner: Any, outer: Any, place: str) -> Iterator[tuple[str, str]]:
        """Give steps and repeats that do not fit, and what stands for a value that is left out."""
        step = outer.get("multipleOf")
        if step is not None and (not inner.get("multipleOf") or inner["multipleOf"] % step):
            yield place, self._bound("multipleOf", inner.get("multipleOf"), step)
        if outer.get("uniqueItems") and not inner.get("uniqueItems"):
            yield place, "may hold the same twice now." if self.is_answer else "may not hold the same twice any more."
        if not self.is_answer and inner.get("default") != outer.get("default"):
            yield place, self._bound("default", inner.get("default"), outer.get("default"))

    def _bound(self, name: str, inner: Any, outer: Any) -> str:
        before, after = (outer, inner) if self.is_answer else (inner, outer)
        return f"{name} is {_shown(after)}, and was {_shown(before)}."

    def _values(self, inner: Any, outer: Any, place: str) -> Iterator[tuple[str, str]]:
        may = _enum(outer)
        if may is None:
            return
        has = _enum(inner)
        if has is None:
            yield place, "may be any value now." if self.is_answer else f"takes {', '.join(map(_text, may))} only now."
            return
        for value in has:
            if value not in may:
                yield (
                    place,
                    f"may be {_text(value)} now." if self.is_answer else f"{_text(value)} is not taken any more.",
                )

    def _members(self, inner: Any, outer: Any, place: str) -> Iterator[tuple[str, str]]:
        has, may = inner.get("properties", {}), outer.get("properties", {})
        sure = inner.get("required", ())
        # What is read only is no part of a request, and what is written only none of an answer.
        left_out = "writeOnly" if self.is_answer else "readOnly"
        for name in outer.get("required", ()):
            if name not in sure and not _flag(may.get(name), left_out):
                gone = "is gone." if name not in has else "may be missing now."
                yield f"{place}/{_escaped(name)}", gone if self.is_answer else "is required now."
        if self.is_answer:
            for name in may:
                if name not in has and name not in outer.get("required", ()):
                    yield f"{place}/{_escaped(name)}", "is gone."
        for name, schema in has.items():
            gone, stays = (schema, may.get(name)) if self.is_answer else (may.get(name), schema)
            if name in may and _flag(gone, left_out) and not _flag(stays, left_out):
                yield f"{place}/{_escaped(name)}", "is gone." if self.is_answer else "is not taken any more."
            elif name in may:
                yield from self.misfits(schema, may[name], f"{place}/{_escaped(name)}")
            elif not self.is_answer and outer.get("additionalProperties") is False:
                yield f"{place}/{_escaped(name)}", "is not taken any more."
        given, taken = inner.get("additionalProperties"), outer.get("additionalProperties")
        if isinstance(given, dict) and isinstance(taken, dict):
            yield from self.misfits(given, taken, f"{place}/*")
        elif isinstance(given, dict) and taken is False and not self.is_answer:
            yield f"{place}/*", "is not taken any more."


def _flag(schema: Any, name: str) -> bool:
    return isinstance(schema, dict) and schema.get(name) is True


def _demands(requirement: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """Return what a security requirement asks for: schemes, each with its scopes."""
    return frozenset((scheme, scope) for scheme, scopes in requirement.items() for scope in ("", *scopes))


def _way(scheme: Mapping[str, Any], part: str) -> Any:
    """Return a part of how credentials are sent; of flows what a client has to know."""
    value = scheme.get(part)
    if part == "flows":
        return {
            kind: {name: url for name, url in flow.items() if name.endswith("Url")}
            for kind, flow in (value or {}).items()
        } or None
    return value.lower() if part == "name" and scheme.get("in") == "header" and isinstance(value, str) else value


def _shape(path: str) -> str:
    return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))


def _named(parameter: Mapping[str, Any]) -> str:
    return f"{parameter['in']} parameter '{parameter['name']}'"


def _at(place: str) -> str:
    return f" {place}" if place else ""


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _shown(value: Any) -> str:
    return "not set" if value is None else str(value)


def _is_no_bound(name: str, value: Any) -> bool:
    """Whether a lower bound rules nothing out: no text is shorter than nothing."""
    return name.startswith("min") and name != "minimum" and value == 0


def _written(parameter: Mapping[str, Any]) -> str:
    """Return how a list is written in a parameter."""
    style = parameter.get("style", "form" if parameter["in"] in ("query", "cookie") else "simple")
    explode = parameter.get("explode", style == "form")
    return {("form", True): "as repeated names", ("form", False): "with commas"}.get((style, explode), f"as {style}")


def _security(document: Mapping[str, Any], operation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(operation.get("security", document.get("security", ())))


def _is_closed(document: Mapping[str, Any], operation: Mapping[str, Any]) -> bool:
    needs = _security(document, operation)
    return bool(needs) and all(needs)


def _follow(document: Mapping[str, Any], value: Any) -> Any:
    seen: set[str] = set()
    while isinstance(value, dict) and str(value.get("$ref", "")).startswith(_REF) and value["$ref"] not in seen:
        seen.add(value["$ref"])
        found: Any = document
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found.get(part.replace("~1", "/").replace("~0", "~"), {})
        value = {**found, **{name: given for name, given in value.items() if name != "$ref"}}
    return value


def _target(document: Mapping[str, Any], link: Any) -> str:
    """Return the operation that a link leads to."""
    for path, item in document.get("paths", {}).items():
        for method in _METHODS:
            if method in item and item[method].get("operationId", "") == link.get("operationId"):
                return f"{method.upper()} {path}"
    return str(link.get("operationRef") or link.get("operationId") or "nothing")


def _choices(document: Mapping[str, Any], schema: Any) -> Iterable[Any]:
    """Give what a schema may be, one by one, references followed and ``allOf`` put together."""
    if not isinstance(schema, dict):  # true and false are schemas
        yield {} if schema else {"enum": []}
        return
    schema = _merged(document, _follow(document, schema))
    rest = {name: value for name, value in schema.items() if name not in ("anyOf", "oneOf")}
    options = schema.get("anyOf") or schema.get("oneOf")
    if not options:
        yield schema
        return
    for option in options:
        for choice in _choices(document, option):
            yield {**rest, **choice}


def _merged(document: Mapping[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if "allOf" not in schema:
        return schema
    whole = {name: value for name, value in schema.items() if name != "allOf"}
    for one in schema["allOf"]:
        part = _merged(document, _follow(document, one))
        properties = {**whole.get("properties", {}), **part.get("properties", {})}
        required = [*whole.get("required", ()), *part.get("required", ())]
        whole = {**whole, **part}
        if properties:
            whole["properties"] = properties
        if required:
            whole["required"] = required
    return whole


def _types(schema: Mapping[str, Any]) -> frozenset[str]:
    given = schema.get("type")
    if given is None:
        values = _enum(schema)
        return frozenset() if values is None else frozenset(map(_type_of, values))
    names = {given} if isinstance(given, str) else set(given)
    return frozenset(names | {"integer"} if "number" in names else names)


def _type_of(value: Any) -> str:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return "null" if value is None else kinds[type(value)]


def _enum(schema: Mapping[str, Any]) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    found: list[Any] | None = schema.get("enum")
    return found
