"""Trigrams: how alike two texts are; needs the extension ``pg_trgm``."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, ClassVar

from covet.db.models.expressions.base import Expression, Value
from covet.db.models.expressions.functions import parse
from covet.db.models.expressions.inference import REAL, TEXT
from covet.db.models.expressions.scope import Resolved, Scope
from covet.db.models.fields.base import Field
from covet.db.sql import nodes
from covet.postgres.conditions import OperatorLookup, is_expression
from covet.postgres.vendor import require_postgresql

__all__ = [
    "TrigramDistance",
    "TrigramSimilar",
    "TrigramSimilarity",
    "TrigramStrictWordDistance",
    "TrigramStrictWordSimilar",
    "TrigramStrictWordSimilarity",
    "TrigramWordDistance",
    "TrigramWordSimilar",
    "TrigramWordSimilarity",
]


class _Trigram(Expression[float]):
    """A number that tells how alike two texts are."""

    public_module = "covet.postgres.search"
    template: ClassVar[str] = ""

    def __init__(self, first: Any, second: Any) -> None:
        super().__init__(REAL)
        self.sources = (first, second)

    def shape(self, values: list[Any]) -> Hashable:
        """Return both texts."""
        return (self.__class__, *[source.shape(values) for source in self.sources])

    def resolve(self, scope: Scope) -> Resolved:
        """Return the number."""
        require_postgresql(scope.dialect, type(self).__name__)
        first, second = (source.resolve(scope).node for source in self.sources)
        return Resolved(nodes.Raw(self.template, (first, second)), REAL)


def _words(value: Any) -> Any:
    return value if is_expression(value) else Value(value, TEXT)


class _OfField(_Trigram):
    def __init__(self, expression: Any, string: Any) -> None:
        super().__init__(parse(expression), _words(string))


class _OfWords(_Trigram):
    def __init__(self, string: Any, expression: Any) -> None:
        super().__init__(_words(string), parse(expression))


class TrigramSimilarity(_OfField):
    """How alike a field and a text are, from 0 to 1: ``TrigramSimilarity("name", "Katy")``."""

    template = "SIMILARITY(%s, %s)"


class TrigramDistance(_OfField):
    """1 less the similarity: the nearest first; an index can order by it."""

    template = "(%s <-> %s)"


class TrigramWordSimilarity(_OfWords):
    """How alike a text and some part of a field are: ``TrigramWordSimilarity("Katy", "name")``."""

    template = "WORD_SIMILARITY(%s, %s)"


class TrigramWordDistance(_OfWords):
    """1 less the similarity to some part of the field."""

    template = "(%s <<-> %s)"


class TrigramStrictWordSimilarity(_OfWords):
    """How alike a text and some whole words of a field are."""

    template = "STRICT_WORD_SIMILARITY(%s, %s)"


class TrigramStrictWordDistance(_OfWords):
    """1 less the similarity to some whole words of the field."""

    template = "(%s <<<-> %s)"


class TrigramSimilar(OperatorLookup):
    """The text is like another one, by the database's ``pg_trgm.similarity_threshold``."""

    lookup_name = "trigram_similar"
    operator = "%%"

    @classmethod
    def value_field(cls, field: Field[Any] | None) -> Field[Any] | None:
        """Return the field of texts."""
        return TEXT


class TrigramWordSimilar(TrigramSimilar):
    """Some part of the text is like another one."""

    lookup_name = "trigram_word_similar"
    operator = "%%>"


class TrigramStrictWordSimilar(TrigramSimilar):
    """Some whole words of the text are like another one."""

    lookup_name = "trigram_strict_word_similar"
    operator = "%%>>"
