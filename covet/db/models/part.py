"""ModelsPart: loads every app's ``models``, links relations, opens and closes the databases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

from covet.apps.part import AppPart
from covet.db.connections import connections
from covet.db.freshness import freshness

if TYPE_CHECKING:
    from covet.apps import AppConfig, Apps
    from covet.checks import CheckMessage

__all__ = ["ModelsPart"]


class ModelsPart(AppPart):
    """The models of all apps."""

    module: ClassVar[str | None] = "models"
    tags: ClassVar[tuple[str, ...]] = ("models", "database")
    reads: ClassVar[frozenset[str]] = frozenset({"DATABASES", "DATABASE_ROUTERS"})

    def __init__(self) -> None:
        self._models: list[type[Any]] = []

    def collect(self, app: AppConfig, module: ModuleType | None) -> None:
        """Do nothing: importing the module has registered its models with the current ``Apps``."""

    def ready(self, apps: Apps) -> None:
        """Let every model forget what it worked out while others were missing."""
        self._models = apps.get_models(include_auto_created=True, include_swapped=True) if apps.models_ready else []
        for model in self._models:
            model._meta.expire()

    @property
    def models(self) -> tuple[type[Any], ...]:
        """All models of the installed apps, in the order in which they were defined."""
        return tuple(self._models)

    def check(self, apps: Apps) -> Iterable[CheckMessage]:
        """Return what is wrong with the databases' settings, and with the models as they are declared."""
        from covet.db.checks import check_databases  # what only checks need, servers never import
        from covet.db.models.model_checks import check_all
        from covet.db.models.vendor_checks import check_vendors

        return [*check_databases(), *check_all(apps), *check_vendors(apps)]

    async def check_databases(self, apps: Apps, databases: Sequence[str]) -> list[CheckMessage]:
        """Return which of the databases do not answer, or are too old."""
        from covet.db.checks import check_answers  # what only checks need, servers never import

        return [message for alias in databases async for message in check_answers(alias)]

    async def probe(self) -> None:
        """Ask each database of the settings for an answer."""
        for alias in connections:
            await connections[alias].fetch("SELECT 1")

    async def shutdown(self) -> None:
        """Close the databases; they open themselves at their first statement, so a server starts without one."""
        await connections.close_all()
        await freshness.close()
