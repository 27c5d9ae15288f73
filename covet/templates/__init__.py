"""Jinja2 templates from the apps' ``templates`` folders, rendered without blocking the loop."""

from covet.templates.engine import render_to_string
from covet.templates.errors import TemplateDoesNotExist
from covet.templates.library import Library
from covet.templates.response import ContentNotRenderedError, TemplateResponse

__all__ = ["ContentNotRenderedError", "Library", "TemplateDoesNotExist", "TemplateResponse", "render_to_string"]
