"""MigrationsPart: checks that the apps' migrations fit together, and what those that are to be applied would do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from covet import checks
from covet.apps.part import AppPart
from covet.db.models.part import ModelsPart
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.apps.registry import Apps
    from covet.db.migrations import errors
else:
    errors = late_module(__name__, "covet.db.migrations.errors")

__all__ = ["MigrationsPart"]


class MigrationsPart(AppPart):
    """Collects nothing: migrations are read by ``loader``, when a command needs them, and no server does."""

    after = (ModelsPart,)
    tags = ("migrations", "database")

    def check(self, apps: Apps) -> Iterable[checks.CheckMessage]:
        """Report migrations that cannot be read, wait for each other, or branch."""
        from covet.db.migrations.loader import Loader  # a server reads no migrations

        try:
            loader = Loader.from_apps(apps)
        except errors.MigrationError as error:
            yield checks.Error(str(error), id="migrations.E001")
            return
        for label, names in sorted(loader.graph.conflicts().items()):
            yield checks.Error(
                f"The app '{label}' has several latest migrations: {', '.join(names)}.",
                hint="Join them with: manage.py makemigrations --merge",
                id="migrations.E002",
            )

    async def check_deploy(self, apps: Apps) -> Iterable[checks.CheckMessage]:
        """Report what is to be applied to the databases and would hurt one in use; one that is down is passed over."""
        from covet.db.connections import connections
        from covet.db.errors import DatabaseError
        from covet.db.migrations.execute import Executor
        from covet.db.migrations.loader import Loader
        from covet.db.migrations.safety import examine_all, findings_of

        found: list[checks.CheckMessage] = []
        for alias in connections:
            try:
                executor = Executor(connections[alias], Loader.from_apps(apps))
                steps = executor.plan(await executor.applied())
            except (DatabaseError, errors.MigrationError):
                # Others report these.
                continue
            keys = [step.migration.key for step in steps]
            for item in findings_of(await examine_all(executor.database, executor.loader, keys, one_run=True)):
                if item.is_error:
                    hint = " ".join(item.safe) or None
                    text = f"{item.operation}: {item.message} ({item.code})"
                    found.append(checks.Error(text, hint=hint, obj=item.migration, id="migrations.E003"))
        return found
