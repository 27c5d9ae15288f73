"""Make a new project: settings, URLs, ASGI and a test that passes."""

from __future__ import annotations

import secrets
import string
from pathlib import Path

import click

from covet import __version__
from covet.commands._scaffold import check_name, copy_template, template_folder
from covet.exceptions import CommandError
from covet.management.decorator import command
from covet.management.output import note

__all__ = ["startproject"]

# No characters that a shell or an .env file would read as something else.
_ALPHABET = string.ascii_letters + string.digits + "-_.~+=^*()"


@command(parts=None)
@click.argument("name")
@click.argument("directory", required=False, type=click.Path(file_okay=False, path_type=Path))
def startproject(name: str, directory: Path | None) -> None:
    """Make a project called NAME, in a new folder of that name or in DIRECTORY."""
    here = Path.cwd()
    if directory is None:
        check_name(name, "project", folder=here)
        target = here / name
    else:
        target = directory.resolve()
        if target.exists() and not target.is_dir():
            raise CommandError(f"{target} is no folder.")
        check_name(name, "project", folder=target)
    major, minor, *_ = __version__.split(".")
    values = {
        "project_name": name,
        "secret_key": secret_key(),
        "covet_version": f">={major}.{minor},<{major}.{int(minor) + 1}",
    }
    copy_template(template_folder("project"), target, values)
    note(f"Made the project '{name}' in {target}. Next:")
    if target != here:
        note(f"  cd {_relative(target, here)}")
    note("  python manage.py startapp blog")
    note("  python manage.py makemigrations && python manage.py migrate")
    note("  python manage.py runserver")


def secret_key() -> str:
    """Return 64 random characters for SECRET_KEY."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(64))


def _relative(target: Path, here: Path) -> Path:
    return target.relative_to(here) if target.is_relative_to(here) else target
