"""What can go wrong with migrations; each error is one clear line for the terminal, with its exit code."""

from __future__ import annotations

from covet.exceptions import CommandError

__all__ = [
    "AmbiguousName",
    "AnswerNeeded",
    "BadMigration",
    "CircularDependency",
    "ConflictingMigrations",
    "InconsistentHistory",
    "InvalidBases",
    "InvalidPlan",
    "Irreversible",
    "MigrationError",
    "MigrationFailed",
    "MigrationNotFound",
    "StateError",
    "TablesDoNotFit",
]


class MigrationError(CommandError):
    """The root of every error about migrations."""


class BadMigration(MigrationError):
    """A migration file cannot be imported, or holds no usable ``Migration``."""


class CircularDependency(MigrationError):
    """Migrations wait for each other in a circle."""


class ConflictingMigrations(MigrationError):
    """An app has two or more latest migrations."""


class MigrationNotFound(MigrationError):
    """A migration that another one, or the command line, names does not exist."""


class AmbiguousName(MigrationError):
    """A shortened migration name fits several migrations."""


class InconsistentHistory(MigrationError):
    """The database has a migration applied whose dependency is not."""


class InvalidPlan(MigrationError):
    """A plan would go forwards and backwards at once."""


class Irreversible(MigrationError):
    """An operation cannot be undone."""


class MigrationFailed(MigrationError):
    """An operation failed in the database; the text says what had already been done."""


class TablesDoNotFit(MigrationError):
    """Of the tables that ``--fake-initial`` was to find, some are missing, or some of their columns."""


class StateError(MigrationError):
    """An operation does not fit the models as the migrations before it left them."""


class InvalidBases(StateError):
    """A historical model has a base that is not there."""


class AnswerNeeded(MigrationError):
    """A question came up and nobody is there to answer it; the text has the option that answers it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, exit_code=3)
