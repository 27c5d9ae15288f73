"""What ``runserver`` looks at before it serves: checks, databases that answer, migrations that are applied."""

from __future__ import annotations

from msgspec import Struct, field

from covet.apps.registry import apps
from covet.checks.messages import Level
from covet.checks.runner import run_checks
from covet.conf import settings
from covet.db.connections import connections
from covet.db.errors import DatabaseError
from covet.db.migrations.execute import unapplied
from covet.db.migrations.part import MigrationsPart
from covet.exceptions import CovetError
from covet.text import join_words, pluralize

__all__ = ["Trouble", "preflight"]


class Trouble(Struct):
    """What is wrong: errors keep the server from starting, notices do not."""

    errors: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


async def preflight() -> Trouble:
    """Return what is wrong with the project as it is now."""
    trouble = Trouble()
    for message in await run_checks(apps):
        if message.level >= Level.ERROR:
            trouble.errors.append(str(message))
        elif message.level is Level.WARNING:
            trouble.notices.append(f"Warning: {message}")
    if trouble.errors:
        return trouble
    for alias in settings.DATABASES:
        await _look_at(alias, trouble)
    return trouble


async def _look_at(alias: str, trouble: Trouble) -> None:
    database = connections[alias]
    try:
        await database.fetch("SELECT 1")
    except DatabaseError as error:
        trouble.errors.append(f"The database '{alias}' ({database.config.label}) cannot be used: {error}")
        return
    if not apps.has_part(MigrationsPart):
        return
    try:
        missing = await unapplied(database)
    except CovetError as error:
        trouble.notices.append(f"The migrations cannot be read: {error}")
        return
    if missing:
        labels = join_words(sorted({label for label, _ in missing}))
        where = "" if alias == "default" else f" to '{alias}'"
        option = "" if alias == "default" else f" --database {alias}"
        trouble.notices.append(
            f"{pluralize(len(missing), 'migration')} not applied{where} ({labels}). Run: python manage.py migrate{option}"
        )
