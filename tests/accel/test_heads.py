"""What ``read_request`` takes, the server's parser takes for the same request; all else it leaves alone, in both halves."""

from __future__ import annotations

from typing import Any

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from covet import accel
from covet.accel.twins import heads as twin
from tests.handlers.test_smuggling import REFUSED, REFUSED_BY_LLHTTP, TAKEN

HALVES = {"python": twin.read_request, "chosen": accel.read_request}
HOST = b"host: x\r\n"


class Parsed:
    """What httptools makes of bytes: all that it tells, and how often."""

    def __init__(self, data: bytes) -> None:
        self.begun = self.complete = 0
        self.url = self.body = b""
        self.headers: list[tuple[bytes, bytes]] = []
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(data)
        self.method = parser.get_method().decode()
        self.version = parser.get_http_version()
        self.stays = parser.should_keep_alive()
        self.upgrades = parser.should_upgrade()

    def on_message_begin(self) -> None:
        self.begun += 1

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete += 1


def agrees(data: bytes, taken: tuple[Any, ...]) -> None:
    """Hold what was taken against the parser."""
    method, path, query, headers, body = taken
    parsed = Parsed(data)
    assert (parsed.begun, parsed.complete, parsed.version) == (1, 1, "1.1")
    assert parsed.stays and not parsed.upgrades
    assert (parsed.method, parsed.headers, parsed.body) == (method, headers, body)
    assert parsed.url.partition(b"?")[::2] == (path.encode(), query)


# Bytes that mean something in a head come often, all the others now and then.
any_bytes = st.lists(
    st.sampled_from([bytes([byte]) for byte in b"\r\n\t :,;%?#/\x00\x7f\x80\xff0aZ"]) | st.binary(max_size=2),
    max_size=6,
).map(b"".join)
words = st.sampled_from([b"a", b"keep-alive", b"close", b"0", b"3", b"03", b"+3", b"chunked", b"100-continue", b"x y"])
names = st.sampled_from(
    b"Host Content-Length Connection Transfer-Encoding Expect Upgrade Proxy-Connection X-Forwarded-For "
    b"Accept x!#$%&'*+-.^_`|~9 TE Trailer Keep-Alive".split()
)
lines = st.builds(
    lambda name, colon, value, end: name + colon + value + end,
    names | any_bytes,
    st.sampled_from([b":", b": ", b": ", b":   ", b" :", b":\t"]),
    words | any_bytes,
    st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b" \r\n", b"\r\n ", b""]),
)
requests = st.builds(
    lambda method, target, version, head, end, body: b"".join([method, target, version, HOST, *head, end, body]),
    st.sampled_from(
        [b"GET ", b"POST ", b"HEAD ", b"PUT ", b"DELETE ", b"PATCH ", b"OPTIONS ", b"CONNECT ", b"get ", b"GET  "]
    ),
    st.builds(lambda start, rest: start + rest, st.sampled_from([b"/", b"/", b"//", b"*", b"http://x/"]), any_bytes)
    | st.sampled_from([b"/a/b", b"/a?b=c", b"/a%2Fb?", b"/?a?b", b"/a!$&'()*+,;=:@"]),
    st.sampled_from([b" HTTP/1.1\r\n", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b" HTTP/1.1\n", b"\r\n", b" HTTP/2.0\r\n"]),
    st.lists(lines, max_size=3),
    st.sampled_from([b"\r\n", b"\r\n", b"\n", b"", b"\r\n\r\n"]),
    st.sampled_from([b"", b"", b"abc", b"0\r\n\r\n", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"]),
)


@given(requests | any_bytes, st.booleans())
@example(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\nconnection: Keep-Alive\r\n\r\nabc", False)
@example(b"OPTIONS /a?b HTTP/1.1\r\nhost:   a b \r\n\r\n", False)
@example(b"GET /a?b HTTP/1.1\r\nhost:   a b\r\naccept: ~\r\n\r\n", True)
def test_what_is_taken_is_what_the_parser_reads(data: bytes, believes: bool) -> None:
    found = {half(data, believes) for half in map(_hashable, HALVES.values())}

    assert len(found) == 1
    for taken in found - {None}:
        method, path, query, headers, body = taken
        agrees(data, (method, path, query, list(headers), body))


def _hashable(half: Any) -> Any:
    def call(data: bytes, believes: bool) -> Any:
        taken = half(data, believes)
        return None if taken is None else (*taken[:3], tuple(taken[3]), taken[4])

    return call


PLAIN = {
    "nothing but a host": b"GET / HTTP/1.1\r\n" + HOST + b"\r\n",
    "query": b"GET /a/b.c?d=e&f=%20 HTTP/1.1\r\n" + HOST + b"\r\n",
    "body": b"POST /a HTTP/1.1\r\n" + HOST + b"content-length: 5\r\n\r\nG\r\n\r\n",
    "no body": b"POST /a HTTP/1.1\r\n" + HOST + b"content-length: 0\r\n\r\n",
    "keep-alive": b"GET /a HTTP/1.1\r\n" + HOST + b"Connection: Keep-Alive\r\n\r\n",
    "as many headers as are taken": b"GET /a HTTP/1.1\r\n" + HOST + b"a: b\r\n" * 127 + b"\r\n",
    "a browser": b'GET /a HTTP/1.1\r\nHost: x:80\r\nUser-Agent: Mozilla/5.0 (X11; Linux) "a"\r\nCookie: a=b; c=d\r\n\r\n',
}
LEFT = {
    "a part of a head": b"GET / HTTP/1.1\r\n" + HOST,
    "a part of a body": b"POST / HTTP/1.1\r\n" + HOST + b"content-length: 2\r\n\r\na",
    "two requests": PLAIN["nothing but a host"] * 2,
    "line ends in front": b"\r\n" + PLAIN["nothing but a host"],
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\n" + HOST * 2 + b"\r\n",
    "HTTP/1.0": b"GET / HTTP/1.0\r\n" + HOST + b"\r\n",
    "to be closed": b"GET / HTTP/1.1\r\n" + HOST + b"connection: close\r\n\r\n",
    "a list of connections": b"GET / HTTP/1.1\r\n" + HOST + b"connection: keep-alive, te\r\n\r\n",
    "connection of a proxy": b"GET / HTTP/1.1\r\n" + HOST + b"proxy-connection: close\r\n\r\n",
    "a value that is empty": b"GET / HTTP/1.1\r\n" + HOST + b"a:\r\n\r\n",
    "a value that is not ASCII": b"GET / HTTP/1.1\r\n" + HOST + b"a: \xe9\r\n\r\n",
    "leading zero": b"POST / HTTP/1.1\r\n" + HOST + b"content-length: 01\r\n\r\na",
    "too many headers": b"GET /a HTTP/1.1\r\n" + HOST + b"a: b\r\n" * 128 + b"\r\n",
    "too long": b"POST /a HTTP/1.1\r\n" + HOST + b"content-length: 65536\r\n\r\n" + b"a" * 65536,
    "whole address": b"GET http://x/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "two slashes": b"GET //x HTTP/1.1\r\n" + HOST + b"\r\n",
    "fragment": b"GET /a#b HTTP/1.1\r\n" + HOST + b"\r\n",
    "other method": b"PURGE /a HTTP/1.1\r\n" + HOST + b"\r\n",
    "nothing": b"",
}


@given(
    st.sampled_from(list(PLAIN.values())),
    st.lists(st.tuples(st.integers(0, 80), st.sampled_from([0, 1]), any_bytes), min_size=1, max_size=2),
)
def test_a_plain_request_with_bytes_changed_is_what_the_parser_reads_or_left(data: bytes, changes: Any) -> None:
    for at, removed, put in changes:
        data = data[:at] + put + data[at + removed :]
    found = {half(data, False) for half in map(_hashable, HALVES.values())}

    assert len(found) == 1
    for method, path, query, headers, body in found - {None}:
        agrees(data, (method, path, query, list(headers), body))


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES.keys())
@pytest.mark.parametrize("data", PLAIN.values(), ids=PLAIN.keys())
def test_plain_requests_are_taken(half: Any, data: bytes) -> None:
    taken = half(data, False)

    assert taken is not None
    agrees(data, taken)


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES.keys())
@pytest.mark.parametrize("data", LEFT.values(), ids=LEFT.keys())
def test_all_else_is_left_to_the_parser(half: Any, data: bytes) -> None:
    assert half(data, False) is None


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES.keys())
def test_no_shape_that_smuggles_goes_past_the_parser(half: Any) -> None:
    for name, shape in {**REFUSED, **REFUSED_BY_LLHTTP, **TAKEN}.items():
        assert half(shape, False) is None, name
        assert half(shape + PLAIN["nothing but a host"], False) is None, name


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES.keys())
def test_what_a_proxy_says_is_plain_unless_it_is_believed(half: Any) -> None:
    for name in (b"For", b"Proto", b"Host", b"Port"):
        data = b"GET / HTTP/1.1\r\n" + HOST + b"X-Forwarded-" + name + b": y\r\n\r\n"

        assert half(data, True) is None
        agrees(data, half(data, False))


WRITERS = {"python": twin.write_answer, "chosen": accel.write_answer}
START, COMMON = b"HTTP/1.1 200 OK\r\n", b"date: now\r\nserver: covet\r\n"


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())
def test_an_answer_is_one_head_with_its_length_and_its_body(write: Any) -> None:
    kind = (b"content-type", b"text/plain")

    assert write(START, COMMON, [kind], b"abc", True, True, False) == (
        START + COMMON + b"content-type: text/plain\r\ncontent-length: 3\r\n\r\nabc",
        False,
    )
    assert write(START, b"", [], b"abc", True, False, True) == (
        START + b"content-length: 3\r\nconnection: close\r\n\r\n",
        True,
    )
    assert write(START, b"", [(b"content-length", b"9")], b"", True, True, False)[0] == (
        START + b"content-length: 9\r\n\r\n"
    )
    assert write(START, b"", [], b"", False, False, False) == (START + b"\r\n", False)


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())
def test_an_answer_that_closes_its_connection_says_so_once(write: Any) -> None:
    for value in (b"close", b"Close", b"te, CLOSE"):
        answer, closes = write(START, b"", [(b"connection", value), (b"connection", b"x")], b"", False, False, False)

        assert closes is True
        assert answer == START + b"connection: x\r\nconnection: close\r\n\r\n"


header_pairs = st.lists(
    st.tuples(
        st.sampled_from([b"connection", b"content-length", b"content-type", b"set-cookie", b"x"]),
        st.sampled_from([b"close", b"CLOSE, x", b"keep-alive", b"3", b"clos", b""]) | st.binary(max_size=8),
    ),
    max_size=5,
)


@given(header_pairs, st.binary(max_size=5000), st.booleans(), st.booleans(), st.booleans())
def test_both_halves_write_the_same(headers: Any, body: bytes, has_length: bool, has_body: bool, closes: bool) -> None:
    answers = [write(START, COMMON, headers, body, has_length, has_body, closes) for write in WRITERS.values()]

    assert answers[0] == answers[1]


def test_a_body_may_be_any_bytes_and_a_header_none_but_bytes() -> None:
    writers: list[Any] = list(WRITERS.values())
    for write in writers:
        for body in (bytearray(b"ab"), memoryview(b"ab")):
            assert write(START, b"", [], body, True, True, False)[0].endswith(b"content-length: 2\r\n\r\nab")
        with pytest.raises(TypeError):
            write(START, b"", [(b"x", "text")], b"", True, True, False)


LENGTHS = {"python": twin.with_length, "chosen": accel.with_length}


@pytest.mark.parametrize("told", LENGTHS.values(), ids=LENGTHS.keys())
def test_headers_get_the_length_of_the_body_unless_they_tell_it(told: Any) -> None:
    kind = (b"content-type", b"text/plain")
    own = [(b"content-length", b"7"), kind]

    for size in (0, 3, 4095, 4096, 10**12):
        assert told([kind], size) == [kind, (b"content-length", b"%d" % size)]
    assert told([], 3) == told([], 3) == [(b"content-length", b"3")]
    assert told(own, 3) is own


def test_headers_that_a_length_was_added_to_are_left_as_they_were() -> None:
    headers = [(b"content-type", b"text/plain")]

    for told in LENGTHS.values():
        assert told(headers, 3) is not headers
    assert headers == [(b"content-type", b"text/plain")]
