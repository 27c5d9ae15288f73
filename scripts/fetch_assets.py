"""Fetch what the browser pages load: pinned npm packages, each checked against its integrity hash, a few files of each.

Run by the build (``hatch_build.py``) and by hand: ``python scripts/fetch_assets.py``. Needs ``npm`` and nothing else.
What is there already, from the same pinned versions, is left alone; so an editable install fetches once.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PINS = Path(__file__).resolve().parent / "assets.json"
STAMP = ".pins.json"
PACK_TIMEOUT_S = 180


class AssetsMissing(Exception):
    """The assets cannot be had here; the text says why. The pages then fall back to a plain one."""


def fetch(root: Path = ROOT, *, npm: str | None = None, pins_file: Path | None = None) -> list[Path]:
    """Put the pinned files into their folders below ``root`` and return those folders.

    Args:
        root: Where the folders lie.
        npm: The program; found on the path when left out.
        pins_file: What to fetch; ``assets.json`` when left out, ``tools.json`` is what tests need.

    Raises:
        AssetsMissing: npm is not installed, a package cannot be fetched, or its hash is not the pinned one. No file of
            such a package is left behind.
    """
    pins: dict[str, Any] = json.loads((pins_file or PINS).read_text("utf-8"))
    folders: dict[str, dict[str, Any]] = {}
    for name, pin in pins.items():
        folders.setdefault(pin["to"], {})[name] = pin
    stale = {to: packages for to, packages in folders.items() if not _is_current(root / to, packages)}
    if stale:
        program = npm or shutil.which("npm")
        if program is None:
            raise AssetsMissing("npm is not installed")
        with tempfile.TemporaryDirectory(prefix="covet-assets-") as scratch:
            for to, packages in stale.items():
                _fill(root / to, packages, program, Path(scratch))
    return [root / to for to in folders]


def _is_current(folder: Path, packages: dict[str, Any]) -> bool:
    try:
        stamp = json.loads((folder / STAMP).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    files = [file for pin in packages.values() for file in pin["files"].values()]
    return bool(stamp == packages) and all((folder / file).exists() for file in files)


def _fill(folder: Path, packages: dict[str, Any], npm: str, scratch: Path) -> None:
    """Unpack into a fresh folder first, so that a failure leaves no half-filled one."""
    fresh = scratch / folder.name / str(len(list(scratch.iterdir())))
    fresh.mkdir(parents=True)
    for name, pin in packages.items():
        archive = _pack(name, pin["version"], npm, scratch)
        _verify(archive, pin["integrity"], f"{name} {pin['version']}")
        with tarfile.open(archive) as tar:
            for inside, target in pin["files"].items():
                if inside.endswith("/"):
                    _unpack_folder(tar, inside, fresh / target)
                    continue
                try:
                    source = tar.extractfile(f"package/{inside}")
                except KeyError:
                    source = None
                if source is None:
                    raise AssetsMissing(f"{name} {pin['version']} has no file {inside}")
                (fresh / target).write_bytes(source.read())
    (fresh / STAMP).write_text(json.dumps(packages, indent=1), "utf-8")
    shutil.copytree(fresh, folder, copy_function=shutil.copyfile, dirs_exist_ok=True)


def _unpack_folder(tar: tarfile.TarFile, inside: str, target: Path) -> None:
    """Unpack the files that lie in a folder of the archive; those of folders in it are left out."""
    target.mkdir(parents=True, exist_ok=True)
    start = f"package/{inside}"
    for member in tar.getmembers():
        name = member.name.removeprefix(start)
        source = tar.extractfile(member) if member.name.startswith(start) and "/" not in name else None
        if source is not None:
            (target / name).write_bytes(source.read())


def _pack(name: str, version: str, npm: str, scratch: Path) -> Path:
    command = [npm, "pack", f"{name}@{version}", "--silent", "--pack-destination", str(scratch)]
    try:
        # In the scratch folder: npm then reads no package.json of whatever project is being installed.
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, timeout=PACK_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AssetsMissing(f"npm could not fetch {name}@{version}: {error}") from error
    if done.returncode != 0:
        reason = next((line for line in done.stderr.splitlines() if line.strip()), f"exit code {done.returncode}")
        raise AssetsMissing(f"npm could not fetch {name}@{version}: {reason}")
    return scratch / done.stdout.split()[-1]


def _verify(archive: Path, integrity: str, what: str) -> None:
    algorithm, _, expected = integrity.partition("-")
    digest = hashlib.new(algorithm, archive.read_bytes()).digest()
    if base64.b64encode(digest).decode("ascii") != expected:
        raise AssetsMissing(f"{what} is not the pinned package: its {algorithm} hash differs")


def main() -> int:
    """Fetch, and say in one line what happened."""
    if os.environ.get("COVET_ASSETS", "").strip() == "0":
        print("assets: left out by COVET_ASSETS=0", file=sys.stderr)
        return 0
    try:
        folders = fetch()
    except AssetsMissing as error:
        print(f"assets: {error}. The API pages will fall back to a plain one.", file=sys.stderr)
        return 1
    print("assets: " + ", ".join(str(folder.relative_to(ROOT)) for folder in folders))
    return 0


if __name__ == "__main__":
    sys.exit(main())
