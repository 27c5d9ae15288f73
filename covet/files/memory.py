"""``InMemoryStorage``: files of this process alone, for tests."""

from __future__ import annotations

import datetime
import io
from typing import Any, TypeVar
from urllib.parse import quote

from covet import timezone
from covet.files.file import File, chunks_of
from covet.files.names import check_name
from covet.files.storage import BaseStorage

__all__ = ["InMemoryStorage"]

T = TypeVar("T")


class InMemoryStorage(BaseStorage):
    """Keeps files in memory, until the process ends.

    Args:
        base_url: The address that ``url`` starts with.
    """

    def __init__(self, base_url: str = "/media/") -> None:
        self.base_url = base_url
        self.files: dict[str, bytes] = {}
        self._saved: dict[str, datetime.datetime] = {}

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Return what migrations write."""
        return "covet.files.InMemoryStorage", (), {} if self.base_url == "/media/" else {"base_url": self.base_url}

    def url(self, name: str) -> str:
        """Return the address at which a browser would find the file."""
        return self.base_url + quote(check_name(name))

    async def save(self, name: str, content: Any, max_length: int | None = None) -> str:
        """Keep the content and return its name; one that is taken gets a random part."""
        data = b"".join([chunk async for chunk in chunks_of(content)])
        name = self.generate_filename(name)
        attempt = 0
        while (tried := self.get_available_name(name, max_length, attempt)) in self.files:
            attempt += 1
        self.files[tried] = data
        self._saved[tried] = timezone.now()
        return tried

    async def open(self, name: str, mode: str = "rb") -> File:
        """Return the file, open for reading.

        Raises:
            FileNotFoundError: There is none.
            ValueError: It is to be written.
        """
        if mode != "rb":
            raise ValueError(f"InMemoryStorage opens files with mode 'rb' alone, not {mode!r}: save() writes them.")
        return File(io.BytesIO(self._of(self.files, name)), name)

    async def delete(self, name: str) -> None:
        """Remove the file; nothing happens when there is none."""
        self.files.pop(check_name(name), None)
        self._saved.pop(check_name(name), None)

    async def exists(self, name: str) -> bool:
        """Return whether there is such a file."""
        return check_name(name) in self.files

    async def size(self, name: str) -> int:
        """Return the file's length in bytes.

        Raises:
            FileNotFoundError: There is none.
        """
        return len(self._of(self.files, name))

    async def listdir(self, path: str = "") -> tuple[list[str], list[str]]:
        """Return the names of the folders and files in a folder of the storage."""
        start = f"{check_name(path)}/" if path else ""
        below = [name.removeprefix(start) for name in self.files if name.startswith(start)]
        folders = {name.partition("/")[0] for name in below if "/" in name}
        return sorted(folders), sorted(name for name in below if "/" not in name)

    async def get_modified_time(self, name: str) -> datetime.datetime:
        """Return when the file was saved.

        Raises:
            FileNotFoundError: There is none.
        """
        return self._of(self._saved, name)

    @staticmethod
    def _of(kept: dict[str, T], name: str) -> T:
        try:
            return kept[check_name(name)]
        except KeyError:
            raise FileNotFoundError(f"There is no file '{name}' in this storage.") from None
