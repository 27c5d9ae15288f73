"""asyncmy's answers without its reading of their columns: what it has found out of a statement once serves the next time.

asyncmy makes objects of all columns for every answer, which is more than the rows of a small one take. The definitions come as
the same bytes each time, so what turns values into Python is kept by these; the rows themselves are read by asyncmy's own
functions. Private parts used: ``Connection._proto``, ``_next_seq_id``, ``_deprecate_eof``, ``_encoding``, ``_fill_buffer``,
``_read_query_result``, ``_result``; ``_MySQLProtocol._loop``; ``MySQLResult._check_packet_is_eof``.
"""

from __future__ import annotations

import asyncio
from typing import Any

from asyncmy.connection import MySQLResult
from asyncmy.protocol import parse_rows_from_buffer, skip_packets_from_buffer

from covet.db.backends.direct import Gate, Prompt, loop_for

__all__ = ["connect", "read_answer"]

_KEPT_LAYOUTS = 500
# More columns than this take a length of several bytes.
_FEW_COLUMNS = 250

# By encoding and definitions: the converters that asyncmy has chosen.
_layouts: dict[tuple[str, bytes], tuple[Any, ...]] = {}


async def connect(raw: Any) -> None:
    """Connect and log in; from then on a task goes on where its answer is read, not in another turn of the loop.

    ``buffer_updated`` of asyncmy's protocol gives its waiter the result when it has done everything else.
    """
    await raw.connect()
    raw._proto._loop = loop_for(Gate(asyncio.get_running_loop()), Prompt)


async def read_answer(raw: Any) -> None:
    """Read the answer to a statement into ``raw._result``, as the connection's own method does."""
    proto = raw._proto
    raw._result = None
    if proto.length - proto.pos < 4:
        await raw._fill_buffer(4)
    buffer, start = proto.buffer, proto.pos
    key: tuple[str, bytes] | None = None
    if buffer[start] == 1 and not buffer[start + 1] and not buffer[start + 2] and proto.length - start > 4:
        # One byte alone is the number of columns: no error, nor the short answer to a statement without rows.
        count = buffer[start + 4]
        packets = 1 + count + (not raw._deprecate_eof)
        end, sequence, found = skip_packets_from_buffer(buffer, start, proto.length, raw._next_seq_id, packets)
        if found == packets and count <= _FEW_COLUMNS:
            key = (raw._encoding, bytes(memoryview(buffer)[start:end]))
            converters = _layouts.get(key)
            if converters is not None:
                proto.pos = end
                await _read_rows(raw, proto, converters, sequence)
                return
    await raw._read_query_result()
    if key is not None:
        if len(_layouts) >= _KEPT_LAYOUTS:
            _layouts.clear()
        _layouts[key] = tuple(raw._result.converters)


async def _read_rows(raw: Any, proto: Any, converters: tuple[Any, ...], sequence: int) -> None:
    result: Any = MySQLResult(raw)
    rows: list[tuple[Any, ...]] = []
    while True:
        proto.pos, raw._next_seq_id = parse_rows_from_buffer(
            proto.buffer, proto.pos, proto.length, converters, sequence, rows, raw._deprecate_eof
        )
        # What stops it is the end, an error, or a row that is not there as a whole.
        packet = await raw.read_packet()
        if result._check_packet_is_eof(packet):
            break
        rows.append(packet.read_row(converters))
        sequence = raw._next_seq_id
    result.connection = None
    result.field_count = len(converters)
    result.rows = tuple(rows)
    result.affected_rows = raw._affected_rows = len(rows)
    raw._result = result
    if result.server_status:
        raw.server_status = result.server_status
