"""Make one migration of several."""

from __future__ import annotations

import click

from covet.apps.lifecycle import setup
from covet.apps.registry import apps
from covet.commands.makemigrations import shown_path
from covet.db.migrations.loader import Loader, swappable_models
from covet.db.migrations.part import MigrationsPart
from covet.db.migrations.squash import squash
from covet.db.migrations.write import write_migration
from covet.exceptions import CommandError
from covet.management.decorator import command, json_option
from covet.management.output import note, out, style

__all__ = ["squashmigrations"]


@command(parts=[])
@click.argument("app_label")
@click.argument("migration_names", nargs=-1, required=True)
@click.option("--squashed-name", default=None, help="The name of the new migration, without its number.")
@click.option("--no-optimize", is_flag=True, help="Keep all operations as they are.")
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
@click.option("--no-header", is_flag=True, expose_value=False, help="Accepted for scripts; files have no header.")
@click.option("--noinput", "--no-input", is_flag=True, help="Accepted for scripts; squashmigrations asks nothing.")
@json_option
async def squashmigrations(
    *,
    app_label: str,
    migration_names: tuple[str, ...],
    squashed_name: str | None,
    no_optimize: bool,
    dry_run: bool,
    noinput: bool,
    as_json: bool,
) -> None:
    """Make one migration of an app's first ones up to NAME, or of those from NAME to NAME. No database is needed."""
    # The parts are collected and not started: no database has to be there.
    setup([MigrationsPart])
    if len(migration_names) > 2:
        raise CommandError("Name the last migration to squash, or the first and the last.", exit_code=2)
    if squashed_name is not None and not squashed_name.isidentifier():
        raise CommandError(f"--squashed-name {squashed_name!r} is no Python identifier.", exit_code=2)
    loader = Loader.from_apps(apps)
    loader.require_no_conflicts()
    keys = [loader.find(app_label, name) for name in migration_names]
    made = squash(
        loader,
        keys[-1],
        keys[0] if len(keys) == 2 else None,
        name=squashed_name,
        shorten=not no_optimize,
    )
    path, _ = write_migration(made.migration, loader.migrated[app_label], swappable_models(apps), dry_run=dry_run)
    count = len(made.migration.operations)
    if as_json:
        out.json(
            {
                "app": app_label,
                "name": made.migration.name,
                "path": shown_path(path),
                "replaces": [list(key) for key in made.migration.replaces],
                "operations_before": made.before,
                "operations": count,
                "notes": made.notes,
                "written": not dry_run,
            }
        )
        return
    out.done(style(f"Squashed {len(made.squashed)} migrations of '{app_label}':", bold=True))
    for _, name in made.squashed:
        out.done(f"    {name}")
    out.done(f"  {shown_path(path)}")
    out.done(f"    {made.before} operations became {count}.")
    for text in made.notes:
        note(style(f"Note: {text}", "yellow"))
    if not dry_run:
        note(
            "Commit it and keep the old files until every database has been migrated; then delete them, take 'replaces' "
            f"out of the new one, and run: manage.py migrate {app_label} --prune"
        )
