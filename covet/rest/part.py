"""RestPart: the project's endpoints, found in its routes; the document of them, and the checks."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from inspect import isfunction, unwrap
from typing import TYPE_CHECKING, Any, ClassVar

from covet import access, checks, json
from covet.apps.part import AppPart
from covet.rest.endpoint import READS, Compiled
from covet.rest.found import compiled_endpoints
from covet.rest.shared import shared_of
from covet.rest.signature import describe
from covet.urls.part import UrlsPart

if TYPE_CHECKING:
    from covet.apps.registry import Apps
    from covet.urls.resolver import CompiledRoute, Resolver

__all__ = ["RestPart"]


class RestPart(AppPart):
    """Knows every endpoint, once the routes are compiled.

    Attributes:
        endpoints: The routes that are endpoints, with their plans.
    """

    after: ClassVar[tuple[type[AppPart] | str, ...]] = (UrlsPart, "covet.websocket.part.RoutingPart")
    reads: ClassVar[frozenset[str]] = READS | {
        "ROOT_URLCONF",
        "CSRF_COOKIE_NAME",
        "CSRF_HEADER_NAME",
        "MIDDLEWARE",
        "OPENAPI_DESCRIPTION",
        "OPENAPI_DOCUMENTS",
        "OPENAPI_HOOKS",
        "OPENAPI_INFO",
        "OPENAPI_SECURITY",
        "OPENAPI_SERVERS",
        "OPENAPI_TAGS",
        "OPENAPI_TITLE",
        "OPENAPI_VERSION",
        "SESSION_COOKIE_NAME",
    }
    tags: ClassVar[tuple[str, ...]] = ("rest",)

    def __init__(self) -> None:
        self.endpoints: list[tuple[CompiledRoute, Compiled]] = []
        self._all: list[tuple[CompiledRoute, Compiled]] = []
        self._routes: list[CompiledRoute] = []
        self._resolvers: list[Resolver] = []
        self._documents: dict[tuple[str | None, str | None], dict[str, Any]] = {}
        self._bytes: dict[tuple[str | None, str | None, str], bytes] = {}

    def ready(self, apps: Apps) -> None:
        """Find the endpoints; the routes have compiled them."""
        self._shared = shared_of(apps)
        self._routes = apps.part(UrlsPart).resolver.routes
        self.endpoints = compiled_endpoints(self._routes)
        # Those of URLCONFS, too: the document does not tell of these, and clients reach them all the same.
        self._resolvers = apps.part(UrlsPart).resolvers
        self._all = [pair for one in self._resolvers for pair in compiled_endpoints(one.routes)]
        if apps.is_installed("covet.websocket"):
            from covet.rest.sockets import bind_sockets  # and with it WebSockets, which few projects have
            from covet.websocket.part import RoutingPart

            if apps.has_part(RoutingPart):
                routing = apps.part(RoutingPart)
                routing.bound = bind_sockets(routing.resolver.routes)

    async def shutdown(self) -> None:
        """Tear down the dependencies that all requests shared."""
        await self._shared.close()

    def document(self, name: str | None = None, version: str | None = None) -> dict[str, Any]:
        """Return an OpenAPI document; built when it is first asked for.

        Args:
            name: One of ``OPENAPI_DOCUMENTS``; the whole API when left out.
            version: A version of the API; see ``build_document``.

        Raises:
            KeyError: There is no such document or version.
        """
        key = (name, version)
        found = self._documents.get(key)
        if found is None:
            from covet.rest.openapi.document import build_document, named_document  # most processes are never asked

            if version is not None and version not in self.versions():
                raise KeyError(version)
            found = build_document(self._routes, api_version=version) if name is None else None
            if name is not None:
                found = named_document(self._routes, name)
            if found is None:
                raise KeyError(name)
            self._documents[key] = found
        return found

    def document_bytes(self, name: str | None = None, version: str | None = None, root: str = "") -> bytes:
        """Return a document as JSON.

        Args:
            name: As ``document`` takes it.
            version: As ``document`` takes it.
            root: Where the project is mounted: what its paths are below, unless OPENAPI_SERVERS says so.
        """
        key = (name, version, root)
        if key not in self._bytes:
            document = self.document(name, version)
            if root and "servers" not in document:
                document = {
                    "openapi": document["openapi"],
                    "info": document["info"],
                    "servers": [{"url": root}],
                    **document,
                }
            self._bytes[key] = json.dumps(document)
        return self._bytes[key]

    def versions(self) -> list[str]:
        """Return the versions that endpoints belong to."""
        notes = [one.version for _, one in self.endpoints if one.version is not None]
        return list(dict.fromkeys(name for note in notes for name in note.names))

    def check(self, apps: Apps) -> Iterable[checks.CheckMessage]:
        """Report two operation ids of one name, names that nothing takes or has, and decorators and slashes without effect."""
        glued: set[str] = set()
        for _, compiled in self._all:
            yield from _unused_names(compiled)
            yield from _decorated_above(compiled)
            yield from _glued(compiled, glued)
        from covet.rest.marker_checks import check_markers
        from covet.rest.openapi.document import operation_ids

        for resolver in self._resolvers:
            yield from check_markers([one for _, one in compiled_endpoints(resolver.routes)], resolver.names)
        asked: dict[tuple[str, str | None], Compiled] = {}
        shown = [(route, one) for route, one in self.endpoints if one.endpoint.include_in_schema]
        for (_, compiled), given in zip(shown, operation_ids(shown), strict=True):
            endpoint = compiled.endpoint
            wanted = (endpoint.operation_id or endpoint.name or "").replace("-", "_")
            first = asked.setdefault((wanted, compiled.version.name if compiled.version else None), compiled)
            if first is compiled:
                continue
            message = (
                f"Two endpoints have the operation id {wanted!r}: {describe(first.endpoint.handler)} and "
                f"{describe(endpoint.handler)}; clients that are generated see the second as {given!r}."
            )
            kind = checks.Error if endpoint.operation_id else checks.Warning
            is_one = first.endpoint.handler is endpoint.handler
            yield kind(
                message,
                hint="Its router stands in two places: hide it in one, by a router in between with include_in_schema=False."
                if is_one
                else "Name one of the functions anew, or give it operation_id=….",
                obj=compiled.path,
                id="rest.E001" if endpoint.operation_id else "rest.W001",
            )

    def check_deploy(self, apps: Apps) -> Iterable[checks.CheckMessage]:
        """List the writes that anyone may do, and the reads that a router has opened to anyone."""
        for _, compiled in self._all:
            yield from _opened_by_router(compiled)
            if compiled.endpoint.is_write and compiled.is_open:
                yield checks.Warning(
                    f"Anyone may {compiled.endpoint.method} {compiled.path} ({describe(compiled.endpoint.handler)}).",
                    hint="If that is not meant, take its permissions away, so that its router's or DEFAULT_PERMISSIONS hold, or name stricter ones.",
                    obj=compiled.path,
                    id="rest.W002",
                )


def _unused_names(compiled: Compiled) -> Iterable[checks.CheckMessage]:
    """Report a name of the path that nothing takes, while something else must come from the query: a misspelling, mostly."""
    signature = compiled.signature
    unused = compiled.converters.keys() - {one.wire for one in signature.of("path")}
    asked = [one.name for one in signature.of("query") if one.is_required]
    if unused and asked:
        yield checks.Warning(
            f"{describe(compiled.endpoint.handler)} does not take {', '.join(map(repr, sorted(unused)))} of its path, and "
            f"{', '.join(map(repr, asked))} must come from the query.",
            hint="Give the argument the name that stands in the path, if that is what is meant.",
            obj=compiled.path,
            id="rest.W003",
        )


def _glued(compiled: Compiled, told: set[str]) -> Iterable[checks.CheckMessage]:
    """Report, once for each prefix, an address such as ``/apiusers``: of ``path("api", include(api))`` and ``"/users"``."""
    written = compiled.endpoint.path
    prefix = compiled.flat.text.removesuffix(written.lstrip("/"))
    if not written.strip("/") or written[0] != "/" or prefix.endswith("/") or prefix in told | {"", compiled.flat.text}:
        return
    told.add(prefix)
    yield checks.Warning(
        f"The route {written!r} is at {compiled.path!r}, since the prefix {prefix!r} does not end with a slash.",
        hint=f"Write path({prefix + '/'!r}, include(…)): the first slash of a router's paths is left away.",
        obj=compiled.path,
        id="rest.W004",
    )


def _opened_by_router(compiled: Compiled) -> Iterable[checks.CheckMessage]:
    """Report what anyone may read since a router says so, in place of a router above it or of a model that lets in fewer."""
    endpoint = compiled.endpoint
    if endpoint.is_write or not compiled.is_open:  # of writes that anyone may do each is listed
        return
    closed = ["a router above it" for one in endpoint.overruled if not _is_open(access.effective(one))]
    model = compiled.model if endpoint.is_told_who_may else None
    if model is not None and not _is_open(getattr(model, "__covet_policy__", ())):
        closed.append(f"the policy of {model.__name__}")
    if closed:
        yield checks.Warning(
            f"Anyone may {endpoint.method} {compiled.path} ({describe(endpoint.handler)}): a router says so, in place of "
            f"{' and '.join(dict.fromkeys(closed))}, which does not let everybody in.",
            hint="If that is not meant, take the permissions of that router away, or give the endpoint its own.",
            obj=compiled.path,
            id="rest.W005",
        )


def _is_open(permissions: Iterable[access.Permission]) -> bool:
    return all(one.allows_anyone(write=False) for one in permissions)


def _decorated_above(compiled: Compiled) -> Iterable[checks.CheckMessage]:
    """Report a handler that its module holds decorated further: the router has kept the function as it was below."""
    handler = compiled.endpoint.handler
    if not isfunction(handler) or "." in handler.__qualname__:
        return
    held = getattr(sys.modules.get(handler.__module__), handler.__name__, None)
    if isfunction(held) and held is not handler and unwrap(held, stop=lambda one: one is handler) is handler:
        yield checks.Error(
            f"A decorator stands above the router's at {describe(handler)}, where requests do not pass it.",
            hint="Put it below: the router's decorator is the first line.",
            obj=compiled.path,
            id="rest.E002",
        )
