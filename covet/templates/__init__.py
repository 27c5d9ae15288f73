"""Jinja2 templates from the apps' ``templates`` folders, rendered without blocking the loop."""

from typing import TYPE_CHECKING

from covet.loading import late_names

if TYPE_CHECKING:
    from covet.templates.engine import render_to_string
    from covet.templates.errors import TemplateDoesNotExist
    from covet.templates.library import Library
    from covet.templates.response import ContentNotRenderedError, TemplateResponse

__all__ = ["ContentNotRenderedError", "Library", "TemplateDoesNotExist", "TemplateResponse", "render_to_string"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = late_names(
        __name__,
        {
            "covet.templates.engine": ("render_to_string",),
            "covet.templates.errors": ("TemplateDoesNotExist",),
            "covet.templates.library": ("Library",),
            "covet.templates.response": ("ContentNotRenderedError", "TemplateResponse"),
        },
    )
