"""The system checks of relations that need more than one model: what is referred to, and what a deletion would leave."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from covet import checks
from covet.db.models.deletion import DB_CASCADE, DB_SET_DEFAULT, DB_SET_NULL, DO_NOTHING
from covet.exceptions import FieldDoesNotExist, ImproperlyConfigured

if TYPE_CHECKING:
    from covet.checks import CheckMessage

__all__ = ["check_deletion", "check_many", "check_target_field"]

_BY_DATABASE = frozenset({DB_CASCADE, DB_SET_NULL, DB_SET_DEFAULT, DO_NOTHING})


def check_target_field(field: Any) -> Iterator[CheckMessage]:
    """Yield what is wrong with ``to_field``: it must name one row. That it is there is asked when the class is made."""
    name = getattr(field, "to_field", None)
    if not name:
        return
    meta = field.related_model._meta
    target = meta.get_field(name)
    alone = any(tuple(one.fields) == (target.name,) for one in meta.total_unique_constraints)
    if not (target.unique or alone or (target.name,) in tuple(meta.unique_together)):
        yield checks.Error(
            f"'{field.name}' refers to {meta.object_name}.{name}, which is not unique: a row could not tell which is meant.",
            hint="Add unique=True to that field, or refer to another.",
            obj=field,
            id="fields.E311",
        )


def check_deletion(field: Any) -> Iterator[CheckMessage]:
    """Yield what the database cannot do, or would leave undone, when it carries out ``on_delete`` itself."""
    rule = field.remote_field.on_delete
    if rule is DB_SET_NULL and not field.null:
        yield checks.Error(
            f"'{field.name}' says on_delete=DB_SET_NULL, and cannot be null.",
            hint="Add null=True, or choose another on_delete.",
            obj=field,
            id="fields.E320",
        )
    if rule is DB_SET_DEFAULT and not field.has_db_default():
        yield checks.Error(
            f"'{field.name}' says on_delete=DB_SET_DEFAULT, and its column has no default.",
            hint="Add db_default=…, or choose another on_delete.",
            obj=field,
            id="fields.E322",
        )
    if rule is not DB_CASCADE:
        return
    meta = field.model._meta
    for relation in meta.all_related_objects:
        other = relation.field
        if relation.many_to_many or getattr(other.remote_field, "parent_link", False):
            continue
        if other.remote_field.on_delete not in _BY_DATABASE:
            yield checks.Error(
                f"'{field.name}' is DB_CASCADE: the database deletes rows of {meta.object_name} without telling, so that the "
                f"on_delete of {other} is never carried out.",
                hint="Use CASCADE here, or a rule of the database (DB_CASCADE, DB_SET_NULL, DB_SET_DEFAULT) there.",
                obj=field,
                id="fields.E323",
            )
    if any(link is not None for link in meta.parents.values()):
        yield checks.Error(
            f"'{field.name}' is DB_CASCADE on {meta.object_name}, whose rows lie in the tables of its parents too: the "
            "database would leave those.",
            hint="Use on_delete=models.CASCADE.",
            obj=field.model,
            id="models.E050",
        )


def check_many(field: Any) -> Iterator[CheckMessage]:
    """Yield what is wrong with a many-to-many field: its options, and the model between."""
    if field.unique:
        yield checks.Error(
            f"'{field.name}' is a ManyToManyField, which cannot be unique.",
            hint="Remove it.",
            obj=field,
            id="fields.E330",
        )
    if field.null:
        yield checks.Warning(
            f"null=True means nothing on the ManyToManyField '{field.name}'.",
            hint="Remove it; blank=True lets it be empty.",
            obj=field,
            id="fields.W340",
        )
    if isinstance(field.remote_field.through, str):
        return  # that the model is missing is said for all relations together
    try:
        field.through_keys()
    except (ImproperlyConfigured, FieldDoesNotExist, ValueError) as error:
        yield checks.Error(str(error), hint="Name the keys by through_fields.", obj=field, id="fields.E333")
