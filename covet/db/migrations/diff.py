"""The difference of two states as changes: one small function for each kind of change.

Renames have been carried out on the old state before (``rename``), so equal names mean equal things. The functions say
what each change needs; ``order`` does the ordering.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from covet.db.migrations.comparison import Comparison, impossible, is_proxy
from covet.db.migrations.operations.columns import AddField, AlterField, RemoveField
from covet.db.migrations.operations.rules import (
    AddConstraint,
    AddIndex,
    AlterConstraint,
    RemoveConstraint,
    RemoveIndex,
    RenameIndex,
)
from covet.db.migrations.operations.tables import (
    STATE_OPTIONS,
    AlterModelManagers,
    AlterModelOptions,
    AlterModelTable,
    AlterModelTableComment,
    AlterOrderWithRespectTo,
    AlterUniqueTogether,
    CreateModel,
    DeleteModel,
)
from covet.db.migrations.order import Change, Fact, circles
from covet.db.migrations.questioner import NO_DEFAULT
from covet.db.migrations.signature import ModelKey, Reference, clone_with, deep_deconstruct, reference_of, signature

if TYPE_CHECKING:
    from covet.db.migrations.model_state import ModelState
    from covet.db.models.fields.base import Field

__all__ = ["changes_between"]


def changes_between(comparison: Comparison) -> Iterator[Change]:
    """Yield all changes that lead from the old state to the new one, in the order in which people expect them."""
    yield from _deleted_models(comparison)
    yield from _created_models(comparison)
    for before, after in comparison.kept():
        refusal = impossible(before, after)
        if refusal:
            comparison.refusals.append(refusal)
            continue
        if before.bases != after.bases:
            comparison.notes.append(
                f"The bases of {after.app_label}.{after.name} changed; migrations cannot follow that. Existing tables stay "
                "as they are."
            )
        yield from _options(before, after)
        pairs = _field_pairs(before, after)
        yield from _removed_rules(before, after, pairs)
        yield from _removed_fields(before, pairs)
        yield from _added_fields(comparison, after, pairs)
        yield from _altered_fields(comparison, before, after, pairs)
        yield from _together(before, after, pairs)
        yield from _added_rules(before, after, pairs)


# What may be about a field that is added later.
_RULES = ("order_with_respect_to", "unique_together", "indexes", "constraints")


# ── whole models ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _created_models(comparison: Comparison) -> Iterator[Change]:
    created = {model.key: model for model in comparison.created()}
    soft, hard = _needs_of(created, hard=False), _needs_of(created, hard=True)
    circle = circles(soft)
    rank = _rank(list(created), hard)
    for key, model in created.items():
        later = {other for other in circle[key] if rank[other] > rank[key]}
        put_off = {
            name
            for name, reference in model.references.items()
            if not _is_hard(model, name, reference) and later & {reference.to, reference.through}
        }
        yield from _create(model, put_off)


def _create(model: ModelState, put_off: set[str]) -> Iterator[Change]:
    """Yield the creation of one model; fields of ``put_off``, and the rules of the model then, come after it."""
    key = model.key
    options = {name: value for name, value in model.options.items() if value or not isinstance(value, (list, set))}
    later_rules: dict[str, Any] = {}
    if put_off:
        later_rules = {name: options.pop(name) for name in _RULES if name in options}
    fields = [(name, item) for name, item in model.fields.items() if name not in put_off]
    needs: set[Fact] = {("model", *base) for base in model.base_keys} | {("gone", *key)}
    for name, reference in model.references.items():
        if name not in put_off:
            needs |= _facts_of(reference)
    for base in model.base_keys:
        needs |= {("field gone", *base, name) for name in model.fields}
        needs.add(("fields", *base))
    bases = model.bases if [base for base in model.bases if not _is_model_class(base)] else None
    create = CreateModel(model.name, fields, options, bases, model.managers)
    yield Change(key[0], create, frozenset({("model", *key)}), frozenset(needs - {("model", *key)}))
    for name in [name for name in model.fields if name in put_off]:
        add = AddField(model.name.lower(), name, model.fields[name])
        gives = frozenset({("field", *key, name), ("fields", *key)})
        yield Change(key[0], add, gives, frozenset({("model", *key)} | _facts_of(model.references[name])))
    after_fields = frozenset({("model", *key), ("fields", *key)})
    if later_rules.get("order_with_respect_to"):
        yield Change(
            key[0], AlterOrderWithRespectTo(model.name, later_rules["order_with_respect_to"]), needs=after_fields
        )
    if later_rules.get("unique_together"):
        yield Change(key[0], AlterUniqueTogether(model.name, later_rules["unique_together"]), needs=after_fields)
    for index in later_rules.get("indexes", ()):
        yield Change(key[0], AddIndex(model.name.lower(), index), needs=after_fields)
    for constraint in later_rules.get("constraints", ()):
        yield Change(key[0], AddConstraint(model.name.lower(), constraint), needs=after_fields)


def _deleted_models(comparison: Comparison) -> Iterator[Change]:
    deleted = {model.key: model for model in comparison.deleted()}
    circle = circles(_needs_of(deleted, hard=False))
    for key, model in deleted.items():
        cut_off = [
            name
            for name, reference in model.references.items()
            if not _is_hard(model, name, reference) and (circle[key] - {key}) & {reference.to, reference.through}
        ]
        if cut_off:
            yield from _cut_off(model, cut_off)
    for key, model in deleted.items():
        needs: set[Fact] = set()
        for other in comparison.old.models.values():
            if key in other.base_keys and other.key in deleted:
                needs.add(("gone", *other.key))
            for name, reference in other.references.items():
                if other.key != key and key in {reference.to, reference.through}:
                    if other.key in deleted and other.key not in circle[key]:
                        needs.add(("gone", *other.key))
                    needs |= {("field gone", *other.key, name), ("altered", *other.key, name)}
        needs |= {("field gone", *key, name) for name in model.fields}
        yield Change(key[0], DeleteModel(model.name), frozenset({("gone", *key)}), frozenset(needs))


def _cut_off(model: ModelState, names: list[str]) -> Iterator[Change]:
    """Yield the removal of fields by which models that all go refer to each other, and of the rules about them."""
    key, lower = model.key, model.name.lower()
    gone = frozenset({("rules gone", *key)})
    if model.options.get("order_with_respect_to") in names:
        yield Change(key[0], AlterOrderWithRespectTo(model.name, None), gone)
    if any(set(names) & set(together) for together in model.options["unique_together"]):
        kept = {together for together in model.options["unique_together"] if not set(names) & set(together)}
        yield Change(key[0], AlterUniqueTogether(model.name, kept), gone)
    for constraint in model.options["constraints"]:
        yield Change(key[0], RemoveConstraint(lower, constraint.name), gone)
    for index in model.options["indexes"]:
        yield Change(key[0], RemoveIndex(lower, index.name), gone)
    for name in names:
        yield Change(key[0], RemoveField(lower, name), frozenset({("field gone", *key, name)}), gone)


def _needs_of(models: dict[ModelKey, ModelState], *, hard: bool) -> dict[ModelKey, set[ModelKey]]:
    """Return what each of the models needs among them; ``hard``: only what its table cannot be made without."""
    found: dict[ModelKey, set[ModelKey]] = {}
    for key, model in models.items():
        needs = set(model.base_keys)
        for name, reference in model.references.items():
            if not hard or _is_hard(model, name, reference):
                needs |= {reference.to} | ({reference.through} if reference.through else set())
        found[key] = (needs & models.keys()) - {key}
    return found


def _is_hard(model: ModelState, name: str, reference: Reference) -> bool:
    """Whether a relation cannot be added later: it is, or is part of, the primary key."""
    item = model.fields[name]
    return reference.parent_link or item.primary_key


def _rank(keys: list[ModelKey], hard: dict[ModelKey, set[ModelKey]]) -> dict[ModelKey, int]:
    """Return positions by app and definition in which nothing stands before what it cannot be made without."""
    ordered: dict[ModelKey, int] = {}

    def place(key: ModelKey, path: tuple[ModelKey, ...]) -> None:
        if key in ordered or key in path:
            return
        for other in sorted(hard[key], key=keys.index):
            place(other, (*path, key))
        ordered[key] = len(ordered)

    for key in sorted(keys, key=lambda item: (item[0], keys.index(item))):
        place(key, ())
    return ordered


# ── options ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _options(before: ModelState, after: ModelState) -> Iterator[Change]:
    key = after.key
    needs = frozenset({("model", *key)})
    old, new = ({name: m.options[name] for name in STATE_OPTIONS if name in m.options} for m in (before, after))
    if deep_deconstruct(_listed(old)) != deep_deconstruct(_listed(new)):
        yield Change(key[0], AlterModelOptions(after.name, new), needs=needs | {("fields", *key)})
    if not is_proxy(after) and after.has_table:
        if before.options.get("db_table") != after.options.get("db_table"):
            yield Change(key[0], AlterModelTable(after.name, after.options.get("db_table")), needs=needs)
        comments = before.options.get("db_table_comment") or None, after.options.get("db_table_comment") or None
        if comments[0] != comments[1]:
            yield Change(key[0], AlterModelTableComment(after.name, comments[1]), needs=needs)
    order = before.options.get("order_with_respect_to"), after.options.get("order_with_respect_to")
    if order[0] != order[1]:
        # Before the old field goes, and after the new one has come.
        there: frozenset[Fact] = frozenset({("field", *key, order[1])}) if order[1] is not None else frozenset()
        operation = AlterOrderWithRespectTo(after.name, order[1])
        yield Change(key[0], operation, frozenset({("order", *key)}), needs | there)
    if deep_deconstruct(before.managers) != deep_deconstruct(after.managers):
        yield Change(key[0], AlterModelManagers(after.name, after.managers), needs=needs)


def _listed(options: dict[str, Any]) -> dict[str, Any]:
    """Return options with tuples as lists: which of the two a Meta is written with makes no difference."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in options.items()}


# ── fields ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Pairs(Struct, frozen=True):
    """The fields of a model that is on both sides."""

    removed: list[str]
    added: list[str]
    altered: list[str]

    @property
    def anew(self) -> set[str]:
        """Fields that are removed and added under the same name."""
        return set(self.removed) & set(self.added)


def _field_pairs(before: ModelState, after: ModelState) -> _Pairs:
    removed = [name for name in before.fields if name not in after.fields]
    added = [name for name in after.fields if name not in before.fields]
    altered: list[str] = []
    for name in after.fields:
        if name not in before.fields or before.fields[name] is after.fields[name]:
            continue
        old, new = before.fields[name], after.fields[name]
        if signature(old) == signature(new):
            continue
        if _alterable(old, new, after.key):
            altered.append(name)
        else:
            removed.append(name)
            added.append(name)
    return _Pairs(removed, added, altered)


def _alterable(old: Field[Any], new: Field[Any], key: ModelKey) -> bool:
    """Whether an ALTER can lead from one field to the other; else it is removed and added."""
    if old.generated or new.generated:
        same = signature(old)[2].get("expression") == signature(new)[2].get("expression")
        return old.generated == new.generated and same
    before, after = reference_of(old, *key), reference_of(new, *key)
    if bool(before and before.many) != bool(after and after.many):
        return False
    if before is not None and after is not None and before.many:
        return (before.to, before.through) == (after.to, after.through)
    return True


def _removed_fields(before: ModelState, pairs: _Pairs) -> Iterator[Change]:
    key = before.key
    generated = {("field gone", *key, name) for name in pairs.removed if before.fields[name].generated}
    for name in pairs.removed:
        gives = frozenset({("field gone", *key, name)})
        needs: set[Fact] = {("model", *key), ("rules gone", *key)}
        if name == before.options.get("order_with_respect_to"):
            needs.add(("order", *key))
        if not before.fields[name].generated:
            needs |= generated
        yield Change(key[0], RemoveField(before.name.lower(), name), gives, frozenset(needs - gives))


def _added_fields(comparison: Comparison, after: ModelState, pairs: _Pairs) -> Iterator[Change]:
    key = after.key
    plain = {("field", *key, name) for name in pairs.added if not after.fields[name].generated}
    children = comparison.children(key) if pairs.added else ()
    for name in pairs.added:
        item = after.fields[name]
        needs: set[Fact] = {("model", *key)}
        if name in pairs.anew:
            needs.add(("field gone", *key, name))
        if item.primary_key:
            needs |= {("field gone", *key, other) for other in pairs.removed}
        if item.generated:
            needs |= plain
        reference = after.references.get(name)
        if reference is not None:
            needs |= _facts_of(reference)
        for base in after.base_keys:
            needs.add(("field gone", *base, name))
        # A parent cannot have a field of that name while a child has.
        needs |= {fact for child in children for fact in (("field gone", *child, name), ("gone", *child))}
        filled, preserve = _with_fill(comparison, after, name, item)
        gives = frozenset({("field", *key, name), ("fields", *key)})
        operation = AddField(after.name.lower(), name, filled, preserve)
        yield Change(key[0], operation, gives, frozenset(needs - gives))


def _with_fill(comparison: Comparison, model: ModelState, name: str, item: Field[Any]) -> tuple[Field[Any], bool]:
    """Return the field with a default for existing rows, and whether that default is the model's own."""
    place = model.app_label, model.name, name
    if item.many_to_many or item.generated or item.null or item.has_db_default():
        return item, True
    if item.has_default():
        if item.unique and callable(item.default) and not comparison.questioner.confirm_shared_default(*place):
            raise SystemExit(3)
        return item, True
    if item.blank and item.empty_strings_allowed and not item.is_relation:
        return item, True
    default = comparison.questioner.default_for_new(*place, item)
    return (item, True) if default is NO_DEFAULT else (clone_with(item, default=default), False)


def _altered_fields(comparison: Comparison, before: ModelState, after: ModelState, pairs: _Pairs) -> Iterator[Change]:
    key = after.key
    for name in pairs.altered:
        old, new = before.fields[name], after.fields[name]
        needs: set[Fact] = {("model", *key), ("rules gone", *key)}
        reference = after.references.get(name)
        if reference is not None:
            needs |= _facts_of(reference)
        if new.primary_key and not old.primary_key:
            needs |= {("field gone", *key, other) for other in pairs.removed}
        preserve = True
        if old.null and not new.null and not (new.many_to_many or new.has_default() or new.has_db_default()):
            default = comparison.questioner.default_for_not_null(after.app_label, after.name, name, new)
            if default is not NO_DEFAULT:
                new, preserve = clone_with(new, default=default), False
        operation = AlterField(after.name.lower(), name, new, preserve)
        gives = frozenset({("altered", *key, name), ("fields", *key)})
        yield Change(key[0], operation, gives, frozenset(needs))


# ── rules ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _removed_rules(before: ModelState, after: ModelState, pairs: _Pairs) -> Iterator[Change]:
    key = after.key
    gives = frozenset({("rules gone", *key)})
    for index in _only_in(before, after, "indexes", pairs):
        if _renamed_index(index, before, after, pairs) is None:
            yield Change(key[0], RemoveIndex(after.name.lower(), index.name), gives, frozenset({("model", *key)}))
    for constraint in _only_in(before, after, "constraints", pairs):
        if _same_but_message(constraint, after) is None or _about(constraint) & pairs.anew:
            operation = RemoveConstraint(after.name.lower(), constraint.name)
            yield Change(key[0], operation, gives, frozenset({("model", *key)}))
    shrunk = _shrunk(before, pairs)
    if shrunk != before.options["unique_together"]:
        yield Change(key[0], AlterUniqueTogether(after.name, shrunk), gives, frozenset({("model", *key)}))


def _added_rules(before: ModelState, after: ModelState, pairs: _Pairs) -> Iterator[Change]:
    key, lower = after.key, after.name.lower()
    needs = frozenset({("model", *key), ("fields", *key), ("rules gone", *key)})
    renamed = {}
    for index in _only_in(before, after, "indexes", pairs):
        other = _renamed_index(index, before, after, pairs)
        if other is not None:
            renamed[other.name] = index.name
    for index in _only_in(after, before, "indexes", pairs):
        if index.name in renamed:
            yield Change(key[0], RenameIndex(lower, index.name, old_name=renamed[index.name]), needs=needs)
        else:
            yield Change(key[0], AddIndex(lower, index), needs=needs)
    for constraint in _only_in(after, before, "constraints", pairs):
        if _same_but_message(constraint, before) is not None and not _about(constraint) & pairs.anew:
            yield Change(key[0], AlterConstraint(lower, constraint.name, constraint), needs=needs)
        else:
            yield Change(key[0], AddConstraint(lower, constraint), needs=needs)


def _together(before: ModelState, after: ModelState, pairs: _Pairs) -> Iterator[Change]:
    key = after.key
    wanted = after.options["unique_together"]
    if _shrunk(before, pairs) != wanted:
        needs = frozenset({("model", *key), ("fields", *key), ("rules gone", *key)})
        yield Change(key[0], AlterUniqueTogether(after.name, wanted), needs=needs)


def _shrunk(before: ModelState, pairs: _Pairs) -> set[tuple[str, ...]]:
    """Return ``unique_together`` without the rules about fields that are removed."""
    return {names for names in before.options["unique_together"] if not set(names) & set(pairs.removed)}


def _only_in(one: ModelState, other: ModelState, kind: str, pairs: _Pairs) -> list[Any]:
    """Return the rules of one side that the other has not, or that name a field which is made anew."""
    there = [deep_deconstruct(rule) for rule in other.options[kind]]
    return [rule for rule in one.options[kind] if deep_deconstruct(rule) not in there or _about(rule) & pairs.anew]


def _renamed_index(index: Any, before: ModelState, after: ModelState, pairs: _Pairs) -> Any:
    """Return the new index that is ``index`` under another name."""
    if _about(index) & pairs.anew:
        return None
    for other in _only_in(after, before, "indexes", pairs):
        is_new = all(kept.name != other.name for kept in before.options["indexes"])
        if is_new and _without_name(other) == _without_name(index):
            return other
    return None


def _without_name(rule: Any) -> Any:
    path, args, kwargs = rule.deconstruct()[-3:]
    return path, deep_deconstruct(list(args)), deep_deconstruct({k: v for k, v in kwargs.items() if k != "name"})


def _same_but_message(constraint: Any, other: ModelState) -> Any:
    """Return the constraint of that name on the other side, when the database cannot tell the two apart."""
    for candidate in other.options["constraints"]:
        if candidate.name == constraint.name and _for_database(candidate) == _for_database(constraint):
            return candidate
    return None


def _for_database(constraint: Any) -> Any:
    path, args, kwargs = constraint.deconstruct()[-3:]
    unseen = {"violation_error_code", "violation_error_message"}
    return path, deep_deconstruct(list(args)), deep_deconstruct({k: v for k, v in kwargs.items() if k not in unseen})


def _about(rule: Any) -> set[str]:
    return {name.lstrip("-") for name in getattr(rule, "fields", None) or ()}


# ── small facts ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _facts_of(reference: Reference) -> set[Fact]:
    """Return what must be there for a relation."""
    facts: set[Fact] = {("model", *reference.to)}
    if reference.through is not None:
        facts.add(("model", *reference.through))
    if reference.to_field is not None:
        facts |= {("field", *reference.to, reference.to_field), ("altered", *reference.to, reference.to_field)}
    return facts


def _is_model_class(base: type | str) -> bool:
    return isinstance(base, type) and base.__module__ == "covet.db.models.base" and base.__name__ == "Model"
