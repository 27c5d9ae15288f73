"""Collecting: every static file into STATIC_ROOT, under its own name and under one made of its content, packed too."""

from __future__ import annotations

import gzip
import hashlib
import os
import posixpath
import shutil
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

from msgspec import Struct, field

from covet.exceptions import CommandError
from covet.staticfiles.manifest import MANIFEST, Manifest
from covet.staticfiles.references import is_rewritten, rewrite

__all__ = ["Collected", "collect"]

_HASH_LENGTH = 12
_PACKED = (".css", ".js", ".mjs", ".json", ".map", ".svg", ".html", ".txt", ".xml", ".wasm", ".ico", ".ttf", ".otf")
_PACK_FROM = 200


class Collected(Struct):
    """What was done.

    Attributes:
        copied: Paths whose content is new or has changed.
        unmodified: How many were there already.
        hashed: How many stand under a name made of their content as well.
        packed: How many packed copies were written.
        removed: Files of an earlier run that were deleted.
        missing: References that lead to no file, as ``(the file, what it refers to)``.
    """

    copied: list[str] = field(default_factory=list)
    unmodified: int = 0
    hashed: int = 0
    packed: int = 0
    removed: list[str] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)


def collect(
    files: Iterable[tuple[str, Path]],
    root: Path,
    base_url: str,
    *,
    ignore: Iterable[str] = (),
    clear: bool = False,
    hashed: bool = True,
    dry_run: bool = False,
    link: bool = False,
    packed: bool = True,
) -> Collected:
    """Fill STATIC_ROOT.

    Args:
        files: Paths and the files they are found at.
        root: STATIC_ROOT.
        base_url: STATIC_URL.
        ignore: Patterns of paths and names to leave out.
        clear: Empty the folder first.
        hashed: Store files under names made of their content too, and write the manifest.
        dry_run: Only tell.
        link: Make symbolic links under the files' own names, in place of copies.
        packed: Write packed copies of what is named by content.

    Raises:
        CommandError: Two files refer to each other in a circle, or a file cannot be written.
    """
    done = Collected()
    patterns = list(ignore)
    chosen = {
        path: source
        for path, source in files
        if not any(fnmatch(path, pattern) or fnmatch(posixpath.basename(path), pattern) for pattern in patterns)
    }
    try:
        if clear:
            done.removed = _clear(root, dry_run=dry_run)
        for path, source in chosen.items():
            if link:
                _link(source, root / path, path, done, dry_run=dry_run)
            else:
                _copy(source, root / path, path, done, dry_run=dry_run)
        if hashed and not dry_run:
            _Naming(chosen, root, base_url, done, packed=packed).run()
    except OSError as error:
        raise CommandError(f"{error.filename or root}: {error.strerror or error}.") from error
    return done


def _clear(root: Path, *, dry_run: bool) -> list[str]:
    removed = []
    for found in sorted(root.rglob("*"), reverse=True) if root.is_dir() else ():
        if found.is_dir() and not found.is_symlink():
            if not dry_run:
                found.rmdir()
            continue
        removed.append(found.relative_to(root).as_posix())
        if not dry_run:
            found.unlink()
    return sorted(removed)


def _copy(source: Path, target: Path, path: str, done: Collected, *, dry_run: bool) -> None:
    # A link of an earlier run is replaced by a copy.
    there = target.stat() if target.is_file() and not target.is_symlink() else None
    status = source.stat()
    if there is not None and there.st_size == status.st_size and int(there.st_mtime) >= int(status.st_mtime):
        done.unmodified += 1
        return
    done.copied.append(path)
    if not dry_run:
        target.parent.mkdir(parents=True, exist_ok=True)
        _replace(target, source.read_bytes())
        shutil.copystat(source, target)


def _link(source: Path, target: Path, path: str, done: Collected, *, dry_run: bool) -> None:
    wanted = source.resolve()
    if target.is_symlink() and Path(os.readlink(target)) == wanted:
        done.unmodified += 1
        return
    done.copied.append(path)
    if not dry_run:
        target.parent.mkdir(parents=True, exist_ok=True)
        half = target.with_name(f".{target.name}.part")
        half.unlink(missing_ok=True)
        half.symlink_to(wanted)
        half.replace(target)


def _replace(target: Path, data: bytes) -> None:
    """Write a file so that a server never reads a half of it."""
    half = target.with_name(f".{target.name}.part")
    half.write_bytes(data)
    half.replace(target)


class _Naming:
    """Gives each file the name made of its content, the files it refers to first."""

    def __init__(
        self, chosen: dict[str, Path], root: Path, base_url: str, done: Collected, *, packed: bool = True
    ) -> None:
        self.chosen = chosen
        self.root = root
        self.base_url = base_url
        self.done = done
        self.names: dict[str, str] = {}
        self.open: list[str] = []
        self.packers = list(_packers()) if packed else []

    def run(self) -> None:
        for path in sorted(self.chosen):
            self.name(path)
        Manifest(self.names).write(self.root)

    def name_for(self, referring: str) -> Callable[[str], str | None]:
        """Return what names the files that one file refers to, and notes those that are not there."""

        def name(path: str) -> str | None:
            if path not in self.chosen and path != MANIFEST:
                self.done.missing.append((referring, path))
            return self.name(path)

        return name

    def name(self, path: str) -> str | None:
        if path in self.names:
            return self.names[path]
        if path not in self.chosen or path == MANIFEST:
            return None
        if path in self.open:
            circle = " → ".join([*self.open[self.open.index(path) :], path])
            if all(posixpath.splitext(one)[1] != ".css" for one in self.open):
                # Modules may import each other in a circle; no name can be made of a content that holds that name.
                return None
            raise CommandError(
                f"Static files refer to each other in a circle: {circle}. Take one of the references out."
            )
        data = (self.root / path).read_bytes()
        if is_rewritten(path):
            self.open.append(path)
            try:
                data = rewrite(path, data.decode(), self.base_url, self.name_for(path)).encode()
            except UnicodeDecodeError:
                # Not UTF-8: it stays as it is.
                pass
            finally:
                self.open.pop()
        stem, ending = posixpath.splitext(path)
        stored = f"{stem}.{hashlib.sha256(data).hexdigest()[:_HASH_LENGTH]}{ending}"
        self.names[path] = stored
        self.done.hashed += 1
        target = self.root / stored
        if not target.is_file():
            _replace(target, data)
        self._pack(target, data)
        return stored

    def _pack(self, target: Path, data: bytes) -> None:
        if target.suffix.lower() not in _PACKED or len(data) < _PACK_FROM:
            return
        for ending, pack in self.packers:
            packed = target.with_name(target.name + ending)
            if packed.is_file():
                continue
            body = pack(data)
            if len(body) < len(data):
                _replace(packed, body)
                self.done.packed += 1


def _packers() -> Iterator[tuple[str, Callable[[bytes], bytes]]]:
    yield ".gz", lambda data: gzip.compress(data, 9, mtime=0)
    try:
        import brotli  # type: ignore[import-untyped]  # it has no types

        yield ".br", lambda data: bytes(brotli.compress(data, quality=11))
    except ImportError:
        pass
    try:
        import zstandard

        yield ".zst", zstandard.ZstdCompressor(level=19).compress
    except ImportError:
        pass
