"""Class-based views, decorators for views, and the pages that Covet shows itself."""

from typing import TYPE_CHECKING

from covet.loading import late_names

if TYPE_CHECKING:
    from covet.views.base import RedirectView, TemplateView, View
    from covet.views.generic import DetailView, ListView

__all__ = ["DetailView", "ListView", "RedirectView", "TemplateView", "View"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = late_names(
        __name__,
        {
            "covet.views.base": ("RedirectView", "TemplateView", "View"),
            # These need the ORM, which a project may do without.
            "covet.views.generic": ("DetailView", "ListView"),
        },
    )
