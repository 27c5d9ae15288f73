"""Configures logging: Covet's defaults, with the project's LOGGING laid over them."""

from __future__ import annotations

import logging.config
from typing import Any

from covet.conf import settings
from covet.loading import import_string
from covet.log.background import put_into_background

__all__ = ["configure_logging", "default_config"]


_DICT_CONFIG = "logging.config.dictConfig"


def configure_logging() -> None:
    """Set up logging from the settings; ``LOGGING`` may be a whole dictConfig or a few keys of one.

    A handler with ``"background": True`` writes in a thread. ``LOGGING_CONFIG`` names another function to set it up, or ``None`` for nobody.
    """
    config = default_config(style=_style(), debug=settings.DEBUG)
    for key, value in settings.LOGGING.items():
        if isinstance(value, dict) and isinstance(config.get(key), dict):
            config[key] = {**config[key], **value}
        else:
            config[key] = value
    config.setdefault("version", 1)
    if settings.LOGGING_CONFIG is None:
        return
    if settings.LOGGING_CONFIG != _DICT_CONFIG:
        import_string(settings.LOGGING_CONFIG)(config)
        return
    names, handlers = _without_background(config.get("handlers", {}))
    logging.config.dictConfig({**config, "handlers": handlers})
    put_into_background(names, [logging.getLogger(), *map(logging.getLogger, config.get("loggers", ()))])


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
