"""List the migrations, and which of them are applied."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from covet.apps.registry import apps
from covet.commands.migrate import database_of
from covet.db.migrations.execute import Executor
from covet.db.migrations.loader import Loader
from covet.db.migrations.part import MigrationsPart
from covet.management.decorator import command, json_option
from covet.management.output import out, style

if TYPE_CHECKING:
    from covet.db.migrations.graph import MigrationKey

__all__ = ["showmigrations"]


@command(parts=[MigrationsPart])
@click.argument("app_labels", nargs=-1)
@click.option("--list", "-l", "as_list", is_flag=True, help="By app; this is the default.")
@click.option("--plan", "-p", "as_plan", is_flag=True, help="In the order in which they are applied.")
@click.option("--database", default="default", show_default=True, help="The alias of the database.")
@click.option("--verbose", "-v", is_flag=True, help="Also when they were applied, or what they depend on.")
@json_option
async def showmigrations(
    *,
    app_labels: tuple[str, ...],
    as_list: bool,
    as_plan: bool,
    database: str,
    verbose: bool,
    as_json: bool,
) -> None:
    """List the migrations of all apps or of these, and mark those that are applied."""
    loader = Loader.from_apps(apps)
    for label in app_labels:
        loader.require_app(label, migrated=False)
    executor = Executor(database_of(database), loader)
    times = await executor.recorder.applied()
    applied = await executor.applied()
    keys = _keys(loader, app_labels, as_plan=as_plan and not as_list)
    if as_json:
        out.json([_as_dict(loader, key, applied, times) for key in keys])
    elif as_plan and not as_list:
        _print_plan(loader, keys, applied, verbose=verbose)
    else:
        _print_list(loader, keys, app_labels or _with_tables(loader), applied, times, verbose=verbose)


def _with_tables(loader: Loader) -> list[str]:
    """Return the labels of the apps that have migrations, or models that could have some."""
    return [label for label in loader.packages if label in loader.migrated or apps.all_models.get(label)]


def _keys(loader: Loader, labels: Sequence[str], *, as_plan: bool) -> list[MigrationKey]:
    order = loader.graph.full_plan()
    if not labels:
        return order
    if as_plan:
        # What the apps need comes before them in the plan, so it is shown too.
        return loader.graph.full_plan([leaf for label in labels for leaf in loader.graph.leaf_nodes(label)])
    return [key for key in order if key[0] in labels]


def _print_list(
    loader: Loader,
    keys: Sequence[MigrationKey],
    labels: Sequence[str],
    applied: set[MigrationKey],
    times: Mapping[MigrationKey, datetime.datetime],
    *,
    verbose: bool,
) -> None:
    for label in labels:
        out.line(style(label, bold=True))
        own = [key for key in keys if key[0] == label]
        for key in own:
            replaced = loader.graph.nodes[key].replaces
            squashed = f" ({len(replaced)} squashed migrations)" if replaced else ""
            when = f" (applied {times[key]:%Y-%m-%d %H:%M:%S})" if verbose and key in times else ""
            out.line(f" {_box(key in applied)} {key[1]}{squashed}{when}")
        if not own:
            out.line(" (no migrations)")


def _print_plan(loader: Loader, keys: Sequence[MigrationKey], applied: set[MigrationKey], *, verbose: bool) -> None:
    for key in keys:
        needs = ", ".join(".".join(parent) for parent in loader.graph.parents(key)) if verbose else ""
        out.line(f"{_box(key in applied)} {'.'.join(key)}" + (f" … ({needs})" if needs else ""))


def _box(checked: bool) -> str:
    return "[X]" if checked else "[ ]"


def _as_dict(
    loader: Loader, key: MigrationKey, applied: set[MigrationKey], times: Mapping[MigrationKey, datetime.datetime]
) -> dict[str, Any]:
    return {
        "app": key[0],
        "name": key[1],
        "applied": key in applied,
        "applied_at": times.get(key),
        "dependencies": [".".join(parent) for parent in loader.graph.parents(key)],
    }
