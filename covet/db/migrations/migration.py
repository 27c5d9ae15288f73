"""``Migration``: what a migration file declares, and how its operations are carried out one after another."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from covet.db.errors import IntegrityError
from covet.db.migrations.errors import Irreversible, MigrationError, MigrationFailed
from covet.db.migrations.journal import StepJournal
from covet.db.migrations.operations.base import Operation
from covet.exceptions import CovetError

if TYPE_CHECKING:
    from covet.db.backends.schema import SchemaEditor
    from covet.db.migrations.state import ProjectState

__all__ = ["Migration", "SwappableDependency", "Watch", "swappable_dependency"]

Watch: TypeAlias = Callable[[Operation, "float | None"], None]

_NAME_LENGTH = 52


class SwappableDependency(tuple[str, str]):
    """A dependency on the first migration of whatever app a setting names."""

    setting: str

    def __new__(cls, app_label: str, setting: str) -> SwappableDependency:
        """Depend on the first migration of ``app_label``, which ``setting`` named."""
        self = super().__new__(cls, (app_label, "__first__"))
        self.setting = setting
        return self


def swappable_dependency(value: str) -> SwappableDependency:
    """Return the dependency on the app of a model that a setting names, such as ``settings.AUTH_USER_MODEL``."""
    return SwappableDependency(value.split(".", 1)[0], value)


class Migration:
    """One step of an app's history; a migration file holds a subclass called ``Migration``.

    Attributes:
        operations: What is done, in order.
        dependencies: ``(app_label, name)`` of migrations that run before; ``"__first__"`` and ``"__latest__"`` stand for
            an app's first and last.
        run_before: Migrations of other apps that have to wait for this one.
        replaces: Migrations that this one stands for.
        initial: Whether it creates the app's first tables; ``None``: when it depends on none of its own app.
        atomic: Whether it runs in one transaction, where the database can.
        lock_timeout_s: How long a statement waits for a lock, in seconds; ``None``: without end. By default
            MIGRATION_LOCK_TIMEOUT_S says.
        statement_timeout_s: How long a statement may take; by default MIGRATION_STATEMENT_TIMEOUT_S says.
        mysql_algorithm: By which ``ALGORITHM`` MySQL and MariaDB may change tables: ``"INSTANT"``, ``"NOCOPY"`` (MariaDB),
            ``"INPLACE"`` or ``"COPY"``. A change that needs more is refused by the server before it begins.
        mysql_lock: What they may keep others from meanwhile (``LOCK``): ``"NONE"``, ``"SHARED"`` or ``"EXCLUSIVE"``.
        safe: Findings of ``migrate --lint`` that are known and do no harm here: their codes, each with the reason.
    """

    operations: Sequence[Operation] = ()
    dependencies: Sequence[tuple[str, str]] = ()
    run_before: Sequence[tuple[str, str]] = ()
    replaces: Sequence[tuple[str, str]] = ()
    initial: bool | None = None
    atomic: bool = True
    lock_timeout_s: float | Literal["setting"] | None = "setting"
    statement_timeout_s: float | Literal["setting"] | None = "setting"
    mysql_algorithm: str | None = None
    mysql_lock: str | None = None
    safe: Mapping[str, str] = MappingProxyType({})

    def __init__(self, name: str, app_label: str) -> None:
        self.name = name
        self.app_label = app_label
        # Copies: a migration under construction is changed, the class that a file declares is not.
        self.operations = list(self.operations)
        self.dependencies = list(self.dependencies)
        self.run_before = list(self.run_before)
        self.replaces = list(self.replaces)

    @classmethod
    def build(
        cls,
        name: str,
        app_label: str,
        operations: Sequence[Operation],
        dependencies: Sequence[tuple[str, str]] = (),
        *,
        initial: bool | None = None,
    ) -> Migration:
        """Return a migration made in memory, to be written to a file."""
        migration = cls(name, app_label)
        migration.operations = list(operations)
        migration.dependencies = list(dependencies)
        migration.initial = initial
        return migration

    @property
    def key(self) -> tuple[str, str]:
        """``(app_label, name)``."""
        return self.app_label, self.name

    def __repr__(self) -> str:
        return f"<Migration {self}>"

    def __str__(self) -> str:
        return f"{self.app_label}.{self.name}"

    def mutate_state(self, state: ProjectState) -> ProjectState:
        """Return what the models are after this migration; ``state`` itself is left alone."""
        state = state.clone()
        for operation in self.operations:
            operation.state_forwards(self.app_label, state)
        return state

    async def apply(self, state: ProjectState, editor: SchemaEditor, watch: Watch | None = None) -> ProjectState:
        """Carry out all operations on the database; return the state after them.

        Args:
            state: What is there before.
            editor: Changes the database. With a log it skips what an earlier process has done.
            watch: Told of each operation when it begins, and with its seconds when it has ended.
        """
        for index, operation in enumerate(self.operations):
            before = state
            state = state.clone()
            operation.state_forwards(self.app_label, state)
            await self._run(index, editor, before, state, done=self.operations[:index], watch=watch)
        return state

    async def unapply(self, state: ProjectState, editor: SchemaEditor, watch: Watch | None = None) -> None:
        """Undo all operations on the database, the last one first; ``state`` is what was before this migration.

        Raises:
            Irreversible: An operation cannot be undone; nothing has been changed then.
        """
        self.require_reversible()
        done: list[Operation] = []
        for index, before, after in reversed(self.states(state)):
            await self._run(index, editor, after, before, done=done, backwards=True, watch=watch)
            done.append(self.operations[index])

    def states(self, state: ProjectState) -> list[tuple[int, ProjectState, ProjectState]]:
        """Return for each operation its place and the states before and after it."""
        steps: list[tuple[int, ProjectState, ProjectState]] = []
        for index, operation in enumerate(self.operations):
            before = state
            state = state.clone()
            operation.state_forwards(self.app_label, state)
            steps.append((index, before, state))
        return steps

    async def _run(
        self,
        index: int,
        editor: SchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
        *,
        done: Sequence[Operation],
        backwards: bool = False,
        watch: Watch | None = None,
    ) -> None:
        """Run one operation; a failure says which one it was and what stays of those before it."""
        operation, log = self.operations[index], editor.log
        if isinstance(log, StepJournal) and not log.starts(index, editor):
            return
        if watch is not None:
            watch(operation, None)
        began = time.perf_counter()
        try:
            await operation.run(
                self.app_label, editor, from_state, to_state, backwards=backwards, migration_atomic=self.atomic
            )
            if isinstance(log, StepJournal) and log.needs_end:
                await log.ends(editor)
            if watch is not None:
                watch(operation, time.perf_counter() - began)
        except MigrationError:
            raise
        except Exception as error:
            raise MigrationFailed(self._failure(operation, error, editor, done, backwards=backwards)) from error

    def _failure(
        self,
        operation: Operation,
        error: Exception,
        editor: SchemaEditor,
        done: Sequence[Operation],
        *,
        backwards: bool,
    ) -> str:
        text = str(error).strip()
        if isinstance(error, IntegrityError):
            from covet.db.migrations.unfit_rows import unfit_rows  # only a failure needs it

            text = unfit_rows(operation, error) or text
        text = text.rstrip(".") or type(error).__name__
        kind = "" if isinstance(error, CovetError) else f"{type(error).__name__}: "
        line = f"Migration {self} failed{' on the way back' if backwards else ''} at '{operation.describe()}': {kind}{text}."
        if editor.dialect.vendor == "postgresql":
            from covet.db.migrations.extensions import extension_hint  # only a failure needs it

            line = f"{line} {extension_hint(text)}".rstrip()
        if editor.atomic:
            return f"{line} Nothing of it was kept."
        ran = editor.log.ran if isinstance(editor.log, StepJournal) else []
        if not done and not ran:
            return f"{line} Nothing of it had been done before, and it is not recorded."
        kept = f", so this stays done: {'; '.join(item.describe() for item in done)}" if done else ""
        part = f" Of the failed operation these statements have run: {'; '.join(ran)}." if ran else ""
        return (
            f"{line} It has no transaction{kept}.{part} Run migrate again to go on from there, or take back what was done: "
            "manage.py migrate --rollback-partial"
        )

    def require_reversible(self) -> None:
        """Raise ``Irreversible`` when an operation cannot be undone."""
        for operation in self.operations:
            if not operation.reversible:
                raise Irreversible(
                    f"Migration {self} cannot be undone: '{operation.describe()}' has no way back. "
                    + (operation.reverse_hint or "Nothing was changed.")
                )

    @property
    def is_initial(self) -> bool:
        """Whether it creates its app's first tables."""
        if self.initial is not None:
            return self.initial
        return all(app_label != self.app_label for app_label, _ in self.dependencies)

    def suggest_name(self) -> str:
        """Return a name that says what the operations do, without the number."""
        if self.initial:
            return "initial"
        fragments = [re.sub(r"\W+", "_", operation.name_fragment) for operation in self.operations]
        fragments = [fragment for fragment in fragments if fragment]
        return _joined(fragments) if fragments else "custom"


def _joined(fragments: list[str]) -> str:
    name = fragments[0]
    for fragment in fragments[1:]:
        longer = f"{name}_{fragment}"
        if len(longer) > _NAME_LENGTH:
            return f"{name}_and_more"
        name = longer
    return name
