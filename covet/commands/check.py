"""Look for mistakes in settings, models, URLs and the rest."""

from __future__ import annotations

import click

from covet.accel import active
from covet.apps.registry import apps
from covet.checks.messages import CheckMessage, Level
from covet.checks.runner import registered_tags, run_checks
from covet.conf import settings
from covet.db.connections import connections
from covet.exceptions import CommandError
from covet.management.decorator import ALL, command, json_option
from covet.management.output import note, out, style
from covet.text import pluralize, suggest

__all__ = ["check"]

_COLOURS = {Level.WARNING: "yellow", Level.ERROR: "red", Level.CRITICAL: "red"}
_TITLES = {
    Level.CRITICAL: "Critical",
    Level.ERROR: "Errors",
    Level.WARNING: "Warnings",
    Level.INFO: "Infos",
    Level.DEBUG: "Debugs",
}


@command(parts=ALL, starts=["covet.db.models.part.ModelsPart"])  # databases open at first use; no broker is asked for
@click.argument("app_labels", nargs=-1)
@click.option("--tag", "-t", "tags", multiple=True, help="Only checks with this tag; may be given again.")
@click.option("--list-tags", is_flag=True, help="List the tags and stop.")
@click.option("--database", "databases", multiple=True, help="Also ask the database of this alias; may be given again.")
@click.option("--deploy", is_flag=True, help="Also what matters in production.")
@click.option(
    "--fail-level",
    type=click.Choice([level.name for level in reversed(Level)], case_sensitive=False),
    default="ERROR",
    show_default=True,
    help="The level from which on the command fails.",
)
@json_option
async def check(
    *,
    app_labels: tuple[str, ...],
    tags: tuple[str, ...],
    list_tags: bool,
    databases: tuple[str, ...],
    deploy: bool,
    fail_level: str,
    as_json: bool,
) -> int:
    """Look for mistakes in the project, or in the apps of these labels only."""
    known = registered_tags(apps, deploy=deploy)
    if list_tags:
        if as_json:
            out.json(known)
        else:
            out.line("\n".join(known))
        return 0
    for tag in tags:
        if tag not in known:
            near = suggest(tag, known)
            hint = f" Did you mean '{near}'?" if near else f" Known are {', '.join(known)}."
            raise CommandError(f"There is no check with the tag '{tag}'.{hint}", exit_code=2)
    for label in app_labels:
        try:
            apps.get_app_config(label)
        except LookupError as error:
            raise CommandError(str(error), exit_code=2) from None
    for alias in databases:
        if alias not in connections:
            connections[alias]  # raises, and says which there are
    messages = await run_checks(apps, tags or None, deploy, app_labels or None, databases)
    failed = any(message.is_serious(Level.of(fail_level)) for message in messages)
    if as_json:
        out.json({"accelerators": active(), "messages": [_as_dict(m) for m in messages], "ok": not failed})
    else:
        _print(messages)
    return 1 if failed else 0


def _print(messages: list[CheckMessage]) -> None:
    level = None
    for message in messages:
        if message.level is not level:
            level = message.level
            out.line(("\n" if level is not messages[0].level else "") + style(f"{_TITLES[level]}:", bold=True))
        out.line(f"  {style(str(message), _COLOURS.get(message.level))}")
    if messages:
        out.line()
    silenced = len(set(settings.SILENCED_SYSTEM_CHECKS))
    hidden = f" ({pluralize(silenced, 'id')} silenced)" if silenced else ""
    found = "no issues" if not messages else pluralize(len(messages), "issue")
    out.line(f"The check found {found}{hidden}.")
    engines = ", ".join(f"{name}: {engine}" for name, engine in sorted(active().items()))
    if engines:
        note(f"Accelerators — {engines}.")


def _as_dict(message: CheckMessage) -> dict[str, object]:
    return {
        "level": message.level.name.lower(),
        "id": message.id,
        "message": message.msg,
        "hint": message.hint,
        "object": message.where or None,
    }
