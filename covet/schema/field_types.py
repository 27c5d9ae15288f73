"""A model field as a pydantic field: its Python type, its rules, its default and how OpenAPI tells of it."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import math
import re
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

from msgspec import Struct
from pydantic import BeforeValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError, PydanticKnownError, core_schema

from covet import timezone, validators
from covet.exceptions import ImproperlyConfigured, ValidationError
from covet.schema.base import OUTPUT, is_plain_json, spelled_by
from covet.text import suggest

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue

    from covet.db.models.base import Model

__all__ = [
    "FieldRules",
    "FileUrl",
    "RelatedKey",
    "RelatedKeys",
    "StoredFile",
    "chosen",
    "definition",
    "holds_file",
    "is_auto",
    "is_written",
    "python_type",
    "target_model",
]

_PYTHON_TYPES: Final[dict[str, Any]] = {
    "smallint": int,
    "integer": int,
    "bigint": int,
    "float": float,
    "decimal": decimal.Decimal,
    "boolean": bool,
    "char": str,
    "varchar": str,
    "text": str,
    "date": datetime.date,
    "time": datetime.time,
    "datetime": datetime.datetime,
    "interval": datetime.timedelta,
    "uuid": uuid.UUID,
    "binary": bytes,
    "json": Any,
    "inet": str,
}
# What the columns of all three databases can hold; beyond it the answer is 422 and not the database's error.
_INTEGER_BITS: Final = {"smallint": 16, "integer": 32, "bigint": 64}
_FORMATS: Final = {"EmailField": "email", "URLField": "uri", "GenericIPAddressField": "ip"}
# Beyond these a message would be a page; the documentation has them all.
_MOST_TOLD: Final = 20


def python_type(field: Any) -> Any:
    """Return the Python type of a concrete field's values; that of its target's key for a foreign key."""
    annotate = getattr(field, "schema_annotation", None)
    if annotate is not None:
        return annotate(python_type)
    kind = field.column_type().kind
    return _PYTHON_TYPES.get(kind, Any)


def chosen(field: Any, base: Any) -> Any:
    """Return the type of a look-up's value that is one of the field's choices; ``base`` where the field has none."""
    pairs = [(value, str(label)) for value, label in field.flatchoices if value is not None] if field.choices else []
    if not pairs:
        return base
    values, labels = zip(*pairs, strict=True)
    if base is str and field.blank and "" not in values:
        values = (*values, "")
    return Annotated[base, FieldRules(choices=values, labels=labels, blank=field.blank)]


def is_auto(field: Any) -> bool:
    """Return whether the database makes the field's value, as for ``BigAutoField``."""
    return field.get_internal_type() in {"AutoField", "BigAutoField", "SmallAutoField"}


def holds_file(field: Any) -> bool:
    """Return whether the field's values are files in a storage."""
    return getattr(field, "holds_file", False)


def is_written(field: Any) -> bool:
    """Return whether what a body has for the field is written. A file is uploaded: a text would name somebody else's."""
    return bool(field.primary_key or (field.editable and not holds_file(field)))


def target_model(field: Any) -> type[Model]:
    """Return the model that a relation points at.

    Raises:
        ImproperlyConfigured: It is named by a string and its app has not been loaded.
    """
    related = field.related_model
    if related is None or isinstance(related, str):
        raise ImproperlyConfigured(
            f"{field.model._meta.label}.{field.name} points at {related!r}, which is not loaded yet. Declare schemas of "
            "this model outside models.py, such as in views.py, and check that the other app is in INSTALLED_APPS."
        )
    model: type[Model] = related
    return model


def definition(field: Any, *, optional: bool = False) -> tuple[Any, FieldInfo]:
    """Return annotation and ``FieldInfo`` of a model field.

    Args:
        field: A concrete or many-to-many field.
        optional: The field may be left out whatever the model says, as in a PATCH.
    """
    annotation = _annotation(field)
    options: dict[str, Any] = {}
    if field.help_text:
        options["description"] = str(field.help_text)
    extra = _json_schema_extra(field)
    if extra:
        options["json_schema_extra"] = extra
    if optional:
        options["default_factory"] = lambda: None
    else:
        options.update(_default(field))
    return annotation, Field(**options)


def _annotation(field: Any) -> Any:
    if field.many_to_many:
        return Annotated[list[Any], RelatedKeys(field)]
    if field.is_relation:
        annotation: Any = Annotated[Any, RelatedKey(field)]
    else:
        annotation = _scalar(field)
    return annotation | None if field.null else annotation


def _scalar(field: Any) -> Any:
    annotate = getattr(field, "schema_annotation", None)
    if annotate is not None:
        return _own_annotation(field, annotate(_scalar))
    if holds_file(field):
        return Annotated[str | None, StoredFile(field)]
    column = field.column_type()
    base = _PYTHON_TYPES.get(column.kind, Any)
    limits: dict[str, Any] = {}
    rest: list[Callable[[Any], Any]] = []
    choices = [value for value, _ in field.flatchoices] if field.choices else []
    for rule in field.validators:
        if not _native_limit(rule, base, limits):
            rest.append(rule)
    if base is str and field.max_length is not None:
        limits["max_length"] = min(field.max_length, limits.get("max_length", field.max_length))
    if base is int and column.kind in _INTEGER_BITS:
        highest = 2 ** (_INTEGER_BITS[column.kind] - 1) - 1
        lowest = 0 if column.unsigned else -highest - 1
        limits["le"] = min(highest, limits.get("le", highest))
        limits["ge"] = max(lowest, limits.get("ge", lowest))
    if base is decimal.Decimal and column.precision is not None:
        limits |= {"max_digits": column.precision, "decimal_places": column.scale}
    metadata: list[Any] = []
    if limits:
        metadata.append(Field(**limits))
    # An empty text of a field that is not blank is the one rule that full_clean has and columns do not.
    not_blank = base is str and not field.blank and not choices
    canonical = field.canonical()
    if rest or choices or base in (str, float) or canonical is not None or column.kind == "datetime":
        if choices and field.blank and base is str and "" not in choices:
            choices.append("")
        metadata.append(
            FieldRules(
                validators=tuple(rest),
                choices=tuple(choices),
                labels=tuple(str(label) for _, label in field.flatchoices) if field.choices else (),
                not_blank=not_blank,
                blank=field.blank,
                is_datetime=column.kind == "datetime",
                canonical=canonical,
            )
        )
    if not is_plain_json(field):
        metadata.insert(0, BeforeValidator(spelled_by(field, base)))
    return Annotated[(base, *metadata)] if metadata else base


def _own_annotation(field: Any, base: Any) -> Any:
    """Return what a field of its own kind says, held to its validators; what they know of lengths is told as such."""
    limits: dict[str, Any] = {}
    rest = []
    for rule in field.validators:
        limit = getattr(rule, "limit_value", None)
        names = {validators.MaxLengthValidator: "max_length", validators.MinLengthValidator: "min_length"}
        name = next((name for kind, name in names.items() if isinstance(rule, kind)), None)
        if name is not None and not callable(limit):
            limits[name] = limit
        else:
            rest.append(rule)
    metadata: list[Any] = [Field(**limits)] if limits else []
    canonical = field.canonical()
    if rest or canonical is not None:
        metadata.append(FieldRules(validators=tuple(rest), blank=field.blank, canonical=canonical))
    return Annotated[(base, *metadata)] if metadata else base


def _native_limit(rule: Any, base: Any, limits: dict[str, Any]) -> bool:
    """Put a validator that pydantic checks itself, and OpenAPI can tell, into the limits; return whether it was one."""
    kind = type(rule)
    if kind is validators.DecimalValidator:
        return base is decimal.Decimal
    if kind is validators.ProhibitNullCharactersValidator:
        return False
    limit = getattr(rule, "limit_value", None)
    if limit is None or callable(limit):
        return False
    if base is str and kind is validators.MaxLengthValidator:
        limits["max_length"] = min(limit, limits.get("max_length", limit))
    elif base is str and kind is validators.MinLengthValidator:
        limits["min_length"] = max(limit, limits.get("min_length", limit))
    elif base in (int, float, decimal.Decimal) and kind is validators.MinValueValidator:
        limits["ge"] = max(limit, limits.get("ge", limit))
    elif base in (int, float, decimal.Decimal) and kind is validators.MaxValueValidator:
        limits["le"] = min(limit, limits.get("le", limit))
    else:
        return False
    return True


def _default(field: Any) -> dict[str, Any]:
    """Say when the field may be left out, and what it is then: as for ``Model()``, and '' or [] where blank."""
    if field.many_to_many:
        return {"default_factory": list} if field.blank else {}
    if is_auto(field) or holds_file(field):
        return {"default_factory": lambda: None}
    if field.is_relation:
        if field.has_default():
            return {"default_factory": lambda: _related_default(field)}
        return {"default": None} if field.null else {}
    if field.has_default():
        if not callable(field.default) and isinstance(field.default, (str, int, float, bool, type(None))):
            return {"default": _as_typed(field, field.default)}
        return {"default_factory": field.get_default}
    if field.has_db_default():
        return {"default_factory": field.get_default}
    if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
        return {"default_factory": lambda: None}
    if field.null:
        return {"default": None}
    if field.blank and python_type(field) is str:
        return {"default": ""}
    return {}


def _as_typed(field: Any, default: Any) -> Any:
    """Return a default as the field's own type, as OpenAPI tells it: of a ``DecimalField``, 0 is ``"0"``."""
    with contextlib.suppress(ValidationError):
        return field.to_python(default)
    return default  # a check of the model tells of it


def _related_default(field: Any) -> Any:
    key = field.get_default()
    return None if key is None else target_model(field).unloaded(key)


def _json_schema_extra(field: Any) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    form = _FORMATS.get(field.get_internal_type())
    if form == "ip":
        form = {"ipv4": "ipv4", "ipv6": "ipv6"}.get(str(getattr(field, "protocol", "")).lower())
    # An empty text is no address, and a field that may be blank takes it.
    if form and not field.is_relation and not field.blank:
        extra["format"] = form
    if holds_file(field):
        extra["format"] = "uri-reference"
    if is_auto(field) or not is_written(field):
        extra["readOnly"] = True
    return extra


def _told_pattern(rule: Any) -> str | None:
    """Return a validator's pattern as JSON Schema spells it (ECMA 262); None where it says it in another way."""
    if not isinstance(rule, validators.RegexValidator) or rule.inverse_match:
        return None
    pattern, flags = str(rule.regex.pattern), rule.regex.flags
    # What Python alone knows, and what means other characters there.
    if flags & ~(re.UNICODE | re.ASCII) or re.search(r"\(\?(?![:=!])|[*+?}]\+|\\\\", pattern):
        return None
    if not flags & re.ASCII and re.search(r"\\[wWdDsSbB]", pattern):
        return None
    return re.sub(r"\\([AZ])", lambda found: "^" if found[1] == "A" else "$", pattern)


def _has_utc(moment: datetime.datetime) -> bool:
    try:
        moment.astimezone(datetime.UTC)
    except OverflowError:
        return False
    return True


def _fail(error: ValidationError) -> PydanticCustomError:
    code = error.error_list[0].code or "invalid"
    # The text goes in as a value: braces in it are no placeholders of pydantic's.
    return PydanticCustomError(code, "{message}", {"message": " ".join(error.messages)})


class FieldRules(Struct, frozen=True, eq=False):
    """The rules of a model field that pydantic has no word for.

    Answers are not held to them; they are spelled as the column gives the value back.
    """

    validators: tuple[Callable[[Any], Any], ...] = ()
    choices: tuple[Any, ...] = ()
    labels: tuple[str, ...] = ()
    not_blank: bool = False
    blank: bool = False
    is_datetime: bool = False
    canonical: Callable[[Any], Any] | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Check after pydantic has made the value."""
        return core_schema.with_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Tell the choices, the patterns, and that a text must not be empty."""
        described = handler(schema)
        if self.choices:
            described["enum"] = list(self.choices)
            # For people, and for clients that are generated; the empty choice of a blank field says nothing.
            described["x-enum-descriptions"] = [*self.labels, ""][: len(self.choices)]
        patterns = [found for rule in self.validators if (found := _told_pattern(rule)) is not None]
        if patterns and described.get("type") == "string":
            if self.blank:
                patterns = [f"^$|{pattern}" for pattern in patterns]
            described["pattern"] = patterns[0]
            if len(patterns) > 1:
                described["allOf"] = [{"pattern": pattern} for pattern in patterns[1:]]
        if self.not_blank and described.get("type") == "string":
            described.setdefault("minLength", 1)
        return described

    def _check(self, value: Any, info: core_schema.ValidationInfo) -> Any:
        if value is None:
            return value
        if info.context is OUTPUT:
            return value if self.canonical is None else self.canonical(value)
        if self.is_datetime and not timezone.is_aware(value):
            value = timezone.make_aware(value)
        if self.is_datetime and value.year in (1, 9999) and not _has_utc(value):
            raise PydanticCustomError("datetime_range", "This moment lies beyond the years 1 to 9999 in UTC.")
        if isinstance(value, str) and "\x00" in value:
            # PostgreSQL cannot hold it, so no database is given it.
            raise PydanticCustomError("null_character", "Null characters are not allowed.")
        if isinstance(value, float) and not math.isfinite(value):  # JSON has no word for it
            raise PydanticKnownError("finite_number")
        if value == "" and self.not_blank:
            raise PydanticCustomError("blank", "This field cannot be blank.")
        if self.choices and value not in self.choices:
            near = (
                suggest(value, [choice for choice in self.choices if isinstance(choice, str)])
                if isinstance(value, str)
                else None
            )
            hint = f" Did you mean {near!r}?" if near else ""
            if not near and len(self.choices) <= _MOST_TOLD:
                hint = f" It takes: {', '.join(str(choice) for choice in self.choices if choice not in ('', None))}."
            raise PydanticCustomError(
                "invalid_choice", "{message}", {"message": f"Value {value!r} is not a valid choice.{hint}"}
            )
        if self.blank and value in ("", [], {}):
            return value
        for validate in self.validators:
            try:
                validate(value)
            except ValidationError as error:
                raise _fail(error) from error
        return value


class StoredFile:
    """A file: the address at which a browser finds it, None without one; read only.

    Args:
        field: The model's field, which knows the storage of a bare name; None where rows alone are read, whose files know it.
    """

    __slots__ = ("field",)

    def __init__(self, field: Any = None) -> None:
        self.field = field

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Take what a row holds, or its name in the storage."""
        return core_schema.with_info_before_validator_function(self._shown, handler(source))

    def _shown(self, value: Any, info: core_schema.ValidationInfo) -> Any:
        if value is None:
            return None
        if not isinstance(value, str):  # what a row holds, and no body could
            return value if not hasattr(value, "storage") else self._address(value.name, value.storage)
        if info.context is not OUTPUT or self.field is None:
            return value
        return self._address(value, self.field.storage)

    def _address(self, name: str | None, storage: Any) -> Any:
        if name and (name.startswith("/") or "://" in name):
            return name  # an address already: no name in a storage begins so
        return storage.url(name) if name else None


FileUrl = Annotated[str | None, StoredFile(), Field(json_schema_extra={"format": "uri-reference"})]
"""The address of a row's file, for a field that a schema declares itself: ``image: FileUrl = Field(validation_alias="avatar")``."""


class RelatedKey:
    """A foreign key: its key in JSON, and in Python an instance that knows its key only; no query is made."""

    __slots__ = ("field",)

    def __init__(self, field: Any) -> None:
        self.field = field

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Build on the type of the target's key; the target may have been named by a string until now."""
        return _key_schema(self.field, handler)


class RelatedKeys:
    """A many-to-many relation: a list of keys in JSON, and of instances that know their keys in Python."""

    __slots__ = ("field",)

    def __init__(self, field: Any) -> None:
        self.field = field

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """A list of keys; a model's own manager gives what has been prefetched."""
        items = core_schema.list_schema(_key_schema(self.field, handler))
        return core_schema.json_or_python_schema(
            json_schema=items,
            python_schema=core_schema.no_info_before_validator_function(_rows_of, items),
            serialization=items.get("serialization"),
        )


def _rows_of(value: Any) -> Any:
    return list(value.all()) if hasattr(value, "all") else value


def _key_schema(field: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
    model = target_model(field)
    pk = model._meta.pk
    while pk.is_relation:  # a one-to-one key: the key of what it points at
        pk = target_model(pk)._meta.pk
    key = handler.generate_schema(_scalar(pk))
    made = core_schema.no_info_after_validator_function(model.unloaded, key)
    return core_schema.json_or_python_schema(
        json_schema=made,
        python_schema=core_schema.union_schema([core_schema.is_instance_schema(model), made]),
        serialization=core_schema.plain_serializer_function_ser_schema(
            _key_of, return_schema=key, when_used="json-unless-none"
        ),
    )


def _key_of(value: Any) -> Any:
    key = value.pk if hasattr(value, "_meta") else value
    return key


def resolve_names(names: Sequence[str], known: Iterable[str], where: str) -> None:
    """Check names against the known ones.

    Raises:
        ImproperlyConfigured: One is not known; the text suggests the nearest.
    """
    known = set(known)
    for name in names:
        if name not in known:
            near = suggest(name, known)
            hint = f" Did you mean {near!r}?" if near else f" It has: {', '.join(sorted(known))}."
            raise ImproperlyConfigured(f"{where} names {name!r}, which the model does not have.{hint}")
