"""Collect the static files of all apps, for production: into STATIC_ROOT, or to the storage that STORAGES names."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from covet.apps.registry import apps
from covet.concurrency import to_thread
from covet.conf import settings
from covet.exceptions import CommandError
from covet.management.decorator import command, json_option
from covet.management.output import is_interactive, note, out
from covet.text import pluralize

if TYPE_CHECKING:
    from covet.files.storage import Storage
    from covet.staticfiles.collect import Collected

__all__ = ["collectstatic"]

_IGNORED = ("CVS", "*~")


@command(parts=["covet.staticfiles.finders.StaticFilesPart"])
@click.option("--noinput", is_flag=True, help="Do not ask before files are deleted.")
@click.option("--clear", "-c", is_flag=True, help="Delete everything in STATIC_ROOT first.")
@click.option("--dry-run", "-n", is_flag=True, help="Only tell what would be done.")
@click.option(
    "--ignore", "-i", multiple=True, metavar="PATTERN", help="Leave out files of this pattern; may be repeated."
)
@click.option("--no-default-ignore", is_flag=True, help="Do not leave out 'CVS' and '*~'.")
@click.option("--link", "-l", is_flag=True, help="Make symbolic links in place of copies.")
@click.option(
    "--no-hash", "--no-post-process", "no_hash", is_flag=True, help="No names made of content, no packed copies."
)
@json_option
async def collectstatic(
    *,
    noinput: bool,
    clear: bool,
    dry_run: bool,
    ignore: tuple[str, ...],
    no_default_ignore: bool,
    link: bool,
    no_hash: bool,
    as_json: bool,
) -> int:
    """Collect the static files of all apps, for production: into STATIC_ROOT, or to STORAGES["staticfiles"]."""
    from covet.staticfiles.storage import remote_storage

    storage = remote_storage()
    if storage is not None and link:
        raise CommandError(f"--link makes links in STATIC_ROOT; {storage!r} keeps copies.")
    if storage is None and settings.STATIC_ROOT is None:
        raise CommandError(
            "STATIC_ROOT is not set. Name the folder to collect into: STATIC_ROOT = BASE_DIR / 'static_root'."
        )
    if clear and not dry_run and not noinput and not await _is_cleared(storage):
        return 3 if not is_interactive() else 1
    started = time.perf_counter()
    ignored = ignore if no_default_ignore else (*ignore, *_IGNORED)
    if storage is None:
        place = str(settings.STATIC_ROOT)
        done = await _collected(
            Path(place), ignore=ignored, clear=clear, hashed=not no_hash and _is_hashed(), dry_run=dry_run, link=link
        )
    else:
        place = repr(storage)
        done = await _brought(storage, ignore=ignored, clear=clear, hashed=not no_hash, dry_run=dry_run)
    if as_json:
        out.json(
            {
                "root": place,
                "copied": done.copied,
                "unmodified": done.unmodified,
                "hashed": done.hashed,
                "packed": done.packed,
                "removed": done.removed,
                "missing": [{"file": file, "reference": reference} for file, reference in done.missing],
            }
        )
        return 0
    for file, reference in done.missing:
        note(f"{file} refers to {reference}, which is not there.")
    done_to = "linked" if link else "copied"
    verb = f"would be {done_to}" if dry_run else done_to
    copied = f"{pluralize(len(done.copied), 'file')} {verb} {'in' if link else 'to'} {place}"
    parts = [copied, f"{done.unmodified} unmodified"]
    if done.removed:
        parts.append(f"{len(done.removed)} deleted")
    if done.hashed:
        parts.append(f"{done.hashed} named by content" + (f", {done.packed} packed" if storage is None else ""))
    out.done(f"{', '.join(parts)} ({time.perf_counter() - started:.1f} s).")
    return 0


def _is_hashed() -> bool:
    """Whether the storage that holds STATIC_ROOT wants names made of content; without one, they are made."""
    if "staticfiles" not in settings.STORAGES:
        return True
    from covet.files.registry import storages

    return bool(getattr(storages["staticfiles"], "hashed", True))


async def _is_cleared(storage: Storage | None) -> bool:
    """Ask whether what is there may be deleted; nothing is asked where nothing is."""
    if storage is None:
        place = str(settings.STATIC_ROOT)
        is_full = await to_thread(_holds_something, Path(place))
    else:
        from covet.staticfiles.upload import names_in

        place, is_full = repr(storage), bool(await names_in(storage))
    if not is_full:
        return True
    if not is_interactive():
        note(f"--clear deletes everything in {place}. Say --noinput to do that without a question.")
        return False
    return click.confirm(f"Delete everything in {place}?", default=False)


def _holds_something(root: Path) -> bool:
    return root.is_dir() and any(root.iterdir())


async def _collected(root: Path, **options: Any) -> Collected:
    """Fill a folder."""
    from covet.staticfiles import manifest
    from covet.staticfiles.collect import collect
    from covet.staticfiles.finders import StaticFilesPart

    base = settings.STATIC_URL if settings.STATIC_URL.endswith("/") else settings.STATIC_URL + "/"
    if not base.startswith("/") and "://" not in base:
        base = f"/{base}"  # files refer to each other by whole addresses, or relatively
    files = apps.current().part(StaticFilesPart).files()
    done = await to_thread(lambda: collect(files, root, base, **options))
    manifest.forget()
    return done


async def _brought(storage: Storage, *, ignore: tuple[str, ...], clear: bool, hashed: bool, dry_run: bool) -> Collected:
    """Collect into STATIC_ROOT, or a folder of the moment, and bring what is there to the storage."""
    from covet.staticfiles.upload import upload

    with tempfile.TemporaryDirectory(prefix="covet-static-") as folder:
        # Only to tell what would be done, the files are made all the same: their names come from their content.
        root = Path(folder) if dry_run or settings.STATIC_ROOT is None else Path(settings.STATIC_ROOT)
        made = await _collected(root, ignore=ignore, clear=clear, hashed=hashed, packed=False)
        done = await upload(root, storage, clear=clear, dry_run=dry_run)
    done.missing = made.missing
    return done
