"""The look-ups that texts get when ``covet.postgres`` is installed."""

from __future__ import annotations

from covet.db.models.expressions.functions import Transform
from covet.db.models.expressions.inference import TEXT
from covet.db.models.fields.text import CharField, TextField
from covet.postgres.search import SearchLookup
from covet.postgres.trigrams import TrigramSimilar, TrigramStrictWordSimilar, TrigramWordSimilar
from covet.postgres.vendor import OnlyPostgreSQL

__all__ = ["SearchLookup", "TrigramSimilar", "TrigramStrictWordSimilar", "TrigramWordSimilar", "Unaccent", "register"]


class Unaccent(OnlyPostgreSQL, Transform):
    """The text without its accents, on both sides: ``filter(city__unaccent__icontains="Mexico")``."""

    public_module = "covet.postgres.lookups"
    lookup_name = "unaccent"
    function = "UNACCENT"
    bilateral = True
    result = TEXT


def register() -> None:
    """Give texts the look-ups; twice does no harm."""
    for lookup in (SearchLookup, TrigramSimilar, TrigramWordSimilar, TrigramStrictWordSimilar, Unaccent):
        CharField.register_lookup(lookup)
        TextField.register_lookup(lookup)
