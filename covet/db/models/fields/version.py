"""``VersionField``: optimistic locking. A row that was changed since it was read is not overwritten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import Unpack

from covet.db.models.fields.numbers import PositiveIntegerField

if TYPE_CHECKING:
    from covet.db.models.fields.base import FieldOptions, Text

__all__ = ["VersionField"]


class VersionField(PositiveIntegerField[int]):
    """A number that every write of the row counts up, and that ``save()`` and ``delete()`` compare first.

    ``await article.save()`` writes only while the row still has the version that the instance was read with, and raises
    ``models.VersionConflict`` otherwise; in the same statement, so that no lock is held between reading and writing.
    ``update()`` counts up without comparing.
    """

    description = "Version of the row"
    is_version = True

    def __init__(self, verbose_name: Text = None, **options: Unpack[FieldOptions]) -> None:
        """Make a version that starts at 1 and is not edited by people."""
        options.setdefault("default", 1)
        options.setdefault("editable", False)
        super().__init__(verbose_name, **options)

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        """Return what migrations write."""
        name, path, args, kwargs = super().deconstruct()
        if kwargs.get("default") == 1:
            del kwargs["default"]
        kwargs.pop("editable", None)
        if self.editable:
            kwargs["editable"] = True
        return name, path, args, kwargs

    def pre_save(self, instance: Any, add: bool) -> Any:
        """Return the version to write: the next one, unless the row is new."""
        value = getattr(instance, self.attname)
        if add:
            return 1 if value is None else value
        return value + 1
