"""Forms and uploads, on both ways, and the limits that hold for them."""

from __future__ import annotations

import encodings
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet.http import JSONResponse, Request, Response, UploadedFile
from covet.http.errors import BadRequest
from covet.http.forms import parse_form
from covet.http.policy import RequestPolicy
from covet.http.uploads import UploadHandler
from covet.urls import path
from tests.handlers.sites import Site


async def show(request: Request) -> Response:
    form = await request.form()
    shown = {}
    for name, value in form.multi_items():
        if isinstance(value, UploadedFile):
            content = b"".join([chunk async for chunk in value.chunks()])
            shown[name] = [value.name, value.content_type, value.size, len(content), content[:5].decode("latin-1")]
        else:
            shown[name] = value
    return JSONResponse(shown)


ROUTES = [path("form", show)]


async def test_an_urlencoded_form_is_read(site: Site) -> None:
    client = await site(ROUTES)

    response = await client.post("/form", data={"a": "1 & 2", "ü": "ö"})

    assert response.json() == {"a": "1 & 2", "ü": "ö"}


async def test_a_multipart_form_is_read_with_its_files(site: Site) -> None:
    client = await site(ROUTES)

    response = await client.post(
        "/form",
        data={"title": "Über"},
        files={"small": ("../a.txt", b"hello", "text/plain"), "none": ("e", b"")},
    )

    assert response.json() == {
        "title": "Über",
        "small": ["a.txt", "text/plain", 5, 5, "hello"],
        "none": ["e", "application/octet-stream", 0, 0, ""],
    }


def one_part(disposition: bytes, content: bytes) -> bytes:
    return b"--B\r\nContent-Disposition: form-data; " + disposition + b"\r\n\r\n" + content + b"\r\n--B--\r\n"


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (b"filename*=UTF-8''%C3%BCber.txt", "über.txt"),
        (b"filename*=utf-8'de'%C3%BCber.txt", "über.txt"),
        (b"filename=\"x.txt\"; filename*=iso-8859-1'en'%FCber.txt", "über.txt"),
        # Charsets that there are not, or that make no texts.
        (b"filename*=klingon''%C3%BCber.txt", "über.txt"),
        (b"filename*=rot13''%C3%BCber.txt", "über.txt"),
        (b"filename*=a%20b.txt", "a b.txt"),
        (b"filename*=UTF-8''..%2Fa.txt", "a.txt"),
    ],
)
async def test_a_file_name_may_say_its_charset_and_language(site: Site, disposition: bytes, name: str) -> None:
    client = await site(ROUTES)
    body = one_part(b'name="f"; ' + disposition, b"hello")

    response = await client.post("/form", content=body, headers={"content-type": "multipart/form-data; boundary=B"})

    assert response.json() == {"f": [name, "application/octet-stream", 5, 5, "hello"]}


@pytest.mark.parametrize(
    ("charset", "content", "text"),
    [
        (b"iso-8859-1", b"\xfcber", "über"),
        (b'"Windows-1252"', b"5 \x80", "5 €"),
        (b"utf-8", "über".encode(), "über"),
        (b"UTF-16LE", "über".encode("utf-16-le"), "über"),
        (b"us-ascii", b"a\xff", "a\ufffd"),
        # None that there is, and none for texts.
        (b"klingon", "über".encode(), "über"),
        (b"rot13", b"abc", "abc"),
        (b"idna", b"abc", "abc"),
        (b'"a\x00b"', b"abc", "abc"),
        (b'"\xc3\xa9"', b"abc", "abc"),
    ],
)
async def test_a_field_may_say_its_charset(site: Site, charset: bytes, content: bytes, text: str) -> None:
    client = await site(ROUTES)
    body = one_part(b'name="f"\r\nContent-Type: text/plain; charset=' + charset, content)

    response = await client.post("/form", content=body, headers={"content-type": "multipart/form-data; boundary=B"})

    assert response.json() == {"f": text}


async def test_charsets_that_there_are_not_leave_nothing_behind(site: Site) -> None:
    """Python remembers each name that it was asked for in vain, and clients may send new ones for ever."""
    client = await site(ROUTES)
    kind = {"content-type": "multipart/form-data; boundary=B"}
    names = [b"klingon-1", b"iso8859-99", b"cp125", b"cp125-7"]
    for name in names:
        await client.post(
            "/form",
            content=one_part(b'name="f"\r\nContent-Type: text/plain; charset=' + name, b"abc"),
            headers=kind,
        )
        await client.post("/form", content=one_part(b'name="f"; filename*=' + name + b"''a.txt", b"abc"), headers=kind)

    asked = encodings._cache  # type: ignore[attr-defined]  # where Python remembers them

    assert [name for name in ("klingon_1", "iso8859_99", "cp125", "cp125_7") if name in asked] == []


class Listener(UploadHandler):
    heard: ClassVar[list[str]] = []

    async def new_file(self, file: UploadedFile) -> None:
        self.heard.append(file.name)


@pytest.mark.parametrize("handlers", [[], [f"{__name__}.Listener"]], ids=["plain", "handlers"])
async def test_an_input_in_which_no_file_was_chosen_brings_none(site: Site, handlers: list[str]) -> None:
    """Browsers send it as a file without name and content."""
    Listener.heard.clear()
    client = await site(ROUTES, FILE_UPLOAD_HANDLERS=handlers)
    kind = {"content-type": "multipart/form-data; boundary=B"}

    empty = await client.post("/form", content=one_part(b'name="f"; filename=""', b""), headers=kind)
    told = await client.post("/form", content=one_part(b'name="f"; filename=""', b"hello"), headers=kind)

    assert empty.json() == {}
    assert told.json() == {"f": ["upload", "application/octet-stream", 5, 5, "hello"]}
    assert Listener.heard == (["upload"] if handlers else [])


async def test_a_large_file_goes_to_disk_and_comes_back(site: Site) -> None:
    client = await site(ROUTES, FILE_UPLOAD_MAX_MEMORY_SIZE=1000)

    response = await client.post("/form", files={"f": ("b.bin", b"abcde" * 100_000)})

    assert response.json()["f"] == ["b.bin", "application/octet-stream", 500_000, 500_000, "abcde"]


async def test_a_body_of_another_kind_is_an_empty_form(site: Site) -> None:
    client = await site(ROUTES)

    assert (await client.post("/form", json={"a": 1})).json() == {}


async def test_the_body_of_an_urlencoded_form_can_still_be_read(site: Site) -> None:
    async def both(request: Request) -> Response:
        form = await request.form()
        return JSONResponse([form["a"], (await request.body()).decode()])

    client = await site([path("both", both)])

    assert (await client.post("/both", data={"a": "1"})).json() == ["1", "a=1"]


@pytest.mark.parametrize(
    ("settings", "data", "files", "status"),
    [
        ({"MAX_FORM_FIELDS": 2}, {"a": "1", "b": "2", "c": "3"}, None, 400),
        ({"MAX_FORM_PARTS": 2}, {"a": "1", "b": "2"}, {"f": b"x"}, 400),
        ({"DATA_UPLOAD_MAX_MEMORY_SIZE": 100}, {"a": "x" * 200}, None, 413),
        ({"DATA_UPLOAD_MAX_MEMORY_SIZE": 100}, {"a": "x" * 200}, {"f": b"x"}, 413),
        ({"MAX_BODY_SIZE": 100}, {}, {"f": b"x" * 200}, 413),
    ],
)
async def test_limits_of_forms(
    site: Site, settings: dict[str, int], data: dict[str, str], files: dict[str, bytes] | None, status: int
) -> None:
    client = await site(ROUTES, **settings)

    response = await client.post("/form", data=data, files=files)

    assert response.status_code == status


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--B\r\n",
        b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\nx',
        b"--B\r\nContent-Type: text/plain\r\n\r\nx\r\n--B--\r\n",
        b"nonsense",
        b"--B\r\n" + b"x-long: " + b"a" * 9000 + b"\r\n\r\nx\r\n--B--\r\n",
    ],
)
async def test_a_broken_multipart_form_is_400(site: Site, body: bytes) -> None:
    client = await site(ROUTES)

    response = await client.post("/form", content=body, headers={"content-type": "multipart/form-data; boundary=B"})

    assert response.status_code == 400, response.text


async def test_a_multipart_form_without_a_boundary_is_400(site: Site) -> None:
    client = await site(ROUTES)

    response = await client.post("/form", content=b"x", headers={"content-type": "multipart/form-data"})

    assert response.status_code == 400


@given(
    st.lists(st.tuples(st.text("abc", min_size=1), st.binary(max_size=50)), min_size=1, max_size=4),
    st.integers(1, 40),
)
async def test_a_multipart_form_is_the_same_however_it_is_cut(parts: list[tuple[str, bytes]], cut: int) -> None:
    body = b""
    for name, content in parts:
        body += f'--BoUnD\r\nContent-Disposition: form-data; name="{name}"; filename="f"\r\n\r\n'.encode()
        body += content + b"\r\n"
    body += b"--BoUnD--\r\n"

    async def pieces():  # type: ignore[no-untyped-def]
        for place in range(0, len(body), cut):
            yield body[place : place + cut]

    if any(b"--BoUnD" in content for _, content in parts):
        return
    form = await parse_form("multipart/form-data; boundary=BoUnD", pieces(), RequestPolicy())

    read = [(name, await value.read()) for name, value in form.files.multi_items()]
    await form.close()
    assert sorted(read) == sorted(parts)


@given(st.binary(max_size=200))
async def test_no_bytes_break_the_multipart_reader(body: bytes) -> None:
    async def pieces():  # type: ignore[no-untyped-def]
        yield body

    with pytest.raises(BadRequest):
        await parse_form("multipart/form-data; boundary=BoUnD", pieces(), RequestPolicy())
