"""``queryset.cache()``: rows of the database kept by statement and values, until one of their tables is written.

What is kept are the driver's rows, under alias, database, SQL, values and tags; each reader makes instances of its own from them.
They are written as MessagePack with a tag for each type that drivers give, never as pickles: who can write to the store
can forge rows, and no more. ``covet.db.stores`` tells how a result can never be older than the last write that was
committed before it was asked for.

Not cached, and read from the database instead: rows under a lock or in random order, inside a transaction that has written
one of the tables, and rows with values of a type that has no tag. A transaction reads from the cache and puts nothing
into it, since what it sees may be older than what others have committed.
"""

from __future__ import annotations

import datetime as dt
import decimal
import hashlib
import ipaddress
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from covet.db.connections import DEFAULT_ALIAS, connections
from covet.db.freshness import freshness, tables_in
from covet.db.sql import nodes as n
from covet.db.sql.statements import CTE, Compound, Select, TableRef

if TYPE_CHECKING:
    from covet.db.database import Database

__all__ = ["Caching", "cached_rows", "decode_rows", "encode_rows", "invalidate", "tables_read"]


class Caching(Struct, frozen=True):
    """What ``cache()`` was given.

    Attributes:
        timeout_s: How long a result may be given.
        tags: Names under which it can be made out of date.
    """

    timeout_s: float
    tags: tuple[str, ...] = ()


async def cached_rows(
    database: Database, sql: str, args: Sequence[Any], tables: tuple[str, ...] | None, caching: Caching
) -> Sequence[Any]:
    """Return the rows of a statement: those kept, or those of the database, which are kept then.

    Args:
        database: Where to read.
        sql: The statement.
        args: Its values, as the driver takes them.
        tables: The tables that it reads; ``None`` for one whose result must not be kept.
        caching: How long, and under which tags.
    """
    freshness.watch()
    frame = database.open_block
    written = None if frame is None else frame.transaction.written
    key = None
    if tables is not None and not (written and (not written.isdisjoint(tables) or "*" in written)):
        names = (*tables, *[f"tag:{tag}" for tag in caching.tags])
        key = _key(database, sql, args, names)
    if key is None:
        freshness.counts.bypassed += 1
        return await database.fetch(sql, args)
    found = await freshness.get(key, names)
    if found.value is not None:
        freshness.counts.hits += 1
        return decode_rows(found.value)
    freshness.counts.misses += 1
    rows = await database.fetch(sql, args)
    if found.marks is not None and frame is None:
        try:
            value = encode_rows(rows)
        except TypeError:
            freshness.counts.bypassed += 1
            return rows
        freshness.counts.stored += await freshness.set(key, value, names, found.marks, caching.timeout_s)
    return rows


def _key(database: Database, sql: str, args: Sequence[Any], names: tuple[str, ...]) -> str | None:
    config = database.config
    where = [database.alias, config.backend, config.name, config.host, config.port, config.user]
    try:
        text = msgspec.msgpack.encode([*where, sql, _packed(list(args)), names])
    except TypeError:
        return None
    return hashlib.blake2b(text, digest_size=20).hexdigest()


async def invalidate(*targets: Any, tags: Iterable[str] = (), using: str | None = None) -> None:
    """Make cached results out of date: after the transaction, where one is open.

    Args:
        targets: Models and names of tables.
        tags: Tags that were given to ``cache()``.
        using: The database whose transaction is meant.

    Raises:
        TypeError: A target is neither a model nor a name.
    """
    names: list[str] = []
    for target in targets:
        meta = getattr(target, "_meta", None)
        if meta is None and not isinstance(target, str):
            raise TypeError(f"invalidate() takes models, names of tables and tags=[…], not {target!r}.")
        names.append((target if meta is None else meta.db_table).lower())
    names += [f"tag:{tag}" for tag in tags]
    if not names:
        return
    frame = connections[using or DEFAULT_ALIAS].open_block
    if frame is not None:
        frame.transaction.written.update(names)
        return
    await freshness.drop(names)


# ── which tables


def tables_read(statement: Select | Compound) -> tuple[str, ...] | None:
    """Return the tables that a query reads, in lower case and in order; ``None`` where its result must not be kept."""
    tables: set[str] = set()
    named: set[str] = set()
    for part in _parts(statement):
        if isinstance(part, Select) and part.lock is not None:
            return None
        if isinstance(part, n.Func) and part.name in _NEVER_THE_SAME:
            return None
        if isinstance(part, TableRef) and isinstance(part.name, str):
            tables.add(part.name.lower())
        elif isinstance(part, n.Raw):
            tables.update(tables_in(part.sql))
        elif isinstance(part, CTE):
            named.add(part.name.lower())
    return tuple(sorted(tables - named))


_NEVER_THE_SAME: Final = frozenset(("RANDOM", "RANDOM_UUID", "UUID4", "UUID7", "GEN_RANDOM_UUID"))


def _parts(node: Any) -> Iterator[Any]:
    if isinstance(node, tuple):
        for item in node:
            yield from _parts(item)
    elif isinstance(node, Struct):
        yield node
        for name in node.__struct_fields__:
            yield from _parts(getattr(node, name))


# ── rows as bytes

_PLAIN: Final = frozenset((type(None), bool, float, str, bytes))
_LARGEST: Final = 2**63
Pack = Callable[[Any], str]
#: Code, class, to text, and back. Subclasses stand before their bases.
_KINDS: Final[tuple[tuple[int, type[Any], Pack, Callable[[str], Any]], ...]] = (
    (1, decimal.Decimal, str, decimal.Decimal),
    (2, dt.datetime, dt.datetime.isoformat, dt.datetime.fromisoformat),
    (3, dt.date, dt.date.isoformat, dt.date.fromisoformat),
    (4, dt.time, dt.time.isoformat, dt.time.fromisoformat),
    (
        5,
        dt.timedelta,
        lambda value: f"{value.days} {value.seconds} {value.microseconds}",
        lambda text: dt.timedelta(*map(int, text.split())),
    ),
    (6, uuid.UUID, str, uuid.UUID),
    (7, int, str, int),
    (8, ipaddress.IPv4Interface, str, ipaddress.IPv4Interface),
    (9, ipaddress.IPv6Interface, str, ipaddress.IPv6Interface),
    (10, ipaddress.IPv4Address, str, ipaddress.IPv4Address),
    (11, ipaddress.IPv6Address, str, ipaddress.IPv6Address),
    (12, ipaddress.IPv4Network, str, ipaddress.IPv4Network),
    (13, ipaddress.IPv6Network, str, ipaddress.IPv6Network),
)
_BACK: Final = {code: back for code, _kind, _pack, back in _KINDS}


def encode_rows(rows: Iterable[Sequence[Any]]) -> bytes:
    """Return driver rows as bytes.

    Raises:
        TypeError: A value is of a type that cannot be given back as it was.
    """
    return msgspec.msgpack.encode([[_packed(value) for value in row] for row in rows])


def decode_rows(data: bytes) -> list[tuple[Any, ...]]:
    """Return the rows that ``encode_rows`` was given."""
    return [tuple(row) for row in msgspec.msgpack.decode(data, ext_hook=_unpacked)]


def _packed(value: Any) -> Any:
    cls = value.__class__
    if cls in _PLAIN or (cls is int and -_LARGEST <= value < _LARGEST):
        return value
    if cls is list:
        return [_packed(item) for item in value]
    if cls is dict and all(key.__class__ is str for key in value):
        return {key: _packed(item) for key, item in value.items()}
    for code, kind, pack, _back in _KINDS:
        if isinstance(value, kind):
            return msgspec.msgpack.Ext(code, pack(value).encode())
    raise TypeError(f"{cls.__qualname__} has no form in the result cache.")


def _unpacked(code: int, data: memoryview) -> Any:
    return _BACK[code](bytes(data).decode())
