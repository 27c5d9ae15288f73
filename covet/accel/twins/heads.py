"""The most ordinary requests, read at one go, and answers written so; the twin of ``covet_rust/src/heads.rs``."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["PlainRequest", "read_request", "with_length", "write_answer"]

PlainRequest = tuple[str, str, bytes, list[tuple[bytes, bytes]], bytes]

MAX_BYTES = 65536
MAX_HEADERS = 128

_LINE = rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ ]*([!-~](?:[ -~]*[!-~])?)\r\n"
_TARGET = rb"[!$%&'()*+,\-./0-9:;=?@A-Z_a-z~]*"
_FIRST = rb"(DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT) (/(?!/)" + _TARGET + rb") HTTP/1\.1\r\n"
_LENGTH = rb"0|[1-9][0-9]{0,4}"

_NEVER = frozenset({b"transfer-encoding", b"upgrade", b"expect", b"proxy-connection"})
_FORWARDED = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port"})
_ONCE = frozenset({b"host", b"connection", b"content-length"})


def read_request(data: bytes, believes: bool, /) -> PlainRequest | None:
    """Return method, path, query, headers (names in small letters) and body of a request that is plain and whole.

    Whatever else the bytes are, a part of a request, more than one, one with a chunked body, an upgrade, or none at all: the
    answer is ``None``, and the server's parser is to read them. What is returned is what that parser would have read.

    Args:
        data: What has come since the last request ended.
        believes: Whether the server believes what proxies say of the client; ``X-Forwarded-*`` is not plain then.
    """
    # Compiled when they are first asked for: servers do without this twin, whose parser is quicker than it.
    first_line, header_line, plain_length = map(re.compile, (_FIRST, _LINE, _LENGTH))
    first = first_line.match(data)
    if first is None or len(data) > MAX_BYTES:
        return None
    headers: list[tuple[bytes, bytes]] = []
    once: dict[bytes, bytes] = {}
    at = first.end()
    while not data.startswith(b"\r\n", at):
        line = header_line.match(data, at)
        if line is None or len(headers) == MAX_HEADERS:
            return None
        at = line.end()
        name, value = line[1].lower(), line[2]
        if name in _NEVER or (believes and name in _FORWARDED) or once.get(name) is not None:
            return None
        if name in _ONCE:
            once[name] = value
        headers.append((name, value))
    body = data[at + 2 :]
    length = once.get(b"content-length", b"0")
    if (
        b"host" not in once
        or once.get(b"connection", b"keep-alive").lower() != b"keep-alive"
        or plain_length.fullmatch(length) is None
        or len(body) != int(length)
    ):
        return None
    path, _, query = first[2].partition(b"?")
    return first[1].decode("ascii"), path.decode("ascii"), query, headers, body


@lru_cache(4096)
def _length_header(size: int) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % size


def with_length(headers: list[tuple[bytes, bytes]], size: int, /) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer with the length of its body, unless they tell it: then the list itself."""
    for name, _ in headers:
        if name == b"content-length":
            return headers
    return [*headers, _length_header(size)]


def write_answer(
    start: bytes,
    common: bytes,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
    has_length: bool,
    has_body: bool,
    closes: bool,
    /,
) -> tuple[bytes, bool]:
    """Return the bytes of an answer, and whether the connection ends with it.

    Args:
        start: The first line, with its end.
        common: The headers that every answer of the server begins with, as lines.
        headers: Those of this one, names in small letters; ``connection: close`` is taken for what ``closes`` says.
        body: The body.
        has_length: Whether the length of the body is told, if ``headers`` do not.
        has_body: Whether the body goes out.
        closes: Whether the client is told that the connection ends.
    """
    out = [start, common]
    for name, value in headers:
        if name == b"connection" and b"close" in value.lower():
            closes = True
            continue
        if name == b"content-length":
            has_length = False
        out += (name, b": ", value, b"\r\n")
    if has_length:
        out.append(b"content-length: %d\r\n" % len(body))
    out.append(b"connection: close\r\n\r\n" if closes else b"\r\n")
    if has_body:
        out.append(body)
    return b"".join(out), closes
