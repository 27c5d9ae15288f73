"""collectstatic to a storage: a bucket by S3 (moto, at the cloud's edge), a folder, and what a storage may do wrong."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from moto.server import ThreadedMotoServer

from covet.conf import override
from covet.exceptions import CommandError, ImproperlyConfigured
from covet.files import FileSystemStorage, InMemoryStorage
from covet.files.s3 import S3Storage
from covet.staticfiles import manifest
from covet.staticfiles.collect import collect
from covet.staticfiles.finders import StaticFilesPart
from covet.staticfiles.links import static
from covet.staticfiles.storage import ManifestStaticFilesStorage, StaticFilesStorage, remote_storage
from covet.staticfiles.upload import names_in, upload
from tests import _forking
from tests._environ import bare

CSS = 'body { background: url("../img/bg.png") }\n'


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    manifest.forget()
    yield
    manifest.forget()
    manifest.remember(None)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    for name, text in {"css/site.css": CSS, "img/bg.png": "PNG", "plain.txt": "text"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str) -> dict[str, Any]:
    httpx.post(f"{endpoint}/moto-api/reset", timeout=60)
    signed = {"authorization": "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/s3/aws4_request"}
    assert httpx.put(f"{endpoint}/assets", headers=signed, timeout=60).status_code == 200
    return {
        "bucket": "assets",
        "endpoint": endpoint,
        "region": "us-east-1",
        "access_key_id": "key",
        "secret_access_key": "secret",
        "prefix": "static",
        "cache_control": {"*.????????????.*": "public, max-age=31536000, immutable", "*": "public, max-age=60"},
    }


def make_project(folder: Path, source: Path, storage: dict[str, Any], more: str = "") -> Path:
    (folder / "site_settings").mkdir(parents=True)
    (folder / "site_settings/__init__.py").write_text(
        f"SECRET_KEY = {'x' * 50!r}\nINSTALLED_APPS = ['covet.staticfiles']\nSTATICFILES_DIRS = [{str(source)!r}]\n"
        f"STATIC_URL = 'https://cdn.example.org/static/'\nSTORAGES = {{'staticfiles': {storage!r}}}\n{more}"
    )
    (folder / "manage.py").write_text(
        "import os\nos.environ['COVET_SETTINGS_MODULE'] = 'site_settings'\n"
        "from covet.management import main\nif __name__ == '__main__':\n    main()\n"
    )
    return folder


def manage(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return _forking.run("manage.py", *arguments, cwd=project, env=bare())


async def test_a_bucket_gets_what_is_new_and_serves_it_well(
    tmp_path: Path, source: Path, bucket: dict[str, Any]
) -> None:
    project = make_project(tmp_path / "project", source, {"BACKEND": "covet.files.s3.S3Storage", "OPTIONS": bucket})
    storage = S3Storage(**bucket)

    told = manage(project, "collectstatic", "--dry-run")
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("7 files would be copied to <S3Storage: assets/static>, 0 unmodified")
    assert await names_in(storage) == []
    done = manage(project, "collectstatic", "--json")
    assert done.returncode == 0, done.stderr
    names = sorted(await names_in(storage))
    paths = json.loads(await (await storage.open("staticfiles.json")).read())["paths"]
    assert json.loads(done.stdout)["copied"] == names == sorted([*paths, *paths.values(), "staticfiles.json"])
    again = manage(project, "collectstatic")
    assert again.stdout.startswith("0 files copied to <S3Storage: assets/static>, 7 unmodified, 3 named by content (")

    css = await storage._obstore.get_async(storage._store, paths["css/site.css"])
    assert f'url("../{paths["img/bg.png"]}")' in bytes(await css.bytes_async()).decode()
    assert css.attributes["Content-Type"] == "text/css; charset=utf-8"
    assert css.attributes["Cache-Control"] == "public, max-age=31536000, immutable"
    plain = await storage._obstore.get_async(storage._store, "img/bg.png")
    assert (plain.attributes["Content-Type"], plain.attributes["Cache-Control"]) == ("image/png", "public, max-age=60")

    (source / "plain.txt").write_text("changed")
    (source / "css/site.css").unlink()
    changed = json.loads(manage(project, "collectstatic", "--json", "-i", "*.png").stdout)
    assert "plain.txt" in changed["copied"]
    assert "css/site.css" in await names_in(storage)
    asks = manage(project, "collectstatic", "--clear")
    assert (asks.returncode, "--noinput" in asks.stderr) == (3, True)
    cleared = manage(project, "collectstatic", "--clear", "--noinput", "--no-hash")
    assert "deleted" in cleared.stdout, cleared.stderr
    assert sorted(await names_in(storage)) == ["img/bg.png", "plain.txt"]
    linked = manage(project, "collectstatic", "--link")
    assert (linked.returncode, "--link" in linked.stderr) == (1, True)


async def test_a_server_without_the_folder_reads_the_manifest_from_the_storage(
    source: Path, bucket: dict[str, Any], tmp_path: Path
) -> None:
    collect([("css/site.css", source / "css/site.css")], tmp_path / "made", "/static/", packed=False)
    storage = S3Storage(**bucket)
    names = {"STORAGES": {"staticfiles": {"BACKEND": "covet.files.s3.S3Storage", "OPTIONS": bucket}}}
    part = StaticFilesPart()
    with override(STATIC_ROOT=None, DEBUG=False, STATIC_URL="https://cdn.example.org/", **names):
        await part.startup()
        assert static("css/site.css") == "https://cdn.example.org/css/site.css"
        await upload(tmp_path / "made", storage)
        await part.startup()
        address = static("css/site.css")
        url = storage.url(address.removeprefix("https://cdn.example.org/"))
        assert httpx.get(url, timeout=60).status_code == 200
        assert address != "https://cdn.example.org/css/site.css"
        await part.shutdown()
        assert static("css/site.css") == "https://cdn.example.org/css/site.css"
        await storage.delete("staticfiles.json")
        await storage.save("staticfiles.json", b"{}")
        with pytest.raises(ImproperlyConfigured, match="Run collectstatic again"):
            await part.startup()


async def test_any_storage_that_lists_its_files_will_do(source: Path, tmp_path: Path) -> None:
    root = tmp_path / "made"
    collect(((path, source / path) for path in ("css/site.css", "img/bg.png")), root, "/static/", packed=False)
    for storage in (FileSystemStorage(tmp_path / "kept"), InMemoryStorage()):
        first = await upload(root, storage)
        second = await upload(root, storage)
        (root / "img/bg.png").write_text("longer than it was")
        third = await upload(root, storage)
        told = await upload(root, storage, clear=True, dry_run=True)

        assert len(first.copied) == 5
        assert (second.copied, second.unmodified) == ([], 5)
        assert third.copied == ["img/bg.png"]
        async with await storage.open("img/bg.png") as file:
            assert await file.read() == b"longer than it was"
        assert sorted(told.removed) == sorted(await names_in(storage)) == first.copied
        (root / "img/bg.png").write_text("PNG")


async def test_a_manifest_that_says_something_else_is_brought_however_young_the_old_one_is(
    source: Path, tmp_path: Path
) -> None:
    root = tmp_path / "made"
    collect([("css/site.css", source / "css/site.css")], root, "/static/", packed=False)
    storage = InMemoryStorage()
    await upload(root, storage)
    manifest = root / "staticfiles.json"
    status = manifest.stat()
    other = manifest.read_bytes().replace(b"site.css", b"tise.css")
    manifest.write_bytes(other)
    os.utime(manifest, (status.st_atime, status.st_mtime))

    assert (await upload(root, storage)).copied == ["staticfiles.json"]
    async with await storage.open("staticfiles.json") as file:
        assert await file.read() == other


async def test_what_a_storage_refused_keeps_its_cause(tmp_path: Path) -> None:
    class Refusing(InMemoryStorage):
        async def save(self, name: str, content: Any, max_length: int | None = None) -> str:
            raise CommandError("the bucket is closed") from PermissionError("expired key")

    (tmp_path / "a.css").write_text("x")

    with pytest.raises(CommandError, match="closed") as raised:
        await upload(tmp_path, Refusing())

    assert isinstance(raised.value.__cause__, PermissionError)


async def test_a_storage_that_renames_or_cannot_list_is_refused(tmp_path: Path) -> None:
    class Mute:
        pass

    (tmp_path / "a b.txt").write_text("x")
    with pytest.raises(CommandError, match=r"keeps 'a b\.txt' as 'a_b\.txt'"):
        await upload(tmp_path, InMemoryStorage())
    with pytest.raises(CommandError, match="cannot list"):
        await upload(tmp_path, Mute())  # type: ignore[arg-type]


def test_the_folder_of_settings_may_be_named_as_a_storage(source: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    plain = {"BACKEND": "covet.staticfiles.storage.StaticFilesStorage"}
    project = make_project(tmp_path / "project", source, plain, f"STATIC_ROOT = {str(root)!r}\n")
    done = manage(project, "collectstatic")
    assert done.stdout.startswith(f"3 files copied to {root}"), done.stderr
    assert not (root / "staticfiles.json").exists()
    settings = project / "site_settings/__init__.py"
    settings.write_text(settings.read_text().replace("StaticFilesStorage", "ManifestStaticFilesStorage"))
    assert "3 named by content" in manage(project, "collectstatic").stdout

    with override(STATIC_ROOT=root, STATIC_URL="/static/", STORAGES={"staticfiles": plain}, DEBUG=False):
        assert remote_storage() is None
        assert StaticFilesStorage().url("css/site.css") == "/static/css/site.css"
        assert ManifestStaticFilesStorage().url("css/site.css") == static("css/site.css") != "/static/css/site.css"
    with override(STATIC_ROOT=None), pytest.raises(ImproperlyConfigured, match="STATIC_ROOT"):
        StaticFilesStorage()


async def test_a_name_made_of_content_is_not_asked_for_twice(tmp_path: Path) -> None:
    """A bucket answers each question over the network, and what such a name holds never changes."""

    class Asked(InMemoryStorage):
        sizes: ClassVar[list[str]] = []

        async def size(self, name: str) -> int:
            self.sizes.append(name)
            return await super().size(name)

    root = tmp_path / "made"
    root.mkdir()
    (root / "app.0123456789ab.css").write_text("b{}")
    (root / "app.css").write_text("b{}")
    manifest.Manifest({"app.css": "app.0123456789ab.css"}).write(root)
    storage = Asked()

    await upload(root, storage)
    again = await upload(root, storage)

    assert again.copied == []
    assert storage.sizes == ["app.css"]
