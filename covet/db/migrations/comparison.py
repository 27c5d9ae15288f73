"""Two states of the models that are compared, who answers, and what comparing them brought to light beside changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct, field

from covet.db.models.fields.composite import CompositePrimaryKey

if TYPE_CHECKING:
    from covet.db.migrations.model_state import ModelState
    from covet.db.migrations.questioner import Questioner
    from covet.db.migrations.signature import ModelKey
    from covet.db.migrations.state import ProjectState

__all__ = ["Comparison", "impossible", "is_proxy"]


class Comparison(Struct, frozen=True):
    """What is compared: the states, and who answers.

    ``notes`` collects what a person should know and no operation says, ``refusals`` what no operation can do.
    """

    old: ProjectState
    new: ProjectState
    questioner: Questioner
    notes: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    def kept(self) -> Iterator[tuple[ModelState, ModelState]]:
        """Yield the models that are on both sides, in the order of their keys."""
        for key in sorted(self.old.models.keys() & self.new.models.keys()):
            before, after = self.old.models[key], self.new.models[key]
            if before is not after and not self._replaced(key):
                yield before, after

    def created(self) -> list[ModelState]:
        """The models that are new, in the order in which they are defined."""
        return [model for key, model in self.new.models.items() if self._replaced(key) or key not in self.old.models]

    def deleted(self) -> list[ModelState]:
        """The models that are gone, in the order of their keys."""
        return [
            model
            for key, model in sorted(self.old.models.items(), key=lambda item: item[0])
            if self._replaced(key) or key not in self.new.models
        ]

    def children(self, key: ModelKey) -> set[ModelKey]:
        """The models that inherit from one, at any distance, as they were."""
        found: set[ModelKey] = set()
        while more := {model.key for model in self.old.models.values() if {key, *found} & set(model.base_keys)} - found:
            found |= more
        return found

    def _replaced(self, key: ModelKey) -> bool:
        """Whether a model became a proxy, ceased to be one, or is one of another model: it is deleted and created."""
        before, after = self.old.models.get(key), self.new.models.get(key)
        if before is None or after is None:
            return False
        return is_proxy(before) != is_proxy(after) or (is_proxy(after) and before.base_keys != after.base_keys)


def is_proxy(model: ModelState) -> bool:
    """Whether a model has the table of another one."""
    return bool(model.options.get("proxy"))


def impossible(before: ModelState, after: ModelState) -> str:
    """Say what to do about a change that no operation can make; an empty text for all others."""
    name = f"{after.app_label}.{after.name}"
    if set(before.base_keys) != set(after.base_keys):
        parents = [
            " and ".join(".".join(key) for key in model.base_keys) or "no other table" for model in (before, after)
        ]
        what = f"{name} had its inherited columns in {parents[0]}, and has them in {parents[1]} now"
    elif _composite(before) != _composite(after):
        keys = [", ".join(key) if (key := _composite(model)) else "one column" for model in (before, after)]
        what = f"{name} had a primary key of {keys[0]}, and has one of {keys[1]} now"
    else:
        return ""
    return (
        f"{what}: no migration can move its rows by itself. Give the new {after.name} another name, beside the old one; copy "
        "the rows with RunPython; then remove the old one and rename the new one."
    )


def _composite(model: ModelState) -> tuple[str, ...]:
    """Return the fields of a key of several columns."""
    return next((item.field_names for item in model.fields.values() if isinstance(item, CompositePrimaryKey)), ())
