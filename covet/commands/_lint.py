"""``migrate --lint``: which migrations it looks at, what a baseline leaves out, and how it tells what it found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from covet import __version__
from covet.commands._safety import finding_as_dict, print_finding
from covet.db.migrations.lint_options import lint_options
from covet.db.migrations.safety import Finding, examine_all, findings_of
from covet.exceptions import CommandError
from covet.management.output import note, out, style
from covet.text import pluralize

if TYPE_CHECKING:
    from covet.db.database import Database
    from covet.db.migrations.graph import MigrationKey
    from covet.db.migrations.loader import Loader

__all__ = ["LintRequest", "lint"]

_SARIF = "https://json.schemastore.org/sarif-2.1.0.json"


class LintRequest(Struct, frozen=True):
    """What was asked for on the command line.

    Attributes:
        keys: These migrations only; ``None``: those that the other attributes choose.
        apps: The apps; empty: all, or those of ``since``.
        since: Of these migrations' apps only what comes after them.
        backwards: What happens on the way back, too.
        format: ``"text"``, ``"json"`` or ``"sarif"``.
        baseline: A file of findings that are known.
        write_baseline: Write that file.
    """

    keys: Sequence[MigrationKey] | None = None
    apps: Sequence[str] = ()
    since: Sequence[str] = ()
    backwards: bool = False
    format: str = "text"
    baseline: Path | None = None
    write_baseline: bool = False


async def lint(database: Database, loader: Loader, request: LintRequest) -> int:
    """Report what migrations would do to a database in use; no database is asked.

    Returns:
        1 if there are errors that the baseline does not know.

    Raises:
        CommandError: An app, a migration or the baseline is not there.
    """
    keys = list(request.keys) if request.keys is not None else _chosen(loader, request)
    findings = findings_of(await examine_all(database, loader, keys))
    if request.backwards:
        findings += findings_of(await examine_all(database, loader, keys, backwards=True))
    if request.write_baseline:
        return _write_baseline(request, findings)
    known = _known(request.baseline) if request.baseline is not None else set()
    fresh = [finding for finding in findings if _identity(finding) not in known]
    if request.format == "json":
        out.json([finding_as_dict(finding) for finding in fresh])
    elif request.format == "sarif":
        out.line(json.dumps(_as_sarif(fresh), indent=2))
    else:
        _print(fresh, len(keys), len(findings) - len(fresh))
    return 1 if any(finding.is_error for finding in fresh) else 0


def _chosen(loader: Loader, request: LintRequest) -> list[MigrationKey]:
    """Return the migrations of the apps asked for, after those that are taken for granted."""
    options = lint_options()
    starts: dict[str, MigrationKey] = {}
    for text in request.since:
        label, dot, name = text.partition(".")
        if not dot:
            raise CommandError(f"--since {text} is no migration: write app.name, such as blog.0003.", exit_code=2)
        loader.require_app(label)
        starts[label] = loader.find(label, name)
    for label in request.apps:
        loader.require_app(label)
    labels = {*request.apps, *starts} or set(loader.migrated)
    chosen = []
    for key in loader.graph.nodes:
        since = starts.get(key[0])
        is_later = options.is_after_start(key) if since is None else key not in loader.graph.forwards_plan(since)
        if key[0] in labels and is_later:
            chosen.append(key)
    return chosen


def _identity(finding: Finding) -> tuple[str, str, str]:
    # Not the line: files may be formatted anew.
    return finding.migration, finding.operation, finding.code


def _known(path: Path) -> set[tuple[str, str, str]]:
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
        return {(item["migration"], item["operation"], item["code"]) for item in listed}
    except FileNotFoundError:
        raise CommandError(
            f"There is no baseline {path}. Write what is found now with: manage.py migrate --lint --baseline {path} "
            "--write-baseline",
            exit_code=2,
        ) from None
    except (ValueError, TypeError, KeyError) as error:
        raise CommandError(
            f"{path} is no baseline: it holds no list of migration, operation and code ({error}).", exit_code=2
        ) from error


def _write_baseline(request: LintRequest, findings: Sequence[Finding]) -> int:
    if request.baseline is None:
        raise CommandError("--write-baseline needs the file: --baseline FILE", exit_code=2)
    names = ("migration", "operation", "code")
    listed = [dict(zip(names, identity, strict=True)) for identity in sorted({_identity(item) for item in findings})]
    request.baseline.write_text(json.dumps(listed, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    note(f"Wrote {pluralize(len(listed), 'finding')} to {request.baseline}; they are not reported any more.")
    return 0


def _print(findings: Sequence[Finding], count: int, known: int) -> None:
    shown = None
    for finding in findings:
        if (finding.migration, finding.operation) != shown:
            shown = (finding.migration, finding.operation)
            out.line(style(f"{finding.migration}: {finding.operation}", bold=True))
        print_finding(finding, "    ")
    errors = sum(finding.is_error for finding in findings)
    rest = f", {known} known from the baseline" if known else ""
    out.line(f"{count} migrations, {errors} errors, {len(findings) - errors} warnings{rest}.")


def _as_sarif(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the findings as SARIF 2.1.0, which code hosts show beside the lines."""
    rules: dict[str, dict[str, Any]] = {}
    results = []
    for finding in findings:
        rules.setdefault(
            finding.code,
            {
                "id": finding.code,
                "shortDescription": {"text": finding.message},
                "help": {"text": "\n".join(finding.safe) or finding.message},
            },
        )
        result: dict[str, Any] = {
            "ruleId": finding.code,
            "ruleIndex": list(rules).index(finding.code),
            "level": "error" if finding.is_error else "warning",
            "message": {"text": f"{finding.migration}: {finding.operation}: {finding.message}"},
            "partialFingerprints": {"covetMigration/v1": "/".join(_identity(finding))},
        }
        if finding.path:
            place = {"artifactLocation": {"uri": _address(finding.path)}, "region": {"startLine": finding.line}}
            result["locations"] = [{"physicalLocation": place}]
        results.append(result)
    driver = {"name": "covet", "version": __version__, "rules": list(rules.values())}
    return {"$schema": _SARIF, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def _address(path: str) -> str:
    """Return a path from the folder of the run, where it lies in it: code hosts know no other."""
    file = Path(path).resolve()
    return file.relative_to(Path.cwd()).as_posix() if file.is_relative_to(Path.cwd()) else file.as_uri()
