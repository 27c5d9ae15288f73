"""Which database reads and writes a model: ``DATABASE_ROUTERS``, asked in order; the first that answers decides.

A router is a class (or an object) with any of Django's methods: ``db_for_read(model, **hints)``, ``db_for_write``,
``allow_relation(first, second, **hints)``, ``allow_migrate(alias, app_label, model_name=None, **hints)``. They are plain
functions: choosing a database must not need one.
"""

from __future__ import annotations

import re
from typing import Any

from covet.apps.registry import apps
from covet.conf import settings
from covet.db.connections import DEFAULT_ALIAS
from covet.db.errors import DatabaseError
from covet.exceptions import ImproperlyConfigured
from covet.loading import import_string

__all__ = ["Router", "router"]


class Router:
    """All routers as one."""

    def __init__(self) -> None:
        self._paths: tuple[Any, ...] | None = None
        self._routers: list[Any] = []
        #: Whether it is known that there are no routers: then none has to be asked where two rows are related.
        self.is_mute = False
        settings.watchers.append(self._settings_changed)

    def _settings_changed(self, names: frozenset[str], _begins: bool) -> None:
        if "DATABASE_ROUTERS" in names:
            self._paths, self.is_mute = None, False

    @property
    def routers(self) -> list[Any]:
        """The routers of the settings; made anew when the setting changes."""
        paths = tuple(settings.DATABASE_ROUTERS)
        if paths != self._paths:
            self._routers = [self._make(entry) for entry in paths]
            self._paths, self.is_mute = paths, not paths
        return self._routers

    @staticmethod
    def _make(entry: Any) -> Any:
        found = import_string(entry) if isinstance(entry, str) else entry
        made = found() if isinstance(found, type) else found
        if not any(hasattr(made, name) for name in _METHODS):
            raise ImproperlyConfigured(
                f"{entry!r} in DATABASE_ROUTERS is no router: it has none of {', '.join(_METHODS)}."
            )
        return made

    def db_for_read(self, model: type[Any], **hints: Any) -> str:
        """Return the alias to read a model from."""
        return self._choose("db_for_read", model, hints)

    def db_for_write(self, model: type[Any], **hints: Any) -> str:
        """Return the alias to write a model to."""
        return self._choose("db_for_write", model, hints)

    def _choose(self, method: str, model: type[Any], hints: dict[str, Any]) -> str:
        for entry in self.routers:
            ask = getattr(entry, method, None)
            found = ask(model, **hints) if ask is not None else None
            if found:
                return str(found)
        instance = hints.get("instance")
        # ``_state`` would give the instance a state of its own; only the alias is asked for.
        state = getattr(instance, "_row_state", None) if instance is not None else None
        return getattr(state, "db", None) or DEFAULT_ALIAS

    def allow_relation(self, first: Any, second: Any, **hints: Any) -> bool:
        """Return whether two instances may be related; without a router's word, when they are of one database."""
        for entry in self.routers:
            ask = getattr(entry, "allow_relation", None)
            found = ask(first, second, **hints) if ask is not None else None
            if found is not None:
                return bool(found)
        return bool(first._row_state.db == second._row_state.db)

    def allow_migrate(self, alias: str, app_label: str, **hints: Any) -> bool:
        """Return whether the tables of an app (or of ``hints["model_name"]``) belong into a database."""
        for entry in self.routers:
            ask = getattr(entry, "allow_migrate", None)
            found = ask(alias, app_label, **hints) if ask is not None else None
            if found is not None:
                return bool(found)
        return True

    def allow_migrate_model(self, alias: str, model: Any) -> bool:
        """Return whether a model's table belongs into a database."""
        options: Any = model._meta
        return self.allow_migrate(alias, options.app_label, model_name=options.model_name, model=model)


_METHODS = ("db_for_read", "db_for_write", "allow_relation", "allow_migrate")

router = Router()


def _tell_where(alias: str, message: str) -> str:
    """Return where the routers keep the table that a database lacks, when that is another database."""
    try:
        return _where_routed(alias, message)
    except Exception as error:
        # Code of the project, in the middle of telling of another error: that one is not to be lost for this one.
        return (
            f"DATABASE_ROUTERS were asked in which database its rows belong, and raised {type(error).__name__}"
            f"{f': {error}' if str(error) else ''}."
        )


def _where_routed(alias: str, message: str) -> str:
    if not router.routers:
        return ""
    words = set(re.findall(r"[\w$-]+", message))
    for model in (model for models in apps.current().all_models.values() for model in models.values()):
        options: Any = model._meta
        if options.db_table in words and not router.allow_migrate_model(alias, model):
            return (
                f"DATABASE_ROUTERS keep the rows of {options.label} in '{router.db_for_read(model)}', not in '{alias}', "
                "and no statement reaches over two databases: filter by keys (author__in=[1, 2]), and load related rows "
                "by prefetch_related() or by awaiting the relation."
            )
    return ""


DatabaseError.tell_where = staticmethod(_tell_where)
