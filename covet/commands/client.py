"""Write a typed client of the project's endpoints."""

from __future__ import annotations

from pathlib import Path

import click

from covet.apps.registry import apps
from covet.concurrency import to_thread
from covet.exceptions import CommandError
from covet.management.decorator import command
from covet.management.output import note, out

__all__ = ["client"]

_FILE = "client.ts"


@command(parts=["covet.rest.part.RestPart"], starts=[])
@click.option("--lang", type=click.Choice(["ts"]), default="ts", show_default=True, help="The language.")
@click.option(
    "--output", "-o", type=click.Path(file_okay=False, path_type=Path), help=f"Write {_FILE} into this folder."
)
@click.option("--document", metavar="NAME", help="Of this one of OPENAPI_DOCUMENTS.")
@click.option("--api-version", metavar="VERSION", help="Of this version of the API.")
async def client(*, lang: str, output: Path | None, document: str | None, api_version: str | None) -> None:
    """Print a typed TypeScript client, or write it into a folder.

    It is one module without dependencies, for browsers and Node: a type for each schema, a method for each operation, errors
    as problem documents. The same endpoints give the same bytes.
    """
    from covet.rest.openapi.typescript import typescript_client  # heavy
    from covet.rest.part import RestPart

    part = apps.current().part(RestPart)
    try:
        told = part.document(document, api_version)
    except KeyError as error:
        raise CommandError(f"There is no document or version {error.args[0]!r} of the API.") from error
    text = typescript_client(told)
    if output is None:
        out.line(text.rstrip("\n"))
        return
    await to_thread(_write, output, text)
    note(f"Wrote {output / _FILE}.")


def _write(folder: Path, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _FILE).write_text(text, "utf-8", newline="\n")
