"""Class-based views, decorators for views, and the pages that Covet shows itself."""

from typing import TYPE_CHECKING, Any

from covet.views.base import RedirectView, TemplateView, View

if TYPE_CHECKING:
    from covet.views.generic import DetailView, ListView

__all__ = ["DetailView", "ListView", "RedirectView", "TemplateView", "View"]


def __getattr__(name: str) -> Any:
    # These need the ORM, which a project may do without.
    if name in ("DetailView", "ListView"):
        from covet.views import generic

        return getattr(generic, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
