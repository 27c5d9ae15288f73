"""Who may use what is PostgreSQL's: the named error of other databases, at the first query that needs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from covet.db.backends.postgresql.dialect import PostgreSQLDialect
from covet.db.errors import NotSupportedError
from covet.db.models.expressions.scope import Resolved, Scope

if TYPE_CHECKING:
    from covet.db.sql.dialect import Dialect

__all__ = ["POSTGRESQL", "OnlyPostgreSQL", "PostgresField", "require_postgresql"]

#: Spells types and values where no connection is at hand.
POSTGRESQL = PostgreSQLDialect()


def require_postgresql(dialect: Any, what: str) -> None:
    """Raise where the database is another one.

    Args:
        dialect: The database's dialect. One without a vendor builds nodes only and is let pass.
        what: What needs PostgreSQL, for the text.

    Raises:
        NotSupportedError: The database is not PostgreSQL.
    """
    if dialect.vendor not in ("postgresql", ""):
        raise NotSupportedError(
            f"{what} needs PostgreSQL, and this database is {dialect.title or dialect.vendor}. Send the query to a "
            "PostgreSQL database with using(), or do without."
        )


class OnlyPostgreSQL:
    """In front of an expression class: it resolves on PostgreSQL alone."""

    if TYPE_CHECKING:
        sources: tuple[Any, ...]

    def resolve(self, scope: Scope) -> Resolved:
        """Return the SQL; a named error on other databases."""
        require_postgresql(scope.dialect, type(self).__name__)
        return super().resolve(scope)  # type: ignore[misc, no-any-return]  # the expression class that follows


class PostgresField:
    """In front of a field class: a column that PostgreSQL alone has, with its public path for migrations."""

    required_vendor: ClassVar[str] = "postgresql"

    @property
    def plain_json(self) -> bool:
        """Whether JSON has a spelling for the values as they are: texts, numbers, lists and mappings of them."""
        return True

    def _make_adapter(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        require_postgresql(dialect, type(self).__name__)
        return super()._make_adapter(dialect)  # type: ignore[misc, no-any-return]  # the field class that follows

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        """Return what makes an equal field, by its public path."""
        name, path, args, kwargs = super().deconstruct()  # type: ignore[misc]  # the field class that follows
        if path.startswith("covet.postgres.fields."):
            path = f"covet.postgres.fields.{path.rpartition('.')[2]}"
        return name, path, args, kwargs
