"""Write a name into the guestbook."""

import click

from covet.management import command, out

from ...models import Entry


@command(parts=["covet.db.models.part.ModelsPart"])
@click.argument("name")
async def guestbook_sign(name: str) -> None:
    """Write NAME into the guestbook."""
    entry = await Entry.objects.create(name=name)
    out.line(f"{entry.name} is number {entry.pk}.")
