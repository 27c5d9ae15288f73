"""Make a new app in the project and add it to INSTALLED_APPS."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import click

from covet.commands._installed_apps import CannotEdit, add_app, installed_apps
from covet.commands._scaffold import check_name, copy_template, template_folder
from covet.conf.holder import ENVIRONMENT_VARIABLE
from covet.exceptions import CommandError
from covet.management.decorator import command
from covet.management.find import app_package
from covet.management.output import note

__all__ = ["startapp"]


@command(parts=None)
@click.argument("name")
@click.argument("directory", required=False, type=click.Path(file_okay=False, path_type=Path))
def startapp(name: str, directory: Path | None) -> None:
    """Make an app called NAME in the project's folder, or in DIRECTORY, and add it to INSTALLED_APPS."""
    settings_file, root = _project()
    target = (directory or root / name).resolve()
    if directory is None:
        check_name(name, "app", folder=root)
    elif not name.isidentifier():
        check_name(name, "app", folder=target.parent)
    elif target.is_dir() and any(target.iterdir()):
        raise CommandError(f"The folder {target} exists already and is not empty.")
    dotted = _dotted(target, root)
    _check_label(name, dotted, settings_file)
    values = {
        "app_name": dotted,
        "app_label": name,
        "app_camel": "".join(word[:1].upper() + word[1:] for word in name.split("_")),
        "app_field": _camel_case(f"{name}_items"),
        "app_title": name.replace("_", " ").title(),
    }
    if dotted.rpartition(".")[2] != name:
        raise CommandError(f"The folder of the app '{name}' must be called '{name}', not '{target.name}'.", exit_code=2)
    written = copy_template(template_folder("app"), target, values)
    note(f"Made the app '{dotted}' in {target} ({len(written)} files).")
    if settings_file is None:
        note(f'No settings module is named, so add "{dotted}" to INSTALLED_APPS yourself.')
        return
    _install(settings_file, dotted)


def _check_label(name: str, dotted: str, settings_file: Path | None) -> None:
    """Refuse a label from which two apps could make the same names: of tables, paths, GraphQL types."""
    if name.strip("_") != name or "__" in name:
        raise CommandError(
            f"'{name}' cannot be an app's label: leave out underscores at its ends, and double ones.", exit_code=2
        )
    if settings_file is None:
        return
    folded = name.replace("_", "").lower()
    for entry in installed_apps(settings_file.read_text(encoding="utf-8")):
        package = app_package(entry)
        label = package.rpartition(".")[2]
        if package != dotted and label.replace("_", "").lower() == folded:
            raise CommandError(
                f"INSTALLED_APPS holds '{entry}' already, whose names those of '{name}' would meet; choose another one.",
                exit_code=2,
            )


def _install(settings_file: Path, dotted: str) -> None:
    source = settings_file.read_bytes().decode("utf-8")
    try:
        changed = add_app(source, dotted)
    except CannotEdit as error:
        note(f'Add "{dotted}" to INSTALLED_APPS in {settings_file} yourself: {error}.')
        return
    if changed != source:
        settings_file.write_bytes(changed.encode("utf-8"))
        note(f"Added '{dotted}' to INSTALLED_APPS in {settings_file}. Next:")
    note("  python manage.py makemigrations && python manage.py migrate")


def _project() -> tuple[Path | None, Path]:
    """Return the file of the settings module, unread, and the project's folder; the current one without settings."""
    name = os.environ.get(ENVIRONMENT_VARIABLE)
    if not name:
        return None, Path.cwd()
    try:
        spec = importlib.util.find_spec(name)
    except ImportError as error:
        raise CommandError(f"{ENVIRONMENT_VARIABLE} is '{name}', which cannot be found: {error}.") from error
    if spec is None or spec.origin is None:
        raise CommandError(f"{ENVIRONMENT_VARIABLE} is '{name}', and there is no such module.")
    file = Path(spec.origin).resolve()
    depth = name.count(".") + (1 if file.name == "__init__.py" else 0)
    return file, file.parents[depth]


def _camel_case(name: str) -> str:
    """The name as GraphQL has it: ``my_shop_items`` → ``myShopItems``."""
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def _dotted(target: Path, root: Path) -> str:
    """The app's dotted name, as seen from the project's folder."""
    if target.is_relative_to(root):
        parts = target.relative_to(root).parts
        if parts and all(part.isidentifier() for part in parts):
            return ".".join(parts)
    return target.name
