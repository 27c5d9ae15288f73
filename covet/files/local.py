"""``FileSystemStorage``: files in a folder. All that touches the disk runs in threads."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
import re
import secrets
import stat
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from msgspec import Struct

from covet.concurrency import to_thread
from covet.conf import settings
from covet.exceptions import ImproperlyConfigured
from covet.files.file import File, chunks_of
from covet.files.names import SuspiciousFileOperation, check_name
from covet.files.storage import BaseStorage

__all__ = ["FileSystemStorage"]


# No mode that there is.
_OF_SETTINGS = -1
# What is written to take another file's place.
_PART = re.compile(r"\.[0-9a-f]{16}\.part")


class _Writing(Struct):
    """A file that is being written: its name, where it will be, and where it is until it is whole."""

    name: str
    path: str
    written: str
    file: IO[bytes]


class FileSystemStorage(BaseStorage):
    """Keeps files in a folder, by default ``MEDIA_ROOT``.

    Args:
        location: The folder.
        base_url: The address of the folder for browsers, by default ``MEDIA_URL``.
        file_permissions: The mode of new files, by default ``FILE_UPLOAD_PERMISSIONS``; ``None`` leaves it to the system, or to the
            file that is replaced.
        allow_overwrite: Replace a file of the same name, as soon as the new one is whole, in place of taking another name.
        directory_permissions: The mode of new folders, by default ``FILE_UPLOAD_DIRECTORY_PERMISSIONS``.
    """

    def __init__(
        self,
        location: str | os.PathLike[str] | None = None,
        base_url: str | None = None,
        file_permissions: int | None = _OF_SETTINGS,
        allow_overwrite: bool = False,
        directory_permissions: int | None = _OF_SETTINGS,
    ) -> None:
        self._location = location
        self._base_url = base_url
        self._file_permissions = file_permissions
        self._directory_permissions = directory_permissions
        self.allow_overwrite = allow_overwrite

    @property
    def file_permissions(self) -> int | None:
        """The mode of new files."""
        own = self._file_permissions
        return settings.FILE_UPLOAD_PERMISSIONS if own == _OF_SETTINGS else own

    @property
    def directory_permissions(self) -> int | None:
        """The mode of new folders."""
        own = self._directory_permissions
        return settings.FILE_UPLOAD_DIRECTORY_PERMISSIONS if own == _OF_SETTINGS else own

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Return what migrations write."""
        given: dict[str, Any] = {}
        if self._location is not None:
            given["location"] = str(self._location)
        if self._base_url is not None:
            given["base_url"] = self._base_url
        for name in ("file_permissions", "directory_permissions"):
            if (mode := getattr(self, f"_{name}")) != _OF_SETTINGS:
                given[name] = mode
        if self.allow_overwrite:
            given["allow_overwrite"] = True
        return "covet.files.FileSystemStorage", (), given

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FileSystemStorage) and self.deconstruct() == other.deconstruct()

    def __hash__(self) -> int:
        return hash(str(self._location))

    @property
    def location(self) -> Path:
        """The folder.

        Raises:
            ImproperlyConfigured: Neither the storage nor ``MEDIA_ROOT`` names one.
        """
        place = self._location if self._location is not None else settings.MEDIA_ROOT
        if place is None:
            raise ImproperlyConfigured(
                "There is no folder for uploaded files. Set MEDIA_ROOT, as in MEDIA_ROOT = BASE_DIR / 'media'."
            )
        return Path(os.path.abspath(place))

    @property
    def base_url(self) -> str:
        """The address of the folder, with a slash at its end."""
        url = self._base_url if self._base_url is not None else settings.MEDIA_URL
        return url if url.endswith("/") else f"{url}/"

    # ── names

    def path(self, name: str) -> str:
        """Return the path on the disk.

        Raises:
            SuspiciousFileOperation: It is not in the folder.
        """
        root = self.location
        found = os.path.abspath(root / check_name(name))
        if os.path.commonpath([root, found]) != str(root) or found == str(root):
            raise SuspiciousFileOperation("The name of a file leads out of its storage.")
        return found

    def url(self, name: str) -> str:
        """Return the address at which a browser finds the file."""
        return self.base_url + quote(check_name(name))

    # ── files

    async def save(self, name: str, content: Any, max_length: int | None = None) -> str:
        """Keep the content and return its name; one that is taken gets a random part.

        A file that could not be written to its end is removed again; one that it was to replace stays as it was. Whoever reads
        meanwhile finds the old content or the new one, never a part.
        """
        name = self.generate_filename(name)
        writing = await to_thread(self._begin, name, max_length)
        is_whole = False
        try:
            async for chunk in chunks_of(content):
                await to_thread(writing.file.write, chunk)
            is_whole = True
        finally:
            await asyncio.shield(to_thread(self._finish, writing, is_whole))
        return writing.name

    def _begin(self, name: str, max_length: int | None) -> _Writing:
        attempt = 0
        while True:
            tried = self.get_available_name(name, max_length, attempt)
            path = written = self.path(tried)
            self._make_folders(os.path.dirname(path))
            if self.allow_overwrite:
                # Where a link leads: the file is replaced, and not the link.
                path = os.path.realpath(path)
                written = os.path.join(os.path.dirname(path), f".{secrets.token_hex(8)}.part")
            # O_EXCL: of two that save the same name at once, one gets another name.
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
            try:
                descriptor = os.open(written, flags, 0o666)
            except FileExistsError:
                attempt += 1
                continue
            return _Writing(tried, path, written, os.fdopen(descriptor, "wb"))

    def _make_folders(self, folder: str) -> None:
        if os.path.isdir(folder):
            return
        self._make_folders(os.path.dirname(folder))
        try:
            os.mkdir(folder)
        except FileExistsError:
            # Somebody else has just made it.
            return
        if self.directory_permissions is not None:
            os.chmod(folder, self.directory_permissions)

    def _finish(self, writing: _Writing, is_whole: bool) -> None:
        is_kept = False
        try:
            # Where the disk is full, a small file is told so only here.
            writing.file.close()
            if is_whole:
                if self.file_permissions is not None:
                    os.chmod(writing.written, self.file_permissions)
                elif writing.written != writing.path:
                    _keep_mode(writing)
                if writing.written != writing.path:
                    os.replace(writing.written, writing.path)
                is_kept = True
        finally:
            if not is_kept:
                os.unlink(writing.written)

    async def open(self, name: str, mode: str = "rb") -> File:
        """Return the file, open.

        Raises:
            FileNotFoundError: There is none.
        """
        return File(await to_thread(open, self.path(name), mode), name)

    async def delete(self, name: str) -> None:
        """Remove the file; nothing happens when there is none."""
        await to_thread(Path(self.path(name)).unlink, missing_ok=True)

    async def exists(self, name: str) -> bool:
        """Return whether there is such a file or folder."""
        return await to_thread(os.path.lexists, self.path(name))

    async def size(self, name: str) -> int:
        """Return the file's length in bytes."""
        return await to_thread(os.path.getsize, self.path(name))

    async def listdir(self, path: str = "") -> tuple[list[str], list[str]]:
        """Return the names of the folders and files in a folder of the storage, without what is still written."""
        return await to_thread(self._listdir, self.path(path) if path else str(self.location))

    def _listdir(self, path: str) -> tuple[list[str], list[str]]:
        with os.scandir(path) as entries:
            found = sorted((one for one in entries if not _PART.fullmatch(one.name)), key=lambda entry: entry.name)
            return [one.name for one in found if one.is_dir()], [one.name for one in found if not one.is_dir()]

    async def get_accessed_time(self, name: str) -> datetime.datetime:
        """Return when the file was read last, as far as the disk notes that."""
        return self.aware(await to_thread(os.path.getatime, self.path(name)))

    async def get_created_time(self, name: str) -> datetime.datetime:
        """Return when the file was made; on Unix, when its entry was changed last."""
        return self.aware(await to_thread(os.path.getctime, self.path(name)))

    async def get_modified_time(self, name: str) -> datetime.datetime:
        """Return when the file was changed last."""
        return self.aware(await to_thread(os.path.getmtime, self.path(name)))


def _keep_mode(writing: _Writing) -> None:
    """Give a file the mode of the one that it replaces, where there is one."""
    with contextlib.suppress(FileNotFoundError):
        os.chmod(writing.written, stat.S_IMODE(os.stat(writing.path).st_mode))
