"""Functions of texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from covet.db.models.expressions.base import Value
from covet.db.models.expressions.functions import Coalesce, Func, Transform
from covet.db.models.expressions.inference import INTEGER, TEXT, family
from covet.db.models.expressions.scope import Resolved, Scope
from covet.db.sql import nodes

if TYPE_CHECKING:
    from covet.db.models.fields.base import Field

__all__ = [
    "MD5",
    "SHA1",
    "SHA224",
    "SHA256",
    "SHA384",
    "SHA512",
    "Chr",
    "Concat",
    "LPad",
    "LTrim",
    "Left",
    "Length",
    "Lower",
    "Ord",
    "RPad",
    "RTrim",
    "Repeat",
    "Replace",
    "Reverse",
    "Right",
    "StrIndex",
    "Substr",
    "Trim",
    "Upper",
]


class Lower(Transform):
    """The text in small letters."""

    function = "LOWER"
    lookup_name = "lower"
    result = TEXT


class Upper(Transform):
    """The text in capital letters."""

    function = "UPPER"
    lookup_name = "upper"
    result = TEXT


class Length(Transform):
    """The number of characters."""

    function = "LENGTH"
    lookup_name = "length"
    result = INTEGER


class Trim(Transform):
    """The text without spaces at both ends."""

    function = "TRIM"
    lookup_name = "trim"
    result = TEXT


class LTrim(Transform):
    """The text without spaces at its start."""

    function = "LTRIM"
    lookup_name = "ltrim"
    result = TEXT


class RTrim(Transform):
    """The text without spaces at its end."""

    function = "RTRIM"
    lookup_name = "rtrim"
    result = TEXT


class Reverse(Transform):
    """The text from the end to the start."""

    function = "REVERSE"
    lookup_name = "reverse"
    result = TEXT


class Chr(Transform):
    """The character of a code point."""

    function = "CHR"
    lookup_name = "chr"
    result = TEXT


class Ord(Transform):
    """The code point of the first character."""

    function = "ORD"
    lookup_name = "ord"
    result = INTEGER


class Concat(Func):
    """The arguments one after another; NULL counts as an empty text on every database."""

    function = "CONCAT"
    result = TEXT

    def __init__(self, *expressions: Any, output_field: Field[Any] | None = None) -> None:
        if len(expressions) < 2:
            raise ValueError("Concat takes at least two expressions.")
        super().__init__(*expressions, output_field=output_field)
        self.sources = tuple(
            source if isinstance(source, Value) else _Filled(source, Value("")) for source in self.sources
        )


class _Filled(Coalesce):
    """A part of ``Concat``: an empty text in place of NULL, and the text of what is none."""

    def resolve(self, scope: Scope) -> Resolved:
        """Return ``COALESCE``; PostgreSQL takes no text beside a number there."""
        part, empty = (source.resolve(scope) for source in self.sources)
        node = part.node
        if scope.vendor == "postgresql" and part.field is not None and family(part.field) != "text":
            node = nodes.Cast(node, nodes.ColumnType("text"))
        return Resolved(nodes.Func("COALESCE", (node, empty.node)), TEXT)


class Left(Func):
    """The first ``length`` characters."""

    function = "LEFT"
    result = TEXT

    def __init__(self, expression: Any, length: Any) -> None:
        super().__init__(expression, _positive(length, "length"))


class Right(Func):
    """The last ``length`` characters."""

    function = "RIGHT"
    result = TEXT

    def __init__(self, expression: Any, length: Any) -> None:
        super().__init__(expression, _positive(length, "length"))


class Substr(Func):
    """``length`` characters from the place ``pos``, counted from 1; all that follow without a length."""

    function = "SUBSTRING"
    result = TEXT

    def __init__(self, expression: Any, pos: Any, length: Any = None) -> None:
        parts = [expression, _positive(pos, "pos")]
        if length is not None:
            parts.append(length)
        super().__init__(*parts)


class Replace(Func):
    """The text with every ``text`` replaced."""

    function = "REPLACE"
    result = TEXT

    def __init__(self, expression: Any, text: Any, replacement: Any = "") -> None:
        super().__init__(expression, _text(text), _text(replacement))


class Repeat(Func):
    """The text ``number`` times."""

    function = "REPEAT"
    result = TEXT

    def __init__(self, expression: Any, number: Any) -> None:
        if isinstance(number, int) and number < 0:
            raise ValueError("number must not be negative.")
        super().__init__(expression, number)


class LPad(Func):
    """The text filled up at its start to ``length`` characters."""

    function = "LPAD"
    result = TEXT

    def __init__(self, expression: Any, length: Any, fill_text: Any = " ") -> None:
        if isinstance(length, int) and length < 0:
            raise ValueError("length must not be negative.")
        super().__init__(expression, length, _text(fill_text))


class RPad(LPad):
    """The text filled up at its end to ``length`` characters."""

    function = "RPAD"


class StrIndex(Func):
    """The place of ``substring`` in the text, counted from 1; 0 when it is not there."""

    function = "STRPOS"
    result = INTEGER

    def __init__(self, expression: Any, substring: Any) -> None:
        super().__init__(expression, _text(substring))


class MD5(Transform):
    """The MD5 digest, in hexadecimal; no protection against anybody."""

    function = "MD5"
    lookup_name = "md5"
    result = TEXT


class SHA1(Transform):
    """The SHA-1 digest, in hexadecimal."""

    function = "SHA1"
    lookup_name = "sha1"
    result = TEXT


class SHA224(Transform):
    """The SHA-224 digest, in hexadecimal."""

    function = "SHA224"
    lookup_name = "sha224"
    result = TEXT


class SHA256(Transform):
    """The SHA-256 digest, in hexadecimal."""

    function = "SHA256"
    lookup_name = "sha256"
    result = TEXT


class SHA384(Transform):
    """The SHA-384 digest, in hexadecimal."""

    function = "SHA384"
    lookup_name = "sha384"
    result = TEXT


class SHA512(Transform):
    """The SHA-512 digest, in hexadecimal."""

    function = "SHA512"
    lookup_name = "sha512"
    result = TEXT


def _text(value: Any) -> Any:
    """Return a plain text as a value: in these places it is no field's name."""
    return Value(value) if isinstance(value, str) else value


def _positive(value: Any, name: str) -> Any:
    if isinstance(value, int) and value < 1:
        raise ValueError(f"{name} must be at least 1.")
    return value
