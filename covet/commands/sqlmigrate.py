"""Print the SQL of a migration."""

from __future__ import annotations

import click

from covet.apps.lifecycle import setup
from covet.apps.registry import apps
from covet.commands.migrate import database_of
from covet.db.migrations.execute import migration_sql
from covet.db.migrations.loader import Loader
from covet.db.migrations.part import MigrationsPart
from covet.management.decorator import command, json_option
from covet.management.output import out

__all__ = ["sqlmigrate"]


@command(parts=[])
@click.argument("app_label")
@click.argument("migration_name")
@click.option("--backwards", is_flag=True, help="The SQL that undoes the migration.")
@click.option("--database", default="default", show_default=True, help="The alias of the database.")
@json_option
async def sqlmigrate(*, app_label: str, migration_name: str, backwards: bool, database: str, as_json: bool) -> None:
    """Print the SQL of a migration for a database. Nothing is run, and no table has to be there."""
    # The parts are collected and not started: the SQL follows from the files alone.
    setup([MigrationsPart])
    loader = Loader.from_apps(apps)
    key = loader.find(app_label, migration_name)
    lines = await migration_sql(database_of(database), loader, key, backwards=backwards)
    if as_json:
        out.json(lines)
        return
    for line in lines:
        out.line(line)
