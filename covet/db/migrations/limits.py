"""How long a migration waits for a lock and works on a statement, and how often it tries again.

A statement that waits for a lock makes everybody behind it wait, too: so it gives up early, lets them through, and tries again
a little later.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from covet.db.errors import LockTimeout
from covet.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from covet.db.migrations.migration import Migration

__all__ = ["Limits", "alter_hints_of", "limits_of", "retried"]

T = TypeVar("T")

_ALGORITHMS = ("INSTANT", "NOCOPY", "INPLACE", "COPY", "DEFAULT")
_LOCKS = ("NONE", "SHARED", "EXCLUSIVE", "DEFAULT")
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 15.0


class Limits(Struct, frozen=True):
    """The limits of one migration; ``None`` is none.

    Attributes:
        lock_s: How long a statement waits for a lock.
        statement_s: How long a statement may take.
        retries: How often the migration is tried again after it did not get a lock.
    """

    lock_s: float | None
    statement_s: float | None
    retries: int


def limits_of(migration: Migration, alias: str) -> Limits:
    """Return what the migration says or, where it says nothing, the settings say for that database."""
    from covet.conf import settings

    def of(value: Any, setting: Any) -> float | None:
        if value != "setting":
            return None if value is None else float(value)
        chosen = setting.get(alias) if isinstance(setting, dict) else setting
        return None if chosen is None else float(chosen)

    return Limits(
        of(migration.lock_timeout_s, settings.MIGRATION_LOCK_TIMEOUT_S),
        of(migration.statement_timeout_s, settings.MIGRATION_STATEMENT_TIMEOUT_S),
        settings.MIGRATION_LOCK_RETRIES,
    )


def alter_hints_of(migration: Migration) -> tuple[str, ...]:
    """Return what the migration says of how MySQL and MariaDB change its tables.

    Raises:
        ImproperlyConfigured: It says a word that they do not know.
    """
    hints = []
    for name, word, known in (
        ("mysql_algorithm", migration.mysql_algorithm, _ALGORITHMS),
        ("mysql_lock", migration.mysql_lock, _LOCKS),
    ):
        if word is None:
            continue
        if word not in known:
            raise ImproperlyConfigured(f"{migration}: {name} is {word!r}; it is one of {', '.join(known)}.")
        hints.append(f"{name.removeprefix('mysql_').upper()}={word}")
    return tuple(hints)


async def retried(attempt: Callable[[], Awaitable[T]], retries: int, on_retry: Callable[[float], None]) -> T:
    """Return what ``attempt`` gives; when a lock was not granted in time, try again after a pause that doubles.

    Args:
        attempt: Does the work, from its beginning or from where the last attempt stopped.
        retries: How often to try again.
        on_retry: Told of each pause, in seconds, before it.
    """
    for number in range(retries):
        try:
            return await attempt()
        except Exception as error:
            if not _is_lock_timeout(error):
                raise
        # Not all of several processes at the same moment again.
        pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**number) * random.uniform(0.75, 1.25)  # noqa: S311  # no secret
        on_retry(pause_s)
        await asyncio.sleep(pause_s)
    return await attempt()


def _is_lock_timeout(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, LockTimeout):
            return True
        cause = cause.__cause__
    return False
