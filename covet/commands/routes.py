"""List every route: method, path, name, view, and who may."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

from covet.access import effective
from covet.apps.registry import Apps, apps
from covet.management.decorator import ALL, command, json_option
from covet.management.output import note, out
from covet.urls.part import UrlsPart
from covet.urls.resolver import CompiledRoute

__all__ = ["routes", "routes_of"]


@command(parts=ALL, starts=[])
@click.argument("text", default="")
@json_option
async def routes(text: str, as_json: bool) -> None:
    """List the routes in the order in which they are tried, those of URLCONFS behind; with TEXT, those where anything shown has it."""
    found = routes_of(apps)
    wanted = text.lower()
    shown = [row for row in found if not wanted or any(wanted in str(value).lower() for value in row.values())]
    if as_json:
        out.json(shown)
        return
    if not shown:
        note(
            f"No route has {text!r}."
            if found
            else "There are no routes yet. ROOT_URLCONF names the module of urlpatterns."
        )
        return
    asks = any(row["permissions"] is not None for row in found)
    others = any("urlconf" in row for row in found)
    headers = ("method", "path", "name", "view", *(["urlconf"] if others else []), *(["permissions"] if asks else []))
    out.table([tuple(_cell(row, name) for name in headers) for row in shown], headers=headers)


def routes_of(registry: Apps) -> list[dict[str, Any]]:
    """Return what the command tells of each route."""
    part = registry.part(UrlsPart)
    others = [(name, resolver) for name, (resolver, _) in part.urlconfs.items() if resolver is not part.resolver]
    return [
        *(_row(registry, route, "http") for route in part.resolver.routes),
        *({**_row(registry, route, "http"), "urlconf": name} for name, one in others for route in one.routes),
        *_websocket_rows(registry),
    ]


def _websocket_rows(registry: Apps) -> list[dict[str, Any]]:
    if not registry.is_installed("covet.websocket"):
        return []
    from covet.websocket.guard import permissions_of
    from covet.websocket.part import RoutingPart

    return [
        {**_row(registry, route, "websocket"), "permissions": [*map(repr, effective(permissions_of(route.view)))]}
        for route in registry.part(RoutingPart).resolver.routes
    ]


def _row(registry: Apps, route: CompiledRoute, kind: str) -> dict[str, Any]:
    view = route.view_name
    app = registry.get_containing_app_config(view)
    return {
        "kind": kind,
        "methods": ["WS"] if kind == "websocket" else sorted(route.methods or ()),
        "path": route.pattern if route.pattern.startswith("^") else f"/{route.pattern}",
        "name": route.name,
        "view": view,
        "app": app.label if app is not None else None,
        "permissions": _permissions(route),
    }


def _permissions(route: CompiledRoute) -> list[str] | None:
    """Return who may ask an endpoint of REST, of several versions the newest; None where the view alone knows."""
    versions = list(getattr(route.endpoint, "versions", {}).values())
    compiled = versions[-1] if versions else getattr(route.endpoint, "compiled", None)
    held: Iterable[Any] | None = getattr(compiled, "permissions", None)
    return None if held is None else [*map(repr, held)]


def _cell(row: dict[str, Any], name: str) -> str:
    if name == "method":
        return ", ".join(row["methods"]) or "any"
    if name == "permissions":
        return ", ".join(row[name]) or "anyone" if row[name] is not None else ""
    return row.get(name) or ""
