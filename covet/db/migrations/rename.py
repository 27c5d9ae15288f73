"""Renamed, or removed and added? Finds candidates and asks; never guesses.

An answer "renamed" is carried out on the old state at once, so that everything after this compares by equal names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from covet.db.migrations.errors import MigrationError
from covet.db.migrations.operations.columns import AlterField, RenameField
from covet.db.migrations.operations.tables import RenameModel
from covet.db.migrations.order import Change
from covet.db.migrations.questioner import Answers, Questioner
from covet.db.migrations.signature import ModelKey, clone_with, reference_of, shape_of, signature

if TYPE_CHECKING:
    from covet.db.migrations.model_state import ModelState
    from covet.db.migrations.state import ProjectState
    from covet.db.models.fields.base import Field

__all__ = ["renamed_fields", "renamed_models", "require_used_renames"]


def renamed_models(old: ProjectState, new: ProjectState, questioner: Questioner) -> Iterator[Change]:
    """Yield a change for each renamed model, after renaming it in ``old``."""
    for key in sorted(new.models.keys() - old.models.keys()):
        model = new.models[key]
        gone = sorted(other for other in old.models.keys() - new.models.keys() if other[0] == key[0])
        for candidate in gone:
            before = old.models[candidate]
            if not _may_be_model(before, model, questioner):
                continue
            if questioner.renamed_model(key[0], before.name, model.name):
                operation = RenameModel(before.name, model.name)
                operation.state_forwards(key[0], old)
                yield Change(key[0], operation, frozenset({("model", *key)}))
                break


def renamed_fields(old: ProjectState, new: ProjectState, questioner: Questioner) -> Iterator[Change]:
    """Yield changes for each renamed field, after renaming it in ``old``."""
    for key in sorted(new.models.keys() & old.models.keys()):
        after = new.models[key]
        for name in [name for name in after.fields if name not in old.models[key].fields]:
            before = old.models[key]
            for candidate in [item for item in before.fields if item not in after.fields]:
                operations = _field_rename(before, after, candidate, name, questioner)
                if operations:
                    fact = ("field", *key, name)
                    for operation in operations:
                        operation.state_forwards(key[0], old)
                        yield Change(
                            key[0], operation, frozenset({fact, ("fields", *key)}), frozenset({("model", *key)})
                        )
                    break


def require_used_renames(answers: Questioner, changes: list[Change]) -> None:
    """Raise when a ``--rename`` did not lead to a change: a typing error would otherwise lose data."""
    if not isinstance(answers, Answers):
        return
    done: set[tuple[str, str, str]] = set()
    for change in changes:
        operation = change.operation
        if isinstance(operation, RenameModel):
            done.add((change.app_label, operation.old_name.lower(), ""))
        elif isinstance(operation, RenameField):
            names = answers.names_of(change.app_label, operation.model_name)
            done |= {(change.app_label, name, operation.old_name) for name in names}
    for rename in [item for item in answers.renames if not item.new_app]:
        if (rename.app_label, rename.model_name, rename.field_name) not in done:
            place = ".".join(part for part in (rename.app_label, rename.model_name, rename.field_name) if part)
            raise MigrationError(
                f"--rename {place}:{rename.new_name} does not fit: either '{place}' is not in the migrations or still in "
                f"the models, or '{rename.new_name}' is not new.",
                exit_code=2,
            )


def _may_be_model(before: ModelState, after: ModelState, questioner: Questioner) -> bool:
    if isinstance(questioner, Answers) and questioner.explicit_model(before.app_label, before.name) is not None:
        return True
    if bool(before.options.get("proxy")) != bool(after.options.get("proxy")):
        return False
    return bool(shape_of(before.fields) == shape_of(after.fields))


def _field_rename(
    before: ModelState, after: ModelState, old_name: str, new_name: str, questioner: Questioner
) -> list[RenameField | AlterField]:
    """Return the operations that rename the field, or none when it is another field."""
    app_label = before.app_label
    old_field, new_field = before.fields[old_name], after.fields[new_name]
    explicit = (
        isinstance(questioner, Answers) and questioner.explicit_field(app_label, before.name, old_name) is not None
    )
    old_signature, new_signature = signature(old_field), signature(new_field)
    column = _column(old_field, old_name, before.key)
    pinned = {**old_signature[2], "db_column": column} == new_signature[2] and old_signature[:2] == new_signature[:2]
    if not explicit and old_signature != new_signature and not pinned:
        return []
    if not questioner.renamed_field(app_label, before.name, old_name, new_name, new_field):
        return []
    rename = RenameField(before.name.lower(), old_name, new_name)
    if pinned and old_signature != new_signature:
        # The column keeps its name: first the field is told so, then it is renamed, and no SQL runs.
        return [AlterField(before.name.lower(), old_name, clone_with(old_field, db_column=column)), rename]
    return [rename]


def _column(field: Field[Any], name: str, key: ModelKey) -> str:
    reference = reference_of(field, *key)
    if field.db_column:
        return field.db_column
    return f"{name}_id" if reference is not None and not reference.many else name
