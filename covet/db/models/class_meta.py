"""``class Meta`` as somebody wrote it: what may stand in it, how it is read, and the names that follow from it."""

from __future__ import annotations

import hashlib
from typing import Any

from covet.text import suggest

__all__ = ["META_NAMES", "Plural", "named", "said_by", "table_name", "together"]

# PostgreSQL's limit, the shortest of the three.
_LONGEST = 63

_OTHER_WORDS = {
    "index_together": "Write indexes = [models.Index(fields=[…])], as Django does since 5.1.",
}
#: What may stand in ``class Meta``.
META_NAMES = (
    "abstract",
    "app_label",
    "apps",
    "base_manager_name",
    "constraints",
    "db_table",
    "db_table_comment",
    "db_tablespace",
    "default_manager_name",
    "default_permissions",
    "default_related_name",
    "get_latest_by",
    "indexes",
    "managed",
    "order_with_respect_to",
    "ordering",
    "permissions",
    "proxy",
    "required_db_features",
    "required_db_vendor",
    "select_on_save",
    "swappable",
    "unique_together",
    "verbose_name",
    "verbose_name_plural",
)


def said_by(meta: Any, model: str) -> dict[str, Any]:
    """Return what a ``class Meta`` says, by option; what it inherits counts too.

    Args:
        meta: The class.
        model: The model's name, for messages.

    Raises:
        TypeError: It has a name that no option has.
    """
    unknown = next((name for name in vars(meta) if not name.startswith("_") and name not in META_NAMES), None)
    if unknown is not None:
        near = suggest(unknown, META_NAMES)
        hint = f"Did you mean '{near}'?" if near else f"Options are: {', '.join(META_NAMES)}."
        raise TypeError(f"class Meta of {model} has no option '{unknown}'. {_OTHER_WORDS.get(unknown, hint)}")
    said = {name for base in meta.__mro__ for name in vars(base)}
    return {option: getattr(meta, option) for option in META_NAMES if option in said}


def together(value: Any) -> tuple[tuple[tuple[str, ...], ...], bool]:
    """Return ``unique_together`` as a tuple of tuples, and whether it is no such thing, which a check then says.

    One plain tuple of names is one rule.
    """
    if not value:
        return (), False
    if not isinstance(value, (list, tuple, set, frozenset)):
        return (), True
    items = list(value)
    if all(isinstance(item, str) for item in items):
        return (tuple(items),), False
    if not all(isinstance(item, (list, tuple)) for item in items):
        return (), True
    return tuple(tuple(item) for item in items), False


def named(item: Any, labels: dict[str, str]) -> Any:
    """Return a copy of an index or constraint with ``%(class)s`` and ``%(app_label)s`` filled in."""
    clone = item.clone()
    if clone.name and "%" in clone.name:
        clone.name = clone.name % labels
    return clone


def table_name(*parts: str) -> str:
    """Return the name of a table that nobody has named, cut with a digest where databases would cut it."""
    full = "_".join(parts)
    if len(full) <= _LONGEST:
        return full
    digest = hashlib.md5(full.encode(), usedforsecurity=False).hexdigest()[:8]
    return f"{full[: _LONGEST - 9]}_{digest}"


class Plural:
    """The plural of a lazy name: an ``s`` is added when it is read, in the language of that moment."""

    __slots__ = ("name",)

    def __init__(self, name: Any) -> None:
        self.name = name

    def __str__(self) -> str:
        return f"{self.name}s"

    def __mod__(self, other: Any) -> str:
        return str(str(self) % other)
