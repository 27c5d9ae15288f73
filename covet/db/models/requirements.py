"""What a model asks of its database: ``Meta.required_db_vendor`` and ``Meta.required_db_features``."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cache
from typing import Any

__all__ = ["VENDORS", "fits", "known_features"]

VENDORS = ("postgresql", "mysql", "sqlite")


@cache
def known_features() -> Collection[str]:
    """Return the names that ``required_db_features`` may have: the abilities of dialects and of servers."""
    from covet.db.backends.features import Features
    from covet.db.sql.dialect import Dialect

    dialect = {name for name, value in vars(Dialect).items() if name.startswith("has_") and isinstance(value, bool)}
    return frozenset(dialect | {name for name, kind in Features.__annotations__.items() if kind == "bool"})


def fits(database: Any, vendor: str | None, features: Iterable[str]) -> bool:
    """Return whether a database is of this kind and has all of these abilities; its connection has been made."""
    if vendor and database.vendor != vendor:
        return False
    return all(getattr(database.features, name, False) or getattr(database.dialect, name, False) for name in features)
