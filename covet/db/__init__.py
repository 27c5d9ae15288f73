"""Databases: ``connections`` by alias, ``transaction.atomic``, the router, and the errors that all drivers share."""

from covet.db import transaction
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
