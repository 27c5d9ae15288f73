"""Prints what migrations do to a database in use; ``makemigrations``, ``migrate`` and ``check --deploy`` share it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from covet.db.connections import DEFAULT_ALIAS, connections
from covet.db.migrations.errors import StateError
from covet.db.migrations.safer import SafePlan, make_safe
from covet.db.migrations.safety import Finding, OperationEffects, examine, examine_all, findings_of
from covet.exceptions import CommandError, MissingDependency
from covet.management.output import note, out, style

if TYPE_CHECKING:
    from covet.db.migrations.execute import Executor, Target
    from covet.db.migrations.graph import MigrationKey
    from covet.db.migrations.loader import Loader
    from covet.db.migrations.migration import Migration
    from covet.db.migrations.state import ProjectState

__all__ = [
    "effects_as_dict",
    "examine_new",
    "finding_as_dict",
    "make_safe_steps",
    "print_effects",
    "print_finding",
    "print_new",
    "refuse_unsafe",
]


def print_effects(item: OperationEffects) -> None:
    """Print, under an operation, the locks of its statements and what was found."""
    for text in dict.fromkeys(effect.describe() for effect in item.effects if effect.matters):
        out.line(style(f"        {text}", dim=True))
    for finding in item.findings:
        print_finding(finding, "        ")


def effects_as_dict(items: Iterable[OperationEffects]) -> dict[str, Any]:
    """Return statements and findings for JSON."""
    found = list(items)
    return {
        "statements": [effect.as_dict() for item in found for effect in item.effects],
        "findings": [finding_as_dict(finding) for item in found for finding in item.findings],
    }


async def refuse_unsafe(executor: Executor, targets: Iterable[Target] | None) -> None:
    """Raise when what is to be applied would hurt a database in use.

    Raises:
        CommandError: Lists what was found.
    """
    steps = executor.plan(await executor.applied(), targets)
    keys = [step.migration.key for step in steps if not step.backwards]
    found = findings_of(await examine_all(executor.database, executor.loader, keys, one_run=True))
    back = [step.migration.key for step in steps if step.backwards]
    found += findings_of(await examine_all(executor.database, executor.loader, back, backwards=True))
    errors = [finding for finding in found if finding.is_error]
    if errors:
        listed = "\n".join(f"  {item.migration}: {item.operation}: {item.message} ({item.code})" for item in errors)
        raise CommandError(
            f"These migrations are not safe on a database in use, so nothing was applied:\n{listed}\n"
            "See the safe way with: manage.py migrate --plan; makemigrations --safe writes it. What does no harm here is named, with the reason, in the "
            "migration's safe."
        )


async def examine_new(
    loader: Loader, migrations: Sequence[Migration]
) -> list[tuple[Migration, list[OperationEffects]]]:
    """Return what migrations do that have just been written, on the kind of database that the default alias is."""
    if not migrations or DEFAULT_ALIAS not in connections:
        return []
    state = _state_before(loader, migrations)
    found = []
    # They are applied one after another: tables that an earlier one makes are nobody's yet in a later one.
    new_tables: set[str] = set()
    try:
        for migration in migrations:
            found.append((migration, await examine(connections[DEFAULT_ALIAS], migration, state, new_tables)))
            state = migration.mutate_state(state)
    except StateError:
        # Models whose errors are silenced, or an --update of several apps: migrate says what does not fit.
        return found
    except MissingDependency:
        # The files are written by now, and need no driver; that there is none was told when the history was looked at.
        return found
    return found


async def make_safe_steps(loader: Loader, migrations: Sequence[Migration]) -> SafePlan:
    """Return the safe steps that stand for new migrations, for the kind of database that the default alias is."""
    if not migrations or DEFAULT_ALIAS not in connections:
        return SafePlan(list(migrations))
    return await make_safe(connections[DEFAULT_ALIAS], migrations, _state_before(loader, migrations))


def _state_before(loader: Loader, migrations: Sequence[Migration]) -> ProjectState:
    """Return the models before migrations that have just been made."""
    replaced = {migration.key for migration in migrations}
    state = loader.base_state(without={migration.app_label for migration in migrations})
    for key in loader.graph.full_plan():
        if key not in replaced and not any(key in _updated(loader, item) for item in migrations):
            state = loader.graph.nodes[key].mutate_state(state)
    return state


def _updated(loader: Loader, migration: Migration) -> set[MigrationKey]:
    """Return the migrations that a new one of the same number takes the place of (``makemigrations --update``)."""
    number = migration.name.partition("_")[0]
    leaves = loader.graph.leaf_nodes(migration.app_label)
    return {key for key in leaves if key[1].partition("_")[0] == number}


def print_new(found: Sequence[tuple[Migration, list[OperationEffects]]]) -> None:
    """Print, after the list of new files, what deserves a thought before they are applied."""
    for migration, items in found:
        lines = [item for item in items if item.findings or any(effect.is_long for effect in item.effects)]
        if not lines:
            continue
        note(style(f"On a database in use, {migration}:", bold=True))
        for item in lines:
            note(f"    {item.operation.symbol} {item.operation.describe()}")
            for text in dict.fromkeys(effect.describe() for effect in item.effects if effect.matters):
                note(f"        {text}")
            for finding in item.findings:
                note(style(f"        {finding.message} ({finding.code})", "red" if finding.is_error else "yellow"))
                for step in finding.safe:
                    note(f"          → {step}")


def print_finding(finding: Finding, indent: str) -> None:
    """Print what was found, and the way around it."""
    kind = style("error", "red") if finding.is_error else style("warning", "yellow")
    out.line(f"{indent}{kind} {finding.code}: {finding.message}")
    for step in finding.safe:
        out.line(f"{indent}  → {step}")


def finding_as_dict(finding: Finding) -> dict[str, Any]:
    """Return a finding for JSON."""
    return {
        "migration": finding.migration,
        "operation": finding.operation,
        "code": finding.code,
        "level": "error" if finding.is_error else "warning",
        "message": finding.message,
        "safe": list(finding.safe),
    }
