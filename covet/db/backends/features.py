"""What a database server can do, told by its version once a connection has been made."""

from __future__ import annotations

from msgspec import Struct

from covet.db.errors import NotSupportedError

__all__ = ["Features", "require_version", "version_tuple"]


class Features(Struct, frozen=True):
    """One server's abilities, beside those that shape SQL (these stand on the dialect).

    Attributes:
        server: The server's name and version, for people.
        version: The version's numbers.
        rolls_back_ddl: DDL takes part in transactions.
        defers_foreign_keys: Foreign keys can be checked at the commit.
        error_breaks_transaction: After an error only a rollback is taken.
    """

    server: str = ""
    version: tuple[int, ...] = ()
    rolls_back_ddl: bool = True
    defers_foreign_keys: bool = True
    error_breaks_transaction: bool = False


def require_version(server: str, version: tuple[int, ...], minimum: tuple[int, ...], alias: str) -> None:
    """Refuse a server that is too old: what is built for later ones would fail in ways that are hard to read.

    Raises:
        NotSupportedError: It is older than ``minimum``.
    """
    if version < minimum:
        wanted = ".".join(map(str, minimum))
        raise NotSupportedError(f"{server} is too old: Covet needs {wanted} or later. Upgrade the server.", alias=alias)


def version_tuple(text: str) -> tuple[int, ...]:
    """Return ``(10, 11, 6)`` of a text such as ``"10.11.6-MariaDB-0+deb12u1"``."""
    numbers = []
    for part in text.split("-", maxsplit=1)[0].split("."):
        digits = "".join(char for char in part if char.isdigit())
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)
