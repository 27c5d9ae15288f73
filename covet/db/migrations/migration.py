"""``Migration``: what a migration file declares, and how its operations are carried out one after another."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from covet.db.migrations.errors import Irreversible, MigrationError, MigrationFailed
from covet.db.migrations.operations.base import Operation
from covet.exceptions import CovetError

if TYPE_CHECKING:
    from covet.db.backends.schema import SchemaEditor
    from covet.db.migrations.state import ProjectState

__all__ = ["Migration", "SwappableDependency", "swappable_dependency"]

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
        safe: Findings of ``migrate --lint`` that are known and do no harm here: their codes, each with the reason.
    """

    operations: Sequence[Operation] = ()
    dependencies: Sequence[tuple[str, str]] = ()
    run_before: Sequence[tuple[str, str]] = ()
    replaces: Sequence[tuple[str, str]] = ()
    initial: bool | None = None
    atomic: bool = True
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

    async def apply(self, state: ProjectState, editor: SchemaEditor) -> ProjectState:
        """Carry out all operations on the database; return the state after them."""
        for index, operation in enumerate(self.operations):
            before = state
            state = state.clone()
            operation.state_forwards(self.app_label, state)
            await self._run(operation, editor, before, state, done=self.operations[:index])
        return state

    async def unapply(self, state: ProjectState, editor: SchemaEditor) -> None:
        """Undo all operations on the database, the last one first; ``state`` is what was before this migration.

        Raises:
            Irreversible: An operation cannot be undone; nothing has been changed then.
        """
        self.require_reversible()
        steps: list[tuple[Operation, ProjectState, ProjectState]] = []
        for operation in self.operations:
            before = state
            state = state.clone()
            operation.state_forwards(self.app_label, state)
            steps.append((operation, before, state))
        done: list[Operation] = []
        for operation, before, after in reversed(steps):
            await self._run(operation, editor, after, before, done=done, backwards=True)
            done.append(operation)

    async def _run(
        self,
        operation: Operation,
        editor: SchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
        *,
        done: Sequence[Operation],
        backwards: bool = False,
    ) -> None:
        """Run one operation; a failure says which one it was and what stays of those before it."""
        try:
            await operation.run(
                self.app_label, editor, from_state, to_state, backwards=backwards, migration_atomic=self.atomic
            )
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
        text = str(error).strip().rstrip(".") or type(error).__name__
        kind = "" if isinstance(error, CovetError) else f"{type(error).__name__}: "
        line = f"Migration {self} failed{' on the way back' if backwards else ''} at '{operation.describe()}': {kind}{text}."
        if editor.atomic:
            return f"{line} Nothing of it was kept."
        if not done:
            return f"{line} Nothing of it had been done before, and it is not recorded."
        kept = "; ".join(item.describe() for item in done)
        return (
            f"{line} It has no transaction, so this stays done: {kept}. Undo that by hand and run migrate again, or finish "
            f"the rest by hand and run: manage.py migrate {self.app_label} {self.name} --fake"
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
