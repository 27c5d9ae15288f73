"""What a statement leaves behind in the session that it ran in, and whether it only reads, told by its text."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

__all__ = ["drops_statements", "leaves_no_trace", "only_reads", "outlives_transaction"]

_PLAIN: Final = ("select ", "insert ", "update ", "delete ")
# One of these is in whatever ``_leaves_one`` finds.
_MARKS: Final = ("_lock", "set_config", "lo_creat", "temp", "@", ";")


@cache
def _leaves_none() -> re.Pattern[str]:
    return re.compile(
        r"[\s(]*(?:--[^\n]*\n\s*)*(SELECT|INSERT|UPDATE|DELETE|WITH|VALUES|MERGE|REPLACE|EXPLAIN|ALTER|CREATE|DROP|TRUNCATE|COMMENT|"
        r"ANALYZE|VACUUM|REINDEX|RENAME|SHOW|GRANT|REVOKE)\b",
        re.IGNORECASE,
    )


@cache
def _leaves_one() -> re.Pattern[str]:
    return re.compile(
        r"\b(pg_(?:try_)?advisory_lock|set_config|get_lock|lo_creat)|"
        # A temporary table, and the schema of such; a column of that name stands in quotes.
        r"\b(?:temp|temporary|pg_temp)\b(?![\"`](?!\s*\.))|"
        r"@\w+\s*:=|\binto\s+@|;\s*\S",
        re.IGNORECASE,
    )


@cache
def _reads() -> re.Pattern[str]:
    return re.compile(
        r"[\s(]*(SELECT|VALUES|EXPLAIN)\b|\s*WITH\b(?!.*\b(INSERT|UPDATE|DELETE|REPLACE)\b)", re.IGNORECASE | re.DOTALL
    )


@cache
def _outlives() -> re.Pattern[str]:
    return re.compile(
        r"^[\s(]*(?:SET(?!\s+(?:LOCAL|TRANSACTION|CONSTRAINTS)\b)|RESET|LISTEN|PREPARE|LOAD|DISCARD)\b"
        r"|\bpg_(?:try_)?advisory_lock|\bWITH\s+HOLD\b|\bCREATE\s+(?:LOCAL\s+|GLOBAL\s+)?TEMP",
        re.IGNORECASE,
    )


@cache
def _drops() -> re.Pattern[str]:
    # In double quotes it is the name of a table or column.
    return re.compile(r'(?<!")\b(?:DEALLOCATE|DISCARD)\b(?!")', re.IGNORECASE)


def leaves_no_trace(sql: str) -> bool:
    """Whether a statement leaves the session as it found it.

    Anything else, and anything that may set a lock or a variable on the way, makes its connection dirty: it is reset before
    somebody else gets it.
    """
    # Told by a glance of nearly all that querysets write: the two patterns take a server's start most of a millisecond.
    text = sql.lower()
    if text.startswith(_PLAIN) and not any(mark in text for mark in _MARKS):
        return True
    return _leaves_none().match(sql) is not None and _leaves_one().search(sql) is None


def only_reads(sql: str) -> bool:
    """Whether a statement writes nothing."""
    return _reads().match(sql) is not None


def outlives_transaction(sql: str) -> bool:
    """Whether a statement of PostgreSQL changes what a pooler would give to somebody else after the transaction."""
    return _outlives().search(sql) is not None


def drops_statements(sql: str) -> bool:
    """Whether a statement of PostgreSQL may make its session forget what was prepared in it."""
    return _drops().search(sql) is not None
