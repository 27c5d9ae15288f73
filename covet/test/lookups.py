"""``register_lookup``: look-ups and transforms for the length of a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

__all__ = ["register_lookup"]


@contextmanager
def register_lookup(owner: Any, *lookups: Any, lookup_name: str | None = None) -> Iterator[None]:
    """Register look-ups and transforms inside a ``with`` block, or in the function that this decorates.

    What had one of the names before is there again afterwards.

    Args:
        owner: A class of field or of transform, or one field.
        lookups: The classes.
        lookup_name: The name, in place of the class's own.
    """
    with ExitStack() as stack:
        for lookup in lookups:
            name = lookup_name or lookup.lookup_name
            before = owner.__dict__.get("class_lookups", {}).get(name)
            owner.register_lookup(lookup, name)
            if before is None:
                stack.callback(owner.unregister_lookup, lookup, name)
            else:
                stack.callback(owner.register_lookup, before, name)
        yield
