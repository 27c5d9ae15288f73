"""Copies a template folder and fills in its places; what ``startproject`` and ``startapp`` share.

A place is ``{{ name }}`` with a name that was handed over; others, such as those of Jinja templates, stay. In the
template ``-tpl`` at the end of a file's name is dropped, ``dot-`` at its beginning becomes a dot, and folders named
``project_name`` or ``app_label`` get that value.
"""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from covet.exceptions import CommandError

__all__ = ["check_name", "copy_template", "template_folder"]

_PLACE = re.compile(r"\{\{ (\w+) \}\}")


def template_folder(kind: str) -> Path:
    """Return the folder of the ``project`` or ``app`` template: in the wheel, or at the top of a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_templates" / kind, package.parent / f"{kind}_template"):
        if folder.is_dir():
            return folder
    raise CommandError(f"The {kind} template is missing from this installation of Covet; install it again.")


def check_name(name: str, kind: str, *, folder: Path) -> None:
    """Refuse a name that cannot be a Python package, or that would hide another one.

    Args:
        name: The name that was asked for.
        kind: ``"project"`` or ``"app"``, for the message.
        folder: Where it is to be made; a package that lies there already is reported as such.

    Raises:
        CommandError: The name cannot be used; exit code 2.
    """
    if not name.isidentifier() or keyword.iskeyword(name):
        fixed = re.sub(r"\W|^(?=\d)", "_", name).strip("_")
        hint = f" Try '{fixed}'." if fixed.isidentifier() and not keyword.iskeyword(fixed) else ""
        raise CommandError(
            f"'{name}' cannot be the name of a Python package: use letters, digits and underscores.{hint}",
            exit_code=2,
        )
    if not name.isascii():
        raise CommandError(f"'{name}' has letters beyond ASCII; they make trouble in paths and labels.", exit_code=2)
    if name == "tests":
        raise CommandError(f"'tests' is where a project's tests lie; call the {kind} something else.", exit_code=2)
    target = folder / name
    if target.is_dir() and any(target.iterdir()):
        raise CommandError(f"The folder {target} exists already and is not empty.")
    if name in sys.builtin_module_names or name in sys.stdlib_module_names or _is_installed(name, folder):
        raise CommandError(f"'{name}' is the name of an existing Python module; choose another one.", exit_code=2)


def copy_template(source: Path, target: Path, values: Mapping[str, str]) -> list[Path]:
    """Copy the template and return the files that were written.

    Raises:
        CommandError: A file exists already; nothing is written then.
    """
    planned = {path: target / _target_name(path.relative_to(source), values) for path in _files(source)}
    existing = [made for made in planned.values() if made.exists()]
    if existing:
        raise CommandError(f"{existing[0]} exists already; nothing was written.")
    for path, made in planned.items():
        made.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8")
        made.write_text(_PLACE.sub(lambda place: values.get(place[1], place[0]), text), encoding="utf-8")
        if made.name == "manage.py":
            made.chmod(made.stat().st_mode | 0o111)
    return list(planned.values())


def _files(source: Path) -> list[Path]:
    return sorted(p for p in source.rglob("*") if p.is_file() and "__pycache__" not in p.parts and p.suffix != ".pyc")


def _target_name(relative: Path, values: Mapping[str, str]) -> Path:
    parts = [values.get(part, part) if part in ("project_name", "app_label") else part for part in relative.parts]
    last = parts[-1].removesuffix("-tpl")
    return Path(*parts[:-1], f".{last[4:]}" if last.startswith("dot-") else last)


def _is_installed(name: str, folder: Path) -> bool:
    """Tell whether ``import name`` finds something that is not about to be made here."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return True
    if spec is None:
        return False
    # An empty folder of that name here is a namespace package to Python, and a fine place for us.
    return spec.origin is not None or str(folder / name) not in list(spec.submodule_search_locations or ())
