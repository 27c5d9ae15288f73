"""What a migration does to a database in use: for each statement its lock, what that blocks, whether the table is
rewritten, and the way that does without.

Read from the statements themselves, as the schema editor would run them: no database is asked, so CI can do it. Tables that
the same run creates are empty and used by nobody, and are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from covet.db.migrations.advice import Advice, advice_on, advice_on_all
from covet.db.migrations.operations.columns import AddField, RemoveField, RenameField
from covet.db.migrations.operations.special import RunPython, RunSQL, SeparateDatabaseAndState
from covet.db.migrations.operations.tables import DeleteModel, RenameModel
from covet.db.migrations.statements import Effect, effect_of
from covet.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from covet.db.database import Database
    from covet.db.migrations.graph import MigrationKey
    from covet.db.migrations.loader import Loader
    from covet.db.migrations.migration import Migration
    from covet.db.migrations.operations.base import Operation
    from covet.db.migrations.state import ProjectState

__all__ = ["Finding", "OperationEffects", "examine", "examine_all", "findings_of", "is_after_start"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that may hurt a database in use.

    Attributes:
        code: Its name, for ``safe`` in the migration and MIGRATION_LINT.
        is_error: ``migrate --safe`` refuses it; otherwise it is worth a look.
        message: What happens.
        safe: What to do in its place, step by step.
    """

    migration: str
    operation: str
    code: str
    is_error: bool
    message: str
    safe: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OperationEffects:
    """One operation with what its statements do, and what is to be said about it."""

    operation: Operation
    effects: tuple[Effect, ...]
    findings: tuple[Finding, ...]


async def examine(
    database: Database, migration: Migration, state: ProjectState, new_tables: set[str] | None = None
) -> list[OperationEffects]:
    """Return what each operation of a migration does, forwards; nothing is run.

    Args:
        database: For whose kind of database.
        migration: The migration.
        state: The models before it.
        new_tables: Tables that the same run has created before; those of this migration are added.
    """
    new_tables = set() if new_tables is None else new_tables
    found: list[OperationEffects] = []
    async with database.schema_editor(collect=True, atomic=migration.atomic) as editor:
        for operation in migration.operations:
            before, state = state, state.clone()
            operation.state_forwards(migration.app_label, state)
            count = len(editor.collected_sql)
            await operation.run(migration.app_label, editor, before, state)
            effects = _effects(editor.collected_sql[count:], database.vendor, new_tables)
            findings = _of_statements(migration, operation, effects)
            place = (str(migration), operation.describe())
            advice = advice_on(operation, migration.app_label, before, effects, database.vendor, new_tables)
            findings += [_finding(place, item) for item in advice]
            if any(effect.matters for effect in effects) or isinstance(operation, (RunPython, RunSQL)):
                findings += _of_operation(migration, operation, before)
            found.append(OperationEffects(operation, effects, tuple(_allowed(migration, findings))))
        last, count = migration.operations[-1:], len(editor.collected_sql)
    rest = _effects(editor.collected_sql[count:], database.vendor, new_tables)
    if rest and last:
        # Foreign keys of new tables: they lock the tables that they refer to.
        found.append(OperationEffects(last[0], rest, ()))
    every = [effect for item in found for effect in item.effects]
    whole = [
        _finding((str(migration), last[0].describe()), item)
        for item in advice_on_all(every, atomic=migration.atomic, vendor=database.vendor)
    ]
    if whole:
        found.append(OperationEffects(last[0], (), tuple(_allowed(migration, whole))))
    return found


async def examine_all(
    database: Database, loader: Loader, keys: Iterable[MigrationKey], *, one_run: bool = False
) -> dict[MigrationKey, list[OperationEffects]]:
    """Return what each of these migrations does, in their order.

    Args:
        database: For whose kind of database.
        loader: The migrations.
        keys: Which ones.
        one_run: They run one after another now: tables that an earlier one makes are new to a later one.
    """
    wanted = set(keys)
    found: dict[MigrationKey, list[OperationEffects]] = {}
    state = loader.base_state()
    new_tables: set[str] = set()
    for key in loader.graph.full_plan():
        migration = loader.graph.nodes[key]
        if key in wanted:
            found[key] = await examine(database, migration, state, new_tables if one_run else None)
        state = migration.mutate_state(state)
    return found


def findings_of(examined: Mapping[Any, list[OperationEffects]]) -> list[Finding]:
    """Return all findings, in order."""
    return [finding for items in examined.values() for item in items for finding in item.findings]


def is_after_start(key: MigrationKey, options: Mapping[str, Any]) -> bool:
    """Whether a migration is later than the one that MIGRATION_LINT's ``start_after`` names for its app."""
    start: str = (options.get("start_after") or {}).get(key[0], "")
    return key[1] > start


def _allowed(migration: Migration, findings: Sequence[Finding]) -> Iterable[Finding]:
    from covet.conf import settings

    ignored = set(getattr(settings, "MIGRATION_LINT", {}).get("ignore", ()))
    for code, reason in migration.safe.items():
        if not str(reason).strip():
            raise ImproperlyConfigured(f"Migration {migration} calls '{code}' safe and does not say why.")
    return [finding for finding in findings if finding.code not in ignored and finding.code not in migration.safe]


def _effects(statements: Sequence[str], vendor: str, new_tables: set[str]) -> tuple[Effect, ...]:
    found: list[Effect] = []
    for sql in statements:
        effect = effect_of(sql, vendor)
        if effect.creates:
            new_tables.add(effect.table)
        is_new = effect.table in new_tables and not (effect.other and effect.other not in new_tables)
        if _is_proven(effect, statements[: len(found)]):
            effect = replace(effect, scans=False, code="", safe=())
        found.append(effect.harmless() if is_new else effect)
    return tuple(found)


def _finding(place: tuple[str, str], advice: Advice) -> Finding:
    return Finding(*place, advice.code, advice.is_error, advice.message, advice.safe)


def _is_proven(effect: Effect, earlier: Sequence[str]) -> bool:
    """Whether PostgreSQL knows already that no row is NULL, by a rule that was validated just before."""
    column = re.search(r'ALTER COLUMN ("(?:[^"]|"")+") SET NOT NULL', effect.sql)
    if effect.code != "set-not-null" or column is None:
        return False
    rule = f"CHECK ({column[1]} IS NOT NULL) NOT VALID"
    here = [sql for sql in earlier if f'"{effect.table}"' in sql]
    return any(rule in sql for sql in here) and any("VALIDATE CONSTRAINT" in sql for sql in here)


def _of_statements(migration: Migration, operation: Operation, effects: Sequence[Effect]) -> list[Finding]:
    from covet.conf import settings

    large = getattr(settings, "MIGRATION_LINT", {}).get("large_tables")
    found: dict[str, Finding] = {}
    for effect in effects:
        if effect.code and effect.code not in found:
            # Where the large tables are named, what takes time on the others only is worth a look and no more.
            is_error = effect.is_error and (large is None or not effect.is_long or effect.table in large)
            found[effect.code] = Finding(
                str(migration), operation.describe(), effect.code, is_error, effect.why, effect.safe or ()
            )
    return list(found.values())


def _of_operation(migration: Migration, operation: Operation, before: ProjectState) -> list[Finding]:
    """Return what the statements do not tell: code of the former release runs meanwhile, and data is lost."""
    place = (str(migration), operation.describe())
    safe: tuple[str, ...]
    if isinstance(operation, SeparateDatabaseAndState):
        return []
    if isinstance(operation, RunPython):
        others = [item for item in migration.operations if not isinstance(item, (RunPython, RunSQL))]
        found = []
        if others and migration.atomic:
            message = (
                "Rows are changed in the transaction that changes tables: its locks are held until all rows are done."
            )
            safe = ("Put the function into a migration of its own, with atomic = False, and let it work in batches.",)
            found.append(Finding(*place, "data-with-schema", False, message, safe))
        if not operation.reversible:
            message = "There is no way back."
            found.append(Finding(*place, "irreversible", False, message, (operation.reverse_hint,)))
        return found
    if isinstance(operation, RunSQL):
        return (
            []
            if operation.reversible
            else [Finding(*place, "irreversible", False, "There is no way back.", (operation.reverse_hint,))]
        )
    if isinstance(operation, RemoveField):
        message = "Code that is still running reads and writes the column; its data is gone."
        safe = (
            f'Release 1: AlterField("{operation.model_name}", "{operation.name}", …null=True), then '
            f'SeparateDatabaseAndState(state_operations=[RemoveField("{operation.model_name}", "{operation.name}")]): the code '
            "forgets the column, the table keeps it.",
            "Release 2, when no process of the former release runs: RunSQL('ALTER TABLE … DROP COLUMN …').",
        )
        return [Finding(*place, "drop-column", True, message, safe)]
    if isinstance(operation, DeleteModel):
        message = "Code that is still running reads and writes the table; its data is gone."
        safe = (
            f'Release 1: SeparateDatabaseAndState(state_operations=[DeleteModel("{operation.name}")]).',
            "Release 2, when no process of the former release runs: RunSQL('DROP TABLE …').",
        )
        return [Finding(*place, "drop-table", True, message, safe)]
    if isinstance(operation, (RenameField, RenameModel)):
        kind = "column" if isinstance(operation, RenameField) else "table"
        name = "db_column" if isinstance(operation, RenameField) else "db_table"
        message = f"Code that is still running knows the {kind} by its old name."
        safe = (
            f"Keep the name in the database: rename in the code, and give the old name as {name}; no statement is run.",
            f"Or in two releases: add the new {kind} and write both, fill it in batches, read the new one, drop the old one.",
        )
        return [Finding(*place, f"rename-{kind}", True, message, safe)]
    if isinstance(operation, AddField):
        field = operation.field
        if not field.null and not field.has_db_default() and not field.generated and not field.many_to_many:
            message = "Code that is still running inserts rows without the column, and the database refuses them."
            safe = (
                f'AddField("{operation.model_name}", "{operation.name}", …db_default=…): the database fills it in.',
                "Or: add it with null=True, deploy the code that writes it, fill the old rows in batches, then AlterField to "
                "null=False.",
            )
            return [Finding(*place, "not-null", True, message, safe)]
    return []
