"""Carries the difference of two states to the tables of a database.

Tables follow from states: each operation names the models whose tables may differ, and the schema editor is given both
definitions. So a database that was migrated step by step and one that was created at once have the same schema, and the
way back needs no code of its own.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import replace

from covet import timezone
from covet.db.migrations.render import render
from covet.db.migrations.signature import ModelKey
from covet.db.models.fields.order import OrderWrt
from covet.db.models.requirements import fits
from covet.db.models.table import table_of
from covet.db.sql.ddl import ColumnDef, ForeignKeyDef, TableDef
from covet.db.sql.nodes import Bound

if TYPE_CHECKING:
    from covet.db.backends.schema import SchemaEditor
    from covet.db.database import Database
    from covet.db.migrations.model_state import ModelState
    from covet.db.migrations.state import ProjectState
    from covet.db.models.fields.base import Field

__all__ = ["Moves", "Owned", "change_tables", "tables_of"]


class Moves(Struct, frozen=True):
    """What an operation may change.

    Attributes:
        models: Keys of the models whose tables may differ, as they are after it.
        renamed_model: Old and new key of a renamed model.
        renamed_field: Model, old and new name of a renamed field.
        fills: Fields by name whose default existing rows get.
        with_referrers: Whether the tables of models that refer to them may differ too.
    """

    models: tuple[ModelKey, ...] = ()
    renamed_model: tuple[ModelKey, ModelKey] | None = None
    renamed_field: tuple[ModelKey, str, str] | None = None
    fills: Mapping[str, Field[Any]] = field(default_factory=dict)
    with_referrers: bool = False

    def inverse(self) -> Moves:
        """Return what the way back may change: its new rows are filled by the fields' own defaults."""
        models, renamed_field, renamed_model = self.models, self.renamed_field, self.renamed_model
        if renamed_model is not None:
            old, new = renamed_model
            models = tuple(old if key == new else key for key in models)
            renamed_model = (new, old)
        if renamed_field is not None:
            renamed_field = (renamed_field[0], renamed_field[2], renamed_field[1])
        return Moves(models, renamed_model, renamed_field, {}, self.with_referrers)

    def before(self, key: ModelKey) -> ModelKey:
        """Return the key that a model of the new state has in the old one."""
        return self.renamed_model[0] if self.renamed_model is not None and self.renamed_model[1] == key else key


class Owned(Struct, frozen=True):
    """A table of a model: its own, or that of a many-to-many field without a through model.

    Attributes:
        table: The definition.
        roles: Column names by what they are for: the field's name, or ``id``, ``from`` and ``to``.
        fields: The fields of the columns.
    """

    table: TableDef
    roles: Mapping[str, str]
    fields: Mapping[str, Field[Any]]


class _Pair(Struct):
    """One table before and after."""

    old: Owned | None
    new: Owned | None
    renamed: dict[str, str] = field(default_factory=dict)


def tables_of(state: ProjectState, key: ModelKey) -> dict[str, Owned]:
    """Return the tables that a model owns: its own under ``""``, those of many-to-many fields under the field's name.

    Only the model and what it refers to is rendered, and the result is kept with the state of the model: a long history
    costs in proportion to its operations, not to operations times models.
    """
    model = state.models.get(key)
    if model is None or not model.has_table:
        return {}
    closure = _needed(state, model)
    kept = model.__dict__.get("_tables")
    if kept is not None and len(kept[0]) == len(closure) and all(a is b for a, b in zip(kept[0], closure, strict=True)):
        owned: dict[str, Owned] = kept[1]
        return owned
    cls = render(closure).get_model(*key)
    owned = {} if cls._meta.swapped else _owned(cls)
    model.__dict__["_tables"] = (closure, owned)
    return owned


def has_place(database: Database, model: ModelState | None) -> bool:
    """Return whether a database has what the model asks for; one that has not gets no table."""
    if model is None:
        return True
    options = model.options
    return fits(database, options.get("required_db_vendor"), options.get("required_db_features", ()))


async def change_tables(editor: SchemaEditor, old: ProjectState, new: ProjectState, moves: Moves) -> None:
    """Make the tables of the old state those of the new one."""
    pairs: list[_Pair] = []
    for key in _affected(old, new, moves):
        if has_place(editor.database, new.models.get(key) or old.models.get(moves.before(key))):
            pairs.extend(_pairs(old, new, key, moves))
    if any(pair.old is not None for pair in pairs):
        # Foreign keys of tables that this migration has made wait for its end; they must be there, under the names of
        # this moment, before a table is dropped, renamed or altered.
        await editor.finish()
    for pair in reversed(pairs):
        if pair.old is not None and pair.new is None:
            await editor.drop_table(pair.old.table.name)
    kept = [pair for pair in pairs if pair.old is not None and pair.new is not None]
    renamed_tables: dict[str, str] = {}
    for pair in kept:
        assert pair.old is not None and pair.new is not None
        before, after = pair.old.table.name, pair.new.table.name
        if before != after:
            await editor.rename_table(before, after)
            renamed_tables[before] = after
    await _alter(editor, kept, renamed_tables, moves)
    for pair in pairs:
        if pair.old is None and pair.new is not None:
            await editor.create_table(pair.new.table)


async def _alter(editor: SchemaEditor, pairs: list[_Pair], renamed_tables: dict[str, str], moves: Moves) -> None:
    """Alter the tables that exist on both sides.

    Where the type of a column changes that foreign keys refer to, those keys are taken off first and put on last: no
    database checks them in between, and MariaDB refuses otherwise.
    """
    befores = [_followed(pair.old, pair.new, renamed_tables) for pair in pairs if pair.old and pair.new]
    afters = [_filled(pair, moves) for pair in pairs]
    retyped = {
        (after.name, new_name)
        for before, after, pair in zip(befores, afters, pairs, strict=True)
        for new_name in _retyped(before, after, pair.renamed)
    }
    put_back: list[tuple[TableDef, TableDef]] = []
    for index, before in enumerate(befores):
        kept = tuple(key for key in before.foreign_keys if not _refers_to(key, retyped, pairs))
        if kept != before.foreign_keys:
            bare = replace(before, foreign_keys=kept)
            await editor.alter_table(before, bare, {})
            befores[index] = bare
            without = tuple(key for key in afters[index].foreign_keys if not _refers_to(key, retyped, pairs))
            put_back.append((replace(_plain(afters[index]), foreign_keys=without), _plain(afters[index])))
            afters[index] = replace(afters[index], foreign_keys=without)
    for before, after, pair in zip(befores, afters, pairs, strict=True):
        if _plain(after) != before or pair.renamed:
            await editor.alter_table(before, after, pair.renamed)
    for before, after in put_back:
        await editor.alter_table(before, after, {})


def _owned(cls: Any) -> dict[str, Owned]:
    meta = cls._meta
    columns = meta.local_concrete_fields
    owned = {
        "": Owned(
            table_of(cls),
            {item.name: item.column for item in columns},
            {item.column: item for item in columns},
        )
    }
    for item in meta.local_many_to_many:
        through = item.remote_field.through
        if not through._meta.auto_created:
            continue
        parts = through._meta.local_concrete_fields
        roles = dict(zip(("id", "from", "to"), [part.column for part in parts], strict=True))
        owned[item.name] = Owned(table_of(through), roles, {part.column: part for part in parts})
    return owned


def _needed(state: ProjectState, model: ModelState) -> tuple[ModelState, ...]:
    """Return what must be rendered for the tables of a model: itself, and the keys of what it refers to.

    Of other models only the fields count that a foreign key's column is like: with whole models a table would cost as much
    as all that it is, however remotely, connected with.
    """
    own = model.without_through()
    wanted: dict[ModelKey, set[str]] = {}
    queue: list[tuple[ModelKey, str | None]] = [
        (reference.to, reference.to_field) for reference in own.references.values()
    ]
    queue += [(key, None) for key in own.base_keys]
    while queue:
        key, to_field = queue.pop()
        target = state.models.get(key)
        if key == model.key or target is None:
            # A missing one is reported by render(), with the field that refers to it.
            continue
        names = set(target.key_names)
        if to_field is not None:
            names.add(to_field)
        fresh = names - wanted.get(key, set())
        if key not in wanted:
            queue += [(base, None) for base in target.base_keys]
        wanted.setdefault(key, set()).update(names)
        for name in fresh:
            reference = target.references.get(name)
            if reference is not None:
                queue.append((reference.to, reference.to_field))
    return (own, *(state.models[key].only(frozenset(wanted[key])) for key in sorted(wanted)))


def _affected(old: ProjectState, new: ProjectState, moves: Moves) -> list[ModelKey]:
    """Return the models to compare, by their keys in the new state."""
    keys = dict.fromkeys(moves.models)
    queue = list(moves.models) if moves.with_referrers else []
    while queue:
        for other, is_key in _referring(queue.pop(), old, new, moves):
            if other in keys:
                continue
            keys[other] = None
            # A key that is a reference itself carries the change on to what refers to it.
            if is_key:
                queue.append(other)
    return list(keys)


def _referring(key: ModelKey, old: ProjectState, new: ProjectState, moves: Moves) -> Iterator[tuple[ModelKey, bool]]:
    """Yield the models whose references to this one may look different, and whether the reference is their key."""
    for state, there in ((old, moves.before(key)), (new, key)):
        for model, name in state.referrers(there):
            if _matters(state, there, model, name, moves):
                renamed = moves.renamed_model
                other = renamed[1] if renamed is not None and model.key == renamed[0] else model.key
                yield other, model.fields[name].primary_key


def _matters(state: ProjectState, key: ModelKey, model: ModelState, name: str, moves: Moves) -> bool:
    """Whether a reference to ``key`` may look different after a change to one of that model's fields."""
    if moves.renamed_model is not None or (not moves.fills and moves.renamed_field is None):
        return True
    target = model.references[name].to_field
    touched = set(moves.fills)
    if moves.renamed_field is not None:
        touched |= set(moves.renamed_field[1:])
    if key not in moves.models:
        return True
    if target is not None:
        return target in touched
    fields = state.models[key].fields if key in state.models else {}
    return any(item.primary_key for field_name, item in fields.items() if field_name in touched)


def _pairs(old: ProjectState, new: ProjectState, key: ModelKey, moves: Moves) -> Iterator[_Pair]:
    before, after = tables_of(old, moves.before(key)), tables_of(new, key)
    names: dict[str, str] = {}
    if moves.renamed_field is not None and moves.renamed_field[0] == key:
        names = {moves.renamed_field[1]: moves.renamed_field[2]}
    for name, table in before.items():
        counterpart = after.get(names.get(name, name))
        pair = _Pair(table, counterpart)
        if counterpart is not None:
            for role, column in table.roles.items():
                other = counterpart.roles.get(names.get(role, role) if not name else role)
                if other is not None and other != column:
                    pair.renamed[column] = other
        yield pair
    matched = {names.get(name, name) for name in before}
    yield from (_Pair(None, table) for name, table in after.items() if name not in matched)


def _followed(old: Owned, new: Owned, renamed_tables: Mapping[str, str]) -> TableDef:
    """Return the old definition as it is after renaming tables: databases carry that to foreign keys by themselves."""
    keys = tuple(
        replace(key, to_table=renamed_tables.get(key.to_table, key.to_table)) for key in old.table.foreign_keys
    )
    return replace(old.table, name=new.table.name, foreign_keys=keys)


def _retyped(before: TableDef, after: TableDef, renamed: Mapping[str, str]) -> Iterator[str]:
    there = {column.name: column for column in after.columns}
    for column in before.columns:
        other = there.get(renamed.get(column.name, column.name))
        if other is not None and other.type != column.type:
            yield other.name


def _refers_to(key: ForeignKeyDef, retyped: Iterable[tuple[str, str]], pairs: list[_Pair]) -> bool:
    names = {pair.new.table.name: pair.renamed for pair in pairs if pair.new is not None}
    renamed = names.get(key.to_table, {})
    return any((key.to_table, renamed.get(column, column)) in retyped for column in key.to_columns)


def _filled(pair: _Pair, moves: Moves) -> TableDef:
    """Return the new definition with what existing rows get in new columns and in those that may no longer be NULL."""
    assert pair.old is not None and pair.new is not None
    there = {pair.renamed.get(column.name, column.name): column for column in pair.old.table.columns}
    columns = tuple(_fill(column, there.get(column.name), pair.new, moves) for column in pair.new.table.columns)
    return replace(pair.new.table, columns=columns)


def _fill(column: ColumnDef, before: ColumnDef | None, owned: Owned, moves: Moves) -> ColumnDef:
    if column.generated is not None or column.identity:
        return column
    if before is not None and (column.null or not before.null):
        return column
    bound = owned.fields.get(column.name)
    if bound is None:
        return column
    value = _value_for_existing_rows(moves.fills.get(bound.name, bound))
    if value is None or (before is None and column.default is not None):
        return column
    if hasattr(value, "pk") and hasattr(value, "_meta"):
        value = value.pk
    return replace(column, backfill=Bound(bound.get_prep_value(value), column.type))


def _value_for_existing_rows(item: Field[Any]) -> Any:
    """Return the value of a field for rows that are there already; ``None`` when nothing says one."""
    if isinstance(item, OrderWrt):
        return 0
    if item.has_default():
        return item.get_default()
    if not item.null and item.blank and item.empty_strings_allowed and not item.is_relation:
        return b"" if item.get_internal_type() == "BinaryField" else ""
    if getattr(item, "auto_now", False) or getattr(item, "auto_now_add", False):
        now = timezone.now()
        kind = item.get_internal_type()
        return now if kind == "DateTimeField" else now.date() if kind == "DateField" else _time_of(now)
    return None


def _time_of(moment: datetime.datetime) -> datetime.time:
    return moment.time()


def _plain(table: TableDef) -> TableDef:
    return replace(table, columns=tuple(replace(column, backfill=None) for column in table.columns))
