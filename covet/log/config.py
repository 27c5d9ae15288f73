"""Configures logging: Covet's defaults, with the project's LOGGING laid over them."""

from __future__ import annotations

import logging.config
from collections.abc import Mapping
from typing import Any

from covet.conf import settings
from covet.exceptions import ImproperlyConfigured
from covet.loading import import_string
from covet.log.background import put_into_background

__all__ = ["configure_logging", "default_config"]


_DICT_CONFIG = "logging.config.dictConfig"


def configure_logging() -> None:
    """Set up logging from the settings; ``LOGGING`` may be a whole dictConfig or a few keys of one.

    A handler with ``"background": True`` writes in a thread. ``LOGGING_CONFIG`` names another function to set it up, or ``None`` for nobody.

    Raises:
        ImproperlyConfigured: ``LOGGING`` names what there is not, or is no dictConfig.
    """
    config = default_config(style=_style(), debug=settings.DEBUG)
    for key, value in settings.LOGGING.items():
        if isinstance(value, dict) and isinstance(config.get(key), dict):
            config[key] = {**config[key], **value}
        else:
            config[key] = value
    config.setdefault("version", 1)
    if isinstance(config.get("loggers"), dict):
        config["loggers"] = _each_line_once(config, settings.LOGGING)
    if settings.LOGGING_CONFIG is None:
        return
    if settings.LOGGING_CONFIG != _DICT_CONFIG:
        import_string(settings.LOGGING_CONFIG)(config)
        return
    names, handlers = _without_background(config.get("handlers", {}))
    try:
        logging.config.dictConfig({**config, "handlers": handlers})
    except (ValueError, TypeError, AttributeError, ImportError) as error:
        raise _unusable(error, config) from error
    put_into_background(names, [logging.getLogger(), *map(logging.getLogger, config.get("loggers", ()))])


def _each_line_once(config: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the loggers without the handlers that their lines come to anyway, by way of the root logger.

    Django's root logger has no handlers and Covet's has ``console``: a LOGGING that came from there, and gives it to a logger, would
    have each line written twice. A project that says what its root logger has is taken at its word.
    """
    loggers: dict[str, Any] = config["loggers"]
    if "handlers" in (own.get("root") or {}) or "" in loggers:
        return loggers
    last = set(config["root"].get("handlers", ()))

    def is_heard_by_root(name: str) -> bool:
        parts = name.split(".")
        names = [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
        return all(loggers[one].get("propagate", True) for one in names if isinstance(loggers.get(one), dict))

    return {
        name: {**one, "handlers": [handler for handler in one["handlers"] if handler not in last]}
        if isinstance(one, dict) and isinstance(one.get("handlers"), (list, tuple)) and is_heard_by_root(name)
        else one
        for name, one in loggers.items()
    }


def _unusable(error: Exception, config: Mapping[str, Any]) -> ImproperlyConfigured:
    """Return the error that says which entry of LOGGING is wrong, why, and what to write instead."""
    from covet.porting.hints import path_hint  # only a mistake needs it, and it reads syntax trees

    reason: BaseException = error
    while reason.__cause__ is not None:
        reason = reason.__cause__
    why = "" if reason is error else f": {reason}"
    hint = ""
    for kind in ("filter", "handler", "formatter"):
        for name, one in (config.get(f"{kind}s") or {}).items():
            if isinstance(one, dict) and f"{error}".endswith(f"{kind} {name!r}"):
                hint = path_hint(str(one.get("()") or one.get("class") or ""))
    return ImproperlyConfigured(f"LOGGING cannot be used: {error}{why}.{hint}")


def _without_background(handlers: dict[str, Any]) -> tuple[frozenset[str], dict[str, Any]]:
    """Return the names of the handlers that write in a thread, and all of them without that key, which logging does not know."""
    names = frozenset(name for name, one in handlers.items() if isinstance(one, dict) and one.get("background"))
    plain = {
        name: {key: value for key, value in one.items() if key != "background"} if isinstance(one, dict) else one
        for name, one in handlers.items()
    }
    return names, plain


def default_config(*, style: str, debug: bool) -> dict[str, Any]:
    """Return the dictConfig that is used when LOGGING says nothing.

    Args:
        style: ``"human"`` or ``"json"``.
        debug: Whether Covet's own loggers write from INFO on.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "request_id": {"()": "covet.log.context.RequestIdFilter"},
            "require_debug_false": {"()": "covet.log.filters.RequireDebugFalse"},
            "require_debug_true": {"()": "covet.log.filters.RequireDebugTrue"},
        },
        "formatters": {
            "human": {"()": "covet.log.formatters.HumanFormatter"},
            "json": {"()": "covet.log.formatters.JSONFormatter"},
        },
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": style,
                "filters": ["request_id"],
                # A line of a developer's must be there when the debugger stops at the next one.
                "background": not debug,
            },
        },
        "loggers": {"covet": {"level": "INFO" if debug else "WARNING"}},
        "root": {"level": "WARNING", "handlers": ["console"]},
    }


def _style() -> str:
    if settings.LOG_FORMAT in ("human", "json"):
        return settings.LOG_FORMAT
    return "human" if settings.DEBUG else "json"
