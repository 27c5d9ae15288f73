"""Moved into another app, or removed there and added here? Finds candidates and asks; never guesses.

A moved model keeps its table until everybody knows it under its new label: the new app takes the model over (state only),
what refers to it is pointed to the new label (state only), the former app forgets it (state only), and then the table gets
its new name. No row is copied, and each step can be undone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from covet.db.migrations.errors import MigrationError
from covet.db.migrations.operations.base import Operation
from covet.db.migrations.operations.columns import AddField, AlterField, RemoveField
from covet.db.migrations.operations.special import SeparateDatabaseAndState
from covet.db.migrations.operations.tables import AlterModelTable, CreateModel, DeleteModel, RenameModel
from covet.db.migrations.order import Change, Fact
from covet.db.migrations.questioner import Answers, Questioner, Rename
from covet.db.migrations.signature import ModelKey, shape_of

if TYPE_CHECKING:
    from covet.db.migrations.model_state import ModelState
    from covet.db.migrations.state import ProjectState
    from covet.db.models.fields.base import Field

__all__ = ["moved_models"]


def moved_models(old: ProjectState, new: ProjectState, questioner: Questioner) -> Iterator[Change]:
    """Yield the changes of each model that went into another app, after moving it in ``old``.

    Raises:
        MigrationError: A ``--rename app.Model:other_app.Model`` fits nothing, or asks for what cannot be done.
    """
    open_moves = {
        (rename.app_label, rename.model_name): rename
        for rename in (questioner.renames if isinstance(questioner, Answers) else ())
        if rename.new_app
    }
    for key in sorted(new.models.keys() - old.models.keys()):
        for source in sorted(old.models.keys() - new.models.keys()):
            wanted = open_moves.get(source)
            is_wanted = wanted is not None and (wanted.new_app, wanted.new_name.lower()) == key
            # Under another name it is a move only when that is said: a guess would find too many.
            if source[0] == key[0] or not (is_wanted or (source[1] == key[1] and _may_be(old, new, source, key))):
                continue
            before, after = old.models[source], new.models[key]
            if questioner.moved_model(f"{source[0]}.{before.name}", f"{key[0]}.{after.name}"):
                _require_possible(old, new, source, key)
                open_moves.pop(source, None)
                if before.name != after.name:
                    yield _renamed(old, source, after.name)
                yield from _move(old, after, (source[0], key[1]))
                break
    for rename in open_moves.values():
        raise _unfit(rename)


def _may_be(old: ProjectState, new: ProjectState, source: ModelKey, key: ModelKey) -> bool:
    return _obstacle(old, new, source, key) == "" and bool(
        shape_of(old.models[source].fields) == shape_of(new.models[key].fields)
    )


def _obstacle(old: ProjectState, new: ProjectState, source: ModelKey, key: ModelKey) -> str:
    """Say why migrations cannot move a model; an empty text when they can."""
    if not (old.models[source].has_table and new.models[key].has_table):
        return "it has no table that migrations look after"
    if old.models[source].base_keys or any(source in model.base_keys for model in old.models.values()):
        return (
            "it inherits from a model, or models inherit from it. Give the model in the new app another table beside the "
            "old one (makemigrations --no-rename while both are there), copy the rows with RunPython, then remove the old one"
        )
    if source[1] != key[1] and (source[0], key[1]) in old.models:
        return f"{source[0]} has a {key[1]} of its own; move it under its own name first"
    return ""


def _require_possible(old: ProjectState, new: ProjectState, source: ModelKey, key: ModelKey) -> None:
    reason = _obstacle(old, new, source, key)
    if reason:
        raise MigrationError(f"{'.'.join(source)} cannot be moved to {key[0]} by migrations: {reason}.", exit_code=2)


def _unfit(rename: Rename) -> MigrationError:
    place = f"{rename.app_label}.{rename.model_name}"
    reason = f"'{place}' is not in the migrations or still in the models, or '{rename.new_app}' has no such new model"
    return MigrationError(
        f"--rename {place}:{rename.new_app}.{rename.new_name} does not fit: {reason}.",
        exit_code=2,
    )


def _renamed(old: ProjectState, source: ModelKey, new_name: str) -> Change:
    """Return the change of the name, which comes first: the model moves under its new one."""
    rename = RenameModel(old.models[source].name, new_name)
    rename.state_forwards(source[0], old)
    return Change(source[0], rename, frozenset({("model", source[0], new_name.lower())}))


def _move(old: ProjectState, after: ModelState, source: ModelKey) -> Iterator[Change]:
    """Yield the steps, each carried out on ``old``."""
    before, key = old.models[source], after.key
    table = before.options.get("db_table") or "_".join(source)
    there: Fact = ("model", *key)
    taken = before.pointed_to(source, ".".join(key)).with_options(db_table=table)
    options = {name: value for name, value in taken.options.items() if value or not isinstance(value, (list, set))}
    create = CreateModel(after.name, list(taken.fields.items()), options, None, taken.managers)
    needs: set[Fact] = {("model", *source)}
    needs |= {("model", *reference.to) for reference in before.references.values()}
    yield _state_change(old, key[0], [create], {there}, needs - {there})
    pointed: set[Fact] = set()
    for other in [model for model in old.models.values() if model.key not in {source, key}]:
        changed = other.pointed_to(source, ".".join(key))
        for name in [name for name in other.fields if changed.fields[name] is not other.fields[name]]:
            fact: Fact = ("altered", *other.key, name)
            pointed.add(fact)
            again = _again(other, name, changed.fields[name])
            yield _state_change(old, other.app_label, again, {fact}, {there, ("model", *other.key)})
    gone: Fact = ("gone", *source)
    yield _state_change(old, source[0], [DeleteModel(before.name)], {gone}, {there} | pointed)
    if after.options.get("db_table") != table:
        rename = AlterModelTable(after.name, after.options.get("db_table"))
        rename.state_forwards(key[0], old)
        yield Change(key[0], rename, needs=frozenset({gone, there}))


def _again(model: ModelState, name: str, field: Field[Any]) -> list[Operation]:
    """Return what tells the models that a field refers to the new label; a many-to-many field cannot be altered."""
    lower = model.name.lower()
    if model.references[name].many:
        return [RemoveField(lower, name), AddField(lower, name, field)]
    return [AlterField(lower, name, field)]


def _state_change(
    old: ProjectState, app_label: str, operations: list[Operation], gives: set[Fact], needs: set[Fact]
) -> Change:
    for operation in operations:
        operation.state_forwards(app_label, old)
    change = SeparateDatabaseAndState(state_operations=operations)
    return Change(app_label, change, frozenset(gives), frozenset(needs))
