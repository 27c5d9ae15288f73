"""``storages``: the storages that ``STORAGES`` names, each made when it is first asked for."""

from __future__ import annotations

from typing import Any, cast

from covet.conf import settings
from covet.exceptions import ImproperlyConfigured
from covet.files.storage import Storage
from covet.loading import import_string
from covet.text import suggest

__all__ = ["DefaultStorage", "Storages", "default_storage", "storages"]


class Storages:
    """``storages["default"]``; made anew when the setting is another, as in tests."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[Any, Storage]] = {}

    def __getitem__(self, alias: str) -> Storage:
        configured = settings.STORAGES
        if alias not in configured:
            near = suggest(alias, configured)
            hint = f" Did you mean '{near}'?" if near else f" It has: {', '.join(configured) or 'none'}."
            raise ImproperlyConfigured(f"STORAGES has no '{alias}'.{hint}")
        wanted = configured[alias]
        made = self._made.get(alias)
        if made is None or made[0] != wanted:
            made = self._made[alias] = (wanted, _make(alias, wanted))
        return made[1]


def _make(alias: str, wanted: Any) -> Storage:
    if isinstance(wanted, str):
        wanted = {"BACKEND": wanted}
    if "BACKEND" not in wanted:
        raise ImproperlyConfigured(f"STORAGES['{alias}'] has no BACKEND: the dotted path of a class of storages.")
    cls = import_string(wanted["BACKEND"])
    return cast(Storage, cls(**wanted.get("OPTIONS", {})))


storages = Storages()


class DefaultStorage:
    """Stands for ``storages["default"]``, whatever the settings say at the moment of use."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(storages["default"], name)

    def __repr__(self) -> str:
        return "<the default storage>"


default_storage = cast(Storage, DefaultStorage())
