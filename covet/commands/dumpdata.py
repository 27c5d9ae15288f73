"""Write rows of the database as a fixture."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from covet.apps.registry import apps
from covet.commands.migrate import database_of
from covet.db.fixtures.dump import dump_rows, models_to_dump
from covet.db.fixtures.formats import FORMATS, Writer, format_of, open_file
from covet.db.migrations.part import MigrationsPart
from covet.db.routers import router
from covet.exceptions import CommandError
from covet.management.decorator import command
from covet.management.output import note, out
from covet.text import suggest

if TYPE_CHECKING:
    from covet.db.models.base import Model

__all__ = ["dumpdata"]


@command(parts=[MigrationsPart])
@click.argument("labels", nargs=-1, metavar="[APP[.MODEL]]...")
@click.option("--format", "kind", type=click.Choice(FORMATS), default=None, help="By default as the file's name says.")
@click.option("--indent", type=int, default=None, help="Spaces of indentation.")
@click.option("--database", default="default", show_default=True, help="The alias of the database.")
@click.option("--exclude", "-e", multiple=True, metavar="APP[.MODEL]", help="Leave out.")
@click.option("--natural-foreign", is_flag=True, help="Write references as natural keys.")
@click.option("--natural-primary", is_flag=True, help="Leave keys out where rows have natural ones.")
@click.option("--all", "-a", "all_rows", is_flag=True, help="Also rows that the default managers leave out.")
@click.option("--pks", default=None, help="Only these keys, with commas between; for one model.")
@click.option("--output", "-o", default=None, help="A file; .gz, .bz2, .xz and .lzma are packed.")
async def dumpdata(
    *,
    labels: tuple[str, ...],
    kind: str | None,
    indent: int | None,
    database: str,
    exclude: tuple[str, ...],
    natural_foreign: bool,
    natural_primary: bool,
    all_rows: bool,
    pks: str | None,
    output: str | None,
) -> None:
    """Print the rows of all models, or of these apps and models, as a fixture."""
    opened = database_of(database)
    left_out = {model for label in exclude for model in _models(label)}
    wanted: dict[type[Model], None] = dict.fromkeys(model for label in labels for model in _models(label))
    if not labels:
        wanted = dict.fromkeys(apps.get_models())
    if pks is not None and len(wanted) != 1:
        raise CommandError("--pks needs one model: manage.py dumpdata blog.item --pks 1,2", exit_code=2)
    chosen = [model for model in wanted if model not in left_out and _is_here(model, opened.alias)]
    for model in chosen:
        if model._meta.proxy and labels and model._meta.concrete_model not in chosen:
            note(f"{model._meta.label} is a proxy: its rows are those of its model.")
    path = Path(output) if output is not None else None
    stream: IO[str] = open_file(path, "w") if path is not None else out.stream
    try:
        writer = Writer(stream, kind or (format_of(path.name) if path is not None else None) or "json", indent)
        for model in models_to_dump(chosen):
            async for record in dump_rows(
                model,
                opened.alias,
                natural_foreign=natural_foreign,
                natural_primary=natural_primary,
                base_manager=all_rows,
                pks=pks.split(",") if pks is not None else None,
            ):
                writer.write(record)
        writer.close()
    finally:
        if path is not None:
            stream.close()
    if path is not None:
        note(f"Wrote {writer.count} records to {path}.")


def _models(label: str) -> Iterable[type[Model]]:
    """Return the models that a label names: one, or all of an app."""
    app_label, _, name = label.partition(".")
    try:
        if name:
            return [apps.get_model(label)]
        apps.get_app_config(app_label)
    except LookupError as error:
        known = [config.label for config in apps.get_app_configs()]
        near = suggest(app_label, known) if not name else None
        raise CommandError(
            f"{error}" + (f" Did you mean '{near}'?" if near and near not in str(error) else "")
        ) from error
    return [model for model in apps.get_models() if model._meta.app_label == app_label]


def _is_here(model: type[Model], alias: str) -> bool:
    meta = model._meta
    return bool(router.allow_migrate(alias, meta.app_label, model_name=meta.model_name))
