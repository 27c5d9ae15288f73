"""``File``: bytes with a name. What waits for a disk does so in a thread."""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterator
from typing import IO, Any, Protocol, Self, runtime_checkable

from covet.concurrency import maybe_await, to_thread

__all__ = ["CHUNK", "Content", "ContentFile", "File", "chunks_of"]

CHUNK = 65536


@runtime_checkable
class Content(Protocol):
    """What a storage saves: anything with a name and ``read(size)``, sync or async, such as an uploaded file."""

    @property
    def name(self) -> str | None:
        """The name, with or without folders."""

    def read(self, size: int = -1, /) -> Any:
        """Return the next bytes."""


class File:
    """An open binary file, of a storage or of your own.

    Args:
        file: What Python's ``open(…, "rb")`` gives, or anything like it.
        name: Its name; by default that of the file.
    """

    def __init__(self, file: IO[Any], name: str | None = None) -> None:
        self.file = file
        self.name: str | None = name if name is not None else getattr(file, "name", None)

    async def read(self, size: int = -1) -> Any:
        """Return the next bytes, or all that are left."""
        return await to_thread(self.file.read, size)

    async def write(self, data: Any) -> int:
        """Write bytes."""
        return await to_thread(self.file.write, data)

    async def seek(self, position: int) -> None:
        """Go to a place."""
        await to_thread(self.file.seek, position)

    async def size(self) -> int:
        """Return the length in bytes."""
        return await to_thread(self._size)

    def _size(self) -> int:
        here = self.file.tell()
        end = self.file.seek(0, os.SEEK_END)
        self.file.seek(here)
        return end

    async def chunks(self, size: int = CHUNK) -> AsyncIterator[Any]:
        """Iterate over the content from its start."""
        await self.seek(0)
        while chunk := await self.read(size):
            yield chunk

    async def close(self) -> None:
        """Close the file."""
        await to_thread(self.file.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.name}>"


class ContentFile(File):
    """A file in memory.

    Args:
        content: Bytes, or a text that is written as UTF-8.
        name: Its name.
    """

    def __init__(self, content: bytes | str, name: str | None = None) -> None:
        data = content.encode() if isinstance(content, str) else bytes(content)
        super().__init__(io.BytesIO(data), name)
        self.name = name


class Unstored(File):
    """What was assigned to a field and waits to be stored, open to be looked at: closing it leaves it at its start.

    Args:
        content: The content, whose ``read`` may be sync or async.
        name: Its name.
    """

    async def opened(self, mode: str) -> Self:
        """Return it, at its start.

        Raises:
            ValueError: It is to be written, or can be read once alone, which storing it has to do.
        """
        if mode != "rb":
            raise ValueError(
                f"'{self.name}' is not stored yet and opens with mode 'rb' alone, not {mode!r}: save() first."
            )
        if not hasattr(self.file, "seek"):
            raise ValueError(f"'{self.name}' is not stored yet and can be read once alone: save() first, then read it.")
        await self.seek(0)
        return self

    async def read(self, size: int = -1) -> Any:
        """Return the next bytes, or all that are left."""
        return await _called(self.file.read, size)

    async def seek(self, position: int) -> None:
        """Go to a place."""
        await _called(self.file.seek, position)

    async def size(self) -> int:
        """Return the length in bytes."""
        known: Any = getattr(self.file, "size", None)
        if callable(known):
            known = await maybe_await(known())
        if known is not None:
            return int(known)
        await self.opened("rb")
        length = sum([len(chunk) async for chunk in self.chunks()])
        await self.seek(0)
        return length

    async def write(self, data: Any) -> int:
        """Refuse: it is opened for reading.

        Raises:
            ValueError: Always.
        """
        raise ValueError(f"'{self.name}' is not stored yet and can only be read.")

    async def close(self) -> None:
        """Go back to the start, from which it is stored."""
        await self.seek(0)


async def chunks_of(content: Any) -> AsyncIterator[bytes]:
    """Iterate over what is to be saved, from its start: bytes, a text, or whatever has ``read``."""
    if isinstance(content, (bytes, bytearray, memoryview, str)):
        yield content.encode() if isinstance(content, str) else bytes(content)
        return
    if not hasattr(content, "read"):
        raise TypeError(
            f"A file is saved from bytes, a text or an object with read(), not from {type(content).__name__}."
        )
    seek = getattr(content, "seek", None)
    is_ours = isinstance(content, File)
    if seek is not None:
        await (seek(0) if is_ours else _called(seek, 0))
    while True:
        chunk = await (content.read(CHUNK) if is_ours else _called(content.read, CHUNK))
        if not chunk:
            return
        yield chunk.encode() if isinstance(chunk, str) else chunk


async def _called(function: Any, argument: int) -> Any:
    """Return what a method of somebody else's file gives, which may be a coroutine or block."""
    return await maybe_await(await to_thread(function, argument))
