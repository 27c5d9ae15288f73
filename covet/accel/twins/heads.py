"""The most ordinary requests, read at one go; the twin of ``covet_rust/src/heads.rs``."""

from __future__ import annotations

import re

__all__ = ["PlainRequest", "read_request"]

PlainRequest = tuple[str, str, bytes, list[tuple[bytes, bytes]], bytes]

MAX_BYTES = 65536
MAX_HEADERS = 128

_LINE = rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ ]*([!-~](?:[ -~]*[!-~])?)\r\n"
_TARGET = rb"[!$%&'()*+,\-./0-9:;=?@A-Z_a-z~]*"
_first = re.compile(rb"(DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT) (/(?!/)" + _TARGET + rb") HTTP/1\.1\r\n")
_line = re.compile(_LINE)
_length = re.compile(rb"0|[1-9][0-9]{0,4}")

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
    first = _first.match(data)
    if first is None or len(data) > MAX_BYTES:
        return None
    headers: list[tuple[bytes, bytes]] = []
    once: dict[bytes, bytes] = {}
    at = first.end()
    while not data.startswith(b"\r\n", at):
        line = _line.match(data, at)
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
        or _length.fullmatch(length) is None
        or len(body) != int(length)
    ):
        return None
    path, _, query = first[2].partition(b"?")
    return first[1].decode("ascii"), path.decode("ascii"), query, headers, body
