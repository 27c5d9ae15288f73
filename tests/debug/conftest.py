"""The site of a test, on both ways of a request."""

from tests.handlers.sites import site

__all__ = ["site"]
