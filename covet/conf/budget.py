"""The value of ``QUERY_BUDGET``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

__all__ = ["Budget", "parse_budget"]


class Budget(Struct, frozen=True):
    """How many statements a request may run.

    Attributes:
        max: The most that may run.
        refuse: Fail the request that runs more, in place of a warning.
    """

    max: int
    refuse: bool = False


def parse_budget(value: Any) -> Budget | None:
    """Return the budget that ``QUERY_BUDGET`` describes: a number, or ``{"max": 50, "refuse": True}``.

    Raises:
        ValueError: It describes none.
    """
    if value is None or value == "" or isinstance(value, Budget):
        return value or None
    given = dict(value) if isinstance(value, Mapping) else {"max": value}
    unknown = sorted(set(given) - {"max", "refuse"})
    limit, refuse = given.get("max"), given.get("refuse", False)
    if isinstance(limit, str) and limit.isdecimal():
        limit = int(limit)
    if unknown or not isinstance(limit, int) or isinstance(limit, bool) or limit < 0 or not isinstance(refuse, bool):
        raise ValueError("it must be None, a whole number, or {'max': 50, 'refuse': True}")
    return Budget(limit, refuse)
