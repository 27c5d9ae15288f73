"""Delete the content types whose models are gone."""

from __future__ import annotations

import click

from covet.apps import apps
from covet.contenttypes.models import ContentType
from covet.db import connections
from covet.db.models.part import ModelsPart
from covet.exceptions import CommandError
from covet.management import command
from covet.management.output import confirm, out

__all__ = ["remove_stale_contenttypes"]


@command(parts=[ModelsPart])
@click.option("--database", default="default", show_default=True, help="The alias of the database.")
@click.option("--include-stale-apps", is_flag=True, help="Also those of apps that are not installed any more.")
@click.option("--noinput", "--no-input", is_flag=True, help="Do not ask.")
async def remove_stale_contenttypes(*, database: str, include_stale_apps: bool, noinput: bool) -> int:
    """Delete the content types whose models are gone, and the rows that cascade from them."""
    if database not in connections:
        raise CommandError(f"DATABASES has no '{database}'. It has: {', '.join(connections)}.", exit_code=2)
    installed = {config.label for config in apps.get_app_configs()}
    rows = ContentType.objects.using(database)
    stale = [
        row
        for row in await rows.order_by("app_label", "model")
        if row.model_class() is None and (include_stale_apps or row.app_label in installed)
    ]
    if not stale:
        out.done("Each content type has its model.")
        return 0
    say = out.done if noinput else out.line  # who is asked must see of what
    for row in stale:
        say(f"{row.app_label}.{row.model}")
    if not noinput and not confirm("Delete these content types, and all rows that refer to them and cascade?"):
        out.done("Nothing was deleted.")
        return 1
    total, counts = await rows.filter(pk__in=[row.pk for row in stale]).delete()
    ContentType.objects.clear_cache(database)
    out.done(f"{total} rows deleted: {', '.join(f'{count} {label}' for label, count in sorted(counts.items()))}.")
    return 0
