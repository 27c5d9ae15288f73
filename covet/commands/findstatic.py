"""Tell where static files are found."""

from __future__ import annotations

import click

from covet.apps.registry import apps
from covet.management.decorator import command, json_option
from covet.management.output import out

__all__ = ["findstatic"]


@command(parts=["covet.staticfiles.finders.StaticFilesPart"])
@click.argument("paths", nargs=-1, required=True)
@click.option("--first", is_flag=True, help="Only the file that is served, not those it hides.")
@json_option
def findstatic(*, paths: tuple[str, ...], first: bool, as_json: bool) -> int:
    """Tell where static files are found; the first of a path is the one that is served."""
    from covet.staticfiles.finders import StaticFilesPart

    part = apps.current().part(StaticFilesPart)
    found = {path: [str(file) for file in part.find_all(path)] for path in paths}
    if as_json:
        out.json(found)
    for path, files in found.items() if not as_json else ():
        for shown in files[:1] if first else files:
            out.line(shown)
        if not files:
            out.line(f"{path}: not found in {', '.join(map(str, part.places())) or 'any folder: there is none'}")
    return 0 if all(found.values()) else 1
