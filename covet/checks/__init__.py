"""System checks: what ``manage.py check`` and the start of a server look for.

A check is a function, sync or async, that yields messages: ``@register(Tags.urls)``. App parts have checks of their own.
"""

from typing import TYPE_CHECKING

from covet.loading import late_names

if TYPE_CHECKING:
    from covet.checks.messages import (
        CheckMessage,
        Critical,
        Debug,
        Error,
        Info,
        Level,
        Tags,
        Warning,
    )
    from covet.checks.runner import register, registered_tags, run_checks, unregister

__all__ = [
    "CheckMessage",
    "Critical",
    "Debug",
    "Error",
    "Info",
    "Level",
    "Tags",
    "Warning",
    "register",
    "registered_tags",
    "run_checks",
    "unregister",
]

if not TYPE_CHECKING:
    # Much of the framework can be checked, and a server that runs checks nothing.
    __getattr__, __dir__ = late_names(
        __name__,
        {
            "covet.checks.messages": (
                "CheckMessage",
                "Critical",
                "Debug",
                "Error",
                "Info",
                "Level",
                "Tags",
                "Warning",
            ),
            "covet.checks.runner": ("register", "registered_tags", "run_checks", "unregister"),
        },
    )
