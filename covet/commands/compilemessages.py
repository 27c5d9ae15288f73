"""Compile the .po files of the project into the .mo files that are read."""

from __future__ import annotations

import os
from pathlib import Path

import click

from covet.apps.registry import apps
from covet.conf import settings
from covet.management.decorator import command, json_option
from covet.management.output import note, out

__all__ = ["compilemessages"]


@command(parts=[])
@click.option(
    "--locale", "-l", "languages", multiple=True, metavar="LANGUAGE", help="Only this language; may be repeated."
)
@click.option("--use-fuzzy", "-f", is_flag=True, help="Use guessed translations as well.")
@json_option
def compilemessages(*, languages: tuple[str, ...], use_fuzzy: bool, as_json: bool) -> int:
    """Compile the .po files of LOCALE_PATHS and of the project's apps; one with a wrong placeholder is named, and fails."""
    from covet.i18n.messages import compile_folder

    here = Path.cwd().resolve()
    folders = [Path(os.fspath(path)) for path in settings.LOCALE_PATHS]
    folders += [
        Path(config.path) / "locale"
        for config in apps.get_app_configs()
        if Path(config.path).resolve().is_relative_to(here)
    ]
    files: list[Path] = []
    errors: list[str] = []
    for folder in folders:
        done = compile_folder(folder, languages, fuzzy=use_fuzzy)
        files += done.files
        errors += done.errors
    if as_json:
        out.json({"files": [str(path) for path in files], "errors": errors})
    else:
        for path in files:
            out.done(os.path.relpath(path))
        if not files and not errors:
            out.done("There is no catalogue. Make one: makemessages -l de")
    for error in errors:
        note(error)
    return 1 if errors else 0
