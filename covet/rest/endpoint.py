"""Endpoint: a handler with what its router says of it, compiled for each path that it is mounted at.

``covet.urls`` calls ``covet_compile`` once per route at start-up; what comes back runs per request and decides nothing.
"""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from msgspec import Struct, field
from msgspec.structs import replace
from pydantic import Field

from covet import access
from covet.apps import apps
from covet.conf import settings
from covet.db.errors import DataError, IntegrityError
from covet.db.models.conflicts import VersionConflict
from covet.exceptions import ImproperlyConfigured, PermissionDenied, ValidationError
from covet.http.errors import HTTPException, UnsupportedMediaType
from covet.http.exception_handlers import Handlers, find_handler, handled, project_handlers
from covet.http.request import Request
from covet.http.response import JSONResponse, Response
from covet.loading import late_module
from covet.rest.annotations import is_stream, makes_pairs
from covet.rest.bind import Binding, compile_binding
from covet.rest.bodies import JSON_PATCH, MERGE_PATCH
from covet.rest.formats.base import JSON, Formats
from covet.rest.formats.choice import formats_of, negotiates
from covet.rest.params import Depends, Header, Query
from covet.rest.render import UNSET, Plan, plan_response
from covet.rest.signature import Parameter, Signature, describe, read_signature
from covet.urls.endpoint import peeled

if TYPE_CHECKING:
    from covet.access.permissions import Action
    from covet.db.models.base import Model
    from covet.rest import conditional as etags
    from covet.rest import cursor, fieldchoice, kept, overrides, paged, pagination, streams, throttle, unmeant
    from covet.rest import decorated as layers
    from covet.rest import deprecation as deprecations
    from covet.rest import errors as failures
    from covet.rest.expand import Expansion
    from covet.rest.formats import negotiate
    from covet.rest.pagination import AnyRequest
    from covet.rest.versioning import VersionNote
    from covet.urls.flatten import FlatRoute
else:
    cursor = late_module(__name__, "covet.rest.cursor")
    failures = late_module(__name__, "covet.rest.errors", "failures")
    pagination = late_module(__name__, "covet.rest.pagination")
    negotiate = late_module(__name__, "covet.rest.formats.negotiate")
    streams = late_module(__name__, "covet.rest.streams")
    throttle = late_module(__name__, "covet.rest.throttle")
    paged = late_module(__name__, "covet.rest.paged")
    fieldchoice = late_module(__name__, "covet.rest.fieldchoice")
    kept = late_module(__name__, "covet.rest.kept")
    etags = late_module(__name__, "covet.rest.conditional", "etags")
    layers = late_module(__name__, "covet.rest.decorated", "layers")
    overrides = late_module(__name__, "covet.rest.overrides")
    unmeant = late_module(__name__, "covet.rest.unmeant")
    deprecations = late_module(__name__, "covet.rest.deprecation", "deprecations")

__all__ = ["READS", "Compiled", "Endpoint", "Run"]

Run = Callable[[Request, dict[str, Any]], Awaitable[Response]]

EXPECTED: Final = (HTTPException, ValidationError, PermissionDenied, IntegrityError, DataError, VersionConflict)
"""The errors that are the client's: they are answered by ``covet.rest.errors`` and never logged as faults."""

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
READS: Final = frozenset(
    {
        "DEFAULT_PERMISSIONS",
        "DEFAULT_THROTTLES",
        "EXCEPTION_HANDLERS",
        "MAX_PAGE_SIZE",
        "PAGE_LINK_HEADER",
        "PAGE_SIZE",
        "REFUSE_UNKNOWN_PARAMETERS",
        "REST_FORMATS",
        "VERSIONING",
    }
)
"""The settings that endpoints are compiled from; ``UrlsPart`` compiles its routes anew when one changes."""

_ACTIONS: Final[dict[str, Action]] = {"POST": "add", "PUT": "change", "PATCH": "change", "DELETE": "delete"}
_BARE: Final = (204, 205, 304)
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
_CONVERTED: Final = {"IntConverter": int, "StringConverter": str, "SlugConverter": str, "PathConverter": str}


class Endpoint(Struct, eq=False):
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
        deprecated: Still there, but not for long; a ``Deprecation`` says how long.
        include_in_schema: Whether OpenAPI tells of it.
        responses: Further answers by status, for OpenAPI.
        model: What permissions are about; the model of the answer when left out.
        action: What is done to it.
        annotations: What takes the place of the handler's own annotations.
        formats: The forms of bodies and answers; None for ``REST_FORMATS``.
        conditional: Whether answers carry an ``ETag``, and a client that has them gets 304.
        last_modified: Gets what the handler returned and says when it was last changed; ``Last-Modified``.
        select_fields: Whether ``?fields=`` chooses what the answer shows.
        expandable: The schemas of related rows that ``?expand=`` shows, by their paths.
        omit: What pydantic leaves out of the answer: ``{"exclude_unset": True}``.
        idempotent: Whether an ``Idempotency-Key`` gives the first answer again.
        patches: Makes the body of a JSON Patch or Merge Patch; None where these are no forms of a body.
        exception_handlers: Gives the functions that answer exceptions, by their classes.
        dependencies: What is called before the handler, though no argument asks for it.
        openapi_extra: What OpenAPI shall say besides; put over what is made.
        security: The schemes of ``OPENAPI_SECURITY`` that it takes, for OpenAPI; None for all, an empty list for none.
        page_size: How many items a page of the answer has where the client does not ask; None for ``PAGE_SIZE``.
        max_page_size: How many a client may ask for; None for ``MAX_PAGE_SIZE``.
        callbacks: Requests that the server sends back, by name: routers whose paths are runtime expressions.
        webhooks: Gives the webhooks of the router and of those that it includes.
        is_told_who_may: Whether the permissions are a router's word, and not the endpoint's own.
        overruled: The permissions of routers above, in whose place those of a router below stand; for ``check --deploy``.
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
    deprecated: bool | deprecations.Deprecation = False
    include_in_schema: bool = True
    responses: Mapping[int | str, Any] = field(default_factory=dict)
    model: type[Model] | None = None
    action: Action | None = None
    annotations: Mapping[str, Any] = field(default_factory=dict)
    formats: Sequence[Any] | None = None
    conditional: bool = False
    last_modified: Callable[[Any], datetime.datetime | None] | None = None
    select_fields: bool = False
    expandable: Mapping[str, Any] = field(default_factory=dict)
    omit: Mapping[str, bool] = field(default_factory=dict)
    idempotent: bool = False
    patches: Callable[[Request, dict[str, Any], bytes], Awaitable[bytes]] | None = None
    exception_handlers: Callable[[], Handlers] | None = None
    dependencies: Sequence[Depends] = ()
    openapi_extra: Mapping[str, Any] | None = None
    security: Sequence[str | Mapping[str, Sequence[str]]] | None = None
    callbacks: Mapping[str, Any] = field(default_factory=dict)
    webhooks: Callable[[], Sequence[Endpoint]] | None = None
    is_told_who_may: bool = False
    overruled: Sequence[Sequence[Any]] = ()
    page_size: int | None = None
    max_page_size: int | None = None

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
        stream: What is streamed, if that is what the handler does.
        negotiates: Whether the answer may have one of several forms.
        permissions: Who may, in force.
        target: What permissions are asked about.
        throttles: How often it may be asked, in force.
        binding: The code that was written.
        formats: The forms of bodies and answers, in force.
        fields: What ``?fields=`` may name; None where it is not asked.
        expansion: What ``?expand=`` may name; None where there is nothing.
        choice: The one of both that makes the plan of a request; None where no request has a say.
        exception_handlers: Who answers which exceptions.
        told_parameters: What can be asked for beside the handler's own parameters, for the documentation.
        version: Which version of the API it belongs to, if there are several.
        deprecation: Since when it is deprecated, if that is known.
        run: What runs per request.
    """

    def __init__(
        self, endpoint: Endpoint, flat: FlatRoute, replaced: Mapping[Any, Callable[..., Any]] | None = None
    ) -> None:
        self.endpoint = endpoint
        self.flat = flat
        converters = {piece.name: piece.converter for piece in flat.pieces if piece.converter is not None}
        self.converters = converters
        self.path = "/" + "".join(f"{{{piece.name}}}" if piece.converter else piece.text for piece in flat.pieces)
        where = describe(endpoint.handler)
        handler, self._decorators = peeled(endpoint.handler)
        self.signature: Signature = read_signature(
            handler,
            method=endpoint.method,
            path_names={*converters, *flat.kwargs, *(piece.name for piece in flat.host.pieces if piece.converter)}
            if flat.host is not None
            else {*converters, *flat.kwargs},
            annotations=endpoint.annotations,
            replaced=replaced,
            dependencies=endpoint.dependencies,
        )
        shown = self.signature.returns if endpoint.response is UNSET else endpoint.response
        self.stream = streams.stream_of(shown, where) if is_stream(shown) else None
        self.plan: Plan = (
            plan_response(endpoint.response, self.signature.returns, where, endpoint.omit)
            if self.stream is None
            else replace(self.stream.plan, schema=UNSET, render=None, is_async=False)
        )
        if self.plan.is_untyped and makes_pairs(handler):
            self.plan = replace(self.plan, render=unmeant.refusing_pairs(self.plan.render, handler))
        if endpoint.omit and (endpoint.select_fields or endpoint.expandable or self.stream is not None):
            raise ImproperlyConfigured(
                f"{where}: {', '.join(endpoint.omit)} is neither for ?fields= and ?expand= nor for streams."
            )
        self.negotiates = self.stream is None and negotiates(self.signature.returns)
        self.status = endpoint.status or (204 if self.plan.schema is None else 200)
        if self.status in _BARE and self.plan.schema not in (None, type(None), UNSET, Any):
            raise ImproperlyConfigured(
                f"{where}: an answer of {self.status} has no body, and {getattr(shown, '__name__', shown)} would be one. Write "
                "-> None, or take another status."
            )
        self.model = endpoint.model or self.plan.model
        try:
            self.permissions = access.effective(endpoint.permissions, self.model)
        except ImproperlyConfigured as error:
            raise ImproperlyConfigured(f"{where}: {error}") from error
        action = endpoint.action or _ACTIONS.get(endpoint.method, "view")
        self.target = access.Target(endpoint.is_write, self.model, action, endpoint.name or "")
        self._paged_by = self._read_pages(where)
        self.page_parameters = [parameter for parameter in self._paged_by if parameter.wire]
        self.is_open = all(one.allows_anyone(write=endpoint.is_write) for one in self.permissions)
        trusted = {name: _CONVERTED.get(type(one).__name__) for name, one in converters.items()}
        trusted = {name: kind for name, kind in trusted.items() if kind is not None}
        self.formats: Formats = formats_of(endpoint.formats)
        self.fields = fieldchoice.FieldChoice.of(self.plan) if endpoint.select_fields else None
        self.expansion = self._expansion(where)
        self.choice = self.expansion or self.fields
        is_strict = settings.REFUSE_UNKNOWN_PARAMETERS or self.signature.forbids("query")
        self.binding: Binding = compile_binding(
            self.signature,
            name=where,
            permit=None if self.is_open or self._decorators else self._permit,
            trusted=trusted,
            formats=self.formats,
            negotiates=self.negotiates,
            patches=endpoint.patches,
            known=self._query_names() if is_strict else None,
        )
        self.throttles: tuple[throttle.Throttle, ...] = ()
        if endpoint.throttles is not None or settings.DEFAULT_THROTTLES:
            self.throttles = throttle.effective_throttles(endpoint.throttles, where=f"{where}: throttles")
        self.version: VersionNote | None = None
        self.deprecation = None if isinstance(endpoint.deprecated, bool) else endpoint.deprecated
        self.exception_handlers: Handlers = self._handlers()
        self._errors = _Errors(self.model, self.exception_handlers, self.accept_patch)
        self.run: Run = self._wrapped(self._compile())
        if self.signature.dependencies and replaced is None:
            self.run = _overridable(self.run, endpoint, flat)
        self.run.compiled = self  # type: ignore[attr-defined]  # how the documentation finds the plan of a route
        if self.accept_patch:
            self.run.accept_patch = self.accept_patch  # type: ignore[attr-defined]  # OPTIONS tells it

    def _read_pages(self, where: str) -> list[Parameter]:
        """Return what a page is asked for by; one without a name is not the client's to choose."""
        size, most = self.endpoint.page_size, self.endpoint.max_page_size
        if self.plan.page is not None:
            return paged.page_parameters(self.plan.page, size, most, where)
        if size is not None or most is not None:
            raise ImproperlyConfigured(f"{where} has a page_size, and its answer is no page. Write response=Page[…].")
        return []

    def _expansion(self, where: str) -> Expansion | None:
        endpoint = self.endpoint
        if not endpoint.expandable:
            return None
        from covet.rest.expand import Expansion  # few projects have any

        return Expansion(self.plan, endpoint.expandable, self.model, where, selects=endpoint.select_fields)

    @cached_property
    def body_kinds(self) -> tuple[str, ...]:
        """The media types of the bodies that are read."""
        body = self.binding.body
        if body is None:
            return _FORMS if self.signature.has_form else ()
        own: tuple[str, ...] | None = getattr(body, "media_types", None)
        if own is not None:
            return own
        read = tuple(one.media_types[0] for one in self.formats if one.read is not None)
        return read if self.endpoint.patches is None else (*read, MERGE_PATCH, JSON_PATCH)

    @property
    def accept_patch(self) -> str:
        """The header ``Accept-Patch`` (RFC 5789, 3.1) of an address with a PATCH; empty for other methods."""
        return ", ".join(self.body_kinds) if self.endpoint.method == "PATCH" else ""

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

    @cached_property
    def told_parameters(self) -> list[Parameter]:
        """The parameters and headers that endpoints have beside their handler's, for the documentation."""
        told = []
        if self.expansion is not None:
            told += self.expansion.parameters
        elif self.fields is not None:
            told.append(self.fields.parameter)
        if len(self.formats) > 1 and self.negotiates:
            names = Literal[tuple(one.name for one in self.formats)]  # type: ignore[valid-type]  # known at run time
            text = "The form of the answer, in place of the Accept header."
            told.append(
                Parameter(negotiate.FORMAT_PARAMETER, negotiate.FORMAT_PARAMETER, Query(description=text), names, None)
            )
        if self.endpoint.idempotent and self.endpoint.is_write:
            from covet.rest.idempotency import KEY_PATTERN  # few endpoints ask for it

            text = "Any text of the client's; the same one again gets the first answer, and nothing is done twice."
            limit = Annotated[str, Field(min_length=1, max_length=255, pattern=KEY_PATTERN)]
            told.append(Parameter("idempotency_key", "idempotency-key", Header(description=text), limit, None))
        return told

    def _query_names(self) -> frozenset[str]:
        """Return the query parameters that there are: those that the documentation tells of, and hidden ones."""
        told = (*self.signature.described(), *self.page_parameters, *self.told_parameters)
        said = (self.endpoint.openapi_extra or {}).get("parameters", ())
        return frozenset(
            (
                *(one.wire for one in told if one.marker.source == "query"),
                *(one["name"] for one in said if one.get("in") == "query"),
                *([str(settings.VERSIONING.get("parameter", "version"))] if settings.VERSIONING else ()),
            )
        )

    def _handlers(self) -> Handlers:
        """Return who answers exceptions: the routers', nearest first, then the app's, then the project's."""
        module = getattr(self.endpoint.handler, "__module__", "")
        config = apps.current().get_containing_app_config(module) if apps.current().apps_ready else None
        own = self.endpoint.exception_handlers
        return {
            **project_handlers(),
            **getattr(config, "exception_handlers", {}),
            **({} if own is None else own()),
        }

    def _wrapped(self, run: Run) -> Run:
        """Put round a run what this endpoint has and others have not; the outermost last."""
        endpoint = self.endpoint
        if self.plan.page is not None and pagination.has_link_header(self.plan.page):
            run = paged.with_link_header(run)
        if self.negotiates and (len(self.formats) > 1 or self.formats[0] is not JSON):
            run = negotiate.Negotiation(self, self.formats).around(run)
        if endpoint.conditional and not endpoint.is_write:
            run = etags.conditional(run)
        if endpoint.idempotent and endpoint.is_write:
            from covet.rest.idempotency import idempotent

            run = idempotent(run, self.path)
        if self._decorators:
            run = layers.decorated(run, self._decorators, self._errors, None if self.is_open else self._permit)
        if self.throttles:
            run = throttle.throttled(run, self.throttles)
        if self.deprecation is not None:
            run = self.deprecation.around(run)
        return run

    def _compile(self) -> Run:
        """Choose the shortest run: with or without a body, read from the database or not, in pages or not."""
        own, model, status, plan, errors = self.binding, self.model, self.status, self.plan, self._errors
        stamp = self.endpoint.last_modified
        is_made = self.choice is not None or own.is_stacked or stamp is not None or self.signature.wants_response
        explains = self.endpoint.is_write and any(config.atomic_requests for config in settings.DATABASES.values())
        is_wrapped = explains or self.stream is not None
        if not (is_made or is_wrapped or plan.schema is None or plan.page is not None):
            return own.answering(plan, errors, status)
        call = _explaining_commits(own.call, model) if explains else own.call
        if self.stream is not None:
            call = self.stream.around(call, status)
        read_page = None if plan.page is None else paged.page_reader(plan.page, self._paged_by)
        if is_made:
            return _run_made(call, _Maker(plan, read_page, self.choice, status, stamp), errors, stacked=own.is_stacked)
        if plan.schema is None:
            return _run_bodiless(call, status, errors)
        if read_page is not None:
            return _run_paged(call, plan.render, status, errors, read_page)
        return _run_wrapped(call, plan, status, errors)


def _overridable(run: Run, endpoint: Endpoint, flat: FlatRoute) -> Run:
    """Return ``run``, and in its place one with other dependencies while some are replaced."""
    made: dict[Any, Run] = {}

    def overridable(request: Request, params: dict[str, Any]) -> Awaitable[Response]:
        if not overrides.OVERRIDES:
            return run(request, params)
        key = tuple(overrides.OVERRIDES.items())
        found = made.get(key)
        if found is None:
            made.clear()  # a test replaces once and asks often; what other tests replaced is not kept
            found = made[key] = Compiled(endpoint, flat, dict(overrides.OVERRIDES)).run
        return found(request, params)

    return overridable


def _explaining_commits(call: Any, model: Any) -> Any:
    """Return ``call`` for requests in one transaction: a rule that only its commit finds broken is told like any other."""

    async def explained(request: Request, params: dict[str, Any], notes: list[Any], *stack: Any) -> Any:
        request.state.commit_failed = lambda error: failures.broken_rule(error, notes, model, request)
        return await call(request, params, notes, *stack)

    return explained


class _Errors:
    """Which errors of an endpoint are answered here, and by what."""

    __slots__ = ("_accept_patch", "_handlers", "_model", "kinds")

    def __init__(self, model: Any, handlers: Handlers, accept_patch: str) -> None:
        self._accept_patch = accept_patch
        self._model = model
        self._handlers = handlers
        self.kinds: tuple[type[BaseException], ...] = (*EXPECTED, *handlers)

    async def answer(self, request: Request, error: BaseException, notes: Sequence[Any]) -> Response:
        """Return the answer: a handler's, or the problem document."""
        request.discard_background()
        if self._accept_patch and isinstance(error, UnsupportedMediaType):
            error.headers.setdefault("Accept-Patch", self._accept_patch)
        handler = find_handler(self._handlers, error)
        if handler is not None:
            failures.roll_back()
            return await handled(handler, request, error)
        return await failures.answer(error, notes, self._model, request)


def _run_wrapped(call: Any, plan: Plan, status: int, errors: _Errors) -> Run:
    of_bytes, expected, render, is_async = JSONResponse.of_bytes, errors.kinds, plan.render, plan.is_async

    async def run(request: Request, params: dict[str, Any]) -> Response:
        notes: list[Any] = []
        try:
            value = await call(request, params, notes)
            if isinstance(value, Response):
                return value
            body = await render(request, value, None) if is_async else render(value)
        except expected as error:
            return await errors.answer(request, error, notes)
        return of_bytes(body, status)

    return run


def _run_paged(call: Any, render: Any, status: int, errors: _Errors, read_page: Callable[[Request], AnyRequest]) -> Run:
    of_bytes, expected = JSONResponse.of_bytes, errors.kinds

    async def run(request: Request, params: dict[str, Any]) -> Response:
        notes: list[Any] = []
        try:
            page = read_page(request)
            value = await call(request, params, notes)
            if isinstance(value, Response):
                return value
            body = await render(request, value, page)
        except expected as error:
            return await errors.answer(request, error, notes)
        return of_bytes(body, status)

    return run


def _run_bodiless(call: Any, status: int, errors: _Errors) -> Run:
    expected = errors.kinds

    async def run(request: Request, params: dict[str, Any]) -> Response:
        notes: list[Any] = []
        try:
            value = await call(request, params, notes)
        except expected as error:
            return await errors.answer(request, error, notes)
        return value if isinstance(value, Response) else Response(b"", status)

    return run


class _Maker(Struct, frozen=True):
    """Makes the answers of endpoints that choose fields, tell when a value was changed, or clean up afterwards."""

    plan: Plan
    read_page: Callable[[Request], AnyRequest] | None
    choice: fieldchoice.FieldChoice | Expansion | None
    status: int
    stamp: Callable[[Any], datetime.datetime | None] | None

    def prepare(self, request: Request) -> tuple[Plan, AnyRequest | None]:
        """Return the plan and the page of a request, before the handler is called."""
        plan = self.plan if self.choice is None else self.choice.plan(request)
        return plan, None if self.read_page is None else self.read_page(request)

    async def answer(self, request: Request, value: Any, plan: Plan, page: AnyRequest | None) -> Response:
        """Return the answer that shows a value."""
        if isinstance(value, Response):
            return value
        if plan.schema is None:
            return Response(b"", self.status)
        body = await plan.render(request, value, page) if plan.is_async else plan.render(value)
        response = JSONResponse.of_bytes(body, self.status)
        changed = None if self.stamp is None else self.stamp(value)
        if changed is not None:
            response.headers["Last-Modified"] = etags.http_date(changed)
        return response


def _with_head(response: Response, notes: Sequence[Any]) -> Response:
    """Return an answer with what an argument ``response: Response`` was given: headers, cookies, another status."""
    for head in notes:
        if type(head) is not Response or head is response:
            continue
        response.raw_headers = [*response.raw_headers, *head.raw_headers]
        response._headers = None
        if head.status != 200:
            response.status = head.status
        response.background = response.background or head.background
    return response


def _run_made(call: Any, make: _Maker, errors: _Errors, *, stacked: bool) -> Run:
    expected = errors.kinds

    async def run(request: Request, params: dict[str, Any]) -> Response:
        notes: list[Any] = []
        try:
            plan, page = make.prepare(request)
            if not stacked:
                return _with_head(await make.answer(request, await call(request, params, notes), plan, page), notes)
            stack = AsyncExitStack()
            try:
                value = await call(request, params, notes, stack)
                response = _with_head(await make.answer(request, value, plan, page), notes)
            except BaseException as error:
                # A dependency sees the error at its yield; it may raise another one, but not make it undone.
                await stack.__aexit__(type(error), error, error.__traceback__)
                raise
            if response.is_streaming:
                return kept.KeptResponse(response, stack)
            await stack.aclose()
            return response
        except expected as error:
            return await errors.answer(request, error, notes)

    return run
