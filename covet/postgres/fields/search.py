"""Fields of full text: the vector that a column may hold, and what queries and configurations are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from covet.db.models.expressions.inference import TEXT
from covet.db.models.expressions.scope import Resolved
from covet.db.models.fields.base import Field
from covet.db.sql import nodes
from covet.db.sql.nodes import ColumnType
from covet.postgres.conditions import OperatorLookup
from covet.postgres.vendor import PostgresField

__all__ = ["CONFIG", "QUERY", "VECTOR", "SearchLookup", "SearchQueryField", "SearchVectorField", "vector_node"]

_TEXT = ColumnType("text")


class SearchVectorField(PostgresField, Field[Any]):
    """A finished search vector (``tsvector``), as the database's own text.

    Fill it with ``update(vector=SearchVector("title", "body"))``, by a trigger, or as a ``GeneratedField``.
    """

    empty_strings_allowed = False
    description = "Search vector"

    def column_type(self) -> ColumnType | None:
        """Return ``tsvector``."""
        return ColumnType("postgresql", sql="tsvector")

    def get_lookup(self, name: str) -> Any:
        """Return the match by ``search``, and by ``=`` as well; or what was registered."""
        if name in ("search", "exact"):
            return SearchLookup
        return super().get_lookup(name)


class SearchQueryField(PostgresField, Field[Any]):
    """What a ``SearchQuery`` is; expressions give it, models have no use for it."""

    empty_strings_allowed = False

    def column_type(self) -> ColumnType | None:
        """Return ``tsquery``."""
        return ColumnType("postgresql", sql="tsquery")


class _ConfigField(PostgresField, Field[Any]):
    empty_strings_allowed = False

    def column_type(self) -> ColumnType | None:
        return ColumnType("postgresql", sql="regconfig")


VECTOR: Field[Any] = SearchVectorField()
QUERY: Field[Any] = SearchQueryField()
CONFIG: Field[Any] = _ConfigField()


def vector_node(texts: Sequence[nodes.Node], config: nodes.Node | None) -> nodes.Node:
    """Return ``to_tsvector`` of texts with spaces between; it may stand in an index."""
    parts = [nodes.Func("COALESCE", (nodes.Cast(text, _TEXT), nodes.Raw("''"))) for text in texts]
    whole: nodes.Node = parts[0]
    for part in parts[1:]:
        whole = nodes.Raw("(%s || ' ' || %s)", (whole, part))
    return nodes.Func("TO_TSVECTOR", (whole,) if config is None else (config, whole))


class SearchLookup(OperatorLookup):
    """The text, or vector, matches words or a ``SearchQuery``: ``filter(body__search="fat rats")``."""

    lookup_name = "search"
    operator = "@@"

    @classmethod
    def value_field(cls, field: Field[Any] | None) -> Field[Any] | None:
        """Return the field of words."""
        return TEXT

    def condition(self, left: Resolved, right: Resolved) -> nodes.Node:
        """Return the match; what is no vector is made one by the query's configuration."""
        vector, query = left.node, right.node
        config = self._config()
        if left.field is None or left.field.column_type() != VECTOR.column_type():
            vector = vector_node([vector], config)
        if right.field is None or right.field.column_type() != QUERY.column_type():
            query = nodes.Func("PLAINTO_TSQUERY", (nodes.Cast(query, _TEXT),))
        return nodes.Raw("(%s @@ %s)", (vector, query))

    def _config(self) -> nodes.Node | None:
        config = getattr(self.rhs, "config", None)
        # The configuration of a field of the row is taken by the query alone: here it would be a join of its own.
        name = getattr(config, "config", None)
        return nodes.Bound(name, CONFIG.column_type()) if isinstance(name, str) else None
