"""``SESSION_ENGINE`` to a store."""

from __future__ import annotations

from typing import cast

from covet.conf import settings
from covet.exceptions import ImproperlyConfigured
from covet.loading import import_string
from covet.sessions.base import SessionStore

__all__ = ["session_store"]

_ENGINES = {"database": "covet.sessions.stores.database.DatabaseStore"}


def session_store() -> SessionStore:
    """Return the store that ``SESSION_ENGINE`` names: a short name, or the dotted path of a class of your own."""
    engine = settings.SESSION_ENGINE
    if engine not in _ENGINES and "." not in engine:
        raise ImproperlyConfigured(
            f"SESSION_ENGINE is {engine!r}. Write {' or '.join(map(repr, _ENGINES))}, or the dotted path of a store."
        )
    return cast(SessionStore, import_string(_ENGINES.get(engine, engine))())
