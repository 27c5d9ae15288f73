"""How SQLite spells SQL, and how values are stored: text for dates, UUIDs and JSON, integers for booleans.

Datetimes are ISO text in UTC with microseconds, so that comparing texts compares times. What SQLite has no function
for is written in Python (``functions``) and registered on every connection under a ``COVET_`` name.
"""

from __future__ import annotations

import datetime as dt
import re
import sqlite3
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from covet import json
from covet.db.backends.sqlite.json_functions import JSON_FUNCTIONS
from covet.db.errors import NotSupportedError
from covet.db.sql.dialect import (
    INLINE,
    UTC,
    Convert,
    Dialect,
    Inline,
    Write,
    interval_microseconds,
    json_text,
    json_value,
    microseconds_interval,
    naive_utc,
)
from covet.db.sql.nodes import Bound, ColumnType, Func, Node

__all__ = ["SQLiteDialect"]


def _concat(func: Func, write: Write) -> str:
    return f"({' || '.join(f'''COALESCE({write(arg)}, '')''' for arg in func.args)})"


def _left(func: Func, write: Write) -> str:
    return f"SUBSTR({write(func.args[0])}, 1, {write(func.args[1])})"


def _rounded(func: Func, write: Write) -> str:
    if len(func.args) == 1:
        return f"ROUND({write(func.args[0])})"
    # A negative number of places is none to its own function.
    value, places = func.args
    tens = f"WHEN {write(places)} < 0 THEN COVET_ROUND_TENS({write(value)}, {write(places)})"
    return f"(CASE {tens} ELSE ROUND({write(value)}, {write(places)}) END)"


def _uuid_text_of(func: Func, write: Write) -> str:
    """Return the 32 digits with the dashes of ``str(uuid)``."""
    text = write(func.args[0])
    parts = [f"SUBSTR({text}, {start}, {length})" for start, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))]
    dashed = " || '-' || ".join(parts)
    return f"({dashed})"


def _string_agg(func: Func, write: Write) -> str:
    value, separator = func.args if len(func.args) > 1 else (func.args[0], Bound(","))
    if func.distinct and not (isinstance(separator, Bound) and separator.value == ","):
        raise NotSupportedError("SQLite's GROUP_CONCAT(DISTINCT …) takes no separator but the comma.")
    text = f"DISTINCT {write(value)}" if func.distinct else f"{write(value)}, {write(separator)}"
    if func.order_by and sqlite3.sqlite_version_info < (3, 44):
        raise NotSupportedError(
            f"SQLite's GROUP_CONCAT takes an order from 3.44 on, and this is {sqlite3.sqlite_version}."
        )
    if func.order_by:
        text += f" ORDER BY {', '.join([write(item) for item in func.order_by])}"
    return f"GROUP_CONCAT({text})"


_UNITS = frozenset(("year", "quarter", "month", "week", "day", "hour", "minute", "second"))


class SQLiteDialect(Dialect):
    """SQLite 3.38 and later."""

    vendor = "sqlite"
    title = "SQLite"
    max_params = 32766
    has_returning = True
    has_delete_returning = True
    has_update_returning = True
    has_select_for_update = False
    has_compound_brackets = False
    has_row_in_values = False
    has_default_keyword = False
    reaches_out_in_order = False

    types: ClassVar = {
        "smallint": "smallint",
        "integer": "integer",
        "bigint": "bigint",
        "float": "real",
        "decimal": "decimal",
        "boolean": "bool",
        "char": "char({length})",
        "varchar": "varchar({length})",
        "text": "text",
        "date": "date",
        "time": "time",
        "datetime": "datetime",
        "interval": "bigint",
        "uuid": "char(32)",
        "binary": "BLOB",
        "json": "text",
        "inet": "char(39)",
    }
    casts: ClassVar = {
        "boolean": "integer",
        "decimal": "numeric",
        "date": "text",
        "time": "text",
        "datetime": "text",
        "char": "text",
        "varchar": "text",
        "uuid": "text",
        "inet": "text",
    }
    functions: ClassVar = {
        "NOW": lambda func, write: "(STRFTIME('%Y-%m-%d %H:%M:%f', 'now') || '000')",
        "ADD_INTERVAL": lambda func, write: f"COVET_MOVE({write(func.args[0])}, {write(func.args[1])})",
        "SUB_INTERVAL": lambda func, write: f"COVET_MOVE({write(func.args[0])}, -({write(func.args[1])}))",
        "TIMESTAMP_DIFF": "COVET_DIFF",
        "CONCAT": _concat,
        "STRPOS": "INSTR",
        "SUBSTRING": "SUBSTR",
        "LEFT": _left,
        "RIGHT": "COVET_RIGHT",
        "CHR": "CHAR",
        "ORD": "UNICODE",
        "ROUND": _rounded,
        "GREATEST": "MAX",
        "LEAST": "MIN",
        "RANDOM": "COVET_RANDOM",
        "STRING_AGG": _string_agg,
        "ANY_VALUE": "MIN",
        "UUID4": "COVET_UUID4",
        "UUID7": "COVET_UUID7",
        "UUID_OF": lambda func, write: f"REPLACE({write(func.args[0])}, '-', '')",
        "INTEGER_OF": lambda func, write: f"CAST({write(func.args[0])} AS integer)",
        "UUID_TEXT": _uuid_text_of,
        **JSON_FUNCTIONS,
        **{
            name: f"COVET_{name}"
            for name in [
                "LOG",
                "LPAD",
                "RPAD",
                "REPEAT",
                "REVERSE",
                "MD5",
                "SHA1",
                "SHA224",
                "SHA256",
                "SHA384",
                "SHA512",
                "ACOS",
                "ASIN",
                "ATAN",
                "ATAN2",
                "CEILING",
                "COS",
                "COT",
                "DEGREES",
                "EXP",
                "FLOOR",
                "LN",
                "MOD",
                "PI",
                "POWER",
                "RADIANS",
                "SIGN",
                "SIN",
                "SQRT",
                "TAN",
                "STDDEV_POP",
                "STDDEV_SAMP",
                "VAR_POP",
                "VAR_SAMP",
                "BIT_AND",
                "BIT_OR",
                "BIT_XOR",
            ]
        },
    }

    def placeholder(self, number: int) -> str:
        """Return ``?``."""
        return "?"

    def type_sql(self, type: ColumnType) -> str:
        """Return the type; a length is kept for other tools to read, SQLite itself ignores it."""
        if type.kind == "varchar" and type.length is None:
            text = "varchar"
        else:
            text = super().type_sql(type)
            if type.unsigned and type.kind in ("smallint", "integer", "bigint"):
                text += " unsigned"
        return f"{text} COLLATE {self.quote(type.collation)}" if type.collation else text

    def cast_type(self, type: ColumnType) -> str:
        """Return a type whose affinity is right for ``CAST``."""
        return self.casts.get(type.kind) or self.type_sql(ColumnType(type.kind, type.length, sql=type.sql))

    def cast(self, text: str, type: ColumnType) -> str:
        """Return the cast; to dates and times by their own functions, since they are texts here."""
        if type.kind == "datetime":
            return f"(STRFTIME('%Y-%m-%d %H:%M:%f', {text}) || '000')"
        if type.kind == "date":
            return f"DATE({text})"
        if type.kind == "time":
            return f"(STRFTIME('%H:%M:%f', {text}) || '000')"
        return super().cast(text, type)

    def adapter(self, type: ColumnType) -> Convert | None:
        """Return the adapter to what SQLite stores."""
        return _ADAPTERS.get(type.kind)

    def converter(self, type: ColumnType) -> Convert | None:
        """Return the converter back; decimals get the digits that their column declares."""
        if type.kind == "decimal" and type.scale is not None:
            return _decimal_of_scale(type.scale)
        if type.kind == "datetime":
            _use_native_moments()
        return _CONVERTERS.get(type.kind)

    def bool_literal(self, value: bool) -> str:
        """Return 1 or 0."""
        return "1" if value else "0"

    def binary(self, op: str, left: str, right: str) -> str:
        """Return the operation; SQLite has no power and no exclusive or."""
        if op == "^":
            return f"COVET_POWER({left}, {right})"
        if op == "#":
            return f"COVET_XOR({left}, {right})"
        return f"{left} {op} {right}"

    def match(self, kind: str, operand: Node, pattern: Node, write: Write) -> str:
        r"""Return a match; ``LIKE`` ignores the case of ASCII letters, with or without the ``i``."""
        value = write(operand)
        wanted = write(pattern)
        if kind in ("like", "ilike"):
            return f"{value} LIKE {wanted} ESCAPE '\\'"
        if kind == "iexact":
            return f"{value} = {wanted} COLLATE NOCASE"
        return f"{value} REGEXP {wanted}" if kind == "regex" else f"{value} REGEXP ('(?i)' || {wanted})"

    def explain_text(self, sql: str, format: str | None, options: Mapping[str, bool]) -> str:
        """Return ``EXPLAIN QUERY PLAN``."""
        return f"EXPLAIN QUERY PLAN {sql}"

    def extract(self, part: str, args: Sequence[Node], write: Write) -> str:
        """Return a part of a date or time by a function of our own, which knows the zones."""
        return f"COVET_EXTRACT('{part}', {', '.join([write(arg) for arg in args])})"

    def truncate(self, unit: str, func: Func, write: Write) -> str:
        """Return a date or time cut to the unit by a function of our own."""
        if unit not in _UNITS and unit not in ("date", "time"):
            raise NotSupportedError(f"Nothing can be truncated to '{unit}'.")
        kind = func.type.kind if func.type is not None else ""
        return f"COVET_TRUNC('{unit}', '{kind}', {', '.join([write(arg) for arg in func.args])})"

    def json_path(self, operand: str, path: Sequence[str | int], *, as_text: bool) -> str:
        """Return ``->``; as text by a function of our own, since ``->>`` makes 1 of ``true``."""
        if any(isinstance(key, str) and _NO_PATH.search(key) for key in path):
            text = f"COVET_JSON_AT({operand}, {self.text_literal(json.dumps(list(path)).decode())})"
        else:
            steps = "".join(_step(key) if isinstance(key, int) else f'."{key}"' for key in path)
            text = f"({operand} -> {self.text_literal('$' + steps)})"
        return f"COVET_JSON_TEXT({text})" if as_text else text

    def limit(self, limit: str | None, offset: str | None) -> str:
        """Return ``LIMIT``; an offset alone needs ``-1`` before it."""
        if limit is None and offset is not None:
            limit = "-1"
        return super().limit(limit, offset)


# What a key in a document is written with a backslash for; paths know no backslashes.
_NO_PATH = re.compile(r'["\\\x00-\x1f]')


def _step(place: int) -> str:
    return f"[{place}]" if place >= 0 else f"[#{place}]"


# "2024-01-01 12:00:00.000000"
_WRITTEN = 26


def _datetime_text(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return naive_utc(value).isoformat(" ", "microseconds")
    return value


def _date_text(value: Any) -> Any:
    return value.isoformat()[:10] if isinstance(value, dt.date) else value


def _time_text(value: Any) -> Any:
    return value.replace(tzinfo=None).isoformat("microseconds") if isinstance(value, dt.time) else value


def _datetime(value: Any) -> Any:
    if value is None:
        return None
    if len(value) == _WRITTEN:
        try:
            # As we write it: read with the zone at once it takes a fifth of the time.
            return dt.datetime.fromisoformat(value + "+00:00")
        except ValueError:
            pass  # another text of that length
    found = dt.datetime.fromisoformat(value)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _date(value: Any) -> Any:
    return None if value is None else dt.date.fromisoformat(value[:10])


def _time(value: Any) -> Any:
    return None if value is None else dt.time.fromisoformat(value)


def _decimal_text(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value


def _decimal(value: Any) -> Decimal | None:
    # repr of a float is the shortest text that reads back as the same number: 0.1, never 0.1000000000000000055.
    return None if value is None else Decimal(repr(value) if isinstance(value, float) else value)


def _decimal_of_scale(scale: int) -> Convert:
    step = Decimal(1).scaleb(-scale)

    def convert(value: Any) -> Decimal | None:
        found = _decimal(value)
        if found is None or not found.is_finite() or found.adjusted() + scale > 26:
            return found
        return found.quantize(step)

    return convert


def _uuid_text(value: Any) -> Any:
    return value.hex if isinstance(value, UUID) else value


def _uuid(value: Any) -> UUID | None:
    return None if value is None else UUID(value)


def _bool(value: Any) -> bool | None:
    return None if value is None else bool(value)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


_ADAPTERS: dict[str, Convert] = {
    "datetime": _datetime_text,
    "date": _date_text,
    "time": _time_text,
    "decimal": _decimal_text,
    "interval": interval_microseconds,
    "uuid": _uuid_text,
    "json": json_text,
    "inet": _text,
}
_CONVERTERS: dict[str, Convert] = {
    "datetime": _datetime,
    "date": _date,
    "time": _time,
    "decimal": _decimal,
    "interval": microseconds_interval,
    "uuid": _uuid,
    "json": json_value,
    "boolean": _bool,
}
INLINE[_bool] = Inline("None if {v} is None else not not {v}", {})
# A text with a zone of its own has two then, which is an error; after a date alone it would be taken for the time.
INLINE[_datetime] = Inline(
    "{call}",
    {"moment": dt.datetime.fromisoformat},
    attempt='None if {v} is None else moment({v} + "+00:00") if len({v}) > 10 else {call}',
)


def _use_native_moments() -> None:
    """Let generated code read moments natively, where the native half is there; it is loaded with the first of that code.

    The first connection would be too late: the statement that opens it has its code by then, and keeps it.
    """
    from covet import accel

    if accel.active()["read_moment"] == "rust":
        names = {"moment": accel.read_moment}
        INLINE[_datetime] = Inline("{call}", names, attempt="None if {v} is None else moment({v})")
