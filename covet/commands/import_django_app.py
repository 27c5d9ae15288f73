"""Rewrite an app written for Django so that its models and migrations run on Covet."""

from __future__ import annotations

import shutil
from pathlib import Path

import click
from msgspec.structs import asdict

from covet.commands._port_edits import Finding
from covet.exceptions import CommandError
from covet.management.decorator import command, json_option
from covet.management.output import note, out, style
from covet.text import pluralize

__all__ = ["import_django_app"]


@command(parts=None)
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), default=None, help="A folder for the result; else in place."
)
@click.option("--dry-run", is_flag=True, help="Say what would change, and write nothing.")
@json_option
def import_django_app(*, path: Path, output: Path | None, dry_run: bool, as_json: bool) -> None:
    """Rewrite the Django app in the folder PATH: imports, dotted names, and functions of RunPython.

    What has no equivalent is listed with its place; using it raises an error that names it.
    """
    if not path.is_dir():
        raise CommandError(f"There is no folder {path}. Give the folder of the app, the one with models.py in it.")
    if not (path / "__init__.py").is_file():
        raise CommandError(f"{path} has no __init__.py, so it is no app. Give the folder with models.py in it.")
    target = path if output is None else output / path.resolve().name
    if output is not None and target.exists():
        raise CommandError(f"{target} exists. Remove it, or give another --output.")
    changed, findings = _rewrite(path)
    if not dry_run:
        if output is not None:
            shutil.copytree(path, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        for name, text in changed.items():
            (target / name).write_text(text, encoding="utf-8")
    if as_json:
        out.json({"changed": sorted(changed), "findings": [asdict(finding) for finding in findings]})
        return
    # What would be changed is what somebody asked for; what was changed can be left out.
    say = out.line if dry_run else out.done
    for name in sorted(changed):
        say(f"  {'would change' if dry_run else 'changed'} {name}")
    say(style(f"{pluralize(len(changed), 'file')} of {path.name} rewritten.", bold=True))
    for finding in findings:
        note(f"  {finding.path}:{finding.line}: {finding.text}")
    if findings:
        note(style(f"{pluralize(len(findings), 'place')} to look at.", "yellow"))


def _rewrite(path: Path) -> tuple[dict[str, str], list[Finding]]:
    """Return the new texts of the files that change, and what to look at in all of them."""
    from covet.commands._port_source import ported

    changed: dict[str, str] = {}
    findings: list[Finding] = []
    for file in sorted(path.rglob("*.py")):
        name = file.relative_to(path).as_posix()
        try:
            source = file.read_bytes().decode("utf-8")
            text, found = ported(source, name)
        except (SyntaxError, UnicodeDecodeError) as error:
            findings.append(
                Finding(name, getattr(error, "lineno", None) or 1, f"cannot be read, and was left: {error}")
            )
            continue
        findings += found
        if text != source:
            changed[name] = text
    return changed, findings
