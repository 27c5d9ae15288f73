"""Databases: ``connections`` by alias, ``transaction.atomic``, the router, and the errors that all drivers share."""

from covet.db import transaction
from covet.db.connections import DEFAULT_ALIAS, connections
from covet.db.errors import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
)
from covet.db.routers import router

__all__ = [
    "DEFAULT_ALIAS",
    "DataError",
    "DatabaseError",
    "IntegrityError",
    "InterfaceError",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    "connections",
    "router",
    "transaction",
]
