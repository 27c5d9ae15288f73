"""How a database would run a statement that was slow: EXPLAIN, which runs nothing, on a connection that nobody needs.

Never on the connection of a transaction: a failing EXPLAIN would break it. The values of the statement do not show.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from covet.conf.errors import is_secret

if TYPE_CHECKING:
    from covet.db.backends.driver import Connection
    from covet.db.backends.pool import Pool
    from covet.db.database import Database

__all__ = ["plan_of"]

# A slow statement is seldom alone: the plan of the same text is asked for once in a while only.
_KEPT_S = 60.0
_LIMIT_S = 1.0


@cache
def _explained() -> re.Pattern[str]:
    return re.compile(r"[\s(]*(SELECT|INSERT|UPDATE|DELETE|WITH|VALUES|REPLACE|MERGE)\b", re.IGNORECASE)


@cache
def _words() -> re.Pattern[str]:
    return re.compile(r"[A-Za-z_]\w*")


@cache
def _texts() -> re.Pattern[str]:
    return re.compile(r"'(?:[^']|'')*'")


@cache
def _numbers() -> re.Pattern[str]:
    return re.compile(r"(?<![\w.$])-?\d+(?:\.\d+)?\b")


async def plan_of(database: Database, sql: str, args: Sequence[Any]) -> str:
    """Return the plan of a statement as text.

    Empty for what has none, while no connection is free, and where a name in the statement tells of a secret.
    """
    if _explained().match(sql) is None or any(is_secret(word) for word in _words().findall(sql)):
        return ""
    kept = database.plans.get(sql)
    if kept is not None and time.monotonic() - kept[0] < _KEPT_S:
        return kept[1]
    pool = database.spare_pool
    if pool is None or not pool.kept:
        return ""
    plan = await _ask(database, pool, pool.kept.pop(), sql, args)
    database.plans[sql] = (time.monotonic(), plan)
    return plan


async def _ask(database: Database, pool: Pool, connection: Connection, sql: str, args: Sequence[Any]) -> str:
    begin = "EXPLAIN QUERY PLAN" if database.vendor == "sqlite" else "EXPLAIN"
    try:
        async with asyncio.timeout(_LIMIT_S):
            names, rows = await connection.read(f"{begin} {sql}", args)
    except Exception as error:
        pool.release_after(connection, error)
        found = database.explain(error, sql)
        # The statement itself went well: this is no more than a plan that cannot be shown.
        return f"(no plan: {getattr(found, 'message', type(found).__name__)})"
    except BaseException as error:
        pool.release_after(connection, error)
        raise
    pool.release(connection)
    return "\n".join(_lines(database.vendor, names, rows))


def _lines(vendor: str, names: Sequence[str], rows: Sequence[Any]) -> list[str]:
    if vendor == "sqlite":
        return [str(row[3]) for row in rows]
    if vendor == "mysql":
        return [
            ", ".join(f"{name}={value}" for name, value in zip(names, row, strict=True) if value is not None)
            for row in rows
        ]
    return [_without_values(str(row[0])) for row in rows]


def _without_values(line: str) -> str:
    """Return a line of PostgreSQL's plan without the values in its conditions."""
    if "(cost=" in line:
        return line
    head, colon, rest = line.partition(":")
    return head + colon + _numbers().sub("?", _texts().sub("'…'", rest))
