"""Show each setting, its value, and where the value came from."""

from __future__ import annotations

from typing import Any

import click

from covet.conf.defaults import declared
from covet.conf.holder import settings as project
from covet.exceptions import CommandError
from covet.management.decorator import command, json_option
from covet.management.output import out
from covet.text import suggest, truncate

__all__ = ["settings"]


@command(parts=None)
@click.argument("names", nargs=-1)
@click.option("--changed", is_flag=True, help="Only settings that are not at their default.")
@json_option
async def settings(names: tuple[str, ...], changed: bool, as_json: bool) -> None:
    """Show each setting, or those of these NAMES, and where its value came from. Secrets are masked; no app is loaded."""
    project.load()
    known = project.names()
    wanted = [name.upper().removeprefix("COVET_") for name in names]
    for name in wanted:
        if name not in known:
            near = suggest(name, known)
            raise CommandError(
                f"There is no setting '{name}'." + (f" Did you mean '{near}'?" if near else ""), exit_code=2
            )
    chosen = [name for name in (wanted or known) if not changed or project.is_set(name)]
    if as_json:
        out.json([_as_dict(name) for name in chosen])
        return
    if len(wanted) == 1:
        entry = _as_dict(wanted[0])
        out.pairs({"value": repr(project.shown(wanted[0])), "source": entry["source"], "about": entry["about"]})
        return
    out.table(
        [(name, truncate(repr(project.shown(name)), 70), project.source(name)) for name in chosen],
        headers=("setting", "value", "source"),
    )


def _as_dict(name: str) -> dict[str, Any]:
    known = declared().get(name)
    return {
        "name": name,
        "value": _plain(project.shown(name)),
        "source": project.source(name),
        "about": known.doc if known is not None else "",
    }


def _plain(value: Any) -> Any:
    """Values that JSON has as they are, at any depth; the rest as their ``repr``, which masks."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)
