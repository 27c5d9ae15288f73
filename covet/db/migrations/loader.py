"""Reads the migration files of the apps into a graph."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import ModuleType
from typing import TYPE_CHECKING, Any

from covet.db.migrations.errors import (
    AmbiguousName,
    BadMigration,
    ConflictingMigrations,
    InconsistentHistory,
    MigrationNotFound,
)
from covet.db.migrations.graph import MigrationGraph, MigrationKey, key_text
from covet.db.migrations.migration import Migration
from covet.db.migrations.operations.tables import CreateModel
from covet.db.migrations.state import ProjectState
from covet.loading import uncollected
from covet.text import suggest

if TYPE_CHECKING:
    from covet.apps import Apps

__all__ = ["Loader", "migration_packages", "swappable_models"]


def migration_packages(apps: Apps) -> dict[str, str | None]:
    """Return the dotted names of the apps' migration packages by label, in the order of INSTALLED_APPS.

    ``None`` stands for an app that the setting MIGRATION_MODULES takes out.
    """
    from covet.conf import settings

    elsewhere: Mapping[str, str | None] = getattr(settings, "MIGRATION_MODULES", None) or {}
    return {config.label: elsewhere.get(config.label, f"{config.name}.migrations") for config in apps.get_app_configs()}


def swappable_models(apps: Apps) -> dict[str, str]:
    """Return the labels of models that settings name, in lower case, with the names of the settings."""
    from covet.conf import settings

    names = {"AUTH_USER_MODEL"}
    names.update(m._meta.swappable for m in apps.get_models(include_swapped=True) if m._meta.swappable)
    found = {name: getattr(settings, name, None) for name in sorted(names)}
    return {str(value).lower(): name for name, value in found.items() if value}


class Loader:
    """The migrations of the project.

    Args:
        packages: Migration packages by app label, in the order of INSTALLED_APPS; ``None`` for an app without.
        apps: Where the models of apps without migrations are taken from.

    Attributes:
        migrations: All migrations that were found, by key.
        migrated: Labels of the apps that have a migrations package.
        graph: The migrations that count, in their order; ``build`` makes it.
    """

    def __init__(self, packages: Mapping[str, str | None], apps: Apps | None = None) -> None:
        self.packages = dict(packages)
        self.apps = apps
        self.migrations: dict[MigrationKey, Migration] = {}
        self.migrated: dict[str, Any] = {}
        self.graph = MigrationGraph(list(packages))
        self._stands_for: dict[MigrationKey, MigrationKey] = {}
        with uncollected():
            self._load()
            self.build()

    @classmethod
    def from_apps(cls, apps: Apps) -> Loader:
        """Return the migrations of the installed apps."""
        return cls(migration_packages(apps), apps)

    @property
    def unmigrated(self) -> list[str]:
        """Labels of the apps that have no migrations package."""
        return [label for label in self.packages if label not in self.migrated]

    @property
    def has_squashed(self) -> bool:
        """Whether any migration stands for others: then the graph depends on what is applied."""
        return any(migration.replaces for migration in self.migrations.values())

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _load(self) -> None:
        importlib.invalidate_caches()
        for label, package in self.packages.items():
            module = _import_package(label, package)
            if module is None:
                continue
            self.migrated[label] = module
            for name, path in _files(module):
                self.migrations[label, name] = _read(label, module, path, name)

    def build(self, applied: Collection[MigrationKey] = ()) -> None:
        """Make the graph; ``applied`` decides whether a squashed migration or those that it replaces count.

        Raises:
            MigrationNotFound: A migration depends on one that does not exist.
            CircularDependency: Migrations wait for each other.
        """
        graph = MigrationGraph(list(self.packages))
        self._stands_for = self._replacements(set(applied))
        for key, migration in self.migrations.items():
            if key not in self._stands_for:
                graph.add(key, migration)
        # The order inside the apps first: "__first__" and "__latest__" need it.
        for own in (True, False):
            edges: list[tuple[MigrationKey, MigrationKey]] = []
            for key, migration in self.migrations.items():
                for dependency in migration.dependencies:
                    if (dependency[0] == key[0]) == own:
                        edges.extend((key, parent) for parent in self._resolve(key, dependency, graph))
                for follower in migration.run_before:
                    if (follower[0] == key[0]) == own:
                        edges.extend((child, key) for child in self._resolve(key, follower, graph))
            for edge in edges:
                child, parent = (self._stands_for.get(end, end) for end in edge)
                if child != parent:
                    graph.add_dependency(child, parent)
        graph.validate()
        self.graph = graph

    def fit(self, applied: Collection[MigrationKey]) -> None:
        """Make the graph anew where it depends on what is applied, which is where there are squashed migrations."""
        if self.has_squashed:
            self.build(applied)

    def _resolve(self, key: MigrationKey, dependency: tuple[str, str], graph: MigrationGraph) -> list[MigrationKey]:
        """Return what a dependency means: ``__first__`` and ``__latest__`` are looked up."""
        label, name = dependency
        if name not in {"__first__", "__latest__"}:
            return [(label, name)]
        if label not in self.packages:
            near = suggest(label, self.packages)
            raise MigrationNotFound(
                f"Migration {key_text(key)} depends on the app '{label}', which is not installed."
                + (f" Did you mean '{near}'?" if near else " Put it into INSTALLED_APPS.")
            )
        ends = graph.root_nodes(label) if name == "__first__" else graph.leaf_nodes(label)
        return ends[:1]

    def _replacements(self, applied: set[MigrationKey]) -> dict[MigrationKey, MigrationKey]:
        """Return which migrations do not count, and which stand for them."""
        found: dict[MigrationKey, MigrationKey] = {}
        for key, migration in sorted(self.migrations.items()):
            replaced = [tuple(item) for item in migration.replaces]
            there = [item for item in replaced if item in self.migrations]
            if not replaced:
                continue
            done = [item for item in replaced if item in applied]
            if key in applied or not done or len(done) == len(replaced):
                found.update(dict.fromkeys(there, key))
            elif there:
                found[key] = there[-1]
        # A squashed migration may be squashed again: what stands for it stands for its parts, too.
        while any(last in found for last in found.values()):
            found = {key: found.get(last, last) for key, last in found.items()}
        return found

    # ── asking ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def counted(self, applied: Collection[MigrationKey]) -> set[MigrationKey]:
        """Return the applied migrations of the graph: a squashed one counts when all that it replaces are applied."""
        done = {key for key in applied if key in self.graph}
        for key, migration in self.graph.nodes.items():
            if migration.replaces and all(tuple(item) in applied for item in migration.replaces):
                done.add(key)
        return done

    def state(self, keys: Iterable[MigrationKey] | None = None, *, without: Collection[str] = ()) -> ProjectState:
        """Return the models after ``keys`` and all they need; by default after all migrations.

        Args:
            keys: The last migrations.
            without: Apps that are about to get their first migration, which makes their models.
        """
        state = self.base_state(without=without)
        for key in self.graph.full_plan(keys):
            state = self.graph.nodes[key].mutate_state(state)
        return state

    def base_state(self, *, without: Collection[str] = ()) -> ProjectState:
        """Return the models of the apps that have no migrations, as the code has them; but for those in ``without``."""
        unmigrated = [label for label in self.unmigrated if label not in without]
        if self.apps is None or not unmigrated:
            return ProjectState()
        return ProjectState.from_apps(self.apps, unmigrated)

    def find(self, app_label: str, prefix: str) -> MigrationKey:
        """Return the migration of an app by its name or the beginning of it.

        Raises:
            MigrationNotFound: None fits.
            AmbiguousName: Several do.
        """
        self.require_app(app_label)
        names = [name for label, name in self.graph.nodes if label == app_label]
        names += [name for label, name in self._stands_for if label == app_label]
        if prefix in names:
            return self._stands_for.get((app_label, prefix), (app_label, prefix))
        fitting = sorted(name for name in names if name.startswith(prefix))
        if len(fitting) > 1:
            raise AmbiguousName(f"'{prefix}' fits several migrations of {app_label}: {', '.join(fitting)}.")
        if not fitting:
            near = suggest(prefix, names)
            raise MigrationNotFound(
                f"{app_label} has no migration '{prefix}'." + (f" Did you mean '{near}'?" if near else "")
            )
        return self._stands_for.get((app_label, fitting[0]), (app_label, fitting[0]))

    def require_app(self, app_label: str, *, migrated: bool = True) -> None:
        """Raise unless the app is installed, and has migrations."""
        if app_label not in self.packages:
            near = suggest(app_label, self.packages)
            raise MigrationNotFound(
                f"No installed app has the label '{app_label}'." + (f" Did you mean '{near}'?" if near else "")
            )
        if migrated and app_label not in self.migrated:
            raise MigrationNotFound(
                f"The app '{app_label}' has no migrations. Make its first with: manage.py makemigrations {app_label}"
            )

    def require_no_conflicts(self) -> None:
        """Raise when an app has several latest migrations."""
        conflicts = self.graph.conflicts()
        if conflicts:
            listed = "; ".join(f"{', '.join(names)} in {label}" for label, names in sorted(conflicts.items()))
            raise ConflictingMigrations(
                f"There are several latest migrations: {listed}. Join them with: manage.py makemigrations --merge"
            )

    def require_consistent(self, applied: Collection[MigrationKey], alias: str = "default") -> None:
        """Raise when a migration is applied whose dependency is not."""
        done = self.counted(applied)
        for key in sorted(done, key=self.graph.sort_key):
            for parent in self.graph.parents(key):
                if parent not in done:
                    raise InconsistentHistory(
                        f"The history of database '{alias}' does not fit: {key_text(key)} is applied, but "
                        f"{key_text(parent)}, on which it depends, is not."
                    )

    def is_initial(self, key: MigrationKey) -> bool:
        """Whether a migration only creates tables and is an app's first."""
        migration = self.graph.nodes[key]
        return migration.is_initial and any(isinstance(item, CreateModel) for item in migration.operations)


def _import_package(label: str, package: str | None) -> Any:
    """Import an app's migrations package; ``None`` when it has none."""
    if package is None:
        return None
    try:
        module = importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name is not None and (package == error.name or package.startswith(error.name + ".")):
            return None
        raise BadMigration(f"The migrations of '{label}' cannot be imported: {error}.") from error
    except Exception as error:
        raise BadMigration(f"{package} cannot be imported: {type(error).__name__}: {error}") from error
    if not hasattr(module, "__path__") or getattr(module, "__file__", None) is None:
        # A module, or a folder without __init__.py: no migrations package.
        return None
    return module


def _files(package: ModuleType) -> Iterator[tuple[str, str | None]]:
    """Return the names of a package's migrations, and the files of those that are there as source."""
    for folder in package.__path__:
        if not os.path.isdir(folder):
            # An archive, or what only another importer knows.
            for found in pkgutil.iter_modules([folder]):
                if not found.ispkg and _counts(found.name):
                    yield found.name, None
            continue
        files = set(os.listdir(folder))
        for file in sorted(files):
            name, _, kind = file.rpartition(".")
            if kind == "py" and _counts(name):
                yield name, os.path.join(folder, file)
            elif kind == "pyc" and _counts(name) and f"{name}.py" not in files:
                yield name, None


def _counts(name: str) -> bool:
    """Whether a module of that name is a migration: those that begin with an underscore or a tilde are none."""
    return name != "" and name[0] not in "_~" and "." not in name


def _read(label: str, package: ModuleType, path: str | None, name: str) -> Migration:
    try:
        module = _import_file(package, path, name)
    except Exception as error:
        what = f"{error.msg} (line {error.lineno})" if isinstance(error, SyntaxError) else str(error)
        raise BadMigration(f"Migration {label}.{name} cannot be imported: {type(error).__name__}: {what}") from error
    found = getattr(module, "Migration", None)
    if not (isinstance(found, type) and issubclass(found, Migration)):
        raise BadMigration(
            f"Migration {label}.{name} has no class Migration(migrations.Migration). Files in a migrations folder that are "
            "no migrations begin with an underscore."
        )
    return found(name, label)


def _import_file(package: ModuleType, path: str | None, name: str) -> ModuleType:
    """Import a module of a package whose file is known: without the search, which for hundreds of files takes as long."""
    dotted = f"{package.__name__}.{name}"
    if dotted in sys.modules or path is None:
        return importlib.import_module(dotted)
    # What importlib.util would make, less what it computes for each and nobody asks for, such as the name of the cache.
    loader = SourceFileLoader(dotted, path)
    module = ModuleType(dotted)
    module.__spec__ = ModuleSpec(dotted, loader, origin=path)
    module.__spec__.has_location = True
    module.__loader__, module.__file__, module.__package__ = loader, path, package.__name__
    sys.modules[dotted] = module
    try:
        loader.exec_module(module)
    except BaseException:
        sys.modules.pop(dotted, None)
        raise
    setattr(package, name, module)
    return module
