"""Databases: ``connections`` by alias, ``transaction.atomic``, the router, and the errors that all drivers share."""

from typing import TYPE_CHECKING

from covet.db.connections import DEFAULT_ALIAS, ConnectionDoesNotExist, connection, connections, reset_queries
from covet.db.errors import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
)
from covet.db.routers import router
from covet.loading import late_names

if TYPE_CHECKING:
    from covet.db import transaction

__all__ = [
    "DEFAULT_ALIAS",
    "ConnectionDoesNotExist",
    "DataError",
    "DatabaseError",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    "connection",
    "connections",
    "reset_queries",
    "router",
    "transaction",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = late_names(__name__, {"covet.db": ("transaction",)})
