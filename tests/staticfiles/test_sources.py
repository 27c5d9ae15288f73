"""Where static files come from, links in place of copies, and what production answers in all its forms."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import brotli
import pytest
import zstandard

from covet.apps.registry import Apps
from covet.conf import override
from covet.staticfiles import manifest
from covet.staticfiles.collect import collect
from covet.staticfiles.finders import StaticFilesPart
from covet.staticfiles.links import MissingStaticFile, static
from tests.handlers.sites import Site
from tests.staticfiles.test_collecting import ROUTES, manage, project, root, source

__all__ = ["project", "root", "source"]

TEXT = "p { color: red }\n" * 100


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    manifest.forget()
    yield
    manifest.forget()


class Generated:
    """Finds what a project has generated."""

    def __init__(self, app_folders: Sequence[Path]) -> None:
        self.made = Path(app_folders[0]).parent / "made.txt" if app_folders else None

    def find(self, path: str) -> list[Path]:
        return [self.made] if path == "made.txt" and self.made is not None else []

    def files(self) -> Iterable[tuple[str, Path]]:
        return [("made.txt", self.made)] if self.made is not None else []


class App:
    def __init__(self, folder: Path) -> None:
        self.place = folder

    def folder(self, name: str) -> Path:
        return self.place


def part_of(folder: Path, **settings: Any) -> StaticFilesPart:
    part = StaticFilesPart()
    part.collect(App(folder), None)  # type: ignore[arg-type]  # all that is asked of an app
    with override(**settings):
        part.ready(Apps())
    return part


def test_folders_may_stand_below_a_prefix(tmp_path: Path) -> None:
    for name in ("own/a.css", "vendor/a.css", "app/a.css"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(name)
    part = part_of(tmp_path / "app", STATICFILES_DIRS=[tmp_path / "own", ("lib", tmp_path / "vendor")])

    assert part.find("a.css") == tmp_path / "own/a.css"
    assert part.find("lib/a.css") == tmp_path / "vendor/a.css"
    assert part.find("lib/../../own/a.css") is None
    assert part.find_all("a.css") == [tmp_path / "own/a.css", tmp_path / "app/a.css"]
    assert dict(part.files()) == {"a.css": tmp_path / "own/a.css", "lib/a.css": tmp_path / "vendor/a.css"}
    assert part.places() == [tmp_path / "own", tmp_path / "vendor", tmp_path / "app"]
    with override(STATICFILES_DIRS=[("", tmp_path / "own")]):
        assert [message.id for message in part.check(Apps())] == ["staticfiles.E003"]


def test_a_project_may_find_files_its_own_way(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "made.txt").write_text("made")
    part = part_of(
        tmp_path / "app",
        STATICFILES_FINDERS=["covet.staticfiles.finders.AppDirectoriesFinder", f"{__name__}.Generated"],
    )

    assert part.find("made.txt") == tmp_path / "made.txt"
    assert part.find("other.txt") is None
    assert list(part.files()) == [("made.txt", tmp_path / "made.txt")]
    assert part.places() == [tmp_path / "app"]


def test_links_stand_in_for_copies_and_copies_for_links(source: Path, root: Path) -> None:
    files = [("css/base.css", source / "css/base.css")]

    first = collect(files, root, "/static/", link=True)
    again = collect(files, root, "/static/", link=True)
    target = root / "css/base.css"
    assert target.is_symlink() and target.resolve() == (source / "css/base.css").resolve()
    assert (first.copied, again.copied, again.unmodified) == (["css/base.css"], [], 1)
    assert collect(files, root, "/static/").copied == ["css/base.css"]
    assert not target.is_symlink()
    assert collect(files, root, "/static/", link=True, dry_run=True).copied == ["css/base.css"]
    assert not target.is_symlink()
    (source / "css/base.css").write_text("changed")
    assert target.read_text() != "changed"


async def test_linked_files_are_served_and_no_other_links(site: Site, source: Path, root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    collect([("css/base.css", source / "css/base.css")], root, "/static/", link=True)
    (root / "out.txt").symlink_to(tmp_path / "secret.txt")
    (root / "css/other.css").symlink_to(source / "css/site.css")
    client = await site(ROUTES, installed=["covet.staticfiles"], STATIC_ROOT=root, STATICFILES_DIRS=[source])

    assert (await client.get("/static/css/base.css")).text == "html { margin: 0 }"
    assert (await client.get("/static/out.txt")).status_code == 404
    assert (await client.get("/static/css/other.css")).status_code == 404


def test_references_to_nothing_are_told(source: Path, root: Path) -> None:
    files = [("css/site.css", source / "css/site.css"), ("css/base.css", source / "css/base.css")]

    done = collect(files, root, "/static/")

    assert ("css/site.css", "css/missing.png") in done.missing
    assert ("css/site.css", "img/bg.png") in done.missing
    assert not [path for path in done.missing if path[1] == "css/base.css"]


def test_the_command_links_tells_and_leaves_out(project: Path, root: Path) -> None:
    done = manage(project, "collectstatic", "--link", "--no-post-process")
    assert f"7 files linked in {root}" in done.stdout
    assert (root / "css/base.css").is_symlink()
    assert not (root / "notes.txt~").exists()
    done = manage(project, "collectstatic", "--no-default-ignore")
    assert "css/site.css refers to css/missing.png, which is not there." in done.stderr
    assert (root / "notes.txt~").is_file()


def test_a_missing_name_may_be_let_through(source: Path, root: Path) -> None:
    collect([("css/base.css", source / "css/base.css")], root, "/static/")
    with override(STATIC_ROOT=root, DEBUG=False):
        with pytest.raises(MissingStaticFile, match=r"base\.css"):
            static("css/bas.css")
        with override(STATIC_MANIFEST_STRICT=False):
            assert static("css/bas.css?v=1") == "/static/css/bas.css?v=1"
            assert static("css/base.css") != "/static/css/base.css"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip", "gzip"),
        ("br, gzip", "br"),
        ("gzip, br, zstd", "zstd"),
        ("zstd;q=0, br;q=0, gzip", "gzip"),
        ("br;q=0.5, gzip", "gzip"),
        ("identity, br;q=0.5", ""),
        ("identity", ""),
        ("*", "zstd"),
        ("", ""),
    ],
)
async def test_production_negotiates_and_serves_parts(
    site: Site, tmp_path: Path, root: Path, accepted: str, encoding: str
) -> None:
    (tmp_path / "a.css").write_text(TEXT)
    collect([("a.css", tmp_path / "a.css")], root, "/static/")
    client = await site(ROUTES, installed=["covet.staticfiles"], STATIC_ROOT=root, DEBUG=False)
    stored = static("a.css")
    headers = {"Accept-Encoding": accepted}

    async with client.stream("GET", stored, headers=headers) as answer:
        raw = b"".join([piece async for piece in answer.aiter_raw()])
    assert answer.headers.get("content-encoding", "") == encoding
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"].startswith("text/css")
    assert int(answer.headers["content-length"]) == len(raw)
    unpack = {"gzip": gzip.decompress, "br": brotli.decompress, "zstd": zstandard.decompress}.get(encoding, bytes)
    assert unpack(raw) == TEXT.encode()
    tag = answer.headers["etag"]
    same = await client.get(stored, headers={**headers, "If-None-Match": tag})
    assert (same.status_code, same.headers["etag"]) == (304, tag)
    async with client.stream("GET", stored, headers={**headers, "Range": "bytes=0-9", "If-Range": tag}) as part:
        piece = b"".join([chunk async for chunk in part.aiter_raw()])
    assert (part.status_code, piece) == (206, raw[:10])
    assert part.headers["content-range"] == f"bytes 0-9/{len(raw)}"
    assert part.headers.get("content-encoding", "") == encoding
    assert (await client.get(stored, headers={**headers, "Range": "bytes=999999-"})).status_code == 416
    head = await client.head(stored, headers={**headers, "Range": "bytes=0-9"})
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(raw)))


async def test_each_form_has_a_tag_of_its_own(site: Site, tmp_path: Path, root: Path) -> None:
    (tmp_path / "a.css").write_text(TEXT)
    collect([("a.css", tmp_path / "a.css")], root, "/static/")
    client = await site(ROUTES, installed=["covet.staticfiles"], STATIC_ROOT=root, DEBUG=False)

    tags = [
        (await client.get("/static/a.css", headers={"Accept-Encoding": name})).headers["etag"]
        for name in ("gzip", "br", "zstd", "identity")
    ]
    stored = [
        (await client.get(static("a.css"), headers={"Accept-Encoding": name})).headers["etag"]
        for name in ("gzip", "br")
    ]

    assert len(set(stored)) == 2
    # Under its own name the file is not packed: its content may change.
    assert len(set(tags)) == 1


@pytest.mark.parametrize(
    ("urls", "more", "warned"),
    [
        ("", "", True),
        ("from covet.urls import autodiscover\nurlpatterns = [*autodiscover()]\n", "", False),
        ("", "DEBUG = False\n", False),
        ("", "STATIC_URL = 'https://cdn.example.com/'\n", False),
    ],
)
def test_static_files_that_no_route_answers_are_told(project: Path, urls: str, more: str, warned: bool) -> None:
    (project / "site_urls.py").write_text(urls or "urlpatterns = []\n")
    with (project / "site_settings/__init__.py").open("a") as settings:
        settings.write(f"ROOT_URLCONF = 'site_urls'\nDEBUG = True\n{more}")

    done = manage(project, "check")

    assert ("staticfiles.W001" in done.stderr + done.stdout) is warned, done.stderr
