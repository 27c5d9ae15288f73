"""The compiled part of an endpoint: Python written for one signature, with nothing in it that this one does not use.

Extract → permit → validate → call. Permission comes before the body is read and judged, so that someone who may not
write learns nothing from errors. All wrong values are collected before one error tells of them.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, Final

from pydantic import ConfigDict, TypeAdapter, create_model
from pydantic import ValidationError as PydanticError

from covet.concurrency import is_async, to_thread
from covet.http.errors import UnsupportedMediaType
from covet.http.forms import UploadedFile
from covet.http.request import Request
from covet.problems import ProblemError
from covet.rest.errors import body_errors, invalid, missing, parameter_errors
from covet.rest.signature import Argument, Call, Group, Parameter, Signature

__all__ = ["Binding", "body_schema", "compile_binding"]

_FORMS: Final = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
_JSON: Final = b"application/json"


class Binding:
    """What binding an endpoint comes to.

    Attributes:
        source: The Python that was written, for people who look.
        call: ``async (request, params, notes) -> value``: fills the arguments and calls the handler. ``notes`` is a list
            that gets what the body was read into, for errors that come later.
        body: The type of the JSON body, or None.
    """

    __slots__ = ("body", "call", "source")

    def __init__(self, source: str, call: Callable[[Request, dict[str, Any], list[Any]], Any], body: Any) -> None:
        self.source = source
        self.call = call
        self.body = body


def compile_binding(
    signature: Signature,
    *,
    name: str,
    permit: Callable[[Request], Any] | None = None,
    trusted: dict[str, Any] | None = None,
) -> Binding:
    """Write and compile the binding of one handler.

    Args:
        signature: What the handler needs.
        name: The handler's name, for tracebacks.
        permit: Asks the permissions; None when everybody may.
        trusted: The Python types that the path's converters give, by name: what is right already is not checked again.
    """
    writer = _Writer(signature, trusted or {})
    source = writer.write(permit)
    scope = writer.scope
    exec(compile(source, f"<endpoint {name}>", "exec"), scope)  # noqa: S102  written here, of names made here
    return Binding(source, scope["call"], writer.body)


def body_schema(signature: Signature) -> tuple[Any, bool]:
    """Return the type of the JSON body, and whether its members are the arguments; (None, False) without one."""
    bodies = signature.bodies
    if not bodies:
        return None, False
    if len(bodies) == 1 and not getattr(bodies[0].marker, "embed", False):
        return bodies[0].annotation, False
    fields: dict[str, Any] = {one.wire: (one.annotation, ... if one.is_required else one.default) for one in bodies}
    name = getattr(signature.call.function, "__name__", "handler").title().replace("_", "")
    return create_model(f"{name}Body", __config__=ConfigDict(extra="forbid"), **fields), True


class _Writer:
    """Writes the source line by line; every name in it is one of ``scope`` or a local made here."""

    def __init__(self, signature: Signature, trusted: dict[str, Any]) -> None:
        self.signature = signature
        self.trusted = trusted
        self.lines: list[str] = []
        self.local: dict[int, str] = {}
        self.body, self.embedded = body_schema(signature)
        self.scope: dict[str, Any] = {
            "PydanticError": PydanticError,
            "body_errors": body_errors,
            "check_form": _check_form,
            "check_json": _check_json,
            "copy": copy.copy,
            "files_of": _files_of,
            "invalid": invalid,
            "missing": missing,
            "parameter_errors": parameter_errors,
            "to_thread": to_thread,
            "AsyncExitStack": AsyncExitStack,
            "enter": _enter,
        }

    def write(self, permit: Callable[[Request], Any] | None) -> str:
        """Return the whole source."""
        signature = self.signature
        self.add(1, "async def call(request, params, notes):", indent=0)
        if permit is not None:
            self.scope["permit"] = permit
            self.add(1, "await permit(request)")
        for number, parameter in enumerate(signature.parameters):
            self.local[id(parameter)] = f"p{number}"
        for number, group in enumerate(signature.groups):
            self.local[id(group)] = f"g{number}"
        for number, dependency in enumerate(signature.dependencies):
            self.local[id(dependency)] = f"d{number}"
        checks = self._checked()
        if checks:
            self.add(1, "errors = []")
        self._parameters()
        for group in signature.groups:
            self._group(group)
        self._body()
        if checks:
            self.add(1, "if errors:")
            self.add(2, "raise invalid(errors)")
        self._calls()
        return "\n".join(self.lines) + "\n"

    def add(self, level: int, text: str, *, indent: int | None = None) -> None:
        """Add a line."""
        self.lines.append("    " * (level if indent is None else indent) + text)

    def constant(self, prefix: str, value: Any) -> str:
        """Put a value where the source can name it."""
        name = f"{prefix}{len(self.scope)}"
        self.scope[name] = value
        return name

    def _checked(self) -> bool:
        signature = self.signature
        return bool(signature.groups) or any(not self._is_trusted(one) for one in signature.parameters)

    def _is_trusted(self, parameter: Parameter) -> bool:
        """Whether a path's converter gives the very type that the argument has."""
        return parameter.marker.source == "path" and self.trusted.get(parameter.wire) is parameter.annotation

    # ── parameters

    def _parameters(self) -> None:
        signature = self.signature
        sources: set[str] = {parameter.marker.source for parameter in signature.parameters}
        sources |= {group.source for group in signature.groups}
        if "query" in sources:
            self.add(1, "query = request.query")
        if "header" in sources:
            self.add(1, "headers = request.headers")
        if "cookie" in sources:
            self.add(1, "cookies = request.cookies")
        if signature.has_form:
            self.add(1, "check_form(request)")
            self.add(1, "form = await request.form()")
        for parameter in signature.parameters:
            if parameter.marker.source != "body":
                self._parameter(parameter)

    def _raw(self, parameter: Parameter) -> str:
        """Return the expression of what was sent, None when nothing was."""
        wire = repr(parameter.wire)
        source = parameter.marker.source
        if source == "path":
            return f"params[{wire}]"
        if source == "file":
            many = "True" if parameter.is_list else "False"
            return f"files_of(form, {wire}, {many})"
        bag = {"query": "query", "header": "headers", "cookie": "cookies", "form": "form"}[source]
        if parameter.is_list and source == "cookie":
            return f"([{bag}[{wire}]] if {wire} in {bag} else None)"
        if parameter.is_list:
            return f"({bag}.getlist({wire}) or None)"
        return f"{bag}.get({wire})"

    def _parameter(self, parameter: Parameter) -> None:
        local = self.local[id(parameter)]
        if self._is_trusted(parameter):
            self.add(1, f"{local} = {self._raw(parameter)}")
            return
        source, wire = parameter.marker.source, parameter.wire
        self.add(1, f"raw = {self._raw(parameter)}")
        self._by_comma(parameter, 1)
        self.add(1, "if raw is None:")
        if parameter.is_required:
            self.add(2, f"errors.append(missing({source!r}, {wire!r}))")
        else:
            self.add(2, f"{local} = {self._default(parameter)}")
        self.add(1, "else:")
        if source == "file":
            self.add(2, f"{local} = raw")
            return
        validate = self.constant("v", TypeAdapter(parameter.annotation).validator.validate_python)
        self.add(2, "try:")
        self.add(3, f"{local} = {validate}(raw)")
        self.add(2, "except PydanticError as error:")
        self.add(3, f"parameter_errors(errors, error, {source!r}, {wire!r})")

    def _by_comma(self, parameter: Parameter, level: int) -> None:
        if parameter.by_comma:
            self.add(level, "if raw is not None:")
            self.add(level + 1, "raw = [part for text in raw for part in text.split(',')]")

    def _default(self, parameter: Parameter) -> str:
        default = parameter.default
        if default is None or isinstance(default, (bool, int, str)):
            return self.constant("c", default) if type(default) not in (bool, int, str, type(None)) else repr(default)
        name = self.constant("c", default)
        # A list that one request changes must not be the next one's default.
        return f"copy({name})" if isinstance(default, (list, dict, set)) else name

    def _group(self, group: Group) -> None:
        local = self.local[id(group)]
        values = f"{local}v"
        self.add(1, f"{values} = {{}}")
        names: dict[str, str] = {}
        broken = f"{local}b"
        if group.model is None:
            self.add(1, f"{broken} = len(errors)")
        for parameter in group.parameters:
            key = self._group_key(group, parameter)
            names[key] = parameter.wire
            self.add(1, f"raw = {self._raw(parameter)}")
            self._by_comma(parameter, 1)
            self.add(1, "if raw is not None:")
            if group.model is not None:
                self.add(2, f"{values}[{key!r}] = raw")
                continue
            validate = self.constant("v", TypeAdapter(parameter.annotation).validator.validate_python)
            self.add(2, "try:")
            self.add(3, f"{values}[{key!r}] = {validate}(raw)")
            self.add(2, "except PydanticError as error:")
            self.add(3, f"parameter_errors(errors, error, {group.source!r}, {parameter.wire!r})")
        make = self.constant("m", group.make)
        if group.model is None:
            self.add(1, f"if len(errors) == {broken}:")
            self.add(2, f"{local} = {make}({values})")
            return
        self.add(1, "try:")
        self.add(2, f"{local} = {make}({values})")
        self.add(1, "except PydanticError as error:")
        self.add(2, f"parameter_errors(errors, error, {group.source!r}, '', {self.constant('n', names)})")

    @staticmethod
    def _group_key(group: Group, parameter: Parameter) -> str:
        if group.model is not None:
            alias = group.model.model_fields[parameter.name].alias
            return alias or parameter.name
        return parameter.name

    # ── the body

    def _body(self) -> None:
        bodies = self.signature.bodies
        if not bodies:
            return
        adapter: TypeAdapter[Any] = TypeAdapter(self.body)
        validate = self.constant("v", adapter.validator.validate_json)
        schema = self.constant("s", self.body)
        single = self.local[id(bodies[0])]
        target = "body" if self.embedded else single
        self.add(1, "raw = await request.body()")
        self.add(1, "if raw:")
        self.add(2, "check_json(request)")
        self.add(2, "try:")
        self.add(3, f"{target} = {validate}(raw)")
        self.add(2, "except PydanticError as error:")
        self.add(3, f"body_errors(errors, error, {schema}, raw)")
        self.add(2, "else:")
        self.add(3, f"notes.append({target})")
        if self.embedded:
            for one in bodies:
                self.add(3, f"{self.local[id(one)]} = body.{one.wire}")
        self.add(1, "else:")
        if all(not one.is_required for one in bodies):
            for one in bodies:
                self.add(2, f"{self.local[id(one)]} = {self._default(one)}")
        else:
            error = ProblemError("This request needs a body.", pointer="", code="missing")
            self.add(2, f"errors.append({self.constant('e', error)})")

    # ── calling

    def _calls(self) -> None:
        level = 1
        if any(_is_generator(call.function) for call in self.signature.dependencies):
            self.add(1, "async with AsyncExitStack() as stack:")
            level = 2
        for call in self.signature.dependencies:
            self.add(level, f"{self.local[id(call)]} = {self._call(call)}")
        self.add(level, f"return {self._call(self.signature.call)}")

    def _call(self, call: Call) -> str:
        function = self.constant("f", call.function)
        arguments = ", ".join(self._argument(argument) for argument in call.arguments)
        if _is_generator(call.function):
            manager = self.constant("w", _as_context(call.function))
            return f"await enter(stack, {manager}({arguments}))"
        if is_async(call.function):
            return f"await {function}({arguments})"
        if inspect.isclass(call.function):
            return f"{function}({arguments})"
        return f"await to_thread({', '.join(filter(None, (function, arguments)))})"

    def _argument(self, argument: Argument) -> str:
        value = "request" if isinstance(argument.value, str) else self.local[id(argument.value)]
        return value if argument.is_positional else f"{argument.name}={value}"


def _is_generator(function: Any) -> bool:
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def _as_context(function: Any) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(function):
        return asynccontextmanager(function)
    return contextmanager(function)


async def _enter(stack: AsyncExitStack, manager: Any) -> Any:
    """Enter a dependency that yields; a sync one runs in a thread, before and after."""
    if hasattr(manager, "__aenter__"):
        return await stack.enter_async_context(manager)

    @asynccontextmanager
    async def in_thread() -> Any:
        value = await to_thread(manager.__enter__)
        try:
            yield value
        except BaseException as error:
            if not await to_thread(manager.__exit__, type(error), error, error.__traceback__):
                raise
        else:
            await to_thread(manager.__exit__, None, None, None)

    return await stack.enter_async_context(in_thread())


def _check_json(request: Request) -> None:
    """Refuse a body that says it is something else; one that says nothing is read as JSON.

    Raises:
        UnsupportedMediaType: The body is no JSON.
    """
    for name, value in request.raw_headers:
        if name == b"content-type":
            if value == _JSON:
                return
            kind = request.content_type
            if kind and kind != "application/json" and not kind.endswith("+json"):
                raise UnsupportedMediaType(f"This endpoint reads application/json, not {kind}.")
            return


def _check_form(request: Request) -> None:
    """Refuse a body that is no form.

    Raises:
        UnsupportedMediaType: The body is no form.
    """
    kind = request.content_type
    if kind and kind not in _FORMS:
        raise UnsupportedMediaType(f"This endpoint reads a form, not {kind}.")


def _files_of(form: Any, name: str, many: bool) -> Any:
    found = [value for value in form.getlist(name) if isinstance(value, UploadedFile)]
    if many:
        return found or None
    return found[-1] if found else None
