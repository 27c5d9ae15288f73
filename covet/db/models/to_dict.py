"""``model_to_dict``: an instance as a dictionary, as Django's forms begin with. It may wait, for what is not loaded."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from covet.db.models.query.paths import unknown_name

if TYPE_CHECKING:
    from covet.db.models.base import Model

__all__ = ["model_to_dict"]


async def model_to_dict(
    instance: Model, fields: Collection[str] | None = None, exclude: Collection[str] | None = None
) -> dict[str, Any]:
    """Return the values of the editable fields of an instance by name.

    A relation to one row gives its key, a many-to-many field the list of its rows. Nothing is asked for what is loaded; fields
    that are not, and many-to-many fields that were not prefetched, are read, by one statement for the fields and one for each of
    the others::

        before = await model_to_dict(article, exclude=["tags"])

    Args:
        instance: The instance; of an unsaved one many-to-many fields are empty.
        fields: The names of the fields, in place of all that are editable.
        exclude: The names of those to leave out.

    Raises:
        FieldError: The model has no such field; the message suggests one.
        TypeError: ``fields`` or ``exclude`` is one text.
    """
    meta = instance._meta
    every = (*meta.concrete_fields, *meta.many_to_many)
    for given, option in ((fields, "fields"), (exclude, "exclude")):
        if isinstance(given, str):
            raise TypeError(f"model_to_dict({option}=…) takes several names, as in {option}=[{given!r}].")
        for name in given or ():
            if all(name != field.name for field in every):
                raise unknown_name(meta, name, f"model_to_dict({option}=[…])")
    chosen = [
        field
        for field in every
        if field.editable and (fields is None or field.name in fields) and field.name not in (exclude or ())
    ]
    absent = instance.get_deferred_fields()
    if any(field.concrete and field.attname in absent for field in chosen):
        await instance
    values: dict[str, Any] = {}
    for field in chosen:
        value = field.value_from_object(instance)
        values[field.name] = list(await value) if field.many_to_many and instance.pk is not None else value
    return values
