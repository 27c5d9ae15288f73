"""Store the rows of fixtures."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from covet.apps.registry import apps
from covet.commands.migrate import database_of
from covet.conf import settings
from covet.db.fixtures.formats import COMPRESSIONS, FORMATS, format_of, open_file, read_records
from covet.db.fixtures.load import load_rows
from covet.db.migrations.part import MigrationsPart
from covet.exceptions import CommandError
from covet.management.decorator import command, json_option
from covet.management.output import out

__all__ = ["loaddata"]


@command(parts=[MigrationsPart])
@click.argument("fixtures", nargs=-1, required=True)
@click.option("--database", default="default", show_default=True, help="The alias of the database.")
@click.option("--app", "app_label", default=None, help="Look into this app's fixtures folder only.")
@click.option(
    "--ignorenonexistent", "-i", is_flag=True, help="Pass over models and fields that are not there any more."
)
@click.option("--exclude", "-e", multiple=True, metavar="APP[.MODEL]", help="Leave out.")
@click.option("--format", "kind", type=click.Choice(FORMATS), default=None, help="The format of standard input ('-').")
@json_option
async def loaddata(
    *,
    fixtures: tuple[str, ...],
    database: str,
    app_label: str | None,
    ignorenonexistent: bool,
    exclude: tuple[str, ...],
    kind: str | None,
    as_json: bool,
) -> None:
    """Store the rows of fixtures in one transaction: all of them or none. A file, a name to look for, or '-'."""
    opened = database_of(database)
    files = [path for name in fixtures for path in _files(name, app_label, kind)]
    loaded = await load_rows(opened, apps, _records(files, kind), ignore_unknown=ignorenonexistent, exclude=exclude)
    if as_json:
        out.json({"records": loaded.count, "files": [str(path) for path in files]})
    else:
        out.done(f"Stored {loaded.count} rows of {len(files)} {'file' if len(files) == 1 else 'files'}.")


def _records(files: list[Path | None], kind: str | None) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for path in files:
        if path is None:
            for number, record in enumerate(read_records(sys.stdin, kind or "json", "standard input"), 1):
                yield f"standard input, record {number}", record
            continue
        with closing(open_file(path, "r")) as stream:
            found = format_of(path.name) or kind or "json"
            for number, record in enumerate(read_records(stream, found, path.name), 1):
                yield f"{path.name}, record {number}", record


def _files(name: str, app_label: str | None, kind: str | None) -> list[Path | None]:
    """Return the files that a name means: itself, or those of that name in the fixtures folders.

    Raises:
        CommandError: There is none.
    """
    if name == "-":
        if kind is None:
            raise CommandError("Standard input needs its format: manage.py loaddata --format json -", exit_code=2)
        return [None]
    given = Path(name)
    if given.is_file() and app_label is None:
        return [given]
    folders = [Path(config.path) / "fixtures" for config in apps.get_app_configs() if app_label in (None, config.label)]
    if app_label is None:
        folders += [Path(folder) for folder in settings.FIXTURE_DIRS]
    endings = [""] if format_of(name) else [f".{item}" for item in (*FORMATS, "yml")]
    packed = ["", *[f".{item}" for item in COMPRESSIONS]]
    found: list[Path | None] = []
    for folder in folders:
        here = [folder / f"{name}{end}{pack}" for end in endings for pack in packed]
        files = [path for path in here if path.is_file()]
        if len(files) > 1:
            raise CommandError(f"Several files are called '{name}' in {folder}: name one with its ending.")
        found += files
    if not found:
        raise CommandError(
            f"No fixture '{name}': it is no file, and not in {', '.join(str(folder) for folder in folders) or 'any folder'}."
        )
    return found
