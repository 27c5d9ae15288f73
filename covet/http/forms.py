"""Forms: urlencoded and multipart bodies, and the files in them.

A multipart body is parsed while it arrives. Its fields stay in memory within the policy's limit, a file beyond a size
goes to a temporary file on disk, written in a thread.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterable, Sequence
from encodings import normalize_encoding
from encodings.aliases import aliases
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

from covet.http.body import too_large
from covet.http.errors import BadRequest, PayloadTooLarge, UnsupportedMediaType
from covet.http.files import UploadedFile
from covet.http.policy import RequestPolicy
from covet.http.query import MultiDict, parse_pairs
from covet.http.uploads import SkipFile, StopUpload, UploadHandler

__all__ = ["FormData", "parse_content_type", "parse_form"]

# By the names of Python's codecs.
_CHARSETS = frozenset({
    "ascii", "utf_16", "utf_16_le", "utf_16_be", "shift_jis", "euc_jp", "euc_kr", "gbk", "gb18030", "big5", "koi8_r", "latin_1",
    *[f"iso8859_{number}" for number in range(2, 17) if number != 12],
    *[f"cp{number}" for number in range(1250, 1259)],
})  # fmt: skip


class FormData(MultiDict["str | UploadedFile"]):
    """The fields and files of a form; ``fields`` and ``files`` tell them apart."""

    __slots__ = ()

    @property
    def files(self) -> MultiDict[UploadedFile]:
        """The files alone."""
        return MultiDict((name, value) for name, value in self.multi_items() if isinstance(value, UploadedFile))

    @property
    def fields(self) -> MultiDict[str]:
        """The plain fields alone."""
        return MultiDict((name, value) for name, value in self.multi_items() if isinstance(value, str))

    async def close(self) -> None:
        """Close every file."""
        for value in self.files.multi_items():
            await value[1].close()


def parse_content_type(value: str) -> tuple[str, dict[str, str]]:
    """Return the media type, lower case, and the parameters of a header such as ``Content-Type``."""
    main, parameters = value, {}
    if ";" in value:
        main, *rest = _split_parameters(value)
        for part in rest:
            name, equals, text = part.partition("=")
            if not equals:
                continue
            text = text.strip()
            if len(text) > 1 and text[0] == '"' and text[-1] == '"':
                text = text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
            parameters[name.strip().lower()] = text
    return main.strip().lower(), parameters


def _split_parameters(value: str) -> Iterable[str]:
    parts, start, quoted = [], 0, False
    for place, char in enumerate(value):
        if char == '"' and (place == 0 or value[place - 1] != "\\"):
            quoted = not quoted
        elif char == ";" and not quoted:
            parts.append(value[start:place])
            start = place + 1
    parts.append(value[start:])
    return parts


def _extended(value: str) -> str:
    """Return a file name that says its charset, and maybe its language: ``UTF-8'de'%C3%BCber.txt`` (RFC 8187)."""
    charset, first, rest = value.partition("'")
    _, second, encoded = rest.partition("'")
    return _decoded(unquote_to_bytes(encoded), charset) if first and second else unquote(value)


def _decoded(data: bytes | bytearray, charset: str) -> str:
    """Return a text of one of the charsets that forms are written in; of any other it is read as UTF-8.

    Python has codecs besides these that are none of a text, or work for long on what a client sends; and it keeps each name for ever that
    it was asked for in vain. So it is asked for none but these.
    """
    if charset and charset.lower() != "utf-8":
        name = normalize_encoding(charset).lower()
        name = aliases.get(name, name)
        if name in _CHARSETS:
            return data.decode(name, "replace")
    return data.decode("utf-8", "replace")


async def parse_form(
    content_type: str, stream: AsyncIterator[bytes], policy: RequestPolicy, handlers: Sequence[UploadHandler] = ()
) -> FormData:
    """Read a form.

    Args:
        content_type: The request's header.
        stream: The body.
        policy: The limits.
        handlers: What sees its files arrive.

    Raises:
        UnsupportedMediaType: It is no form.
        BadRequest: It breaks off, or has too many fields or parts.
        PayloadTooLarge: Its fields are larger than memory may hold.
    """
    media_type, parameters = parse_content_type(content_type)
    if media_type == "application/x-www-form-urlencoded":
        raw = bytearray()
        async for chunk in stream:
            raw += chunk
            if len(raw) > policy.max_memory_bytes:
                raise too_large(policy.max_memory_bytes)
        return FormData(parse_pairs(bytes(raw), limit=policy.max_fields))
    if media_type == "multipart/form-data":
        boundary = parameters.get("boundary", "")
        if not boundary or len(boundary) > 200 or not boundary.isascii():
            raise BadRequest("The multipart form names no boundary.")
        reader = _MultipartReader(boundary.encode("ascii"), policy, handlers)
        return await reader.read(stream)
    raise UnsupportedMediaType("A form is application/x-www-form-urlencoded or multipart/form-data.")


class _MultipartReader:
    """Turns the parser's callbacks into fields and files.

    The parser calls back while it is fed; files are written after each feed, since writing may have to wait.
    """

    max_part_header_bytes = 8192

    def __init__(self, boundary: bytes, policy: RequestPolicy, handlers: Sequence[UploadHandler] = ()) -> None:
        self.policy = policy
        self.handlers = handlers
        self.received: dict[UploadedFile, int] = {}
        self.skipped: set[UploadedFile] = set()
        self.whole: set[UploadedFile] = set()
        self.pairs: list[tuple[str, str | UploadedFile]] = []
        # What is to be done for a file once the parser is done with a piece: its bytes, or ``None`` when it ends.
        self.pending: list[tuple[UploadedFile, bytes | None]] = []
        self.parts = 0
        self.field_bytes = 0
        self.is_complete = False
        from python_multipart.multipart import MultipartParser  # most requests bring no such form

        self.parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self.on_part_begin,
                "on_header_field": self.on_header_field,
                "on_header_value": self.on_header_value,
                "on_header_end": self.on_header_end,
                "on_headers_finished": self.on_headers_finished,
                "on_part_data": self.on_part_data,
                "on_part_end": self.on_part_end,
                "on_end": self.on_end,
            },
        )

    async def read(self, stream: AsyncIterator[bytes]) -> FormData:
        from python_multipart.exceptions import MultipartParseError

        try:
            async for chunk in stream:
                self.parser.write(chunk)
                await self.settle()
            self.parser.finalize()
            await self.settle()
            if not self.is_complete:
                raise BadRequest("The multipart form breaks off before its end.")
            for handler in self.handlers:
                await handler.upload_complete()
        except StopUpload:
            await self.interrupted()
            await self.leave_out(
                [file for _, file in self.pairs if isinstance(file, UploadedFile) and file not in self.whole]
            )
        except MultipartParseError as error:
            await self.discard()
            raise BadRequest(f"The multipart form cannot be read: {error}.") from error
        except BaseException:
            await self.discard()
            raise
        for _, value in self.pairs:
            if isinstance(value, UploadedFile):
                await value.seek(0)
        return FormData(self.pairs)

    async def settle(self) -> None:
        """Write what the parser has found, as the handlers have it."""
        pending, self.pending = self.pending, []
        for file, data in pending:
            if not self.handlers:
                if data is not None:
                    await file.write(data)
            elif file not in self.skipped:
                try:
                    await self.hand_over(file, data)
                except SkipFile:
                    self.skipped.add(file)
                    await self.leave_out([file])

    async def hand_over(self, file: UploadedFile, data: bytes | None) -> None:
        """Let the handlers see a file: that there is one, the next bytes of it, or that it is whole."""
        if file not in self.received:
            self.received[file] = 0
            for handler in self.handlers:
                await handler.new_file(file)
        if data is None:
            self.whole.add(file)
            for handler in self.handlers:
                other = await handler.file_complete(file)
                if other is not None:
                    self.pairs = [(name, other if value is file else value) for name, value in self.pairs]
                    self.whole.add(other)
                    return
            return
        start = self.received[file]
        self.received[file] = start + len(data)
        for handler in self.handlers:
            kept = await handler.receive_data_chunk(file, data, start)
            if kept is None:
                return
            data = kept
        await file.write(data)

    async def leave_out(self, files: Sequence[UploadedFile]) -> None:
        """Take files out of the form."""
        self.pairs = [(name, value) for name, value in self.pairs if value not in files]
        for file in files:
            await file.close()

    async def interrupted(self) -> None:
        for handler in self.handlers:
            await handler.upload_interrupted()

    async def discard(self) -> None:
        try:
            await self.interrupted()
        finally:
            for _, value in self.pairs:
                if isinstance(value, UploadedFile):
                    await value.close()

    def on_part_begin(self) -> None:
        self.parts += 1
        if self.parts > self.policy.max_parts:
            raise BadRequest(f"The form has more than {self.policy.max_parts} parts.")
        self.headers: dict[str, str] = {}
        self.header_name = bytearray()
        self.header_value = bytearray()
        self.header_bytes = 0
        self.file: UploadedFile | None = None
        self.field = bytearray()

    def count_header(self, size: int) -> None:
        self.header_bytes += size
        if self.header_bytes > self.max_part_header_bytes:
            raise BadRequest("A part of the form has headers that are too long.")

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self.count_header(end - start)
        self.header_name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self.count_header(end - start)
        self.header_value += data[start:end]

    def on_header_end(self) -> None:
        name = self.header_name.decode("latin-1").lower()
        self.headers[name] = self.header_value.decode("utf-8", "replace")
        self.header_name.clear()
        self.header_value.clear()

    def on_headers_finished(self) -> None:
        disposition, options = parse_content_type(self.headers.get("content-disposition", ""))
        if disposition != "form-data" or "name" not in options:
            raise BadRequest("A part of the form has no name.")
        self.name = options["name"]
        file_name = options.get("filename")
        if "filename*" in options:
            file_name = _extended(options["filename*"])
        # Without a name it comes from an input in which no file was chosen, and is none until there are bytes.
        self.is_chosen = bool(file_name)
        if file_name is not None:
            limit = self.policy.file_memory_bytes
            spooled: Any = tempfile.SpooledTemporaryFile(max_size=limit, dir=self.policy.upload_dir)  # noqa: SIM115  # closed with the form
            content_type = self.headers.get("content-type", "application/octet-stream")
            self.file = UploadedFile(file_name, content_type, spooled, in_memory_limit=limit)
            if self.is_chosen:
                self.begin_file(self.file)

    def begin_file(self, file: UploadedFile) -> None:
        self.pairs.append((self.name, file))
        if self.handlers:
            # They hear of a file that is empty too.
            self.pending.append((file, b""))

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self.file is not None:
            if not self.is_chosen:
                self.is_chosen = True
                self.begin_file(self.file)
            self.pending.append((self.file, data[start:end]))
            return
        self.field_bytes += end - start
        if self.field_bytes > self.policy.max_memory_bytes:
            raise PayloadTooLarge(f"The fields of the form are larger than {self.policy.max_memory_bytes} bytes.")
        self.field += data[start:end]

    def on_part_end(self) -> None:
        if self.file is None:
            self.pairs.append((self.name, self.text()))
        elif not self.is_chosen:
            self.file.file.close()
        elif self.handlers:
            self.pending.append((self.file, None))

    def text(self) -> str:
        """Return a field as the charset of its part says (RFC 7578, 4.5)."""
        kind = self.headers.get("content-type")
        return _decoded(self.field, parse_content_type(kind)[1].get("charset", "") if kind else "")

    def on_end(self) -> None:
        self.is_complete = True
