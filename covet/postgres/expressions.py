"""``ArraySubquery``: all values that a queryset selects, as one array."""

from covet.postgres.fields.array import ArraySubquery

__all__ = ["ArraySubquery"]
