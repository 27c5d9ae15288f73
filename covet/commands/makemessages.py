"""Collect the texts of the project's apps into .po files for translators."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import structs

from covet.apps.registry import apps
from covet.conf import settings
from covet.exceptions import CommandError
from covet.management.decorator import command, json_option
from covet.management.output import out
from covet.text import pluralize

if TYPE_CHECKING:
    from covet.i18n.messages import Source

__all__ = ["makemessages"]


@command(parts=[])
@click.argument("app_labels", nargs=-1)
@click.option(
    "--locale", "-l", "languages", multiple=True, metavar="LANGUAGE", help="A language: de, pt-br; may be repeated."
)
@click.option("--all", "-a", "every", is_flag=True, help="Every language that has a catalogue already.")
@click.option(
    "--ignore", "-i", multiple=True, metavar="PATTERN", help="Leave out files of this pattern; may be repeated."
)
@click.option("--no-obsolete", is_flag=True, help="Drop the translations of texts that are gone.")
@click.option("--no-location", is_flag=True, help="Do not write where each text stands.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 when a catalogue is not up to date.")
@json_option
def makemessages(
    *,
    app_labels: tuple[str, ...],
    languages: tuple[str, ...],
    every: bool,
    ignore: tuple[str, ...],
    no_obsolete: bool,
    no_location: bool,
    check: bool,
    as_json: bool,
) -> int:
    """Collect the texts of the project's apps, or of these, into LANGUAGE/LC_MESSAGES/covet.po of their locale folders."""
    from covet.i18n.messages import Updated, extract, update

    sources = _sources(app_labels)
    if not languages and not every:
        raise CommandError("Name a language: makemessages -l de. Or --all, for those that have a catalogue.")
    done: list[Updated] = []
    now = dt.datetime.now(dt.UTC)
    for source in sources:
        there = sorted(path.parent.parent.name for path in source.locale.glob("*/LC_MESSAGES/covet.po"))
        wished = sorted({*languages, *(there if every else ())})
        if not wished:
            continue
        template = extract(source, ignore=ignore)
        if not any(message.id for message in template) and not there:
            continue
        done += [
            update(
                template,
                source,
                language,
                obsolete=not no_obsolete,
                locations=not no_location,
                now=now,
                write=not check,
            )
            for language in wished
        ]
    if as_json:
        out.json([{**structs.asdict(one), "path": str(one.path)} for one in done])
    for one in done if not as_json else ():
        state = "" if one.changed else ", unchanged"
        out.done(
            f"{os.path.relpath(one.path)}: {pluralize(one.messages, 'text')}, {one.untranslated} to translate, "
            f"{one.fuzzy} to check{state}"
        )
    if not done and not as_json:
        out.done("There are no texts to translate.")
    return 1 if check and any(one.changed for one in done) else 0


def _sources(labels: tuple[str, ...]) -> list[Source]:
    """Return the apps inside the current folder, and the folder itself for LOCALE_PATHS."""
    from covet.i18n.messages import Source

    here = Path.cwd().resolve()
    configs = [config for config in apps.get_app_configs() if Path(config.path).resolve().is_relative_to(here)]
    unknown = set(labels) - {config.label for config in configs}
    if unknown:
        raise CommandError(
            f"{', '.join(sorted(unknown))}: no app of this project. It has: "
            f"{', '.join(config.label for config in configs) or 'none'}."
        )
    found = [
        Source(config.label, Path(config.path).resolve(), Path(config.path).resolve() / "locale")
        for config in configs
        if not labels or config.label in labels
    ]
    if settings.LOCALE_PATHS and not labels:
        own = tuple(Path(config.path).resolve() for config in configs)
        found.insert(0, Source(here.name, here, Path(os.fspath(settings.LOCALE_PATHS[0])), own))
    return found
