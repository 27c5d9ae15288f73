"""collectstatic: what is copied, named by content and packed; and how production serves it."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from covet.conf import override
from covet.exceptions import CommandError, ImproperlyConfigured
from covet.staticfiles import manifest
from covet.staticfiles.collect import Collected, collect
from covet.staticfiles.links import MissingStaticFile, static
from covet.staticfiles.manifest import Manifest
from covet.staticfiles.references import rewrite
from covet.urls import include, path
from tests import _forking
from tests._environ import bare
from tests.handlers.sites import Site

ROUTES = [path("", include("covet.staticfiles.urls"))]
CSS = (
    """@import "base.css";
/* url(gone.png) in a comment stays */
body { background: url("../img/bg.png?v=1#top") } a { src: url(/static/img/bg.png) }
i { background: url(data:image/png;base64,AAAA) } b { background: url(https://example.com/x.png) }
u { background: url(missing.png) }
/*# sourceMappingURL=site.css.map */
"""
    + "p { color: red }\n" * 30
)
JS = 'import {a} from "./lib/a.js"; import React from "react"; const b = import("../js/lib/a.js");\n//# sourceMappingURL=app.js.map\n'


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    manifest.forget()
    yield
    manifest.forget()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    for name, text in {
        "css/site.css": CSS,
        "css/base.css": "html { margin: 0 }",
        "css/site.css.map": "{}",
        "img/bg.png": "PNG",
        "js/app.js": JS,
        "js/app.js.map": "{}",
        "js/lib/a.js": "export const a = 1;",
        "notes.txt~": "draft",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def run(source: Path, root: Path, **options: Any) -> Collected:
    files = [(file.relative_to(source).as_posix(), file) for file in sorted(source.rglob("*")) if file.is_file()]
    return collect(files, root, "/static/", ignore=["*~"], **options)


def test_a_project_without_static_files_is_collected(tmp_path: Path) -> None:
    root = tmp_path / "static_root"

    collect([], root, "/static/")

    assert Manifest.read(root) == Manifest({})


def test_files_are_copied_named_by_content_and_packed(source: Path, root: Path) -> None:
    done = run(source, root)
    assert len(done.copied) == done.hashed == 7
    paths = Manifest.read(root).paths  # type: ignore[union-attr]
    assert paths["css/site.css"].startswith("css/site.") and paths["css/site.css"] != "css/site.css"
    assert (root / "css/site.css").read_text() == CSS
    packed = root / (paths["css/site.css"] + ".gz")
    assert gzip.decompress(packed.read_bytes()) == (root / paths["css/site.css"]).read_bytes()
    assert not (root / (paths["img/bg.png"] + ".gz")).exists()
    assert not list(root.rglob(".*"))


def test_references_lead_to_the_names_made_of_content(source: Path, root: Path) -> None:
    run(source, root)
    paths = Manifest.read(root).paths  # type: ignore[union-attr]
    css, js = (root / paths["css/site.css"]).read_text(), (root / paths["js/app.js"]).read_text()
    picture = Path(paths["img/bg.png"]).name
    assert f'@import "{Path(paths["css/base.css"]).name}"' in css
    assert f'url("../img/{picture}?v=1#top")' in css
    assert f"url(/static/img/{picture})" in css
    for kept in (
        "url(gone.png)",
        "url(data:image/png;base64,AAAA)",
        "url(https://example.com/x.png)",
        "url(missing.png)",
    ):
        assert kept in css
    assert f"sourceMappingURL={Path(paths['css/site.css.map']).name} */" in css
    library = Path(paths["js/lib/a.js"]).name
    assert f'from "./lib/{library}"' in js and f'import("../js/lib/{library}")' in js and '"react"' in js
    assert f"sourceMappingURL={Path(paths['js/app.js.map']).name}\n" in js


def test_a_second_run_copies_only_what_has_changed(source: Path, root: Path) -> None:
    run(source, root)
    before = Manifest.read(root).paths  # type: ignore[union-attr]
    done = run(source, root)
    assert (done.copied, done.unmodified, done.packed) == ([], 7, 0)
    (source / "css/base.css").write_text("html { margin: 1px }")
    done = run(source, root)
    after = Manifest.read(root).paths  # type: ignore[union-attr]
    assert done.copied == ["css/base.css"]
    # What refers to it has another content by that, and so another name; pages still open find the old files.
    assert {name for name in after if after[name] != before[name]} == {"css/base.css", "css/site.css"}
    assert all((root / name).is_file() for name in before.values())


def test_clear_and_dry_run(source: Path, root: Path) -> None:
    root.mkdir()
    (root / "old.css").write_text("old")
    done = run(source, root, clear=True, dry_run=True)
    assert (done.removed, (root / "old.css").exists(), len(done.copied)) == (["old.css"], True, 7)
    run(source, root, clear=True, hashed=False)
    assert not (root / "old.css").exists() and not (root / manifest.MANIFEST).exists()


def test_css_in_a_circle_is_refused_and_modules_may_be(source: Path, root: Path) -> None:
    (source / "js/lib/a.js").write_text('import "../app.js";')
    run(source, root)
    (source / "css/base.css").write_text('@import "site.css";')
    with pytest.raises(CommandError, match=r"circle: css/base.css → css/site.css → css/base.css"):
        run(source, root)


def test_a_text_that_is_no_utf8_and_a_folder_that_cannot_be_written(source: Path, root: Path) -> None:
    (source / "css/base.css").write_bytes(b"\xff\xfe { }")
    run(source, root)
    root.parent.joinpath("file").write_text("")
    with pytest.raises(CommandError, match="file"):
        run(source, root.parent / "file")


@pytest.mark.parametrize(
    ("reference", "expected"),
    [("a.png", "a.1.png"), ("./a.png", "./a.1.png"), ("/elsewhere/a.png", "/elsewhere/a.png"), ("#part", "#part")],
)
def test_only_references_to_what_is_there_are_changed(reference: str, expected: str) -> None:
    names = {"css/a.png": "css/a.1.png"}
    assert rewrite("css/x.css", f"url({reference})", "/static/", names.get) == f"url({expected})"


def test_static_gives_the_stored_name_in_production(source: Path, root: Path) -> None:
    run(source, root)
    stored = Manifest.read(root).paths["css/site.css"]  # type: ignore[union-attr]
    with override(STATIC_ROOT=root, DEBUG=False):
        assert static("css/site.css") == f"/static/{stored}"
        assert static("css/site.css?x=1#y") == f"/static/{stored}?x=1#y"
        assert static("css/") == "/static/css/"
        with pytest.raises(MissingStaticFile, match=r"Did you mean 'css/site\.css'"):
            static("css/sites.css")
    with override(STATIC_ROOT=root, DEBUG=True):
        assert static("css/sites.css") == "/static/css/sites.css"


def test_a_broken_manifest_says_what_to_do(root: Path) -> None:
    root.mkdir()
    for text in ("{", "[]", '{"version": 9, "paths": {}}'):
        (root / manifest.MANIFEST).write_text(text)
        with pytest.raises(ImproperlyConfigured, match="Run collectstatic again"):
            Manifest.read(root)


@pytest.fixture
async def production(site: Site, source: Path, root: Path) -> AsyncIterator[Any]:
    await asyncio.to_thread(run, source, root)
    yield await site(ROUTES, installed=["covet.staticfiles"], DEBUG=False, STATIC_ROOT=root)


async def test_production_serves_for_good_what_is_named_by_content(production: Any) -> None:
    address = static("css/site.css")
    response = await production.get(address, headers={"Accept-Encoding": "gzip"})
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["content-encoding"] == "gzip"
    assert response.headers["content-type"] == "text/css; charset=utf-8"
    assert "Accept-Encoding" in response.headers["vary"]
    assert response.text.startswith("@import")
    plain = await production.get("/static/css/site.css", headers={"Accept-Encoding": "identity"})
    assert (plain.text, plain.headers["cache-control"]) == (CSS, "public, max-age=3600")
    assert "content-encoding" not in plain.headers
    again = await production.get(
        address, headers={"If-None-Match": response.headers["etag"], "Accept-Encoding": "gzip"}
    )
    assert again.status_code == 304


async def test_production_serves_nothing_else(production: Any) -> None:
    for address in ("/static/staticfiles.json", "/static/missing.css", "/static/../source/css/site.css", "/static/css"):
        assert (await production.get(address)).status_code == 404


async def test_without_a_root_nothing_is_served(site: Site) -> None:
    client = await site(ROUTES, installed=["covet.staticfiles"], DEBUG=False)
    assert (await client.get("/static/x.css")).status_code == 404


@pytest.fixture
def project(tmp_path: Path, source: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "site_settings").mkdir(parents=True)
    (folder / "site_settings/__init__.py").write_text(
        f"SECRET_KEY = {'x' * 50!r}\nINSTALLED_APPS = ['covet.staticfiles']\nSTATICFILES_DIRS = [{str(source)!r}]\n"
        f"STATIC_ROOT = {str(tmp_path / 'root')!r}\n"
    )
    (folder / "manage.py").write_text(
        "import os\nos.environ['COVET_SETTINGS_MODULE'] = 'site_settings'\n"
        "from covet.management import main\nif __name__ == '__main__':\n    main()\n"
    )
    return folder


def manage(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return _forking.run("manage.py", *arguments, cwd=project, env=bare())


def test_the_commands(project: Path, source: Path, root: Path) -> None:
    done = manage(project, "collectstatic", "--json", "-i", "*~")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["copied"]) == 7
    done = manage(project, "collectstatic", "-i", "*~")
    assert done.stdout.startswith(f"0 files copied to {root}, 7 unmodified, 7 named by content, 0 packed")
    asks = manage(project, "collectstatic", "--clear")
    assert (asks.returncode, "--noinput" in asks.stderr) == (3, True)
    cleared = manage(project, "collectstatic", "--clear", "--noinput", "--no-hash", "-i", "*~")
    assert "7 files copied" in cleared.stdout and "deleted" in cleared.stdout
    found = manage(project, "findstatic", "css/site.css", "nothing.css")
    assert found.returncode == 1
    assert str(source / "css/site.css") in found.stdout and "nothing.css: not found in" in found.stdout


def test_a_missing_root_is_one_line(project: Path) -> None:
    settings = project / "site_settings/__init__.py"
    settings.write_text(settings.read_text().partition("STATIC_ROOT")[0])
    done = manage(project, "collectstatic")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "STATIC_ROOT is not set" in done.stderr
