"""``Operation``: one change, to the state of the models and to the database, forwards and backwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from covet.concurrency import maybe_await, signature
from covet.db import transaction
from covet.db.migrations.signature import ModelKey, deep_deconstruct
from covet.db.routers import router

if TYPE_CHECKING:
    from covet.db.backends.schema import SchemaEditor
    from covet.db.migrations.state import ProjectState

__all__ = ["Operation"]


class Operation:
    """One change of a migration.

    A subclass keeps its constructor's arguments as attributes of the same names: ``deconstruct``, comparison and the
    written file follow from that. ``state_forwards`` changes a ``ProjectState`` in place; ``database_forwards`` and
    ``database_backwards`` may be sync or async and are given the states on both of their sides.

    Attributes:
        reversible: Whether ``database_backwards`` works.
        reverse_hint: What to do when it does not, as a sentence.
        atomic: Whether it wants a transaction of its own where the migration has none; ``None``: as the migration.
        elidable: Whether a squashed migration may leave it out.
        symbol: The sign before its description in lists.
        public_module: Where migration files import it from, if that is not where it is defined.
    """

    reversible: bool = True
    reverse_hint: str = ""
    atomic: bool | None = False
    elidable: bool = False
    symbol: ClassVar[str] = "~"
    public_module: ClassVar[str] = ""

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        """Return the class name and the constructor's arguments, those with their default value left out."""
        kwargs: dict[str, Any] = {}
        for name, parameter in signature(type(self).__init__).parameters.items():
            if name == "self" or parameter.kind in {parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL}:
                continue
            value = self.argument(name)
            if parameter.default is parameter.empty or not _same(value, parameter.default):
                kwargs[name] = value
        return type(self).__name__, [], kwargs

    def argument(self, name: str) -> Any:
        """Return the value of one constructor argument."""
        return getattr(self, name)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return bool(deep_deconstruct(list(self.deconstruct())) == deep_deconstruct(list(other.deconstruct())))

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        name, _, kwargs = self.deconstruct()
        return f"<{name} {', '.join(f'{key}={value!r}' for key, value in kwargs.items())}>"

    # ── what it does ─────────────────────────────────────────────────────────────────────────────────────────────────

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Change the state of the models in place."""
        raise TypeError(f"{type(self).__name__} does not define state_forwards().")

    def database_forwards(
        self, app_label: str, schema_editor: SchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> Any:
        """Change the database; may be a coroutine."""
        raise TypeError(f"{type(self).__name__} does not define database_forwards().")

    def database_backwards(
        self, app_label: str, schema_editor: SchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> Any:
        """Undo the change in the database: ``from_state`` is what is there now, ``to_state`` what was before."""
        raise TypeError(f"{type(self).__name__} does not define database_backwards().")

    async def run(
        self,
        app_label: str,
        editor: SchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
        *,
        backwards: bool = False,
        migration_atomic: bool = True,
    ) -> None:
        """Carry the operation out, in a transaction of its own if it wants one and the migration has none."""
        act = self.database_backwards if backwards else self.database_forwards
        wants_transaction = bool(self.atomic) or (migration_atomic and self.atomic is not False)
        if wants_transaction and not editor.atomic and not editor.collect:
            async with transaction.atomic(using=editor.database):
                if editor.log is None:
                    await maybe_await(act(app_label, editor, from_state, to_state))
                    return
                editor.log.whole(on=True)
                try:
                    await maybe_await(act(app_label, editor, from_state, to_state))
                finally:
                    editor.log.whole(on=False)
                await editor.log.ends(editor)
        else:
            await maybe_await(act(app_label, editor, from_state, to_state))

    # ── what it is called ────────────────────────────────────────────────────────────────────────────────────────────

    def describe(self) -> str:
        """Return what it does, for people."""
        return type(self).__name__

    @property
    def name_fragment(self) -> str:
        """A piece for the migration's name; empty when none comes to mind."""
        return ""

    # ── what it has to do with others ────────────────────────────────────────────────────────────────────────────────

    def models(self, app_label: str) -> set[ModelKey] | None:
        """Return the models that it mentions; ``None`` when it may touch any."""
        return None

    def references_model(self, key: ModelKey, app_label: str) -> bool:
        """Whether it may have to do with the model ``key``."""
        models = self.models(app_label)
        return models is None or key in models

    def references_field(self, key: ModelKey, field_name: str, app_label: str) -> bool:
        """Whether it may have to do with that field of the model ``key``."""
        return self.references_model(key, app_label)

    def reduce(self, other: Operation, app_label: str) -> list[Operation] | bool:
        """Say what this and a later ``other`` become together.

        Returns:
            The operations that stand for both; ``True`` when they may change places; ``False`` when neither.
        """
        if self.elidable:
            return [other]
        if other.elidable:
            return [self]
        return False

    def fold_into(self, create: Any, app_label: str) -> Operation | None:
        """Return the ``CreateModel`` that this becomes part of; ``None`` when it cannot."""
        return None

    def allowed(self, editor: SchemaEditor, app_label: str, *names: str) -> bool:
        """Whether the routers let any of these models of the app be migrated on the editor's database."""
        return any(router.allow_migrate(editor.alias, app_label, model_name=name.lower()) for name in names)


def _same(value: Any, default: Any) -> bool:
    return value is default or bool(type(value) is type(default) and value == default)
