"""Several servers of one database, as libpq's URLs name them: the first that answers, and is what is asked for, is taken.

asyncpg can do so itself, but has one time-out for all of them: a first server that says nothing would leave the others no time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from asyncpg import exceptions as pg
from msgspec.structs import replace

from covet.db import errors as e
from covet.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from covet.conf.service_url import DatabaseConfig

__all__ = ["checked", "first_server"]

T = TypeVar("T")

_WANTED = ("any", "primary", "standby", "read-write", "read-only", "prefer-standby")
# As libpq does: a server that refuses the user ends the search, for it is there. One that hangs up is passed over, as a proxy with
# nobody behind it.
_NEXT = (OSError, pg.CannotConnectNowError, pg.ConnectionDoesNotExistError, pg.TargetServerAttributeNotMatched)


def checked(wanted: Any, alias: str) -> Any:
    """Return a value of ``target_session_attrs``.

    Raises:
        ImproperlyConfigured: There is no such value.
    """
    if wanted not in _WANTED:
        raise ImproperlyConfigured(
            f"DATABASES['{alias}']: there is no target_session_attrs '{wanted}'; there are {', '.join(_WANTED)}."
        )
    return wanted


async def first_server(
    reach: Callable[[DatabaseConfig, dict[str, Any]], Awaitable[T]],
    config: DatabaseConfig,
    arguments: dict[str, Any],
    alias: str,
) -> T:
    """Return what ``reach`` gives for the first server that can be used.

    Args:
        reach: Connects to one server: its entry, and asyncpg's arguments.
        config: The entry, with several hosts.
        arguments: What asyncpg is given but for the server; the time-out is for each of them.
        alias: Whose servers they are, for messages.

    Raises:
        ConnectionFailed: None can be used, or one refuses the user.
    """
    wanted = arguments.get("target_session_attrs", "any")
    told: list[str] = []
    for attribute in ("standby", "any") if wanted == "prefer-standby" else (wanted,):
        told.clear()
        for host, port in config.servers:
            server = {"host": host, "port": port, "target_session_attrs": attribute}
            try:
                return await reach(replace(config, host=host, port=port), {**arguments, **server})
            except e.ConnectionFailed as error:
                if not isinstance(error.__cause__, _NEXT):
                    raise
                told.append(str(error))
    raise e.ConnectionFailed(f"None of {len(told)} servers can be used. {' '.join(told)}", alias=alias)
