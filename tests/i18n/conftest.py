"""Sites for the tests of translation."""

from tests.handlers.sites import site

__all__ = ["site"]
