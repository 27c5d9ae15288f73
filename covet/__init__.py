"""Covet: a Django-style project framework, natively async.

``import covet`` loads nothing heavy; ``setup``, ``run`` and ``run_sync`` are looked up when they are first used.
"""

from typing import TYPE_CHECKING, Any

from covet import importing

__version__ = "0.1.0"

__all__ = ["__version__", "run", "run_sync", "setup"]

# Before any other module of ours is imported.
importing.install(__spec__)

if TYPE_CHECKING:
    from covet.apps.lifecycle import run, setup
    from covet.concurrency import run_sync

_HOMES = {"run": "covet.apps.lifecycle", "setup": "covet.apps.lifecycle", "run_sync": "covet.concurrency"}


if not TYPE_CHECKING:  # a checker knows the names, and tells a misspelt one

    def __getattr__(name: str) -> Any:
        """Return ``setup``, ``run`` or ``run_sync`` from the module that holds it."""
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module 'covet' has no attribute {name!r}")
        import importlib

        return getattr(importlib.import_module(home), name)
