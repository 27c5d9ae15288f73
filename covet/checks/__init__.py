"""System checks: what ``manage.py check`` and the start of a server look for.

A check is a function, sync or async, that yields messages: ``@register(Tags.urls)``. App parts have checks of their own.
"""

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
