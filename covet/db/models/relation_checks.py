"""The system checks of relations that need more than one model: what is referred to, and what a deletion would leave."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from covet import checks
from covet.conf import settings
from covet.db.models.deletion import DB_CASCADE, DB_SET_DEFAULT, DB_SET_NULL, DO_NOTHING
from covet.exceptions import FieldDoesNotExist

if TYPE_CHECKING:
    from covet.checks import CheckMessage

__all__ = [
    "check_deletion",
    "check_foreign_object",
    "check_many",
    "check_repeated_many",
    "check_tables_between",
    "check_target_field",
]

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


def check_foreign_object(field: Any) -> Iterator[CheckMessage]:
    """Yield what is wrong with the fields of a ``ForeignObject``: that they are there, and that they name one row."""
    missing = False
    for meta, names, side in (
        (field.model._meta, field.from_fields, "from_fields"),
        (field.related_model._meta, field.to_fields, "to_fields"),
    ):
        for name in names:
            try:
                found = meta.pk if name == "pk" else meta.get_field(name)
                why = "" if found in meta.local_concrete_fields else "It has no column in this model's own table."
            except FieldDoesNotExist as error:
                why = str(error)
            if why:
                missing = True
                yield checks.Error(
                    f"{side} of '{field.name}' name {meta.object_name}.{name}. {why}",
                    hint="Name fields with a column.",
                    obj=field,
                    id="fields.E312",
                )
    if missing:
        return
    target = field.related_model._meta
    named = {one.name for one in field.foreign_related_fields}
    keys = [{one.name for one in target.pk_fields}, *[{one.name} for one in target.local_fields if one.unique]]
    keys += [set(one.fields) for one in target.total_unique_constraints]
    keys += [set(names) for names in target.unique_together]
    if not any(key and key <= named for key in keys):
        several = len(named) > 1
        yield checks.Error(
            f"'{field.name}' refers to {target.object_name} by {', '.join(field.to_fields)}, "
            f"{'no part of which' if several else 'which'} is {'' if several else 'not '}unique: a row could not tell which "
            "is meant.",
            hint="Add a UniqueConstraint of these fields there, or refer to others.",
            obj=field,
            id="fields.E310" if several else "fields.E311",
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
    yield from _check_useless(field)
    if isinstance(field.remote_field.through, str):
        return  # that the model is missing is said for all relations together
    if field.remote_field.through_fields:
        yield from _check_through_fields(field)
    else:
        yield from _check_through_keys(field)


def check_repeated_many(model: Any) -> Iterator[CheckMessage]:
    """Two many-to-many fields that are the same rows: of one model, through one model between, by the same keys."""
    seen: dict[tuple[Any, ...], Any] = {}
    for field in model._meta.local_many_to_many:
        remote = field.remote_field
        if remote.through is None or isinstance(remote.through, str):
            continue  # the model is swapped, or the one between is missing
        key = (remote.model, model, remote.through, tuple(remote.through_fields or ()))
        other = seen.setdefault(key, field)
        if other is not field:
            yield checks.Error(
                f"'{other.name}' and '{field.name}' are the same relation, through {remote.through._meta.label}.",
                hint="Keep one, or give them through_fields that differ.",
                obj=model,
                id="models.E003",
            )


def check_tables_between(models: Iterable[Any]) -> Iterator[CheckMessage]:
    """Tables of many-to-many fields that another model, or another such field, has too."""
    owners: dict[str, str] = {}
    for model in models:
        meta = model._meta
        if meta.managed and not (meta.proxy or meta.swapped or meta.auto_created):
            owners.setdefault(meta.db_table, meta.label)
    for model in models:
        for field in model._meta.local_many_to_many:
            through = field.remote_field.through
            if through is None or isinstance(through, str):
                continue  # the model is swapped, or the one between is missing
            if not through._meta.auto_created or not through._meta.managed:
                continue
            other = owners.setdefault(through._meta.db_table, str(field))
            if other == str(field):
                continue
            text = f"The table '{through._meta.db_table}' between the rows of '{field}' is the table of {other} too."
            if settings.DATABASE_ROUTERS:
                hint = "Make sure that the routers send them to different databases."
                yield checks.Warning(text, hint=hint, obj=field, id="fields.W344")
            else:
                yield checks.Error(text, hint="Give the field another db_table.", obj=field, id="fields.E340")


def _check_useless(field: Any) -> Iterator[CheckMessage]:
    """Options that a many-to-many field takes and that do nothing on it."""
    remote = field.remote_field
    if field._validators:
        yield checks.Warning(
            f"The validators of the ManyToManyField '{field.name}' are never called: it has no value of its own.",
            hint="Remove them; check the rows in the form or in the view.",
            obj=field,
            id="fields.W341",
        )
    if remote.symmetrical and remote.names_given[0]:
        yield checks.Warning(
            f"related_name means nothing on the ManyToManyField '{field.name}', which is symmetrical: both ends are the "
            "same field.",
            hint="Remove it, or write symmetrical=False.",
            obj=field,
            id="fields.W345",
        )
    if field.db_comment:
        yield checks.Warning(
            f"db_comment means nothing on the ManyToManyField '{field.name}', which has no column.",
            hint="Remove it; the model between can have Meta.db_table_comment.",
            obj=field,
            id="fields.W346",
        )


def _check_through_fields(field: Any) -> Iterator[CheckMessage]:
    """``through_fields``: two names, each of a key of the model between, to the right model."""
    names, through = field.remote_field.through_fields, field.remote_field.through
    if len(names) != 2 or not all(names):
        yield checks.Error(
            f"through_fields of '{field.name}' needs two names, of the keys to this model and to the target.",
            hint="Write through_fields=('source', 'target').",
            obj=field,
            id="fields.E337",
        )
        return
    for name, model in zip(names, (field.model, field.related_model), strict=True):
        try:
            key = through._meta.get_field(name)
        except FieldDoesNotExist as error:
            yield checks.Error(
                f"through_fields of '{field.name}' names '{name}': {error}",
                hint="Name the keys of the model between.",
                obj=field,
                id="fields.E338",
            )
            continue
        if not key.is_relation or not _is_of(key.related_model, model):
            yield checks.Error(
                f"through_fields of '{field.name}' names {through._meta.object_name}.{name}, which is no key to "
                f"{model._meta.object_name}.",
                hint="The first name is that of the key to the model that has the field, the second of that to the target.",
                obj=field,
                id="fields.E339",
            )


def _check_through_keys(field: Any) -> Iterator[CheckMessage]:
    """Without ``through_fields``: one key each way, or two of a relation to itself."""
    through, model, target = field.remote_field.through._meta, field.model, field.related_model
    keys = [one for one in through.fields if one.is_relation and one.concrete]
    mine = sum(_is_of(key.related_model, model) for key in keys)
    theirs = sum(_is_of(key.related_model, target) for key in keys)
    itself = _is_of(model, target)
    hint = "Name the two by through_fields=(source, target)."
    found = [
        (itself and mine > 2, "fields.E333", f"{mine} keys to {model._meta.object_name}"),
        (not itself and mine > 1, "fields.E334", f"{mine} keys to {model._meta.object_name}"),
        (not itself and theirs > 1, "fields.E335", f"{theirs} keys to {target._meta.object_name}"),
    ]
    for is_so, id, what in found:
        if is_so:
            yield checks.Error(
                f"'{field.name}' goes through {through.label}, which has {what}: which is meant cannot be told.",
                hint=hint,
                obj=field,
                id=id,
            )
    if (itself and mine < 2) or not mine or not theirs:
        yield checks.Error(
            f"'{field.name}' goes through {through.label}, which has no key to {model._meta.object_name} or none to "
            f"{target._meta.object_name}.",
            hint=f"Add the ForeignKey to {through.object_name}.",
            obj=field,
            id="fields.E336",
        )


def _is_of(left: Any, right: Any) -> bool:
    if isinstance(left, str) or isinstance(right, str):
        return False
    return left._meta.concrete_model is right._meta.concrete_model
