"""Static files in development: found in order, served safely, not at all in production."""

from __future__ import annotations

from contextvars import copy_context
from pathlib import Path

import pytest

from covet.conf import override
from covet.staticfiles.finders import StaticFilesPart, inside
from covet.staticfiles.links import static
from covet.staticfiles.urls import routes
from covet.urls import include, path
from covet.urls.addresses import script_prefix
from tests.handlers.sites import Site

ROUTES = [path("", include("covet.staticfiles.urls"))]


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        (folder / "blog").mkdir(parents=True)
    (first / "blog/style.css").write_text("first")
    (second / "blog/style.css").write_text("second")
    (second / "only.js").write_text("js")
    (second / ".env").write_text("SECRET")
    (tmp_path / "outside.txt").write_text("outside")
    (second / "link.txt").symlink_to(tmp_path / "outside.txt")
    return [str(first), str(second)]


async def test_files_are_served_with_kind_and_conditions(site: Site, folders: list[str]) -> None:
    client = await site(ROUTES, installed=["covet.staticfiles"], DEBUG=True, STATICFILES_DIRS=folders)

    style = await client.get(static("blog/style.css"))
    script = await client.get("/static/only.js")
    again = await client.get("/static/only.js", headers={"if-none-match": script.headers["etag"]})

    assert (style.text, style.headers["content-type"]) == ("first", "text/css; charset=utf-8")
    assert script.text == "js"
    assert again.status_code == 304
    assert style.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("static/", "/shop/static/only.js"),
        ("/static/", "/static/only.js"),
        ("https://cdn.example.com/", "https://cdn.example.com/only.js"),
    ],
)
def test_a_relative_address_lies_below_the_prefix_of_the_site(url: str, address: str) -> None:
    with override(STATIC_URL=url, DEBUG=True):
        assert copy_context().run(lambda: (script_prefix.set("/shop"), static("only.js"))[1]) == address


async def test_files_are_served_at_a_relative_address(site: Site, folders: list[str]) -> None:
    with override(STATIC_URL="static/"):
        files = routes()
    # The site changes the setting itself: its block ends with the test, after any that would stand around it here.
    client = await site(
        files, installed=["covet.staticfiles"], DEBUG=True, STATICFILES_DIRS=folders, STATIC_URL="static/"
    )

    assert static("only.js") == "/static/only.js"
    assert (await client.get("/static/only.js")).text == "js"


@pytest.mark.parametrize(
    "address",
    [
        "/static/missing.css",
        "/static/../outside.txt",
        "/static/%2e%2e/outside.txt",
        "/static/link.txt",
        "/static/.env",
        "/static/blog",
    ],
)
async def test_nothing_outside_of_the_folders_is_served(site: Site, folders: list[str], address: str) -> None:
    client = await site(ROUTES, installed=["covet.staticfiles"], DEBUG=True, STATICFILES_DIRS=folders)

    assert (await client.get(address)).status_code == 404


async def test_production_serves_none(site: Site, folders: list[str]) -> None:
    client = await site(ROUTES, installed=["covet.staticfiles"], STATICFILES_DIRS=folders)

    assert (await client.get("/static/only.js")).status_code == 404


def test_files_are_listed_once_and_hidden_ones_never(folders: list[str]) -> None:
    from covet.apps.registry import Apps

    apps = Apps()
    with override(STATICFILES_DIRS=[*folders, "/nowhere/at/all"]):
        apps.setup([], [StaticFilesPart])
        part = apps.part(StaticFilesPart)
        problems = [message.id for message in part.check(apps)]

    assert [name for name, _ in part.files()] == ["blog/style.css", "link.txt", "only.js"]
    assert problems == ["staticfiles.E001"]


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd\x00", "a\\..\\b", ".git/config"])
def test_paths_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    assert inside(tmp_path, name) is None
