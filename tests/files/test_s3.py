"""``S3Storage`` against a server that speaks S3, in this process."""

from __future__ import annotations

import _thread
import io
import threading
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from moto.server import ThreadedMotoServer
from PIL import Image

from covet.apps import apps
from covet.conf import override
from covet.db import models
from covet.exceptions import ImproperlyConfigured
from covet.files import Storage, SuspiciousFileOperation, s3, storages
from covet.files.s3 import S3Storage

with apps.isolate():

    class Picture(models.Model):
        image = models.ImageField()

        class Meta:
            app_label = "gallery"


BIG = bytes(range(256)) * 4096 * 9  # 9 MiB: more than one piece


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
async def options(endpoint: str) -> AsyncIterator[dict[str, str]]:
    async with httpx.AsyncClient(timeout=60) as client:
        await client.post(f"{endpoint}/moto-api/reset")
        signed = {"authorization": "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/s3/aws4_request"}
        assert (await client.put(f"{endpoint}/uploads", headers=signed)).status_code == 200
    yield {
        "bucket": "uploads",
        "endpoint": endpoint,
        "region": "us-east-1",
        "access_key_id": "key",
        "secret_access_key": "secret",
        "prefix": "media",
    }


@pytest.fixture
def storage(options: dict[str, str]) -> S3Storage:
    return S3Storage(**options)  # type: ignore[arg-type]


async def test_a_file_is_kept_read_and_removed(storage: S3Storage) -> None:
    assert isinstance(storage, Storage)
    name = await storage.save("notes/a b.txt", b"hello")

    assert name == "notes/a_b.txt"
    assert await storage.exists(name)
    assert await storage.size(name) == 5
    async with await storage.open(name) as file:
        assert [await file.read(2), await file.read(), await file.read()] == [b"he", b"llo", b""]
        await file.seek(1)
        assert await file.read(1) == b"e"
        assert await file.size() == 5
        assert [chunk async for chunk in file.chunks()] == [b"hello"]
        with pytest.raises(io.UnsupportedOperation):
            await file.write(b"x")
    assert (await storage.get_modified_time(name)).tzinfo is not None
    await storage.delete(name)
    await storage.delete(name)
    assert not await storage.exists(name)
    with pytest.raises(FileNotFoundError):
        await storage.open(name)
    with pytest.raises(ValueError, match="'rb' alone"):
        await storage.open(name, "wb")


@pytest.mark.parametrize("content", [b"1", BIG], ids=["one piece", "many pieces"])
async def test_a_name_that_is_taken_gets_a_random_part(
    storage: S3Storage, options: dict[str, str], content: bytes
) -> None:
    first, second = await storage.save("a.bin", content), await storage.save("a.bin", io.BytesIO(content))

    assert first == "a.bin"
    assert second.startswith("a_")
    async with await storage.open(second) as file:
        assert b"".join([chunk async for chunk in file.chunks()]) == content
    replacing = S3Storage(**options, allow_overwrite=True)  # type: ignore[arg-type]
    assert await replacing.save("a.bin", b"new" + content) == "a.bin"
    assert await storage.size("a.bin") == len(content) + 3


async def test_an_image_in_a_bucket_tells_its_size(options: dict[str, str]) -> None:
    data = io.BytesIO()
    Image.new("RGB", (3, 2)).save(data, "png")
    picture = Picture()

    with override(STORAGES={"default": {"BACKEND": "covet.files.s3.S3Storage", "OPTIONS": options}}):
        await picture.image.save("p.png", data.getvalue(), save=False)

        assert await picture.image.dimensions() == (3, 2)


async def test_folders_are_listed(storage: S3Storage) -> None:
    for name in ("a.txt", "notes/b.txt", "notes/deep/c.txt"):
        await storage.save(name, b"x")

    assert await storage.listdir() == (["notes"], ["a.txt"])
    assert await storage.listdir("notes") == (["deep"], ["b.txt"])


async def test_an_address_is_signed_and_ends(storage: S3Storage, options: dict[str, str]) -> None:
    name = await storage.save("notes/ä b.txt", b"hello")

    url = storage.url(name)
    async with httpx.AsyncClient(timeout=60) as client:
        assert (await client.get(url)).content == b"hello"
    assert urlsplit(url).path.startswith("/uploads/media/notes/")
    assert "X-Amz-Expires=3600" in url
    assert "X-Amz-Signature=" in url
    assert "secret" not in url
    public = S3Storage(**options, base_url="https://cdn.example/")  # type: ignore[arg-type]
    assert public.url("a b.txt") == "https://cdn.example/a%20b.txt"


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "", "a\0b"])
async def test_names_that_lead_out_are_refused(storage: S3Storage, name: str) -> None:
    for call in (storage.open, storage.delete, storage.exists, storage.size):
        with pytest.raises(SuspiciousFileOperation):
            await call(name)
    with pytest.raises(SuspiciousFileOperation):
        storage.url(name)
    with pytest.raises(SuspiciousFileOperation):
        await storage.save(name, b"x")


async def test_the_setting_names_it_and_migrations_never_see_a_key(options: dict[str, str]) -> None:
    with override(STORAGES={"default": {"BACKEND": "covet.files.s3.S3Storage", "OPTIONS": options}}):
        storage = storages["default"]
    assert repr(storage) == "<S3Storage: uploads/media>"
    path, args, kwargs = storage.deconstruct()  # type: ignore[attr-defined]
    assert (path, args) == ("covet.files.s3.S3Storage", ("uploads",))
    assert "secret" not in str(kwargs)
    assert storage == S3Storage(*args, **kwargs)
    assert hash(storage) == hash(S3Storage(*args, **kwargs))
    with pytest.raises(ImproperlyConfigured, match="name of a bucket"):
        S3Storage("")


def test_a_process_ends_after_the_threads_that_still_tell_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go = threading.Event(), threading.Event()
    told: list[str] = []

    def tell() -> None:
        begun.set()
        go.wait()
        told.append("the result")

    # As those of obstore: none that threading knows.
    _thread.start_new_thread(tell, ())
    begun.wait()
    monkeypatch.setattr(s3.time, "sleep", lambda seconds: go.set())

    s3._wait_for_foreign_threads()

    assert told == ["the result"]


def test_a_process_does_not_wait_for_ever_for_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go, ended = threading.Event(), threading.Event(), threading.Event()
    monkeypatch.setattr(s3, "_THREADS_END_S", 0.01)

    def hang() -> None:
        begun.set()
        go.wait()
        ended.set()

    _thread.start_new_thread(hang, ())
    begun.wait()
    s3._wait_for_foreign_threads()
    was_over = ended.is_set()
    go.set()
    ended.wait()

    assert not was_over
