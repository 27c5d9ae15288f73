"""How PostgreSQL spells SQL: ``$1``, casts, arrays, ``unnest``, ``AT TIME ZONE``."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from covet.db.backends.postgresql.json_functions import JSON_FUNCTIONS
from covet.db.errors import NotSupportedError
from covet.db.sql.dialect import Convert, Dialect, FunctionSpelling, Write, json_text, json_value
from covet.db.sql.nodes import Bound, ColumnType, Func, Node, Param
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.db.backends.postgresql import texts
else:
    texts = late_module(__name__, "covet.db.backends.postgresql.texts")

__all__ = ["PostgreSQLDialect"]


def _concat(func: Func, write: Write) -> str:
    # Not CONCAT(), which counts as changing with the session: no generated column and no index may hold it.
    return f"({' || '.join(_text_part(arg, write) for arg in func.args)})"


def _text_part(arg: Node, write: Write) -> str:
    text = f"({write(arg)})::text"
    is_filled = (isinstance(arg, Bound) and arg.value is not None) or (isinstance(arg, Func) and arg.name == "COALESCE")
    return text if is_filled else f"COALESCE({text}, '')"


def _string_agg(func: Func, write: Write) -> str:
    value, separator = func.args if len(func.args) > 1 else (func.args[0], Bound(","))
    order = f" ORDER BY {', '.join(write(item) for item in func.order_by)}" if func.order_by else ""
    return f"STRING_AGG({'DISTINCT ' if func.distinct else ''}{write(value)}, {write(separator)}{order})"


def _hash(name: str) -> FunctionSpelling:
    return lambda func, write: f"ENCODE({name}(CONVERT_TO({write(func.args[0])}, 'UTF8')), 'hex')"


def _exact(name: str) -> FunctionSpelling:
    # PostgreSQL has these of exact numbers only, and a float is none; what the result becomes in Python the field says.
    def spell(func: Func, write: Write) -> str:
        first, *rest = func.args
        if name == "ROUND":
            return f"ROUND(({write(first)})::numeric, {write(rest[0])})" if rest else f"ROUND({write(first)})"
        return f"{name}({', '.join(f'({write(arg)})::numeric' for arg in func.args)})"

    return spell


def _moved(sign: str) -> FunctionSpelling:
    def spell(func: Func, write: Write) -> str:
        text = f"({write(func.args[0])} {sign} {write(func.args[1])})"
        # A date and an interval give a timestamp without zone.
        return f"{text}::timestamp with time zone" if func.type is not None and func.type.kind == "datetime" else text

    return spell


def _any_value(func: Func, write: Write) -> str:
    # The function of that name came with version 16.
    kept = f" FILTER (WHERE {write(func.filter)})" if func.filter is not None else ""
    return f"(ARRAY_AGG({write(func.args[0])}){kept})[1]"


def _uuid7(func: Func, write: Write) -> str:
    """Return a random UUID whose first six bytes are the time, and whose version is 7 (RFC 9562, section 5.7)."""
    moment = f"(CLOCK_TIMESTAMP() + {write(func.args[0])})" if func.args else "CLOCK_TIMESTAMP()"
    time = f"SUBSTRING(INT8SEND(FLOOR(EXTRACT(EPOCH FROM {moment}) * 1000)::bigint) FROM 3)"
    # A random UUID has version 4, 0100 in its 7th byte: two more bits make it 0111.
    bits = f"SET_BIT(SET_BIT(OVERLAY(UUID_SEND(GEN_RANDOM_UUID()) PLACING {time} FROM 1 FOR 6), 52, 1), 53, 1)"
    return f"ENCODE({bits}, 'hex')::uuid"


def _padded(name: str) -> FunctionSpelling:
    # The whole numbers of these functions are integers: a bigint parameter finds no function.
    def spell(func: Func, write: Write) -> str:
        first, number, *rest = func.args
        texts = [f"({write(first)})::text", f"({write(number)})::integer", *[write(arg) for arg in rest]]
        return f"{name}({', '.join(texts)})"

    return spell


def _substring(func: Func, write: Write) -> str:
    first, *rest = func.args
    return f"SUBSTRING({', '.join([f'({write(first)})::text', *[f'({write(arg)})::integer' for arg in rest]])})"


_PARTS = {
    "year": "YEAR",
    "iso_year": "ISOYEAR",
    "month": "MONTH",
    "day": "DAY",
    "week": "WEEK",
    "week_day": "DOW",
    "iso_week_day": "ISODOW",
    "quarter": "QUARTER",
    "hour": "HOUR",
    "minute": "MINUTE",
    "second": "SECOND",
}


@cache
def _length() -> re.Pattern[str]:
    # The length in ``varchar(10)[]``: a cast to it would cut values off silently.
    return re.compile(r"(?<=varchar)\(\d+\)")


_CLOCK = frozenset(("hour", "minute", "second"))
_UNITS = frozenset(("year", "quarter", "month", "week", "day")) | _CLOCK


def _uuid_of(func: Func, write: Write) -> str:
    """Return the UUID that a text spells as ``str(uuid)`` does, else NULL."""
    text = write(func.args[0])
    return f"CASE WHEN {text} ~ '^[0-9a-f]{{8}}-([0-9a-f]{{4}}-){{3}}[0-9a-f]{{12}}$' THEN {text}::uuid END"


def _integer_of(func: Func, write: Write) -> str:
    """Return the whole number that a text spells, else NULL; each test is made before what would fail without it."""
    text = write(func.args[0])
    fits = f"CASE WHEN {text}::numeric BETWEEN -9223372036854775808 AND 9223372036854775807 THEN {text}::bigint END"
    return f"CASE WHEN {text} ~ '^-?[0-9]{{1,18}}$' THEN {text}::bigint WHEN {text} ~ '^-?[0-9]{{19}}$' THEN {fits} END"


class PostgreSQLDialect(Dialect):
    """PostgreSQL 13 and later, through asyncpg."""

    vendor = "postgresql"
    explain_formats = ("text", "json", "xml", "yaml")
    explain_options = ("analyze", "buffers", "costs", "settings", "summary", "timing", "verbose", "wal")
    title = "PostgreSQL"
    max_params = 32767
    has_returning = True
    has_delete_returning = True
    has_update_returning = True
    has_array_any = True
    has_unnest_insert = True
    has_distinct_on = True
    has_covering_indexes = True
    has_deferrable_unique = True
    has_nulls_distinct = True
    reuses_placeholders = True
    plans_by_limit = True
    writes_filter_of = frozenset({"ANY_VALUE"})

    types: ClassVar = {
        "smallint": "smallint",
        "integer": "integer",
        "bigint": "bigint",
        "float": "double precision",
        "decimal": "numeric({precision}, {scale})",
        "boolean": "boolean",
        "char": "char({length})",
        "varchar": "varchar({length})",
        "text": "text",
        "date": "date",
        "time": "time",
        "datetime": "timestamp with time zone",
        "interval": "interval",
        "uuid": "uuid",
        "binary": "bytea",
        "json": "jsonb",
        "inet": "inet",
    }
    functions: ClassVar = {
        "NOW": lambda func, write: "STATEMENT_TIMESTAMP()",
        "ADD_INTERVAL": _moved("+"),
        "SUB_INTERVAL": _moved("-"),
        "TIMESTAMP_DIFF": lambda func, write: f"({write(func.args[0])} - {write(func.args[1])})",
        "CONCAT": _concat,
        "STRING_AGG": _string_agg,
        "ANY_VALUE": _any_value,
        "UUID4": "GEN_RANDOM_UUID",
        "UUID7": _uuid7,
        "UUID_OF": _uuid_of,
        "INTEGER_OF": _integer_of,
        "UUID_TEXT": lambda func, write: f"{write(func.args[0])}::text",
        "RANDOM": "RANDOM",
        "CHR": lambda func, write: f"CHR(({write(func.args[0])})::integer)",
        "ORD": "ASCII",
        "LOG": _exact("LOG"),
        "MOD": _exact("MOD"),
        "ROUND": _exact("ROUND"),
        "LPAD": _padded("LPAD"),
        "RPAD": _padded("RPAD"),
        "REPEAT": _padded("REPEAT"),
        "LEFT": _padded("LEFT"),
        "RIGHT": _padded("RIGHT"),
        "SUBSTRING": _substring,
        **JSON_FUNCTIONS,
        "SHA1": lambda func, write: f"ENCODE(DIGEST({write(func.args[0])}, 'sha1'), 'hex')",
        "SHA224": _hash("SHA224"),
        "SHA256": _hash("SHA256"),
        "SHA384": _hash("SHA384"),
        "SHA512": _hash("SHA512"),
    }

    def placeholder(self, number: int) -> str:
        """Return ``$n``."""
        return f"${number}"

    def type_sql(self, type: ColumnType) -> str:
        """Return the type; without a length or precision, the type that has no limit."""
        if type.kind == "varchar" and type.length is None:
            text = "varchar"
        elif type.kind == "decimal" and type.precision is None:
            text = "numeric"
        else:
            text = super().type_sql(type)
        return f"{text} COLLATE {self.quote(type.collation)}" if type.collation else text

    def cast_type(self, type: ColumnType) -> str:
        """Return the type for a cast, without a limit: an explicit cast would cut the text off silently."""
        if type.kind in ("char", "varchar"):
            return "text" if type.kind == "char" else "varchar"
        if type.kind == "postgresql" or type.spell is not None:
            return _length().sub("", super().type_sql(type))
        if type.kind == "decimal" and type.precision is None:
            return "numeric"
        return super().type_sql(type)

    def column_of_many(self, param: Param) -> Param:
        """Return arrays as texts: an array of arrays would come apart altogether, and takes those of one length only."""
        if param.type is None or param.type.kind != "postgresql" or not (param.type.sql or "").endswith("]"):
            return param
        adapt = param.adapt

        def text(value: Any) -> str | None:
            given = value if adapt is None or value is None else adapt(value)
            return None if given is None else texts.value_text(given)

        return Param(param.slot, text, ColumnType("text"), many=True)

    def cast(self, text: str, type: ColumnType) -> str:
        """Return ``(x)::type``; a length that the caller asked for is kept."""
        return f"({text})::{self.type_sql(type) if type.length is not None else self.cast_type(type)}"

    def cast_param(self, text: str, type: ColumnType) -> str:
        """Return ``$1::type``: PostgreSQL infers the type of a lone parameter from nothing."""
        kind = "numeric" if type.kind == "decimal" else self.cast_type(type)
        return f"{text}::{kind}" if kind else text

    def integer_limits(self, kind: str) -> tuple[int, int]:
        """Return the limits of the column itself: the parameter has its type, so that its index is used."""
        bits = {"smallint": 15, "integer": 31}.get(kind, 63)
        return -(2**bits), 2**bits - 1

    def adapter(self, type: ColumnType) -> Convert | None:
        """Return the adapter: asyncpg takes Python's own types, and JSON as text."""
        return _ADAPTERS.get(type.kind)

    def converter(self, type: ColumnType) -> Convert | None:
        """Return the converter: only JSON and addresses arrive as something else."""
        return _CONVERTERS.get(type.kind)

    def literal(self, value: object) -> str:
        """Return a constant; lists and ranges as PostgreSQL writes them."""
        if isinstance(value, list) or hasattr(value, "isempty"):
            return self.text_literal(texts.value_text(value))
        return super().literal(value)

    def bytes_literal(self, value: bytes) -> str:
        """Return bytes as PostgreSQL's hexadecimal text."""
        return f"'\\x{value.hex()}'::bytea"

    def text_literal(self, value: str) -> str:
        """Return a text in quotes, safe whatever ``standard_conforming_strings`` says."""
        text = super().text_literal(value)
        return "E" + text.replace("\\", "\\\\") if "\\" in value else text

    def binary(self, op: str, left: str, right: str) -> str:
        """Return the operation; ``^`` is the power and ``#`` the exclusive or, as here by nature."""
        return f"{left} {op} {right}"

    def match(self, kind: str, operand: Node, pattern: Node, write: Write) -> str:
        """Return a match; numbers and others are compared as text."""
        value = f"({write(operand)})::text"
        wanted = write(pattern)
        if kind == "like":
            return f"{value} LIKE {wanted}"
        if kind == "ilike":
            return f"UPPER({value}) LIKE UPPER({wanted})"
        if kind == "iexact":
            return f"UPPER({value}) = UPPER(({wanted})::text)"
        return f"{value} {'~*' if kind == 'iregex' else '~'} {wanted}"

    def explain_text(self, sql: str, format: str | None, options: Mapping[str, bool]) -> str:
        """Return ``EXPLAIN (…)``."""
        parts = [f"{name.upper()} {'TRUE' if value else 'FALSE'}" for name, value in options.items()]
        if format is not None:
            parts.append(f"FORMAT {format.upper()}")
        return f"EXPLAIN ({', '.join(parts)}) {sql}" if parts else f"EXPLAIN {sql}"

    def extract(self, part: str, args: Sequence[Node], write: Write) -> str:
        """Return ``EXTRACT``; days of the week count from Sunday = 1, as in Django."""
        value = self._in_zone(args, write)
        if part == "second":
            return f"FLOOR(EXTRACT(SECOND FROM {value}))::integer"
        text = f"EXTRACT({_PARTS[part]} FROM {value})::integer"
        return f"({text} + 1)" if part == "week_day" else text

    def truncate(self, unit: str, func: Func, write: Write) -> str:
        """Return ``DATE_TRUNC`` in the zone, as an aware datetime again."""
        value = self._in_zone(func.args, write)
        if unit in ("date", "time"):
            return f"({value})::{unit}"
        if unit not in _UNITS:
            raise NotSupportedError(f"Nothing can be truncated to '{unit}'.")
        kind = func.type.kind if func.type is not None else ""
        if kind == "date":
            return f"DATE_TRUNC('{unit}', {value})::date"
        if kind == "time":
            return f"DATE_TRUNC('{unit}', {value})::time"
        text = f"DATE_TRUNC('{unit}', {value})"
        if len(func.args) > 1 and unit in _CLOCK:
            # An hour that a change of the clock repeats has one name: only from the moment itself it can be told which.
            return f"({write(func.args[0])} - ({value} - {text}))"
        return f"({text} AT TIME ZONE {write(func.args[1])})" if len(func.args) > 1 else text

    def _in_zone(self, args: Sequence[Node], write: Write) -> str:
        value = write(args[0])
        return f"({value} AT TIME ZONE {write(args[1])})" if len(args) > 1 else value

    def json_path(self, operand: str, path: Sequence[str | int], *, as_text: bool) -> str:
        """Return ``#>`` or ``#>>``."""
        # Without steps it is the document itself, as text: a JSON text without its quotation marks.
        keys = ", ".join(self.text_literal(str(key)) for key in path)
        return f"({operand} {'#>>' if as_text else '#>'} ARRAY[{keys}]::text[])"


def _inet_text(value: Any) -> str | None:
    if value is None:
        return None
    # A host address prints without its prefix, as the fields expect it.
    if isinstance(value, (ipaddress.IPv4Interface, ipaddress.IPv6Interface)):
        if value.network.prefixlen != value.max_prefixlen:
            return str(value)
        value = value.ip
    if isinstance(value, ipaddress.IPv6Address) and value.ipv4_mapped is not None:
        # As the server itself prints it, and as the field spells it on the other databases.
        return f"::ffff:{value.ipv4_mapped}"
    return str(value)


_ADAPTERS: dict[str, Convert] = {"json": json_text}
_CONVERTERS: dict[str, Convert] = {"json": json_value, "inet": _inet_text}
