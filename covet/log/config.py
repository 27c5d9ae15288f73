"""Configures logging: Covet's defaults, with the project's LOGGING laid over them."""

from __future__ import annotations

import logging.config
from typing import Any

from covet.conf import settings

__all__ = ["configure_logging", "default_config"]


def configure_logging() -> None:
    """Set up logging from the settings; ``LOGGING`` may be a whole dictConfig or a few keys of one."""
    config = default_config(style=_style(), debug=settings.DEBUG)
    for key, value in settings.LOGGING.items():
        if isinstance(value, dict) and isinstance(config.get(key), dict):
            config[key] = {**config[key], **value}
        else:
            config[key] = value
    config.setdefault("version", 1)
    logging.config.dictConfig(config)


def default_config(*, style: str, debug: bool) -> dict[str, Any]:
    """Return the dictConfig that is used when LOGGING says nothing.

    Args:
        style: ``"human"`` or ``"json"``.
        debug: Whether Covet's own loggers write from INFO on.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request_id": {"()": "covet.log.context.RequestIdFilter"}},
        "formatters": {
            "human": {"()": "covet.log.formatters.HumanFormatter"},
            "json": {"()": "covet.log.formatters.JSONFormatter"},
        },
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": style, "filters": ["request_id"]},
        },
        "loggers": {"covet": {"level": "INFO" if debug else "WARNING"}},
        "root": {"level": "WARNING", "handlers": ["console"]},
    }


def _style() -> str:
    if settings.LOG_FORMAT in ("human", "json"):
        return settings.LOG_FORMAT
    return "human" if settings.DEBUG else "json"
