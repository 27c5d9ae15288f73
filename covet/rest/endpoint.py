"""Endpoint: a handler with what its router says of it, compiled for each path that it is mounted at.

``covet.urls`` calls ``covet_compile`` once per route at start-up; what comes back runs per request and decides nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field, TypeAdapter
from pydantic import ValidationError as PydanticError

from covet import access
from covet.conf import settings
from covet.exceptions import ImproperlyConfigured
from covet.http.request import Request
from covet.http.response import JSONResponse, Response
from covet.problems import ProblemError
from covet.rest.bind import Binding, compile_binding
from covet.rest.cursor import MAX_LENGTH
from covet.rest.errors import EXPECTED, answer, broken_rule, invalid, parameter_errors
from covet.rest.pagination import (
    AnyRequest,
    CursorPage,
    CursorRequest,
    OffsetPage,
    OffsetRequest,
    PageRequest,
)
from covet.rest.params import Query
from covet.rest.render import UNSET, Plan, plan_response
from covet.rest.signature import Parameter, Signature, describe, read_signature
from covet.rest.throttle import effective_throttles, throttled

if TYPE_CHECKING:
    from covet.access.permissions import Action
    from covet.db.models.base import Model
    from covet.urls.flatten import FlatRoute

__all__ = ["READS", "Compiled", "Endpoint", "Run"]

Run = Callable[[Request, dict[str, Any]], Awaitable[Response]]

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
READS: Final = frozenset({"DEFAULT_PERMISSIONS", "DEFAULT_THROTTLES", "PAGE_SIZE", "MAX_PAGE_SIZE"})
"""The settings that endpoints are compiled from; ``UrlsPart`` compiles its routes anew when one changes."""

_ACTIONS: Final[dict[str, Action]] = {"POST": "add", "PUT": "change", "PATCH": "change", "DELETE": "delete"}
# What databases take for OFFSET: more would be an error of theirs.
_OFFSETS: Final = Annotated[int, Field(ge=0, le=2**62)]
_CONVERTED: Final = {"IntConverter": int, "StringConverter": str, "SlugConverter": str, "PathConverter": str}


@dataclass(eq=False)
class Endpoint:
    """One handler for one method, as a router keeps it.

    Attributes:
        handler: The function, or the bound method of a viewset.
        method: The HTTP method.
        path: The path below the router, as written.
        name: For ``reverse()``, and the default of the operation's id.
        response: The answer's schema, or ``UNSET``; a mapping of statuses to schemas.
        status: The status of the answer; 200, or 204 where there is no body.
        permissions: Who may; None for the model's policy or the default.
        throttles: How often it may be asked; None for ``DEFAULT_THROTTLES``, an empty list for no limit.
        tags: Groups in the documentation.
        summary: One line; made of the name when left out.
        description: The handler's docstring when left out.
        operation_id: For generated clients; the name when left out.
        deprecated: Still there, but not for long.
        include_in_schema: Whether OpenAPI tells of it.
        responses: Further answers by status, for OpenAPI.
        model: What permissions are about; the model of the answer when left out.
        action: What is done to it.
        annotations: What takes the place of the handler's own annotations.
    """

    handler: Callable[..., Any]
    method: str
    path: str = ""
    name: str | None = None
    response: Any = UNSET
    status: int | None = None
    permissions: Sequence[Any] | None = None
    throttles: Sequence[Any] | None = None
    tags: Sequence[str] = ()
    summary: str | None = None
    description: str | None = None
    operation_id: str | None = None
    deprecated: bool = False
    include_in_schema: bool = True
    responses: Mapping[int, Any] = field(default_factory=dict)
    model: type[Model] | None = None
    action: Action | None = None
    annotations: Mapping[str, Any] = field(default_factory=dict)

    @property
    def view_class(self) -> Any:
        """What ``manage.py routes`` and messages name: the handler."""
        return self.handler

    @property
    def is_write(self) -> bool:
        """Whether the method may change anything."""
        return self.method not in SAFE

    def covet_compile(self, flat: FlatRoute) -> Run:
        """Return what runs per request at this path; ``covet_endpoint`` of a view that knows its path."""
        return Compiled(self, flat).run

    async def covet_endpoint(self, request: Request, params: dict[str, Any]) -> Response:
        """Refuse: an endpoint runs as it was compiled for its path."""
        raise ImproperlyConfigured(
            f"{describe(self.handler)} is an endpoint of a Router; mount the router: include(api)."
        )

    def __repr__(self) -> str:
        return f"<Endpoint {self.method} {self.path!r} → {describe(self.handler)}>"


class Compiled:
    """An endpoint at one path: its plan, for the documentation and checks, and ``run``.

    Attributes:
        endpoint: What it was compiled from.
        path: The whole path, parameters in braces as in OpenAPI.
        signature: What the handler needs.
        plan: How answers are written.
        permissions: Who may, in force.
        target: What permissions are asked about.
        throttles: How often it may be asked, in force.
        binding: The code that was written.
        run: What runs per request.
    """

    def __init__(self, endpoint: Endpoint, flat: FlatRoute) -> None:
        self.endpoint = endpoint
        self.flat = flat
        converters = {piece.name: piece.converter for piece in flat.pieces if piece.converter is not None}
        self.converters = converters
        self.path = "/" + "".join(f"{{{piece.name}}}" if piece.converter else piece.text for piece in flat.pieces)
        where = describe(endpoint.handler)
        self.signature: Signature = read_signature(
            endpoint.handler,
            method=endpoint.method,
            path_names={*converters, *flat.kwargs, *(piece.name for piece in flat.host.pieces if piece.converter)}
            if flat.host is not None
            else {*converters, *flat.kwargs},
            annotations=endpoint.annotations,
        )
        self.plan: Plan = plan_response(endpoint.response, self.signature.returns, where)
        self.status = endpoint.status or (204 if self.plan.schema is None else 200)
        self.model = endpoint.model or self.plan.model
        self.permissions = access.effective(endpoint.permissions, self.model)
        action = endpoint.action or _ACTIONS.get(endpoint.method, "view")
        self.target = access.Target(endpoint.is_write, self.model, action, endpoint.name or "")
        self.page_parameters = _page_parameters(self.plan.page)
        self.is_open = all(one.allows_anyone(write=endpoint.is_write) for one in self.permissions)
        trusted = {name: _CONVERTED.get(type(one).__name__) for name, one in converters.items()}
        trusted = {name: kind for name, kind in trusted.items() if kind is not None}
        self.binding: Binding = compile_binding(
            self.signature, name=where, permit=None if self.is_open else self._permit, trusted=trusted
        )
        self.throttles = effective_throttles(endpoint.throttles)
        self.run: Run = self._compile()
        if self.throttles:
            self.run = throttled(self.run, self.throttles)
        self.run.compiled = self  # type: ignore[attr-defined]  # how the documentation finds the plan of a route

    async def _permit(self, request: Request) -> None:
        target = self.target
        await access.check(
            self.permissions,
            request,
            write=target.write,
            model=target.model,
            action=target.action,
            name=target.name,
        )

    def _compile(self) -> Run:
        """Choose the shortest of four runs: with or without a body, read from the database or not, in pages or not."""
        call, model, status = self.binding.call, self.model, self.status
        if self.endpoint.is_write and any(config.atomic_requests for config in settings.DATABASES.values()):
            call = _explaining_commits(call, model)
        render = self.plan.render
        if self.plan.schema is None:
            return _run_bodiless(call, status, model)
        if self.plan.page is not None:
            return _run_paged(call, render, status, model, _page_reader(self.plan.page, self.page_parameters))
        if self.plan.is_async:
            return _run_async(call, render, status, model)
        return _run_plain(call, render, status, model)


def _explaining_commits(call: Any, model: Any) -> Any:
    """Return ``call`` for requests in one transaction: a rule that only its commit finds broken is told like any other."""

    async def explained(request: Request, params: dict[str, Any], notes: list[Any]) -> Any:
        request.state.commit_failed = lambda error: broken_rule(error, notes, model)
        return await call(request, params, notes)

    return explained


def _run_plain(call: Any, render: Any, status: int, model: Any) -> Run:
    of_bytes = JSONResponse.of_bytes

    async def run(request: Request, params: dict[str, Any]) -> Response:
        notes: list[Any] = []
        try:
            value = await call(request, params, notes)
            if isinstance(value, Response):
                return value
            body = render(value)
        except EXPECTED as error:
            return await answer(error, notes, model)
        return of_bytes(body, status)

    return run


def _run_async(call: Any, render: Any, status: int, model: Any) -> Run:
    of_bytes = JSONResponse.of_bytes

    async def run(request: Request, params: dict[str, Any]) -> Response:
        notes: list[Any] = []
        try:
            value = await call(request, params, notes)
            if isinstance(value, Response):
                return value
            body = await render(request, value, None)
        except EXPECTED as error:
            return await answer(error, notes, model)
        return of_bytes(body, status)

    return run


def _run_paged(call: Any, render: Any, status: int, model: Any, read_page: Callable[[Request], AnyRequest]) -> Run:
    of_bytes = JSONResponse.of_bytes

    async def run(request: Request, params: dict[str, Any]) -> Response:
        notes: list[Any] = []
        try:
            page = read_page(request)
            value = await call(request, params, notes)
            if isinstance(value, Response):
                return value
            body = await render(request, value, page)
        except EXPECTED as error:
            return await answer(error, notes, model)
        return of_bytes(body, status)

    return run


def _run_bodiless(call: Any, status: int, model: Any) -> Run:
    async def run(request: Request, params: dict[str, Any]) -> Response:
        notes: list[Any] = []
        try:
            value = await call(request, params, notes)
        except EXPECTED as error:
            return await answer(error, notes, model)
        return value if isinstance(value, Response) else Response(b"", status)

    return run


def _page_parameters(kind: type[Any] | None) -> list[Parameter]:
    """Return what a kind of pages is asked for by."""
    if kind is None:
        return []
    size, most = settings.PAGE_SIZE, settings.MAX_PAGE_SIZE
    sizes = Annotated[int, Field(ge=1, le=most)]
    if kind is OffsetPage:
        return [
            Parameter("limit", "limit", Query(description="How many items at most."), sizes, size),
            Parameter("offset", "offset", Query(description="How many to leave out."), _OFFSETS, 0),
        ]
    sized = Parameter("size", "size", Query(description="Items on a page."), sizes, size)
    if kind is CursorPage:
        text = Annotated[str, Field(max_length=MAX_LENGTH)]
        return [
            Parameter("cursor", "cursor", Query(description="A place, from 'next' or 'previous'."), text, None),
            sized,
        ]
    return [Parameter("page", "page", Query(description="Which page, from 1."), Annotated[int, Field(ge=1)], 1), sized]


def _page_reader(kind: type[Any], parameters: Sequence[Parameter]) -> Callable[[Request], AnyRequest]:
    make: Any = OffsetRequest if kind is OffsetPage else CursorRequest if kind is CursorPage else PageRequest
    validators = [TypeAdapter(parameter.annotation).validator.validate_python for parameter in parameters]
    first: AnyRequest = make(*(parameter.default for parameter in parameters))

    def read(request: Request) -> AnyRequest:
        if not request.raw_query:
            return first
        errors: list[ProblemError] = []
        values: list[Any] = []
        for parameter, validate in zip(parameters, validators, strict=True):
            raw = request.query.get(parameter.wire)
            try:
                values.append(parameter.default if raw is None else validate(raw))
            except PydanticError as error:
                parameter_errors(errors, error, "query", parameter.wire)
        if errors:
            raise invalid(errors)
        wanted: AnyRequest = make(*values)
        return wanted

    return read
