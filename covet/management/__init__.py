"""Commands: ``@command`` makes one, ``call_command`` runs one from code, ``main`` runs one from the command line."""

from typing import TYPE_CHECKING, Any

__all__ = ["ALL", "call_command", "command", "json_option", "main", "note", "out"]

if TYPE_CHECKING:
    from covet.management.call import call_command
    from covet.management.decorator import ALL, command, json_option
    from covet.management.entry import main
    from covet.management.output import note, out

# Looked up late: `covet-admin --help` comes through here and must not pay for click.
_HOMES = {
    "ALL": "decorator",
    "call_command": "call",
    "command": "decorator",
    "json_option": "decorator",
    "main": "entry",
    "note": "output",
    "out": "output",
}


if not TYPE_CHECKING:  # a checker knows the names, and tells a misspelt one

    def __getattr__(name: str) -> Any:
        """Return a public name from the module that holds it."""
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module 'covet.management' has no attribute {name!r}")
        import importlib

        return getattr(importlib.import_module(f"covet.management.{home}"), name)
