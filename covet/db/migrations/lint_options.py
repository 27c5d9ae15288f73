"""The setting ``MIGRATION_LINT``, read and checked: what ``migrate --lint`` leaves out, and what it takes for granted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from covet.exceptions import ImproperlyConfigured
from covet.text import suggest

__all__ = ["LintOptions", "lint_options"]

_KEYS = ("ignore", "start_after", "target_version", "large_tables")
_VENDORS = {"postgresql": "postgresql", "mysql": "mysql", "mariadb": "mysql", "sqlite": "sqlite"}


class LintOptions(Struct, frozen=True):
    """What the setting says.

    Attributes:
        ignore: Codes that are not reported.
        start_after: The last migration of each app that is not looked at.
        large_tables: The tables on which a statement takes long; ``None``: any may be large.
        targets: The server by vendor: whether it is MariaDB, and its version.
    """

    ignore: frozenset[str] = frozenset()
    start_after: Mapping[str, str] = field(default_factory=dict)
    large_tables: frozenset[str] | None = None
    targets: Mapping[str, tuple[bool, tuple[int, ...]]] = field(default_factory=dict)

    def is_after_start(self, key: tuple[str, str]) -> bool:
        """Whether a migration is later than the one that ``start_after`` names for its app."""
        return key[1] > self.start_after.get(key[0], "")

    def alters_online(self, vendor: str) -> bool:
        """Whether the server copies a table without keeping others from writing to it: MariaDB from 11.2 on."""
        is_mariadb, version = self.targets.get(vendor, (False, ()))
        return is_mariadb and version >= (11, 2)


def lint_options() -> LintOptions:
    """Return what the setting says.

    Raises:
        ImproperlyConfigured: It has another key, or a value that cannot be read.
    """
    from covet.conf import settings

    given: Mapping[str, Any] = settings.MIGRATION_LINT or {}
    for name in given:
        if name not in _KEYS:
            near = suggest(name, _KEYS)
            hint = f"Did you mean '{near}'?" if near else f"It has: {', '.join(_KEYS)}."
            raise ImproperlyConfigured(f"MIGRATION_LINT has no '{name}'. {hint}")
    for name in ("ignore", "large_tables"):
        if isinstance(given.get(name), str):
            raise ImproperlyConfigured(f"MIGRATION_LINT['{name}'] is a list, not the text {given[name]!r}.")
    start_after = given.get("start_after") or {}
    if not isinstance(start_after, Mapping):
        raise ImproperlyConfigured(
            f"MIGRATION_LINT['start_after'] maps apps to migrations, such as {{'blog': '0040_last'}}; it is {start_after!r}."
        )
    large = given.get("large_tables")
    return LintOptions(
        frozenset(given.get("ignore") or ()),
        start_after,
        None if large is None else frozenset(large),
        _targets(given.get("target_version") or {}),
    )


def _targets(given: Any) -> dict[str, tuple[bool, tuple[int, ...]]]:
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured(
            "MIGRATION_LINT['target_version'] maps kinds of databases to versions, such as {'mariadb': '11.4'}; "
            f"it is {given!r}."
        )
    found = {}
    for name, version in given.items():
        if name not in _VENDORS:
            near = suggest(str(name), _VENDORS)
            hint = f"Did you mean '{near}'?" if near else f"It takes: {', '.join(_VENDORS)}."
            raise ImproperlyConfigured(f"MIGRATION_LINT['target_version'] does not know '{name}'. {hint}")
        numbers = re.match(r"\d+(\.\d+)*", str(version))
        if numbers is None:
            raise ImproperlyConfigured(f"MIGRATION_LINT['target_version'] has no version in {version!r}.")
        is_mariadb = name == "mariadb" or "mariadb" in str(version).lower()
        found[_VENDORS[name]] = (is_mariadb, tuple(int(part) for part in numbers[0].split(".")))
    return found
