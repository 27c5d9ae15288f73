"""The app of content types."""

from __future__ import annotations

from covet import checks
from covet.apps import AppConfig
from covet.db.models.signals import post_migrate

__all__ = ["ContentTypesConfig"]


class ContentTypesConfig(AppConfig):
    """Makes a row for each model after every ``migrate``."""

    name = "covet.contenttypes"
    label = "contenttypes"
    verbose_name = "Content types"
    default_auto_field = "covet.db.models.BigAutoField"

    def ready(self) -> None:
        """Listen to ``post_migrate``, and check the names of models."""
        from covet.contenttypes.rows import check_model_names, sync_content_types

        post_migrate.connect(sync_content_types, dispatch_uid="covet.contenttypes")
        checks.register(checks.Tags.models)(check_model_names)
