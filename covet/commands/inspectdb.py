"""Print models for the tables of a database."""

from __future__ import annotations

import click

from covet.commands.migrate import database_of
from covet.db.migrations.inspect import models_source, read_tables
from covet.db.migrations.part import MigrationsPart
from covet.exceptions import CommandError
from covet.management.decorator import command
from covet.management.output import out
from covet.text import suggest

__all__ = ["inspectdb"]


@command(parts=[MigrationsPart])
@click.argument("tables", nargs=-1)
@click.option("--database", default="default", show_default=True, help="The alias of the database.")
@click.option("--include-views", is_flag=True, help="Models for views, too.")
@click.option("--include-partitions", is_flag=True, help="Models for the parts of partitioned tables, too.")
@click.option("--managed", is_flag=True, help="Let migrations look after the tables: leave managed = False out.")
async def inspectdb(
    *, tables: tuple[str, ...], database: str, include_views: bool, include_partitions: bool, managed: bool
) -> None:
    """Print a models.py for the tables of a database, or for TABLES and views that are named."""
    opened = database_of(database)
    found, missing = await read_tables(
        opened, tables, include_views=include_views, include_partitions=include_partitions
    )
    if missing:
        reader = opened.introspection
        near = suggest(missing[0], [*await reader.tables(), *await reader.views()])
        raise CommandError(
            f"Database '{database}' has no table '{missing[0]}'." + (f" Did you mean '{near}'?" if near else "")
        )
    out.line(models_source(found, opened.vendor, managed=managed), newline=False)
