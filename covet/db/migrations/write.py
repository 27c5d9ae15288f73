"""A migration as a file: its source, stable and formatted, and where it lies."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from covet.db.migrations.errors import MigrationError
from covet.db.migrations.layout import Atom, Group, Source, lay_out
from covet.db.migrations.migration import SwappableDependency
from covet.db.migrations.operations.special import RunPython, SeparateDatabaseAndState
from covet.db.migrations.serialize import Serializer

if TYPE_CHECKING:
    from covet.db.migrations.migration import Migration
    from covet.db.migrations.operations.base import Operation

__all__ = ["migration_source", "own_functions", "write_migration"]

_COPY_NOTE = """\
# Before these migrations are deleted, copy their functions into this file, and name the copies below:
#   {modules}

"""


def migration_source(migration: Migration, swappable: Mapping[str, str] | None = None) -> str:
    """Return the source of a migration's file.

    Args:
        migration: What to write.
        swappable: Labels of models that settings name, with the settings' names; see ``Serializer``.
    """
    serializer = Serializer(swappable)
    serializer.imports.add("from covet.db import migrations")
    body: list[str] = []
    if migration.initial:
        body.append("initial = True")
    if not migration.atomic:
        body.append("atomic = False")
    for name in ("lock_timeout_s", "statement_timeout_s"):
        if getattr(migration, name) != "setting":
            body.append(f"{name} = {getattr(migration, name)!r}")
    for name in ("mysql_algorithm", "mysql_lock"):
        if getattr(migration, name) is not None:
            body.append(f"{name} = {getattr(migration, name)!r}")
    if migration.safe:
        body.append("safe = " + _lay_out(serializer.source(dict(migration.safe)), "safe"))
    for name in ("replaces", "run_before"):
        if getattr(migration, name):
            body.append(
                f"{name} = " + _lay_out_list([_pair(key, serializer) for key in getattr(migration, name)], name)
            )
    dependencies = [_pair(key, serializer) for key in _ordered(migration.dependencies)]
    body.append("dependencies = " + _lay_out_list(dependencies, "dependencies"))
    operations: list[Source] = [serializer.operation(operation) for operation in migration.operations]
    body.append("operations = " + _lay_out_list(operations, "operations"))
    indented = "\n\n".join(_indent(text) for text in body)
    head = _imports(serializer.imports)
    return f"{head}\n{_notes(migration)}\nclass Migration(migrations.Migration):\n{indented}\n"


def write_migration(
    migration: Migration,
    package: Any,
    swappable: Mapping[str, str] | None = None,
    *,
    dry_run: bool = False,
    suffix: str = "",
) -> tuple[Path, str]:
    """Write a migration into the package of its app, making the package if it is missing.

    Args:
        migration: What to write.
        package: The migrations package as a module, or the folder that becomes one.
        swappable: See ``migration_source``.
        dry_run: Return path and source, write nothing.
        suffix: Follows the name of the file: with one it is not read as a migration yet.

    Returns:
        The file's path and its source.
    """
    source = migration_source(migration, swappable)
    folder = package if isinstance(package, Path) else _folder(package)
    path = folder / f"{migration.name}.py{suffix}"
    if not dry_run:
        folder.mkdir(parents=True, exist_ok=True)
        marker = folder / "__init__.py"
        if not marker.exists():
            marker.write_text("", encoding="utf-8")
        path.write_text(source, encoding="utf-8")
        importlib.invalidate_caches()
    return path, source


def own_functions(operations: Iterable[Operation]) -> list[Any]:
    """Return the functions of ``RunPython`` that stand in migration files: a new file has to be given a copy."""
    found: list[Any] = []
    for operation in operations:
        if isinstance(operation, SeparateDatabaseAndState):
            found += own_functions([*operation.database_operations, *operation.state_operations])
        elif isinstance(operation, RunPython):
            for function in (operation.code, operation.reverse_code):
                module = getattr(function, "__module__", None) or ""
                # ``RunPython.noop`` is nobody's own.
                if ".migrations." in module and not module.startswith("covet.db.migrations."):
                    found.append(function)
    return found


def _folder(package: Any) -> Path:
    file = getattr(package, "__file__", None)
    if file is None:
        raise MigrationError(f"The migrations package {package.__name__} has no __init__.py; add an empty one.")
    return Path(file).parent


def _ordered(dependencies: Any) -> list[Any]:
    """Return the dependencies in the order in which they are written: settings first, then by key."""
    return sorted(set(dependencies), key=lambda key: (not isinstance(key, SwappableDependency), key))


def _pair(key: Any, serializer: Serializer) -> Source:
    if isinstance(key, SwappableDependency):
        name = serializer.swappable.get(key.setting.lower())
        if name is not None:
            serializer.imports.add("from covet.conf import settings")
            return Atom(f"migrations.swappable_dependency(settings.{name})")
    return serializer.source(tuple(key))


def _lay_out_list(items: list[Source], name: str) -> str:
    return _lay_out(Group("[", [("", item) for item in items], "]", broken=bool(items)), name)


def _lay_out(source: Source, name: str) -> str:
    return lay_out(source, indent=4, before=len(name) + 3)


def _indent(text: str) -> str:
    # Only the first line: lay_out() has indented the others.
    return f"    {text}"


def _imports(lines: set[str]) -> str:
    """Return the import lines sorted as isort and ruff do: standard library, then the others; `import` before `from`."""
    import sys

    def place(line: str) -> tuple[int, bool, str]:
        module = line.split()[1].partition(".")[0]
        third_party = 0 if module in sys.stdlib_module_names else 1
        return third_party, line.startswith("from"), line

    merged: dict[str, set[str]] = {}
    plain: list[str] = []
    for line in lines:
        if line.startswith("from"):
            module, _, names = line.removeprefix("from ").partition(" import ")
            merged.setdefault(module, set()).add(names)
        else:
            plain.append(line)
    joined = [f"from {module} import {', '.join(sorted(names))}" for module, names in merged.items()]
    ordered = sorted([*plain, *joined], key=place)
    groups: dict[int, list[str]] = {}
    for line in ordered:
        groups.setdefault(place(line)[0], []).append(line)
    return "\n\n".join("\n".join(group) for group in groups.values()) + "\n"


def _notes(migration: Migration) -> str:
    """Return a comment on functions that live in migrations this one replaces."""
    modules = {function.__module__ for function in own_functions(migration.operations)}
    if not migration.replaces or not modules:
        return ""
    return "\n" + _COPY_NOTE.format(modules="\n#   ".join(sorted(modules)))
