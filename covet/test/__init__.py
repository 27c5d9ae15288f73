"""Tools for a project's tests; the pytest plugin offers most of them as fixtures."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from covet.test.asserts import CaptureQueriesContext, assert_queries
    from covet.test.client import AsyncClient
    from covet.test.commits import capture_on_commit_callbacks
    from covet.test.factories import Factory
    from covet.test.live import LiveServer
    from covet.test.settings import override_settings

__all__ = [
    "AsyncClient",
    "CaptureQueriesContext",
    "Factory",
    "LiveServer",
    "assert_queries",
    "capture_on_commit_callbacks",
    "override_settings",
]

_HOMES = {
    "AsyncClient": "covet.test.client",
    "CaptureQueriesContext": "covet.test.asserts",
    "Factory": "covet.test.factories",
    "LiveServer": "covet.test.live",
    "assert_queries": "covet.test.asserts",
    "capture_on_commit_callbacks": "covet.test.commits",
    "override_settings": "covet.test.settings",
}


def __getattr__(name: str) -> Any:
    """Load a name when it is first used: factories need factory-boy, the client httpx."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'covet.test' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(home), name)
