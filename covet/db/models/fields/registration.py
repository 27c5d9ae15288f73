"""Look-ups and transforms of a project's own: registered on a class of field or of transform, or on one field."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

__all__ = ["TakesLookups", "lookup_watchers"]


class ClassOrInstance:
    """A method of a class and of its instances alike: it gets whichever it was called on."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __get__(self, instance: Any, owner: Any) -> Callable[..., Any]:
        """Return the method, bound."""
        return partial(self.function, owner if instance is None else instance)


#: Called when a look-up is added or taken back: statements compiled before may mean something else.
lookup_watchers: list[Callable[[], None]] = []


def add_lookup(owner: Any, lookup: Any, lookup_name: str | None = None) -> Any:
    """Add a look-up or transform to a class of field or of transform, or to one field, and return it."""
    own = owner.__dict__.get("class_lookups")
    if own is None:
        own = owner.class_lookups = {}
    own[lookup_name or lookup.lookup_name] = lookup
    for tell in lookup_watchers:
        tell()
    return lookup


def remove_lookup(owner: Any, lookup: Any, lookup_name: str | None = None) -> None:
    """Take a look-up or transform back."""
    owner.__dict__.get("class_lookups", {}).pop(lookup_name or lookup.lookup_name, None)
    for tell in lookup_watchers:
        tell()


class TakesLookups:
    """What a field or a transform has to register look-ups, and to find them."""

    #: Adds a look-up or transform of the project's own to the class, or to one field; usable as a decorator.
    register_lookup = ClassOrInstance(add_lookup)
    #: Takes back ``register_lookup``.
    unregister_lookup = ClassOrInstance(remove_lookup)

    class_lookups: dict[str, Any] = {}  # each class and field has its own; this one stays empty

    def _registered(self, name: str) -> Any:
        own = self.__dict__.get("class_lookups")
        if own is not None and name in own:
            return own[name]
        for base in type(self).__mro__:
            found = base.__dict__.get("class_lookups", {}).get(name)
            if found is not None:
                return found
        return None

    def get_lookup(self, name: str) -> Any:
        """Return the look-up that the project registered under that name, or ``None``."""
        found = self._registered(name)
        return None if found is None or getattr(found, "is_transform", False) else found

    def get_transform(self, name: str) -> Any:
        """Return the transform that the project registered under that name, or ``None``."""
        found = self._registered(name)
        return found if found is not None and getattr(found, "is_transform", False) else None
