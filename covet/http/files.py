"""The files of a form: in memory while they are small, else in a temporary file that is read and written in a thread."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import IO, Any

from covet.concurrency import to_thread
from covet.http.foreign import Absent

__all__ = ["UploadedFile", "safe_file_name"]


class UploadedFile:
    """A file of a form: in memory while small, on disk beyond ``FILE_UPLOAD_MAX_MEMORY_SIZE``.

    Attributes:
        name: The file's name as the client gave it, without any folders.
        content_type: What the client says it is; not to be trusted.
        size: Its length in bytes.
    """

    headers = Absent(
        "headers", "file.content_type; the other headers of a form's part are not kept", "An uploaded file"
    )

    def __init__(self, name: str, content_type: str, file: IO[bytes], *, in_memory_limit: int) -> None:
        self.name = safe_file_name(name)
        self.content_type = content_type
        self.size = 0
        self.file = file
        self._in_memory_limit = in_memory_limit

    @property
    def filename(self) -> str:
        """The file's name, as multipart forms and other frameworks call it."""
        return self.name

    async def read(self, size: int = -1) -> bytes:
        """Return the next bytes, or all that are left."""
        if self.size <= self._in_memory_limit:
            return self.file.read(size)
        return await to_thread(self.file.read, size)

    async def seek(self, position: int) -> None:
        """Go to a place; the next ``read`` starts there."""
        if self.size <= self._in_memory_limit:
            self.file.seek(position)
        else:
            await to_thread(self.file.seek, position)

    async def write(self, data: bytes) -> None:
        """Append bytes."""
        self.size += len(data)
        if self.size <= self._in_memory_limit:
            self.file.write(data)
        else:
            await to_thread(self.file.write, data)

    async def chunks(self, size: int = 65536) -> AsyncIterator[bytes]:
        """Iterate over the content from its start."""
        await self.seek(0)
        while chunk := await self.read(size):
            yield chunk

    async def close(self) -> None:
        """Give the file back; its content is gone afterwards."""
        self.file.close()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Say to pydantic that such a field of a form's schema holds a file as it is."""
        return {"type": "is-instance", "cls": cls}

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        """Say how JSON Schema calls a file."""
        return {"type": "string", "format": "binary"}

    def __repr__(self) -> str:
        return f"UploadedFile({self.name!r}, {self.content_type!r}, {self.size} bytes)"


def safe_file_name(name: str) -> str:
    """Return a client's file name without folders and control characters; ``"upload"`` when nothing is left."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    cleaned = "".join(char for char in last if char.isprintable()).strip()
    return cleaned[:255] if cleaned not in ("", ".", "..") else "upload"
