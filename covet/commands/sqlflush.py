"""Print the SQL that empties the tables of the models."""

from __future__ import annotations

import click

from covet.apps.registry import apps
from covet.commands.migrate import database_of
from covet.db.fixtures.flush import flush_sql, own_tables
from covet.db.migrations.part import MigrationsPart
from covet.management.decorator import command, json_option
from covet.management.output import out

__all__ = ["sqlflush"]


@command(parts=[MigrationsPart])
@click.option("--database", default="default", show_default=True, help="The alias of the database.")
@json_option
async def sqlflush(*, database: str, as_json: bool) -> None:
    """Print the SQL that flush would run."""
    opened = database_of(database)
    lines = flush_sql(opened, await own_tables(opened, apps))
    if as_json:
        out.json(lines)
        return
    for line in lines:
        out.line(line)
