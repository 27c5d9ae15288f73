"""The site of a test, on both ways of a request."""

from tests.handlers.sites import site_everywhere

__all__ = ["site_everywhere"]
