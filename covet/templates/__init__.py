"""Jinja2 templates from the apps' ``templates`` folders, rendered without blocking the loop."""

from covet.templates.engine import render_to_string
from covet.templates.errors import TemplateDoesNotExist

__all__ = ["TemplateDoesNotExist", "render_to_string"]
