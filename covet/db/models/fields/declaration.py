"""What can be wrong with a field as it is declared, whatever its kind."""

from __future__ import annotations

import keyword
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from covet import checks
from covet.db.models.fields.markers import NOT_PROVIDED
from covet.exceptions import ValidationError

if TYPE_CHECKING:
    from covet.db.models.fields.base import Field

__all__ = ["declaration_errors"]


def declaration_errors(field: Field[Any]) -> Iterator[checks.CheckMessage]:
    """Yield what is wrong with name, choices, keys, validators, the default and the database's default."""
    yield from _check_name(field)
    yield from _check_choices(field)
    yield from _check_key(field)
    yield from _check_validators(field)
    yield from _check_default(field)
    yield from _check_db_default(field)


def _error(field: Field[Any], id: str, message: str, hint: str | None = None) -> checks.CheckMessage:
    return checks.Error(message, hint=hint, obj=field, id=f"fields.{id}")


def _check_name(field: Field[Any]) -> Iterator[checks.CheckMessage]:
    name = field.name
    if name.endswith("_"):
        yield _error(field, "E001", f"The field name '{name}' ends with an underscore.", "Rename the field.")
    if "__" in name:
        yield _error(
            field, "E002", f"The field name '{name}' contains '__', which separates look-ups.", "Rename the field."
        )
    if name == "pk":
        yield _error(field, "E003", "'pk' always means the primary key and cannot name a field.", "Rename the field.")
    if keyword.iskeyword(name):
        yield _error(field, "E001", f"The field name '{name}' is a Python keyword.", "Rename the field.")


def _check_choices(field: Field[Any]) -> Iterator[checks.CheckMessage]:
    if field._choices is None:
        return
    given = field._choices
    if not callable(given) and (isinstance(given, str) or not hasattr(given, "__iter__")):
        yield _error(
            field,
            "E004",
            f"'choices' must be a mapping or an iterable, and not {given!r}.",
            'Write choices=[("d", "Draft"), ("p", "Published")] or a TextChoices class.',
        )
        return
    try:
        pairs = field.flatchoices
    except (TypeError, ValueError):
        yield _error(
            field,
            "E005",
            "'choices' must be a mapping, or an iterable of pairs (value, label).",
            'Write choices=[("d", "Draft"), ("p", "Published")] or a TextChoices class.',
        )
        return
    longest = max((len(value) for value, _label in pairs if isinstance(value, str)), default=0)
    if field.max_length is not None and longest > field.max_length:
        yield _error(
            field, "E009", f"'max_length' is {field.max_length}, and the longest choice has {longest} characters."
        )


def _check_key(field: Field[Any]) -> Iterator[checks.CheckMessage]:
    if field.primary_key and field.null:
        yield _error(field, "E007", "A primary key cannot have null=True.", "Remove null=True or primary_key=True.")
    if field.db_index not in (True, False):
        yield _error(field, "E006", "'db_index' must be True or False.")


def _check_validators(field: Field[Any]) -> Iterator[checks.CheckMessage]:
    for index, validator in enumerate(field._validators):
        if not callable(validator):
            yield _error(
                field,
                "E008",
                f"All validators must be callable, and validators[{index}] ({validator!r}) is not.",
                "Pass the function or an instance of a validator class.",
            )


def _check_default(field: Field[Any]) -> Iterator[checks.CheckMessage]:
    # What is made of other values (instances, of relations, expressions) is known later.
    if field.is_relation or not isinstance(field.default, (str, int, float)):
        return
    try:
        field.to_python(field.default)
    except ValidationError as error:
        yield _error(
            field,
            "E014",
            f"The default {field.default!r} is no value of a {type(field).__name__}: {' '.join(error.messages)}",
            "Write a default that the field takes.",
        )
    except Exception:
        # An instance takes a default as it is. Where a field of the project's own is asked (values are cleaned, a ModelSchema is
        # made), what it raises is raised there; this check cannot say whose fault it is.
        return


def _check_db_default(field: Field[Any]) -> Iterator[checks.CheckMessage]:
    if field.db_default is NOT_PROVIDED or not hasattr(field.db_default, "resolve"):
        return
    if any(type(part).__name__ in {"F", "OuterRef", "Subquery", "Exists"} for part in field.db_default.walk()):
        yield _error(
            field,
            "E012",
            f"{field.db_default!r} cannot be a database default: it refers to other columns or rows.",
            "Use a literal, Now() or another function of constants.",
        )
