"""The site of the auth tests serves here too."""

from tests.auth.conftest import site

__all__ = ["site"]
