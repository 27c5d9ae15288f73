"""Full text: vectors, queries, ranks and headlines."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar

from covet.db.models.expressions.base import Expression, Value
from covet.db.models.expressions.functions import parse
from covet.db.models.expressions.inference import REAL, TEXT
from covet.db.models.expressions.scope import Resolved, Scope
from covet.db.sql import nodes
from covet.postgres.conditions import is_expression
from covet.postgres.fields.search import CONFIG, QUERY, VECTOR, SearchLookup, SearchVectorField, vector_node
from covet.postgres.lexemes import Lexeme, LexemeCombinable
from covet.postgres.trigrams import (
    TrigramDistance,
    TrigramSimilarity,
    TrigramStrictWordDistance,
    TrigramStrictWordSimilarity,
    TrigramWordDistance,
    TrigramWordSimilarity,
)
from covet.postgres.vendor import require_postgresql

__all__ = [
    "CombinedSearchQuery",
    "Lexeme",
    "SearchConfig",
    "SearchHeadline",
    "SearchLookup",
    "SearchQuery",
    "SearchRank",
    "SearchVector",
    "SearchVectorField",
    "TrigramDistance",
    "TrigramSimilarity",
    "TrigramStrictWordDistance",
    "TrigramStrictWordSimilarity",
    "TrigramWordDistance",
    "TrigramWordSimilarity",
]

_TEXT = nodes.ColumnType("text")
_WEIGHTS = frozenset("ABCD")


class SearchConfig(Expression[Any]):
    """The language rules of a search: a configuration's name, or an expression that gives one.

    A name is part of the query's shape and travels as a bound value; a field of the row is named by ``F("language")``.

    Args:
        config: The name, or an expression.
    """

    public_module = "covet.postgres.search"

    def __init__(self, config: Any) -> None:
        super().__init__()
        if isinstance(config, Value):
            config = config.value
        self.config = config
        self.sources = (config,) if is_expression(config) else ()

    @classmethod
    def of(cls, config: Any) -> SearchConfig | None:
        """Return a configuration of what may stand for one; ``None`` stays ``None``: the database's default."""
        return config if config is None or isinstance(config, SearchConfig) else cls(config)

    def shape(self, values: list[Any]) -> Hashable:
        """Return the name, or the expression's shape."""
        return (SearchConfig, self.sources[0].shape(values) if self.sources else self.config)

    def resolve(self, scope: Scope) -> Resolved:
        """Return the configuration."""
        if not self.sources:
            return Resolved(nodes.Bound(self.config, CONFIG.column_type()), CONFIG)
        return Resolved(nodes.Raw("(%s)::regconfig", (self.sources[0].resolve(scope).node,)), CONFIG)


class SearchVector(Expression[Any]):
    """The words of one or more texts, made ready to be searched; two are joined with ``+``.

    Args:
        expressions: The texts; a text names a field. NULL counts as an empty text.
        config: The language rules.
        weight: ``"A"`` to ``"D"``: how much a find here counts in ``SearchRank``.
    """

    public_module = "covet.postgres.search"

    def __init__(self, *expressions: Any, config: Any = None, weight: str | None = None) -> None:
        if not expressions:
            raise TypeError("SearchVector needs a field or expression at least.")
        if weight is not None and weight not in _WEIGHTS:
            raise ValueError(f"A weight is 'A', 'B', 'C' or 'D', not {weight!r}.")
        super().__init__(VECTOR)
        self.config = SearchConfig.of(config)
        self.weight = weight
        self.sources = tuple(parse(expression) for expression in expressions)

    def shape(self, values: list[Any]) -> Hashable:
        """Return configuration, weight and texts."""
        config = None if self.config is None else self.config.shape(values)
        return (SearchVector, self.weight, config, *[source.shape(values) for source in self.sources])

    def resolve(self, scope: Scope) -> Resolved:
        """Return ``to_tsvector``."""
        require_postgresql(scope.dialect, "SearchVector")
        config = None if self.config is None else self.config.resolve(scope).node
        node: nodes.Node = vector_node([source.resolve(scope).node for source in self.sources], config)
        if self.weight is not None:
            node = nodes.Raw(f"SETWEIGHT(%s, '{self.weight}')", (node,))
        return Resolved(node, VECTOR)

    def __add__(self, other: Any) -> Any:
        return _joined(self, other)


class CombinedSearchVector(Expression[Any]):
    """Two vectors, one behind the other."""

    public_module = "covet.postgres.search"

    def __init__(self, lhs: Any, rhs: Any) -> None:
        super().__init__(VECTOR)
        self.sources = (lhs, rhs)

    def resolve(self, scope: Scope) -> Resolved:
        """Return both, joined."""
        left, right = (source.resolve(scope).node for source in self.sources)
        return Resolved(nodes.Raw("(%s || %s)", (left, right)), VECTOR)

    def __add__(self, other: Any) -> Any:
        return _joined(self, other)


def _joined(left: Any, right: Any) -> CombinedSearchVector:
    if not isinstance(right, (SearchVector, CombinedSearchVector)):
        raise TypeError(f"A SearchVector is joined with another one, not with {right!r}.")
    return CombinedSearchVector(left, right)


class _QueryOperators:
    """What queries are combined with."""

    def __and__(self, other: Any) -> Any:
        return CombinedSearchQuery(self, "&&", _query(other))

    def __rand__(self, other: Any) -> Any:
        return CombinedSearchQuery(_query(other), "&&", self)

    def __or__(self, other: Any) -> Any:
        return CombinedSearchQuery(self, "||", _query(other))

    def __ror__(self, other: Any) -> Any:
        return CombinedSearchQuery(_query(other), "||", self)


def _query(value: Any) -> Any:
    if not isinstance(value, (SearchQuery, CombinedSearchQuery)):
        raise TypeError(f"A SearchQuery is combined with another SearchQuery, not with {value!r}.")
    return value


class SearchQuery(_QueryOperators, Expression[Any]):
    """What is searched for; combined with ``&``, ``|`` and ``~``.

    Args:
        value: The words; a ``Lexeme``, or several of them combined, with ``search_type="raw"`` (which it implies).
        config: The language rules.
        search_type: ``"plain"``: all of the words. ``"phrase"``: in this order, one behind the other. ``"websearch"``:
            with quotation marks, ``or`` and ``-``, as search engines have them; nothing that is typed is an error.
            ``"raw"``: the database's own syntax.
        invert: What does not match.
    """

    public_module = "covet.postgres.search"
    FUNCTIONS: ClassVar[dict[str, str]] = {
        "plain": "PLAINTO_TSQUERY",
        "phrase": "PHRASETO_TSQUERY",
        "raw": "TO_TSQUERY",
        "websearch": "WEBSEARCH_TO_TSQUERY",
    }

    def __init__(self, value: Any, config: Any = None, search_type: str = "plain", invert: bool = False) -> None:
        if isinstance(value, LexemeCombinable):
            search_type = "raw"
            value = str(value)
        if search_type not in self.FUNCTIONS:
            raise ValueError(f"search_type is one of {', '.join(sorted(self.FUNCTIONS))}, not {search_type!r}.")
        super().__init__(QUERY)
        self.value = value
        self.config = SearchConfig.of(config)
        self.search_type = search_type
        self.invert = invert
        self.sources = (value if is_expression(value) else Value(value, TEXT),)

    def shape(self, values: list[Any]) -> Hashable:
        """Return the kind and the configuration; the words travel as a parameter."""
        config = None if self.config is None else self.config.shape(values)
        return (SearchQuery, self.search_type, self.invert, config, self.sources[0].shape(values))

    def resolve(self, scope: Scope) -> Resolved:
        """Return the query."""
        require_postgresql(scope.dialect, "SearchQuery")
        config = None if self.config is None else self.config.resolve(scope).node
        words = self.sources[0].resolve(scope).node
        node: nodes.Node = nodes.Func(self.FUNCTIONS[self.search_type], (words,) if config is None else (config, words))
        return Resolved(nodes.Raw("(!!%s)", (node,)) if self.invert else node, QUERY)

    def __invert__(self) -> Any:
        return SearchQuery(self.value, self.config, self.search_type, not self.invert)


class CombinedSearchQuery(_QueryOperators, Expression[Any]):
    """Two queries, of which both or either must match."""

    public_module = "covet.postgres.search"

    def __init__(self, lhs: Any, connector: str, rhs: Any, invert: bool = False) -> None:
        super().__init__(QUERY)
        self.connector = connector
        self.invert = invert
        self.sources = (lhs, rhs)

    @property
    def config(self) -> SearchConfig | None:
        """The configuration of the first query."""
        found: SearchConfig | None = self.sources[0].config
        return found

    def shape(self, values: list[Any]) -> Hashable:
        """Return both queries."""
        return (CombinedSearchQuery, self.connector, self.invert, *[source.shape(values) for source in self.sources])

    def resolve(self, scope: Scope) -> Resolved:
        """Return both, combined."""
        left, right = (source.resolve(scope).node for source in self.sources)
        sign = "!!" if self.invert else ""
        return Resolved(nodes.Raw(f"({sign}(%s {self.connector} %s))", (left, right)), QUERY)

    def __invert__(self) -> Any:
        return CombinedSearchQuery(self.sources[0], self.connector, self.sources[1], not self.invert)


class SearchRank(Expression[float]):
    """How well a vector matches a query, as a number.

    Args:
        vector: A ``SearchVector``, or the name of a field: of a ``SearchVectorField``, or of a text.
        query: A ``SearchQuery``, or words.
        weights: What a find counts in D, C, B and A, four numbers in this order.
        normalization: How the length of a text counts, as the database's manual says (a sum of 1, 2, 4, 8, 16, 32): a
            number, or an expression such as ``Value(2).bitor(Value(4))``.
        cover_density: Count how near to one another the words stand, too.
    """

    public_module = "covet.postgres.search"

    def __init__(
        self,
        vector: Any,
        query: Any,
        weights: Sequence[float] | None = None,
        normalization: Any = None,
        cover_density: bool = False,
    ) -> None:
        super().__init__(REAL)
        if weights is not None and len(weights) != 4:
            raise ValueError("weights are four numbers, for D, C, B and A.")
        self.weights = None if weights is None else tuple(float(weight) for weight in weights)
        self.normalization = None if normalization is None or is_expression(normalization) else int(normalization)
        self.cover_density = cover_density
        self.sources = (_vector(vector), query if is_expression(query) else SearchQuery(query))
        if is_expression(normalization):
            self.sources = (*self.sources, normalization)

    def shape(self, values: list[Any]) -> Hashable:
        """Return vector, query and the options."""
        options = (self.weights, self.normalization, self.cover_density)
        return (SearchRank, options, *[source.shape(values) for source in self.sources])

    def resolve(self, scope: Scope) -> Resolved:
        """Return ``ts_rank``."""
        require_postgresql(scope.dialect, "SearchRank")
        vector, *others = [source.resolve(scope) for source in self.sources]
        is_vector = vector.field is not None and vector.field.column_type() == VECTOR.column_type()
        args = [vector.node if is_vector else vector_node([vector.node], None), others[0].node]
        if self.weights is not None:
            args.insert(0, nodes.Raw(f"'{{{','.join(map(repr, self.weights))}}}'::float4[]"))
        if self.normalization is not None:
            args.append(nodes.Keyword(str(self.normalization)))
        args += [nodes.Cast(other.node, nodes.ColumnType("integer")) for other in others[1:]]
        return Resolved(nodes.Func("TS_RANK_CD" if self.cover_density else "TS_RANK", tuple(args)), REAL)


def _vector(value: Any) -> Any:
    return parse(value) if isinstance(value, str) or is_expression(value) else SearchVector(value)


class SearchHeadline(Expression[str]):
    """The place of a text that matches, with marks round the words.

    The marks are written as they are: escape the text, or choose marks that cannot be mistaken for HTML of its own.

    Args:
        expression: The text; a text names a field.
        query: A ``SearchQuery``, or words.
        config: The language rules.
        start_sel: What stands before a word that was found.
        stop_sel: What stands behind it.
        max_words: The greatest length, in words.
        min_words: The least length.
        short_word: Words as short as this are left out at both ends.
        highlight_all: Take the whole text.
        max_fragments: How many places are shown at most; 0: one.
        fragment_delimiter: What stands between them.
    """

    public_module = "covet.postgres.search"

    def __init__(
        self,
        expression: Any,
        query: Any,
        *,
        config: Any = None,
        start_sel: str | None = None,
        stop_sel: str | None = None,
        max_words: int | None = None,
        min_words: int | None = None,
        short_word: int | None = None,
        highlight_all: bool | None = None,
        max_fragments: int | None = None,
        fragment_delimiter: str | None = None,
    ) -> None:
        super().__init__(TEXT)
        self.config = SearchConfig.of(config)
        options = {
            "StartSel": start_sel,
            "StopSel": stop_sel,
            "MaxWords": max_words,
            "MinWords": min_words,
            "ShortWord": short_word,
            "HighlightAll": highlight_all,
            "MaxFragments": max_fragments,
            "FragmentDelimiter": fragment_delimiter,
        }
        self.options = ", ".join(f"{name}={_option(value)}" for name, value in options.items() if value is not None)
        self.sources = (parse(expression), query if is_expression(query) else SearchQuery(query))

    def shape(self, values: list[Any]) -> Hashable:
        """Return text, query and the options."""
        config = None if self.config is None else self.config.shape(values)
        return (SearchHeadline, self.options, config, *[source.shape(values) for source in self.sources])

    def resolve(self, scope: Scope) -> Resolved:
        """Return ``ts_headline``."""
        require_postgresql(scope.dialect, "SearchHeadline")
        args = [] if self.config is None else [self.config.resolve(scope).node]
        args += [source.resolve(scope).node for source in self.sources]
        if self.options:
            args.append(nodes.Bound(self.options, _TEXT))
        return Resolved(nodes.Func("TS_HEADLINE", tuple(args)), TEXT)


def _option(value: Any) -> str:
    """Return an option's value in quotes, which the database's own parser takes out again."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else '"' + str(value).replace('"', '""') + '"'
