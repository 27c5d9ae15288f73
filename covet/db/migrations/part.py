"""MigrationsPart: finds the apps' migrations packages and checks that they fit together."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar

from covet import checks
from covet.apps import AppConfig, AppPart
from covet.db.migrations.errors import MigrationError
from covet.db.migrations.loader import Loader
from covet.db.models.part import ModelsPart

if TYPE_CHECKING:
    from covet.apps import Apps

__all__ = ["MigrationsPart"]


class MigrationsPart(AppPart):
    """Which apps have migrations.

    Attributes:
        packages: The migrations packages by app label; files in them are read by ``loader``, when a command needs them.
    """

    module = "migrations"
    after = (ModelsPart,)
    reads: ClassVar[frozenset[str]] = frozenset({"MIGRATION_MODULES"})
    tags = ("migrations", "database")

    def __init__(self) -> None:
        self.packages: dict[str, ModuleType] = {}

    def collect(self, app: AppConfig, module: ModuleType | None) -> None:
        """Take the migrations package of an app."""
        if module is not None:
            self.packages[app.label] = module

    def check(self, apps: Apps) -> Iterable[checks.CheckMessage]:
        """Report migrations that cannot be read, wait for each other, or branch."""
        try:
            loader = Loader.from_apps(apps)
        except MigrationError as error:
            yield checks.Error(str(error), id="migrations.E001")
            return
        for label, names in sorted(loader.graph.conflicts().items()):
            yield checks.Error(
                f"The app '{label}' has several latest migrations: {', '.join(names)}.",
                hint="Join them with: manage.py makemigrations --merge",
                id="migrations.E002",
            )
