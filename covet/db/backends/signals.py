"""What connections tell the rest of a project."""

from __future__ import annotations

from covet.dispatch import Signal

__all__ = ["connection_created"]

#: ``connection database using``: a connection to a database was opened, or its session was set back to how it was opened.
#: The sender is the class of the connection, ``await connection.execute(sql, ())`` runs a statement on it. Nobody else has
#: it meanwhile; what a receiver raises closes it, and goes to who asked for a connection.
connection_created = Signal()
