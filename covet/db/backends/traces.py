"""What a statement leaves behind in the session that it ran in, and whether it only reads, told by its text."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

__all__ = [
    "drops_statements",
    "ends_with_transaction",
    "is_several",
    "leaves_no_trace",
    "no_reset_undoes",
    "only_reads",
    "outlives_transaction",
]

_PLAIN: Final = ("select ", "insert ", "update ", "delete ")
# One of these is in whatever ``_leaves_one`` finds.
_MARKS: Final = ("_lock", "set_config", "lo_creat", "temp", "@", ";")


@cache
def _leaves_none() -> re.Pattern[str]:
    return re.compile(
        r"[\s(]*(?:--[^\n]*\n\s*)*(SELECT|INSERT|UPDATE|DELETE|WITH|VALUES|MERGE|REPLACE|EXPLAIN|ALTER|CREATE|DROP|TRUNCATE|COMMENT|"
        r"ANALYZE|VACUUM|REINDEX|RENAME|SHOW|GRANT|REVOKE)\b"
        # One that only asks; what stands behind "=", or in brackets, is set.
        r"|\s*PRAGMA\s+(?:\w+\.)?(?:\w+\s*;?\s*\Z|(?:table_x?info|index_list|index_x?info|foreign_key_(?:list|check))\s*\()",
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
        r"(?:^|;)[\s(]*(?:SET(?!\s+(?:LOCAL|TRANSACTION|CONSTRAINTS)\b)|RESET|LISTEN|PREPARE|LOAD|DISCARD)\b"
        r"|\bset_config\b|\bpg_(?:try_)?advisory_lock|\bWITH\s+HOLD\b|\bpg_temp\s*\."
        # SELECT … INTO TEMP makes a table; INSERT INTO temp writes one that has this name.
        r"|\b(?:CREATE(?:\s+OR\s+REPLACE)?|(?<!INSERT\s)(?<!MERGE\s)INTO)\s+(?:LOCAL\s+|GLOBAL\s+)?TEMP(?:ORARY)?\b",
        re.IGNORECASE,
    )


@cache
def _unsaid() -> re.Pattern[str]:
    # Texts and comments: what stands in them is no statement.
    return re.compile(r"'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*.*?\*/", re.DOTALL)


@cache
def _set_locally() -> re.Pattern[str]:
    value = r"[^()]"
    for _ in range(4):  # calls in calls
        value = rf"(?:[^()]|\({value}*\))"
    return re.compile(rf"\bset_config\s*\({value}*,\s*(?:is_local\s*(?:=>|:=)\s*)?true\s*\)", re.IGNORECASE)


@cache
def _local() -> re.Pattern[str]:
    return re.compile(
        r"[\s(]*(?:SET\s+(?:LOCAL|TRANSACTION|CONSTRAINTS)|SAVEPOINT|RELEASE|ROLLBACK\s+(?:(?:WORK|TRANSACTION)\s+)?TO|LOCK|NOTIFY"
        r"|COPY|REFRESH|DECLARE|FETCH|MOVE|CLOSE)\b"
        r"|[\s(]*CREATE\s+(?:LOCAL\s+|GLOBAL\s+)?TEMP\w*\s.*\bON\s+COMMIT\s+DROP\b",
        re.IGNORECASE | re.DOTALL,
    )


@cache
def _several() -> re.Pattern[str]:
    return re.compile(r";\s*\S")


@cache
def _stays() -> re.Pattern[str]:
    return re.compile(r"(?:^|;)[\s(]*(?:PREPARE(?!\s+TRANSACTION\b)|LOAD)\b", re.IGNORECASE)


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
    return _outlives().search(_set_locally().sub("", _unsaid().sub(" ", sql))) is not None


def ends_with_transaction(sql: str) -> bool:
    """Whether all that a statement of PostgreSQL changes in the session is as before when its transaction has ended."""
    return all(map(_ends, _set_locally().sub("", _unsaid().sub(" ", sql)).split(";")))


def _ends(part: str) -> bool:
    if _local().match(part) is not None:
        return "hold" not in part.lower()
    return not part.strip() or leaves_no_trace(part)


def no_reset_undoes(sql: str) -> bool:
    """Whether a statement of PostgreSQL leaves in the session what only closing it takes away."""
    return _stays().search(_unsaid().sub(" ", sql)) is not None


def is_several(sql: str) -> bool:
    """Whether a text has more than one statement, as far as can be seen."""
    return _several().search(sql) is not None


def drops_statements(sql: str) -> bool:
    """Whether a statement of PostgreSQL may make its session forget what was prepared in it."""
    return _drops().search(sql) is not None
