"""The typed body and the typed objects as msgspec structs, for the contenders that take these."""

from __future__ import annotations

import msgspec

from benchmarks.apps.payload import OBJECTS


class Item(msgspec.Struct):
    """A line of an order."""

    sku: str
    count: int
    price: float


class Order(msgspec.Struct, kw_only=True):
    """A typed body of eight fields, one nested."""

    id: int
    name: str
    email: str
    active: bool
    score: float
    tags: list[str]
    note: str | None = None
    items: list[Item]


ORDERS = msgspec.convert(OBJECTS, list[Order])
