"""The blog app."""

from covet.apps import AppConfig


class BlogConfig(AppConfig):
    """Authors, tags and articles."""

    name = "blog"
