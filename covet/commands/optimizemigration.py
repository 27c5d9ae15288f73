"""Make the operations of a migration fewer."""

from __future__ import annotations

import click

from covet.apps.lifecycle import setup
from covet.apps.registry import apps
from covet.commands.makemigrations import shown_path
from covet.db.migrations.loader import Loader, swappable_models
from covet.db.migrations.part import MigrationsPart
from covet.db.migrations.squash import optimized
from covet.db.migrations.write import own_functions, write_migration
from covet.management.decorator import command
from covet.management.output import note, out, style

__all__ = ["optimizemigration"]


@command(parts=[])
@click.argument("app_label")
@click.argument("migration_name")
@click.option(
    "--check", "check_only", is_flag=True, help="Exit with 1 if there is something to join, and write nothing."
)
async def optimizemigration(*, app_label: str, migration_name: str, check_only: bool) -> int:
    """Join the operations of a migration where two of them amount to one. No database is needed."""
    # The parts are collected and not started: no database has to be there.
    setup([MigrationsPart])
    loader = Loader.from_apps(apps)
    migration = loader.graph.nodes[loader.find(app_label, migration_name)]
    new = optimized(migration)
    if new is None:
        out.done(f"Nothing to join in {migration}.")
        return 0
    out.done(f"{migration}: {len(migration.operations)} operations become {len(new.operations)}.")
    if check_only:
        return 1
    functions = own_functions(new.operations)
    if functions:
        # The file's functions would be lost: the shorter migration stands beside it until they are copied.
        new.replaces = [migration.key]
        new.name = f"{migration.name}_optimized"
    path, _ = write_migration(new, loader.migrated[app_label], swappable_models(apps))
    out.done(f"  {shown_path(path)}")
    if functions:
        note(
            style(
                f"Note: copy {', '.join(sorted({item.__name__ for item in functions}))} of {migration.name} into it; its "
                "first lines say where.",
                "yellow",
            )
        )
    return 0
