"""Operations on what belongs to a whole database: extensions, collations and enum types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from covet.db.migrations.errors import StateError
from covet.db.migrations.operations.base import Operation
from covet.db.migrations.signature import ModelKey
from covet.db.routers import router
from covet.postgres.vendor import POSTGRESQL

if TYPE_CHECKING:
    from covet.db.backends.schema import SchemaEditor
    from covet.db.migrations.state import ProjectState

__all__ = [
    "AddEnumValue",
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
    "RenameEnumValue",
    "TrigramExtension",
    "UnaccentExtension",
    "VectorExtension",
]

_text = POSTGRESQL.text_literal
_PROVIDERS = frozenset({"libc", "icu", "builtin"})


class DatabaseOperation(Operation):
    """An operation that changes no model; on other databases than PostgreSQL it does nothing, nor where routers forbid."""

    public_module = "covet.postgres.operations"
    name: str
    hints: Mapping[str, Any] | None = None

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Leave the models alone."""

    async def database_forwards(
        self, app_label: str, schema_editor: SchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Carry it out."""
        if self._applies(app_label, schema_editor):
            await self.forwards(schema_editor)

    async def database_backwards(
        self, app_label: str, schema_editor: SchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Undo it."""
        if self._applies(app_label, schema_editor):
            await self.backwards(schema_editor)

    def _applies(self, app_label: str, editor: SchemaEditor) -> bool:
        return editor.vendor == "postgresql" and router.allow_migrate(editor.alias, app_label, **(self.hints or {}))

    async def forwards(self, editor: SchemaEditor) -> None:
        """Carry it out on PostgreSQL."""
        raise TypeError(f"{type(self).__name__} does not define forwards().")

    async def backwards(self, editor: SchemaEditor) -> None:
        """Undo it on PostgreSQL."""
        raise TypeError(f"{type(self).__name__} does not define backwards().")

    def models(self, app_label: str) -> set[ModelKey] | None:
        """None by name, but any may stand on it: it keeps its place."""
        return None


class _Undone(DatabaseOperation):
    """Stands before an operation among the bases: does what going back from that one does, and the other way round."""

    symbol = "-"

    async def forwards(self, editor: SchemaEditor) -> None:
        """Take away what the other operation makes."""
        await super().backwards(editor)

    async def backwards(self, editor: SchemaEditor) -> None:
        """Make it again."""
        await super().forwards(editor)


class CreateExtension(DatabaseOperation):
    """Install an extension, if it is not there; going back removes it.

    Args:
        name: The extension's name.
        hints: For the routers.
    """

    symbol = "+"

    def __init__(self, name: str, hints: Mapping[str, Any] | None = None) -> None:
        self.name = name
        self.hints = dict(hints) if hints else None

    async def forwards(self, editor: SchemaEditor) -> None:
        """Install it; where it is there already, no right to install anything is needed."""
        if not editor.collect and await _exists(editor, "SELECT 1 FROM pg_extension WHERE extname = $1", self.name):
            return
        await editor.run(f"CREATE EXTENSION IF NOT EXISTS {POSTGRESQL.quote(self.name)}")

    async def backwards(self, editor: SchemaEditor) -> None:
        """Remove it."""
        await editor.run(f"DROP EXTENSION IF EXISTS {POSTGRESQL.quote(self.name)}")

    def describe(self) -> str:
        """Say which."""
        return f"Create extension {self.name}"

    @property
    def name_fragment(self) -> str:
        """The extension."""
        return f"create_extension_{self.name}"


class _NamedExtension(CreateExtension):
    """An extension whose name the class knows."""

    extension: ClassVar[str] = ""

    def __init__(self, hints: Mapping[str, Any] | None = None) -> None:
        super().__init__(self.extension, hints)


class BloomExtension(_NamedExtension):
    """``bloom``, for ``BloomIndex``."""

    extension = "bloom"


class BtreeGinExtension(_NamedExtension):
    """``btree_gin``, for plain values in GIN indexes."""

    extension = "btree_gin"


class BtreeGistExtension(_NamedExtension):
    """``btree_gist``, for plain values in exclusion constraints."""

    extension = "btree_gist"


class CryptoExtension(_NamedExtension):
    """``pgcrypto``."""

    extension = "pgcrypto"


class HStoreExtension(_NamedExtension):
    """``hstore``, for ``HStoreField``."""

    extension = "hstore"


class TrigramExtension(_NamedExtension):
    """``pg_trgm``, for the trigram look-ups."""

    extension = "pg_trgm"


class UnaccentExtension(_NamedExtension):
    """``unaccent``, for the look-up of that name."""

    extension = "unaccent"


class VectorExtension(_NamedExtension):
    """``vector`` (pgvector), for ``VectorField``."""

    extension = "vector"


class CreateCollation(DatabaseOperation):
    """Create a collation, for ``db_collation``; going back removes it.

    Args:
        name: The collation's name.
        locale: The locale that it follows.
        provider: ``"libc"``, ``"icu"`` or ``"builtin"``.
        deterministic: Whether texts of other bytes differ always; ``False`` for one that ignores case, with ICU.

    Raises:
        StateError: There is no such provider.
    """

    symbol = "+"

    def __init__(self, name: str, locale: str, provider: str = "libc", deterministic: bool = True) -> None:
        if provider not in _PROVIDERS:
            raise StateError(f"The provider of a collation is libc, icu or builtin, not {provider!r}.")
        self.name = name
        self.locale = locale
        self.provider = provider
        self.deterministic = deterministic

    async def forwards(self, editor: SchemaEditor) -> None:
        """Create it."""
        await editor.run(self._sql())

    async def backwards(self, editor: SchemaEditor) -> None:
        """Remove it."""
        await editor.run(f"DROP COLLATION {POSTGRESQL.quote(self.name)}")

    def _sql(self) -> str:
        parts = [f"locale = {_text(self.locale)}", f"provider = {self.provider}"]
        if not self.deterministic:
            parts.append("deterministic = false")
        return f"CREATE COLLATION {POSTGRESQL.quote(self.name)} ({', '.join(parts)})"

    def describe(self) -> str:
        """Say which."""
        return f"Create collation {self.name}"

    @property
    def name_fragment(self) -> str:
        """The collation."""
        return f"create_collation_{self.name.lower()}"


class RemoveCollation(_Undone, CreateCollation):
    """Remove a collation; going back creates it, so the arguments are those of ``CreateCollation``."""

    def describe(self) -> str:
        """Say which."""
        return f"Remove collation {self.name}"

    @property
    def name_fragment(self) -> str:
        """The collation."""
        return f"remove_collation_{self.name.lower()}"


class CreateEnum(DatabaseOperation):
    """Create an enum type, for ``EnumField``; going back drops it.

    Args:
        name: The type's name.
        values: Its values, in their order.
    """

    symbol = "+"

    def __init__(self, name: str, values: Sequence[str]) -> None:
        self.name = name
        self.values = [str(value) for value in values]

    async def forwards(self, editor: SchemaEditor) -> None:
        """Create it."""
        values = ", ".join(_text(value) for value in self.values)
        await editor.run(f"CREATE TYPE {POSTGRESQL.quote(self.name)} AS ENUM ({values})")

    async def backwards(self, editor: SchemaEditor) -> None:
        """Drop it."""
        await editor.run(f"DROP TYPE {POSTGRESQL.quote(self.name)}")

    def describe(self) -> str:
        """Say which."""
        return f"Create enum {self.name} ({', '.join(self.values)})"

    @property
    def name_fragment(self) -> str:
        """The type."""
        return f"create_enum_{self.name.lower()}"


class DropEnum(_Undone, CreateEnum):
    """Drop an enum type; going back creates it with these values."""

    def describe(self) -> str:
        """Say which."""
        return f"Drop enum {self.name}"

    @property
    def name_fragment(self) -> str:
        """The type."""
        return f"drop_enum_{self.name.lower()}"


class AddEnumValue(DatabaseOperation):
    """Add a value to an enum type. The migration's own transaction cannot use it yet.

    Args:
        name: The type's name.
        value: The new value.
        before: The value that it stands before; without this and ``after`` it is the last.
        after: The value that it stands behind.

    Raises:
        StateError: Both places are given.
    """

    symbol = "+"
    reversible = False
    reverse_hint = "PostgreSQL removes no value from an enum: make a new type and convert the columns."

    def __init__(self, name: str, value: str, before: str | None = None, after: str | None = None) -> None:
        if before is not None and after is not None:
            raise StateError(f"AddEnumValue of {name}: before and after cannot both be given.")
        self.name = name
        self.value = value
        self.before = before
        self.after = after

    async def forwards(self, editor: SchemaEditor) -> None:
        """Add it; one that is there is left alone, so that a broken migration can go on."""
        place = ""
        if self.before is not None:
            place = f" BEFORE {_text(self.before)}"
        elif self.after is not None:
            place = f" AFTER {_text(self.after)}"
        name = POSTGRESQL.quote(self.name)
        await editor.run(f"ALTER TYPE {name} ADD VALUE IF NOT EXISTS {_text(self.value)}{place}")

    def describe(self) -> str:
        """Say which."""
        return f"Add value {self.value} to enum {self.name}"

    @property
    def name_fragment(self) -> str:
        """Type and value."""
        return f"{self.name.lower()}_{self.value.lower()}"


class RenameEnumValue(DatabaseOperation):
    """Rename a value of an enum type; rows that have it follow.

    Args:
        name: The type's name.
        old: The value as it is.
        new: The value as it shall be.
    """

    def __init__(self, name: str, old: str, new: str) -> None:
        self.name = name
        self.old = old
        self.new = new

    async def forwards(self, editor: SchemaEditor) -> None:
        """Rename it."""
        await self._rename(editor, self.old, self.new)

    async def backwards(self, editor: SchemaEditor) -> None:
        """Give it its old name again."""
        await self._rename(editor, self.new, self.old)

    async def _rename(self, editor: SchemaEditor, old: str, new: str) -> None:
        await editor.run(f"ALTER TYPE {POSTGRESQL.quote(self.name)} RENAME VALUE {_text(old)} TO {_text(new)}")

    def describe(self) -> str:
        """Say both."""
        return f"Rename value {self.old} of enum {self.name} to {self.new}"

    @property
    def name_fragment(self) -> str:
        """Type and new value."""
        return f"rename_{self.name.lower()}_{self.new.lower()}"


async def _exists(editor: SchemaEditor, sql: str, *args: Any) -> bool:
    return bool(await editor.database.fetch(sql, args))
