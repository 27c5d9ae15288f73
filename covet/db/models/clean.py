"""``full_clean`` and its parts: fields, the model's own ``clean``, unique rules, constraints."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from covet import timezone
from covet.concurrency import maybe_await
from covet.conf import settings
from covet.db.models.fields.markers import DATABASE_DEFAULT
from covet.exceptions import NON_FIELD_ERRORS, FieldError, ValidationError

if TYPE_CHECKING:
    from covet.db.models.base import Model

__all__ = ["clean_fields", "full_clean", "unique_error", "validate_constraints", "validate_unique"]

Errors = dict[str, list[ValidationError]]


async def full_clean(instance: Model, *, exclude: Collection[str] | None, unique: bool, constraints: bool) -> None:
    """Run all checks of an instance and raise their errors at once; later steps skip fields that have failed."""
    errors: Errors = {}
    excluded = set(exclude or ())
    for field in type(instance)._meta.private_fields_with_parents:
        if field.many_to_one:
            # A generic relation learns the key of a type here, so that its column is not found empty.
            await field.settle(instance)
    _collect(errors, lambda: clean_fields(instance, excluded))
    excluded |= set(errors)
    await _collect_async(errors, validate_relations(instance, excluded))
    await _collect_async(errors, validate_files(instance, excluded))
    await _collect_async(errors, _own_clean(instance))
    excluded |= set(errors) - {NON_FIELD_ERRORS}
    if unique:
        await _collect_async(errors, instance.validate_unique(exclude=excluded))
        excluded |= set(errors) - {NON_FIELD_ERRORS}
    if constraints:
        await _collect_async(errors, instance.validate_constraints(exclude=excluded))
    if errors:
        raise ValidationError(errors)


async def _own_clean(instance: Model) -> None:
    await maybe_await(instance.clean())


def clean_fields(instance: Model, exclude: Collection[str] | None) -> None:
    """Clean every loaded field on its own and set the cleaned values; empty values of blank fields are left as they are."""
    excluded = set(exclude or ())
    errors: Errors = {}
    own = instance.__dict__
    for field in type(instance)._meta.fields:
        if field.name in excluded or field.generated or field.attname not in own:
            continue
        if getattr(field.remote_field, "parent_link", False):
            # The save of the parent's row gives it.
            continue
        value = own[field.attname]
        if value is DATABASE_DEFAULT or hasattr(value, "resolve"):
            # The database makes the value.
            continue
        if field.blank and (value is None or value in field.empty_values):
            continue
        try:
            cleaned = field.clean(value, instance)
        except ValidationError as error:
            errors[field.name] = error.error_list
        else:
            if cleaned is not value:
                setattr(instance, field.attname, cleaned)
    if errors:
        raise ValidationError(errors)


async def validate_relations(instance: Model, exclude: Collection[str]) -> None:
    """Ask the database whether the rows that the foreign keys name are there and may be chosen; loaded ones are there."""
    errors: Errors = {}
    own = instance.__dict__
    for field in type(instance)._meta.fields:
        if not (field.many_to_one or field.one_to_one) or field.name in exclude:
            continue
        key = own.get(field.attname)
        if key is None or hasattr(key, "resolve") or getattr(field.remote_field, "parent_link", False):
            continue
        if field.blank and key in field.empty_values:
            continue  # ``clean_fields`` took it for none
        limit = field.get_limit_choices_to()
        if not limit and field.is_cached(instance) and not field.get_cached_value(instance)._row_state.partial:
            continue
        target = field.related_model
        rows = target._base_manager.using(instance._row_state.db).filter(**{field.target_field.attname: key})
        if limit:
            rows = _limited(rows, field, limit)
        if not await rows.exists():
            errors[field.name] = [
                ValidationError(
                    "%(model)s instance with %(field)s %(value)r does not exist.",
                    code="invalid",
                    params={
                        "model": str(target._meta.verbose_name),
                        "field": field.target_field.name,
                        "value": key,
                    },
                )
            ]
    if errors:
        raise ValidationError(errors)


def _limited(rows: Any, field: Any, limit: Any) -> Any:
    try:
        return rows.complex_filter(limit)
    except (FieldError, TypeError) as error:
        # What is wrong stands in the field, and nobody who cleans an instance has written a filter.
        where = f"limit_choices_to of {field.model._meta.object_name}.{field.name}"
        why = str(error) if str(error).endswith((".", "?")) else f"{error}."
        raise FieldError(
            f"{where} is {limit!r}: {why} It takes a Q object, a dictionary of look-ups of {rows.model._meta.object_name}, or a "
            "function that returns one of these.",
            model=field.model,
            name=field.name,
        ) from error


async def validate_files(instance: Model, exclude: Collection[str]) -> None:
    """Let fields look at the files that wait to be stored."""
    errors: Errors = {}
    for field in type(instance)._meta.fields:
        if getattr(field, "holds_file", False) and field.name not in exclude:
            try:
                await field.validate_content(instance)
            except ValidationError as error:
                errors[field.name] = error.error_list
    if errors:
        raise ValidationError(errors)


class _Rule(NamedTuple):
    """Fields of one table that must be unique together."""

    model: type[Model]
    names: tuple[str, ...]


async def validate_unique(instance: Model, exclude: Collection[str] | None) -> None:
    """Raise the errors of ``unique``, ``unique_together`` and ``unique_for_…``; constraints have their own check."""
    excluded = set(exclude or ())
    errors: Errors = {}
    for rule in _unique_rules(type(instance), excluded):
        if await _is_taken(instance, rule):
            error = unique_error(rule.model, rule.names)
            errors.setdefault(rule.names[0] if len(rule.names) == 1 else NON_FIELD_ERRORS, []).append(error)
    for model, kind, name, date_name in _date_rules(type(instance), excluded):
        if await _is_taken_on_date(instance, model, kind, name, date_name):
            errors.setdefault(name, []).append(_date_error(model, kind, name, date_name))
    if errors:
        raise ValidationError(errors)


async def validate_constraints(instance: Model, exclude: Collection[str] | None) -> None:
    """Raise the errors of ``Meta.constraints``, the parents' included."""
    errors: Errors = {}
    using = instance._row_state.db
    for model in (type(instance), *type(instance)._meta.all_parents):
        for constraint in model._meta.constraints:
            try:
                await constraint.validate(model, instance, exclude=exclude, using=using)
            except ValidationError as error:
                names: Sequence[str] = getattr(constraint, "fields", ())
                if error.error_dict is None and error.code == "unique" and len(names) == 1:
                    errors.setdefault(names[0], []).append(error)
                else:
                    _add(errors, error)
    if errors:
        raise ValidationError(errors)


def unique_error(model: type[Model], names: Sequence[str]) -> ValidationError:
    """Return the error for values that another row has already."""
    meta = model._meta
    params: dict[str, Any] = {
        "model": model,
        "model_class": model,
        "model_name": _capital(meta.verbose_name),
        "unique_check": tuple(names),
    }
    if len(names) == 1:
        field = meta.get_field(names[0])
        params["field_label"] = _capital(field.verbose_name)
        return ValidationError(field.error_messages["unique"], code="unique", params=params)
    labels = [_capital(meta.get_field(name).verbose_name) for name in names]
    params["field_labels"] = " and ".join([", ".join(labels[:-1]), labels[-1]] if len(labels) > 1 else labels)
    return ValidationError(
        "%(model_name)s with this %(field_labels)s already exists.", code="unique_together", params=params
    )


def _unique_rules(model: type[Model], excluded: set[str]) -> Iterator[_Rule]:
    for owner in (model, *model._meta.all_parents):
        meta = owner._meta
        for names in meta.unique_together:
            if not set(names) & excluded:
                yield _Rule(owner, tuple(names))
        if meta.pk.is_composite and not meta.proxy:  # a proxy's is its model's
            names = tuple([field.name for field in meta.pk_fields])
            if not set(names) & excluded:
                yield _Rule(owner, names)
        for field in meta.local_fields:
            if field.name in excluded or not field.unique or field.generated:
                continue
            if field is meta.pk and getattr(field.remote_field, "parent_link", False):
                # The link to the parent: the parent's own key is looked at.
                continue
            yield _Rule(owner, (field.name,))


async def _is_taken(instance: Model, rule: _Rule) -> bool:
    lookups: dict[str, Any] = {}
    own = instance.__dict__
    for name in rule.names:
        field = rule.model._meta.get_field(name)
        value = own.get(field.attname)
        if value is None or value is DATABASE_DEFAULT or hasattr(value, "resolve"):
            return False
        if value == "" and field.null:
            return False
        if field.primary_key and not instance._row_state.adding:
            # A row that was read has its own key.
            continue
        lookups[field.attname] = value
    if len(lookups) != len(rule.names):
        return False
    return await _exists(instance, rule.model, lookups)


async def _exists(instance: Model, model: type[Model], lookups: dict[str, Any]) -> bool:
    rows = model._default_manager.using(instance._row_state.db).filter(**lookups)
    key = instance.pk if model._meta.pk.is_composite else instance.__dict__.get(model._meta.pk.attname)
    if not instance._row_state.adding and key is not None:
        rows = rows.exclude(pk=key)
    return bool(await rows.exists())


def _date_rules(model: type[Model], excluded: set[str]) -> Iterator[tuple[type[Model], str, str, str]]:
    for owner in (model, *model._meta.all_parents):
        for field in owner._meta.local_fields:
            for kind, date_name in (
                ("date", field.unique_for_date),
                ("year", field.unique_for_year),
                ("month", field.unique_for_month),
            ):
                if date_name and field.name not in excluded and date_name not in excluded:
                    yield owner, kind, field.name, date_name


async def _is_taken_on_date(instance: Model, model: type[Model], kind: str, name: str, date_name: str) -> bool:
    moment: Any = getattr(instance, date_name)
    if moment is None:
        return False
    is_datetime = hasattr(moment, "hour")
    if is_datetime and settings.USE_TZ:
        moment = moment.astimezone(timezone.get_current_timezone())
    lookups: dict[str, Any] = {name: getattr(instance, model._meta.get_field(name).attname)}
    if kind == "date":
        # Bounds, not functions of the column: an index can serve them.
        lookups |= {f"{date_name}__date": moment.date()} if is_datetime else {date_name: moment}
    else:
        lookups[f"{date_name}__{kind}"] = getattr(moment, kind)
    return await _exists(instance, model, lookups)


def _date_error(model: type[Model], kind: str, name: str, date_name: str) -> ValidationError:
    meta = model._meta
    field = meta.get_field(name)
    params = {
        "model": model,
        "model_name": _capital(meta.verbose_name),
        "lookup_type": kind,
        "field": name,
        "field_label": _capital(field.verbose_name),
        "date_field": date_name,
        "date_field_label": _capital(meta.get_field(date_name).verbose_name),
    }
    return ValidationError(field.error_messages["unique_for_date"], code="unique_for_date", params=params)


def _collect(errors: Errors, step: Any) -> None:
    try:
        step()
    except ValidationError as error:
        _add(errors, error)


async def _collect_async(errors: Errors, step: Any) -> None:
    try:
        await step
    except ValidationError as error:
        _add(errors, error)


def _add(errors: Errors, error: ValidationError) -> None:
    if error.error_dict is None:
        errors.setdefault(NON_FIELD_ERRORS, []).extend(error.error_list)
        return
    for name, found in error.error_dict.items():
        errors.setdefault(name, []).extend(found)


def _capital(name: Any) -> str:
    text = str(name)
    return text[:1].upper() + text[1:]
