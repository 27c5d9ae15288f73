"""The OpenAPI 3.1 document: every endpoint of the project that wants to be told of, in the order of the routes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from covet.apps import apps
from covet.conf import settings
from covet.rest.endpoint import Compiled
from covet.rest.openapi.components import Components
from covet.rest.openapi.operations import collect, operation
from covet.urls.part import UrlsPart

if TYPE_CHECKING:
    from covet.urls.resolver import CompiledRoute

__all__ = ["build_document", "compiled_endpoints", "get_openapi", "operation_ids"]


def get_openapi() -> dict[str, Any]:
    """Return the document of the project's routes."""
    return build_document(apps.current().part(UrlsPart).resolver.routes)


def compiled_endpoints(routes: Iterable[CompiledRoute]) -> list[tuple[CompiledRoute, Compiled]]:
    """Return the REST endpoints among routes."""
    found = []
    for route in routes:
        compiled = getattr(route.endpoint, "compiled", None)
        if isinstance(compiled, Compiled):
            found.append((route, compiled))
    return found


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


def build_document(routes: Iterable[CompiledRoute], *, title: str = "", version: str = "") -> dict[str, Any]:
    """Return the document of these routes.

    Args:
        routes: The project's, or some of them.
        title: ``OPENAPI_TITLE``, or the project's name, when left out.
        version: ``OPENAPI_VERSION`` when left out.
    """
    endpoints = [(route, one) for route, one in compiled_endpoints(routes) if one.endpoint.include_in_schema]
    components = Components()
    for _, compiled in endpoints:
        collect(compiled, components)
    components.build()
    paths: dict[str, dict[str, Any]] = {}
    tags: dict[str, None] = {}
    is_closed = False
    for (_, compiled), operation_id in zip(endpoints, operation_ids(endpoints), strict=True):
        described = operation(compiled, components, operation_id)
        if not compiled.is_open:
            described["security"] = [{"session": []}]
            is_closed = True
        tags.update(dict.fromkeys(compiled.endpoint.tags))
        # Of two routes that take the same path and method, the first answers.
        paths.setdefault(compiled.path, {}).setdefault(compiled.endpoint.method.lower(), described)
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": title or _title(), "version": version or settings.OPENAPI_VERSION},
    }
    if tags:
        document["tags"] = [{"name": tag} for tag in tags]
    document["paths"] = paths
    document["components"] = {"schemas": components.schemas}
    if is_closed:
        cookie = {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}
        document["components"]["securitySchemes"] = {"session": cookie}
    return document


def _title() -> str:
    if settings.OPENAPI_TITLE:
        return settings.OPENAPI_TITLE
    root = settings.ROOT_URLCONF
    project = root.partition(".")[0].replace("_", " ").title() if isinstance(root, str) else ""
    return f"{project} API".strip()
