"""Operations of migrations that PostgreSQL has, or that let others work while it changes."""

from covet.postgres.operations.batches import BackfillBatches
from covet.postgres.operations.objects import (
    AddEnumValue,
    BloomExtension,
    BtreeGinExtension,
    BtreeGistExtension,
    CreateCollation,
    CreateEnum,
    CreateExtension,
    CryptoExtension,
    DropEnum,
    HStoreExtension,
    RemoveCollation,
    RenameEnumValue,
    TrigramExtension,
    UnaccentExtension,
)
from covet.postgres.operations.online import (
    AddConstraintNotValid,
    AddForeignKeyNotValid,
    AddIndexConcurrently,
    RemoveIndexConcurrently,
    SetNotNullSafely,
    ValidateConstraint,
    ValidateForeignKey,
)

__all__ = [
    "AddConstraintNotValid",
    "AddEnumValue",
    "AddForeignKeyNotValid",
    "AddIndexConcurrently",
    "BackfillBatches",
    "BloomExtension",
    "BtreeGinExtension",
    "BtreeGistExtension",
    "CreateCollation",
    "CreateEnum",
    "CreateExtension",
    "CryptoExtension",
    "DropEnum",
    "HStoreExtension",
    "RemoveCollation",
    "RemoveIndexConcurrently",
    "RenameEnumValue",
    "SetNotNullSafely",
    "TrigramExtension",
    "UnaccentExtension",
    "ValidateConstraint",
    "ValidateForeignKey",
]
