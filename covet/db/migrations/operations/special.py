"""Operations that carry code of the project: Python functions, SQL texts, and state without database or the reverse."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from covet.concurrency import signature, to_thread
from covet.db.migrations.errors import MigrationError
from covet.db.migrations.left_calls import refuse_left_calls
from covet.db.migrations.operations.base import Operation
from covet.db.migrations.signature import ModelKey
from covet.db.routers import router

if TYPE_CHECKING:
    from covet.db.backends.schema import SchemaEditor
    from covet.db.migrations.render import StateApps
    from covet.db.migrations.state import ProjectState

__all__ = ["RunPython", "RunSQL", "SeparateDatabaseAndState"]

Code: TypeAlias = "Callable[[StateApps, SchemaEditor], Any]"
SQL: TypeAlias = "str | Sequence[str | tuple[str, Sequence[Any] | None]]"


class RunPython(Operation):
    """Run a function ``(apps, schema_editor)``, sync or async, with the models as they were at this point.

    ``apps.get_model("blog", "Article")`` gives a historical model; queries of the function join the migration's
    transaction. A sync function runs in a thread, where ``covet.run_sync`` reaches the database. Where the database
    cannot change tables in a transaction, the function gets a transaction of its own unless ``atomic=False``.
    Calls that it leaves without ``await`` fail the migration.
    """

    symbol = "p"
    reverse_hint = "Give RunPython a reverse_code; RunPython.noop if there is nothing to undo."

    def __init__(
        self,
        code: Code,
        reverse_code: Code | None = None,
        atomic: bool | None = None,
        hints: Mapping[str, Any] | None = None,
        elidable: bool = False,
    ) -> None:
        for function in (code, reverse_code):
            if function is not None and not callable(function):
                raise MigrationError(f"RunPython needs a function (apps, schema_editor), not {function!r}.")
        self.code = code
        self.reverse_code = reverse_code
        self.atomic = atomic
        self.hints = dict(hints) if hints else None
        self.elidable = elidable

    @staticmethod
    def noop(apps: StateApps, schema_editor: SchemaEditor) -> None:
        """Do nothing: the way back of a change that needs none."""

    @property
    def reversible(self) -> bool:  # type: ignore[override]  # depends on the arguments
        """Whether there is a function for the way back."""
        return self.reverse_code is not None

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Leave the models alone."""

    async def database_forwards(
        self, app_label: str, schema_editor: SchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Run the function with the models before it."""
        await self._call(self.code, app_label, schema_editor, from_state)

    async def database_backwards(
        self, app_label: str, schema_editor: SchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Run the function for the way back."""
        if self.reverse_code is not None:
            await self._call(self.reverse_code, app_label, schema_editor, from_state)

    def describe(self) -> str:
        """Say which function, with the first line of its docstring."""
        name = getattr(self.code, "__name__", type(self.code).__name__)
        summary = (inspect.getdoc(self.code) or "").partition("\n")[0]
        return f"Run Python function {name}" + (f": {summary}" if summary and name != "noop" else "")

    async def _call(self, code: Code, app_label: str, editor: SchemaEditor, state: ProjectState) -> None:
        if editor.collect or not router.allow_migrate(editor.alias, app_label, **(self.hints or {})):
            return
        _require_two_arguments(code)
        apps = state.apps
        with refuse_left_calls(getattr(code, "__name__", type(code).__name__)):
            if inspect.iscoroutinefunction(code) or inspect.iscoroutinefunction(getattr(code, "__call__", None)):  # noqa: B004
                await code(apps, editor)
            else:
                result = await to_thread(code, apps, editor)
                if inspect.isawaitable(result):
                    await result
        await editor.settle()


class RunSQL(Operation):
    """Run SQL: one text, a list of texts, or a list of ``(text, parameters)``.

    A plain text may hold several statements; a text with parameters is one statement whose ``%s`` take them.
    """

    symbol = "s"
    reverse_hint = "Give RunSQL a reverse_sql; RunSQL.noop if there is nothing to undo."
    noop = ""

    def __init__(
        self,
        sql: SQL,
        reverse_sql: SQL | None = None,
        state_operations: Sequence[Operation] | None = None,
        hints: Mapping[str, Any] | None = None,
        elidable: bool = False,
    ) -> None:
        self.sql = sql
        self.reverse_sql = reverse_sql
        self.state_operations = list(state_operations) if state_operations else None
        self.hints = dict(hints) if hints else None
        self.elidable = elidable

    @property
    def reversible(self) -> bool:  # type: ignore[override]  # depends on the arguments
        """Whether there is SQL for the way back."""
        return self.reverse_sql is not None

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Change the models as ``state_operations`` say."""
        for operation in self.state_operations or ():
            operation.state_forwards(app_label, state)

    async def database_forwards(
        self, app_label: str, schema_editor: SchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Run the SQL."""
        await self._run(self.sql, app_label, schema_editor)

    async def database_backwards(
        self, app_label: str, schema_editor: SchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Run the SQL for the way back."""
        if self.reverse_sql is not None:
            await self._run(self.reverse_sql, app_label, schema_editor)

    def describe(self) -> str:
        """Say that SQL runs, with its beginning."""
        first = self.sql if isinstance(self.sql, str) else next(iter(self.sql), "")
        text = " ".join((first if isinstance(first, str) else first[0]).split())
        return f"Run SQL: {text[:57]}{'…' if len(text) > 57 else ''}" if text else "Run no SQL"

    async def _run(self, sql: SQL, app_label: str, editor: SchemaEditor) -> None:
        if not router.allow_migrate(editor.alias, app_label, **(self.hints or {})):
            return
        for item in [sql] if isinstance(sql, str) else sql:
            if isinstance(item, str):
                for statement in split_statements(item):
                    await editor.execute(statement)
            else:
                text, args = item
                await editor.execute(text, tuple(args or ()))


class SeparateDatabaseAndState(Operation):
    """Do one thing to the database and another to the state of the models."""

    symbol = "?"

    def __init__(
        self,
        database_operations: Sequence[Operation] | None = None,
        state_operations: Sequence[Operation] | None = None,
    ) -> None:
        self.database_operations = list(database_operations or ())
        self.state_operations = list(state_operations or ())

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        """Return the arguments; empty ones are left out."""
        names = ("database_operations", "state_operations")
        return type(self).__name__, [], {name: value for name in names if (value := getattr(self, name))}

    @property
    def reversible(self) -> bool:  # type: ignore[override]  # depends on the operations
        """Whether each database operation is."""
        return all(operation.reversible for operation in self.database_operations)

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Change the models as ``state_operations`` say."""
        for operation in self.state_operations:
            operation.state_forwards(app_label, state)

    async def database_forwards(
        self, app_label: str, schema_editor: SchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Run the database operations, each with the state as those before it left it."""
        state = from_state
        for operation in self.database_operations:
            before, state = state, state.clone()
            operation.state_forwards(app_label, state)
            await operation.run(app_label, schema_editor, before, state)

    async def database_backwards(
        self, app_label: str, schema_editor: SchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Undo the database operations, the last one first."""
        states = [to_state]
        for operation in self.database_operations:
            states.append(states[-1].clone())
            operation.state_forwards(app_label, states[-1])
        for index in range(len(self.database_operations) - 1, -1, -1):
            operation = self.database_operations[index]
            await operation.run(app_label, schema_editor, states[index + 1], states[index], backwards=True)

    def models(self, app_label: str) -> set[ModelKey] | None:
        """Those of all operations inside."""
        found: set[ModelKey] = set()
        for operation in [*self.database_operations, *self.state_operations]:
            models = operation.models(app_label)
            if models is None:
                return None
            found |= models
        return found

    def describe(self) -> str:
        """Say what is inside."""
        inside = [operation.describe() for operation in self.database_operations or self.state_operations]
        return "Separate database and state: " + ("; ".join(inside) or "nothing")

    @property
    def name_fragment(self) -> str:
        """The pieces of what is inside."""
        inside = [operation.name_fragment for operation in self.database_operations or self.state_operations]
        return "_".join(fragment for fragment in inside if fragment)


def _require_two_arguments(code: Code) -> None:
    """Say what a function of RunPython takes, before it is called with something else."""
    try:
        signature(code).bind(None, None)
    except TypeError:
        name = getattr(code, "__qualname__", repr(code))
        raise MigrationError(
            f"RunPython calls {name} with two arguments: write def {name}(apps, schema_editor)."
        ) from None
    except ValueError:
        # A function of C without a signature: it will say itself.
        return


def split_statements(sql: str) -> list[str]:
    """Split a text at the semicolons that end statements: not those in quotes, comments or dollar-quoted bodies.

    A ``BEGIN … END`` body of a trigger is kept whole.
    """
    statements: list[str] = []
    start = position = 0
    depth = 0
    word = ""
    while position < len(sql):
        char = sql[position]
        skipped = _skip(sql, position)
        if skipped > position:
            position = skipped
            continue
        if char.isalpha():
            end = position
            while end < len(sql) and (sql[end].isalnum() or sql[end] == "_"):
                end += 1
            word = sql[position:end].upper()
            depth = _body_depth(depth, word, sql[start:position])
            position = end
            continue
        if char == ";" and not depth:
            statements.append(sql[start:position].strip())
            start = position + 1
        position += 1
    statements.append(sql[start:].strip())
    return [statement for statement in statements if _has_sql(statement)]


def _body_depth(depth: int, word: str, before: str) -> int:
    """Return how deep in BEGIN … END bodies the text is after ``word``; a bare ``BEGIN`` opens a transaction instead."""
    if word in {"BEGIN", "CASE"} and (depth or (word == "BEGIN" and before.lstrip()[:6].upper() == "CREATE")):
        return depth + 1
    return depth - 1 if word == "END" and depth else depth


def _skip(sql: str, position: int) -> int:
    """Return where a quoted text or comment that begins at ``position`` ends; ``position`` when none begins."""
    two = sql[position : position + 2]
    if two == "--":
        end = sql.find("\n", position)
        return len(sql) if end < 0 else end + 1
    if two == "/*":
        end = sql.find("*/", position + 2)
        return len(sql) if end < 0 else end + 2
    char = sql[position]
    if char in "'\"`":
        end = position + 1
        while end < len(sql):
            if sql[end] == char:
                if sql[end + 1 : end + 2] != char:
                    return end + 1
                end += 1
            elif sql[end] == "\\" and char == "'":
                end += 1
            end += 1
        return len(sql)
    if char == "$":
        close = sql.find("$", position + 1)
        tag = sql[position : close + 1] if close >= 0 else ""
        if tag and (tag == "$$" or tag[1:-1].isidentifier()):
            end = sql.find(tag, close + 1)
            return len(sql) if end < 0 else end + len(tag)
    return position


def _has_sql(statement: str) -> bool:
    position = 0
    while position < len(statement):
        char = statement[position]
        if not char.isspace():
            if statement[position : position + 2] not in {"--", "/*"}:
                return True
            position = _skip(statement, position)
            continue
        position += 1
    return False
