"""Content types: one row for each model, so that rows can refer to any model by a key."""

from typing import TYPE_CHECKING, Any

__all__ = ["ContentType", "ContentTypeManager", "GenericForeignKey", "GenericPrefetch", "GenericRelation"]

if TYPE_CHECKING:
    from covet.contenttypes.fields import GenericForeignKey, GenericPrefetch, GenericRelation
    from covet.contenttypes.models import ContentType, ContentTypeManager

_FIELDS = {"GenericForeignKey", "GenericPrefetch", "GenericRelation"}


if not TYPE_CHECKING:  # a checker knows the names, and tells a misspelt one

    def __getattr__(name: str) -> Any:
        """Return a public name; late, since models can be imported only once the apps are known."""
        if name not in __all__:
            raise AttributeError(f"module 'covet.contenttypes' has no attribute {name!r}")
        if name in _FIELDS:
            from covet.contenttypes import fields

            return getattr(fields, name)
        from covet.contenttypes import models

        return getattr(models, name)
