"""Storages: files are kept under names that are free, whole or not at all, and never outside their folder."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet.conf import override
from covet.exceptions import ImproperlyConfigured
from covet.files import (
    ContentFile,
    File,
    FileSystemStorage,
    InMemoryStorage,
    Storage,
    SuspiciousFileOperation,
    default_storage,
    storages,
)
from covet.files.names import available, check_name, valid_name

HOSTILE = ["../x", "/etc/passwd", "a/../../x", "..\\x", "C:\\x", "a\0b", "", ".", "..", "a/", "a/.."]


@pytest.fixture(params=["disk", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    return FileSystemStorage(tmp_path / "media", "/media/") if request.param == "disk" else InMemoryStorage()


async def content_of(storage: Storage, name: str) -> bytes:
    async with await storage.open(name) as file:
        return bytes(await file.read())


async def test_a_file_is_kept_read_and_removed(storage):
    name = await storage.save("notes/a b.txt", b"hello")

    assert name == "notes/a_b.txt"
    assert await content_of(storage, name) == b"hello"
    assert await storage.size(name) == 5
    assert await storage.exists(name)
    assert storage.url("notes/ä b.txt") == "/media/notes/%C3%A4%20b.txt"
    await storage.delete(name)
    await storage.delete(name)
    assert not await storage.exists(name)
    with pytest.raises(FileNotFoundError):
        await storage.open(name)


async def test_a_name_that_is_taken_gets_a_random_part(storage):
    first, second = await storage.save("a.txt", b"1"), await storage.save("a.txt", b"2")

    assert first == "a.txt"
    assert second.startswith("a_")
    assert second.endswith(".txt")
    assert (await content_of(storage, first), await content_of(storage, second)) == (b"1", b"2")


async def test_of_many_that_save_one_name_at_once_none_is_lost(storage):
    names = await asyncio.gather(*[storage.save("a.txt", str(number)) for number in range(20)])

    assert len(set(names)) == 20
    assert {await content_of(storage, name) for name in names} == {str(number).encode() for number in range(20)}


class Uploaded:
    """What a form gives: a name, and content that is read asynchronously."""

    name = "up.bin"

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    async def seek(self, position: int) -> None:
        self._file.seek(position)

    async def read(self, size: int = -1) -> bytes:
        return self._file.read(size)


@pytest.mark.parametrize(
    "content",
    [b"x" * 200_000, "x" * 200_000, ContentFile(b"x" * 200_000), io.BytesIO(b"x" * 200_000), Uploaded(b"x" * 200_000)],
    ids=lambda value: type(value).__name__,
)
async def test_content_comes_in_many_forms(storage, content: Any):
    assert await storage.size(await storage.save("a.bin", content)) == 200_000


async def test_a_file_that_breaks_off_is_not_kept(tmp_path):
    class Broken:
        name = "a"

        def read(self, size: int = -1) -> bytes:
            raise OSError("gone")

    storage = FileSystemStorage(tmp_path)
    with pytest.raises(OSError, match="gone"):
        await storage.save("a.txt", Broken())
    with pytest.raises(TypeError, match="bytes, a text"):
        await storage.save("a.txt", 5)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", HOSTILE)
async def test_names_that_lead_out_are_refused(storage, name):
    for call in (storage.save(name, b"x"), storage.open(name), storage.delete(name), storage.exists(name)):
        with pytest.raises(SuspiciousFileOperation):
            await call
    with pytest.raises(SuspiciousFileOperation):
        storage.url(name)


@given(st.text(max_size=40))
def test_no_name_leaves_the_folder(name):
    storage = FileSystemStorage("/srv/media")
    try:
        path = storage.path(storage.generate_filename(name))
    except SuspiciousFileOperation:
        return
    assert path.startswith("/srv/media/")


@given(st.text(min_size=1, max_size=60), st.integers(min_value=1, max_value=40), st.integers(min_value=0, max_value=2))
def test_names_fit_into_their_column(name, length, attempt):
    try:
        made = available(valid_name(name), length, attempt)
    except SuspiciousFileOperation:
        return
    assert 0 < len(made) <= length


def test_names_are_cleaned():
    assert valid_name("..\\evil <b>.png") == "evil_b.png"
    assert valid_name("CON.txt") == "_CON.txt"
    assert check_name("a//b\\c.txt") == "a/b/c.txt"
    with pytest.raises(SuspiciousFileOperation, match="folders"):
        check_name("a/b", allow_folders=False)
    with pytest.raises(SuspiciousFileOperation, match="greater max_length"):
        available("a/very/long/folder/x.txt", 10, 0)


async def test_a_folder_is_listed_and_files_replaced_where_wanted(tmp_path):
    storage = FileSystemStorage(tmp_path, allow_overwrite=True, file_permissions=0o600)
    assert await storage.save("d/a.txt", b"long") == await storage.save("d/a.txt", b"b")

    assert await content_of(storage, "d/a.txt") == b"b"
    assert (tmp_path / "d/a.txt").stat().st_mode & 0o777 == 0o600
    assert await storage.listdir() == (["d"], [])
    assert await storage.listdir("d") == ([], ["a.txt"])
    assert (await storage.get_modified_time("d/a.txt")).tzinfo is not None


class Broken:
    """A file that cannot be read to its end."""

    name = "a.txt"

    def __init__(self) -> None:
        self.left = [b"new"]

    def read(self, size: int = -1) -> bytes:
        if not self.left:
            raise OSError("the client has gone")
        return self.left.pop()


async def test_what_could_not_be_written_whole_replaces_nothing(tmp_path):
    storage = FileSystemStorage(tmp_path, allow_overwrite=True, file_permissions=0o600)
    await storage.save("a.txt", b"old")

    with pytest.raises(OSError, match="the client has gone"):
        await storage.save("a.txt", Broken())

    assert await content_of(storage, "a.txt") == b"old"
    assert await storage.listdir() == ([], ["a.txt"])


async def test_a_file_is_replaced_where_it_lies_and_stays_as_private_as_it_was(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.txt").write_bytes(b"old")
    (tmp_path / "elsewhere" / "b.txt").chmod(0o600)
    (tmp_path / "a.txt").symlink_to(tmp_path / "elsewhere" / "b.txt")
    storage = FileSystemStorage(tmp_path, allow_overwrite=True, file_permissions=None)

    assert await storage.save("a.txt", b"new") == "a.txt"

    assert (tmp_path / "a.txt").is_symlink()
    assert (tmp_path / "elsewhere" / "b.txt").read_bytes() == b"new"
    assert (tmp_path / "elsewhere" / "b.txt").stat().st_mode & 0o777 == 0o600


async def test_what_is_still_written_is_in_no_list(tmp_path):
    storage = FileSystemStorage(tmp_path, allow_overwrite=True)
    await storage.save(".part", b"named so")
    listed = []
    left = [b"", b"new"]

    class Content:
        async def read(self, size):
            listed.append(await storage.listdir())
            return left.pop()

    await storage.save("a.txt", Content())

    assert listed == [([], [".part"])] * 2
    assert await storage.listdir() == ([], [".part", "a.txt"])


FULL = """
import asyncio, os, resource, sys
from covet.files import FileSystemStorage

# A disk that takes a byte: what is written waits in the file's buffer, and is refused when it is closed.
before = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
try:
    asyncio.run(FileSystemStorage(sys.argv[1], file_permissions=0o600, directory_permissions=None).save("a.txt", b"long"))
except OSError as error:
    print(error.strerror, os.listdir(sys.argv[1]))
finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
"""


def test_a_disk_that_is_full_when_the_file_is_closed_keeps_nothing(tmp_path):
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True)

    assert done.stdout == f"{os.strerror(errno.EFBIG)} []\n"


async def test_a_file_that_is_not_there_is_told_by_each_storage(tmp_path):
    for storage in (FileSystemStorage(tmp_path), InMemoryStorage()):
        await storage.save("a.txt", b"x")
        await storage.delete("a.txt")
        for ask in (storage.open, storage.size, storage.get_modified_time):
            with pytest.raises(FileNotFoundError):
                await ask("a.txt")


async def test_the_settings_name_the_storages(tmp_path):
    with override(MEDIA_ROOT=tmp_path, MEDIA_URL="/files"):
        assert storages["default"].url("a") == "/files/a"
        assert await default_storage.save("a.txt", b"x") == "a.txt"
        assert (tmp_path / "a.txt").exists()
        with pytest.raises(ImproperlyConfigured, match="Did you mean 'default'"):
            storages["defualt"]
    with override(MEDIA_ROOT=None), pytest.raises(ImproperlyConfigured, match="Set MEDIA_ROOT"):
        await default_storage.save("a.txt", b"x")
    memory = {"BACKEND": "covet.files.InMemoryStorage", "OPTIONS": {"base_url": "/m/"}}
    with override(STORAGES={"default": memory, "bad": {}}):
        assert default_storage.url("a") == "/m/a"
        with pytest.raises(ImproperlyConfigured, match="BACKEND"):
            storages["bad"]


async def test_a_file_reads_in_a_thread(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"abcdef")
    async with File((tmp_path / "a.txt").open("rb")) as file:
        assert await file.read(2) == b"ab"
        assert await file.size() == 6
        assert b"".join([chunk async for chunk in file.chunks(4)]) == b"abcdef"
    assert file.file.closed
    assert repr(ContentFile("x", name="a")) == "<ContentFile: a>"
