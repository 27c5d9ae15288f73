"""Empty the tables of the models."""

from __future__ import annotations

import click

from covet.apps.registry import apps
from covet.commands.migrate import database_of
from covet.db.fixtures.flush import empty, left_behind, own_tables
from covet.db.migrations.execute import Executor
from covet.db.migrations.loader import Loader
from covet.db.migrations.part import MigrationsPart
from covet.exceptions import CommandError
from covet.management.decorator import command
from covet.management.output import confirm, out

__all__ = ["flush"]


@command(parts=[MigrationsPart])
@click.option("--database", default="default", show_default=True, help="The alias of the database.")
@click.option("--noinput", "--no-input", is_flag=True, help="Do not ask.")
async def flush(*, database: str, noinput: bool) -> int:
    """Delete all rows of the models' tables; the tables stay, and what migrations recorded."""
    opened = database_of(database)
    tables = await own_tables(opened, apps)
    if not noinput and not confirm(f"Delete all rows of {len(tables)} tables of {opened.config.label}?"):
        out.done("Nothing was deleted.")
        return 1
    left = await left_behind(opened, tables)
    if left:
        raise CommandError(
            f"Rows of {', '.join(left)} refer to rows that would go, and flush does not empty these tables. If models were "
            "renamed, migrate first; else empty the tables by hand. Nothing was deleted."
        )
    await empty(opened, tables)
    await Executor(opened, Loader.from_apps(apps)).announce()
    out.done(f"{len(tables)} tables are empty.")
    return 0
