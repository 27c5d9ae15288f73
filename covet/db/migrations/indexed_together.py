"""``index_together`` of Django's older migration files, as indexes of a model's state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from covet.db.migrations.signature import reference_of

if TYPE_CHECKING:
    from covet.db.migrations.model_state import ModelState
    from covet.db.models.indexes import Index

__all__ = ["index_together"]


def index_together(model: ModelState, rules: Iterable[Sequence[str]]) -> ModelState:
    """Return the model with an index for each rule, in the place of those that an earlier ``index_together`` made."""
    own = [index for index in model.options["indexes"] if getattr(index, "is_together", False)]
    wanted = sorted(tuple(names) for names in rules)
    kept = [index for index in model.options["indexes"] if index not in own or tuple(index.fields) in wanted]
    there = {tuple(index.fields) for index in own}
    return model.with_options(indexes=[*kept, *(_index(model, names) for names in wanted if names not in there)])


def _index(model: ModelState, names: Sequence[str]) -> Index:
    """Return an index over these fields that is known as one of ``index_together`` until it is renamed."""
    from covet.db.models.indexes import Index

    columns = []
    for name in names:
        field, reference = model.field(name), reference_of(model.field(name), *model.key)
        columns.append(field.db_column or (f"{name}_id" if reference is not None else name))
    index = Index(fields=list(names))
    index.set_name(model.options.get("db_table") or "_".join(model.key), columns)
    index.is_together = True  # type: ignore[attr-defined]  # a mark for these operations alone
    return index
