"""Draw which migration waits for which, for a page or a picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from covet.apps.registry import apps
from covet.db.migrations.loader import Loader
from covet.db.migrations.part import MigrationsPart
from covet.management.decorator import command, json_option
from covet.management.output import out

if TYPE_CHECKING:
    from covet.db.migrations.graph import MigrationKey

__all__ = ["graphmigrations"]


@command(parts=[MigrationsPart])
@click.argument("app_labels", nargs=-1)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["mermaid", "dot"]),
    default="mermaid",
    show_default=True,
    help="mermaid: for Markdown; dot: for Graphviz.",
)
@json_option
async def graphmigrations(*, app_labels: tuple[str, ...], kind: str, as_json: bool) -> None:
    """Draw the migrations of all apps, or of these and what they wait for; no database is asked."""
    loader = Loader.from_apps(apps)
    for label in app_labels:
        loader.require_app(label)
    keys = _keys(loader, app_labels)
    edges = [(parent, key) for key in keys for parent in loader.graph.parents(key)]
    if as_json:
        out.json(
            {
                "migrations": [
                    {
                        "app": key[0],
                        "name": key[1],
                        "operations": [operation.describe() for operation in loader.graph.nodes[key].operations],
                        "waits_for": [list(parent) for parent in loader.graph.parents(key)],
                    }
                    for key in keys
                ]
            }
        )
    elif kind == "dot":
        _print_dot(keys, edges)
    else:
        _print_mermaid(keys, edges)


def _keys(loader: Loader, labels: Sequence[str]) -> list[MigrationKey]:
    """Return the migrations in the order in which they run: all, or those of some apps with all that comes before."""
    if not labels:
        return loader.graph.full_plan()
    return loader.graph.full_plan([leaf for label in labels for leaf in loader.graph.leaf_nodes(label)])


def _by_app(keys: Sequence[MigrationKey]) -> dict[str, list[MigrationKey]]:
    found: dict[str, list[MigrationKey]] = {}
    for key in keys:
        found.setdefault(key[0], []).append(key)
    return found


def _print_mermaid(keys: Sequence[MigrationKey], edges: Sequence[tuple[MigrationKey, MigrationKey]]) -> None:
    """Print a flowchart: a box for each app, dotted arrows between apps."""
    # Numbers in place of names: words such as "end" mean something to Mermaid.
    numbers = {key: f"m{number}" for number, key in enumerate(keys)}
    out.line("flowchart LR")
    for position, (label, own) in enumerate(_by_app(keys).items()):
        out.line(f'  subgraph a{position}["{label}"]')
        for key in own:
            out.line(f'    {numbers[key]}["{key[1]}"]')
        out.line("  end")
    for parent, key in edges:
        arrow = "-->" if parent[0] == key[0] else "-.->"
        out.line(f"  {numbers[parent]} {arrow} {numbers[key]}")


def _print_dot(keys: Sequence[MigrationKey], edges: Sequence[tuple[MigrationKey, MigrationKey]]) -> None:
    """Print a graph for Graphviz: a cluster for each app, dashed arrows between apps."""
    out.line("digraph migrations {")
    out.line("  rankdir=LR; node [shape=box, style=rounded];")
    for position, (label, own) in enumerate(_by_app(keys).items()):
        out.line(f"  subgraph cluster_{position} {{")
        out.line(f"    label={_quoted(label)};")
        for key in own:
            out.line(f"    {_quoted('.'.join(key))} [label={_quoted(key[1])}];")
        out.line("  }")
    for parent, key in edges:
        style = "" if parent[0] == key[0] else " [style=dashed]"
        out.line(f"  {_quoted('.'.join(parent))} -> {_quoted('.'.join(key))}{style};")
    out.line("}")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
