"""What to do when the rows that are there do not fit what a migration wants of them."""

from __future__ import annotations

from covet.db.errors import (
    CheckViolation,
    ExclusionViolation,
    ForeignKeyViolation,
    IntegrityError,
    NotNullViolation,
    UniqueViolation,
)
from covet.db.migrations.operations.base import Operation
from covet.db.migrations.operations.columns import AddField
from covet.db.migrations.operations.tables import TableOperation
from covet.db.migrations.statements import REBUILT

__all__ = ["unfit_rows"]


def unfit_rows(operation: Operation, error: IntegrityError) -> str:
    """Return what went wrong, which rows are in the way, and where to change them; an empty text where nothing is known.

    Functions and SQL of the project are told as they are: only what changes tables meets rows that were there before.
    """
    if not isinstance(operation, TableOperation):
        return ""
    # MySQL tells no table of a statement that changes it.
    table = (error.table or "").removeprefix(REBUILT)
    if not table or table.startswith("#sql"):
        table = str(getattr(operation, "model_name", None) or getattr(operation, "name", ""))
    rows = f"Rows of '{table}'"
    todo = "change them first, such as by RunPython in a migration before this one"
    columns = " and ".join(f"'{name}'" for name in error.columns)
    if isinstance(error, UniqueViolation):
        found = f"{rows} have equal values of {columns}" if columns else f"{rows} are equal by this rule"
    elif isinstance(error, NotNullViolation) and isinstance(operation, AddField):
        found = f"{rows} have no value of the new field '{operation.name}'"
        todo = "give it a default, null=True, or a default for them alone with preserve_default=False"
    elif isinstance(error, NotNullViolation):
        found = f"{rows} have no value of {columns}" if columns else f"{rows} have no value there"
    elif isinstance(error, CheckViolation):
        rule = f"'{error.constraint}'" if error.constraint else "this rule"
        found = f"{rows} do not meet {rule}"
    elif isinstance(error, ForeignKeyViolation):
        found = f"{rows} point at rows that do not exist"
    elif isinstance(error, ExclusionViolation):
        found = f"{rows} exclude each other by this rule"
    else:
        return ""
    told, _, sql = str(error).partition("\nSQL:")
    told = f"{told.replace(REBUILT, '').rstrip('.')}. {found}: {todo}."
    # The statement that fills a rebuilt table is nobody's own, and names a table that nobody knows.
    return told if not sql or REBUILT in sql else f"{told}\nSQL:{sql}"
