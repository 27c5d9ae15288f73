"""Collect the static files of all apps into STATIC_ROOT, for production."""

from __future__ import annotations

import time
from pathlib import Path

import click

from covet.apps.registry import apps
from covet.conf import settings
from covet.exceptions import CommandError
from covet.management.decorator import command, json_option
from covet.management.output import is_interactive, note, out
from covet.text import pluralize

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
def collectstatic(
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
    """Collect the static files of all apps into STATIC_ROOT, for production."""
    from covet.staticfiles import manifest
    from covet.staticfiles.collect import collect
    from covet.staticfiles.finders import StaticFilesPart

    if settings.STATIC_ROOT is None:
        raise CommandError(
            "STATIC_ROOT is not set. Name the folder to collect into: STATIC_ROOT = BASE_DIR / 'static_root'."
        )
    root = Path(settings.STATIC_ROOT)
    if clear and not dry_run and not noinput and root.is_dir() and any(root.iterdir()):
        if not is_interactive():
            note(f"--clear deletes everything in {root}. Say --noinput to do that without a question.")
            return 3
        if not click.confirm(f"Delete everything in {root}?", default=False):
            return 1
    base = settings.STATIC_URL if settings.STATIC_URL.endswith("/") else settings.STATIC_URL + "/"
    started = time.perf_counter()
    files = apps.current().part(StaticFilesPart).files()
    ignored = ignore if no_default_ignore else (*ignore, *_IGNORED)
    done = collect(files, root, base, ignore=ignored, clear=clear, hashed=not no_hash, dry_run=dry_run, link=link)
    manifest.forget()
    if as_json:
        out.json(
            {
                "root": str(root),
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
    copied = f"{pluralize(len(done.copied), 'file')} {verb} {'in' if link else 'to'} {root}"
    parts = [copied, f"{done.unmodified} unmodified"]
    if done.removed:
        parts.append(f"{len(done.removed)} deleted")
    if done.hashed:
        parts.append(f"{done.hashed} named by content, {done.packed} packed")
    out.line(f"{', '.join(parts)} ({time.perf_counter() - started:.1f} s).")
    return 0
