"""List every route: method, path, name and view."""

from __future__ import annotations

from typing import Any

import click

from covet.apps.registry import apps
from covet.management.decorator import ALL, command, json_option
from covet.management.output import note, out
from covet.urls.part import UrlsPart
from covet.urls.resolver import CompiledRoute

__all__ = ["routes"]


@command(parts=ALL, starts=[])
@click.argument("text", default="")
@json_option
async def routes(text: str, as_json: bool) -> None:
    """List the routes in the order in which they are tried, those of URLCONFS behind; with TEXT, those whose path, name or view has it."""
    part = apps.part(UrlsPart)
    found = [_row(route, "http") for route in part.resolver.routes]
    others = [(name, resolver) for name, (resolver, _) in part.urlconfs.items() if resolver is not part.resolver]
    found += [{**_row(route, "http"), "urlconf": name} for name, resolver in others for route in resolver.routes]
    found += [_row(route, "websocket") for route in _websocket_routes()]
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
    headers = ("method", "path", "name", "view", *(["urlconf"] if others else []))
    out.table(
        [(", ".join(row["methods"]) or "any", *(row.get(name) or "" for name in headers[1:])) for row in shown],
        headers=headers,
    )


def _websocket_routes() -> list[CompiledRoute]:
    if not apps.is_installed("covet.websocket"):
        return []
    from covet.websocket.part import RoutingPart

    return list(apps.part(RoutingPart).resolver.routes)


def _row(route: CompiledRoute, kind: str) -> dict[str, Any]:
    view = route.view_name
    app = apps.get_containing_app_config(view)
    return {
        "kind": kind,
        "methods": ["WS"] if kind == "websocket" else sorted(route.methods or ()),
        "path": route.pattern if route.pattern.startswith("^") else f"/{route.pattern}",
        "name": route.name,
        "view": view,
        "app": app.label if app is not None else None,
    }
