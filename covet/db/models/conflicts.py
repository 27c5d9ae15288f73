"""What is raised when a row is not as the writer believes: gone, or changed by somebody else since it was read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from covet.db.errors import DatabaseError
from covet.exceptions import ObjectDoesNotExist

if TYPE_CHECKING:
    from covet.db.models.fields.version import VersionField

__all__ = ["ObjectNotUpdated", "VersionConflict", "conflict", "version_field"]


class ObjectNotUpdated(ObjectDoesNotExist, DatabaseError):
    """An update of one row found no row; every model has its own subclass, ``Model.NotUpdated``."""


class VersionConflict(ObjectNotUpdated):
    """A row with a ``VersionField`` was changed or deleted since the instance was read; nothing was written.

    What is raised is also a ``NotUpdated`` of the model.

    Attributes:
        instance: What was to be written or deleted.
        version: The version that the instance was read with.
    """

    instance: Any = None
    version: Any = None


def conflict(instance: Any, version: Any, *, is_gone: bool = False, action: str = "saved") -> VersionConflict:
    """Return the error for an instance that is out of date."""
    model = type(instance)
    kind: type[VersionConflict] | None = model._meta.plans.get("conflict")
    if kind is None:
        names = {"__module__": model.__module__, "__qualname__": f"{model.__qualname__}.VersionConflict"}
        kind = cast(
            "type[VersionConflict]", type("VersionConflict", (VersionConflict, cast(Any, model).NotUpdated), names)
        )
        model._meta.plans["conflict"] = kind
    meta = model._meta
    what = "is gone" if is_gone else "was changed by somebody else"
    error = kind(
        f"{meta.object_name} {instance.pk!r} {what} since it was read (version {version}), so it was not {action}. Read it "
        f"again ('await {meta.model_name}.refresh_from_db()'), apply the change to what is there now, and try again."
    )
    error.instance, error.version = instance, version
    return error


def version_field(meta: Any) -> VersionField | None:
    """Return the ``VersionField`` of a model, which may be a parent's."""
    plans = meta.plans
    try:
        return plans["version"]  # type: ignore[no-any-return]  # what is put there below
    except KeyError:
        found = plans["version"] = next((field for field in meta.concrete_fields if field.is_version), None)
        return found
