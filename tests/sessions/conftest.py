"""The site of the auth tests serves here too."""

from tests.auth.conftest import browser, site

__all__ = ["browser", "site"]
