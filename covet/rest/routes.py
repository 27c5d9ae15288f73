"""Router: handlers and viewsets under paths, to be mounted by ``path("api/", include(api))``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from typing_extensions import Unpack

from covet.exceptions import ImproperlyConfigured
from covet.rest.endpoint import Endpoint
from covet.rest.render import UNSET
from covet.urls.patterns import Include, Route, include, path

if TYPE_CHECKING:
    from covet.db.models.base import Model
    from covet.rest.viewsets import ViewSet

__all__ = ["RouteOptions", "Router"]

F = TypeVar("F", bound=Callable[..., Any])


class RouteOptions(TypedDict, total=False):
    """What may be said of a route; see ``Router.route``."""

    response: Any
    status: int | None
    permissions: Sequence[Any] | None
    throttles: Sequence[Any] | None
    name: str | None
    tags: Sequence[str]
    summary: str | None
    description: str | None
    operation_id: str | None
    deprecated: bool
    include_in_schema: bool
    responses: Mapping[int, Any] | None
    model: type[Model] | None


class Router:
    """A group of endpoints.

    ```{ .python .notest }
    api = Router(tags=["blog"])

    @api.get("/articles/", response=Page[ArticleOut])
    async def list_articles(request: Request) -> QuerySet[Article]:
        return Article.objects.all()
    ```

    Args:
        tags: Groups in the documentation, for all endpoints.
        permissions: Who may, where an endpoint does not say; None for the model's policy or ``DEFAULT_PERMISSIONS``.
        throttles: How often each may be asked, where it does not say; None for ``DEFAULT_THROTTLES``.
        include_in_schema: Whether OpenAPI tells of the endpoints.
        deprecated: All of them are still there, but not for long.
        app_name: A namespace for ``reverse("blog:list_articles")``.
        trailing_slash: Whether the paths of viewsets end in a slash.
    """

    def __init__(
        self,
        *,
        tags: Sequence[str] = (),
        permissions: Sequence[Any] | None = None,
        throttles: Sequence[Any] | None = None,
        include_in_schema: bool = True,
        deprecated: bool = False,
        app_name: str | None = None,
        trailing_slash: bool = True,
    ) -> None:
        self.tags = tuple(tags)
        self.permissions = permissions
        self.throttles = throttles
        self.include_in_schema = include_in_schema
        self.deprecated = deprecated
        self.app_name = app_name
        self.trailing_slash = trailing_slash
        self.endpoints: list[Endpoint] = []
        self._included: list[tuple[str, Router]] = []

    def get(self, route: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Answer GET and HEAD at a path; options as for ``route``."""
        return self.route("GET", route, **options)

    def post(self, route: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Answer POST at a path; options as for ``route``."""
        return self.route("POST", route, **options)

    def put(self, route: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Answer PUT at a path; options as for ``route``."""
        return self.route("PUT", route, **options)

    def patch(self, route: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Answer PATCH at a path; options as for ``route``."""
        return self.route("PATCH", route, **options)

    def delete(self, route: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Answer DELETE at a path; options as for ``route``."""
        return self.route("DELETE", route, **options)

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
        deprecated: bool = False,
        include_in_schema: bool = True,
        responses: Mapping[int, Any] | None = None,
        model: type[Model] | None = None,
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
            deprecated: Still there, but not for long.
            include_in_schema: Whether OpenAPI tells of it.
            responses: Further answers by status, for OpenAPI.
            model: What permissions are about, where the answer does not say.
        """

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
                    responses=_all_responses(response, responses),
                    model=model,
                )
            )
            return handler

        return add

    def add(self, endpoint: Endpoint) -> None:
        """Add an endpoint; what it does not say itself, the router says."""
        if endpoint.permissions is None:
            endpoint.permissions = self.permissions
        if endpoint.throttles is None:
            endpoint.throttles = self.throttles
        endpoint.tags = (*self.tags, *(tag for tag in endpoint.tags if tag not in self.tags))
        endpoint.include_in_schema = endpoint.include_in_schema and self.include_in_schema
        endpoint.deprecated = endpoint.deprecated or self.deprecated
        self.endpoints.append(endpoint)

    def register(self, prefix: str, viewset: type[ViewSet], basename: str | None = None) -> None:
        """Mount a viewset: ``register("authors", AuthorViewSet)`` serves ``authors/`` and ``authors/<int:pk>/``.

        Args:
            prefix: Where it is mounted.
            viewset: The class.
            basename: The first part of its names for ``reverse()``: ``authors-list``; the prefix's last part when left
                out.
        """
        base = basename or prefix.strip("/").rpartition("/")[2]
        if not base:
            raise ImproperlyConfigured(
                f"register({prefix!r}, {viewset.__name__}) needs a basename: basename='authors'."
            )
        for endpoint in viewset.endpoints(prefix.strip("/"), base, slash="/" if self.trailing_slash else ""):
            self.add(endpoint)

    def include(self, prefix: str, router: Router) -> None:
        """Mount another router below a prefix; it keeps its own tags and permissions."""
        self._included.append((prefix, router))

    @property
    def urlpatterns(self) -> list[Route | Include]:
        """The endpoints as URL patterns; what ``include(api)`` asks for."""
        own: list[Route | Include] = [
            path(endpoint.path.lstrip("/"), endpoint, name=endpoint.name, methods=[endpoint.method])
            for endpoint in self.endpoints
        ]
        below = [path(_prefix(prefix), include(router)) for prefix, router in self._included]
        return own + below

    def __repr__(self) -> str:
        return f"<Router of {len(self.endpoints)} endpoints>"


def _prefix(prefix: str) -> str:
    bare = prefix.strip("/")
    return f"{bare}/" if bare else ""


def _all_responses(response: Any, further: Mapping[int, Any] | None) -> dict[int, Any]:
    listed = {int(status): schema for status, schema in response.items()} if isinstance(response, dict) else {}
    return {**listed, **(further or {})}
