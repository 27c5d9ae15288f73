"""Packed answers and answers that the client has already."""

from __future__ import annotations

import builtins
import gzip
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from covet.conf import override
from covet.exceptions import ImproperlyConfigured, MissingDependency
from covet.http import HTMLResponse, JSONResponse, Request, Response, StreamingResponse
from covet.http.conditional import evaluate, outcome, parse_etags, parse_http_date, quote_etag
from covet.http.headers import Headers
from covet.middleware.compression import CompressionMiddleware
from covet.urls import path
from tests.handlers.sites import Site

PACK = ["covet.middleware.compression.CompressionMiddleware"]
KNOWN = ["covet.middleware.conditional.ConditionalGetMiddleware"]
TEXT = "All work and no play makes a dull page. " * 200


async def page(request: Request) -> Response:
    response = HTMLResponse(TEXT)
    response.headers["ETag"] = '"one"'
    return response


async def small(request: Request) -> Response:
    return JSONResponse({"a": 1})


async def picture(request: Request) -> Response:
    return Response(TEXT.encode(), media_type="image/png")


async def fixed(request: Request) -> Response:
    return Response(TEXT, headers={"Cache-Control": "no-transform"})


async def large(request: Request) -> Response:
    return Response(TEXT * 20)


async def pieces(request: Request) -> Response:
    async def write() -> AsyncIterator[str]:
        for number in range(3):
            yield f"piece {number} " * 50

    return StreamingResponse(write(), media_type="text/plain")


async def dated(request: Request) -> Response:
    return Response("x", headers={"Last-Modified": "Sat, 14 Mar 2026 12:00:00 GMT", "Set-Cookie": "a=b"})


async def secret(request: Request) -> Response:
    return Response("x", headers={"Cache-Control": "no-store"})


async def empty(request: Request) -> Response:
    return Response("")


ROUTES = [
    path(f"{view.__name__}/", view) for view in (page, small, picture, fixed, large, pieces, dated, secret, empty)
]
ENCODINGS = ["zstd", "br", "gzip"]


async def _raw(client: Any, address: str, accept: str) -> tuple[httpx.Response, bytes]:
    async with client.stream("GET", address, headers={"Accept-Encoding": accept}) as response:
        return response, b"".join([chunk async for chunk in response.aiter_raw()])


def _unpack(encoding: str, packed: bytes) -> bytes:
    if encoding == "gzip":
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(packed)
    if encoding == "br":
        import brotli

        return bytes(brotli.decompress(packed))
    import zstandard

    return zstandard.ZstdDecompressor().decompressobj().decompress(packed)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(("address", "text"), [("/page/", TEXT), ("/large/", TEXT * 20)])
async def test_texts_are_packed_as_the_client_takes_them(site: Site, encoding: str, address: str, text: str) -> None:
    client = await site(ROUTES, middleware=PACK, COMPRESSION_ENCODINGS=ENCODINGS)
    response, packed = await _raw(client, address, encoding)
    assert response.headers["content-encoding"] == encoding
    assert int(response.headers["content-length"]) == len(packed) < len(text) / 10
    assert _unpack(encoding, packed).decode() == text
    assert "Accept-Encoding" in response.headers["vary"]


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_streams_are_packed_piece_by_piece(site: Site, encoding: str) -> None:
    client = await site(ROUTES, middleware=PACK, COMPRESSION_ENCODINGS=ENCODINGS)
    response, packed = await _raw(client, "/pieces/", encoding)
    assert response.headers["content-encoding"] == encoding
    assert _unpack(encoding, packed).decode().count("piece") == 150


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("gzip, br", "br"),
        ("gzip;q=1, br;q=0.5", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("*", "zstd"),
        ("identity", None),
        ("", None),
        ("deflate", None),
        ("*;q=0", None),
    ],
)
async def test_the_client_chooses(site: Site, accept: str, chosen: str | None) -> None:
    client = await site(ROUTES, middleware=PACK, COMPRESSION_ENCODINGS=ENCODINGS)
    response, _ = await _raw(client, "/page/", accept)
    assert response.headers.get("content-encoding") == chosen
    assert "Accept-Encoding" in response.headers["vary"]


async def test_what_the_client_takes_may_come_in_several_lines(site: Site) -> None:
    client = await site(ROUTES, middleware=PACK)
    lines = [("Accept-Encoding", "deflate"), ("Accept-Encoding", "gzip")]

    assert (await client.get("/page/", headers=lines)).headers["content-encoding"] == "gzip"


async def test_a_packed_answer_has_a_weak_tag(site: Site) -> None:
    client = await site(ROUTES, middleware=PACK)
    assert (await client.get("/page/", headers={"Accept-Encoding": "gzip"})).headers["etag"] == 'W/"one"'
    assert (await client.get("/page/", headers={"Accept-Encoding": "identity"})).headers["etag"] == '"one"'


@pytest.mark.parametrize("address", ["/small/", "/picture/", "/fixed/", "/empty/"])
async def test_what_gains_nothing_is_sent_as_it_is(site: Site, address: str) -> None:
    client = await site(ROUTES, middleware=PACK)
    assert "content-encoding" not in (await client.get(address)).headers


async def test_two_packed_answers_differ_in_length(site: Site) -> None:
    client = await site(ROUTES, middleware=PACK)
    lengths = {len((await _raw(client, "/page/", "gzip"))[1]) for _ in range(12)}
    assert len(lengths) > 1
    assert gzip.decompress((await _raw(client, "/page/", "gzip"))[1]).decode() == TEXT


async def test_an_answer_to_head_tells_no_wrong_length(site: Site) -> None:
    client = await site(ROUTES, middleware=PACK)
    response = await client.head("/page/", headers={"Accept-Encoding": "gzip"})
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-encoding"] == "gzip"


def test_an_unknown_encoding_and_a_missing_package_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with override(COMPRESSION_ENCODINGS=["deflate"]), pytest.raises(ImproperlyConfigured, match="'deflate' is no"):
        CompressionMiddleware(page)
    original = builtins.__import__

    def without(name: str, *args: Any, **options: Any) -> Any:
        if name == "brotli":
            raise ImportError(name)
        return original(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with override(COMPRESSION_ENCODINGS=["br"]), pytest.raises(MissingDependency, match=r"covet\[formats\]"):
        CompressionMiddleware(page)


async def test_what_the_client_has_is_not_sent_again(site: Site) -> None:
    client = await site(ROUTES, middleware=KNOWN)
    first = await client.get("/small/")
    assert first.headers["etag"].startswith('"')
    again = await client.get("/small/", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert "content-type" not in again.headers
    other = await client.get("/small/", headers={"If-None-Match": '"other"'})
    assert other.json() == {"a": 1}


async def test_a_date_is_enough_and_cookies_stay(site: Site) -> None:
    client = await site(ROUTES, middleware=KNOWN)
    again = await client.get("/dated/", headers={"If-Modified-Since": "Sat, 14 Mar 2026 12:00:00 GMT"})
    assert (again.status_code, again.headers["set-cookie"]) == (304, "a=b")
    older = await client.get("/dated/", headers={"If-Modified-Since": "Sat, 14 Mar 2026 11:59:59 GMT"})
    assert older.text == "x"


@pytest.mark.parametrize("address", ["/secret/", "/pieces/", "/empty/"])
async def test_some_answers_get_no_tag(site: Site, address: str) -> None:
    client = await site(ROUTES, middleware=KNOWN)
    assert "etag" not in (await client.get(address)).headers


class _Asks:
    def __init__(self, method: str, **headers: str) -> None:
        self.method = method
        self.headers = Headers({name.replace("_", "-"): value for name, value in headers.items()})


NOW = parse_http_date("Sat, 14 Mar 2026 12:00:00 GMT")
LATER = "Sat, 14 Mar 2026 12:00:01 GMT"
EARLIER = "Sat, 14 Mar 2026 11:59:59 GMT"


@pytest.mark.parametrize(
    ("asks", "etag", "expected"),
    [
        (_Asks("PUT", if_match='"a", "b"'), '"b"', None),
        (_Asks("PUT", if_match='"a"'), '"b"', 412),
        (_Asks("PUT", if_match='W/"b"'), 'W/"b"', 412),
        (_Asks("PUT", if_match="*"), '"b"', None),
        (_Asks("PUT", if_match="*"), None, 412),
        (_Asks("PUT", if_unmodified_since=EARLIER), '"b"', 412),
        (_Asks("PUT", if_unmodified_since=LATER), '"b"', None),
        (_Asks("PUT", if_unmodified_since="soon"), '"b"', None),
        (_Asks("PUT", if_match='"b"', if_unmodified_since=EARLIER), '"b"', None),
        (_Asks("PUT", if_none_match="*"), '"b"', 412),
        (_Asks("PUT", if_none_match="*"), None, None),
        (_Asks("GET", if_none_match='"x", W/"b"'), '"b"', 304),
        (_Asks("GET", if_none_match="nonsense"), '"b"', None),
        (_Asks("GET", if_none_match='"x"', if_modified_since=LATER), '"b"', None),
        (_Asks("HEAD", if_modified_since=LATER), '"b"', 304),
        (_Asks("POST", if_modified_since=LATER), '"b"', None),
        (_Asks("GET", if_modified_since="tomorrow"), '"b"', None),
    ],
)
def test_conditions_are_weighed_in_the_order_of_the_rfc(asks: Any, etag: str | None, expected: int | None) -> None:
    assert evaluate(asks, etag, NOW) == expected


@pytest.mark.parametrize(
    ("method", "name", "expected"),
    [("PUT", b"if-match", None), ("GET", b"if-none-match", 304), ("PUT", b"if-none-match", 412)],
)
def test_tags_in_several_lines_are_one_list(method: str, name: bytes, expected: int | None) -> None:
    asks = Headers([(name, b'"a"'), (b"x", b"y"), (name, b'"b", "c"')])

    assert outcome(method, asks, '"b"') == expected
    assert outcome(method, asks, '"a"') == expected


def test_tags_are_read_and_quoted() -> None:
    assert parse_etags('"a",W/"b" , c, "d e"') == ['"a"', 'W/"b"']
    # What is malformed is no tag, nor is a part of it: w/ is not W/, and would make a strong one.
    assert parse_etags('w/"a", "b"c, *"d", "e" , "f,g"') == ['"e"', '"f,g"']
    assert (quote_etag("abc"), quote_etag('W/"x"')) == ('"abc"', 'W/"x"')
    with pytest.raises(ValueError, match="no entity tag"):
        quote_etag('a"b')
    assert parse_http_date("Mon, 99 Foo 2026") is None
