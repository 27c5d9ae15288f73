"""Uploads in development: served from MEDIA_ROOT, safely, and not at all in production."""

from __future__ import annotations

from pathlib import Path

import pytest

from covet.conf import override
from covet.files import FileSystemStorage
from covet.staticfiles.urls import routes
from covet.staticfiles.views import serve_media
from covet.urls import path
from tests.handlers.sites import Site

ROUTES = [path("media/<path:path>", serve_media)]


@pytest.fixture
def media(tmp_path: Path) -> Path:
    root = tmp_path / "media"
    (root / "notes").mkdir(parents=True)
    (root / ".env").write_text("SECRET")
    (tmp_path / "outside.txt").write_text("outside")
    (root / "link.txt").symlink_to(tmp_path / "outside.txt")
    return root


async def test_an_upload_is_served_at_its_url(site: Site, media: Path) -> None:
    client = await site(ROUTES, DEBUG=True, MEDIA_ROOT=media)
    storage = FileSystemStorage()

    name = await storage.save("notes/a b.txt", b"hello")
    answer = await client.get(storage.url(name))

    assert (answer.status_code, answer.content) == (200, b"hello")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", ["missing.txt", "../outside.txt", "%2e%2e/outside.txt", "link.txt", ".env", "notes"])
async def test_nothing_outside_of_the_folder_is_served(site: Site, media: Path, name: str) -> None:
    client = await site(ROUTES, DEBUG=True, MEDIA_ROOT=media)

    assert (await client.get(f"/media/{name}")).status_code == 404


async def test_uploads_are_not_served_without_debug(site: Site, media: Path) -> None:
    (media / "a.txt").write_text("a")
    client = await site(ROUTES, DEBUG=False, MEDIA_ROOT=media)

    assert (await client.get("/media/a.txt")).status_code == 404


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"DEBUG": True, "MEDIA_ROOT": Path("m")}, ["static", "media"]),
        ({"DEBUG": False, "MEDIA_ROOT": Path("m")}, ["static"]),
        ({"DEBUG": True, "MEDIA_ROOT": None}, ["static"]),
        ({"DEBUG": True, "MEDIA_ROOT": Path("m"), "MEDIA_URL": "https://cdn.example/"}, ["static"]),
    ],
)
def test_the_route_is_there_in_development_alone(settings: dict[str, object], expected: list[str]) -> None:
    with override(**settings):
        assert [route.name for route in routes()] == expected
