"""Tools for a project's tests; the pytest plugin offers most of them as fixtures."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from covet.test.answers import (
        assert_contains,
        assert_html_equal,
        assert_html_not_equal,
        assert_in_html,
        assert_json_equal,
        assert_json_not_equal,
        assert_not_contains,
        assert_not_in_html,
        assert_queryset_equal,
        assert_redirects,
        assert_template_not_used,
        assert_template_used,
        assert_url_equal,
    )
    from covet.test.asserts import CaptureQueriesContext, assert_queries
    from covet.test.client import AsyncClient
    from covet.test.commits import capture_on_commit_callbacks
    from covet.test.factories import Factory
    from covet.test.live import LiveServer
    from covet.test.lookups import register_lookup
    from covet.test.requests import RequestFactory
    from covet.test.settings import override_settings

__all__ = [
    "AsyncClient",
    "CaptureQueriesContext",
    "Factory",
    "LiveServer",
    "RequestFactory",
    "assert_contains",
    "assert_html_equal",
    "assert_html_not_equal",
    "assert_in_html",
    "assert_json_equal",
    "assert_json_not_equal",
    "assert_not_contains",
    "assert_not_in_html",
    "assert_queries",
    "assert_queryset_equal",
    "assert_redirects",
    "assert_template_not_used",
    "assert_template_used",
    "assert_url_equal",
    "capture_on_commit_callbacks",
    "override_settings",
    "register_lookup",
]

_HOMES = {
    "AsyncClient": "covet.test.client",
    "CaptureQueriesContext": "covet.test.asserts",
    "Factory": "covet.test.factories",
    "LiveServer": "covet.test.live",
    "RequestFactory": "covet.test.requests",
    "assert_contains": "covet.test.answers",
    "assert_html_equal": "covet.test.answers",
    "assert_html_not_equal": "covet.test.answers",
    "assert_in_html": "covet.test.answers",
    "assert_json_equal": "covet.test.answers",
    "assert_json_not_equal": "covet.test.answers",
    "assert_not_contains": "covet.test.answers",
    "assert_not_in_html": "covet.test.answers",
    "assert_queries": "covet.test.asserts",
    "assert_queryset_equal": "covet.test.answers",
    "assert_redirects": "covet.test.answers",
    "assert_template_not_used": "covet.test.answers",
    "assert_template_used": "covet.test.answers",
    "assert_url_equal": "covet.test.answers",
    "capture_on_commit_callbacks": "covet.test.commits",
    "override_settings": "covet.test.settings",
    "register_lookup": "covet.test.lookups",
}


if not TYPE_CHECKING:  # a checker knows the names, and tells a misspelt one

    def __getattr__(name: str) -> Any:
        """Load a name when it is first used: factories need factory-boy, the client httpx."""
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module 'covet.test' has no attribute {name!r}")
        import importlib

        return getattr(importlib.import_module(home), name)
