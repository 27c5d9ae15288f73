"""``Lexeme``: one word of a raw search query, with all that the query language would read in it escaped."""

from __future__ import annotations

from typing import Any

__all__ = ["CombinedLexeme", "Lexeme", "LexemeCombinable"]

_WEIGHTS = frozenset("ABCD")


class LexemeCombinable:
    """What can be combined with ``&``, ``|`` and ``~``; ``str()`` gives the text of the query."""

    def __and__(self, other: Any) -> CombinedLexeme:
        return CombinedLexeme(self, "&", _combinable(other))

    def __or__(self, other: Any) -> CombinedLexeme:
        return CombinedLexeme(self, "|", _combinable(other))

    def __invert__(self) -> LexemeCombinable:
        raise TypeError(f"{type(self).__name__} cannot be inverted.")


def _combinable(other: Any) -> LexemeCombinable:
    if not isinstance(other, LexemeCombinable):
        raise TypeError(f"A Lexeme is combined with another Lexeme, not with {other!r}.")
    return other


class Lexeme(LexemeCombinable):
    """One word.

    Args:
        value: The word, as it is; nothing in it is syntax.
        invert: Rows without it.
        prefix: Words that begin with it.
        weight: Only where it stands in a part of this weight, ``"A"`` to ``"D"``.
    """

    def __init__(self, value: str, *, invert: bool = False, prefix: bool = False, weight: str | None = None) -> None:
        if not isinstance(value, str) or not value:
            raise ValueError(f"A Lexeme needs a text that is not empty, not {value!r}.")
        if weight is not None and weight.upper() not in _WEIGHTS:
            raise ValueError(f"A weight is 'A', 'B', 'C' or 'D', not {weight!r}.")
        self.value = value
        self.invert = invert
        self.prefix = prefix
        self.weight = None if weight is None else weight.upper()

    def __str__(self) -> str:
        # In quotes everything is the word itself, but for these two, which are doubled.
        word = self.value.replace("\x00", "").replace("\\", "\\\\").replace("'", "''")
        label = ("*" if self.prefix else "") + (self.weight or "")
        return f"{'!' if self.invert else ''}'{word}'{':' + label if label else ''}"

    def __repr__(self) -> str:
        return f"Lexeme({self.value!r}, invert={self.invert}, prefix={self.prefix}, weight={self.weight!r})"

    def __invert__(self) -> Lexeme:
        return Lexeme(self.value, invert=not self.invert, prefix=self.prefix, weight=self.weight)


class CombinedLexeme(LexemeCombinable):
    """Two lexemes, of which both or either must be there."""

    def __init__(
        self, left: LexemeCombinable, connector: str, right: LexemeCombinable, *, invert: bool = False
    ) -> None:
        self.left, self.connector, self.right, self.invert = left, connector, right, invert

    def __str__(self) -> str:
        return f"{'!' if self.invert else ''}({self.left} {self.connector} {self.right})"

    def __repr__(self) -> str:
        return f"CombinedLexeme({str(self)!r})"

    def __invert__(self) -> CombinedLexeme:
        return CombinedLexeme(self.left, self.connector, self.right, invert=not self.invert)
