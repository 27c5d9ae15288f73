"""``Storage``: what keeps files, on a disk, in memory or elsewhere."""

from __future__ import annotations

import datetime
import posixpath
from typing import Any, Protocol, runtime_checkable

from covet import timezone
from covet.files.file import File
from covet.files.names import available, check_name, valid_name

__all__ = ["BaseStorage", "Storage"]


@runtime_checkable
class Storage(Protocol):
    """What ``FileField`` asks of a storage; names are relative paths with forward slashes."""

    async def save(self, name: str, content: Any, max_length: int | None = None) -> str:
        """Keep the content, and return the name under which it is kept: another one when the name is taken."""

    async def open(self, name: str, mode: str = "rb") -> File:
        """Return the file, open; ``FileNotFoundError`` when there is none."""

    async def delete(self, name: str) -> None:
        """Remove the file; nothing happens when there is none."""

    async def exists(self, name: str) -> bool:
        """Return whether there is such a file."""

    async def size(self, name: str) -> int:
        """Return the file's length in bytes."""

    def url(self, name: str) -> str:
        """Return the address at which a browser finds the file."""

    def generate_filename(self, name: str) -> str:
        """Return the name to save under: checked, and cleaned of signs that systems do not take."""


class BaseStorage:
    """What storages share: names."""

    def generate_filename(self, name: str) -> str:
        """Return the path with a cleaned last part.

        Raises:
            SuspiciousFileOperation: It leads out of the storage.
        """
        folder, file = posixpath.split(check_name(name))
        return posixpath.join(folder, self.get_valid_name(file))

    def get_valid_name(self, name: str) -> str:
        """Return the last part of a name, without signs that mean something to a system; override it for rules of your own.

        Raises:
            SuspiciousFileOperation: Nothing is left of it.
        """
        return valid_name(name)

    def get_available_name(self, name: str, max_length: int | None = None, attempt: int = 0) -> str:
        """Return the name to save under: ``save`` asks again, with the next ``attempt``, while the name that it got is taken.

        Args:
            name: The name that was wished.
            max_length: What the column holds.
            attempt: How many names were taken already; from 1 on the name gets a random part.

        Raises:
            SuspiciousFileOperation: No name is short enough.
        """
        return available(name, max_length, attempt)

    @staticmethod
    def aware(timestamp: float) -> datetime.datetime:
        """Return a time of the file system as an aware one."""
        return datetime.datetime.fromtimestamp(timestamp, tz=timezone.utc)
