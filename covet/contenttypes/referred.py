"""``Referred``: a row somewhere, before anybody knows of which model it is."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from covet.exceptions import NotLoaded

__all__ = ["Referred", "check_key"]


def check_key(relation: Any, model: Any) -> None:
    """Refuse rows of several keys.

    Raises:
        ValueError: The primary key of the model is composite.
    """
    meta = model._meta
    if meta.pk.is_composite:
        raise ValueError(
            f"{relation} cannot lead to {meta.object_name}: its primary key has several fields "
            f"({', '.join(meta.pk.field_names)}), and a generic relation keeps one value. Give {meta.object_name} a key of "
            "one field, or refer to it by a ForeignObject."
        )


class Referred:
    """What a ``GenericForeignKey`` gives while its content type has never been read: ``await`` gives the object.

    Attributes:
        content_type_id: The key of the content type.
        pk: The key of the row.
    """

    __slots__ = ("_field", "_owner", "content_type_id", "pk")

    def __init__(self, field: Any, owner: Any, content_type_id: Any, pk: Any) -> None:
        self._field = field
        self._owner = owner
        self.content_type_id = content_type_id
        self.pk = pk

    def __await__(self) -> Generator[Any, None, Any]:
        """Load the object, for all rows of the same result that refer to its model.

        Raises:
            ObjectDoesNotExist: The row is gone, or its model is.
        """
        return self._load().__await__()

    async def _load(self) -> Any:
        await self._field.load(self._owner)
        return await self._field.get(self._owner)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        field = self._field
        holder = field.model._meta.model_name
        raise NotLoaded(
            f"What {field} refers to is not loaded: '{name}' is unknown, only its keys are. Write `await "
            f'{holder}.{field.name}` first, or load it with the query: prefetch_related("{field.name}").'
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Referred):
            return NotImplemented
        return (self.content_type_id, self.pk) == (other.content_type_id, other.pk)

    def __hash__(self) -> int:
        return hash((self.content_type_id, self.pk))

    def __repr__(self) -> str:
        return f"<row {self.pk!r} of content type {self.content_type_id!r}, not loaded>"
