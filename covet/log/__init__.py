"""Logging: a dictConfig of the defaults, with the request's id in every record."""

from covet.log.config import configure_logging, default_config
from covet.log.context import RequestIdFilter, current_request_id, request_id

__all__ = ["RequestIdFilter", "configure_logging", "current_request_id", "default_config", "request_id"]
