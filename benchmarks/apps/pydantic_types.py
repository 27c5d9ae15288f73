"""The typed body and the typed objects as pydantic models, for the contenders that take these."""

from __future__ import annotations

from pydantic import BaseModel

from benchmarks.apps.payload import OBJECTS


class Item(BaseModel):
    """A line of an order."""

    sku: str
    count: int
    price: float


class Order(BaseModel):
    """A typed body of eight fields, one nested."""

    id: int
    name: str
    email: str
    active: bool
    score: float
    tags: list[str]
    note: str | None = None
    items: list[Item]


ORDERS = [Order(**data) for data in OBJECTS]
