"""The compiled part of an endpoint: Python written for one signature, with nothing in it that this one does not use.

Extract → permit → validate → call. Permission comes before the body is read and judged, so that someone who may not
write learns nothing from errors. All wrong values are collected before one error tells of them.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Collection
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from pydantic import ValidationError as PydanticError
from pydantic.errors import PydanticUserError

from covet.accel import duplicate_key
from covet.concurrency import is_async, to_thread
from covet.http.errors import duplicate_key_refused
from covet.http.request import Request
from covet.http.response import JSON_TYPE, JSONResponse, Response
from covet.loading import late_function, late_module
from covet.problems import ProblemError
from covet.rest.annotations import file_kind, takes_in_order, unreadable
from covet.rest.bodies import (
    BODY_ERRORS,
    body_schema,
    check_form,
    check_numbers,
    empty_is_none,
    files_of,
    only_fields,
    read_loose,
    struct_errors,
)
from covet.rest.body_forms import form_lines
from covet.rest.formats.base import JSON, PLAIN_ACCEPTS, Formats
from covet.rest.formats.choice import accept_json
from covet.rest.render import UNWRITTEN, Plan, encode_any, write_odd
from covet.rest.shared import as_context, enter, is_generator, shared_value, yields
from covet.rest.signature import Argument, Call, Group, Parameter, Signature
from covet.schema.structs import StructError, StructReader, is_struct

if TYPE_CHECKING:
    from covet.rest import errors as failures
else:
    failures = late_module(__name__, "covet.rest.errors", "failures")

__all__ = ["Binding", "compile_binding"]


class Binding:
    """What binding an endpoint comes to.

    Attributes:
        source: The Python that was written, for people who look.
        call: ``async (request, params, notes) -> value``: fills the arguments and calls the handler. ``notes`` is a list
            that gets what the body was read into, for errors that come later.
        body: The type of the JSON body, or None.
        is_stacked: Whether ``call`` takes a fourth argument, an ``AsyncExitStack`` for what is torn down once the answer
            has been made.
    """

    def __init__(self, name: str, writer: _Writer) -> None:
        self.name = name
        self.scope = writer.scope
        self.body = writer.body
        self.is_stacked = writer.is_stacked
        self._lines = writer.lines
        self._handler = writer.handler
        stack = ", stack" if self.is_stacked else ""
        head = f"async def call(request, params, notes{stack}):"
        self.source = "\n".join([head, *self._lines, self._ending("return ")]) + "\n"

    def _ending(self, before: str) -> str:
        """Return the line that calls the handler."""
        level, call = self._handler
        return f"{'    ' * level}{before}{call}"

    @functools.cached_property
    def call(self) -> Callable[..., Any]:
        """See above."""
        return self._compiled(self.source, "call", {})

    def answering(self, plan: Plan, errors: Any, status: int) -> Callable[..., Any]:
        """Return ``async (request, params, on_error=None, as_bytes=False) -> response``: ``call`` and what comes of its value.

        With ``as_bytes`` an answer that is a body of JSON and nothing more is that body; the function takes it where its
        ``takes_as_bytes`` says so.

        Args:
            plan: How the value is written.
            errors: Answers what is raised: has ``kinds``, and ``answer(request, error, notes)``.
            status: The status of the answer.
        """
        takes_notes = any("notes" in line for line in self._lines)
        takes_as_bytes = status == 200
        run = [
            f"async def run(request, params, on_error=None{', as_bytes=False' if takes_as_bytes else ''}):",
            "  try:",
            f"    notes = {'[]' if takes_notes else '()'}",
            "    try:",
            *(f"    {line}" for line in (*self._lines, self._ending("result = "))),
            # To compare the class takes less than to ask for a kind that it seldom is.
            "        if type(result) is not USUAL and isinstance(result, RESPONSE):",
            "            return await result.render() if on_error and result.must_render else result",
            *(f"        {line}" for line in plan.lines),
            "    except KINDS as error:",
            "        return await ANSWER(request, error, notes)",
            *(["    if as_bytes:", "        return written"] if takes_as_bytes else ()),
            # As ``JSONResponse.of_bytes`` does it, by a call less.
            "    response = NEW(JSON)",
            "    response.status = STATUS",
            "    response.background = None",
            "    response.body = written",
            "    response._headers = None",
            "    response.raw_headers = [JSON_TYPE]",
            "    return response",
            "  except Exception as error:",
            "    if on_error is None:",
            "        raise",
            "    return await on_error(request, error)",
        ]
        names = {
            "ANSWER": errors.answer,
            "ENCODE": encode_any,
            "KINDS": errors.kinds,
            "JSON": JSONResponse,
            "JSON_TYPE": JSON_TYPE,
            "NEW": object.__new__,
            "RENDER": plan.render,
            "RESPONSE": Response,
            "SHORT": plan.short,
            "STATUS": status,
            "UNWRITTEN": UNWRITTEN,
            "USUAL": plan.usual,
            "WRITE_ODD": write_odd,
        }
        answer = self._compiled("\n".join(run) + "\n", "run", names)
        answer.takes_on_error = True  # type: ignore[attr-defined]
        answer.takes_as_bytes = takes_as_bytes  # type: ignore[attr-defined]
        return answer

    def _compiled(self, source: str, function: str, names: dict[str, Any]) -> Callable[..., Any]:
        return late_function(source, f"<endpoint {self.name}>", function, {**self.scope, **names})


def compile_binding(
    signature: Signature,
    *,
    name: str,
    permit: Callable[[Request], Any] | None = None,
    trusted: dict[str, Any] | None = None,
    formats: Formats = (JSON,),
    negotiates: bool = True,
    patches: Callable[..., Any] | None = None,
    known: Collection[str] | None = None,
) -> Binding:
    """Write and compile the binding of one handler.

    Args:
        signature: What the handler needs.
        name: The handler's name, for tracebacks.
        permit: Asks the permissions; None when everybody may.
        trusted: The Python types that the path's converters give, by name: what is right already is not checked again.
        formats: The forms that bodies and answers may have.
        negotiates: Whether a request that takes none of the answer's forms is refused.
        patches: ``async (request, params, raw) -> raw``: makes the body of a patch, for a PATCH that takes such.
        known: The query parameters that there are, where any other is refused.
    """
    writer = _Writer(signature, trusted or {}, formats, negotiates)
    writer.patches, writer.known = patches, known
    try:
        writer.write(permit)
    except PydanticUserError as error:
        raise unreadable(signature.described(), name) or error from error
    return Binding(name, writer)


class _Writer:
    """Writes the source line by line; every name in it is one of ``scope`` or a local made here."""

    def __init__(self, signature: Signature, trusted: dict[str, Any], formats: Formats, negotiates: bool) -> None:
        self.signature = signature
        self.negotiates = negotiates
        self.trusted = trusted
        self.formats = formats
        self.patches: Callable[..., Any] | None = None
        self.known: Collection[str] | None = None
        generators = [call for call in signature.dependencies if call.scope != "app" and yields(call.function)]
        self.is_stacked = any(call.scope == "request" for call in generators)
        self.has_own_stack = any(call.scope == "function" for call in generators)
        self.lines: list[str] = []
        # How far in, and as what, the handler is called: the last line, whatever is done with its value.
        self.handler = (1, "")
        self.local: dict[int, str] = {}
        self.body, self.embedded = body_schema(signature)
        self.scope: dict[str, Any] = {
            "PydanticError": PydanticError,
            "accept_json": accept_json,
            "check_form": check_form,
            "copy": copy.copy,
            "files_of": files_of,
            "to_thread": to_thread,
            "AsyncExitStack": AsyncExitStack,
            "enter": enter,
            "failures": failures,
            "shared_value": shared_value,
        }

    def write(self, permit: Callable[[Request], Any] | None) -> None:
        """Write the lines up to the call of the handler, and the call itself."""
        signature = self.signature
        if self.formats == (JSON,) and self.negotiates:
            # Written out: most requests take anything, and then this costs no call.
            self.scope["PLAIN"] = PLAIN_ACCEPTS
            self.add(1, "for name, value in request.raw_headers:")
            self.add(2, "if name == b'accept':")
            self.add(3, "if value not in PLAIN:")
            self.add(4, "accept_json(value)")
            self.add(3, "break")
        if permit is not None:
            self.scope["permit"] = permit
            self.add(1, "await permit(request)")
        if signature.wants_response:
            self.scope["Response"] = Response
            self.add(1, "response = Response()")
            self.add(1, "notes.append(response)")
        if signature.wants_tasks:
            self.add(1, "tasks = request.background_tasks")
        for number, parameter in enumerate(signature.parameters):
            self.local[id(parameter)] = f"p{number}"
        for number, group in enumerate(signature.groups):
            self.local[id(group)] = f"g{number}"
        for number, dependency in enumerate(signature.dependencies):
            self.local[id(dependency)] = f"d{number}"
        checks = self._checked()
        if checks:
            self.add(1, "errors = []")
        if self.known is not None:
            from covet.rest.unknown import known_only  # few projects ask for it

            self.scope["known_only"] = known_only
            self.add(1, f"known_only(errors, request, {self.constant('n', self.known)})")
        self._parameters()
        for group in signature.groups:
            self._group(group)
        self._body()
        if checks:
            self.add(1, "if errors:")
            self.add(2, "raise failures.invalid(errors)")
        self._calls()

    def add(self, level: int, text: str) -> None:
        """Add a line."""
        self.lines.append("    " * level + text)

    def constant(self, prefix: str, value: Any) -> str:
        """Put a value where the source can name it."""
        name = f"{prefix}{len(self.scope)}"
        self.scope[name] = value
        return name

    def _checked(self) -> bool:
        signature = self.signature
        return (
            self.known is not None
            or bool(signature.groups)
            or any(not self._is_trusted(one) for one in signature.parameters)
        )

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
            if signature.forbids("form"):
                self.scope["only_fields"] = only_fields
                known = frozenset(one.wire for one in signature.described() if one.marker.source in ("form", "file"))
                self.add(1, f"only_fields(errors, form, {self.constant('n', known)})")
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
            return f"files_of({'None' if parameter.is_required else 'errors'}, form, {wire}, {bool(parameter.is_list)})"
        bag = {"query": "query", "header": "headers", "cookie": "cookies", "form": "form"}[source]
        if parameter.is_list and source == "cookie":
            return f"([{bag}[{wire}]] if {wire} in {bag} else None)"
        if parameter.is_list:
            return f"({bag}.getlist({wire}) or None)"
        return (
            f"({bag}.get({wire}) or None)"
            if parameter.skips_empty or empty_is_none(parameter)
            else f"{bag}.get({wire})"
        )

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
            self.add(2, f"errors.append(failures.missing({source!r}, {wire!r}))")
        else:
            self.add(2, f"{local} = {self._default(parameter)}")
        self.add(1, "else:")
        if source == "file":
            if file_kind(parameter.annotation) is not bytes:
                self.add(2, f"{local} = raw")
                return
            self.add(2, f"raw = {'[await one.read() for one in raw]' if parameter.is_list else 'await raw.read()'}")
        validate = self.constant("v", TypeAdapter(parameter.annotation).validator.validate_python)
        self.add(2, "try:")
        self.add(3, f"{local} = {validate}(raw)")
        self.add(2, "except PydanticError as error:")
        self.add(3, f"failures.parameter_errors(errors, error, {source!r}, {wire!r})")

    def _by_comma(self, parameter: Parameter, level: int) -> None:
        if parameter.by_comma:
            self.add(level, "if raw is not None:")
            parts = "part for text in raw for part in text.split(',')"
            self.add(level + 1, f"raw = [{parts} if part] or None" if parameter.skips_empty else f"raw = [{parts}]")

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
        if group.shape is None:
            self.add(1, f"{broken} = len(errors)")
        for parameter in group.parameters:
            key = self._group_key(group, parameter)
            names[key] = parameter.wire
            self.add(1, f"raw = {self._raw(parameter)}")
            self._by_comma(parameter, 1)
            self.add(1, "if raw is not None:")
            if group.shape is not None:
                self.add(2, f"{values}[{key!r}] = raw")
                continue
            validate = self.constant("v", TypeAdapter(parameter.annotation).validator.validate_python)
            self.add(2, "try:")
            self.add(3, f"{values}[{key!r}] = {validate}(raw)")
            self.add(2, "except PydanticError as error:")
            self.add(3, f"failures.parameter_errors(errors, error, {group.source!r}, {parameter.wire!r})")
        make = self.constant("m", group.make)
        if group.shape is None:
            self.add(1, f"if len(errors) == {broken}:")
            self.add(2, f"{local} = {make}({values})")
            return
        self.scope["GROUP_ERRORS"] = (PydanticError, StructError)
        self.add(1, "try:")
        self.add(2, f"{local} = {make}({values})")
        self.add(1, "except GROUP_ERRORS as error:")
        self.add(2, f"failures.parameter_errors(errors, error, {group.source!r}, '', {self.constant('n', names)})")

    @staticmethod
    def _group_key(group: Group, parameter: Parameter) -> str:
        if group.shape is not None:
            return next(one.key for one in group.shape.fields if one.name == parameter.name)
        return parameter.name

    # ── the body

    def _body(self) -> None:
        bodies = self.signature.bodies
        if not bodies:
            return
        single = self.local[id(bodies[0])]
        target = "body" if self.embedded else single
        self.add(1, "raw = await request.body()")
        self.add(1, "if raw:")
        self._decode(target)
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

    def _decode(self, target: str) -> None:
        """Write the reading of a body that is there: pydantic's, or msgspec's for structs."""
        lines, names, loose = form_lines(self.body, self.formats, self.patches)
        self.scope.update(names)
        for line in lines:
            self.add(2, line)
        self.add(2, "try:")
        if is_struct(self.body):
            reader = StructReader(self.body)
            decode, named = self.constant("v", reader.decode), self.constant("s", reader)
            self.scope["BODY_ERRORS"], self.scope["struct_errors"] = BODY_ERRORS, struct_errors
            value = f"{decode}(raw)"
            if loose:
                self.scope["read_loose"] = read_loose
                value = f"read_loose({named}, raw) if loose else {value}"
            self.add(3, f"{target} = {value}")
            self._refuse_duplicates()
            self.add(2, "except BODY_ERRORS as error:")
            self.add(3, f"struct_errors(errors, error, {named}, raw)")
            return
        adapter: TypeAdapter[Any] = TypeAdapter(self.body)
        # Two looks for a word, so that only a body that may hold one of them is read twice.
        self.scope["check_numbers"] = check_numbers
        # By the code of their first letter: for bytes, ``in`` makes an error first, to see that they are no number.
        self.add(3, f'if ({ord("N")} in raw and b"NaN" in raw) or ({ord("I")} in raw and b"Infinity" in raw):')
        self.add(4, "check_numbers(raw)")
        self.add(3, f"{target} = {self.constant('v', adapter.validator.validate_json)}(raw)")
        self._refuse_duplicates()
        self.add(2, "except PydanticError as error:")
        self.add(3, f"failures.body_errors(errors, error, {self.constant('s', self.body)}, raw)")

    def _refuse_duplicates(self) -> None:
        self.scope["duplicate_key"], self.scope["refused"] = duplicate_key, duplicate_key_refused
        self.add(3, "if (twice := duplicate_key(raw)) is not None:")
        self.add(4, "raise refused(twice)")

    # ── calling

    def _calls(self) -> None:
        level = 1
        if self.has_own_stack:
            self.add(1, "async with AsyncExitStack() as own_stack:")
            level = 2
        for call in self.signature.dependencies:
            self.add(level, f"{self.local[id(call)]} = {self._call(call)}")
        call = self.signature.call
        if is_generator(call.function):  # it streams: calling it runs nothing yet
            arguments = ", ".join(self._argument(argument) for argument in call.arguments)
            self.handler = level, f"{self.constant('f', call.function)}({arguments})"
        else:
            self.handler = level, self._call(call)

    def _call(self, call: Call) -> str:
        function = self.constant("f", call.function)
        names = [argument.name for argument in call.arguments]
        in_order = call.scope != "app" and takes_in_order(call.function, names)
        written = self._value if in_order else self._argument
        arguments = ", ".join(written(argument) for argument in call.arguments)
        if call.scope == "app":
            return f"await shared_value({', '.join(filter(None, (function, arguments)))})"
        if yields(call.function):
            manager = self.constant("w", as_context(call.function))
            stack = "own_stack" if call.scope == "function" else "stack"
            return f"await enter({stack}, {manager}({arguments}))"
        if is_async(call.function):
            return f"await {function}({arguments})"
        if inspect.isclass(call.function):
            return f"{function}({arguments})"
        return f"await to_thread({', '.join(filter(None, (function, arguments)))})"

    def _argument(self, argument: Argument) -> str:
        value = self._value(argument)
        return value if argument.is_positional else f"{argument.name}={value}"

    def _value(self, argument: Argument) -> str:
        return argument.value if isinstance(argument.value, str) else self.local[id(argument.value)]
