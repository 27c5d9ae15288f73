"""Upload handlers: code of the project that sees each file of a form while it arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from covet.http.files import UploadedFile
    from covet.http.request import Request

__all__ = ["SkipFile", "StopUpload", "UploadHandler"]


class SkipFile(Exception):  # a sign and no error; Django's name
    """Raised by a handler: this file is left out of the form, and what still comes of it is thrown away."""


class StopUpload(Exception):  # a sign and no error; Django's name
    """Raised by a handler: nothing more is read; the form has what was complete by then."""


class UploadHandler:
    """Watches, changes or takes the files of one form: for progress, for scanners, for storages that take streams.

    Write a subclass with some of these, and name it in ``FILE_UPLOAD_HANDLERS``, or give one to ``request.form(upload_handlers=[…])``.
    Several are asked in order. All may wait; meanwhile no more of the body is read.

    Args:
        request: The request that the form comes with.
    """

    def __init__(self, request: Request | None = None) -> None:
        self.request = request

    async def new_file(self, file: UploadedFile) -> None:
        """Be told of a file, of which name and type are known.

        Raises:
            SkipFile: It is not wanted.
            StopUpload: Nothing more is.
        """

    async def receive_data_chunk(self, file: UploadedFile, data: bytes, start: int) -> bytes | None:
        """Take the next bytes of a file; return what the next handler gets, the last of them the file itself.

        Args:
            file: Which one.
            data: The bytes.
            start: Where they begin in the file.

        Raises:
            SkipFile: The file is not wanted.
            StopUpload: Nothing more is.
        """
        return data

    async def file_complete(self, file: UploadedFile) -> UploadedFile | None:
        """Be told that a file is there as a whole; return another one to put in its place, or nothing."""

    async def upload_complete(self) -> None:
        """Be told that the form is there as a whole."""

    async def upload_interrupted(self) -> None:
        """Be told that the form broke off: the client has left, a limit was passed, or a handler has stopped it."""
