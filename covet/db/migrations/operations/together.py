"""``AlterIndexTogether``: what Django's older migration files say about indexes over several fields."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from covet.db.migrations.indexed_together import index_together
from covet.db.migrations.operations.tables import ModelOptionOperation
from covet.db.migrations.signature import ModelKey

if TYPE_CHECKING:
    from covet.db.migrations.state import ProjectState

__all__ = ["AlterIndexTogether"]


class AlterIndexTogether(ModelOptionOperation):
    """Change which fields of a model are indexed together.

    For files that come from Django; ``makemigrations`` never writes it. Each rule becomes an index with the name that an
    ``Index`` of these fields gives itself, so that ``Meta.indexes`` can take its place without a further migration.
    """

    def __init__(self, name: str, index_together: Iterable[Sequence[str]] | None) -> None:
        given: list[Any] = list(index_together or ())
        if given and isinstance(given[0], str):
            given = [given]
        self.name = name
        self.index_together = {tuple(names) for names in given}

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Put indexes over these fields in the place of those that an earlier one made."""
        state.change(app_label, self.name, lambda model: index_together(model, self.index_together))

    def references_field(self, key: ModelKey, field_name: str, app_label: str) -> bool:
        """Whether the field is among them; going back may need any other field, so those count too."""
        return key == self.key(app_label) and (
            not self.index_together or any(field_name in names for names in self.index_together)
        )

    def describe(self) -> str:
        """Say how many there are."""
        count = len(self.index_together)
        return f"Alter index_together for {self.name} ({count} {'index' if count == 1 else 'indexes'})"

    @property
    def name_fragment(self) -> str:
        """The model's name."""
        return f"alter_{self.name.lower()}_index_together"
