"""Class-based views, decorators for views, and the pages that Covet shows itself."""

from covet.views.base import RedirectView, TemplateView, View

__all__ = ["RedirectView", "TemplateView", "View"]
