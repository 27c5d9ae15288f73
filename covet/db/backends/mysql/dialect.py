"""How MySQL and MariaDB spell SQL: back-ticks, ``%s``, ``ON DUPLICATE KEY``, no ``FILTER``, no partial indexes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

from covet import json
from covet.db.backends.mysql.json_functions import JSON_FUNCTIONS, functions_of
from covet.db.errors import NotSupportedError
from covet.db.sql.dialect import (
    INLINE,
    UTC,
    Convert,
    Dialect,
    FunctionSpelling,
    Inline,
    Write,
    interval_microseconds,
    json_text,
    json_value,
    microseconds_interval,
    naive_utc,
)
from covet.db.sql.nodes import Bound, ColumnType, Func, Node
from covet.db.sql.statements import Conflict, Lock

__all__ = ["MySQLDialect"]


def _string_agg(func: Func, write: Write) -> str:
    value, separator = func.args if len(func.args) > 1 else (func.args[0], Bound(","))
    if not isinstance(separator, Bound):
        raise NotSupportedError("MySQL's GROUP_CONCAT takes a constant separator only.")
    text = write(value)
    order = f" ORDER BY {', '.join(write(item) for item in func.order_by)}" if func.order_by else ""
    mark = "'" + str(separator.value).replace("\\", "\\\\").replace("'", "''").replace("%", "%%") + "'"
    return f"GROUP_CONCAT({'DISTINCT ' if func.distinct else ''}{text}{order} SEPARATOR {mark})"


def _sha2(bits: int) -> FunctionSpelling:
    return lambda func, write: f"SHA2({write(func.args[0])}, {bits})"


# The end of a UUID from its 14th digit on: three random digits, the variant (8 to b), fifteen random digits.
_RANDOM_END = "SUBSTR(HEX(RANDOM_BYTES(2)), 2), HEX(8 + FLOOR(RAND() * 4)), SUBSTR(HEX(RANDOM_BYTES(8)), 2)"


def _uuid7(func: Func, write: Write) -> str:
    """Return the time in milliseconds as twelve digits, the version, and random ones (RFC 9562, section 5.7)."""
    moment = "SYSDATE(6)"
    if func.args:
        moment = f"DATE_ADD({moment}, INTERVAL {write(func.args[0])} MICROSECOND)"
    time = f"LPAD(HEX(FLOOR(UNIX_TIMESTAMP({moment}) * 1000)), 12, '0')"
    return f"LOWER(CONCAT({time}, '7', {_RANDOM_END}))"


def _uuid_text_of(func: Func, write: Write) -> str:
    """Return the digits with the dashes of ``str(uuid)``; a column of MariaDB's own type has them already."""
    text = f"REPLACE({write(func.args[0])}, '-', '')"
    for place in (9, 14, 19, 24):
        text = f"INSERT({text}, {place}, 0, '-')"
    return text


def _uuid_of(func: Func, write: Write) -> str:
    """Return the digits of the UUID that a text spells as ``str(uuid)`` does, else NULL: a uuid column takes no other text."""
    text = write(func.args[0])
    return f"CASE WHEN {text} REGEXP '^[0-9a-f]{{8}}-([0-9a-f]{{4}}-){{3}}[0-9a-f]{{12}} *$' THEN REPLACE({text}, '-', '') END"


def _integer_of(func: Func, write: Write) -> str:
    """Return the whole number that a text spells, else NULL: a CAST of others is an error inside an UPDATE or DELETE.

    Spaces at the end count as little as where collations pad texts.
    """
    text = write(func.args[0])
    fits = f"CAST({text} AS DECIMAL(20)) BETWEEN -9223372036854775808 AND 9223372036854775807"
    return (
        f"CASE WHEN {text} REGEXP '^-?[0-9]{{1,18}} *$' THEN CAST({text} AS SIGNED) WHEN {text} REGEXP '^-?[0-9]{{19}} *$' "
        f"THEN CASE WHEN {fits} THEN CAST({text} AS SIGNED) END END"
    )


def _bits(name: str) -> FunctionSpelling:
    # For no rows these give all bits or none, and for all the greatest unsigned number.
    def spell(func: Func, write: Write) -> str:
        value = func.args[0]
        return f"CASE WHEN COUNT({write(value)}) > 0 THEN CAST({name}({write(value)}) AS SIGNED) END"

    return spell


def _shifted_right(func: Func, write: Write) -> str:
    # It shifts zeros into numbers that it takes for unsigned; of a negative one the complement is none.
    left, right = func.args
    negative = f"~(~{write(left)} >> {write(right)})"
    return f"CAST(CASE WHEN {write(left)} < 0 THEN {negative} ELSE {write(left)} >> {write(right)} END AS SIGNED)"


_EXTRACT: dict[str, Callable[[str], str]] = {
    "iso_year": lambda x: f"TRUNCATE(YEARWEEK({x}, 3), -2) / 100",
    "week": lambda x: f"WEEK({x}, 3)",
    "week_day": lambda x: f"DAYOFWEEK({x})",
    "iso_week_day": lambda x: f"WEEKDAY({x}) + 1",
}
_TRUNC = {
    "year": "%%Y-01-01 00:00:00",
    "month": "%%Y-%%m-01 00:00:00",
    "day": "%%Y-%%m-%%d 00:00:00",
    "hour": "%%Y-%%m-%%d %%H:00:00",
    "minute": "%%Y-%%m-%%d %%H:%%i:00",
    "second": "%%Y-%%m-%%d %%H:%%i:%%s",
}
_TRUNC_TIME = {"hour": "%%H:00:00", "minute": "%%H:%%i:00", "second": "%%H:%%i:%%s"}


class MySQLDialect(Dialect):
    """MariaDB 10.5 and later, MySQL 8.0 and later.

    Until a server has answered, nothing is taken for granted that only one of them can do.

    Args:
        version: The server's version, once it is known.
        is_mariadb: Whether it is MariaDB.
    """

    vendor = "mysql"
    explain_formats = ("traditional", "json", "tree")
    explain_options = ("analyze",)
    title = "MySQL"
    quote_char = "`"
    max_params = 1_000_000
    doubles_percent = True
    has_aggregate_filter = False
    has_nulls_order = False
    has_default_values = False
    has_conflict_target = False
    has_partial_indexes = False
    wraps_write_subqueries = True

    types: ClassVar = {
        "smallint": "smallint",
        "integer": "integer",
        "bigint": "bigint",
        "float": "double precision",
        "decimal": "numeric({precision}, {scale})",
        "boolean": "bool",
        "char": "char({length})",
        "varchar": "varchar({length})",
        "text": "longtext",
        "date": "date",
        "time": "time(6)",
        "datetime": "datetime(6)",
        "interval": "bigint",
        "uuid": "char(32)",
        "binary": "longblob",
        "json": "json",
        "inet": "char(39)",
    }
    casts: ClassVar = {
        "smallint": "signed integer",
        "integer": "signed integer",
        "bigint": "signed integer",
        "boolean": "signed integer",
        "interval": "signed integer",
        "float": "double",
        "char": "char",
        "varchar": "char",
        "text": "char",
        "uuid": "char(32)",
        "inet": "char(39)",
        "json": "char",
        "binary": "binary",
    }
    functions: ClassVar = {
        "NOW": lambda func, write: "CURRENT_TIMESTAMP(6)",
        "ADD_INTERVAL": lambda func, write: (
            f"DATE_ADD({write(func.args[0])}, INTERVAL {write(func.args[1])} MICROSECOND)"
        ),
        "SUB_INTERVAL": lambda func, write: (
            f"DATE_SUB({write(func.args[0])}, INTERVAL {write(func.args[1])} MICROSECOND)"
        ),
        "TIMESTAMP_DIFF": lambda func, write: (
            f"TIMESTAMPDIFF(MICROSECOND, {write(func.args[1])}, {write(func.args[0])})"
        ),
        "SHIFT_RIGHT": _shifted_right,
        "LENGTH": "CHAR_LENGTH",
        "CONCAT": lambda func, write: f"CONCAT_WS('', {', '.join(write(arg) for arg in func.args)})",
        "STRPOS": "INSTR",
        "RANDOM": "RAND",
        "CHR": lambda func, write: f"CHAR({write(func.args[0])} USING utf16)",
        "STRING_AGG": _string_agg,
        "ANY_VALUE": "MIN",
        "BIT_AND": _bits("BIT_AND"),
        "BIT_OR": _bits("BIT_OR"),
        "BIT_XOR": _bits("BIT_XOR"),
        "UUID4": lambda func, write: f"LOWER(CONCAT(HEX(RANDOM_BYTES(6)), '4', {_RANDOM_END}))",
        "UUID7": _uuid7,
        "UUID_OF": _uuid_of,
        "INTEGER_OF": _integer_of,
        "UUID_TEXT": _uuid_text_of,
        **JSON_FUNCTIONS,
        "SHA224": _sha2(224),
        "SHA256": _sha2(256),
        "SHA384": _sha2(384),
        "SHA512": _sha2(512),
    }

    def __init__(self, version: tuple[int, ...] = (), *, is_mariadb: bool = False) -> None:
        self.version = version
        self.is_mariadb = is_mariadb
        self.title = "MariaDB" if is_mariadb else "MySQL"
        self.own_functions = functions_of(is_mariadb=is_mariadb, version=version)
        if is_mariadb:
            self.has_returning = version >= (10, 5)
            self.has_delete_returning = version >= (10, 0, 5)
            self.has_skip_locked = version >= (10, 6)
            self.has_lock_of = False
            self.has_expression_indexes = False
            self.has_intersect = version >= (10, 3)
            self.has_outer_in_derived = False
        else:
            self.has_skip_locked = version >= (8, 0, 1)
            self.has_nowait = version >= (8, 0, 1)
            self.has_outer_in_derived = version >= (8, 0, 14)
            self.has_lock_of = version >= (8, 0, 1)
            self.has_expression_indexes = version >= (8, 0, 13)
            self.has_intersect = version >= (8, 0, 31)

    def placeholder(self, number: int) -> str:
        """Return ``%s``."""
        return "%s"

    def type_sql(self, type: ColumnType) -> str:
        """Return the type; positive integers are unsigned."""
        if type.kind == "varchar" and type.length is None:
            text = "longtext"
        elif type.kind == "decimal" and type.precision is None:
            text = "numeric(65, 30)"
        else:
            text = super().type_sql(type)
        if type.unsigned and type.kind in ("smallint", "integer", "bigint"):
            text += " UNSIGNED"
        return f"{text} COLLATE {self.quote(type.collation)}" if type.collation else text

    def cast_type(self, type: ColumnType) -> str:
        """Return one of the few types that ``CAST`` takes here."""
        if type.unsigned and type.kind in ("smallint", "integer", "bigint"):
            return "unsigned integer"
        if type.kind in ("char", "varchar") and type.length is not None:
            return f"char({type.length})"
        if type.kind == "decimal":
            return "decimal(65, 30)" if type.precision is None else f"decimal({type.precision}, {type.scale or 0})"
        return self.casts.get(type.kind) or self.type_sql(type)

    def adapter(self, type: ColumnType) -> Convert | None:
        """Return the adapter: naive UTC datetimes, whole microseconds, UUIDs as 32 digits, JSON as text."""
        return _ADAPTERS.get(type.kind)

    def converter(self, type: ColumnType) -> Convert | None:
        """Return the converter back to Python's types."""
        if type.kind == "datetime":
            _use_native_moments()
        return _CONVERTERS.get(type.kind)

    def text_literal(self, value: str) -> str:
        """Return a text in quotes with back-slashes escaped; statements without values take no doubled percent."""
        return "'" + value.replace("\\", "\\\\").replace("'", "''").replace("%", "%%") + "'"

    def binary(self, op: str, left: str, right: str) -> str:
        """Return the operation; the power and the concatenation are functions here."""
        if op == "^":
            return f"POW({left}, {right})"
        if op in "&|#<<":
            # The result is unsigned here: -2 would be 2 ** 64 - 2.
            return f"CAST(({left} {'^' if op == '#' else op} {right}) AS SIGNED)"
        if op == "||":
            return f"CONCAT({left}, {right})"
        return f"{left} {op} {right}"

    def match(self, kind: str, operand: Node, pattern: Node, write: Write) -> str:
        """Return a match: ``BINARY`` makes it case-sensitive, the collation decides the rest."""
        value = write(operand)
        wanted = write(pattern)
        if kind == "like":
            return f"{value} LIKE BINARY {wanted}"
        if kind == "ilike":
            return f"LOWER({value}) LIKE LOWER({wanted})"
        if kind == "iexact":
            return f"LOWER({value}) = LOWER({wanted})"
        if self.is_mariadb:
            return (
                f"{value} REGEXP CONCAT('(?i)', {wanted})"
                if kind == "iregex"
                else f"{value} REGEXP CONCAT('(?-i)', {wanted})"
            )
        return f"REGEXP_LIKE({value}, {wanted}, '{'i' if kind == 'iregex' else 'c'}')"

    def explain_text(self, sql: str, format: str | None, options: Mapping[str, bool]) -> str:
        """Return ``EXPLAIN``; MariaDB calls the one that runs the statement ``ANALYZE``."""
        word = "EXPLAIN"
        if options.get("analyze"):
            word = "ANALYZE" if self.is_mariadb else "EXPLAIN ANALYZE"
        if format is None or (self.is_mariadb and format.lower() != "json"):
            return f"{word} {sql}"
        return f"{word} FORMAT={format.upper()} {sql}"

    def extract(self, part: str, args: Sequence[Node], write: Write) -> str:
        """Return a part of a date or time in the zone."""
        value = self._in_zone(args, write)
        special = _EXTRACT.get(part)
        text = special(value) if special is not None else f"EXTRACT({part.upper()} FROM {value})"
        return f"CAST({text} AS signed integer)"

    def truncate(self, unit: str, func: Func, write: Write) -> str:
        """Return a date or time cut to the unit in the zone; datetimes come back as UTC."""
        if unit in ("quarter", "week"):
            # Reckoned by days from the day itself, so the value stands twice, with its parameters.
            first, second = self._in_zone(func.args, write), self._in_zone(func.args, write)
            text = (
                f"MAKEDATE(YEAR({first}), 1) + INTERVAL QUARTER({second}) QUARTER - INTERVAL 1 QUARTER"
                if unit == "quarter"
                else f"DATE({first}) - INTERVAL WEEKDAY({second}) DAY"
            )
            text = f"CAST({text} AS DATETIME(6))"
        elif unit in ("date", "time"):
            value = self._in_zone(func.args, write)
            return f"DATE({value})" if unit == "date" else f"TIME({value})"
        elif func.type is not None and func.type.kind == "time":
            return f"CAST(DATE_FORMAT({self._in_zone(func.args, write)}, '{_TRUNC_TIME[unit]}') AS TIME)"
        elif unit in _TRUNC:
            text = f"CAST(DATE_FORMAT({self._in_zone(func.args, write)}, '{_TRUNC[unit]}') AS DATETIME(6))"
        else:
            raise NotSupportedError(f"Nothing can be truncated to '{unit}'.")
        if func.type is not None and func.type.kind == "date":
            return f"DATE({text})"
        if len(func.args) > 1 and unit in _TRUNC_TIME:
            # An hour that a change of the clock repeats has one name: only from the moment itself it can be told which.
            rest = f"TIMESTAMPDIFF(MICROSECOND, {text}, {self._in_zone(func.args, write)})"
            return f"(INTERVAL -{rest} MICROSECOND + {write(func.args[0])})"
        return f"CONVERT_TZ({text}, {write(func.args[1])}, 'UTC')" if len(func.args) > 1 else text

    def _in_zone(self, args: Sequence[Node], write: Write) -> str:
        value = write(args[0])
        return f"CONVERT_TZ({value}, 'UTC', {write(args[1])})" if len(args) > 1 else value

    def json_path(self, operand: str, path: Sequence[str | int], *, as_text: bool) -> str:
        """Return ``JSON_EXTRACT``, unquoted for text."""
        steps = "".join(self._step(key) for key in path)
        text = f"JSON_EXTRACT({operand}, {self.text_literal('$' + steps)})"
        if not as_text:
            return text
        # MariaDB's JSON is text: the word null would become the text "null".
        return f"JSON_UNQUOTE(NULLIF({text}, 'null'))" if self.is_mariadb else f"JSON_UNQUOTE({text})"

    def _step(self, key: str | int) -> str:
        if not isinstance(key, int):
            return f".{_json_key(key)}"
        if key >= 0:
            return f"[{key}]"
        if self.is_mariadb:
            # It has them from 10.9 on, and forgets after the first row that they count from the end.
            raise NotSupportedError(f"MariaDB cannot count the places of a JSON list from its end ({key}).")
        return "[last]" if key == -1 else f"[last-{-key - 1}]"

    def limit(self, limit: str | None, offset: str | None) -> str:
        """Return ``LIMIT``; an offset alone needs the largest number before it."""
        if limit is None and offset is not None:
            limit = "18446744073709551615"
        return super().limit(limit, offset)

    def lock(self, lock: Lock) -> str:
        """Return the locking clause; there is no weaker lock for keys."""
        if lock.no_key:
            raise NotSupportedError(f"{self.title} has no FOR NO KEY UPDATE: leave out select_for_update(no_key=True).")
        return super().lock(lock)

    def conflict(self, conflict: Conflict, columns: Sequence[str]) -> str:
        """Return ``ON DUPLICATE KEY UPDATE``.

        Ignoring sets a column to itself: ``INSERT IGNORE`` would swallow wrong values and foreign keys as well.
        """
        if not conflict.update:
            name = self.quote(columns[0])
            return f" ON DUPLICATE KEY UPDATE {name} = {name}"
        pairs = ", ".join(f"{self.quote(name)} = VALUES({self.quote(name)})" for name in conflict.update)
        return f" ON DUPLICATE KEY UPDATE {pairs}"


def _json_key(key: str) -> str:
    return json.dumps(key).decode()


def _datetime(value: Any) -> Any:
    return naive_utc(value) if isinstance(value, dt.datetime) else value


def _aware(value: Any) -> Any:
    # A fifth of the time that value.replace(tzinfo=UTC) takes.
    return dt.datetime.combine(value, value.time(), UTC) if isinstance(value, dt.datetime) else value


def _time(value: Any) -> Any:
    if isinstance(value, dt.timedelta):
        return (dt.datetime.min + value).time()
    return value


def _uuid_text(value: Any) -> Any:
    return value.hex if isinstance(value, UUID) else value


def _uuid(value: Any) -> UUID | None:
    return None if value is None else UUID(value)


def _bool(value: Any) -> bool | None:
    return None if value is None else bool(value)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


_ADAPTERS: dict[str, Convert] = {
    "datetime": _datetime,
    "interval": interval_microseconds,
    "uuid": _uuid_text,
    "json": json_text,
    "inet": _text,
}
_CONVERTERS: dict[str, Convert] = {
    "datetime": _aware,
    "time": _time,
    "interval": microseconds_interval,
    "uuid": _uuid,
    "json": json_value,
    "boolean": _bool,
}
INLINE[_bool] = Inline("None if {v} is None else not not {v}", {})
INLINE[_aware] = _BY_CALLS = Inline(
    "combine({v}, time_of({v}), UTC) if {v}.__class__ is datetime else {call}",
    {"combine": dt.datetime.combine, "time_of": dt.datetime.time, "datetime": dt.datetime, "UTC": UTC},
)


def _use_native_moments() -> None:
    """Let generated code give moments their zone natively, where that half is there; it is loaded with the first of that code.

    The first connection would be too late: the statement that opens it has its code by then, and may keep it.
    """
    from covet import accel

    if accel.active()["in_utc"] == "rust":
        names = {**_BY_CALLS.names, "in_utc": accel.in_utc}
        INLINE[_aware] = Inline(_BY_CALLS.code, names, attempt="None if {v} is None else in_utc({v})")
