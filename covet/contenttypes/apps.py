"""The app of content types, and the part that checks the models' names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from covet.apps.config import AppConfig
from covet.apps.part import AppPart
from covet.db.models.signals import post_migrate
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.apps.registry import Apps
    from covet.checks import CheckMessage
    from covet.contenttypes import rows
else:
    rows = late_module(__name__, "covet.contenttypes.rows")

__all__ = ["ContentTypesConfig", "ContentTypesPart"]


class ContentTypesPart(AppPart):
    """Collects nothing: it checks that the names of models fit into their rows."""

    after = ("covet.db.models.part.ModelsPart",)
    tags = ("models",)

    def check(self, apps: Apps) -> Iterable[CheckMessage]:
        """Report names that are too long."""
        return rows.check_model_names(apps)


class ContentTypesConfig(AppConfig):
    """Makes a row for each model after every ``migrate``."""

    name = "covet.contenttypes"
    label = "contenttypes"
    verbose_name = "Content types"
    default_auto_field = "covet.db.models.BigAutoField"
    parts = (ContentTypesPart,)

    def ready(self) -> None:
        """Listen to ``post_migrate``."""
        post_migrate.connect(_sync, dispatch_uid="covet.contenttypes")


async def _sync(sender: Any, **told: Any) -> None:
    await rows.sync_content_types(sender, **told)
