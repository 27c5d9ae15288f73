"""What differs between databases when SQL is written: quoting, placeholders, types, functions, abilities.

A dialect is a value without a connection, so that SQL can be compiled and compared without a database. Logical
function names that every dialect spells its own way: ``NOW LENGTH CONCAT STRPOS SUBSTRING LEFT RIGHT CHR ORD GREATEST
LEAST RANDOM LOG LPAD RPAD REPEAT REVERSE MD5 SHA1 SHA224 SHA256 SHA384 SHA512 STRING_AGG STDDEV_POP STDDEV_SAMP
VAR_POP VAR_SAMP``, ``EXTRACT_<part>(x[, zone])`` (year, iso_year, month, day, week, week_day, iso_week_day, quarter,
hour, minute, second), ``TRUNC_<unit>(x[, zone])`` (year, quarter, month, week, day, hour, minute, second, and date and
time, which cast), ``JSON_EQUAL JSON_GT JSON_GTE JSON_LT JSON_LTE`` (by value, of one kind), ``JSON_HOLDS JSON_HELD_BY``
(containment), ``JSON_HAS_KEY JSON_HAS_KEYS JSON_HAS_ANY_KEYS``, ``JSON_CANONICAL`` (equal documents are equal values),
``JSON_OF`` (a value as a document), ``JSON_ORDER``. Any other name is written as it is.
"""

from __future__ import annotations

import datetime as dt
import json as stdlib_json
import re
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from msgspec import Struct, msgpack, to_builtins

from covet import json
from covet.db.errors import NotSupportedError, UnfitValue
from covet.db.sql.nodes import ColumnType, Func, Node, Param

if TYPE_CHECKING:
    from covet.db.sql.statements import Conflict, Lock

__all__ = [
    "AS_IS",
    "INLINE",
    "Convert",
    "Dialect",
    "FunctionSpelling",
    "Inline",
    "RawJSON",
    "Write",
    "escape_like",
    "unsupported",
]

Convert: TypeAlias = Callable[[Any], Any]
Write: TypeAlias = Callable[[Node], str]
FunctionSpelling: TypeAlias = "str | Callable[[Func, Write], str]"

UTC = dt.UTC


class Inline(Struct, frozen=True):
    """How generated code writes a converter out, for each row of a result: half of what a call takes.

    Attributes:
        code: An expression with ``{v}`` for the name of the value, and ``{call}`` for the call of the converter.
        names: What else the expression names.
        attempt: Where a statement can stand, an expression like ``code`` that is cheaper still, and raises ``ValueError`` for what
            only the converter understands.
    """

    code: str
    names: dict[str, Any]
    attempt: str = ""


#: Converters that are written out.
INLINE: dict[Convert, Inline] = {}

#: Adapters that are methods, as plain functions, and of which class a value is that they return unchanged, as they do ``None``:
#: generated code then does without the call.
AS_IS: dict[Callable[..., Any], type[Any]] = {}


class RawJSON(str):
    """A JSON text that is already encoded: the adapter of JSON columns passes it on."""

    __slots__ = ()


def escape_like(text: str) -> str:
    r"""Return the text with ``\``, ``%`` and ``_`` escaped, so that ``LIKE`` takes them as they are."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def unsupported(what: str, dialect: Dialect) -> NotSupportedError:
    """Return the error for something that this database cannot say."""
    return NotSupportedError(f"{dialect.title} cannot do this: {what}.")


class Dialect(ABC):
    """The shared half of all dialects; each database's subclass overrides what it spells differently."""

    vendor: ClassVar[str] = ""
    title: str = ""
    quote_char: ClassVar[str] = '"'
    #: Values of one statement; SQLite's is that of the library, read from a connection.
    max_params: int = 32767
    # The compiled text goes through the ``%`` operator with the values, so a literal % is doubled.
    doubles_percent: ClassVar[bool] = False
    types: ClassVar[Mapping[str, str]] = {}
    functions: ClassVar[Mapping[str, FunctionSpelling]] = {}
    #: Spellings that hang on the server's version; they go before ``functions``.
    own_functions: Mapping[str, FunctionSpelling] = {}
    extract_parts: ClassVar[frozenset[str]] = frozenset(
        ["year", "iso_year", "month", "day", "week", "week_day", "iso_week_day", "quarter", "hour", "minute", "second"]
    )

    # Abilities; those that hang on the server's version are set on the instance.
    has_returning: bool = False
    has_delete_returning: bool = False
    has_update_returning: bool = False
    has_array_any: bool = False
    has_unnest_insert: bool = False
    has_distinct_on: bool = False
    has_aggregate_filter: bool = True
    has_nulls_order: bool = True
    has_outer_in_derived: bool = True
    #: A query in ORDER BY reads the columns of all queries around it, and not only of the nearest.
    reaches_out_in_order: bool = True
    has_select_for_update: bool = True
    has_skip_locked: bool = True
    has_nowait: bool = True
    has_lock_of: bool = True
    has_default_values: bool = True
    has_default_keyword: bool = True
    has_compound_brackets: bool = True
    has_row_in_values: bool = True
    has_intersect: bool = True
    has_conflict_target: bool = True
    has_partial_indexes: bool = True
    has_expression_indexes: bool = True
    has_covering_indexes: bool = False
    has_deferrable_unique: bool = False
    has_nulls_distinct: bool = False
    reuses_placeholders: bool = False
    wraps_write_subqueries: bool = False
    plans_by_limit: bool = False
    #: Aggregates whose spelling holds its own FILTER.
    writes_filter_of: frozenset[str] = frozenset()

    def quote(self, name: str) -> str:
        """Return an identifier in quotes; a schema prefix is written as two quoted parts by the caller."""
        mark = self.quote_char
        if not name or "\x00" in name:
            raise NotSupportedError(f"{name!r} cannot be the name of a table or column: it is empty or holds a NUL.")
        text = f"{mark}{name.replace(mark, mark * 2)}{mark}"
        return text.replace("%", "%%") if self.doubles_percent else text

    @abstractmethod
    def placeholder(self, number: int) -> str:
        """Return the mark of the value that is bound as the ``number``-th, from 1."""

    def type_sql(self, type: ColumnType) -> str:
        """Return the type as a column definition spells it."""
        if type.spell is not None:
            return type.spell(self)
        if type.kind == "custom":
            return type.sql or ""
        if type.kind == "postgresql":
            if self.vendor != "postgresql":
                raise unsupported(f"a column of type {type.sql}, which only PostgreSQL has", self)
            return type.sql or ""
        return self.types[type.kind].format(
            length=type.length,
            precision=type.precision,
            scale=type.scale if type.scale is not None else 0,
        )

    def cast_type(self, type: ColumnType) -> str:
        """Return the type as ``CAST`` takes it: without a length, so that nothing is cut off silently."""
        return self.type_sql(type)

    def cast(self, text: str, type: ColumnType) -> str:
        """Return a cast of a finished expression."""
        return f"CAST({text} AS {self.cast_type(type)})"

    def cast_param(self, text: str, type: ColumnType) -> str:
        """Return the placeholder with the cast that the database needs where it cannot infer the type."""
        return text

    def column_of_many(self, param: Param) -> Param:
        """Return the values of one column of many rows as the database takes them in one array."""
        return param

    def integer_limits(self, kind: str) -> tuple[int, int]:
        """Return the least and the greatest number that can be compared with a column of whole numbers.

        Args:
            kind: ``smallint``, ``integer`` or ``bigint``.
        """
        # Beyond this servers know no whole numbers. Columns that are narrower can be compared with wider numbers.
        return -(2**63), 2**63 - 1

    def type_of(self, value: object) -> ColumnType | None:
        """Return the column type that a bare Python value has, or ``None`` when it says nothing."""
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and not -(2**31) <= value < 2**31:
            return _BIGINT if -(2**63) <= value < 2**63 else _DECIMAL
        return next((found for python, found in _PYTHON_TYPES if isinstance(value, python)), None)

    def adapter(self, type: ColumnType) -> Convert | None:
        """Return what turns a Python value into the driver's, or ``None`` when the driver takes it as it is."""
        return None

    def converter(self, type: ColumnType) -> Convert | None:
        """Return what turns the driver's value into the Python value, or ``None`` when it is that already.

        A converter accepts ``None`` and returns it, so that callers need no test.
        """
        return None

    def text_adapter(self, value: object) -> Convert | None:
        """Return the adapter for a constant that has no declared type, by its Python type."""
        found = self.type_of(value)
        return None if found is None else self.adapter(found)

    def literal(self, value: object) -> str:
        """Return a constant as SQL text, for the places that take no parameters: defaults, checks, indexes."""
        if value is None:
            return "NULL"
        if isinstance(value, bool):
            return self.bool_literal(value)
        if isinstance(value, (int, float, Decimal)):
            return str(value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return self.bytes_literal(bytes(value))
        adapt = self.text_adapter(value)
        return self.text_literal(str(adapt(value) if adapt is not None else value))

    def bool_literal(self, value: bool) -> str:
        """Return ``TRUE`` or ``FALSE`` as columns of this database hold them."""
        return "TRUE" if value else "FALSE"

    def bytes_literal(self, value: bytes) -> str:
        """Return bytes as SQL text."""
        return f"X'{value.hex()}'"

    def text_literal(self, value: str) -> str:
        """Return a text in quotes."""
        return "'" + value.replace("'", "''") + "'"

    @abstractmethod
    def match(self, kind: str, operand: Node, pattern: Node, write: Write) -> str:
        """Return a text match; see ``nodes.Match`` for the kinds."""

    def binary(self, op: str, left: str, right: str) -> str:
        """Return an infix operation of two finished expressions."""
        return f"{left} {op} {right}"

    def function(self, func: Func, write: Write) -> str | None:
        """Return the whole call where this database spells it its own way, else ``None``."""
        name = func.name.upper()
        spelling = self.own_functions.get(name) or self.functions.get(name)
        if spelling is None:
            if name.startswith("EXTRACT_"):
                part = name[8:].lower()
                if part not in self.extract_parts:
                    raise NotSupportedError(
                        f"There is no date part '{part}'. Known: {', '.join(sorted(self.extract_parts))}."
                    )
                return self.extract(part, func.args, write)
            if name.startswith("TRUNC_"):
                return self.truncate(name[6:].lower(), func, write)
            return None
        if isinstance(spelling, str):
            return None
        return spelling(func, write)

    def function_name(self, name: str) -> str:
        """Return the name that this database gives to a logical function."""
        spelling = self.own_functions.get(name.upper()) or self.functions.get(name.upper())
        return spelling if isinstance(spelling, str) else name

    @abstractmethod
    def extract(self, part: str, args: Sequence[Node], write: Write) -> str:
        """Return a part of a date or time; ``args`` are the value and, for datetimes, the zone's name."""

    @abstractmethod
    def truncate(self, unit: str, func: Func, write: Write) -> str:
        """Return a date or time cut to a unit; ``date`` and ``time`` cast to those types."""

    @abstractmethod
    def json_path(self, operand: str, path: Sequence[str | int], *, as_text: bool) -> str:
        """Return the value at a path of a JSON document, as JSON or as text; the path is part of the shape."""

    def limit(self, limit: str | None, offset: str | None) -> str:
        """Return the ``LIMIT`` clause with a leading space, or nothing."""
        text = f" LIMIT {limit}" if limit is not None else ""
        return text + (f" OFFSET {offset}" if offset is not None else "")

    def lock(self, lock: Lock) -> str:
        """Return the locking clause with a leading space; nothing where rows cannot be locked."""
        if not self.has_select_for_update:
            return ""
        for wanted, has, what in (
            (lock.skip_locked, self.has_skip_locked, "select_for_update(skip_locked=True)"),
            (lock.nowait, self.has_nowait, "select_for_update(nowait=True)"),
            (bool(lock.of), self.has_lock_of, "select_for_update(of=…)"),
        ):
            if wanted and not has:
                raise unsupported(what, self)
        text = " FOR NO KEY UPDATE" if lock.no_key and self.vendor == "postgresql" else " FOR UPDATE"
        if lock.of:
            text += " OF " + ", ".join(self.quote(name) for name in lock.of)
        if lock.nowait:
            return text + " NOWAIT"
        return text + " SKIP LOCKED" if lock.skip_locked else text

    def conflict(self, conflict: Conflict, columns: Sequence[str]) -> str:
        """Return the clause that ignores or updates rows that exist, with a leading space."""
        targets = f" ({', '.join(self.quote(name) for name in conflict.targets)})" if conflict.targets else ""
        if not conflict.update:
            return f" ON CONFLICT{targets} DO NOTHING"
        pairs = ", ".join(f"{self.quote(name)} = EXCLUDED.{self.quote(name)}" for name in conflict.update)
        return f" ON CONFLICT{targets} DO UPDATE SET {pairs}"

    #: What ``explain`` takes; both are checked against these lists, since they become part of the text.
    explain_formats: ClassVar[tuple[str, ...]] = ()
    explain_options: ClassVar[tuple[str, ...]] = ()

    def explain(self, sql: str, format: str | None, options: Mapping[str, bool]) -> str:
        """Return the statement that tells the database's plan for ``sql``.

        Raises:
            ValueError: This database does not know the format or an option.
        """
        if format is not None and format.lower() not in self.explain_formats:
            known = ", ".join(self.explain_formats) or "none"
            raise ValueError(f"{self.title} does not know the format {format!r} of explain(). Formats: {known}.")
        for option in options:
            if option.lower() not in self.explain_options:
                known = ", ".join(self.explain_options) or "none"
                raise ValueError(f"{self.title} does not know the option {option!r} of explain(). Options: {known}.")
        return self.explain_text(sql, format, {name.lower(): bool(value) for name, value in options.items()})

    def explain_text(self, sql: str, format: str | None, options: Mapping[str, bool]) -> str:
        """Return the text of ``explain``; format and options are known ones."""
        return f"EXPLAIN {sql}"

    def from_format(self, sql: str) -> str:
        """Return SQL written with ``%s`` places with this driver's placeholders instead; ``%%`` is one ``%``."""
        pieces = sql.split("%s")
        if self.doubles_percent:
            return sql
        out = [pieces[0].replace("%%", "%")]
        for number, piece in enumerate(pieces[1:], 1):
            out += [self.placeholder(number), piece.replace("%%", "%")]
        return "".join(out)


_BIGINT = ColumnType("bigint")
_DECIMAL = ColumnType("decimal")
# bool before int, datetime before date: the first that fits counts.
_PYTHON_TYPES: tuple[tuple[type[Any], ColumnType], ...] = (
    (bool, ColumnType("boolean")),
    (int, ColumnType("integer")),
    (float, ColumnType("float")),
    (Decimal, _DECIMAL),
    (str, ColumnType("text")),
    (bytes, ColumnType("binary")),
    (dt.datetime, ColumnType("datetime")),
    (dt.date, ColumnType("date")),
    (dt.time, ColumnType("time")),
    (dt.timedelta, ColumnType("interval")),
    (uuid.UUID, ColumnType("uuid")),
    (dict, ColumnType("json")),
    (list, ColumnType("json")),
)


def json_text(value: Any) -> str | None:
    """Return a Python value as JSON text; ``RawJSON`` and ``None`` pass.

    Raises:
        ValueError: A float in it is no number that JSON has.
    """
    if value is None or value.__class__ is RawJSON:
        return value
    text = json.dumps(value).decode()
    if "null" in text and _may_hold_no_number(value):
        # A NaN or an infinity may have become one: other programs expect that of an answer, and a document that is kept
        # would have lost it without a word.
        try:
            stdlib_json.dumps(to_builtins(value, str_keys=True, enc_hook=json.encode_other), allow_nan=False)
        except ValueError:
            raise ValueError(
                f"NaN and infinities cannot be kept as JSON, and would be read back as None: {value!r:.80}"
            ) from None
    return text


def _may_hold_no_number(value: Any) -> bool:
    """Whether a NaN or an infinity may be in a value: told by its bytes in another form, in a sixth of the time."""
    try:
        packed = msgpack.encode(value, enc_hook=json.encode_other)
    except (TypeError, ValueError, OverflowError):
        return True  # that form has bounds that JSON has not, such as whole numbers of more than 64 bits
    return _no_number().search(packed) is not None


@cache
def _no_number() -> re.Pattern[bytes]:
    # A float whose exponent is all ones. In no text stand such bytes; in whole numbers they may.
    return re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]", re.DOTALL)


def json_value(text: Any) -> Any:
    """Return the Python value of a JSON text; ``None`` passes."""
    return None if text is None else json.loads(text)


def naive_utc(value: dt.datetime) -> dt.datetime:
    """Return a datetime in UTC without its zone; a naive one is taken as UTC."""
    if value.tzinfo is None:
        return value
    try:
        return value.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        raise UnfitValue(f"{value} lies beyond the years 1 to 9999 in UTC, in which moments are kept.") from None


_MICROSECOND = dt.timedelta(microseconds=1)


def interval_microseconds(value: Any) -> Any:
    """Return a timedelta as whole microseconds, for databases without an interval type."""
    return value // _MICROSECOND if isinstance(value, dt.timedelta) else value


def microseconds_interval(value: Any) -> dt.timedelta | None:
    """Return whole microseconds as a timedelta."""
    return None if value is None else dt.timedelta(microseconds=int(value))
