"""``Storage``: what keeps files, on a disk, in memory or elsewhere."""

from __future__ import annotations

import datetime
import posixpath
from typing import Any, Protocol, runtime_checkable

from covet import timezone
from covet.files.file import File
from covet.files.names import check_name, valid_name

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
        return posixpath.join(folder, valid_name(file))

    @staticmethod
    def aware(timestamp: float) -> datetime.datetime:
        """Return a time of the file system as an aware one."""
        return datetime.datetime.fromtimestamp(timestamp, tz=timezone.utc)
