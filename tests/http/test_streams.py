"""Streams, files and events, on both ways."""

from __future__ import annotations

import asyncio
import mimetypes
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from covet import timezone
from covet.http import EventStream, FileResponse, Request, Response, StreamingResponse
from covet.http.streaming import ServerEvent, guess_media_type
from covet.i18n import language
from covet.urls import path
from tests.handlers.sites import Site

CONTENT = bytes(range(256)) * 1000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    target = tmp_path / "data.bin"
    target.write_bytes(CONTENT)
    return target


def file_route(file: Path, **options: object) -> list[object]:
    async def send(request: Request) -> Response:
        return FileResponse(file, **options)  # type: ignore[arg-type]

    return [path("file", send)]


async def test_an_async_stream_arrives_in_order(site: Site) -> None:
    async def stream(request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes | str]:
            yield b"one,"
            await asyncio.sleep(0)
            yield "zwei,"
            yield b""
            yield b"three"

        return StreamingResponse(pieces(), media_type="text/plain")

    client = await site([path("s", stream)])

    response = await client.get("/s")

    assert response.text == "one,zwei,three"
    assert "content-length" not in response.headers


def chosen(get_response: Any) -> Any:
    """A layer that chooses language and time zone for its ``with`` block."""

    async def layer(request: Request) -> Response:
        with language.override("de"), timezone.override("Asia/Tokyo"):
            return await get_response(request)  # type: ignore[no-any-return]

    return layer


def held() -> str:
    """What holds now."""
    return f"{language.get_language()} {timezone.get_current_timezone_name()};"


@pytest.mark.parametrize("kind", ["async", "thread", "events"])
async def test_pieces_are_made_in_the_language_and_zone_of_the_view(site: Site, kind: str) -> None:
    """Though the layer that chose them has returned when they are made; each visitor has their own."""

    async def later() -> AsyncIterator[str]:
        yield held()
        await asyncio.sleep(0)
        yield held()

    async def stream(request: Request) -> Response:
        if kind == "events":
            return EventStream(later())
        return StreamingResponse(later() if kind == "async" else (held() for _ in range(2)))

    client = await site([path("s", stream)], middleware=[f"{__name__}.chosen"])

    text = (await client.get("/s")).text

    found = [line.removeprefix("data: ") for line in text.replace("\n\n", "\n").split("\n") if line]
    assert "".join(found) == 2 * "de Asia/Tokyo;"
    assert held() == "en UTC;"


async def test_a_plain_iterator_runs_in_a_thread_and_is_closed(site: Site) -> None:
    closed = []

    async def stream(request: Request) -> Response:
        def pieces() -> Iterator[str]:
            try:
                for number in range(3):
                    yield f"{number};"
            finally:
                closed.append(True)

        return StreamingResponse(pieces())

    client = await site([path("s", stream)])

    assert (await client.get("/s")).text == "0;1;2;"
    assert closed == [True]


async def test_a_plain_generator_is_closed_when_its_thread_is_out_of_it() -> None:
    inside, go_on, closed = threading.Event(), threading.Event(), []

    def pieces() -> Iterator[bytes]:
        try:
            yield b"one"
            inside.set()
            go_on.wait()
            yield b"two"
        finally:
            closed.append(True)

    sent = []

    async def send(message: Any) -> None:
        sent.append(message.get("body"))

    async def receive() -> dict[str, str]:
        await asyncio.to_thread(inside.wait)
        # Some time after the client has gone.
        asyncio.get_running_loop().call_later(0.1, go_on.set)
        return {"type": "http.disconnect"}

    await StreamingResponse(pieces()).send({"type": "http", "method": "GET"}, receive, send)

    assert sent == [None, b"one"]
    assert closed == [True]


class Source:
    """What can be read, and closed without that."""

    def __init__(self) -> None:
        self.closed = 0

    def __aiter__(self) -> AsyncIterator[str]:
        return self._pieces()

    async def _pieces(self) -> AsyncIterator[str]:
        yield "x"

    async def aclose(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("kind", [StreamingResponse, EventStream])
async def test_a_stream_of_which_nothing_is_sent_closes_what_it_is_made_from(site: Site, kind: Any) -> None:
    source = Source()

    async def stream(request: Request) -> Response:
        media_type = {} if kind is EventStream else {"media_type": "text/plain"}
        return kind(source, **media_type)  # type: ignore[no-any-return]

    client = await site([path("s", stream)], middleware=["covet.middleware.compression.CompressionMiddleware"])

    assert (await client.head("/s")).content == b""
    assert source.closed == 1


async def test_head_of_a_stream_sends_no_body(site: Site) -> None:
    async def stream(request: Request) -> Response:
        return StreamingResponse(iter([b"x"]))

    client = await site([path("s", stream)])

    assert (await client.head("/s")).content == b""


async def test_a_file_is_sent_whole_with_its_kind(site: Site, file: Path) -> None:
    client = await site(file_route(file))

    response = await client.get("/file")

    assert response.content == CONTENT
    assert response.headers["content-length"] == str(len(CONTENT))
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("app.js", "text/javascript; charset=utf-8"),
        ("app.MJS", "text/javascript; charset=utf-8"),
        ("app.js.map", "application/json"),
        ("picture.webp", "image/webp"),
        ("font.woff2", "font/woff2"),
        ("notes.md", "text/markdown; charset=utf-8"),
        ("a.b/data.json", "application/json"),
        ("page.html.gz", "application/gzip"),
        ("unknown.zzz", "application/octet-stream"),
        ("none", "application/octet-stream"),
    ],
)
def test_the_kind_of_a_file_does_not_hang_on_the_machine(name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = mimetypes.MimeTypes()  # what Python knows by itself: a container has no /etc/mime.types
    bare.add_type("text/plain", ".js")  # as registries of Windows have it
    monkeypatch.setattr(mimetypes, "guess_type", bare.guess_type)

    assert guess_media_type(name) == kind


async def test_a_file_is_not_sent_again_to_who_has_it(site: Site, file: Path) -> None:
    client = await site(file_route(file))
    first = await client.get("/file")

    by_tag = await client.get("/file", headers={"if-none-match": f'W/"x", {first.headers["etag"]}'})
    by_date = await client.get("/file", headers={"if-modified-since": first.headers["last-modified"]})
    other = await client.get("/file", headers={"if-none-match": '"x"'})

    assert (by_tag.status_code, by_tag.content) == (304, b"")
    assert by_date.status_code == 304
    assert other.status_code == 200


async def test_one_range_is_206(site: Site, file: Path) -> None:
    client = await site(file_route(file))

    response = await client.get("/file", headers={"range": "bytes=100-199"})

    assert response.status_code == 206
    assert response.content == CONTENT[100:200]
    assert response.headers["content-range"] == f"bytes 100-199/{len(CONTENT)}"


async def test_several_ranges_are_parts_of_one_answer(site: Site, file: Path) -> None:
    client = await site(file_route(file))

    response = await client.get("/file", headers={"range": "bytes=0-9,100-109"})

    assert response.status_code == 206
    boundary = response.headers["content-type"].split("boundary=")[1].encode()
    parts = response.content.split(b"--" + boundary)
    assert parts[1].split(b"\r\n\r\n")[1][:10] == CONTENT[:10]
    assert parts[2].split(b"\r\n\r\n")[1][:10] == CONTENT[100:110]
    assert response.headers["content-length"] == str(len(response.content))


async def test_a_range_beyond_the_end_is_416(site: Site, file: Path) -> None:
    client = await site(file_route(file))

    response = await client.get("/file", headers={"range": f"bytes={len(CONTENT)}-"})

    assert response.status_code == 416
    assert response.headers["content-range"] == f"bytes */{len(CONTENT)}"


async def test_if_range_of_another_version_sends_the_whole(site: Site, file: Path) -> None:
    client = await site(file_route(file))

    response = await client.get("/file", headers={"range": "bytes=0-9", "if-range": '"other"'})

    assert (response.status_code, len(response.content)) == (200, len(CONTENT))


async def test_a_file_is_offered_for_saving(site: Site, file: Path) -> None:
    client = await site(file_route(file, as_attachment=True, filename="Bericht ä.txt"))

    response = await client.head("/file")

    assert response.headers["content-disposition"] == "attachment; filename*=UTF-8''Bericht%20%C3%A4.txt"
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.content == b""


@pytest.mark.parametrize("name", ["missing.txt", "."])
async def test_what_is_no_file_is_404(site: Site, tmp_path: Path, name: str) -> None:
    client = await site(file_route(tmp_path / name))

    assert (await client.get("/file")).status_code == 404


async def test_events_arrive_with_names_ids_and_lines(site: Site) -> None:
    async def events(request: Request) -> Response:
        async def each() -> AsyncIterator[object]:
            yield "a\nb"
            yield {"n": 1}
            yield ServerEvent("x", event="named", id="7", retry_ms=100)

        return EventStream(each())

    client = await site([path("e", events)])

    response = await client.get("/e")

    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["cache-control"] == "no-cache, no-transform"
    assert response.text == 'data: a\ndata: b\n\ndata: {"n":1}\n\nevent: named\nid: 7\nretry: 100\ndata: x\n\n'


async def test_silence_is_filled_with_heartbeats(site: Site) -> None:
    heard = asyncio.Event()

    async def events(request: Request) -> Response:
        async def each() -> AsyncIterator[object]:
            await heard.wait()
            yield "late"

        return EventStream(each(), heartbeat_s=0.02)

    client = await site([path("e", events)])

    async with asyncio.timeout(60), client.stream("GET", "/e") as answer:
        pieces = answer.aiter_text()
        text = await anext(pieces)
        heard.set()
        text += "".join([piece async for piece in pieces])

    assert text.startswith(": still here\n\n")
    assert text.endswith("data: late\n\n")


def test_an_event_cannot_smuggle_another_one() -> None:
    with pytest.raises(ValueError, match="line ends"):
        ServerEvent("x", event="a\ndata: y").to_bytes()
    assert ServerEvent("a\r\nb\rc").to_bytes() == b"data: a\ndata: b\ndata: c\n\n"


async def test_the_end_of_a_client_closes_its_stream(site: Site) -> None:
    closed = asyncio.Event()

    async def endless(request: Request) -> Response:
        async def each() -> AsyncIterator[object]:
            try:
                while True:
                    yield "tick"
                    await asyncio.sleep(0.001)
            finally:
                closed.set()

        return EventStream(each())

    client = await site([path("e", endless)])

    async with client.stream("GET", "/e") as response:
        async for line in response.aiter_lines():
            assert line == "data: tick"
            break

    async with asyncio.timeout(30):
        await closed.wait()


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        ({"if-match": "same"}, 200),
        ({"if-match": '"other"'}, 412),
        ({"if-match": "*"}, 200),
        ({"if-unmodified-since": "same"}, 200),
        ({"if-unmodified-since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 412),
        ({"if-none-match": "same", "if-modified-since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 304),
        ({"range": "bytes=0-9", "if-range": "same"}, 206),
        ({"range": "bytes=0-9", "if-range": "date"}, 206),
        ({"range": "bytes=0-9", "if-range": "Thu, 01 Jan 1970 00:00:00 GMT"}, 200),
        ({"range": "bytes=0-9", "if-range": "nonsense"}, 200),
        # What the client has wins over what it asks for.
        ({"range": "bytes=0-9", "if-none-match": "same"}, 304),
    ],
)
async def test_conditions_of_a_file(site: Site, file: Path, conditions: dict[str, str], status: int) -> None:
    client = await site(file_route(file))
    first = await client.head("/file")
    known = {"same": first.headers["etag"], "date": first.headers["last-modified"]}
    for name, value in conditions.items():
        if value in known:
            key = "last-modified" if name.endswith("since") else "etag"
            conditions = {**conditions, name: known["date"] if value == "date" else first.headers[key]}

    answer = await client.get("/file", headers=conditions)

    assert answer.status_code == status
    expected = {200: CONTENT, 206: CONTENT[:10]}.get(status, b"")
    assert answer.content == expected
    if status == 304:
        assert answer.headers["etag"] == first.headers["etag"]


async def test_only_what_reads_a_file_gets_parts_of_it_or_is_told_that_it_has_it(site: Site, file: Path) -> None:
    client = await site(file_route(file))
    etag = (await client.head("/file")).headers["etag"]

    for asked in ({"range": "bytes=0-9"}, {"if-none-match": etag}, {"if-match": '"other"'}):
        answer = await client.post("/file", headers=asked)

        assert (answer.status_code, answer.content) == (200, CONTENT)


async def test_a_view_may_say_itself_when_a_file_was_changed_and_what_its_tag_is(site: Site, file: Path) -> None:
    changed = "Sat, 14 Mar 2026 12:00:00 GMT"

    async def view(request: Request) -> Response:
        return FileResponse(file, headers={"Last-Modified": changed, "ETag": 'W/"one"'})

    client = await site([path("file", view)])
    first = await client.get("/file")
    since = await client.get("/file", headers={"if-modified-since": changed})
    before = await client.get("/file", headers={"if-modified-since": "Sat, 14 Mar 2026 11:59:59 GMT"})
    dated = await client.get("/file", headers={"range": "bytes=0-9", "if-range": changed})
    # Ranges of two contents that are only alike would make a third one (RFC 9110, 13.1.5).
    tagged = await client.get("/file", headers={"range": "bytes=0-9", "if-range": 'W/"one"'})

    assert (first.headers["last-modified"], first.headers["etag"]) == (changed, 'W/"one"')
    assert (since.status_code, before.status_code, dated.status_code, tagged.status_code) == (304, 200, 206, 200)


@pytest.mark.parametrize("asked", ["bytes=0-9", "bytes=0-9,20-29", "bytes=999999999-", "bytes=-5"])
async def test_a_range_is_for_get_alone(site: Site, file: Path, asked: str) -> None:
    client = await site(file_route(file))
    plain = await client.head("/file")

    head = await client.head("/file", headers={"range": asked})

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(CONTENT))
    assert "content-range" not in head.headers
    assert {**head.headers, "date": ""} == {**plain.headers, "date": ""}


async def test_an_empty_file_has_no_range(site: Site, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()

    async def empty(request: Request) -> Response:
        return FileResponse(tmp_path / "empty")

    client = await site([path("empty", empty)])

    nothing = await client.get("/empty")

    assert (nothing.status_code, nothing.headers["content-length"], nothing.content) == (200, "0", b"")
    assert (await client.get("/empty", headers={"range": "bytes=0-"})).status_code == 416


async def test_a_server_that_sends_files_itself_is_told_the_path(file: Path) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        await asyncio.Event().wait()

    cases: list[tuple[dict[str, Any], list[bytes]]] = [
        ({"http.response.pathsend": {}}, []),
        ({"http.response.pathsend": {}}, [b"bytes=0-9"]),
        ({}, []),
    ]
    for extensions, ranges in cases:
        scope = {"method": "GET", "headers": [(b"range", each) for each in ranges], "extensions": extensions}
        await FileResponse(file).send(scope, receive, send)

    kinds = [message["type"].removeprefix("http.response.") for message in sent]
    # A range is no whole file, so it is read here.
    assert kinds[:4] == ["start", "pathsend", "start", "body"]
    assert "pathsend" not in kinds[2:]
    assert sent[1]["path"] == str(file)


async def test_a_client_that_comes_back_goes_on_behind_the_last_event_it_had(site: Site) -> None:
    async def events(request: Request) -> Response:
        async def each() -> AsyncIterator[object]:
            last = int(request.headers.get("last-event-id", "0"))
            for number in range(last + 1, 6):
                yield ServerEvent({"n": number}, id=str(number))
                if number == 3 and last == 0:
                    return

        return EventStream(each())

    client = await site([path("e", events)])

    first = (await client.get("/e")).text
    last = [line.removeprefix("id: ") for line in first.splitlines() if line.startswith("id: ")][-1]
    second = (await client.get("/e", headers={"last-event-id": last})).text

    assert last == "3"
    assert second == 'id: 4\ndata: {"n":4}\n\nid: 5\ndata: {"n":5}\n\n'
