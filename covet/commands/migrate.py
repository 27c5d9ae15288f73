"""Bring a database to the state of the migrations."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from covet.apps.registry import apps
from covet.commands._migration_lines import MigrationLines
from covet.commands._models import require_sound_models
from covet.db.connections import connections
from covet.db.migrations.autodetect import detect
from covet.db.migrations.execute import Executor, Step
from covet.db.migrations.loader import Loader, swappable_models
from covet.db.migrations.part import MigrationsPart
from covet.db.migrations.questioner import Unasked
from covet.db.migrations.state import ProjectState
from covet.exceptions import CommandError
from covet.management.decorator import command, json_option
from covet.management.output import note, out, style
from covet.text import suggest

if TYPE_CHECKING:
    from covet.db.database import Database
    from covet.db.migrations.graph import MigrationKey

__all__ = ["migrate"]


@command(parts=[MigrationsPart])
@click.argument("app_label", required=False)
@click.argument("migration_name", required=False)
@click.option("--database", default="default", show_default=True, help="The alias of the database.")
@click.option("--fake", is_flag=True, help="Only record the migrations as applied, or not applied.")
@click.option(
    "--fake-initial",
    is_flag=True,
    help="Only record an app's first migration when its tables are there, with all their columns.",
)
@click.option("--plan", "plan_only", is_flag=True, help="Say what would be done, and do nothing.")
@click.option(
    "--check", "check_only", is_flag=True, help="Exit with 1 if migrations are to be applied, and do nothing."
)
@click.option("--run-syncdb", is_flag=True, help="Make the tables of apps without migrations, too.")
@click.option(
    "--lint", is_flag=True, help="Say what would hurt a database in use; exit with 1 for errors. Needs no database."
)
@click.option("--safe", is_flag=True, help="Apply nothing if --lint finds errors in what is to be applied.")
@click.option("--backwards", is_flag=True, help="With --lint: what hurts on the way back, too.")
@click.option(
    "--format",
    "lint_format",
    type=click.Choice(["text", "json", "sarif"]),
    help="With --lint: how the findings are printed; code hosts read sarif.",
)
@click.option("--baseline", metavar="FILE", help="With --lint: leave out the findings that this file lists.")
@click.option("--write-baseline", is_flag=True, help="With --lint: write what is found now to the file of --baseline.")
@click.option("--app", "lint_apps", multiple=True, metavar="APP", help="With --lint: only this app; may be repeated.")
@click.option(
    "--since",
    multiple=True,
    metavar="APP.NAME",
    help="With --lint: only what comes after this migration of its app; may be repeated.",
)
@click.option("--prune", is_flag=True, help="Forget an app's applied migrations that have no file any more.")
@click.option(
    "--rollback-partial", is_flag=True, help="Take back the migration that an earlier run was stopped in the middle of."
)
@click.option(
    "-v", "--verbosity", type=click.IntRange(0, 3), default=1, help="0: silent; 2: each operation with its time."
)
@click.option("--skip-checks", is_flag=True, help="Go on although the models have mistakes.")
@click.option("--noinput", "--no-input", is_flag=True, help="Accepted for scripts; migrate asks nothing.")
@json_option
async def migrate(
    *,
    app_label: str | None,
    migration_name: str | None,
    database: str,
    fake: bool,
    fake_initial: bool,
    plan_only: bool,
    check_only: bool,
    run_syncdb: bool,
    lint: bool,
    safe: bool,
    backwards: bool,
    lint_format: str | None,
    baseline: str | None,
    write_baseline: bool,
    lint_apps: tuple[str, ...],
    since: tuple[str, ...],
    prune: bool,
    rollback_partial: bool,
    verbosity: int,
    skip_checks: bool,
    noinput: bool,
    as_json: bool,
) -> int:
    """Apply all migrations, those of one app, or go to one of its migrations ('zero': before the first)."""
    if not skip_checks:
        require_sound_models()
    loader = Loader.from_apps(apps)
    loader.require_no_conflicts()
    executor = Executor(database_of(database), loader, None if as_json or not verbosity else MigrationLines(verbosity))
    lint_only = (backwards, lint_format, baseline, write_baseline, lint_apps, since)
    if lint:
        return await _lint(executor, app_label, migration_name, *lint_only, as_json=as_json)
    if any(lint_only):
        raise CommandError(
            "--backwards, --format, --baseline, --write-baseline, --app and --since go with --lint.", exit_code=2
        )
    if rollback_partial:
        return await _roll_back_partial(executor, say=out.line if verbosity else _say_nothing, as_json=as_json)
    if prune:
        return await _prune(executor, app_label, say=out.line if verbosity else _say_nothing, as_json=as_json)
    if plan_only or check_only:
        steps = executor.plan(await executor.applied(), _targets(loader, app_label, migration_name))
        await _print_plan(executor, steps, with_effects=plan_only, as_json=as_json)
        return 1 if check_only and steps else 0
    # The graph depends on what is applied where squashed migrations are, so it is fitted before names are looked up.
    if loader.has_squashed:
        loader.fit(await executor.recorder.applied())
    if safe:
        from covet.commands._safety import refuse_unsafe

        await refuse_unsafe(executor, _targets(loader, app_label, migration_name))
    try:
        steps = await executor.migrate(
            _targets(loader, app_label, migration_name), fake=fake, fake_initial=fake_initial, sync=run_syncdb
        )
    except asyncio.CancelledError:
        note(_where_it_stopped(executor))
        raise
    if as_json:
        out.json([_as_dict(step) for step in steps])
        return 0
    if not steps and verbosity:
        out.line("No migrations to apply.")
    if verbosity:
        _note_missing(loader, executor.latest or loader.state())
    return 0


async def _lint(
    executor: Executor,
    app_label: str | None,
    name: str | None,
    backwards: bool,
    lint_format: str | None,
    baseline: str | None,
    write_baseline: bool,
    lint_apps: tuple[str, ...],
    since: tuple[str, ...],
    *,
    as_json: bool,
) -> int:
    from covet.commands._lint import LintRequest, lint

    keys = [(label, to) for label, to in _targets(executor.loader, app_label, name) or () if to is not None]
    request = LintRequest(
        keys if name else None,
        [*lint_apps, *([app_label] if app_label else ())],
        since,
        backwards,
        lint_format or ("json" if as_json else "text"),
        Path(baseline) if baseline else None,
        write_baseline,
    )
    return await lint(executor.database, executor.loader, request)


def _where_it_stopped(executor: Executor) -> str:
    """Return the line for whoever pressed Ctrl-C: what has become of the migration that was under way."""
    step = executor.current
    if step is None:
        return "Interrupted before any migration, or between two: nothing is half-done. Run migrate again to go on."
    what = f"{step.migration} was being {'undone' if step.backwards else 'applied'}"
    if step.migration.atomic and executor.database.features.rolls_back_ddl:
        return f"Interrupted while {what}: that was rolled back, nothing of it was kept. Run migrate again to go on."
    return (
        f"Interrupted while {what}, without a transaction: what it has done stays, and is noted in the database. "
        "Run migrate again to go on from there, or take it back: manage.py migrate --rollback-partial"
    )


def _say_nothing(text: str) -> None:
    """Take a line, and leave it out: ``--verbosity 0``."""


async def _roll_back_partial(executor: Executor, *, say: Callable[[str], None], as_json: bool) -> int:
    found = await executor.roll_back_partial()
    if as_json:
        out.json(None if found is None else {"app": found[0][0], "name": found[0][1], "taken_back": found[1]})
    elif found is None:
        say("No migration was left half-way.")
    else:
        (app_label, name), undone = found
        say(f"  Took back {app_label}.{name}")
        for text in undone:
            say(f"    - {text}")
    return 0


async def _prune(executor: Executor, app_label: str | None, *, say: Callable[[str], None], as_json: bool) -> int:
    if app_label is None:
        raise CommandError("--prune needs the app: manage.py migrate blog --prune", exit_code=2)
    executor.loader.require_app(app_label)
    gone = await executor.prune(app_label)
    if as_json:
        out.json([list(key) for key in gone])
    elif not gone:
        say("No migrations to prune.")
    else:
        for _, name in gone:
            say(f"  Pruned {app_label}.{name}")
    return 0


def database_of(alias: str) -> Database:
    """Return the database of that alias.

    Raises:
        CommandError: There is none.
    """
    if alias not in connections:
        near = suggest(alias, list(connections))
        hint = f" Did you mean '{near}'?" if near else f" It has: {', '.join(connections)}."
        raise CommandError(f"DATABASES has no '{alias}'.{hint}", exit_code=2)
    return connections[alias]


def _targets(loader: Loader, app_label: str | None, name: str | None) -> list[tuple[str, str | None]] | None:
    if app_label is None:
        return None
    loader.require_app(app_label)
    if name == "zero":
        return [(app_label, None)]
    if name is None:
        leaves: list[MigrationKey] = loader.graph.leaf_nodes(app_label)
        return list(leaves)
    return [loader.find(app_label, name)]


def _note_missing(loader: Loader, latest: ProjectState) -> None:
    """Say that models have changed and no migration knows of it."""
    changes = detect(latest, ProjectState.from_apps(apps), loader.graph, Unasked(), swappable=swappable_models(apps))
    labels = [label for label in changes.migrations if label in loader.migrated]
    if labels:
        note(
            f"The models of {', '.join(labels)} have changes that are in no migration yet. Make one with: "
            "manage.py makemigrations"
        )


async def _print_plan(executor: Executor, steps: Sequence[Step], *, with_effects: bool, as_json: bool) -> None:
    # What examines statements is imported where it is asked for: most runs of migrate do not.
    from covet.commands._safety import effects_as_dict, print_effects
    from covet.db.migrations.safety import examine_all

    forwards = [step.migration.key for step in steps if not step.backwards]
    back = [step.migration.key for step in steps if step.backwards]
    effects = await examine_all(executor.database, executor.loader, forwards, one_run=True) if with_effects else {}
    effects |= await examine_all(executor.database, executor.loader, back, backwards=True) if with_effects else {}
    if as_json:
        out.json([{**_as_dict(step), **effects_as_dict(effects.get(step.migration.key, ()))} for step in steps])
        return
    if not steps:
        out.line("No migrations to apply.")
        return
    out.line(style("Planned:", bold=True))
    for step in steps:
        out.line(f"  {step.migration}" + (" (undone)" if step.backwards else ""))
        operations = reversed(step.migration.operations) if step.backwards else step.migration.operations
        for operation in operations:
            out.line(f"    {operation.symbol} {'Undo: ' if step.backwards else ''}{operation.describe()}")
            for item in effects.get(step.migration.key, ()):
                if item.operation is operation:
                    print_effects(item)


def _as_dict(step: Step) -> dict[str, object]:
    return {
        "app": step.migration.app_label,
        "name": step.migration.name,
        "backwards": step.backwards,
        "operations": [operation.describe() for operation in step.migration.operations],
    }
