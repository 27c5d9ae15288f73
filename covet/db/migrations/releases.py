"""What an operation means beside its locks: for the code of the other release that runs meanwhile, and for the data.

Forwards the former release still runs; on the way back the code goes first or last, and what was written since is at stake.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from covet.db.migrations.advice import Advice
from covet.db.migrations.operations.columns import AddField, RemoveField, RenameField
from covet.db.migrations.operations.special import RunPython, RunSQL, SeparateDatabaseAndState
from covet.db.migrations.operations.tables import CreateModel, DeleteModel, RenameModel

if TYPE_CHECKING:
    from covet.db.migrations.migration import Migration
    from covet.db.migrations.operations.base import Operation
    from covet.db.migrations.statements import Effect
    from covet.db.models.fields.base import Field

__all__ = ["between_releases"]

_COLUMN = r"(?:\"(?:[^\"]|\"\")+\"|`[^`]+`|\w+)"
_NO_COLUMN = "CONSTRAINT|INDEX|KEY|FOREIGN|PRIMARY|CHECK|NOT|DEFAULT|IDENTITY|EXPRESSION|PARTITION|SYSTEM|PERIOD"
_DROPS_COLUMN = re.compile(rf"\bDROP (?:COLUMN )?(?:IF EXISTS )?(?!(?:{_NO_COLUMN})\b){_COLUMN}")
_ADDS_COLUMN = re.compile(rf"\bADD COLUMN (?:IF NOT EXISTS )?({_COLUMN})", re.IGNORECASE)


def between_releases(
    migration: Migration,
    operation: Operation,
    effects: Sequence[Effect],
    vendor: str,
    *,
    backwards: bool = False,
) -> Iterator[Advice]:
    """Yield what the statements of an operation do not tell.

    Args:
        migration: Whose operation it is.
        operation: The operation.
        effects: Its statements.
        vendor: The kind of database.
        backwards: It is undone.
    """
    if backwards and not operation.reversible:
        yield Advice("irreversible", True, "There is no way back: migrate stops before it.", (operation.reverse_hint,))
        return
    noticed = [effect for effect in effects if effect.matters]
    if isinstance(operation, (RunPython, RunSQL)):
        yield from _of_own_code(migration, operation, noticed, vendor)
    elif not noticed:
        return
    elif isinstance(operation, SeparateDatabaseAndState):
        for part in operation.database_operations:
            yield from between_releases(migration, part, effects, vendor, backwards=backwards)
    elif backwards:
        yield from _of_the_way_back(operation)
    else:
        yield from _of_the_way_forth(operation)


def _of_the_way_forth(operation: Operation) -> Iterator[Advice]:
    if isinstance(operation, RemoveField):
        yield Advice(
            "drop-column",
            True,
            "Code that is still running reads and writes the column; its data is gone.",
            (
                f'Release 1: AlterField("{operation.model_name}", "{operation.name}", …null=True), then '
                f'SeparateDatabaseAndState(state_operations=[RemoveField("{operation.model_name}", "{operation.name}")]): '
                "the code forgets the column, the table keeps it.",
                "Release 2, when no process of the former release runs: RunSQL('ALTER TABLE … DROP COLUMN …').",
            ),
        )
    elif isinstance(operation, DeleteModel):
        yield Advice(
            "drop-table",
            True,
            "Code that is still running reads and writes the table; its data is gone.",
            (
                f'Release 1: SeparateDatabaseAndState(state_operations=[DeleteModel("{operation.name}")]).',
                "Release 2, when no process of the former release runs: RunSQL('DROP TABLE …').",
            ),
        )
    elif isinstance(operation, (RenameField, RenameModel)):
        yield _renamed("column" if isinstance(operation, RenameField) else "table")
    elif isinstance(operation, AddField) and _has_to_be_given(operation.field):
        yield Advice(
            "not-null",
            True,
            "Code that is still running inserts rows without the column, and the database refuses them.",
            (
                f'AddField("{operation.model_name}", "{operation.name}", …db_default=…): the database fills it in.',
                "Or: add it with null=True, deploy the code that writes it, fill the old rows in batches, then AlterField to "
                "null=False.",
            ),
        )


def _of_the_way_back(operation: Operation) -> Iterator[Advice]:
    if isinstance(operation, AddField):
        yield Advice(
            "drop-column",
            False,
            "What was written to the column since is gone.",
            ("Take the code back alone: a column with null=True or db_default does not disturb the former release.",),
        )
    elif isinstance(operation, CreateModel):
        yield Advice(
            "drop-table",
            False,
            "What was written to the table since is gone.",
            ("Take the code back alone: the former release does not know the table.",),
        )
    elif isinstance(operation, RemoveField) and operation.reversible:
        yield Advice(
            "column-comes-back",
            False,
            "The column comes back without what stood in it; one that has to have a value is refused where there are rows.",
            (
                f'AlterField("{operation.model_name}", "{operation.name}", …null=True) in a migration before the one that '
                "removes it: then its way back is open.",
            ),
        )
    elif isinstance(operation, (RenameField, RenameModel)):
        yield _renamed("column" if isinstance(operation, RenameField) else "table")


def _renamed(kind: str) -> Advice:
    name = "db_column" if kind == "column" else "db_table"
    return Advice(
        f"rename-{kind}",
        True,
        f"Code that is still running knows the {kind} by the name that goes.",
        (
            f"Keep the name in the database: rename in the code, and give the old name as {name}; no statement is run.",
            f"Or in two releases: add the new {kind} and write both, fill it in batches, read the new one, drop the old one.",
        ),
    )


def _has_to_be_given(field: Field[object]) -> bool:
    return not (field.null or field.has_db_default() or field.generated or field.many_to_many)


def _of_own_code(
    migration: Migration, operation: RunPython | RunSQL, noticed: Sequence[Effect], vendor: str
) -> Iterator[Advice]:
    """Yield what is to be said of functions and of statements that people wrote."""
    if isinstance(operation, RunPython):
        others = [item for item in migration.operations if not isinstance(item, (RunPython, RunSQL))]
        if others and migration.atomic:
            # PostgreSQL keeps the strongest lock on the tables meanwhile; MySQL has committed what came before, and
            # SQLite lets only one write at any time.
            yield Advice(
                "data-with-schema",
                vendor == "postgresql",
                "Rows are changed in the transaction that changes tables: its locks are held until all rows are done.",
                ("Put the function into a migration of its own, with atomic = False, and let it work in batches.",),
            )
    else:
        for effect in noticed:
            yield from _of_statement(effect)
    if not operation.reversible:
        yield Advice("irreversible", False, "There is no way back.", (operation.reverse_hint,))


def _of_statement(effect: Effect) -> Iterator[Advice]:
    text = " ".join(effect.sql.split())
    upper = text.upper()
    if upper.startswith("DROP TABLE"):
        yield Advice(
            "drop-table",
            True,
            "Code that is still running reads and writes the table; its data is gone.",
            ("Drop it in a release after the one whose code forgot it, and say so in the migration's safe.",),
        )
    elif not upper.startswith("ALTER TABLE"):
        return
    elif re.search(r"\bRENAME (COLUMN )?\S+ TO\b", upper):
        yield _renamed("column")
    elif re.search(r"\bRENAME TO\b", upper):
        yield _renamed("table")
    elif _DROPS_COLUMN.search(upper):
        yield Advice(
            "drop-column",
            True,
            "Code that is still running reads and writes the column; its data is gone.",
            ("Drop it in a release after the one whose code forgot it, and say so in the migration's safe.",),
        )
    elif _ADDS_COLUMN.search(text) and " NOT NULL" in upper and not re.search(r" DEFAULT | GENERATED |SERIAL", upper):
        yield Advice(
            "not-null",
            True,
            "Code that is still running inserts rows without the column, and the database refuses them.",
            (
                "Give it a DEFAULT; or let it be NULL, deploy the code that writes it, and fill the old rows in batches.",
            ),
        )
