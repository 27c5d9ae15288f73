"""Logging: a dictConfig of the defaults, with the request's id in every record."""

from typing import TYPE_CHECKING

from covet.loading import late_names

if TYPE_CHECKING:
    from covet.log.background import BackgroundHandler
    from covet.log.config import configure_logging, default_config
    from covet.log.context import RequestIdFilter, current_request_id, request_id
    from covet.log.filters import CallbackFilter, RequireDebugFalse, RequireDebugTrue

__all__ = [
    "BackgroundHandler",
    "CallbackFilter",
    "RequestIdFilter",
    "RequireDebugFalse",
    "RequireDebugTrue",
    "configure_logging",
    "current_request_id",
    "default_config",
    "request_id",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = late_names(
        __name__,
        {
            "covet.log.background": ("BackgroundHandler",),
            "covet.log.config": ("configure_logging", "default_config"),
            "covet.log.context": ("RequestIdFilter", "current_request_id", "request_id"),
            "covet.log.filters": ("CallbackFilter", "RequireDebugFalse", "RequireDebugTrue"),
        },
    )
