"""Router: handlers and viewsets under paths, to be mounted by ``path("api/", include(api))``."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

from msgspec.structs import replace

from covet.concurrency import signature
from covet.exceptions import ImproperlyConfigured
from covet.http.request import Request
from covet.loading import late_names
from covet.rest.endpoint import Endpoint
from covet.rest.foreign import (
    absent_router_method,
    by_status,
    check_callbacks,
    check_exception,
    check_exception_handler,
    check_included,
    check_lists,
    check_registered,
    check_responses,
    check_route,
    check_status,
    check_webhook,
    unknown_option,
)
from covet.rest.render import UNSET
from covet.urls.patterns import Include, Included, Route, path

if TYPE_CHECKING:
    from typing import Never

    from typing_extensions import Unpack

    from covet.db.models.base import Model
    from covet.http.exception_handlers import ExceptionHandler
    from covet.rest.deprecation import Deprecation
    from covet.rest.params import Depends
    from covet.rest.resources import ViewSet
    from covet.rest.route_options import RouteOptions

__all__ = ["RouteOptions", "Router"]

if not TYPE_CHECKING:
    # A TypedDict looks at every one of its annotations when it is made, and only a checker asks for it.
    __getattr__, __dir__ = late_names(__name__, {"covet.rest.route_options": ("RouteOptions",)})

F = TypeVar("F", bound=Callable[..., Any])
H = TypeVar("H", bound=Callable[..., Any])


class Router:
    """A group of endpoints, of its own and of the routers that it includes.

    ```{ .python .notest }
    api = Router(tags=["blog"])

    @api.get("/articles/", response=Page[ArticleOut])
    async def list_articles(request: Request) -> QuerySet[Article]:
        return Article.objects.all()
    ```

    Args:
        tags: Groups in the documentation, for all endpoints.
        permissions: Who may, where an endpoint does not say; None for what a router that includes this one says, else the model's
            policy, else ``DEFAULT_PERMISSIONS``.
        throttles: How often each may be asked, where it does not say; None for what a router that includes this one says, else
            ``DEFAULT_THROTTLES``.
        include_in_schema: Whether OpenAPI tells of the endpoints.
        formats: The forms of bodies and answers, where an endpoint does not say; None for what a router that includes this one
            says, else ``REST_FORMATS``.
        dependencies: ``Depends(…)`` that are called before each handler; what they give is left aside.
        deprecated: All of them are still there, but not for long; a ``Deprecation`` says how long.
        app_name: A namespace for ``reverse("blog:list_articles")``.
        trailing_slash: Whether the paths of viewsets end in a slash.
        root: Whether the router's own address answers with the addresses of its viewsets, by their prefix.
    """

    if not TYPE_CHECKING:  # a checker knows the options

        def __new__(cls, *args: Any, **options: Any) -> Router:
            """Say of an unknown option what it is called here."""
            if options.keys() <= (getattr(cls.__init__, "__kwdefaults__", None) or {}).keys():
                return super().__new__(cls)
            known = signature(cls.__init__).parameters
            unknown = [name for name in options if name not in known]
            if unknown and not any(one.kind is one.VAR_KEYWORD for one in known.values()):
                raise unknown_option(f"{cls.__name__}()", unknown, known.keys() - {"self"})
            return super().__new__(cls)

        def __getattr__(self, name: str) -> Any:
            """Say of what a router has not what it is called here."""
            raise absent_router_method(type(self).__name__, name)

    def __init__(
        self,
        *,
        tags: Sequence[str] = (),
        permissions: Sequence[Any] | None = None,
        throttles: Sequence[Any] | None = None,
        include_in_schema: bool = True,
        deprecated: bool | Deprecation = False,
        app_name: str | None = None,
        trailing_slash: bool = True,
        formats: Sequence[Any] | None = None,
        dependencies: Sequence[Depends] = (),
        root: bool = False,
    ) -> None:
        check_lists(type(self).__name__, tags=tags, formats=formats, permissions=permissions, throttles=throttles)
        self.formats = formats
        self.dependencies = tuple(dependencies)
        self._handlers: dict[type[BaseException], ExceptionHandler] = {}
        self.tags = tuple(tags)
        self.permissions = permissions
        self.throttles = throttles
        self.include_in_schema = include_in_schema
        self.deprecated = deprecated
        self.app_name = app_name
        self.trailing_slash = trailing_slash
        self.endpoints: list[Endpoint] = []
        self.webhooks: list[Endpoint] = []
        self._included: list[tuple[str, Router]] = []
        self._registered: list[str] = []
        if root:
            self._add_root()

    def get(self, route: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Answer GET and HEAD at a path; options as for ``route``."""
        return self._route("GET", route, options)

    def post(self, route: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Answer POST at a path; options as for ``route``."""
        return self._route("POST", route, options)

    def put(self, route: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Answer PUT at a path; options as for ``route``."""
        return self._route("PUT", route, options)

    def patch(self, route: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Answer PATCH at a path; options as for ``route``."""
        return self._route("PATCH", route, options)

    def delete(self, route: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Answer DELETE at a path; options as for ``route``."""
        return self._route("DELETE", route, options)

    def _route(self, method: str, route: str, options: RouteOptions) -> Callable[[F], F]:
        if not options.keys() <= _OPTIONS.keys():
            raise unknown_option(f"{method} {route!r}", [name for name in options if name not in _OPTIONS], _OPTIONS)
        return self.route(method, route, **options)

    def route(
        self,
        method: str,
        route: str,
        *,
        response: Any = UNSET,
        status: int | None = None,
        permissions: Sequence[Any] | None = None,
        throttles: Sequence[Any] | None = None,
        name: str | None = None,
        tags: Sequence[str] = (),
        summary: str | None = None,
        description: str | None = None,
        operation_id: str | None = None,
        deprecated: bool | Deprecation = False,
        include_in_schema: bool = True,
        responses: Mapping[int | str, Any] | None = None,
        model: type[Model] | None = None,
        formats: Sequence[Any] | None = None,
        conditional: bool = False,
        last_modified: Callable[[Any], datetime.datetime | None] | None = None,
        select_fields: bool = False,
        expandable: Mapping[str, Any] | None = None,
        exclude_unset: bool = False,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
        idempotent: bool = False,
        page_size: int | None = None,
        max_page_size: int | None = None,
        dependencies: Sequence[Depends] = (),
        openapi_extra: Mapping[str, Any] | None = None,
        security: Sequence[str | Mapping[str, Sequence[str]]] | None = None,
        callbacks: Mapping[str, Router] | None = None,
    ) -> Callable[[F], F]:
        """Answer a method at a path, ``/articles/<int:pk>``; the function itself stays as it is.

        Args:
            method: The HTTP method.
            route: The path, with ``path()``'s parameters.
            response: The answer's schema, where the handler returns models, a queryset, or something with more fields;
                a mapping of statuses to schemas tells OpenAPI of several.
            status: The status of the answer; 200, or 204 where there is no body.
            permissions: Who may; ``[]`` or ``[AllowAny]`` is everybody.
            throttles: How often it may be asked: rates, or ``Throttle(…)``; ``[]`` is no limit.
            name: For ``reverse()``; the function's name when left out.
            tags: Further groups in the documentation.
            summary: One line for the documentation.
            description: More of it; the docstring when left out.
            operation_id: For generated clients; the name when left out.
            deprecated: Still there, but not for long; a ``Deprecation`` says how long, in headers.
            include_in_schema: Whether OpenAPI tells of it.
            responses: Further answers by status, for OpenAPI: a schema, or a mapping of OpenAPI's words (``description``,
                ``content``, ``headers``, ``links``) and ``model``; ``"4XX"`` and ``"default"`` stand for several.
            model: What permissions are about, where the answer does not say.
            formats: The forms of bodies and answers: ``["json", "csv"]``; the router's when left out.
            conditional: Put an ``ETag`` on answers, and answer 304 to a client that has them.
            last_modified: Gets what the handler returns and says when it was last changed.
            select_fields: Let ``?fields=id,author.name`` choose what the answer shows.
            expandable: What ``?expand=author`` may show whole of related rows, by their paths: ``{"author": AuthorOut}``.
            exclude_unset: Leave out of the answer what the handler did not set.
            exclude_defaults: Leave out what has its default.
            exclude_none: Leave out what is None.
            idempotent: Keep the answer for an ``Idempotency-Key``, and give it again.
            page_size: How many items a page has where the client does not ask; None for what the page's class says, or ``PAGE_SIZE``.
            max_page_size: How many a client may ask for; None for the same, or ``MAX_PAGE_SIZE``.
            dependencies: Further ``Depends(…)`` that are called before the handler.
            openapi_extra: What OpenAPI shall say besides: put over the operation, member by member.
            security: The schemes of ``OPENAPI_SECURITY`` that it takes; None for all of them, ``[]`` for none. One is enough;
                a mapping of several to their scopes, ``{"oauth": ["read"], "key": []}``, asks for all of these.
            callbacks: Requests that the server sends to the client later, by name; the paths of these routers are
                expressions such as ``{$request.body#/callback_url}``.
        """
        check_route(method, route)
        where = f"{method} {route!r}"
        check_lists(where, tags=tags, formats=formats, permissions=permissions, throttles=throttles)
        if isinstance(response, dict):
            response = by_status(where, response)
        if callbacks is not None:
            check_callbacks(where, callbacks)

        def add(handler: F) -> F:
            self.add(
                Endpoint(
                    handler,
                    method.upper(),
                    route,
                    name=name or handler.__name__,
                    response=response,
                    status=status,
                    permissions=permissions,
                    throttles=throttles,
                    tags=tuple(tags),
                    summary=summary,
                    description=description,
                    operation_id=operation_id,
                    deprecated=deprecated,
                    include_in_schema=include_in_schema,
                    responses=_all_responses(where, response, responses),
                    model=model,
                    formats=formats,
                    conditional=conditional,
                    last_modified=last_modified,
                    select_fields=select_fields,
                    expandable=expandable or {},
                    omit={
                        name: True
                        for name, is_wanted in (
                            ("exclude_unset", exclude_unset),
                            ("exclude_defaults", exclude_defaults),
                            ("exclude_none", exclude_none),
                        )
                        if is_wanted
                    },
                    idempotent=idempotent,
                    page_size=page_size,
                    max_page_size=max_page_size,
                    dependencies=tuple(dependencies),
                    openapi_extra=openapi_extra,
                    security=security,
                    callbacks=callbacks or {},
                )
            )
            return handler

        return add

    def add(self, endpoint: Endpoint) -> None:
        """Add an endpoint; what it does not say itself, the router says."""
        check_status(f"{endpoint.method} {endpoint.path!r}", endpoint.status)
        self.endpoints.append(self._told(endpoint))

    def _told(self, endpoint: Endpoint) -> Endpoint:
        """Return an endpoint of this router, or of one that it includes, with what this one says of it (ADR 0023).

        Of one answer the nearest word counts (who may, how often, in which forms); what is a list of things to do, or to be found
        by, adds up, the outermost first; what is deprecated or hidden above is so below.
        """
        below = endpoint.exception_handlers
        is_silent = endpoint.permissions is None
        is_overruled = endpoint.is_told_who_may and self.permissions is not None
        return replace(
            endpoint,
            permissions=self.permissions if is_silent else endpoint.permissions,
            throttles=self.throttles if endpoint.throttles is None else endpoint.throttles,
            formats=self.formats if endpoint.formats is None else endpoint.formats,
            tags=(*self.tags, *(tag for tag in endpoint.tags if tag not in self.tags)),
            include_in_schema=endpoint.include_in_schema and self.include_in_schema,
            deprecated=endpoint.deprecated or self.deprecated,
            dependencies=(*self.dependencies, *endpoint.dependencies),
            # Asked when the routes are compiled: handlers and webhooks may stand below the routes.
            exception_handlers=(lambda: {**self._handlers, **(below() if below else {})}),
            webhooks=self.all_webhooks,
            is_told_who_may=endpoint.is_told_who_may or (is_silent and self.permissions is not None),
            overruled=(*endpoint.overruled, self.permissions) if is_overruled else endpoint.overruled,
        )

    def _tell(self, pattern: Any) -> Any:
        """Return a pattern of a router that is included with what this one says of the endpoints in it, of later ones too."""
        if isinstance(pattern, Include):
            load = pattern.load
            return replace(pattern, load=lambda: [*map(self._tell, load())])
        if isinstance(pattern, Route) and isinstance(pattern.view, Endpoint):
            return replace(pattern, view=self._told(pattern.view))
        return pattern

    def webhook(
        self, name: str, *, method: str = "POST", permissions: Sequence[Any] = (), **options: Any
    ) -> Callable[[F], F]:
        """Tell OpenAPI of a request that this project sends to those who asked for it.

        ```{ .python .notest }
        @api.webhook("article.published")
        async def article_published(data: ArticleOut) -> None:
            "Sent once an article can be read."
        ```

        The function is never called: its arguments say what is sent, and what it returns says what is expected back.

        Args:
            name: What happened.
            method: The HTTP method that it is sent with.
            permissions: Nobody is asked: the receiver decides.
            options: As for ``route``.
        """
        check_webhook(name)
        below = Router(tags=self.tags)

        def add(function: F) -> F:
            below.route(method, name, permissions=list(permissions), throttles=[], **options)(function)
            self.webhooks.extend(below.endpoints)
            return function

        return add

    def all_webhooks(self) -> list[Endpoint]:
        """Return the webhooks of this router and of those that it includes, unless OpenAPI is to tell nothing of these."""
        below = [router for _, router in self._included if router.include_in_schema]
        return [*self.webhooks, *(one for router in below for one in router.all_webhooks())]

    def exception_handler(self, kind: type[BaseException]) -> Callable[[H], H]:
        """Answer an exception of this router's endpoints, and of those of routers that it includes.

        ```{ .python .notest }
        @api.exception_handler(OutOfStock)
        async def out_of_stock(request: Request, error: OutOfStock) -> Problem:
            return Problem(409, detail=str(error))
        ```

        The function is sync or async and returns a ``Response`` or a ``Problem``. Of several classes the nearest to the
        exception's own wins, of several routers the innermost, then the app's (``AppConfig.exception_handlers``), then the
        project's (``EXCEPTION_HANDLERS``).

        Args:
            kind: The exception; its subclasses too.

        Raises:
            ImproperlyConfigured: It is no exception, or the function cannot be called with the request and the error.
        """
        check_exception(kind)

        def add(handler: H) -> H:
            check_exception_handler(handler)
            self._handlers[kind] = handler
            return handler

        return add

    def register(self, prefix: str, viewset: type[ViewSet], basename: str | None = None) -> None:
        """Mount a viewset: ``register("authors", AuthorViewSet)`` serves ``authors/`` and ``authors/<int:pk>/``.

        Args:
            prefix: Where it is mounted.
            viewset: The class.
            basename: The first part of its names for ``reverse()``: ``authors-list``; the prefix's last part when left
                out.
        """
        check_registered(prefix, viewset)
        base = basename or prefix.strip("/").rpartition("/")[2]
        if not base:
            raise ImproperlyConfigured(
                f"register({prefix!r}, {viewset.__name__}) needs a basename: basename='authors'."
            )
        slash = "/" if self.trailing_slash else ""
        for endpoint in viewset.endpoints(prefix.strip("/"), base, slash=slash):
            self.add(endpoint)
        self._registered.append(prefix.strip("/") + slash)

    def _add_root(self) -> None:
        async def root(request: Request) -> dict[str, str]:
            """Tell where the parts of this API are."""
            here = quote(request.root_path + request.path)
            return {place.strip("/"): here + place for place in self._places()}

        self.route("GET", "", name="api-root")(root)

    def _places(self, prefix: str = "") -> Iterator[str]:
        """Give the paths of the viewsets below this router that need no parameter."""
        for place in self._registered:
            if "<" not in place:
                yield prefix + place
        for below, router in self._included:
            if "<" not in below:
                yield from router._places(f"{prefix}{below.strip('/')}/" if below.strip("/") else prefix)

    def include(self, prefix: str, router: Router, **options: Never) -> None:
        """Mount another router below a prefix, with its routes of now and later.

        ```{ .python .notest }
        staff = Router(permissions=[IsAdminUser], tags=["staff"])
        staff.include("reports", reports)
        ```

        What this router says holds there too: who may, how often and in which forms, where nothing nearer says so; its tags and
        dependencies come before those below, it answers exceptions that nobody below does, and what it deprecates or hides from
        OpenAPI is so below. Prefixes, names and ``trailing_slash`` are each router's own. A router may be included in several
        ones, and has of each what that one says.

        Args:
            prefix: Where it is mounted; parameters in it are there for all routes below.
            router: The router.
            options: None: say them of a router, ``Router(permissions=[…])``.

        Raises:
            ImproperlyConfigured: It is no router, this one is below it (or is it), or there are options.
        """
        check_included(prefix, router, options, Router.__init__.__kwdefaults__ or {})
        self._check_circle(prefix, router)
        self._included.append((prefix, router))

    def _check_circle(self, prefix: str, router: Router) -> None:
        waiting = [(router, "")]
        for one, place in waiting:
            if one is self:
                way = f"has it at {place!r} already" if place else "is that router itself"
                raise ImproperlyConfigured(
                    f"include({prefix!r}, {router!r}): what is included {way}, so that its paths would have no end. "
                    "Include routers in one direction, and what both need by a third one."
                )
            waiting += [(inner, f"{place}/{below.strip('/')}".strip("/") or "/") for below, inner in one.included]

    @property
    def included(self) -> list[tuple[str, Router]]:
        """The routers mounted below this one, each with its prefix."""
        return list(self._included)

    @property
    def urlpatterns(self) -> list[Route | Include]:
        """The endpoints as URL patterns; what ``include(api)`` asks for."""
        own: list[Route | Include] = [
            path(endpoint.path.lstrip("/"), endpoint, name=endpoint.name, methods=[endpoint.method])
            for endpoint in self.endpoints
        ]
        return own + [self._tell(_mounted(prefix, router)) for prefix, router in self._included]

    def __repr__(self) -> str:
        return f"<Router of {len(self.endpoints)} endpoints>"


_OPTIONS: Final[Mapping[str, Any]] = Router.route.__kwdefaults__ or {}


def _prefix(prefix: str) -> str:
    bare = prefix.strip("/")
    return f"{bare}/" if bare else ""


def _mounted(prefix: str, router: Router) -> Route | Include:
    # What include(router) would give, but for looking at its patterns already here: more of them may be added until it is served.
    return path(_prefix(prefix), Included(lambda: router.urlpatterns, router.app_name, router.app_name))


def _all_responses(where: str, response: Any, further: Mapping[int | str, Any] | None) -> dict[int | str, Any]:
    listed = response if isinstance(response, dict) else {}
    check_responses(where, further or {})
    return {**listed, **(further or {})}
