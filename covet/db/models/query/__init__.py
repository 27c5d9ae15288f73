"""Queries: ``QuerySet`` and what builds, runs and fills it."""

from typing import TYPE_CHECKING

from covet.db.models.query.queryset import QuerySet
from covet.loading import late_names

if TYPE_CHECKING:
    from covet.db.models.query.prefetch import Prefetch, prefetch_related_objects

__all__ = ["Prefetch", "QuerySet", "prefetch_related_objects"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = late_names(
        __name__, {"covet.db.models.query.prefetch": ("Prefetch", "prefetch_related_objects")}
    )
