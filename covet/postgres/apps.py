"""The app of PostgreSQL's own."""

from __future__ import annotations

from covet.apps import AppConfig

__all__ = ["PostgresConfig"]


class PostgresConfig(AppConfig):
    """Gives texts the look-ups of full text, trigrams and accents."""

    name = "covet.postgres"
    label = "postgres"
    verbose_name = "PostgreSQL"

    def ready(self) -> None:
        """Register the look-ups."""
        from covet.postgres.lookups import register

        register()
