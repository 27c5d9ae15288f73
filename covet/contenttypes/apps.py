"""The app of content types."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from covet import checks
from covet.apps import AppConfig
from covet.db.models.signals import post_migrate
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.contenttypes import rows
else:
    rows = late_module(__name__, "covet.contenttypes.rows")

__all__ = ["ContentTypesConfig"]


class ContentTypesConfig(AppConfig):
    """Makes a row for each model after every ``migrate``."""

    name = "covet.contenttypes"
    label = "contenttypes"
    verbose_name = "Content types"
    default_auto_field = "covet.db.models.BigAutoField"

    def ready(self) -> None:
        """Listen to ``post_migrate``, and check the names of models."""
        post_migrate.connect(_sync, dispatch_uid="covet.contenttypes")
        checks.register(checks.Tags.models)(_check_names)


async def _sync(sender: Any, **told: Any) -> None:
    await rows.sync_content_types(sender, **told)


def _check_names(apps: Any) -> Iterable[checks.CheckMessage]:
    return rows.check_model_names(apps)
