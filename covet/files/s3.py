"""``S3Storage``: files in a bucket of S3, or of a service that speaks as S3 does (MinIO, R2, Ceph)."""

from __future__ import annotations

import atexit
import datetime
import io
import sys
import threading
import time
from collections.abc import AsyncIterator, Mapping
from fnmatch import fnmatchcase
from functools import cache, cached_property
from typing import Any
from urllib.parse import quote

from covet.exceptions import ImproperlyConfigured, MissingDependency
from covet.files.file import CHUNK, File, chunks_of
from covet.files.names import check_name, kind_of
from covet.files.storage import BaseStorage

__all__ = ["S3File", "S3Storage"]

# What is not longer goes up in one request, which S3 refuses when the name is taken meanwhile.
_ONE_PIECE = 8 * 1024 * 1024
# How long the end of a process waits for the threads of obstore, and how often it looks.
_THREADS_END_S = 5.0
_LOOK_S = 0.001


class S3Storage(BaseStorage):
    """Keeps files in a bucket; needs ``pip install 'covet[s3]'``.

    Args:
        bucket: The bucket's name.
        prefix: The folder of the bucket that all names are below.
        region: The bucket's region.
        endpoint: The address of a service that is not Amazon's.
        access_key_id: The key; without one the environment (``AWS_ACCESS_KEY_ID``) or the machine's role is asked.
        secret_access_key: The key's secret.
        url_lifetime_s: How long an address that ``url`` signs works, in seconds.
        base_url: The address of a public bucket, or of what stands in front of it: ``url`` then signs nothing.
        allow_overwrite: Replace a file of the same name, in place of taking another name.
        cache_control: The ``Cache-Control`` of all files, for what reads the bucket; a mapping of patterns (``"*.css"``) to
            values where it is not the same for all.
    """

    def __init__(
        self,
        bucket: str,
        *,
        prefix: str = "",
        region: str | None = None,
        endpoint: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        url_lifetime_s: float = 3600,
        base_url: str | None = None,
        allow_overwrite: bool = False,
        cache_control: str | Mapping[str, str] | None = None,
    ) -> None:
        if not bucket:
            raise ImproperlyConfigured("S3Storage needs the name of a bucket, as in OPTIONS = {'bucket': 'uploads'}.")
        self.bucket = bucket
        self.prefix = prefix.strip("/")
        self.region = region
        self.endpoint = endpoint
        self._credentials = {"access_key_id": access_key_id, "secret_access_key": secret_access_key}
        self.url_lifetime_s = url_lifetime_s
        self.base_url = base_url
        self.allow_overwrite = allow_overwrite
        self.cache_control = {"*": cache_control} if isinstance(cache_control, str) else dict(cache_control or {})

    def __repr__(self) -> str:
        return f"<S3Storage: {self.bucket}/{self.prefix}>"

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Return what migrations write: never a key."""
        given = {
            "prefix": self.prefix,
            "region": self.region,
            "endpoint": self.endpoint,
            "base_url": self.base_url,
            "allow_overwrite": self.allow_overwrite,
            "cache_control": self.cache_control,
        }
        return "covet.files.s3.S3Storage", (self.bucket,), {name: value for name, value in given.items() if value}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, S3Storage) and self.deconstruct() == other.deconstruct()

    def __hash__(self) -> int:
        return hash((self.bucket, self.prefix))

    @cached_property
    def _obstore(self) -> Any:
        try:
            import obstore
        except ImportError as error:
            raise MissingDependency("obstore", extra="s3", feature="S3Storage") from error
        _outlive_threads()
        return obstore

    @cached_property
    def _store(self) -> Any:
        _ = self._obstore  # with its error where it is missing
        from obstore.store import S3Store

        options: dict[str, Any] = {"region": self.region, "endpoint": self.endpoint, **self._credentials}
        options = {name: value for name, value in options.items() if value is not None}
        if self.endpoint is not None:
            # Services of one's own answer below one host, and often without TLS inside a private network.
            options["virtual_hosted_style_request"] = False
            options["client_options"] = {"allow_http": self.endpoint.startswith("http://")}
        return S3Store(self.bucket, prefix=self.prefix or None, **options)

    # ── files

    async def save(self, name: str, content: Any, max_length: int | None = None) -> str:
        """Keep the content, piece by piece, and return its name; one that is taken gets a random part.

        Of files of more than 8 MiB that two save under one name at the same moment, the later one replaces the other.
        """
        name = self.generate_filename(name)
        chunks = chunks_of(content)
        head = bytearray()
        async for chunk in chunks:
            head += chunk
            if len(head) > _ONE_PIECE:
                break
        else:
            return await self._save_whole(name, bytes(head), max_length)
        taken = await self._free(name, max_length)
        await self._obstore.put_async(
            self._store, taken, _joined(bytes(head), chunks), attributes=self.attributes_of(taken)
        )
        return taken

    async def _save_whole(self, name: str, data: bytes, max_length: int | None) -> str:
        from obstore.exceptions import AlreadyExistsError

        attempt = 0
        while True:
            tried = self.get_available_name(name, max_length, attempt)
            try:
                await self._obstore.put_async(
                    self._store,
                    tried,
                    data,
                    mode="overwrite" if self.allow_overwrite else "create",
                    use_multipart=False,
                    attributes=self.attributes_of(tried),
                )
            except AlreadyExistsError:
                attempt += 1
                continue
            return tried

    def attributes_of(self, name: str) -> dict[str, str]:
        """Return what the bucket tells of a file to whoever reads it: its kind, and how long it may be kept."""
        kind, encoding = kind_of(name)
        if kind is None or encoding is not None:
            kind = "application/octet-stream"
        elif kind.startswith("text/") or kind == "application/javascript":
            kind += "; charset=utf-8"
        found = {"Content-Type": kind}
        for pattern, value in self.cache_control.items():
            if fnmatchcase(name, pattern):
                found["Cache-Control"] = value
                break
        return found

    async def _free(self, name: str, max_length: int | None) -> str:
        attempt = 0
        while True:
            tried = self.get_available_name(name, max_length, attempt)
            if self.allow_overwrite or not await self.exists(tried):
                return tried
            attempt += 1

    async def open(self, name: str, mode: str = "rb") -> File:
        """Return the file, open for reading; its content comes piece by piece.

        Raises:
            FileNotFoundError: There is none.
            ValueError: It is to be written.
        """
        if mode != "rb":
            raise ValueError(f"S3Storage opens files with mode 'rb' alone, not {mode!r}: save() writes them.")
        return S3File(self, name, await self.size(name))

    async def delete(self, name: str) -> None:
        """Remove the file; nothing happens when there is none."""
        await self._obstore.delete_async(self._store, check_name(name))

    async def exists(self, name: str) -> bool:
        """Return whether there is such a file."""
        try:
            await self._head(name)
        except FileNotFoundError:
            return False
        return True

    async def size(self, name: str) -> int:
        """Return the file's length in bytes.

        Raises:
            FileNotFoundError: There is none.
        """
        return int((await self._head(name))["size"])

    async def get_modified_time(self, name: str) -> datetime.datetime:
        """Return when the file was changed last."""
        found: datetime.datetime = (await self._head(name))["last_modified"]
        return found

    async def _head(self, name: str) -> Any:
        from obstore.exceptions import NotFoundError

        try:
            return await self._obstore.head_async(self._store, check_name(name))
        except (NotFoundError, FileNotFoundError):
            raise FileNotFoundError(f"There is no file '{name}' in {self!r}.") from None

    async def listdir(self, path: str = "") -> tuple[list[str], list[str]]:
        """Return the names of the folders and files in a folder of the storage."""
        folder = f"{check_name(path)}/" if path else ""
        found = await self._obstore.list_with_delimiter_async(self._store, folder or None)
        folders = [one.rstrip("/").rsplit("/", 1)[-1] for one in found["common_prefixes"]]
        files = [one["path"].rsplit("/", 1)[-1] for one in found["objects"]]
        return sorted(folders), sorted(files)

    def url(self, name: str) -> str:
        """Return the address at which a browser finds the file: signed, for ``url_lifetime_s``, unless it is public."""
        name = check_name(name)
        if self.base_url is not None:
            return f"{self.base_url.rstrip('/')}/{quote(name)}"
        lifetime = datetime.timedelta(seconds=self.url_lifetime_s)
        return str(self._obstore.sign(self._store, "GET", name, lifetime))


class S3File(File):
    """A file of a bucket, which is read in ranges."""

    def __init__(self, storage: S3Storage, name: str, size: int) -> None:
        super().__init__(io.BytesIO(), name)
        self._storage = storage
        self._key = check_name(name)
        self._length = size
        self._position = 0

    async def read(self, size: int = -1) -> Any:
        """Return the next bytes, or all that are left."""
        left = max(0, self._length - self._position)
        length = left if size < 0 else min(size, left)
        if not length:
            return b""
        storage = self._storage
        data = await storage._obstore.get_range_async(storage._store, self._key, start=self._position, length=length)
        self._position += length
        return bytes(data)

    async def write(self, data: Any) -> int:
        """Refuse: objects are written as a whole, by the storage's ``save``."""
        raise io.UnsupportedOperation("A file of S3Storage is not written in parts: save() it as a whole.")

    async def seek(self, position: int) -> None:
        """Go to a place."""
        self._position = position

    async def size(self) -> int:
        """Return the length in bytes."""
        return self._length

    async def chunks(self, size: int = CHUNK) -> AsyncIterator[Any]:
        """Iterate over the content from its start, in one request."""
        result = await self._storage._obstore.get_async(self._storage._store, self._key)
        async for chunk in result.stream(min_chunk_size=size):
            yield bytes(chunk)


async def _joined(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for chunk in rest:
        yield chunk


@cache
def _outlive_threads() -> None:
    """See that the process does not end while a thread of obstore's still runs Python code."""
    atexit.register(_wait_for_foreign_threads)


def _wait_for_foreign_threads() -> None:
    """Wait until no thread that Python did not start runs Python code.

    A result is told to the event loop by such a thread, which the loop may be quicker than: it goes on, a command is done, and
    the interpreter ends. A thread that then wants to go on is ended by it, which Rust takes for an error and aborts the process.
    """
    end = time.monotonic() + _THREADS_END_S
    while time.monotonic() < end:
        ours = {each.ident for each in threading.enumerate() if not isinstance(each, threading._DummyThread)}
        if sys._current_frames().keys() <= ours:
            return
        time.sleep(_LOOK_S)
