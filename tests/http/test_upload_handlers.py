"""Handlers that see the files of a form arrive, and where these lie meanwhile."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from covet.exceptions import ImproperlyConfigured
from covet.http import JSONResponse, Request, Response, UploadedFile
from covet.http.errors import BadRequest
from covet.http.forms import parse_form
from covet.http.policy import RequestPolicy
from covet.http.uploads import SkipFile, StopUpload, UploadHandler
from covet.urls import path
from tests.handlers.sites import Site

HERE = "tests.http.test_upload_handlers"
heard: list[tuple[Any, ...]] = []


@pytest.fixture(autouse=True)
def nothing_heard() -> None:
    heard.clear()


class Notes(UploadHandler):
    async def new_file(self, file: UploadedFile) -> None:
        heard.append(("new", file.name, file.content_type))

    async def receive_data_chunk(self, file: UploadedFile, data: bytes, start: int) -> bytes | None:
        if data:
            heard.append(("data", file.name, start, len(data)))
        return data

    async def file_complete(self, file: UploadedFile) -> UploadedFile | None:
        heard.append(("whole", file.name, file.size))
        return None

    async def upload_complete(self) -> None:
        heard.append(("done", self.request.query.get("id") if self.request is not None else None))

    async def upload_interrupted(self) -> None:
        heard.append(("broken",))


class Upper(UploadHandler):
    async def receive_data_chunk(self, file: UploadedFile, data: bytes, start: int) -> bytes | None:
        return data.upper()


class Swallows(UploadHandler):
    async def receive_data_chunk(self, file: UploadedFile, data: bytes, start: int) -> bytes | None:
        return None


class Refuses(UploadHandler):
    async def new_file(self, file: UploadedFile) -> None:
        if file.name.endswith(".exe"):
            raise SkipFile

    async def receive_data_chunk(self, file: UploadedFile, data: bytes, start: int) -> bytes | None:
        if b"VIRUS" in data:
            raise SkipFile
        if b"ENOUGH" in data:
            raise StopUpload
        return data


class Other(UploadedFile):
    pass


class Replaces(UploadHandler):
    async def file_complete(self, file: UploadedFile) -> UploadedFile | None:
        spooled: Any = tempfile.SpooledTemporaryFile()  # noqa: SIM115  # closed with the form
        other = Other("other.txt", "text/plain", spooled, in_memory_limit=100)
        await other.write(b"in its place")
        await file.close()
        return other


class Fails(Notes):
    async def upload_interrupted(self) -> None:
        raise RuntimeError("the handler itself")


async def show(request: Request) -> Response:
    form = await request.form()
    return JSONResponse(
        {
            name: [value.name, (await value.read()).decode()] if isinstance(value, UploadedFile) else value
            for name, value in form.multi_items()
        }
    )


async def own(request: Request) -> Response:
    form = await request.form(upload_handlers=[Upper()])
    return Response(await form.files["a"].read())


ROUTES = [path("form", show), path("own", own)]
FILES = {"a": ("a.txt", b"hello", "text/plain"), "b": ("b.txt", b"", "text/plain")}


async def test_each_file_is_told_while_it_arrives(site: Site) -> None:
    client = await site(ROUTES, FILE_UPLOAD_HANDLERS=[f"{HERE}.Notes"])

    answer = await client.post("/form?id=7", data={"title": "T"}, files=FILES)

    assert answer.json() == {"title": "T", "a": ["a.txt", "hello"], "b": ["b.txt", ""]}
    assert [event for event in heard if event[0] != "data"] == [
        ("new", "a.txt", "text/plain"),
        ("whole", "a.txt", 5),
        ("new", "b.txt", "text/plain"),
        ("whole", "b.txt", 0),
        ("done", "7"),
    ]
    assert sum(event[3] for event in heard if event[0] == "data") == 5


@pytest.mark.parametrize(
    ("handlers", "shown"),
    [
        (["Upper"], {"a": ["a.txt", "HELLO"], "b": ["b.txt", ""]}),
        (["Upper", "Swallows"], {"a": ["a.txt", ""], "b": ["b.txt", ""]}),
        (["Replaces"], {"a": ["other.txt", "in its place"], "b": ["other.txt", "in its place"]}),
    ],
    ids=["changed", "taken", "replaced"],
)
async def test_handlers_change_take_or_replace_files(site: Site, handlers: list[str], shown: dict[str, Any]) -> None:
    client = await site(ROUTES, FILE_UPLOAD_HANDLERS=[f"{HERE}.{name}" for name in handlers])

    assert (await client.post("/form", files=FILES)).json() == shown


async def test_a_view_may_bring_its_own(site: Site) -> None:
    client = await site(ROUTES, FILE_UPLOAD_HANDLERS=[f"{HERE}.Notes"])

    assert (await client.post("/own", files=FILES)).text == "HELLO"
    assert heard == []


async def test_files_are_left_out_and_uploads_stopped(site: Site) -> None:
    client = await site(ROUTES, FILE_UPLOAD_HANDLERS=[f"{HERE}.Refuses", f"{HERE}.Notes"])
    files = {
        "bad": ("bad.exe", b"x" * 1000),
        "sick": ("sick.txt", b"VIRUS"),
        "good": ("good.txt", b"good"),
    }

    assert (await client.post("/form", data={"t": "1"}, files=files)).json() == {"t": "1", "good": ["good.txt", "good"]}
    assert heard[-1][0] == "done"
    stopped = await client.post("/form", files={"good": ("good.txt", b"good"), "last": ("last.txt", b"ENOUGH")})
    assert stopped.json() == {"good": ["good.txt", "good"]}
    assert heard[-1] == ("broken",)


PART = b'--B\r\nContent-Disposition: form-data; name="a"; filename="a.txt"\r\n\r\nhello'


async def pieces(*parts: bytes) -> Any:
    for part in parts:
        yield part


async def test_a_form_that_breaks_off_is_told_and_its_files_are_closed() -> None:
    with pytest.raises(BadRequest, match="breaks off"):
        await parse_form("multipart/form-data; boundary=B", pieces(PART), RequestPolicy(), [Notes()])
    assert heard[-1] == ("broken",)
    with pytest.raises(RuntimeError, match="the handler itself"):
        await parse_form("multipart/form-data; boundary=B", pieces(PART), RequestPolicy(), [Fails()])


async def test_large_files_lie_in_the_folder_that_the_setting_names(site: Site, tmp_path: Path) -> None:
    async def look(request: Request) -> Response:
        file: Any = (await request.form()).files["a"].file
        # The file has no name any more; the system tells where it was.
        return JSONResponse(os.path.dirname(os.readlink(f"/proc/self/fd/{file.fileno()}")))

    client = await site([path("look", look)], FILE_UPLOAD_TEMP_DIR=tmp_path, FILE_UPLOAD_MAX_MEMORY_SIZE=10)

    assert (await client.post("/look", files={"a": ("a", b"x" * 100)})).json() == str(tmp_path)


async def test_a_handler_that_is_not_there_is_named_at_the_start(site: Site) -> None:
    with pytest.raises(ImproperlyConfigured, match="Nowhere"):
        await site(ROUTES, FILE_UPLOAD_HANDLERS=[f"{HERE}.Nowhere"])
