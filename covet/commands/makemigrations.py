"""Write migrations for what changed in the models."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from covet.apps.lifecycle import setup
from covet.apps.registry import apps
from covet.commands._models import require_sound_models
from covet.commands._questions import TerminalQuestioner
from covet.commands._safety import examine_new, make_safe_steps, print_new
from covet.db.connections import connections
from covet.db.errors import DatabaseError
from covet.db.migrations.autodetect import detect, next_number
from covet.db.migrations.loader import Loader, migration_packages, swappable_models
from covet.db.migrations.loss import losses
from covet.db.migrations.merge import branches_of, collisions, unread
from covet.db.migrations.migration import Migration
from covet.db.migrations.part import MigrationsPart
from covet.db.migrations.questioner import Answers, parse_default, parse_rename
from covet.db.migrations.recorder import Recorder
from covet.db.migrations.safer import SafePlan
from covet.db.migrations.squash import updated
from covet.db.migrations.state import ProjectState
from covet.db.migrations.write import write_migration
from covet.exceptions import CommandError, ImproperlyConfigured
from covet.management.decorator import command, json_option
from covet.management.output import is_interactive, note, out, style

if TYPE_CHECKING:
    from covet.db.migrations.graph import MigrationKey

__all__ = ["makemigrations", "shown_path"]


@command(parts=[])
@click.argument("app_labels", nargs=-1)
@click.option("--safe", is_flag=True, help="Write what would hurt a database in use as steps that do not.")
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing; with -v, the files too.")
@click.option("--check", "check_only", is_flag=True, help="Exit with 1 if migrations are missing, and write nothing.")
@click.option("--name", "-n", default=None, help="The name of the new migration, without its number.")
@click.option("--empty", is_flag=True, help="Write a migration without operations, to be filled in.")
@click.option(
    "--update", is_flag=True, help="Put the changes into the app's latest migration, which is not applied yet."
)
@click.option("--merge", is_flag=True, help="Join several latest migrations of an app.")
@click.option(
    "--rename",
    "renames",
    multiple=True,
    metavar="APP.OLD:NEW",
    help="A model or field was renamed, or moved: APP.MODEL:OTHER.MODEL.",
)
@click.option("--no-rename", is_flag=True, help="Nothing was renamed: what went was removed, what came is new.")
@click.option("--default", "defaults", multiple=True, metavar="APP.MODEL.FIELD=EXPR", help="A value for existing rows.")
@click.option("--accept-data-loss", is_flag=True, help="Columns and tables may go, with what is in them.")
@click.option("--noinput", "--no-input", is_flag=True, help="Never ask; exit with 3 where an answer is needed.")
@click.option("--scriptable", is_flag=True, help="Only the paths of the files on stdout; all else on stderr.")
@click.option("--no-header", is_flag=True, expose_value=False, help="Accepted for scripts; files have no header.")
@click.option("--verbose", "-v", is_flag=True, help="Print the source of the files.")
@json_option
async def makemigrations(
    *,
    app_labels: tuple[str, ...],
    safe: bool,
    dry_run: bool,
    check_only: bool,
    name: str | None,
    empty: bool,
    update: bool,
    merge: bool,
    renames: tuple[str, ...],
    no_rename: bool,
    defaults: tuple[str, ...],
    accept_data_loss: bool,
    noinput: bool,
    scriptable: bool,
    verbose: bool,
    as_json: bool,
) -> int:
    """Write migrations for what changed in the models, of all apps or of these only; a database need not be there."""
    # The parts are collected and not started: a database that is there is asked what it has applied, and no more.
    setup([MigrationsPart])
    if name is not None and not name.isidentifier():
        raise CommandError(f"--name {name!r} is no Python identifier.", exit_code=2)
    require_sound_models()
    loader = Loader.from_apps(apps)
    for label in app_labels:
        loader.require_app(label, migrated=False)
    await _check_histories(loader)
    answers = Answers(
        renames=[parse_rename(text) for text in renames],
        defaults=dict(parse_default(text) for text in defaults),
        nothing_renamed=no_rename,
        loss_accepted=accept_data_loss,
        otherwise=None if noinput or not is_interactive() else TerminalQuestioner(),
    )
    notes: list[str] = []
    write = not (dry_run or check_only)
    if merge:
        migrations = _merges(loader, answers, app_labels, name)
    elif empty:
        migrations = _empty(loader, app_labels, name)
    else:
        loader.require_no_conflicts()
        migrations, notes = _detected(loader, answers, app_labels, name)
        if update:
            migrations = await _updates(loader, migrations, name)
    plan = await make_safe_steps(loader, migrations) if safe else SafePlan(migrations)
    if not (merge or empty):
        notes += _confirmed_losses(loader, answers, plan.migrations, update=update, ask=write)
    migrations, notes = plan.migrations, [*notes, *plan.notes]
    for text in notes:
        note(style(f"Note: {text}", "yellow"))
    before = {migration.app_label: loader.graph.leaf_nodes(migration.app_label) for migration in migrations}
    results = _write(loader, migrations, write=write)
    results += _write(loader, plan.later, write=write, suffix=".later")
    if update and write:
        _delete_replaced(loader, migrations, before)
    effects = await examine_new(loader, migrations)
    if as_json:
        out.json([{k: v for k, v in result.items() if k != "source" or verbose} for result in results])
    else:
        _print(results, app_labels, verbose=verbose, merge=merge, say=note if scriptable else out.done)
        print_new(effects)
    if scriptable and not as_json:
        for result in results:
            out.line(result["path"])
    return 1 if check_only and results else 0


def _detected(
    loader: Loader, answers: Answers, labels: Sequence[str], name: str | None
) -> tuple[list[Migration], list[str]]:
    wanted = {*loader.migrated, *labels}
    old = loader.state()
    new = ProjectState.from_apps(apps)
    # Models of apps without migrations are the same on both sides, unless their first migration is asked for.
    for key in [key for key in old.models if key[0] not in loader.migrated and key[0] in labels]:
        del old.models[key]
    for key, model in new.models.items():
        if key[0] not in wanted and key in old.models:
            new.models[key] = old.models[key] = model
    detected = detect(
        old, new, loader.graph, answers, swappable=swappable_models(apps), labels=labels or wanted, name=name
    )
    if detected.refusals:
        raise CommandError("\n".join(detected.refusals))
    notes = list(detected.notes)
    unmigrated = sorted({key[0] for key in new.models if key[0] not in wanted})
    if unmigrated and not labels:
        notes.append(
            f"No migrations package: {', '.join(unmigrated)}. Name an app to make its first migration: "
            f"manage.py makemigrations {unmigrated[0]}"
        )
    return [migration for found in detected.migrations.values() for migration in found], notes


def _confirmed_losses(
    loader: Loader, answers: Answers, migrations: Sequence[Migration], *, update: bool, ask: bool
) -> list[str]:
    """Ask whether what the migrations throw away may go, and return it as notes."""
    state = loader.state(without={migration.app_label for migration in migrations})
    if update:
        # They take the place of the latest migrations of their apps, and so begin before those.
        replaced = {key for item in migrations for key in loader.graph.leaf_nodes(item.app_label)}
        leaves = {key for label in loader.migrated for key in loader.graph.leaf_nodes(label)}
        needed = {(app, name) for item in migrations for app, name in item.dependencies}
        state = loader.state(((leaves | needed) & loader.graph.nodes.keys()) - replaced)
    lost = losses(state, migrations)
    if lost and ask and not answers.confirm_loss(lost):
        raise CommandError("Stopped; no migration was written.", exit_code=3)
    return lost


async def _check_histories(loader: Loader) -> None:
    """Compare the files with what the databases have applied; new ones behind a wrong history would not mend it.

    Raises:
        InconsistentHistory: A migration is applied whose dependency is not.
    """
    for alias in connections:
        applied = await _applied(alias)
        if applied:
            loader.fit(applied)
            loader.require_consistent(applied, alias)
    # New files follow from the files that are there, whatever a database has applied of what was squashed.
    loader.fit(())


async def _applied(alias: str) -> Collection[MigrationKey] | None:
    """Return what a database has applied; None, with a note, where it cannot be asked."""
    try:
        database = connections[alias]
        if database.vendor == "sqlite" and not os.path.exists(database.config.name):  # noqa: ASYNC240  # at the start
            return None  # to ask would make the file
        try:
            return await Recorder(database).applied()
        finally:
            await database.close()
    except (DatabaseError, ImproperlyConfigured) as error:
        note(style(f"Note: database '{alias}' cannot be asked what it has applied: {error}", "yellow"))
        return None


async def _updates(loader: Loader, migrations: Sequence[Migration], name: str | None) -> list[Migration]:
    """Return the latest migrations of the apps with what was found put into them."""
    made = updated(loader, migrations, name) if migrations else []
    for alias in connections if made else ():
        applied = await _applied(alias) or ()
        for migration in made:
            latest = loader.graph.leaf_nodes(migration.app_label)[0]
            if latest in applied:
                raise CommandError(
                    f"{'.'.join(latest)} is applied to database '{alias}' and cannot be updated. Undo it first, or leave "
                    "--update out."
                )
    return made


def _delete_replaced(
    loader: Loader, migrations: Sequence[Migration], before: Mapping[str, Sequence[MigrationKey]]
) -> None:
    """Delete the files whose content stands in a file of another name now."""
    for migration in migrations:
        for _, name in before[migration.app_label]:
            if name != migration.name:
                (Path(loader.migrated[migration.app_label].__file__).parent / f"{name}.py").unlink()


def _empty(loader: Loader, labels: Sequence[str], name: str | None) -> list[Migration]:
    if not labels:
        raise CommandError("--empty needs the app: manage.py makemigrations blog --empty", exit_code=2)
    found = []
    for label in labels:
        leaves: list[MigrationKey] = loader.graph.leaf_nodes(label)
        title = f"{next_number(loader.graph, label):04d}_{name or 'custom'}"
        found.append(Migration.build(title, label, [], leaves, initial=not leaves or None))
    return found


def _merges(loader: Loader, answers: Answers, labels: Sequence[str], name: str | None) -> list[Migration]:
    """Return a migration for each app with several latest ones that waits for all of them."""
    found = []
    for label, leaves in sorted(loader.graph.conflicts().items()):
        if labels and label not in labels:
            continue
        for leaf, keys in branches_of(loader, label, leaves).items():
            note(style(f"Branch {leaf}", bold=True))
            for key in [key for key in keys if key[0] == label]:
                for operation in loader.graph.nodes[key].operations:
                    note(f"    {operation.symbol} {operation.describe()}")
            for text in unread(loader, keys):
                note(style(f"Note: read yourself whether the other branch touches {text}", "yellow"))
        touching = collisions(loader, label, leaves)
        if touching:
            listed = "\n".join(f"  {text}" for text in touching)
            raise CommandError(
                f"The branches of {label} touch each other, so the order in which they run matters:\n{listed}\n"
                "Say which comes last: name the other's latest migration in its dependencies, or delete its file and make "
                "it anew with makemigrations. Nothing was written."
            )
        if not answers.confirm_merge(label, leaves):
            continue
        tails = "_".join(leaf.partition("_")[2] or leaf for leaf in leaves)[:40].rstrip("_")
        title = f"{next_number(loader.graph, label):04d}_{name or f'merge_{tails}'}"
        found.append(Migration.build(title, label, [], [(label, leaf) for leaf in leaves]))
    return found


def _write(loader: Loader, migrations: Sequence[Migration], *, write: bool, suffix: str = "") -> list[dict[str, Any]]:
    """Write the files; with a suffix they are none that migrate reads."""
    swappable = swappable_models(apps)
    results = []
    for migration in migrations:
        package = loader.migrated.get(migration.app_label) or _new_folder(migration.app_label)
        path, source = write_migration(migration, package, swappable, dry_run=not write, suffix=suffix)
        results.append(
            {
                "app": migration.app_label,
                "name": migration.name,
                "path": shown_path(path),
                "operations": [f"{operation.symbol} {operation.describe()}" for operation in migration.operations],
                "source": source,
                "written": write,
            }
        )
    return results


def _new_folder(label: str) -> Path:
    """Return where the migrations package of an app will be."""
    config = apps.get_app_config(label)
    dotted = migration_packages(apps)[label]
    if dotted is None:
        raise CommandError(f"MIGRATION_MODULES takes the app '{label}' out: its migrations cannot be made.")
    if dotted == f"{config.name}.migrations":
        return Path(config.path) / "migrations"
    parent, _, last = dotted.rpartition(".")
    spec = importlib.util.find_spec(parent) if parent else None
    if spec is None or not spec.submodule_search_locations:
        raise CommandError(
            f"MIGRATION_MODULES names {dotted} for '{label}', and there is no package {parent or dotted}."
        )
    return Path(next(iter(spec.submodule_search_locations))) / last


def shown_path(path: Path) -> str:
    """Return a path as people read it: from the current folder, where that is shorter."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)


def _print(
    results: Sequence[dict[str, Any]],
    labels: Sequence[str],
    *,
    verbose: bool,
    merge: bool,
    say: Callable[[str], object],
) -> None:
    if not results:
        where = f" in {', '.join(labels)}" if labels else ""
        say(f"Nothing to merge{where}." if merge else f"No changes detected{where}.")
    shown = None
    for result in results:
        if result["app"] != shown:
            shown = result["app"]
            say(style(f"Migrations for '{shown}':", bold=True))
        later = (
            " (take '.later' off its name in the release after this one)" if result["path"].endswith(".later") else ""
        )
        say(f"  {result['path']}{later}")
        for line in result["operations"]:
            say(f"    {line}")
        if verbose:
            say("")
            say(result["source"])
