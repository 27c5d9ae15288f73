"""Shapes of a request that two servers may read in two ways: refused, or read in the one way that RFC 9112 gives them.

Behind each comes a request of its own. When a shape is refused, that must never be taken for a second request.
"""

from __future__ import annotations

from typing import Any

from covet.conf import override
from covet.http import JSONResponse, Request, Response
from covet.test.live import serve
from covet.urls import path
from tests.handlers import sites
from tests.handlers.test_bad_input import OK, SECRET, ask, body_timeout_s, server, status

__all__ = ["body_timeout_s", "server"]

HEAD = b"POST /body HTTP/1.1\r\nhost: good\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"

REFUSED = {
    # lengths
    "two lengths": HEAD + b"content-length: 5\r\ncontent-length: 50\r\n\r\n",
    "a list of lengths": HEAD + b"content-length: 5, 5\r\n\r\n",
    "length with a plus": HEAD + b"content-length: +5\r\n\r\n",
    "negative length": HEAD + b"content-length: -5\r\n\r\n",
    "hexadecimal length": HEAD + b"content-length: 0x5\r\n\r\n",
    "length with an underscore": HEAD + b"content-length: 1_0\r\n\r\n",
    "length beyond 64 bits": HEAD + b"content-length: 18446744073709551617\r\n\r\n",
    "length of two words": HEAD + b"content-length: 5 5\r\n\r\n",
    "empty length": HEAD + b"content-length: \r\n\r\n",
    "space before the colon": HEAD + b"content-length : 5\r\n\r\n",
    # codings
    "identity": HEAD + b"transfer-encoding: identity\r\n\r\n",
    "identity and a length": HEAD + b"transfer-encoding: identity\r\ncontent-length: 5\r\n\r\nabcde",
    "chunked is not the last": HEAD + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked, then identity": HEAD + b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n",
    "unknown coding": HEAD + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "vertical tab": HEAD + b"transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "quoted coding": HEAD + b'transfer-encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "coding with a parameter": HEAD + b"transfer-encoding: chunked;a=b\r\n\r\n0\r\n\r\n",
    "coding, space before the colon": HEAD + b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
    "folded coding": HEAD + b"transfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    # heads
    "folded header": HEAD + b"a: b\r\n c\r\n\r\n",
    "folded by a tab": HEAD + b"a: b\r\n\tc\r\n\r\n",
    "folded first header": b"POST /body HTTP/1.1\r\n host: good\r\ncontent-length: 0\r\n\r\n",
    "header without a colon": HEAD + b"nothing\r\n\r\n",
    "header without a name": HEAD + b": b\r\n\r\n",
    "space in a name": HEAD + b"a b: c\r\n\r\n",
    "tab in a name": HEAD + b"a\tb: c\r\n\r\n",
    "name that is not ASCII": HEAD + b"\xe4: c\r\n\r\n",
    "NUL in a header": HEAD + b"x: a\x00b\r\n\r\n",
    "bare carriage return in a value": HEAD + b"a: b\rcontent-length: 5\r\n\r\n",
    "space in the target": b"POST /bo dy HTTP/1.1\r\nhost: good\r\n\r\n",
    "NUL in the target": b"POST /bo\x00dy HTTP/1.1\r\nhost: good\r\n\r\n",
    "tabs in the first line": b"POST\t/body\tHTTP/1.1\r\nhost: good\r\n\r\n",
    "more behind the version": b"POST /body HTTP/1.1 x\r\nhost: good\r\n\r\n",
    "control character in the method": b"P\x01ST /body HTTP/1.1\r\nhost: good\r\n\r\n",
    "no version": b"GET /ok\r\n\r\n",
    "unknown version": b"POST /body HTTP/9.9\r\nhost: good\r\n\r\n",
}
# llhttp, the parser of uvicorn's httptools, refuses these; granian's hyper reads them, each in a way that the RFC allows.
REFUSED_BY_LLHTTP = {
    "length and chunked": HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": HEAD + b"transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n",
    "one length twice": HEAD + b"content-length: 5\r\ncontent-length: 5\r\n\r\nabcde",
    "chunked twice": HEAD + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare line feeds": b"POST /body HTTP/1.1\nhost: good\ncontent-length: 0\n\n",
    "one bare line feed": HEAD + b"a: b\ncontent-length: 0\r\n\r\n",
    "bare line feed behind the head": HEAD + b"content-length: 0\r\n\n",
    "small letters": b"post /body HTTP/1.1\r\nhost: good\r\n\r\n",
    # It takes a broken chunk for the end of the body.
    "chunk without a size": CHUNKED + b"zz\r\n",
    "hexadecimal prefix": CHUNKED + b"0x5\r\nabcde\r\n0\r\n\r\n",
    "negative chunk": CHUNKED + b"-5\r\nabcde\r\n0\r\n\r\n",
    "space before a size": CHUNKED + b" 5\r\nabcde\r\n0\r\n\r\n",
    "space behind a size": CHUNKED + b"5 \r\nabcde\r\n0\r\n\r\n",
    "chunk beyond 64 bits": CHUNKED + b"10000000000000005\r\nabcde\r\n0\r\n\r\n",
    "chunk with an underscore": CHUNKED + b"0_5\r\nabcde\r\n0\r\n\r\n",
    "size ended by a line feed": CHUNKED + b"5\nabcde\r\n0\r\n\r\n",
    "data ended by a line feed": CHUNKED + b"5\r\nabcde\n0\r\n\r\n",
    "data without an end": CHUNKED + b"5\r\nabcde0\r\n\r\n",
    "chunk extension ended by a line feed": CHUNKED + b"5;a\nabcde\r\n0\r\n\r\n",
    "carriage return in a chunk extension": CHUNKED + b"5;a\rb\r\nabcde\r\n0\r\n\r\n",
    "folded trailer": CHUNKED + b"5\r\nabcde\r\n0\r\nx: 1\r\n y\r\n\r\n",
}
# What is behind these is a request of its own, answered after them.
TAKEN = {
    "chunk extension": CHUNKED + b'5;a=b;c="d"\r\nabcde\r\n0\r\n\r\n',
    "trailer": CHUNKED + b"5\r\nabcde\r\n0\r\nx-late: 1\r\n\r\n",
    "capital letters": HEAD + b"Transfer-Encoding: Chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
    "line ends in front": b"\r\n\r\n" + HEAD + b"content-length: 5\r\n\r\nabcde",
}


async def test_shapes_that_are_none_are_refused_and_end_the_connection(server: Any) -> None:
    for name, shape in REFUSED.items():
        answer = await ask(server, shape + OK, ends=True)

        # Where nothing of a head can be read, granian closes with no answer.
        assert status(answer) in ((400, 0, 405) if server.way == "rsgi" else (400,)), name
        assert answer.count(b"HTTP/1.1 ") <= 1, name
        assert SECRET.encode() not in answer
        if server.way == "protocol":
            assert b"application/problem+json" in answer, name


async def test_shapes_that_servers_read_in_two_ways_are_refused(server: Any) -> None:
    for name, shape in REFUSED_BY_LLHTTP.items():
        answer = await ask(server, shape + OK, ends=True)

        assert status(answer) == 400 or server.way == "rsgi", name
        assert answer.count(b"HTTP/1.1 ") == 1, name
        assert b"\r\n\r\nok" not in answer, name


async def test_what_follows_a_whole_request_is_the_next_one(server: Any) -> None:
    for name, shape in TAKEN.items():
        answer = await ask(server, shape + OK)

        assert [piece[:3] for piece in answer.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200"], name
        assert b"\r\n\r\n5" in answer, name
        assert answer.rstrip(b"0\r\n").endswith(b"\r\n\r\nok"), name


HOSTS = [
    b"host: good\r\nhost: evil\r\n",
    b"host: evil\r\nhost: good\r\n",
    b"host: good\r\nhost: good\r\n",
    b"host: good, evil\r\n",
    b"host: good:99999\r\n",
    b"host: good:80a\r\n",
    b"host: good/evil\r\n",
    b"host: [good\r\n",
    b"host: \r\n",
    b"",
]


async def test_a_host_that_is_none_or_two_is_400(server: Any) -> None:
    for hosts in HOSTS:
        answer = await ask(server, b"GET /ok HTTP/1.1\r\nconnection: close\r\n%b\r\n" % hosts)

        assert status(answer) == 400, hosts
        assert b"evil" not in answer


async def test_trailers_are_no_headers() -> None:
    """Behind a proxy that hands them on, they would go past its checks and ours."""

    async def told(request: Request) -> Response:
        body = await request.body()
        return JSONResponse([request.headers.multi_items(), len(body)])

    with override(ALLOWED_HOSTS=["good"], DATABASES={}, INSTALLED_APPS=[], MIDDLEWARE=[]):
        async with serve(sites.make_application([path("told", told)]), log_level="critical") as live:
            head = b"POST /told HTTP/1.1\r\nhost: good\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
            trailers = b"x-forwarded-for: 9.9.9.9\r\n" * 5000
            answer = await ask(live, head + b"1\r\na\r\n0\r\n" + trailers + b"\r\n")

    assert status(answer) == 200
    assert b"9.9.9.9" not in answer
