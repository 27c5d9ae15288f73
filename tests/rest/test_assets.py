"""The files that browser pages load come from pinned packages, or not at all."""

from __future__ import annotations

import base64
import gettext
import hashlib
import importlib.util
import io
import json
import tarfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """``scripts/fetch_assets.py`` with one package of its own, and an npm that hands that out."""
    module = load(ROOT / "scripts" / "fetch_assets.py")
    archive = tmp_path / "thing-1.0.0.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        info = tarfile.TarInfo("package/dist/thing.js")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"// x"))
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    npm = tmp_path / "npm"
    npm.write_text(
        f'#!/bin/sh\necho called >> {tmp_path}/calls\ncp {archive} "$5/thing-1.0.0.tgz" && echo thing-1.0.0.tgz\n'
    )
    npm.chmod(0o755)

    def pin(integrity: str = f"sha512-{digest}", inside: str = "dist/thing.js") -> None:
        entry = {"version": "1.0.0", "integrity": integrity, "to": "covet/_assets", "files": {inside: "thing.js"}}
        (tmp_path / "pins.json").write_text(json.dumps({"thing": entry}))

    pin()
    monkeypatch.setattr(module, "PINS", tmp_path / "pins.json")
    module.pin, module.npm, module.root = pin, str(npm), tmp_path
    module.calls = lambda: (tmp_path / "calls").read_text().count("called") if (tmp_path / "calls").exists() else 0
    return module


def test_the_pinned_files_are_put_where_they_belong_once(assets: Any) -> None:
    [folder] = assets.fetch(assets.root, npm=assets.npm)
    assets.fetch(assets.root, npm=assets.npm)

    assert (folder / "thing.js").read_bytes() == b"// x"
    assert assets.calls() == 1


def test_a_package_with_another_hash_is_refused_and_leaves_nothing(assets: Any) -> None:
    assets.pin(integrity="sha512-" + base64.b64encode(bytes(64)).decode())

    with pytest.raises(assets.AssetsMissing, match=r"thing 1\.0\.0 is not the pinned package"):
        assets.fetch(assets.root, npm=assets.npm)

    assert not (assets.root / "covet").exists()


def test_another_version_is_fetched_anew(assets: Any) -> None:
    assets.fetch(assets.root, npm=assets.npm)
    pins = json.loads(assets.PINS.read_text())
    pins["thing"]["note"] = "changed"
    assets.PINS.write_text(json.dumps(pins))

    assets.fetch(assets.root, npm=assets.npm)

    assert assets.calls() == 2


def test_a_file_that_the_package_does_not_have_is_named(assets: Any) -> None:
    assets.pin(inside="dist/other.js")

    with pytest.raises(assets.AssetsMissing, match=r"has no file dist/other\.js"):
        assets.fetch(assets.root, npm=assets.npm)


def test_without_npm_it_says_so(assets: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")

    with pytest.raises(assets.AssetsMissing, match="npm is not installed"):
        assets.fetch(assets.root)


def test_an_npm_that_fails_gives_its_reason(assets: Any) -> None:
    Path(assets.npm).write_text("#!/bin/sh\necho 'no such package' >&2\nexit 1\n")

    with pytest.raises(assets.AssetsMissing, match="no such package"):
        assets.fetch(assets.root, npm=assets.npm)


def test_a_build_without_npm_goes_on_with_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hook_class = load(ROOT / "hatch_build.py").AssetsHook
    (tmp_path / "scripts").mkdir()
    for name in ("compile_catalogs.py", "fetch_assets.py", "assets.json"):
        (tmp_path / "scripts" / name).write_bytes((ROOT / "scripts" / name).read_bytes())
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.delenv("COVET_ASSETS", raising=False)
    warnings: list[str] = []

    class App:
        def display_warning(self, message: str) -> None:
            warnings.append(message)

    hook = hook_class(str(tmp_path), {}, None, None, str(tmp_path), "wheel", App())
    hook.initialize("standard", {})

    assert len(warnings) == 1
    assert "npm is not installed" in warnings[0]


def test_a_whole_folder_may_be_fetched(assets: Any) -> None:
    assets.pin(inside="dist/")

    [folder] = assets.fetch(assets.root, npm=assets.npm)
    assets.fetch(assets.root, npm=assets.npm)

    assert (folder / "thing.js" / "thing.js").read_bytes() == b"// x"
    assert assets.calls() == 1


@pytest.mark.parametrize("file", ["assets.json", "tools.json"])
def test_every_pin_is_exact_and_hashed(file: str) -> None:
    for name, pin in json.loads((ROOT / "scripts" / file).read_text()).items():
        assert pin["version"].count(".") == 2, name
        assert pin["integrity"].startswith("sha512-"), name


def test_a_build_compiles_the_catalogues_and_refuses_a_broken_one(tmp_path: Path) -> None:
    compile_catalogs = load(ROOT / "scripts" / "compile_catalogs.py").compile_catalogs
    source = ROOT / "covet" / "i18n" / "locale" / "de" / "LC_MESSAGES" / "covet.po"
    target = tmp_path / "covet" / "i18n" / "locale" / "de" / "LC_MESSAGES" / "covet.po"
    target.parent.mkdir(parents=True)
    target.write_bytes(source.read_bytes())

    (made,) = compile_catalogs(tmp_path)
    with made.open("rb") as file:
        assert gettext.GNUTranslations(file).gettext("Not Found") == "Nicht gefunden"

    target.write_text(target.read_text("utf-8").replace("„%(name)s“", "„%(nome)s“"), "utf-8")
    with pytest.raises(ValueError, match=r"covet\.po:\d+: "):
        compile_catalogs(tmp_path)
