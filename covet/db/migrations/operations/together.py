"""``AlterIndexTogether``: what Django's older migration files say about indexes over several fields."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from covet.db.migrations.operations.tables import ModelOptionOperation
from covet.db.migrations.signature import ModelKey, reference_of

if TYPE_CHECKING:
    from covet.db.migrations.model_state import ModelState
    from covet.db.migrations.state import ProjectState
    from covet.db.models.indexes import Index

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
        state.change(app_label, self.name, self._changed)

    def _changed(self, model: ModelState) -> ModelState:
        own = [index for index in model.options["indexes"] if getattr(index, "is_together", False)]
        wanted = sorted(self.index_together)
        kept = [index for index in model.options["indexes"] if index not in own or tuple(index.fields) in wanted]
        there = {tuple(index.fields) for index in own}
        return model.with_options(indexes=[*kept, *(_index(model, names) for names in wanted if names not in there)])

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


def _index(model: ModelState, names: Sequence[str]) -> Index:
    """Return an index over these fields that is known as one of ``index_together`` until it is renamed."""
    from covet.db.models.indexes import Index

    columns = []
    for name in names:
        field, reference = model.field(name), reference_of(model.field(name), *model.key)
        columns.append(field.db_column or (f"{name}_id" if reference is not None else name))
    index = Index(fields=list(names))
    index.set_name(model.options.get("db_table") or "_".join(model.key), columns)
    index.is_together = True  # type: ignore[attr-defined]  # a mark for this operation alone
    return index
