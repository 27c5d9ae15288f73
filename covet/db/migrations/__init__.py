"""Migrations: how the database follows the models.

A migration file imports ``migrations`` from here and ``models`` beside it; the modules below find, order and run them.
"""

from typing import TYPE_CHECKING

from covet.loading import late_names

if TYPE_CHECKING:
    from covet.db.migrations.migration import Migration, swappable_dependency
    from covet.db.migrations.operations import (
        AddConstraint,
        AddField,
        AddIndex,
        AlterConstraint,
        AlterField,
        AlterIndexTogether,
        AlterModelManagers,
        AlterModelOptions,
        AlterModelTable,
        AlterModelTableComment,
        AlterOrderWithRespectTo,
        AlterUniqueTogether,
        CreateModel,
        DeleteModel,
        Operation,
        RemoveConstraint,
        RemoveField,
        RemoveIndex,
        RenameField,
        RenameIndex,
        RenameModel,
        RunPython,
        RunSQL,
        SeparateDatabaseAndState,
    )

__all__ = [
    "AddConstraint",
    "AddField",
    "AddIndex",
    "AlterConstraint",
    "AlterField",
    "AlterIndexTogether",
    "AlterModelManagers",
    "AlterModelOptions",
    "AlterModelTable",
    "AlterModelTableComment",
    "AlterOrderWithRespectTo",
    "AlterUniqueTogether",
    "CreateModel",
    "DeleteModel",
    "Migration",
    "Operation",
    "RemoveConstraint",
    "RemoveField",
    "RemoveIndex",
    "RenameField",
    "RenameIndex",
    "RenameModel",
    "RunPython",
    "RunSQL",
    "SeparateDatabaseAndState",
    "swappable_dependency",
]

if not TYPE_CHECKING:
    _HERE = ("Migration", "swappable_dependency")
    __getattr__, __dir__ = late_names(
        __name__,
        {
            "covet.db.migrations.migration": _HERE,
            "covet.db.migrations.operations": [name for name in __all__ if name not in _HERE],
        },
    )
