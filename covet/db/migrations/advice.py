"""What is to be said about an operation beside the locks of its statements."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from covet.db.migrations.apply import tables_of
from covet.db.migrations.operations.columns import AddField, AlterField
from covet.db.migrations.operations.rules import AddIndex, RemoveIndex
from covet.db.migrations.operations.special import RunPython, RunSQL, split_statements

if TYPE_CHECKING:
    from covet.db.migrations.operations.base import Operation
    from covet.db.migrations.state import ProjectState
    from covet.db.migrations.statements import Effect

__all__ = ["Advice", "advice_on", "advice_on_all"]

_MANY_COLUMNS = 3
_MANY_LOCKS = 3
# What is known to take no lock that anybody notices, or none of a table.
_KNOWN = re.compile(
    r"(SELECT|INSERT|DELETE|WITH|COMMENT|SET|RESET|PRAGMA|ANALYZE|GRANT|REVOKE|BEGIN|COMMIT|"
    r"(CREATE|DROP|ALTER)\s+(OR\s+REPLACE\s+)?(TEMPORARY\s+)?(TABLE|EXTENSION|SCHEMA|TYPE|SEQUENCE|FUNCTION|PROCEDURE|VIEW|COLLATION|DOMAIN))\b",
    re.IGNORECASE,
)

_COMMENTS = re.compile(r"\A(\s|--[^\n]*\n|/\*.*?\*/)*", re.DOTALL)


class Advice(NamedTuple):
    """One thing to say: code, whether it is an error, what happens, and what to do in its place."""

    code: str
    is_error: bool
    message: str
    safe: tuple[str, ...]


def advice_on(
    operation: Operation,
    app_label: str,
    before: ProjectState,
    effects: Sequence[Effect],
    vendor: str,
    new_tables: set[str],
    *,
    backwards: bool = False,
) -> Iterator[Advice]:
    """Yield what is to be said about one operation; ``before`` are the models before it, also when it is undone."""
    if isinstance(operation, RunPython):
        yield from _real_models(operation.reverse_code if backwards else operation.code)
    if isinstance(operation, RunSQL):
        yield from _unknown_sql((operation.reverse_sql or []) if backwards else operation.sql, effects)
    if isinstance(operation, AddIndex if backwards else RemoveIndex) and vendor == "postgresql":
        yield from _dropped_index(operation, app_label, before, effects, new_tables)
    if backwards:
        return
    if isinstance(operation, AddIndex) and len(operation.index.fields) > _MANY_COLUMNS:
        yield Advice(
            "wide-index",
            False,
            f"The index has {len(operation.index.fields)} columns: it is large, slows each write, and serves few queries.",
            ("Index the two or three columns that narrow most.",),
        )
    if isinstance(operation, (AddField, AlterField)):
        yield from _on_delete(operation, app_label, before)


def advice_on_all(effects: Iterable[Effect], *, atomic: bool, vendor: str) -> Iterator[Advice]:
    """Yield what is to be said about a migration as a whole."""
    if vendor != "postgresql" or not atomic:
        return
    locked = {effect.table for effect in effects if effect.lock.startswith("ACCESS EXCLUSIVE")}
    if len(locked) >= _MANY_LOCKS:
        yield Advice(
            "many-locks",
            False,
            f"One transaction locks {len(locked)} tables against reads and writes, and holds the first until the last is done: "
            f"{', '.join(sorted(locked))}.",
            ("Make a migration for each table, so that each lock ends soon.",),
        )


def _dropped_index(
    operation: Any, app_label: str, before: ProjectState, effects: Sequence[Effect], new_tables: set[str]
) -> Iterator[Advice]:
    owned = tables_of(before, (app_label, operation.model_name.lower())).get("")
    if owned is None or owned.table.name in new_tables or not any(effect.matters for effect in effects):
        return
    if isinstance(operation, AddIndex):
        way = f'AddIndexConcurrently("{operation.model_name}", …), whose way back drops it concurrently'
    else:
        way = f'RemoveIndexConcurrently("{operation.model_name}", "{operation.name}")'
    yield Advice(
        "drop-index-not-concurrent",
        False,
        "The table can be neither read nor written while the index is dropped, and that waits for all who use it.",
        (f"In a migration with atomic = False: covet.postgres.operations.{way}",),
    )


def _real_models(function: Any) -> Iterator[Advice]:
    """Functions that use today's models fail on a database of tomorrow, when the models have moved on."""
    from covet.db.models.base import Model

    code: Any = getattr(function, "__code__", None)
    names = code.co_names if code is not None else ()
    there = getattr(function, "__globals__", {})
    used = [name for name in names if isinstance(there.get(name), type) and issubclass(there[name], Model)]
    if used:
        yield Advice(
            "real-model",
            True,
            f"{getattr(function, '__name__', function)} uses {', '.join(used)} as the models are today, not as they were "
            "at this migration.",
            (f'Ask for the model of that time: {used[0]} = apps.get_model("app_label", "{used[0]}")',),
        )


def _unknown_sql(sql: Any, effects: Sequence[Effect]) -> Iterator[Advice]:
    noticed = {" ".join(effect.sql.rstrip(";").split()) for effect in effects if effect.matters}
    for item in [sql] if isinstance(sql, str) else list(sql):
        for statement in split_statements(item if isinstance(item, str) else item[0]):
            text = " ".join(_COMMENTS.sub("", statement, count=1).split())
            if text not in noticed and not _KNOWN.match(text) and not any(text in known for known in noticed):
                yield Advice(
                    "raw-sql",
                    False,
                    f"Nothing is known about the locks of: {text[:80]}",
                    ("Look up its locks, and name 'raw-sql' with what you found in the migration's safe.",),
                )
                return


def _on_delete(operation: AddField | AlterField, app_label: str, before: ProjectState) -> Iterator[Advice]:
    """Rows that the database deletes by itself are deleted without signals, in one statement of any size."""
    new: Any = operation.field.remote_field
    if not isinstance(operation, AlterField) or new is None or operation.field.many_to_many:
        return
    old: Any = before.model(app_label, operation.model_name).field(operation.name).remote_field
    chosen = getattr(getattr(new, "on_delete", None), "__name__", str(getattr(new, "on_delete", "")))
    former = getattr(getattr(old, "on_delete", None), "__name__", str(getattr(old, "on_delete", "")))
    if "DB_CASCADE" in chosen and "DB_CASCADE" not in former:
        yield Advice(
            "db-cascade",
            False,
            "From now on the database deletes these rows by itself: no signals, and all of them in one statement.",
            ("Make sure that nothing waits for pre_delete or post_delete, and that no row has very many of them.",),
        )
