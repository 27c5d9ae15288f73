"""aiomysql's connection with another answer reader: the whole answer is cut out of the stream's buffer in one pass.

aiomysql awaits twice for each packet and decodes each value by a loop; here one function, generated for each set of
columns and kept by the bytes of their definitions, turns all rows of an answer into tuples (about a third of the CPU).
Handshake, log-in and TLS stay aiomysql's. Private parts used: ``Connection._reader``, ``_next_seq_id``,
``_close_on_cancel`` of aiomysql; ``StreamReader._buffer``, ``_wait_for_data``, ``_maybe_resume_transport`` of asyncio.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

import pymysql.err
from aiomysql.connection import Connection, MySQLResult
from pymysql.constants import CLIENT, FIELD_TYPE
from pymysql.converters import convert_timedelta
from pymysql.protocol import FieldDescriptorPacket, MysqlPacket, OKPacketWrapper

__all__ = ["Answer", "FastConnection", "MySQLResult"]

_BINARY_CHARSET = 63
_KEPT_LAYOUTS = 500
_FULL_PACKET = 0xFFFFFF
_SERVER_LOST = 2013
_NO_TLS = 2026
_HAS_NEXT = 8

_Connection: Any = Connection

Parse: TypeAlias = Callable[[bytes, int], list[tuple[Any, ...]]]


class Answer:
    """What came back for one statement, with the names that aiomysql's connection reads."""

    __slots__ = ("affected_rows", "field_count", "has_next", "insert_id", "rows", "server_status", "unbuffered_active")

    def __init__(self, rows: list[tuple[Any, ...]], affected: int, insert_id: int | None, status: int) -> None:
        self.rows = rows
        self.affected_rows = affected
        self.insert_id = insert_id
        self.server_status = status
        self.has_next = bool(status & _HAS_NEXT)
        self.unbuffered_active = False
        self.field_count = 0


class FastConnection(_Connection):  # type: ignore[misc]  # Any, since aiomysql is not typed
    """A connection whose buffered answers are read by ``read_answer``.

    Attributes:
        needs_tls: Nothing may be sent to a server that does not offer TLS.
    """

    needs_tls = False
    # For its ``__del__``, where ``__init__`` did not come so far.
    _writer: Any = None

    def __del__(self) -> None:
        # Of a loop that is closed nothing can be asked any more; aiomysql would print a traceback for each connection.
        if self._writer is not None and not self._loop.is_closed():
            super().__del__()

    async def _request_authentication(self) -> None:
        if self.needs_tls and not self.server_capabilities & CLIENT.SSL:
            # aiomysql would go on without a word, and send user, password and rows as anybody can read them.
            raise pymysql.err.OperationalError(_NO_TLS, "rejected SSL upgrade")
        await super()._request_authentication()

    @property
    def _stream_broken(self) -> bool:
        reader = self._reader
        return self._writer is None or reader._eof or reader._exception is not None

    async def _read_query_result(self, unbuffered: bool = False) -> None:
        if unbuffered:
            await super()._read_query_result(unbuffered=True)
            return
        self._result = None
        answer = await self.read_answer()
        self._result = answer
        self._affected_rows = answer.affected_rows
        self.server_status = answer.server_status

    async def read_answer(self) -> Answer:
        """Wait for the whole answer and parse it."""
        reader = self._reader
        buffer: bytearray = reader._buffer
        end = columns_end = ends = packets = 0
        continues = is_long = False
        try:
            while True:
                size = len(buffer)
                while end + 4 <= size:
                    length = buffer[end] | buffer[end + 1] << 8 | buffer[end + 2] << 16
                    if end + 4 + length > size:
                        break
                    start = end
                    end += 4 + length
                    packets += 1
                    if continues or length == _FULL_PACKET:
                        # A packet of 16 MiB goes on in the next one.
                        continues = length == _FULL_PACKET
                        is_long = True
                        continue
                    kind = buffer[start + 4]
                    if packets == 1 and kind in (0x00, 0xFF, 0xFB):
                        return self._take_short(end, buffer[start + 3])
                    if kind == 0xFF:
                        return self._take_error(end, start, buffer[start + 3])
                    if kind == 0xFE and length < 9:
                        ends += 1
                        if ends == 2:
                            return self._take_rows(end, columns_end, buffer[start + 3], is_long)
                        columns_end = start
                await self._wait_for_more(reader)
        except asyncio.CancelledError:
            self._close_on_cancel()
            raise

    async def _wait_for_more(self, reader: Any) -> None:
        if reader._exception is not None:
            self.close()
            raise pymysql.err.OperationalError(_SERVER_LOST, "Lost connection to MySQL server during query")
        if reader._eof:
            self.close()
            raise pymysql.err.OperationalError(_SERVER_LOST, "Lost connection to MySQL server during query")
        try:
            await reader._wait_for_data("read_answer")
        except OSError as error:
            self.close()
            message = f"Lost connection to MySQL server during query ({error})"
            raise pymysql.err.OperationalError(_SERVER_LOST, message) from error

    def _take(self, end: int, sequence: int) -> bytes:
        buffer: bytearray = self._reader._buffer
        data = bytes(memoryview(buffer)[:end])
        del buffer[:end]
        self._reader._maybe_resume_transport()
        self._next_seq_id = (sequence + 1) % 256
        return data

    def _take_short(self, end: int, sequence: int) -> Answer:
        """An answer of one packet: OK, or an error."""
        data = self._take(end, sequence)
        packet = MysqlPacket(data[4:], self._encoding)
        if packet.is_error_packet():
            packet.raise_for_error()
        if packet.is_load_local_packet():
            self.close()
            raise pymysql.err.NotSupportedError("LOAD DATA LOCAL is not offered")
        ok = OKPacketWrapper(packet)
        return Answer([], ok.affected_rows, ok.insert_id, ok.server_status)

    def _take_error(self, end: int, start: int, sequence: int) -> Answer:
        """An error after the columns: the statement was stopped while its rows were on the way."""
        data = self._take(end, sequence)
        MysqlPacket(data[start + 4 :], self._encoding).raise_for_error()
        raise AssertionError("an error packet raises")

    def _take_rows(self, end: int, columns_end: int, sequence: int, is_long: bool) -> Answer:
        data = self._take(end, sequence)
        status = int.from_bytes(data[end - 2 : end], "little")
        parse = _layout(data[:columns_end], self._encoding)
        start = columns_end + 4 + (data[columns_end] | data[columns_end + 1] << 8)
        if is_long:
            data, start = _joined(data, start), 0
        rows = parse(data, start)
        return Answer(rows, len(rows), None, status)


def _joined(data: bytes, start: int) -> bytes:
    """Return the row packets with those of 16 MiB and their continuations made one, under a header nobody reads."""
    out = bytearray()
    position = start
    continues = False
    while position < len(data):
        length = data[position] | data[position + 1] << 8 | data[position + 2] << 16
        body = data[position + 4 : position + 4 + length]
        out += body if continues else data[position : position + 4] + body
        continues = length == _FULL_PACKET
        position += 4 + length
    return bytes(out)


class _Layouts:
    """The generated parsers of this process, by the bytes of the column definitions."""

    def __init__(self) -> None:
        self.kept: dict[tuple[bytes, str], Parse] = {}


_layouts = _Layouts()


def _layout(definitions: bytes, encoding: str) -> Parse:
    parse = _layouts.kept.get((definitions, encoding))
    if parse is None:
        if len(_layouts.kept) >= _KEPT_LAYOUTS:
            _layouts.kept.clear()
        parse = _layouts.kept[definitions, encoding] = _generate(_columns(definitions, encoding), encoding)
    return parse


def _columns(definitions: bytes, encoding: str) -> list[Any]:
    # The first packet is the number of columns.
    position = 4 + definitions[0]
    columns = []
    while position < len(definitions):
        length = definitions[position] | definitions[position + 1] << 8 | definitions[position + 2] << 16
        columns.append(FieldDescriptorPacket(definitions[position + 4 : position + 4 + length], encoding))
        position += 4 + length
    return columns


def _generate(columns: list[Any], encoding: str) -> Parse:
    """Write the function that reads rows of these columns: lengths below 251, NULL and the rest, one value after another."""
    names: dict[str, Any] = {"long": _long_length}
    lines = [
        "def parse(b, p):",
        " out = []",
        " add = out.append",
        " while True:",
        "  n = b[p] | b[p + 1] << 8 | b[p + 2] << 16",
        "  p += 4",
        "  if n < 9 and b[p] == 254: return out",
    ]
    for i, column in enumerate(columns):
        value = _spell_value(i, column, encoding, names)
        lines += [
            "  n = b[p]",
            "  if n < 251:",
            "   p += 1; e = p + n",
            f"   v{i} = {value}",
            "   p = e",
            f"  elif n == 251: v{i} = None; p += 1",
            "  else:",
            "   n, p = long(b, p); e = p + n",
            f"   v{i} = {value}",
            "   p = e",
        ]
    lines.append(f"  add(({', '.join(f'v{i}' for i in range(len(columns)))},))")
    exec("\n".join(lines), names)  # noqa: S102  # numbers and our own names only
    return names["parse"]  # type: ignore[no-any-return]  # the function defined above


def _spell_value(i: int, column: Any, encoding: str, names: dict[str, Any]) -> str:
    convert = _CONVERT.get(column.type_code)
    if convert is not None:
        names[f"c{i}"] = convert
        return f"c{i}(b[p:e])"
    is_text = column.type_code == FIELD_TYPE.JSON or (
        column.type_code in _TEXT_TYPES and column.charsetnr != _BINARY_CHARSET
    )
    return f"str(b[p:e], {encoding!r})" if is_text else "b[p:e]"


def _long_length(b: bytes, p: int) -> tuple[int, int]:
    kind = b[p]
    if kind == 252:
        return b[p + 1] | b[p + 2] << 8, p + 3
    if kind == 253:
        return int.from_bytes(b[p + 1 : p + 4], "little"), p + 4
    return int.from_bytes(b[p + 1 : p + 9], "little"), p + 9


def _datetime(b: bytes) -> Any:
    text = str(b, "ascii")
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        return text


def _date(b: bytes) -> Any:
    text = str(b, "ascii")
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return text


def _decimal(b: bytes) -> Decimal:
    return Decimal(str(b, "ascii"))


def _time(b: bytes) -> Any:
    return convert_timedelta(str(b, "ascii"))


_CONVERT: dict[int, Callable[[bytes], Any]] = {
    FIELD_TYPE.TINY: int,
    FIELD_TYPE.SHORT: int,
    FIELD_TYPE.LONG: int,
    FIELD_TYPE.LONGLONG: int,
    FIELD_TYPE.INT24: int,
    FIELD_TYPE.YEAR: int,
    FIELD_TYPE.FLOAT: float,
    FIELD_TYPE.DOUBLE: float,
    FIELD_TYPE.DECIMAL: _decimal,
    FIELD_TYPE.NEWDECIMAL: _decimal,
    FIELD_TYPE.DATETIME: _datetime,
    FIELD_TYPE.TIMESTAMP: _datetime,
    FIELD_TYPE.DATE: _date,
    FIELD_TYPE.NEWDATE: _date,
    FIELD_TYPE.TIME: _time,
}
_TEXT_TYPES = frozenset(
    (
        FIELD_TYPE.BLOB,
        FIELD_TYPE.LONG_BLOB,
        FIELD_TYPE.MEDIUM_BLOB,
        FIELD_TYPE.TINY_BLOB,
        FIELD_TYPE.STRING,
        FIELD_TYPE.VAR_STRING,
        FIELD_TYPE.VARCHAR,
        FIELD_TYPE.ENUM,
        FIELD_TYPE.SET,
        FIELD_TYPE.GEOMETRY,
    )
)
