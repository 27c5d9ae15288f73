"""The OpenAPI 3.1 document: every endpoint of the project that wants to be told of, in the order of the routes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from covet.apps import apps
from covet.conf import settings
from covet.exceptions import ImproperlyConfigured
from covet.loading import import_string
from covet.rest.endpoint import Compiled, Endpoint
from covet.rest.found import compiled_endpoints
from covet.rest.openapi.components import Components
from covet.rest.openapi.links import Links
from covet.rest.openapi.operations import collect, operation
from covet.rest.openapi.security import schemes
from covet.text import suggest
from covet.urls.flatten import FlatRoute
from covet.urls.part import UrlsPart
from covet.urls.patterns import Piece, Route

if TYPE_CHECKING:
    from covet.urls.resolver import CompiledRoute

__all__ = ["build_document", "get_openapi", "named_document", "operation_ids"]

_DOCUMENT_OPTIONS: Final = ("title", "version", "description", "tags", "prefix", "api_version")
_GROUPS: Final = ("tags", "security", "servers")


def get_openapi() -> dict[str, Any]:
    """Return the document of the project's routes."""
    return build_document(apps.current().part(UrlsPart).resolver.routes)


def named_document(routes: Iterable[CompiledRoute], name: str) -> dict[str, Any] | None:
    """Return one of ``OPENAPI_DOCUMENTS``, or None when there is none of that name.

    Raises:
        ImproperlyConfigured: Its entry says what no document knows.
    """
    options = settings.OPENAPI_DOCUMENTS.get(name)
    if options is None:
        return None
    for option in options:
        if option not in _DOCUMENT_OPTIONS:
            near = suggest(option, _DOCUMENT_OPTIONS)
            hint = f"Did you mean {near!r}?" if near else f"It takes {', '.join(_DOCUMENT_OPTIONS)}."
            raise ImproperlyConfigured(f"OPENAPI_DOCUMENTS[{name!r}] has no option {option!r}. {hint}")
    return build_document(routes, **options)


def operation_ids(endpoints: Iterable[tuple[CompiledRoute, Compiled]]) -> list[str]:
    """Return the id of each operation: what the endpoint says, else its name, with its namespaces when it is taken."""
    used: set[str] = set()
    ids = []
    for route, compiled in endpoints:
        endpoint = compiled.endpoint
        name = (endpoint.operation_id or endpoint.name or "operation").replace("-", "_")
        if name in used and route.namespaces:
            name = "_".join((*route.namespaces, name))
        number, unique = 2, name
        while unique in used:
            unique, number = f"{name}_{number}", number + 1
        used.add(unique)
        ids.append(unique)
    return ids


def build_document(
    routes: Iterable[CompiledRoute],
    *,
    title: str = "",
    version: str = "",
    description: str = "",
    tags: Iterable[str] | None = None,
    prefix: str = "",
    api_version: str | None = None,
) -> dict[str, Any]:
    """Return the document of these routes.

    Args:
        routes: The project's, or some of them.
        title: ``OPENAPI_TITLE``, or the project's name, when left out.
        version: ``OPENAPI_VERSION``, or the version of the API that is told of, when left out.
        description: ``OPENAPI_DESCRIPTION`` when left out.
        tags: Only endpoints with one of these tags.
        prefix: Only endpoints below this path.
        api_version: Only endpoints of this version, and those that have none; when left out all that have addresses of
            their own, and of an address that several versions share the default one, or the newest.
    """
    wanted = None if tags is None else set(tags)
    endpoints = [
        (route, one)
        for route, one in compiled_endpoints(routes)
        if one.endpoint.include_in_schema
        and one.path.startswith(prefix)
        and (wanted is None or not wanted.isdisjoint(one.endpoint.tags))
        and _is_of_version(one, api_version)
    ]
    document = _Document(endpoints).build(
        {
            "title": title or _title(),
            "version": version or api_version or settings.OPENAPI_VERSION,
            **({"description": text} if (text := description or settings.OPENAPI_DESCRIPTION) else {}),
            **settings.OPENAPI_INFO,
        }
    )
    for name in settings.OPENAPI_HOOKS:
        changed = import_string(name)(document)
        document = document if changed is None else changed
    return document


def _is_of_version(compiled: Compiled, name: str | None) -> bool:
    note = compiled.version
    if note is None:
        return True
    return note.is_shown_first if name is None else note.name == name


class _Document:
    """Puts a document together: first all types are named, then all operations are told of."""

    def __init__(self, endpoints: list[tuple[CompiledRoute, Compiled]]) -> None:
        self.endpoints = endpoints
        self.components = Components()
        self.tags: dict[str, str] = {}
        self.used: set[str] = set()
        self.callbacks: dict[int, dict[str, list[Compiled]]] = {}
        self.webhooks = [_unrouted(one) for one in _webhooks(endpoints)]

    def build(self, info: dict[str, Any]) -> dict[str, Any]:
        """Return the document."""
        for _, compiled in self.endpoints:
            collect(compiled, self.components)
            self._collect_callbacks(compiled)
        for compiled in self.webhooks:
            collect(compiled, self.components)
        self.components.build()
        paths = self._paths()
        webhooks = self._webhooks()
        document: dict[str, Any] = {"openapi": "3.1.0", "info": info}
        if settings.OPENAPI_SERVERS:
            document["servers"] = [{"url": url} for url in settings.OPENAPI_SERVERS]
        if self.tags:
            document["tags"] = [
                {"name": tag, "description": text} if text else {"name": tag} for tag, text in self.tags.items()
            ]
        document["paths"] = paths
        if webhooks:
            document["webhooks"] = webhooks
        document["components"] = {"schemas": self.components.schemas}
        known = {name: scheme for name, scheme in schemes().items() if name in self.used}
        if known:
            document["components"]["securitySchemes"] = known
        return document

    def _paths(self) -> dict[str, dict[str, Any]]:
        paths: dict[str, dict[str, Any]] = {}
        named = [
            (compiled, operation_id)
            for (_, compiled), operation_id in zip(self.endpoints, operation_ids(self.endpoints), strict=True)
        ]
        links = Links(named)
        for compiled, operation_id in named:
            described = self._operation(compiled, operation_id, links.of(compiled))
            callbacks = self.callbacks.get(id(compiled))
            if callbacks:
                described["callbacks"] = {
                    name: self._items(f"{operation_id}_{name}", below) for name, below in callbacks.items()
                }
            # Of two routes that take the same path and method, the first answers.
            paths.setdefault(compiled.path, {}).setdefault(compiled.endpoint.method.lower(), described)
        return paths

    def _webhooks(self) -> dict[str, Any]:
        return self._items("webhook", self.webhooks)

    def _items(self, before: str, endpoints: list[Compiled]) -> dict[str, Any]:
        items: dict[str, Any] = {}
        for compiled in endpoints:
            name = f"{before}_{compiled.endpoint.operation_id or compiled.endpoint.name}".replace("-", "_")
            described = self._operation(compiled, name)
            # What the other side answers with, beside what it should, is its own affair.
            described["responses"] = {
                status: one for status, one in described["responses"].items() if status[0] not in "45"
            }
            items.setdefault(compiled.endpoint.path, {})[compiled.endpoint.method.lower()] = described
        return items

    def _operation(
        self, compiled: Compiled, operation_id: str, links: Mapping[str, Any] = MappingProxyType({})
    ) -> dict[str, Any]:
        endpoint = compiled.endpoint
        described = operation(compiled, self.components, operation_id)
        if links:
            described["responses"][str(compiled.status)]["links"] = dict(links)
        for needed in described.get("security", ()):
            self.used.update(needed)
        for tag in endpoint.tags:
            if not self.tags.get(tag):
                self.tags[tag] = settings.OPENAPI_TAGS.get(tag, "") or _about_tag(endpoint, tag)
        return _put_over(described, endpoint.openapi_extra or {})

    def _collect_callbacks(self, compiled: Compiled) -> None:
        for name, router in compiled.endpoint.callbacks.items():
            below = [_unrouted(endpoint) for endpoint in router.endpoints]
            self.callbacks.setdefault(id(compiled), {})[name] = below
            for one in below:
                collect(one, self.components)


def _webhooks(endpoints: Iterable[tuple[CompiledRoute, Compiled]]) -> list[Endpoint]:
    found: dict[int, Endpoint] = {}
    for _, compiled in endpoints:
        if compiled.endpoint.webhooks is not None:
            found.update({id(one): one for one in compiled.endpoint.webhooks() if one.include_in_schema})
    return list(found.values())


def _unrouted(endpoint: Endpoint) -> Compiled:
    """Return the plan of a request that goes out: its address is a name or an expression, which nothing is routed by."""

    async def view() -> None: ...

    flat = FlatRoute(0, Route("", view), "", (Piece(endpoint.path),), None, {}, (), ())
    # The receiver decides who may ask, and how often.
    return Compiled(replace(endpoint, permissions=(), throttles=()), flat)


def _about_tag(endpoint: Endpoint, tag: str) -> str:
    """Return the first line of the docstring of the viewset that a tag is of alone."""
    viewset = getattr(endpoint.handler, "__self__", None)
    kind = type(viewset)
    if viewset is None or list(getattr(kind, "tags", ())) != [tag]:
        return ""
    text = kind.__dict__.get("__doc__") or ""
    return str(text).strip().partition("\n")[0]


def _put_over(described: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is described with what is said besides: members of members, one list after the other."""
    made = dict(described)
    for name, value in extra.items():
        known = made.get(name)
        if isinstance(known, dict) and isinstance(value, Mapping):
            made[name] = _put_over(known, value)
        elif isinstance(known, list) and isinstance(value, list) and name not in _GROUPS:
            made[name] = [*known, *value]
        else:
            made[name] = value
    return made


def _title() -> str:
    if settings.OPENAPI_TITLE:
        return settings.OPENAPI_TITLE
    root = settings.ROOT_URLCONF
    project = root.partition(".")[0].replace("_", " ").strip().title() if isinstance(root, str) else ""
    return f"{project} API".strip()
