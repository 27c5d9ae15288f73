"""CompressionMiddleware: answers packed by zstd, brotli or gzip, as the client takes them best.

Secrets in a packed page can be guessed from its length by who can put text into it (BREACH): gzip gets a random
number of padding bytes in its header, as Django does; mask tokens that stand in pages (the CSRF token is).
"""

from __future__ import annotations

import gzip
import secrets
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from typing import Protocol

from covet.concurrency import to_thread
from covet.conf import settings
from covet.exceptions import ImproperlyConfigured, MissingDependency
from covet.http.negotiation import accepted_encodings
from covet.http.request import Request
from covet.http.response import Response
from covet.http.streaming import StreamingResponse, close_content, iterate
from covet.middleware.base import GetResponse

__all__ = ["CompressionMiddleware"]

_PACKABLE = ("text/", "application/json", "application/javascript", "application/xml", "image/svg+xml")
_ENDINGS = ("+json", "+xml")
# From here on packing takes long enough to hold others up.
_THREAD_FROM = 64 * 1024
_PADDING_MAX = 100


class _Packer(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush_part(self) -> bytes: ...
    def finish(self) -> bytes: ...


class _Gzip:
    def __init__(self) -> None:
        self._packer = zlib.compressobj(settings.COMPRESSION_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)

    def compress(self, data: bytes) -> bytes:
        return self._packer.compress(data)

    def flush_part(self) -> bytes:
        return self._packer.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._packer.flush()


class _Brotli:
    def __init__(self) -> None:
        import brotli  # type: ignore[import-untyped]  # it has no types

        self._packer = brotli.Compressor(quality=settings.COMPRESSION_LEVEL)

    def compress(self, data: bytes) -> bytes:
        return bytes(self._packer.process(data))

    def flush_part(self) -> bytes:
        return bytes(self._packer.flush())

    def finish(self) -> bytes:
        return bytes(self._packer.finish())


class _Zstd:
    def __init__(self) -> None:
        import zstandard

        self._packer = zstandard.ZstdCompressor(level=settings.COMPRESSION_LEVEL).compressobj()
        self._flush = zstandard.COMPRESSOBJ_FLUSH_BLOCK

    def compress(self, data: bytes) -> bytes:
        return self._packer.compress(data)

    def flush_part(self) -> bytes:
        return self._packer.flush(self._flush)

    def finish(self) -> bytes:
        return self._packer.flush()


def _gzip(body: bytes) -> bytes:
    packed = gzip.compress(body, settings.COMPRESSION_LEVEL, mtime=0)
    # A file name of random length in the header: the length of the answer tells less (Heal-the-BREACH).
    name = b"a" * secrets.randbelow(_PADDING_MAX) + b"\x00"
    return packed[:3] + bytes([packed[3] | 8]) + packed[4:10] + name + packed[10:]


def _whole(packer: Callable[[], _Packer]) -> Callable[[bytes], bytes]:
    def pack(body: bytes) -> bytes:
        one = packer()
        return one.compress(body) + one.finish()

    return pack


_STREAMS: dict[str, Callable[[], _Packer]] = {"zstd": _Zstd, "br": _Brotli, "gzip": _Gzip}
_BODIES: dict[str, Callable[[bytes], bytes]] = {"zstd": _whole(_Zstd), "br": _whole(_Brotli), "gzip": _gzip}
_MODULES = {"zstd": "zstandard", "br": "brotli"}


class CompressionMiddleware:
    """Packs texts, JSON, XML and SVG that are longer than ``COMPRESSION_MIN_SIZE``; streams piece by piece.

    What is packed already, has ``Cache-Control: no-transform``, or is part of a file is sent as it is.

    Raises:
        ImproperlyConfigured: ``COMPRESSION_ENCODINGS`` names an unknown one.
        MissingDependency: Its package is not installed.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.encodings = tuple(settings.COMPRESSION_ENCODINGS)
        self.min_size = settings.COMPRESSION_MIN_SIZE
        for name in self.encodings:
            _check(name)

    async def __call__(self, request: Request) -> Response:
        """Answer, packed where that is worth it."""
        response = await self.get_response(request)
        if response.status in (204, 206, 304) or not self._is_packable(response):
            return response
        response.headers.add_vary("Accept-Encoding")
        encoding = self.choose(request.headers.combined("accept-encoding", ""))
        if encoding is None or (not response.is_streaming and len(response.body) < self.min_size):
            return response
        if isinstance(response, StreamingResponse):
            response.content = _Packed(response.content, _STREAMS[encoding]())
        elif response.is_streaming:
            return response
        else:
            pack, body = _BODIES[encoding], response.body
            packed = pack(body) if len(body) < _THREAD_FROM else await to_thread(pack, body)
            if len(packed) >= len(body):
                return response
            response.body = packed
        headers = response.headers
        headers["Content-Encoding"] = encoding
        if "content-length" in headers:
            del headers["content-length"]
        etag = headers.get("etag")
        if etag is not None and not etag.startswith("W/"):
            # Other bytes of the same content (RFC 9110, 8.8.1).
            headers["ETag"] = f"W/{etag}"
        return response

    def choose(self, header: str) -> str | None:
        """Return the encoding that the client likes best, ours first among equals; ``None`` for none."""
        taken = accepted_encodings(header, self.encodings)
        return taken[0] if taken else None

    def _is_packable(self, response: Response) -> bool:
        headers = response.headers
        if "content-encoding" in headers or "no-transform" in headers.get("cache-control", ""):
            return False
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "text/event-stream":
            return False
        return kind.startswith(_PACKABLE) or kind.endswith(_ENDINGS)


class _Packed:
    """A stream that is packed on its way; to close it closes what it is made from, also where nothing was read of it."""

    def __init__(self, content: AsyncIterable[bytes | str] | Iterable[bytes | str], packer: _Packer) -> None:
        self.content = content
        self.packer = packer

    async def __aiter__(self) -> AsyncIterator[bytes | str]:
        source, packer = iterate(self.content), self.packer
        try:
            async for chunk in source:
                data = chunk.encode() if isinstance(chunk, str) else chunk
                # Each piece is sent when it is there: a stream that waits for a full block would stand still.
                piece = packer.compress(data) + packer.flush_part()
                if piece:
                    yield piece
            yield packer.finish()
        finally:
            await close_content(source)

    async def aclose(self) -> None:
        await close_content(self.content)


def _check(name: str) -> None:
    if name not in _BODIES:
        raise ImproperlyConfigured(
            f"COMPRESSION_ENCODINGS: {name!r} is no encoding that we know. Known: {', '.join(_BODIES)}."
        )
    module = _MODULES.get(name)
    if module is not None:
        try:
            __import__(module)
        except ImportError as error:
            raise MissingDependency(module, extra="formats", feature=f"COMPRESSION_ENCODINGS {name!r}") from error
