"""The options of a PostgreSQL entry of ``DATABASES``: which of them cannot be, and what to write in their place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from covet.exceptions import ImproperlyConfigured

__all__ = ["check_options", "is_on"]

_LEVELS = ("read uncommitted", "read committed", "repeatable read", "serializable")

# Options that other frameworks have, and what to write for them.
_PORTED = {
    "pool": "Every database has a pool: write its limits beside OPTIONS, as 'pool': {'max_size': 20}.",
    "server_side_binding": "Values are always bound by the server: leave it out.",
    "assume_role": "Write 'role'.",
    "client_encoding": "Connections always speak UTF-8: leave it out.",
    "prepare_threshold": "Statements are prepared when they are first used: leave it out; behind PgBouncer write 'pgbouncer': True.",
}


def check_options(alias: str, own: dict[str, str], others: Mapping[str, Any], *, pools_transactions: bool) -> None:
    """Refuse options that cannot be, and spell the isolation level as PostgreSQL does.

    Args:
        alias: The database, for messages.
        own: What is set for the session, by the server's names.
        others: The other options.
        pools_transactions: A pooler may give each transaction another session.

    Raises:
        ImproperlyConfigured: One of them is not known, or the pooler could not keep it.
    """
    level = own.get("default_transaction_isolation")
    if level is not None:
        own["default_transaction_isolation"] = level = level.lower().replace("-", " ").replace("_", " ")
        if level not in _LEVELS:
            raise ImproperlyConfigured(
                f"DATABASES['{alias}']: there is no isolation_level '{level}'; there are {', '.join(_LEVELS)}."
            )
    if pools_transactions and own:
        raise ImproperlyConfigured(
            f"DATABASES['{alias}']: PgBouncer in transaction mode cannot keep {' or '.join(own)} for a session. Set it "
            "for the user on the server: ALTER ROLE … SET …; or leave pgbouncer=true out."
        )
    for name, instead in _PORTED.items():
        if name in others:
            raise ImproperlyConfigured(f"DATABASES['{alias}']: the option '{name}' is not known here. {instead}")


def is_on(value: Any) -> bool:
    """Whether an option that is on or off is on, as URLs and mappings spell it."""
    return str(value).lower() in ("1", "true", "yes", "on")
