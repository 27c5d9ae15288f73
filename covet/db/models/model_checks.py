"""The system checks of models: names, fields, keys, Meta options; and what only shows across all models."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from covet import checks
from covet.conf import settings
from covet.db.models.class_checks import check_class, check_targets
from covet.db.models.relation_checks import (
    check_deletion,
    check_foreign_object,
    check_many,
    check_repeated_many,
    check_tables_between,
    check_target_field,
)
from covet.db.models.relations.spec import LateTarget
from covet.db.models.signals import LateSender
from covet.exceptions import FieldDoesNotExist
from covet.text import suggest

if TYPE_CHECKING:
    from covet.apps import Apps
    from covet.checks import CheckMessage

__all__ = ["check_all", "check_model"]


def check_model(model: Any) -> list[CheckMessage]:
    """Return what is wrong with one model as it is declared."""
    meta = model._meta
    found = [*_check_swappable(model), *_check_names(model)]
    if meta.swapped:
        return found
    for field in (*meta.local_fields, *meta.local_many_to_many, *meta.private_fields):
        found += field.check()
    for manager in meta.managers:
        found += manager.check()
    objects = [field for field in meta.private_fields if hasattr(field, "from_fields")]
    for field in (*meta.local_fields, *meta.local_many_to_many, *objects):
        if field.remote_field is not None and not isinstance(field.related_model, str):
            found += _check_relation(field)
    found += check_class(model)
    found += check_targets(model)
    found += check_repeated_many(model)
    found += _check_field_clashes(model)
    found += _check_columns(model)
    found += _check_keys(model)
    found += _check_ordering(model)
    found += _check_together(model)
    found += _check_rule_fields(model)
    for rule in (*meta.indexes, *meta.constraints):
        found += rule.check(model)
    return found


def check_all(apps: Apps) -> Iterator[CheckMessage]:
    """Return what is wrong with all models, alone and together."""
    models = apps.get_models(include_auto_created=True, include_swapped=True)
    for model in models:
        # A field named "check" hides the method, and is itself one of the findings.
        yield from model.check() if callable(model.check) else check_model(model)
    yield from _check_tables(models)
    yield from check_tables_between(models)
    yield from _check_rule_names(models)
    yield from _check_late(apps)


def _check_late(apps: Apps) -> Iterator[CheckMessage]:
    """Yield what waits for models that are nowhere."""
    known = [model._meta.label for models in apps.all_models.values() for model in models.values()]
    waiting: dict[tuple[str, str, tuple[str, str]], None] = {}
    for function, key in apps.pending_operations():
        if isinstance(function, LateTarget):
            waiting["fields.E307", "A relation", key] = None
        elif isinstance(function, LateSender):
            waiting["signals.E001", repr(function), key] = None
        else:
            name = getattr(function, "__qualname__", None) or repr(function)
            waiting["models.E022", f"The function '{name}'", key] = None
    for id, who, (label, name) in sorted(waiting):
        near = suggest(f"{label}.{name}", known)
        yield checks.Error(
            f"{who} waits for the model '{label}.{name}', which is nowhere.",
            hint=f"Did you mean '{near}'?" if near else "Add its app to INSTALLED_APPS, or correct the name.",
            id=id,
        )


def _check_swappable(model: Any) -> Iterator[CheckMessage]:
    meta = model._meta
    target = meta.swapped
    if not target:
        return
    if target.count(".") != 1:
        yield checks.Error(
            f"{meta.swappable} is '{target}', which is not of the form 'app_label.ModelName'.", id="models.E001"
        )
        return
    label, name = target.split(".")
    if name.lower() not in meta.apps.all_models.get(label, {}):
        yield checks.Error(
            f"{meta.swappable} names '{target}', which is not installed, or is abstract.",
            hint="Add its app to INSTALLED_APPS, or correct the setting.",
            id="models.E002",
        )


def _check_names(model: Any) -> Iterator[CheckMessage]:
    name = model.__name__
    if name.startswith("_") or name.endswith("_"):
        yield checks.Error(
            f"The model name '{name}' cannot start or end with an underscore: look-ups would be ambiguous.",
            obj=model,
            id="models.E023",
        )
    elif "__" in name:
        yield checks.Error(
            f"The model name '{name}' contains '__', which separates look-ups.", obj=model, id="models.E024"
        )


def _check_field_clashes(model: Any) -> Iterator[CheckMessage]:
    """Two fields with one name or attribute; a field whose name the class uses for something else."""
    meta = model._meta
    used: dict[str, Any] = {}
    for parent in meta.all_parents:
        for field in parent._meta.local_fields:
            for name in {field.name, field.attname}:
                other = used.get(name)
                if other is not None and other.model is not field.model and not _is_shared_link(other, field):
                    yield checks.Error(
                        f"'{name}' of the parent {field.model._meta.label} clashes with '{name}' of the parent "
                        f"{other.model._meta.label}.",
                        obj=model,
                        id="models.E005",
                    )
                used[name] = field
    for field in meta.local_fields:
        for name in {field.name, field.attname}:
            other = used.get(name)
            if other is not None and other is not field and not _is_shared_link(other, field):
                yield checks.Error(
                    f"The field '{field.name}' clashes with the field '{other.name}' of {other.model._meta.label}: both "
                    f"are read as '{name}'.",
                    hint="Rename one of them.",
                    obj=field,
                    id="models.E006",
                )
            used[name] = field
        if field.name in _METHODS:
            yield checks.Error(
                f"'{field.name}' is a method of every model and cannot name a field.",
                hint="Rename the field; db_column keeps the column's name.",
                obj=field,
                id="fields.E020",
            )


def _is_shared_link(first: Any, second: Any) -> bool:
    return first == second or bool(first.auto_created and second.auto_created and first.remote_field)


_METHODS = frozenset(
    (
        "check",
        "clean",
        "clean_fields",
        "delete",
        "fetch",
        "from_db",
        "full_clean",
        "refresh_from_db",
        "save",
        "serializable_value",
        "unloaded",
        "validate_constraints",
        "validate_unique",
    )
)


def _check_relation(field: Any) -> Iterator[CheckMessage]:
    """A relation whose target is known: it is there, its rule of deletion is possible, its reverse names are free."""
    target = field.related_model._meta
    remote = field.remote_field
    if target.swapped:
        yield checks.Error(
            f"'{field.name}' refers to {target.label}, which is swapped for another model.",
            hint=f"Refer to settings.{target.swappable} instead.",
            obj=field,
            id="fields.E301",
        )
        return
    if target.pk is not None and target.pk.is_composite and field.to_field_is_key:
        yield checks.Error(
            f"'{field.name}' refers to {target.label}, whose primary key has several parts; a relation has one column.",
            hint="Refer to a unique field of it by to_field, or give the model a key of one column.",
            obj=field,
            id="fields.E347",
        )
        return
    if field.many_to_many:
        yield from check_many(field)
    elif hasattr(field, "from_fields"):
        yield from check_foreign_object(field)
    else:
        yield from check_target_field(field)
        yield from check_deletion(field)
        if field.many_to_one and field._unique:
            yield checks.Warning(
                f"'{field.name}' is a ForeignKey with unique=True: a OneToOneField, whose reverse gives the one row.",
                hint="Write OneToOneField.",
                obj=field,
                id="fields.W342",
            )
    rule = getattr(remote.on_delete, "__name__", "")
    if rule == "SET_NULL" and not field.null:
        yield checks.Error(
            f"'{field.name}' says on_delete=SET_NULL, and cannot be null.",
            hint="Add null=True, or choose another on_delete.",
            obj=field,
            id="fields.E320",
        )
    if rule == "SET_DEFAULT" and not field.has_default():
        yield checks.Error(
            f"'{field.name}' says on_delete=SET_DEFAULT, and has no default.",
            hint="Add default=…, or choose another on_delete.",
            obj=field,
            id="fields.E321",
        )
    if remote.related_name and not (remote.related_name.rstrip("+") or "x").isidentifier():
        yield checks.Error(
            f"The related_name '{remote.related_name}' of '{field.name}' is no Python name.",
            obj=field,
            id="fields.E306",
        )
    if not remote.hidden:
        yield from _check_query_name(field, remote)
        yield from _check_reverse_names(field, remote, target)


def _check_query_name(field: Any, remote: Any) -> Iterator[CheckMessage]:
    hint = f"Add or change related_name or related_query_name of '{field.name}'."
    if remote.name.endswith("_"):
        yield checks.Error(
            f"The reverse query name '{remote.name}' of '{field}' ends with an underscore: look-ups would be ambiguous.",
            hint=hint,
            obj=field,
            id="fields.E308",
        )
    if "__" in remote.name:
        yield checks.Error(
            f"The reverse query name '{remote.name}' of '{field}' contains '__', which separates look-ups.",
            hint=hint,
            obj=field,
            id="fields.E309",
        )


def _check_reverse_names(field: Any, remote: Any, target: Any) -> Iterator[CheckMessage]:
    accessor, query_name = remote.get_accessor_name(), remote.name
    hint = f"Add related_name=… to '{field.name}', or rename the field."
    for other in (*target.fields, *target.many_to_many):
        if other.name == accessor:
            yield checks.Error(
                f"The reverse accessor '{target.object_name}.{accessor}' of '{field}' is also the name of a field.",
                hint=hint,
                obj=field,
                id="fields.E302",
            )
        if other.name == query_name:
            yield checks.Error(
                f"The reverse query name '{query_name}' of '{field}' is also the name of a field of {target.object_name}.",
                hint=hint,
                obj=field,
                id="fields.E303",
            )
    if accessor in {manager.name for manager in target.managers}:
        yield checks.Error(
            f"The reverse accessor '{target.object_name}.{accessor}' of '{field}' is also the name of a manager.",
            hint=hint,
            obj=field,
            id="fields.E348",
        )
    for other in target.related_objects:
        if other is remote or other.field == field:
            continue
        if other.get_accessor_name() == accessor:
            yield checks.Error(
                f"The reverse accessor '{target.object_name}.{accessor}' of '{field}' is that of '{other.field}' too.",
                hint="Add related_name=… to one of them.",
                obj=field,
                id="fields.E304",
            )
        if other.name == query_name:
            yield checks.Error(
                f"The reverse query name '{query_name}' of '{field}' is that of '{other.field}' too.",
                hint="Add related_name=… or related_query_name=… to one of them.",
                obj=field,
                id="fields.E305",
            )


def _check_columns(model: Any) -> Iterator[CheckMessage]:
    used: dict[str, Any] = {}
    for field in model._meta.local_concrete_fields:
        # Databases differ in whether case tells columns apart; none likes two that differ by it alone.
        key = field.column.lower()
        other = used.get(key)
        if other is not None:
            yield checks.Error(
                f"The fields '{other.name}' and '{field.name}' use one column, '{field.column}'.",
                hint="Give one of them another db_column.",
                obj=model,
                id="models.E007",
            )
        used[key] = field


def _check_keys(model: Any) -> Iterator[CheckMessage]:
    meta = model._meta
    keys = [field for field in meta.local_fields if field.primary_key]
    if meta.pk is not None and meta.pk.is_composite:
        keys.insert(0, meta.pk)
    if len(keys) > 1:
        yield checks.Error(
            f"The model has more than one field with primary_key=True: {', '.join(field.name for field in keys)}.",
            hint="Keep one; a UniqueConstraint serves the others.",
            obj=model,
            id="models.E026",
        )


def _check_ordering(model: Any) -> Iterator[CheckMessage]:
    meta = model._meta
    if meta.order_with_respect_to and "ordering" in meta.original_attrs:
        yield checks.Error(
            "'ordering' and 'order_with_respect_to' cannot be used together.", obj=model, id="models.E021"
        )
    if isinstance(meta.ordering, str) or not isinstance(meta.ordering, (list, tuple)):
        yield checks.Error(
            "'ordering' must be a tuple or list (even if you want to order by only one field).",
            hint=f'Write ordering = ["{meta.ordering}"].' if isinstance(meta.ordering, str) else None,
            obj=model,
            id="models.E014",
        )
        return
    for item in meta.ordering:
        name = item if isinstance(item, str) else getattr(getattr(item, "expression", item), "name", None)
        if not isinstance(name, str) or name == "?":
            continue
        error = _unknown(meta, name.lstrip("-+"))
        if error:
            yield checks.Error(f"'ordering' names '{name.lstrip('-+')}': {error}", obj=model, id="models.E015")


def _unknown(meta: Any, path: str) -> str:
    """Return why a path of names leads nowhere; empty if it does lead to a field, or further than can be told."""
    for name in path.split("__"):
        if name == "pk":
            name = meta.pk.name  # noqa: PLW2901 - the alias of this step
        try:
            field = meta.get_field(name)
        except FieldDoesNotExist as error:
            return str(error)
        if (
            not getattr(field, "is_relation", False)
            or isinstance(field.related_model, str)
            or field.related_model is None
        ):
            # A column: what follows is a transform, which the query room knows.
            return ""
        meta = field.related_model._meta
    return ""


def _check_together(model: Any) -> Iterator[CheckMessage]:
    meta = model._meta
    for names in meta.unique_together:
        for name in names:
            try:
                field = meta.get_field(name)
            except FieldDoesNotExist as error:
                yield checks.Error(f"'unique_together' names '{name}': {error}", obj=model, id="models.E012")
                continue
            if getattr(field, "many_to_many", False):
                yield checks.Error(
                    f"'unique_together' names the many-to-many field '{name}', which has no column.",
                    obj=model,
                    id="models.E013",
                )
            elif field not in meta.local_fields and field not in meta.private_fields:
                yield checks.Error(
                    f"'unique_together' names '{name}', which stands in the table of a parent.",
                    obj=model,
                    id="models.E016",
                )


def _check_rule_fields(model: Any) -> Iterator[CheckMessage]:
    """Rules of the table name columns, and some fields have none."""
    meta = model._meta
    named = [("unique_together", name) for names in meta.unique_together for name in names]
    for option in ("indexes", "constraints"):
        named += [(option, name.lstrip("-")) for rule in getattr(meta, option) for name in getattr(rule, "fields", ())]
    for option, name in named:
        field = meta._forward_map.get(name) if name != "pk" else meta.pk
        if field is not None and getattr(field, "is_composite", False):
            yield checks.Error(
                f"'{option}' names '{name}', a CompositePrimaryKey, which has no column of its own.",
                hint=f"Name its fields: {', '.join(field.field_names)}.",
                obj=model,
                id="models.E048",
            )
        elif hasattr(field, "from_fields"):
            yield checks.Error(
                f"'{option}' names '{name}', a ForeignObject, which has no column of its own.",
                hint=f"Name its fields: {', '.join(field.from_fields)}.",
                obj=model,
                id="models.E049",
            )


def _check_tables(models: Iterable[Any]) -> Iterator[CheckMessage]:
    used: dict[str, list[str]] = defaultdict(list)
    for model in models:
        if model._meta.managed and not model._meta.proxy and not model._meta.swapped:
            used[model._meta.db_table].append(model._meta.label)
    for table, labels in used.items():
        if len(labels) > 1:
            text = f"The table '{table}' is used by several models: {', '.join(sorted(labels))}."
            if settings.DATABASE_ROUTERS:
                # They may live on different databases; only the routers' author knows.
                hint = "Make sure that the routers send them to different databases."
                yield checks.Warning(text, hint=hint, id="models.W035")
            else:
                yield checks.Error(text, hint="Give all but one another Meta.db_table.", id="models.E028")


def _check_rule_names(models: Iterable[Any]) -> Iterator[CheckMessage]:
    for option, within, id in (
        ("indexes", "models.E029", "models.E030"),
        ("constraints", "models.E031", "models.E032"),
    ):
        used: dict[str, list[str]] = defaultdict(list)
        for model in models:
            for rule in getattr(model._meta, option):
                if rule.name:
                    used[rule.name].append(model._meta.label)
        kind = "index" if option == "indexes" else "constraint"
        for name, labels in used.items():
            if len(labels) > 1:
                yield checks.Error(
                    f"The {kind} name '{name}' is used more than once: {', '.join(sorted(labels))}.",
                    hint="Names are unique in a database; in an abstract model write '%(app_label)s_%(class)s_…'.",
                    id=within if len(set(labels)) == 1 else id,
                )
