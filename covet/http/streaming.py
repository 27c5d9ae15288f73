"""Answers that are not there as a whole: streams, files with ranges, server-sent events.

Each stops, and closes what it reads from, as soon as the client has gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import secrets
import stat
import threading
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from os import PathLike
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar
from urllib.parse import quote

from msgspec import Struct

from covet import json
from covet.apps.draining import draining
from covet.concurrency import to_thread
from covet.http.conditional import http_date, outcome, parse_http_date
from covet.http.errors import NotFound
from covet.http.headers import Headers
from covet.http.response import Response
from covet.loading import late_module
from covet.types import Receive, Scope, Send

if TYPE_CHECKING:
    from covet.files import names
    from covet.http import visitor
else:
    visitor = late_module(__name__, "covet.http.visitor")
    names = late_module(__name__, "covet.files.names")

__all__ = ["EventStream", "FileResponse", "ServerEvent", "StreamingResponse", "parse_ranges"]

_CHUNK = 65536
RETRY_MS = 1000
LAST_WORDS_S = 1.0


class StreamingResponse(Response):
    """An answer that is made while it is sent.

    Its pieces are made in the language and the time zone that hold where it is made itself, such as in the view.

    Args:
        content: An async or a plain iterable of bytes or texts; a plain one runs in a thread.
        status: The HTTP status.
        headers: Further headers.
        media_type: The ``Content-Type``.
    """

    __slots__ = ("content", "visitor")
    is_streaming: ClassVar[bool] = True

    def __init__(
        self,
        content: AsyncIterable[bytes | str] | Iterable[bytes | str],
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
    ) -> None:
        super().__init__(b"", status, headers, media_type)
        self.content = content
        self.visitor = visitor.Visitor()

    async def send(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send piece by piece, as fast as the client takes them."""
        # The tasks and threads that make the pieces are begun inside, and copy what holds.
        with self.visitor.speaking():
            await self._send(scope, receive, send)

    async def _send(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": self.raw_headers})
        if scope["method"] == "HEAD":
            await self.close()
            await send({"type": "http.response.body", "body": b""})
            return
        chunks = iterate(self.content)

        async def send_all() -> None:
            try:
                async for chunk in chunks:
                    data = chunk.encode() if isinstance(chunk, str) else chunk
                    if data:
                        await send({"type": "http.response.body", "body": data, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
            finally:
                await close_content(chunks)

        await until_disconnect(send_all, receive)

    async def close(self) -> None:
        """Close the iterable without sending it."""
        await close_content(self.content)


def iterate(content: AsyncIterable[bytes | str] | Iterable[bytes | str]) -> AsyncIterator[bytes | str]:
    """Return an async iterator over either kind of iterable."""
    if isinstance(content, AsyncIterable):
        return aiter(content)
    return _in_thread(iter(content))


async def _in_thread(iterator: Iterator[bytes | str]) -> AsyncIterator[bytes | str]:
    end = object()
    # Held by the thread that is in the iterator. A client that goes ends the waiting for that thread, and not the thread: a
    # generator that still runs cannot be closed.
    busy = threading.Lock()

    def following() -> Any:
        with busy:
            return next(iterator, end)

    def close() -> None:
        with busy:
            iterator.close()  # type: ignore[attr-defined]  # called where it has one

    try:
        while (chunk := await to_thread(following)) is not end:
            yield chunk
    finally:
        if hasattr(iterator, "close"):
            await to_thread(close)


async def close_content(content: Any) -> None:
    """Close what a stream is made from, where it can be closed; a plain one may wait for that, and does it in a thread."""
    if hasattr(content, "aclose"):
        await content.aclose()
    elif hasattr(content, "close"):
        await to_thread(content.close)


async def until_disconnect(work: Callable[[], Awaitable[None]], receive: Receive) -> None:
    """Run the work, and cancel it when the client disconnects.

    The watcher swallows what is left of the request's body; a stream that reads the body must read it before.
    """

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        worker.cancel()

    async def run() -> None:
        await work()

    worker = asyncio.ensure_future(run())
    watcher = asyncio.ensure_future(watch())
    try:
        await asyncio.wait([worker])
        if not worker.cancelled():
            worker.result()
    finally:
        for task in (worker, watcher):
            task.cancel()
        await asyncio.gather(worker, watcher, return_exceptions=True)


class ServerEvent(Struct, frozen=True):
    """One server-sent event.

    Args:
        data: A text, or a value sent as JSON.
        event: The event's name; ``message`` for the browser when left out.
        id: What the browser sends back as ``Last-Event-ID`` when it connects again.
        retry_ms: How long the browser waits before it does.
    """

    data: Any = ""
    event: str | None = None
    id: str | None = None
    retry_ms: int | None = None

    def to_bytes(self) -> bytes:
        """Return the event as it is sent."""
        text = self.data if isinstance(self.data, str) else json.dumps(self.data).decode()
        lines = []
        for name, value in (("event", self.event), ("id", self.id)):
            if value is not None:
                if "\n" in value or "\r" in value or "\0" in value:
                    raise ValueError(f"The {name} of an event cannot hold line ends: {value!r}.")
                lines.append(f"{name}: {value}")
        if self.retry_ms is not None:
            lines.append(f"retry: {self.retry_ms}")
        # Only these three end a line in an event stream; str.splitlines knows more of them.
        for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
            lines.append(f"data: {line}")
        return ("\n".join(lines) + "\n\n").encode()


class EventStream(StreamingResponse):
    """Server-sent events (``EventSource`` in a browser).

    A server that stops ends the stream with a ``retry``, so that the browser comes back to another process.

    Args:
        events: An async iterable of ``ServerEvent``, or of values that become the data of one.
        heartbeat_s: A comment is sent after this long without an event, so that proxies keep the connection.
        headers: Further headers.
    """

    __slots__ = ("events", "heartbeat_s")
    media_type = "text/event-stream"

    def __init__(
        self, events: AsyncIterable[Any], *, heartbeat_s: float = 15.0, headers: Mapping[str, str] | None = None
    ) -> None:
        self.events = events
        self.heartbeat_s = heartbeat_s
        super().__init__(self._encode(), 200, headers)
        self.headers.setdefault("Cache-Control", "no-cache, no-transform")
        # nginx would hold events back to fill its buffer.
        self.headers.setdefault("X-Accel-Buffering", "no")

    async def send(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send event after event; a server that cancels this, and told nobody before, gets the ``retry`` out still."""
        try:
            await super().send(scope, receive, send)
        except asyncio.CancelledError:
            # Whatever a server says of a connection that it has given up: the cancelling goes on below.
            with contextlib.suppress(Exception):
                async with asyncio.timeout(LAST_WORDS_S):
                    await send({"type": "http.response.body", "body": _retry()})
            raise

    async def close(self) -> None:
        """Close the iterable without sending it."""
        await super().close()
        await close_content(self.events)

    async def _encode(self) -> AsyncIterator[bytes]:
        events = aiter(self.events)
        following: asyncio.Future[Any] | None = None
        ending = draining.join()
        try:
            while True:
                if following is None:
                    following = asyncio.ensure_future(anext(events, _END))
                await asyncio.wait([following, ending], timeout=self.heartbeat_s, return_when=asyncio.FIRST_COMPLETED)
                if following.done():
                    event = following.result()
                    following = None
                    if event is _END:
                        return
                    yield (event if isinstance(event, ServerEvent) else ServerEvent(event)).to_bytes()
                elif not ending.done():
                    yield b": still here\n\n"
                if ending.done():
                    yield _retry()
                    return
        finally:
            draining.leave(ending)
            if following is not None:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
            await close_content(events)


def _retry() -> bytes:
    """Ask a client to come back, not all of them at the same moment: each waits for a time of its own."""
    return b"retry: %d\n\n" % (RETRY_MS + secrets.randbelow(RETRY_MS))


_END = object()


class FileResponse(Response):
    """A file from disk, sent in pieces, with ``Range``, ``ETag`` and ``Last-Modified``.

    Args:
        path: The file.
        filename: The name offered for saving; the file's own when ``as_attachment`` is set.
        as_attachment: Ask the browser to save it, not to show it.
        media_type: The ``Content-Type``; guessed from the name when left out.
        headers: Further headers.
        status: The HTTP status of the whole file.

    Raises:
        NotFound: When it is sent: no such file.
    """

    __slots__ = ("as_attachment", "filename", "path")
    is_streaming: ClassVar[bool] = True

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        filename: str | None = None,
        as_attachment: bool = False,
        media_type: str | None = None,
        headers: Mapping[str, str] | None = None,
        status: int = 200,
    ) -> None:
        self.path = os.fspath(path)
        shown = filename or os.path.basename(self.path)
        if media_type is None:
            media_type = guess_media_type(shown)
        super().__init__(b"", status, headers, media_type)
        self.filename = shown
        self.as_attachment = as_attachment
        if as_attachment or filename:
            self.headers.setdefault("Content-Disposition", content_disposition(shown, as_attachment=as_attachment))

    async def send(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, the ranges that were asked for, 304 when the client has it, or 412 when it wants another one."""
        try:
            file, size, modified_ns = await to_thread(_open, self.path)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
            raise NotFound("There is no such file.") from error
        try:
            headers = self.headers
            etag = headers.setdefault("ETag", f'"{modified_ns:x}-{size:x}"')
            modified = datetime.fromtimestamp(modified_ns // 1_000_000_000, UTC)
            modified = parse_http_date(headers.setdefault("Last-Modified", http_date(modified))) or modified
            headers.setdefault("Accept-Ranges", "bytes")
            method, asked = scope["method"], Headers(scope["headers"])
            # What was asked of a POST, say, was asked of what it did, and not of the file in its answer. Ranges are for GET (RFC 9110, 14.2).
            is_read = self.status == 200 and method in ("GET", "HEAD")
            found = outcome(method, asked, etag, modified) if is_read else None
            if found is not None:
                await _send_head(send, found, headers)
                return
            ranges = None
            if is_read and method == "GET" and "range" in asked and _range_holds(asked, etag, modified):
                ranges = parse_ranges(asked["range"], size)
            await self._send_parts(scope, receive, send, _Source(file, size, ranges))
        finally:
            # At once: closing a file that was only read never waits, and a cancelled task could not wait for a thread.
            file.close()

    async def _send_parts(self, scope: Scope, receive: Receive, send: Send, source: _Source) -> None:
        headers, ranges, size = self.headers, source.ranges, source.size
        status, total = self.status, size
        parts: list[tuple[bytes, int, int]] = [(b"", 0, size)]
        tail = b""
        if ranges is not None and not ranges:
            headers["Content-Range"] = f"bytes */{size}"
            headers["Content-Length"] = "0"
            await _send_head(send, 416, headers)
            return
        if ranges is not None and len(ranges) == 1:
            (start, end) = ranges[0]
            status, total = 206, end - start
            parts = [(b"", start, end)]
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        elif ranges is not None:
            status = 206
            boundary = secrets.token_hex(12)
            kind = headers.get("content-type", "application/octet-stream")
            parts = [
                (
                    f"\r\n--{boundary}\r\nContent-Type: {kind}\r\nContent-Range: bytes {a}-{b - 1}/{size}\r\n\r\n".encode(),
                    a,
                    b,
                )
                for a, b in ranges
            ]
            tail = f"\r\n--{boundary}--\r\n".encode()
            total = sum(len(head) + b - a for head, a, b in parts) + len(tail)
            headers["Content-Type"] = f"multipart/byteranges; boundary={boundary}"
        headers["Content-Length"] = str(total)
        if scope["method"] == "HEAD":
            await _send_head(send, status, headers)
            return
        await send({"type": "http.response.start", "status": status, "headers": headers.raw})
        if ranges is None and size and "http.response.pathsend" in (scope.get("extensions") or ()):
            # The server sends the file itself, by sendfile or what its system has.
            await send({"type": "http.response.pathsend", "path": os.path.abspath(self.path)})  # noqa: ASYNC240  # asks for the current folder only
            return

        async def send_all() -> None:
            for head, start, end in parts:
                if head:
                    await send({"type": "http.response.body", "body": head, "more_body": True})
                async for chunk in source.read(start, end):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": tail})

        await until_disconnect(send_all, receive)


class _Source(Struct):
    """An open file, its size, and the ranges asked for (half open; ``None`` is the whole)."""

    file: BinaryIO
    size: int
    ranges: list[tuple[int, int]] | None

    async def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        while start < end:
            chunk = await to_thread(_read_at, self.file, start, min(_CHUNK, end - start))
            if not chunk:
                # The file was cut while it was sent: the length that was promised cannot be kept.
                raise OSError("The file became shorter while it was sent.")
            start += len(chunk)
            yield chunk


def _read_at(file: BinaryIO, start: int, length: int) -> bytes:
    file.seek(start)
    return file.read(length)


def _open(path: str) -> tuple[BinaryIO, int, int]:
    file = open(path, "rb")  # noqa: SIM115  # the caller closes it
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        file.close()
        raise FileNotFoundError(path)
    return file, status.st_size, status.st_mtime_ns


async def _send_head(send: Send, status: int, headers: Headers) -> None:
    raw = headers.raw
    if status in (304, 412):
        raw = [pair for pair in raw if pair[0] not in (b"content-length", b"content-type")]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": b""})


def guess_media_type(name: str) -> str:
    """Return the media type of a file by its name, with UTF-8 for texts."""
    kind, encoding = names.kind_of(name)
    if encoding is not None:
        return {"gzip": "application/gzip", "br": "application/x-brotli"}.get(encoding, "application/octet-stream")
    if kind is None:
        return "application/octet-stream"
    if kind.startswith("text/") or kind in ("application/javascript", "image/svg+xml"):
        return f"{kind}; charset=utf-8"
    return kind


def content_disposition(filename: str, *, as_attachment: bool) -> str:
    """Return a ``Content-Disposition`` that carries any file name safely (RFC 6266)."""
    kind = "attachment" if as_attachment else "inline"
    plain = "".join(char for char in filename if char.isprintable())
    if plain.isascii() and not set(plain) & {'"', "\\"}:
        return f'{kind}; filename="{plain}"'
    return f"{kind}; filename*=UTF-8''{quote(plain, safe='')}"


def _range_holds(asked: Headers, etag: str, modified: datetime) -> bool:
    condition = asked.get("if-range")
    if condition is None:
        return True
    if condition.startswith(('"', "W/")):
        return condition == etag and not etag.startswith("W/")
    return parse_http_date(condition) == modified


def parse_ranges(header: str, size: int, *, most: int = 16) -> list[tuple[int, int]] | None:
    """Return the ranges of a ``Range`` header as half-open pairs.

    Args:
        header: As sent.
        size: The length of the whole.
        most: More ranges than this are taken for an attack, and the whole is sent.

    Returns:
        ``None`` when the header is to be ignored, an empty list when no range can be satisfied (416).
    """
    unit, equals, text = header.partition("=")
    if unit.strip().lower() != "bytes" or not equals:
        return None
    ranges: list[tuple[int, int]] = []
    pieces = [piece for piece in text.split(",") if piece.strip()]
    if not 0 < len(pieces) <= most:
        return None
    for piece in pieces:
        first, dash, last = piece.strip().partition("-")
        if not dash or not _is_number(first or "0") or not _is_number(last or "0") or not (first or last):
            return None
        if first:
            start, end = int(first), int(last) + 1 if last else size
            if last and int(last) < start:
                return None
        else:
            start, end = max(size - int(last), 0), size
        end = min(end, size)
        if start < end:
            ranges.append((start, end))
    ranges.sort()
    for (_, end), (start, _) in itertools.pairwise(ranges):
        if start < end:
            # Overlapping ranges multiply the work without need (RFC 9110, 14.2).
            return None
    return ranges


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19
