"""Queries: ``QuerySet`` and what builds, runs and fills it."""

from covet.db.models.query import check as check  # it tells Q how to ask
from covet.db.models.query.prefetch import Prefetch, prefetch_related_objects
from covet.db.models.query.queryset import QuerySet

__all__ = ["Prefetch", "QuerySet", "prefetch_related_objects"]
