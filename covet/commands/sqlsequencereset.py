"""Print the SQL that lets automatic keys go on behind the highest that is there."""

from __future__ import annotations

import click

from covet.apps.registry import apps
from covet.commands.migrate import database_of
from covet.db.fixtures.flush import sequence_sql
from covet.db.migrations.part import MigrationsPart
from covet.management.decorator import command, json_option
from covet.management.output import note, out

__all__ = ["sqlsequencereset"]


@command(parts=[MigrationsPart])
@click.argument("labels", nargs=-1, required=True, metavar="APP...")
@click.option("--database", default="default", show_default=True, help="The alias of the database.")
@json_option
async def sqlsequencereset(*, labels: tuple[str, ...], database: str, as_json: bool) -> None:
    """Print the SQL that numbers new rows of these apps' tables from the highest key.

    For after rows were copied in with their keys by other means than loaddata. It needs no tables to exist.
    """
    opened = database_of(database)
    models = [model for label in labels for model in apps.get_app_config(label).get_models(include_auto_created=True)]
    lines = sequence_sql(opened, models)
    if as_json:
        out.json(lines)
        return
    for line in lines:
        out.line(line)
    if opened.vendor != "postgresql":
        note(f"Nothing to do: {opened.vendor} numbers new rows from the highest key by itself.")
