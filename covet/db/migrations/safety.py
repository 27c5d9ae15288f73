"""What a migration does to a database in use: for each statement its lock, what that blocks, whether the table is
rewritten, and the way that does without.

Read from the statements themselves, as the schema editor would run them: no database is asked, so CI can do it. Tables that
the same run creates are empty and used by nobody, and are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from covet.db.migrations.advice import Advice, advice_on, advice_on_all
from covet.db.migrations.limits import alter_hints_of
from covet.db.migrations.lint_options import LintOptions, lint_options
from covet.db.migrations.releases import between_releases
from covet.db.migrations.retyped import refined
from covet.db.migrations.source_lines import SourceLines, source_lines
from covet.db.migrations.statements import Effect, effect_of
from covet.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from covet.db.database import Database
    from covet.db.migrations.graph import MigrationKey
    from covet.db.migrations.loader import Loader
    from covet.db.migrations.migration import Migration
    from covet.db.migrations.operations.base import Operation
    from covet.db.migrations.state import ProjectState

__all__ = ["Finding", "OperationEffects", "examine", "examine_all", "examine_back", "findings_of"]


class Finding(Struct, frozen=True):
    """Something that may hurt a database in use.

    Attributes:
        code: Its name, for ``safe`` in the migration and MIGRATION_LINT.
        is_error: ``migrate --safe`` refuses it; otherwise it is worth a look.
        message: What happens.
        safe: What to do in its place, step by step.
        path: The file of the migration; empty when it has none.
        line: Where the operation begins in it.
    """

    migration: str
    operation: str
    code: str
    is_error: bool
    message: str
    safe: tuple[str, ...] = ()
    path: str = ""
    line: int = 1


class OperationEffects(Struct, frozen=True):
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
    judge = _Judge(database.vendor, migration, set() if new_tables is None else new_tables)
    found: list[OperationEffects] = []
    index = 0
    async with database.schema_editor(collect=True, atomic=migration.atomic) as editor:
        editor.alter_hints = alter_hints_of(migration)
        for index, before, after in migration.states(state):
            operation, count = migration.operations[index], len(editor.collected_sql)
            await operation.run(migration.app_label, editor, before, after)
            effects = judge.effects(editor.collected_sql[count:])
            effects = refined(effects, operation, migration.app_label, before, database.vendor)
            advice = advice_on(operation, migration.app_label, before, effects, database.vendor, judge.new_tables)
            found.append(judge.judged(index, effects, advice))
        count = len(editor.collected_sql)
    rest = judge.effects(editor.collected_sql[count:])
    if rest and found:
        # Foreign keys of new tables: they lock the tables that they refer to.
        found.append(OperationEffects(migration.operations[index], rest, ()))
    return [*judge.in_use(found), *judge.whole(found)]


async def examine_back(database: Database, migration: Migration, state: ProjectState) -> list[OperationEffects]:
    """Return what each operation of a migration does when it is undone, the last one first; nothing is run.

    Args:
        database: For whose kind of database.
        migration: The migration.
        state: The models before it.
    """
    judge = _Judge(database.vendor, migration, set(), backwards=True)
    found: list[OperationEffects] = []
    async with database.schema_editor(collect=True, atomic=migration.atomic) as editor:
        editor.alter_hints = alter_hints_of(migration)
        for index, before, after in reversed(migration.states(state)):
            operation, count = migration.operations[index], len(editor.collected_sql)
            if operation.reversible:
                await operation.run(migration.app_label, editor, after, before, backwards=True)
            effects = judge.effects(editor.collected_sql[count:])
            advice = advice_on(
                operation, migration.app_label, before, effects, database.vendor, judge.new_tables, backwards=True
            )
            found.append(judge.judged(index, effects, advice))
        count = len(editor.collected_sql)
    rest = judge.effects(editor.collected_sql[count:])
    if rest and found:
        found.append(OperationEffects(migration.operations[0], rest, ()))
    return [*judge.in_use(found), *judge.whole(found)]


async def examine_all(
    database: Database,
    loader: Loader,
    keys: Iterable[MigrationKey],
    *,
    one_run: bool = False,
    backwards: bool = False,
) -> dict[MigrationKey, list[OperationEffects]]:
    """Return what each of these migrations does, in their order.

    Args:
        database: For whose kind of database.
        loader: The migrations.
        keys: Which ones.
        one_run: They run one after another now: tables that an earlier one makes are new to a later one.
        backwards: What they do when they are undone.
    """
    wanted = set(keys)
    found: dict[MigrationKey, list[OperationEffects]] = {}
    state = loader.base_state()
    new_tables: set[str] = set()
    for key in loader.graph.full_plan():
        migration = loader.graph.nodes[key]
        if key in wanted and backwards:
            found[key] = await examine_back(database, migration, state)
        elif key in wanted:
            found[key] = await examine(database, migration, state, new_tables if one_run else None)
        state = migration.mutate_state(state)
    return found


def findings_of(examined: Mapping[Any, list[OperationEffects]]) -> list[Finding]:
    """Return all findings, in order."""
    return [finding for items in examined.values() for item in items for finding in item.findings]


class _Judge:
    """Says of the operations of one migration what they do to others.

    Args:
        vendor: The kind of database.
        migration: The migration.
        new_tables: Tables that nobody uses yet; those that the migration makes are added.
        backwards: It is undone.
    """

    def __init__(self, vendor: str, migration: Migration, new_tables: set[str], *, backwards: bool = False) -> None:
        self.vendor = vendor
        self.migration = migration
        self.new_tables = new_tables
        self.backwards = backwards
        self._options: LintOptions = lint_options()
        self._lines: SourceLines = source_lines(migration)
        for code, reason in migration.safe.items():
            if not str(reason).strip():
                raise ImproperlyConfigured(f"Migration {migration} calls '{code}' safe and does not say why.")

    def effects(self, statements: Sequence[str]) -> tuple[Effect, ...]:
        """Return what statements do, those on new tables as harmless."""
        found: list[Effect] = []
        online = self._options.alters_online(self.vendor)
        for sql in statements:
            effect = effect_of(sql, self.vendor, online=online)
            if effect.creates:
                self.new_tables.add(effect.table)
            is_new = effect.table in self.new_tables
            if is_new and effect.other and effect.other not in self.new_tables:
                # The foreign key of a new table: it has no rows to check, and the other table is locked for a moment.
                is_new = False
                effect = replace(
                    effect.harmless(), table=effect.other, other="", lock=effect.lock, blocks=effect.blocks
                )
            if _is_proven(effect, statements[: len(found)]):
                effect = replace(effect, scans=False, code="", safe=())
            found.append(effect.harmless() if is_new else effect)
        return tuple(found)

    def judged(self, index: int, effects: tuple[Effect, ...], advice: Iterable[Advice]) -> OperationEffects:
        """Return an operation with what is to be said about it."""
        operation = self.migration.operations[index]
        said = [*self._of_statements(effects), *advice]
        said += between_releases(self.migration, operation, effects, self.vendor, backwards=self.backwards)
        unique = {item.code: item for item in reversed(said)}
        kept = [item for item in dict.fromkeys(said) if unique[item.code] is item]
        return OperationEffects(operation, effects, tuple(self._findings(index, kept)))

    def in_use(self, found: Sequence[OperationEffects]) -> list[OperationEffects]:
        """Return the operations without what is only to be said where others use the tables that the migration locks."""
        if any(effect.matters for item in found for effect in item.effects):
            return list(found)
        return [
            replace(item, findings=tuple(part for part in item.findings if part.code != "data-with-schema"))
            for item in found
        ]

    def whole(self, found: Sequence[OperationEffects]) -> list[OperationEffects]:
        """Return what is to be said about the migration as one."""
        if not found:
            return []
        every = [effect for item in found for effect in item.effects]
        advice = advice_on_all(every, atomic=self.migration.atomic, vendor=self.vendor)
        index = 0 if self.backwards else len(self.migration.operations) - 1
        findings = tuple(self._findings(index, advice))
        return [OperationEffects(self.migration.operations[index], (), findings)] if findings else []

    def _of_statements(self, effects: Sequence[Effect]) -> Iterable[Advice]:
        large = self._options.large_tables
        for effect in effects:
            if effect.code:
                # Where the large tables are named, what takes time on the others only is worth a look and no more.
                is_error = effect.is_error and (large is None or not effect.is_long or effect.table in large)
                yield Advice(effect.code, is_error, effect.why, effect.safe)

    def _findings(self, index: int, advice: Iterable[Advice]) -> Iterable[Finding]:
        description = self.migration.operations[index].describe()
        for item in advice:
            code = item.code
            if code in self._options.ignore or code in self.migration.safe or self._lines.allows(code, index):
                continue
            yield Finding(
                str(self.migration),
                f"Undo: {description}" if self.backwards else description,
                *item,
                path=str(self._lines.path or ""),
                line=self._lines.line(index),
            )


def _is_proven(effect: Effect, earlier: Sequence[str]) -> bool:
    """Whether PostgreSQL knows already that no row is NULL, by a rule that was validated just before."""
    column = re.search(r'ALTER COLUMN ("(?:[^"]|"")+") SET NOT NULL', effect.sql)
    if effect.code != "set-not-null" or column is None:
        return False
    rule = f"CHECK ({column[1]} IS NOT NULL) NOT VALID"
    here = [sql for sql in earlier if f'"{effect.table}"' in sql]
    return any(rule in sql for sql in here) and any("VALIDATE CONSTRAINT" in sql for sql in here)
