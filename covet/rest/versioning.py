"""Versions: several APIs side by side at one place, of which each request names one.

By the path (``/v2/articles/``), a query parameter, a header, the media type in ``Accept``, or the host. What a request names
is ``request.version``; ``reverse()`` in it leads to the same version.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from msgspec import Struct

from covet.conf import settings
from covet.exceptions import ImproperlyConfigured
from covet.http.errors import HTTPException, NotFound
from covet.rest.endpoint import Compiled, Endpoint
from covet.rest.errors import answer
from covet.rest.strategies import STRATEGIES, PathReading, Reading
from covet.text import suggest
from covet.urls.addresses import KeptVersion, kept_version
from covet.urls.patterns import Include, Included, Route, include, path, re_path

if TYPE_CHECKING:
    from covet.http.request import Request
    from covet.http.response import Response
    from covet.rest.deprecation import Deprecation
    from covet.rest.routes import Router
    from covet.urls.flatten import FlatRoute

__all__ = ["VersionNote", "Versions"]

Run: TypeAlias = "Callable[[Request, dict[str, Any]], Awaitable[Response]]"

_OPTIONS: Final = frozenset({"strategy", "default", "parameter", "header", "hosts", "prefix"})


class Versions:
    """Versions of an API at one place; mounted as a router is.

    ```{ .python .notest }
    api = Versions({"1": [shared, v1], "2": [shared, v2]}, strategy="header", default="1")

    urlpatterns = [path("api/", include(api))]
    ```

    What is left out comes from the setting ``VERSIONING``. An address of several versions is written alike in each
    (``articles/<int:pk>/``), since the request finds the address first and the version then.

    Args:
        routers: A router, or several, by version; the newest version last.
        strategy: ``"path"`` (the default), ``"namespace"``, ``"query"``, ``"header"``, ``"media-type"`` or ``"host"``.
        default: The version of a request that names none; without it such a request is refused.
        parameter: The query parameter; ``version`` when left out.
        header: The header; ``Api-Version`` when left out.
        hosts: The version by host; when left out the first label of the host names it: ``v2.example.com``.
        prefix: What stands before the version in paths and hosts; ``v`` when left out.
        deprecated: What is said of old versions, by version.
        app_name: The first part of names for ``reverse()``: ``reverse("api:list_articles")``. With ``"path"`` each version
            is an instance of it, so that ``v1:list_articles`` names one.

    Raises:
        ImproperlyConfigured: There is no such strategy, option or version.
    """

    def __init__(
        self,
        routers: Mapping[str, Router | Sequence[Router]],
        *,
        strategy: str | None = None,
        default: str | None = None,
        parameter: str | None = None,
        header: str | None = None,
        hosts: Mapping[str, str] | None = None,
        prefix: str | None = None,
        deprecated: Mapping[str, Deprecation] | None = None,
        app_name: str = "api",
    ) -> None:
        if not routers:
            raise ImproperlyConfigured("Versions({…}) names no version.")
        self.routers = {str(name): list(one) if isinstance(one, Sequence) else [one] for name, one in routers.items()}
        self.deprecated = dict(deprecated or {})
        self._app_name = app_name
        given = {
            "strategy": strategy,
            "default": default,
            "parameter": parameter,
            "header": header,
            "hosts": hosts,
            "prefix": prefix,
        }
        self._given = {name: value for name, value in given.items() if value is not None}
        for name in self.deprecated:
            self._known(name, "deprecated")

    @property
    def names(self) -> list[str]:
        """The versions."""
        return list(self.routers)

    def reading(self) -> Reading:
        """Return how requests name a version, by what was given and the setting.

        Raises:
            ImproperlyConfigured: There is no such strategy, option or version.
        """
        for name in settings.VERSIONING:
            if name not in _OPTIONS:
                near = suggest(name, _OPTIONS)
                hint = f"Did you mean {near!r}?" if near else f"It takes {', '.join(sorted(_OPTIONS))}."
                raise ImproperlyConfigured(f"VERSIONING has no option {name!r}. {hint}")
        options = {**settings.VERSIONING, **self._given}
        name = options.pop("strategy", "path")
        kind = STRATEGIES.get(name)
        if kind is None:
            near = suggest(name, STRATEGIES)
            hint = f"Did you mean {near!r}?" if near else f"There are: {', '.join(STRATEGIES)}."
            raise ImproperlyConfigured(f"Versions: there is no strategy {name!r}. {hint}")
        if "default" in options:
            self._known(str(options["default"]), "default")
        reading = kind(tuple(self.routers), **options)
        if isinstance(reading, PathReading) and reading.prefix:
            self._refuse_doubled(reading.prefix)
        return reading

    def _refuse_doubled(self, prefix: str) -> None:
        for name in self.routers:
            rest = name.removeprefix(prefix)
            if rest != name and rest[:1].isdigit():
                raise ImproperlyConfigured(
                    f"Versions: {name!r} would be at {prefix}{name}/, since the prefix {prefix!r} stands before each version. "
                    f"Write {rest!r}, or prefix=''."
                )

    def _known(self, name: str, where: str) -> None:
        if name not in self.routers:
            raise ImproperlyConfigured(f"Versions: {where} names {name!r}; there are: {', '.join(self.routers)}.")

    @property
    def urlpatterns(self) -> list[Route | Include]:
        """The addresses of all versions; what ``include(api)`` asks for."""
        reading = self.reading()
        if isinstance(reading, PathReading):
            return self._side_by_side(reading)
        merged: dict[tuple[str, str], dict[str, Endpoint]] = {}
        for version, routers in self.routers.items():
            for address, endpoint in _endpoints(_patterns(routers)):
                merged.setdefault((address, endpoint.method), {}).setdefault(version, endpoint)
        below = [
            path(
                address, _Merged(self, reading, by_version), name=next(iter(by_version.values())).name, methods=[method]
            )
            for (address, method), by_version in merged.items()
        ]
        return [path("", include((below, self._app_name)))]

    def __getitem__(self, version: str) -> OneVersion:
        """Return one version, to be mounted at a place of its own: ``path("legacy/", include(versions["v1"]))``.

        Raises:
            ImproperlyConfigured: There is no such version.
        """
        self._known(str(version), "include(versions[…])")
        return OneVersion(self, str(version))

    def mounted(self, version: str) -> Included:
        """Return the addresses of one version, without the part that names it.

        Raises:
            ImproperlyConfigured: The strategy gives versions no addresses of their own.
        """
        reading = self.reading()
        if not isinstance(reading, PathReading):
            raise ImproperlyConfigured(
                f"Versions: versions[{version!r}] has a place of its own with the strategies 'namespace' and 'path' alone; the "
                "others share their addresses: include(versions)."
            )
        below = [
            path(address, _Single(self, reading, version, endpoint), name=endpoint.name, methods=[endpoint.method])
            for address, endpoint in _endpoints(_patterns(self.routers[version]))
        ]
        return include((below, self._app_name), namespace=reading.namespace(version))

    def _side_by_side(self, reading: PathReading) -> list[Route | Include]:
        patterns: list[Route | Include] = [
            path(f"{reading.prefix}{version}/", self.mounted(version)) for version in self.routers
        ]
        if reading.prefix:
            patterns.append(re_path(reading.unknown_path(), self._unknown))
        return patterns

    async def _unknown(self, request: Request, version: str) -> Response:
        """Answer to a version that there is not."""
        return await answer(self.reading().unknown(version), request=request)

    def compile(self, reading: Reading, version: str, endpoint: Endpoint, flat: FlatRoute) -> tuple[Compiled, Run]:
        """Return an endpoint's plan as one version, and what runs."""
        compiled = Compiled(endpoint, flat)
        note = self.deprecated.get(version)
        run = compiled.run
        if note is not None:
            run = note.around(run)
            compiled.deprecation = compiled.deprecation or note
        compiled.version = VersionNote(version, tuple(self.routers), reading)
        namespace = ":".join(flat.namespaces) if reading.in_path else ""
        query = {reading.parameter: version} if reading.in_query else {}
        return compiled, _running(run, version, KeptVersion(self._app_name, namespace, query))

    def __repr__(self) -> str:
        return f"<Versions {', '.join(self.routers)}>"


class OneVersion:
    """One version of several, for ``include()``.

    Args:
        versions: All of them.
        name: The version.
    """

    def __init__(self, versions: Versions, name: str) -> None:
        self._versions = versions
        self._name = name

    @property
    def urlpatterns(self) -> list[Route | Include]:
        """The addresses of the version; what ``include()`` asks for."""
        return [path("", self._versions.mounted(self._name))]

    def __repr__(self) -> str:
        return f"<version {self._name} of {self._versions!r}>"


class VersionNote(Struct, frozen=True):
    """Which version an endpoint belongs to, for the documentation.

    Attributes:
        name: The version.
        names: All of them.
        reading: How requests name it.
    """

    name: str
    names: tuple[str, ...]
    reading: Reading

    @property
    def unknown_status(self) -> int:
        """The status of the answer to a version that there is not."""
        return self.reading.unknown_status

    @property
    def is_shown_first(self) -> bool:
        """Whether a document that is of no version in particular tells of this one."""
        return self.reading.in_path or self.name == (self.reading.default or self.names[-1])

    def parameters(self) -> Iterator[dict[str, Any]]:
        """Give the parameters that name the version."""
        yield from self.reading.described(self.name)


def _running(run: Run, version: str, kept: KeptVersion) -> Run:
    async def versioned(request: Request, params: dict[str, Any]) -> Response:
        request.version = version
        token = kept_version.set(kept)
        try:
            return await run(request, params)
        finally:
            kept_version.reset(token)

    return versioned


class _Compiles:
    """A view that is compiled for its path, and runs in no other way."""

    async def covet_endpoint(self, request: Request, params: dict[str, Any]) -> Response:
        """Refuse: what runs is what was compiled for a path."""
        raise ImproperlyConfigured("An endpoint of Versions runs where they are mounted: include(api).")


class _Single(_Compiles):
    """An endpoint as one version, at an address of its own."""

    def __init__(self, versions: Versions, reading: Reading, version: str, endpoint: Endpoint) -> None:
        self._versions = versions
        self._reading = reading
        self._version = version
        self._endpoint = endpoint

    @property
    def view_class(self) -> Any:
        """What ``manage.py routes`` and messages name: the handler."""
        return self._endpoint.handler

    def covet_compile(self, flat: FlatRoute) -> Run:
        """Return what runs per request at this path."""
        compiled, run = self._versions.compile(self._reading, self._version, self._endpoint, flat)
        run.compiled = compiled  # type: ignore[attr-defined]  # how the documentation finds the plan of a route
        return run


class _Merged(_Compiles):
    """The endpoints of several versions at one address and method."""

    def __init__(self, versions: Versions, reading: Reading, by_version: Mapping[str, Endpoint]) -> None:
        self._versions = versions
        self._reading = reading
        self._by_version = by_version

    @property
    def view_class(self) -> Any:
        """What ``manage.py routes`` and messages name: the newest handler."""
        return list(self._by_version.values())[-1].handler

    def covet_compile(self, flat: FlatRoute) -> Run:
        """Return what asks a request for its version, and runs that."""
        reading = self._reading
        compiled: dict[str, Compiled] = {}
        runs: dict[str, Run] = {}
        for version, endpoint in self._by_version.items():
            compiled[version], runs[version] = self._versions.compile(reading, version, endpoint, flat)
        routes: dict[str, Any] = {}

        async def choose(request: Request, params: dict[str, Any]) -> Response:
            try:
                version = reading.version_of(request)
                if version not in runs:
                    told = ", ".join(runs)
                    raise NotFound(f"Version {version} has nothing at this address; it is of: {told}.")
            except HTTPException as error:
                response: Response = await answer(error, request=request)
            else:
                route = routes.get(version)
                if route is None:
                    # What asks the route for its plan (object permissions) gets that of this version.
                    assert request.route is not None  # it has brought the request here
                    route = routes[version] = copy(request.route)
                    route.endpoint = compiled[version].run
                request.route = route
                response = await runs[version](request, params)
            if reading.vary:
                response.headers.add_vary(reading.vary)
            return response

        choose.versions = compiled  # type: ignore[attr-defined]  # how the documentation finds the plans of a route
        return choose


def _patterns(routers: Sequence[Router]) -> Iterator[Any]:
    return chain.from_iterable(router.urlpatterns for router in routers)


def _endpoints(patterns: Iterable[Any], above: str = "") -> Iterator[tuple[str, Endpoint]]:
    """Give the endpoints among the patterns of routers, with what these say of them, and their addresses."""
    for one in patterns:
        if isinstance(one, Include):
            yield from _endpoints(one.load(), above + one.prefix)
        elif isinstance(one, Route) and isinstance(one.view, Endpoint):
            yield above + one.pattern, one.view
