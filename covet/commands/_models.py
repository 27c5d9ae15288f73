"""What commands that write or apply migrations ask first: that the models are sound."""

from __future__ import annotations

from covet.apps.registry import apps
from covet.checks.messages import Level
from covet.conf import settings
from covet.db.models.model_checks import check_all
from covet.exceptions import CommandError

__all__ = ["require_sound_models"]


def require_sound_models() -> None:
    """Refuse models with errors: a migration made from them could not be applied.

    Raises:
        CommandError: Lists every error that ``check`` finds in the models, but for silenced ones.
    """
    silenced = frozenset(settings.SILENCED_SYSTEM_CHECKS)
    errors = [found for found in check_all(apps) if found.level >= Level.ERROR and found.id not in silenced]
    if errors:
        listed = "\n".join(f"  {error}" for error in errors)
        raise CommandError(f"The models have errors; correct them first:\n{listed}")
