"""A handler's signature as a plan: which arguments there are, where each comes from, what it depends on. Read once."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, cast, get_origin

from msgspec import Struct, field
from pydantic import BeforeValidator

from covet.apps import apps
from covet.concurrency import unawaited
from covet.exceptions import ImproperlyConfigured
from covet.http.background import BackgroundTasks
from covet.http.request import Request
from covet.http.response import Response
from covet.loading import late_module
from covet.rest.annotations import check_fields, is_file, is_scalar, item, literal_reader, split, unwrap
from covet.rest.params import REQUIRED, Body, Depends, File, Form, Gathering, Marker, Path, Query
from covet.rest.shared import check_entered, yields

if TYPE_CHECKING:
    from covet.rest import decorated
    from covet.rest.filters import FilterSet
    from covet.schema import shapes
else:
    decorated = late_module(__name__, "covet.rest.decorated")
    shapes = late_module(__name__, "covet.schema.shapes")

__all__ = ["Argument", "Call", "Group", "Parameter", "Signature", "describe", "hints_of", "read_signature"]

_BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Parameter(Struct, eq=False):
    """One value that a request brings.

    Attributes:
        name: The argument's name.
        wire: Its name on the wire.
        marker: Where it comes from, and its rules.
        annotation: What it must be, rules included.
        default: Its value when it is not sent, or ``REQUIRED``.
        is_list: Whether the name may be repeated.
        by_comma: Whether one value may hold several, separated by commas.
        skips_empty: Whether an empty value is as if it was not sent.
    """

    name: str
    wire: str
    marker: Marker
    annotation: Any
    default: Any = REQUIRED
    is_list: bool = False
    by_comma: bool = False
    skips_empty: bool = False

    @property
    def is_required(self) -> bool:
        """Whether it must be sent."""
        return self.default is REQUIRED


class Group(Struct, eq=False):
    """Several parameters that make one argument: a schema in a query, or a filter set.

    Attributes:
        parameters: The parameters.
        make: What makes the argument of their values by name; absent ones are left out.
        source: Where they come from.
        shape: The class whose fields they are; its errors name them.
    """

    parameters: list[Parameter]
    make: Callable[[dict[str, Any]], Any]
    source: str
    shape: shapes.Shape | None = None


class Call(Struct, eq=False):
    """A function and where each of its arguments comes from; a handler or a dependency.

    Attributes:
        function: The function.
        arguments: Its arguments.
        scope: When a dependency that yields is torn down: with the ``request``, with the ``function``, or with the ``app``,
            which shares what it gives.
    """

    function: Callable[..., Any]
    arguments: list[Argument] = field(default_factory=list)
    scope: Literal["request", "function", "app"] = "request"


class Argument(Struct, eq=False):
    """One argument of a call.

    Attributes:
        name: Its name.
        value: The request, the answer's head, the tasks that run after it, a parameter, a group, or what another call gives.
        is_positional: Whether it cannot be passed by its name.
    """

    name: str
    value: Parameter | Group | Call | Literal["request", "response", "tasks"]
    is_positional: bool = False


class Signature(Struct, eq=False):
    """What a handler needs.

    Attributes:
        call: The handler's own call.
        dependencies: The calls it depends on, in the order of calling.
        parameters: All single parameters, of dependencies too.
        groups: All groups.
        returns: The return annotation, or ``inspect.Signature.empty``.
        wants_response: Whether headers, cookies or the status of the answer are set by an argument ``response: Response``.
        wants_tasks: Whether an argument ``tasks: BackgroundTasks`` gets functions that run after the answer.
    """

    call: Call
    dependencies: list[Call] = field(default_factory=list)
    parameters: list[Parameter] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    returns: Any = inspect.Signature.empty
    wants_response: bool = False
    wants_tasks: bool = False

    def of(self, *sources: str) -> list[Parameter]:
        """Return the single parameters that come from these sources."""
        return [parameter for parameter in self.parameters if parameter.marker.source in sources]

    def described(self) -> Iterator[Parameter]:
        """Give all parameters that OpenAPI may tell of, the groups' too."""
        yield from self.parameters
        for group in self.groups:
            yield from group.parameters

    def forbids(self, source: str) -> bool:
        """Whether a class that is read from there says that nothing else may be sent."""
        return any(one.source == source and one.shape is not None and one.shape.forbids for one in self.groups)

    @property
    def bodies(self) -> list[Parameter]:
        """The parameters that the JSON body brings."""
        return self.of("body")

    @property
    def has_form(self) -> bool:
        """Whether the body is a form."""
        return bool(self.of("form", "file")) or any(group.source == "form" for group in self.groups)


def read_signature(
    handler: Callable[..., Any],
    *,
    method: str,
    path_names: Collection[str] = (),
    annotations: Mapping[str, Any] | None = None,
    replaced: Mapping[Any, Callable[..., Any]] | None = None,
    dependencies: Iterable[Depends] = (),
    connection: type[Any] = Request,
) -> Signature:
    """Read what a handler needs.

    Args:
        handler: The function or bound method.
        method: The HTTP method; a GET takes no body.
        path_names: What the path gives.
        annotations: Annotations that take the place of the function's own.
        replaced: Functions that take the place of dependencies, by these.
        dependencies: What is called before, though no argument asks for it.
        connection: What is served: a request, or a WebSocket.

    Raises:
        ImproperlyConfigured: An argument cannot be filled; the text says which, and what to write.
    """
    reader = _Reader(method, frozenset(path_names), replaced or {}, connection)
    for dependency in dependencies:
        reader.depend(dependency, ())
    call = reader.read_call(handler, annotations or {}, ())
    signature = Signature(call, reader.dependencies, reader.parameters, reader.groups, reader.returns_of(handler))
    signature.wants_response = reader.wants_response
    signature.wants_tasks = reader.wants_tasks
    reader.check(signature, handler)
    return signature


def describe(function: Any) -> str:
    """Return the dotted name of a function, for messages."""
    return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', repr(function))}"


class _Reader:
    def __init__(
        self,
        method: str,
        path_names: frozenset[str],
        replaced: Mapping[Any, Callable[..., Any]],
        connection: type[Any] = Request,
    ) -> None:
        self.replaced = replaced
        self.connection = connection
        self.wants_response = False
        self.wants_tasks = False
        self.method = method
        self.path_names = path_names
        self.parameters: list[Parameter] = []
        self.groups: list[Group] = []
        self.dependencies: list[Call] = []
        self._known: dict[tuple[str, str], Parameter] = {}
        self._hints: dict[Callable[..., Any], dict[str, Any]] = {}
        self._cached: dict[Callable[..., Any], Call] = {}

    def returns_of(self, handler: Callable[..., Any]) -> Any:
        return self._hints_of(handler).get("return", inspect.Signature.empty)

    def _hints_of(self, function: Callable[..., Any]) -> dict[str, Any]:
        if function not in self._hints:
            self._hints[function] = hints_of(function)
        return self._hints[function]

    def read_call(
        self, function: Callable[..., Any], annotations: Mapping[str, Any], above: tuple[Callable[..., Any], ...]
    ) -> Call:
        if function in above:
            chain = " → ".join(describe(one) for one in (*above[above.index(function) :], function))
            raise ImproperlyConfigured(f"Dependencies depend on one another in a circle: {chain}.")
        hints = {**self._hints_of(function), **annotations}
        call = Call(function)
        parameters = inspect.signature(function).parameters
        if hasattr(function, "__wrapped__"):
            decorated.check_wrapper(function, parameters)
        # What a partial has been given is the program's own: no client replaces it.
        given = function.keywords if isinstance(function, functools.partial) else ()
        for name, parameter in parameters.items():
            if name in given and name not in self.path_names:
                continue
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise ImproperlyConfigured(f"{describe(function)} takes *{name}; name each argument instead.")
            annotation = hints.get(name, inspect.Parameter.empty)
            default = REQUIRED if parameter.default is parameter.empty else parameter.default
            value = self._value(function, name, annotation, default, above)
            call.arguments.append(Argument(name, value, parameter.kind is parameter.POSITIONAL_ONLY))
        return call

    def _value(
        self, function: Any, name: str, annotation: Any, default: Any, above: tuple[Callable[..., Any], ...]
    ) -> Parameter | Group | Call | Literal["request", "response", "tasks"]:
        bare, metadata = split(annotation)
        marker = next((item for item in reversed(metadata) if isinstance(item, (Marker, Depends, Gathering))), None)
        for one in (*metadata, default):
            if isinstance(one, type) and issubclass(one, (Marker, Depends)):
                raise ImproperlyConfigured(
                    f"{describe(function)}: the argument '{name}' names {one.__name__} without calling it. Write {one.__name__}()."
                )
        if isinstance(default, (Marker, Depends, Gathering)):  # q: str = Query(…), as well
            marker, default = default, default.default if isinstance(default, Marker) else REQUIRED
        elif isinstance(marker, Marker) and default is REQUIRED:
            default = marker.default
        if isinstance(marker, Depends):
            if marker.function is None:
                marker = _of_its_class(marker, bare, f"{describe(function)}: the argument '{name}'")
            call = self.depend(marker, (*above, function))
            check_entered(call.function, bare, f"{describe(function)}: the argument '{name}'")
            return call
        if isinstance(marker, Gathering):
            return self._filters(cast("FilterSet", marker))
        if (isinstance(bare, type) and issubclass(bare, self.connection)) or (
            name in (("request",) if self.connection is Request else ("ws", "websocket", "socket"))
            and bare is inspect.Parameter.empty
        ):
            return "request"
        if self.connection is not Request and bare in (Request, Response, BackgroundTasks):
            raise ImproperlyConfigured(
                f"{describe(function)}: the argument '{name}' is a {bare.__name__}, and a WebSocket has none. Take ws: WebSocket, "
                "which has path, query, headers, cookies, session and user."
            )
        if bare is Response:
            self.wants_response = True
            return "response"
        if bare is BackgroundTasks:
            self.wants_tasks = True
            return "tasks"
        if bare is inspect.Parameter.empty and name in self.path_names:
            bare = Any  # the path's converter says what it is
        if bare is inspect.Parameter.empty:
            raise ImproperlyConfigured(
                f"{describe(function)}: the argument '{name}' has no annotation. Write its type."
            )
        if marker is None:
            marker = self._guess(function, name, bare)
        # Of several, such as one in the alias of a type, the last says where from; the rules of all hold.
        rest = [item for item in metadata if not isinstance(item, Marker)]
        marks = {id(item): item for item in (*metadata, marker) if isinstance(item, Marker)}
        rest += [rule for item in marks.values() if (rule := item.constraint()) is not None]
        full = Annotated[(bare, *rest)] if rest else bare
        inner = unwrap(bare)
        if marker.source in ("query", "header", "cookie", "form"):
            shape = shapes.shape_of(inner)
            if shape is not None:
                return self._shape_group(shape, marker)
        return self._parameter(function, name, marker, full, default)

    def _guess(self, function: Any, name: str, bare: Any) -> Marker:
        """Say where an unmarked argument comes from."""
        if name in self.path_names:
            return Path()
        if is_scalar(unwrap(bare)):
            return Query()
        inner = item(unwrap(bare))
        if is_file(bare):
            return File()
        if inner is not None and is_scalar(unwrap(inner)):
            return Query()
        if self.method in _BODILESS:
            raise ImproperlyConfigured(
                f"{describe(function)}: the argument '{name}' would come from the body, and a {self.method} has none. "
                f"If its fields are query parameters, write: {name}: Annotated[…, Query()]"
            )
        return Body()

    def _parameter(self, function: Any, name: str, marker: Marker, annotation: Any, default: Any) -> Parameter:
        if marker.source == "path":
            wire = marker.wire_name(name)
            if wire not in self.path_names:
                raise ImproperlyConfigured(
                    f"{describe(function)}: the path has no '{wire}'. It has: {', '.join(sorted(self.path_names)) or 'none'}."
                )
        if marker.source in ("body", "form", "file") and self.method in _BODILESS:
            raise ImproperlyConfigured(
                f"{describe(function)}: '{name}' comes from the body, and a {self.method} has none."
            )
        inner = unwrap(split(annotation)[0])
        if get_origin(inner) is Literal and marker.source != "body":
            annotation = Annotated[annotation, BeforeValidator(literal_reader(inner))]
        parameter = Parameter(
            name,
            marker.wire_name(name),
            marker,
            annotation,
            default,
            is_list=marker.source != "body" and item(inner) is not None,
            by_comma=marker.by_comma,
        )
        check_fields(annotation, marker.source, f"{describe(function)}: the argument '{name}'")
        # A handler and its dependencies may ask for the same value; it is read once.
        key = (marker.source, parameter.wire)
        known = self._known.get(key)
        if known is not None and known.annotation == annotation and known.default == default:
            return known
        self._known[key] = parameter
        self.parameters.append(parameter)
        return parameter

    def depend(self, marker: Depends, above: tuple[Callable[..., Any], ...]) -> Call:
        """Return the call of a dependency, and note it."""
        function = self.replaced.get(marker.function, marker.function)
        called = unawaited(function)
        if called:
            raise ImproperlyConfigured(
                f"Depends() takes the function itself. Write Depends({called}), without its parentheses."
            )
        if function is None:
            raise ImproperlyConfigured(
                "Depends() stands for the class of its argument; in dependencies=[…] name a function."
            )
        if marker.use_cache and function in self._cached:
            return self._cached[function]
        call = self.read_call(function, {}, above)
        call.scope = marker.scope
        if marker.scope == "app":
            _check_shared(call)
        elif marker.scope == "request":
            _check_scopes(call)
        self.dependencies.append(call)
        if marker.use_cache:
            self._cached[function] = call
        return call

    def _filters(self, filters: FilterSet) -> Group:
        group = Group(
            [
                Parameter(
                    one.name,
                    one.name,
                    Query(description=one.description),
                    one.annotation,
                    None,
                    is_list=one.is_list,
                    by_comma=one.is_list,
                    skips_empty=one.skips_empty,
                )
                for one in filters.parameters()
            ],
            filters.bind,
            "query",
        )
        self.groups.append(group)
        return group

    def _shape_group(self, shape: shapes.Shape, marker: Marker) -> Group:
        kind = type(marker)
        parameters = []
        for one in shape.fields:
            of = File if kind is Form and is_file(one.annotation) else kind
            parameters.append(
                Parameter(
                    one.name,
                    kind(alias=one.alias).wire_name(one.name),
                    of(description=one.description, deprecated=one.deprecated, examples=one.examples),
                    one.annotation,
                    REQUIRED if one.default is shapes.MISSING else one.default,
                    is_list=item(unwrap(one.annotation)) is not None,
                )
            )
        group = Group(parameters, shape.make, kind.source, shape)
        self.groups.append(group)
        return group

    def check(self, signature: Signature, handler: Any) -> None:
        if signature.bodies and signature.has_form:
            raise ImproperlyConfigured(
                f"{describe(handler)} wants a JSON body and a form; a request has one body. "
                "Write Annotated[…, Form()] on all of it, or on none."
            )


def _of_its_class(marker: Depends, kind: Any, where: str) -> Depends:
    """Return ``Depends()`` as the class of its argument.

    Raises:
        ImproperlyConfigured: The argument's type is no class to be called.
    """
    if not isinstance(kind, type) or kind is inspect.Parameter.empty:
        raise ImproperlyConfigured(f"{where} has Depends() and no class as its type. Write Depends(function).")
    return Depends(kind, use_cache=marker.use_cache, scope=marker.scope)


def _check_shared(call: Call) -> None:
    """Refuse a dependency of the application that needs what only a request has.

    Raises:
        ImproperlyConfigured: It does, or nothing would tear it down.
    """
    for argument in call.arguments:
        inner = argument.value
        if not (isinstance(inner, Call) and inner.scope == "app"):
            raise ImproperlyConfigured(
                f"{describe(call.function)} is shared by all requests (scope='app'), so its argument '{argument.name}' can "
                "only be a dependency of the same scope."
            )
    if yields(call.function) and apps.current().apps_ready and not apps.current().is_installed("covet.rest"):
        raise ImproperlyConfigured(
            f"{describe(call.function)} is torn down by 'covet.rest' when the server stops: add it to INSTALLED_APPS."
        )


def _check_scopes(call: Call) -> None:
    """Refuse a dependency that outlives one of its own.

    Raises:
        ImproperlyConfigured: It does.
    """
    if not yields(call.function):
        return
    for argument in call.arguments:
        inner = argument.value
        if isinstance(inner, Call) and inner.scope == "function" and yields(inner.function):
            raise ImproperlyConfigured(
                f"{describe(call.function)} lives until the answer has been made and depends on "
                f"{describe(inner.function)}, which ends with the handler. Give both scope='function', or neither."
            )


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return what a function's annotations say; of a name that only type checkers import, an error that names it."""
    target: Any = function
    if inspect.isclass(function):
        target = function.__init__
    elif not (inspect.isfunction(function) or inspect.ismethod(function)) and hasattr(function, "__call__"):  # noqa: B004
        target = type(function).__call__ if not hasattr(function, "func") else function.func
    try:
        return typing.get_type_hints(target, include_extras=True)
    except NameError as error:
        raise ImproperlyConfigured(
            f"{describe(function)}: the name {error.name!r} in its annotations is not known when the module runs. "
            "Import it outside 'if TYPE_CHECKING:'."
        ) from error
