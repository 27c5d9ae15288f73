"""Field: what a column of a model holds, how its values travel, and how it is written into a migration.

To checkers a field is a descriptor (``article.title`` is ``str``); at run time the metaclass takes plain fields out of
the class, so that an instance answers from its own ``__dict__`` and nothing of ours runs. ``Article.title`` is answered
by the metaclass.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partialmethod
from itertools import compress
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeAlias, TypedDict, cast, overload

from typing_extensions import TypeVar

from covet import checks
from covet.concurrency import signature
from covet.db.models.fields.markers import DATABASE_DEFAULT, NOT_PROVIDED
from covet.db.models.fields.registration import TakesLookups
from covet.db.sql.nodes import ColumnType
from covet.exceptions import FieldError, ValidationError
from covet.loading import late_module
from covet.text import suggest

if TYPE_CHECKING:
    from covet.db.models import choices as choosing
    from covet.db.models.base import Model
    from covet.db.models.expressions.base import Expression
    from covet.db.models.expressions.scope import Resolved
    from covet.db.models.fields import declaration
    from covet.db.models.fields import spelled as spelling
    from covet.db.models.options import Options
    from covet.db.sql.dialect import Dialect
    from covet.db.sql.nodes import Node
else:
    declaration = late_module(__name__, "covet.db.models.fields.declaration")
    choosing = late_module(__name__, "covet.db.models.choices", "choosing")
    spelling = late_module(__name__, "covet.db.models.fields.spelled", "spelling")

__all__ = [
    "EMPTY_VALUES",
    "Field",
    "FieldDescriptor",
    "FieldOptions",
    "Text",
]

T = TypeVar("T", default=Any)
Convert: TypeAlias = Callable[[Any], Any]
#: A text, or a lazy translation of one; never turned into ``str`` at import.
Text: TypeAlias = Any

EMPTY_VALUES: tuple[Any, ...] = (None, "", [], (), {})
_EMPTY_CONTAINERS = (list, tuple, dict, set)


if TYPE_CHECKING:

    class FieldOptions(TypedDict, total=False):
        """The options that every field takes, beside ``null`` and ``verbose_name``, for type checkers."""

        blank: bool
        choices: Any
        default: Any
        db_default: Any
        primary_key: bool
        unique: bool
        db_index: bool
        db_column: str | None
        db_comment: str | None
        db_tablespace: str | None
        editable: bool
        error_messages: Mapping[str, Any] | None
        help_text: Any
        name: str | None
        validators: Iterable[Callable[[Any], Any]]
        unique_for_date: str | None
        unique_for_month: str | None
        unique_for_year: str | None
        auto_created: bool
        serialize: bool

else:
    # Nobody reads its keys at run time, and to make it there takes as long as to make ten classes.
    FieldOptions = dict[str, Any]

# Option → what it is when it is not given: what differs is what deconstruct() writes.
_DEFAULTS: dict[str, Any] = {
    "verbose_name": None,
    "primary_key": False,
    "max_length": None,
    "unique": False,
    "blank": False,
    "null": False,
    "db_index": False,
    "default": NOT_PROVIDED,
    "db_default": NOT_PROVIDED,
    "editable": True,
    "serialize": True,
    "unique_for_date": None,
    "unique_for_month": None,
    "unique_for_year": None,
    "choices": None,
    "help_text": "",
    "db_column": None,
    "db_comment": None,
    "auto_created": False,
    "validators": (),
    "error_messages": None,
}
# Options whose attribute has another name.
_ATTRIBUTES = {
    "verbose_name": "_verbose_name",
    "unique": "_unique",
    "choices": "_choices",
    "validators": "_validators",
    "error_messages": "_error_messages",
}
# Attributes that are made of the options when they are first asked for.
_MADE = ("_adapters", "_converters", "_signature", "_spelled", "error_messages", "validators")
_NAMES, _VALUES = tuple(_DEFAULTS), tuple(_DEFAULTS.values())
# All of them in one call: a comparison of models takes apart every field twice.
_read_options = operator.attrgetter(*[_ATTRIBUTES.get(option, option) for option in _DEFAULTS])


class Field(TakesLookups, Generic[T]):
    """One field of a model.

    Args:
        verbose_name: The name for people; made of the attribute's name when it is not given.
        null: The column takes ``NULL``.
        blank: Validation lets an empty value pass.
        choices: The values that are allowed: pairs, a mapping, groups, a ``Choices`` class, or a function that returns
            one of these (called when needed, never at import).
        default: The value of new instances, or a function that is called for each.
        db_default: The column's default in the database: a literal or an expression.
        primary_key: The column is the primary key.
        unique: The database refuses two equal values.
        db_index: The column has an index.
        db_column: The column's name, where it is not the field's.
        db_comment: A comment on the column, on databases that have them.
        db_tablespace: Accepted so that ported models import; not used.
        editable: Forms, the admin and generated schemas offer the field.
        error_messages: Texts by error code, in place of the usual ones.
        help_text: A sentence for people; also the description in OpenAPI and GraphQL.
        validators: Called by ``full_clean`` with each value that is not empty.
        unique_for_date: The name of a date field: ``full_clean`` refuses two equal values on one day.
        unique_for_month: The same for one month.
        unique_for_year: The same for one year.
        auto_created: Made by the framework, not written by the user.
        max_length: Set by the fields that take it.
        serialize: Fixtures contain the field.
        name: The attribute's name, for fields that are built outside a class body.
    """

    # ── facts about the class of field, overridden below
    empty_strings_allowed: ClassVar[bool] = True
    empty_values: ClassVar[Sequence[Any]] = EMPTY_VALUES
    default_validators: ClassVar[Sequence[Callable[[Any], Any]]] = ()
    default_error_messages: ClassVar[Mapping[str, Any]] = {
        "invalid_choice": "Value %(value)r is not a valid choice.",
        "null": "This field cannot be null.",
        "blank": "This field cannot be blank.",
        "unique": "%(model_name)s with this %(field_label)s already exists.",
        "unique_for_date": "%(field_label)s must be unique for %(date_field_label)s %(lookup_type)s.",
    }
    description: ClassVar[Any] = "Field of type: %(field_type)s"
    system_check_removed_details: ClassVar[Mapping[str, Any] | None] = None
    # What stands on the model class under the field's attribute, for fields whose values are not plain.
    descriptor_class: ClassVar[type[Any] | None] = None
    generated: ClassVar[bool] = False

    #: The look-ups that mean something on the column; ``None`` is all of them.
    allowed_lookups: frozenset[str] | None = None
    is_relation: bool = False
    many_to_many: bool = False
    many_to_one: bool = False
    one_to_many: bool = False
    is_version: bool = False
    is_composite: bool = False
    #: Whether any model has a key of several columns, or a relation by several: queries look for them only then.
    any_is_composite: ClassVar[bool] = False
    #: Saving calls ``prepare_save`` while ``cache_name`` holds something ``Pending``.
    needs_preparing: bool = False
    one_to_one: bool = False
    related_model: Any = None
    remote_field: Any = None
    hidden: bool = False

    creation_counter: int = 0
    # Automatic fields stand before those that the user wrote.
    _next_counter: ClassVar[int] = 0
    _next_auto_counter: ClassVar[int] = -1

    name: str
    attname: str
    column: str
    model: type[Model]
    verbose_name: Any
    #: Called with ``(value, None, dialect)`` on the way out of the database, after the dialect's own conversion.
    from_db_value: Callable[..., Any] | None = None

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: type[Any]) -> Self: ...
        @overload
        def __get__(self, instance: Model, owner: type[Any]) -> T: ...
        # A field as an attribute of something that is no model (an expression's output field) is itself.
        @overload
        def __get__(self, instance: object, owner: type[Any]) -> Self: ...
        def __get__(self, instance: object, owner: type[Any]) -> Self | T: ...
        def __set__(self, instance: Model, value: T | Expression[T]) -> None: ...

    def __init__(
        self,
        verbose_name: Text | None = None,
        name: str | None = None,
        primary_key: bool = False,
        max_length: int | None = None,
        unique: bool = False,
        blank: bool = False,
        null: bool = False,
        db_index: bool = False,
        default: Any = NOT_PROVIDED,
        editable: bool = True,
        serialize: bool = True,
        unique_for_date: str | None = None,
        unique_for_month: str | None = None,
        unique_for_year: str | None = None,
        choices: Any = None,
        help_text: Text = "",
        db_column: str | None = None,
        db_tablespace: str | None = None,
        auto_created: bool = False,
        validators: Iterable[Callable[[Any], Any]] = (),
        error_messages: Mapping[str, Any] | None = None,
        db_comment: str | None = None,
        db_default: Any = NOT_PROVIDED,
        **unknown: Any,
    ) -> None:
        if unknown:
            raise TypeError(_unknown_option(type(self), next(iter(unknown))))
        if name is not None:
            self.name = name
        self.verbose_name = verbose_name
        self._verbose_name = verbose_name
        self.primary_key = primary_key
        self.max_length = max_length
        self._unique = unique
        self.blank = blank
        self.null = null
        self.db_index = db_index
        self.default = default
        self.db_default = db_default
        self.editable = editable
        self.serialize = serialize
        self.unique_for_date = unique_for_date
        self.unique_for_month = unique_for_month
        self.unique_for_year = unique_for_year
        self._choices = choices
        self.help_text = help_text
        self.db_column = db_column
        self.db_comment = db_comment
        self.auto_created = auto_created
        self._validators = list(validators)
        self._error_messages = error_messages
        if auto_created:
            self.creation_counter = Field._next_auto_counter
            Field._next_auto_counter -= 1
        else:
            self.creation_counter = Field._next_counter
            Field._next_counter += 1

    # ── options that are worked out

    @property
    def field(self) -> Self:
        """The field itself, which an attribute of a model's class is: ``Article.title.field.max_length``."""
        return self

    @property
    def unique(self) -> bool:
        """Whether the database refuses two equal values."""
        return self._unique or self.primary_key

    @property
    def choices(self) -> list[Any] | None:
        """The allowed values as pairs of value and label (or group and pairs); a function is called each time."""
        return None if self._choices is None else choosing.normalize_choices(self._choices)

    @property
    def flatchoices(self) -> list[tuple[Any, Any]]:
        """The allowed values as pairs, groups opened."""
        return choosing.flatten_choices(self.choices or [])

    @cached_property
    def error_messages(self) -> dict[str, Any]:
        """Texts by code: of all base classes, and the field's own on top."""
        messages: dict[str, Any] = {}
        for base in reversed(type(self).__mro__):
            messages.update(vars(base).get("default_error_messages", {}))
        messages.update(self._error_messages or {})
        return messages

    @cached_property
    def validators(self) -> list[Callable[[Any], Any]]:
        """What ``run_validators`` calls: those of the class, then the field's own."""
        return [*self.default_validators, *self._validators]

    @property
    def concrete(self) -> bool:
        """Whether the field has a column of its own."""
        return self.column_type() is not None

    # ── default

    def has_default(self) -> bool:
        """Whether Python gives new instances a value."""
        return self.default is not NOT_PROVIDED

    def has_db_default(self) -> bool:
        """Whether the database gives new rows a value."""
        return self.db_default is not NOT_PROVIDED

    def get_default(self) -> Any:
        """Return the value of a new instance, calling ``default`` if it is a function."""
        if self.default is not NOT_PROVIDED:
            return self.default() if callable(self.default) else self.default
        if self.db_default is not NOT_PROVIDED:
            return DATABASE_DEFAULT
        if self.empty_strings_allowed and not self.null:
            return ""
        return None

    # ── how values travel

    def get_internal_type(self) -> str:
        """Return the name of the built-in field that this one behaves like."""
        return type(self).__name__

    def column_type(self) -> ColumnType | None:
        """Return what the column stores, or ``None`` when the field has no column; what an own ``db_type`` says, by default."""
        return None if type(self).db_type is Field.db_type else spelling.spelled(self)

    def rel_column_type(self) -> ColumnType | None:
        """Return what a column stores that refers to this one."""
        return self.column_type()

    def db_type(self, connection: Any) -> str | None:
        """Return the type as one database spells it (``connection`` is a ``Database`` or a dialect)."""
        column_type = self.column_type()
        dialect = getattr(connection, "dialect", connection)
        return None if column_type is None else dialect.type_sql(column_type)

    def to_python(self, value: Any) -> Any:
        """Return the value as the field's Python type; raise ``ValidationError`` when it cannot be one.

        It accepts what it returns, so it may run twice.
        """
        return value

    def get_prep_value(self, value: Any) -> Any:
        """Return the value as the database layer takes it, without knowing which database."""
        return value

    def get_db_prep_value(self, value: Any, connection: Dialect, prepared: bool = False) -> Any:
        """Return the value for one database; override it where databases differ."""
        return value if prepared else self.get_prep_value(value)

    def get_db_prep_save(self, value: Any, connection: Dialect) -> Any:
        """Return the value for a column of one database."""
        return self.get_db_prep_value(value, connection, prepared=False)

    @property
    def keeps_integers(self) -> bool:
        """Whether a whole number goes to the database as it is."""
        return False

    def adapter(self, dialect: Dialect) -> Convert | None:
        """Return what turns a Python value into what the driver takes; ``None`` when it goes as it is.

        Built once for each dialect; it passes ``None`` through.
        """
        cache = self.__dict__.setdefault("_adapters", {})
        try:
            return cast("Convert | None", cache[dialect])
        except KeyError:
            found = cache[dialect] = self._make_adapter(dialect)
            return found

    def canonical(self) -> Convert | None:
        """Return what spells a value as a new read of the row has it; ``None`` where it comes back as it went in.

        It passes ``None`` through, and whatever it cannot read. Answers are made with it of instances that were just saved.
        """
        return None

    def _stores_as(self, base: type[Field[Any]]) -> bool:
        """Whether no subclass of ``base`` has a say of its own in what is stored and read."""
        own = type(self)
        return (
            own.from_db_value is None
            and own.to_python is base.to_python
            and own.get_prep_value is base.get_prep_value
            and own.get_db_prep_value is base.get_db_prep_value
            and own.get_db_prep_save is base.get_db_prep_save
        )

    def comparer(self, dialect: Dialect) -> Convert | None:
        """Return what turns a value that the column is compared with into what the driver takes, as ``adapter`` does."""
        return self.adapter(dialect)

    def converter(self, dialect: Dialect) -> Convert | None:
        """Return what turns the driver's value into the Python value; ``None`` when it is that already."""
        cache = self.__dict__.setdefault("_converters", {})
        try:
            return cast("Convert | None", cache[dialect])
        except KeyError:
            found = cache[dialect] = self._make_converter(dialect)
            return found

    def _make_adapter(self, dialect: Dialect) -> Convert | None:
        cls = type(self)
        prepare: Convert | None = None
        if cls.get_db_prep_save is not Field.get_db_prep_save or cls.get_db_prep_value is not Field.get_db_prep_value:
            prepare = lambda value: self.get_db_prep_save(value, dialect)  # noqa: E731 - one of three short forms
        elif cls.get_prep_value is not Field.get_prep_value:
            prepare = self.get_prep_value
        column_type = self.column_type()
        adapt = None if column_type is None else dialect.adapter(column_type)
        if adapt is None:
            return prepare
        if prepare is None:
            return lambda value: None if value is None else adapt(value)

        def both(value: Any) -> Any:
            value = prepare(value)
            return None if value is None else adapt(value)

        return both

    def _make_converter(self, dialect: Dialect) -> Convert | None:
        column_type = self.column_type()
        convert = None if column_type is None else dialect.converter(column_type)
        hook = self.from_db_value
        if hook is None:
            return convert
        if convert is None:
            return lambda value: hook(value, None, dialect)
        return lambda value: hook(convert(value), None, dialect)

    def written_node(self, found: Resolved) -> Node:
        """Return the SQL that writes what an expression gives into this column.

        Raises:
            FieldError: The expression is a column whose values only its own field can read.
        """
        if getattr(found.field, "is_encrypted", False):
            raise FieldError(
                f"{self} would hold what {found.field} has encrypted, and nothing would read it: write the text itself, "
                "row by row.",
                name=self.name,
            )
        return found.node

    def pre_save(self, instance: Any, add: bool) -> Any:
        """Return the value to save, after changing it on the instance if the field does so (``auto_now``)."""
        return getattr(instance, self.attname)

    @property
    def makes_value(self) -> bool:
        """Whether ``pre_save`` may give another value than the one on the instance; where not, it is not called."""
        return type(self).pre_save is not Field.pre_save

    def value_from_object(self, instance: Any) -> Any:
        """Return this field's value of an instance."""
        return getattr(instance, self.attname)

    def value_to_string(self, instance: Any) -> str:
        """Return this field's value of an instance as fixtures write it."""
        return str(self.value_from_object(instance))

    def save_form_data(self, instance: Any, data: Any) -> None:
        """Set a cleaned value on an instance."""
        setattr(instance, self.name, data)

    # ── validation

    def clean(self, value: Any, instance: Any) -> Any:
        """Return the value as its Python type, checked by ``validate`` and the validators."""
        value = self.to_python(value)
        self.validate(value, instance)
        self.run_validators(value)
        return value

    def validate(self, value: Any, instance: Any) -> None:
        """Raise ``ValidationError`` for a value that is no choice, null or blank against the options."""
        if not self.editable:
            return
        if self._choices is not None and not _is_empty(value):
            if not any(value == key for key, _label in self.flatchoices):
                raise self.error("invalid_choice", value=value)
            return
        if value is None and not self.null:
            raise self.error("null")
        if not self.blank and _is_empty(value):
            raise self.error("blank")

    def run_validators(self, value: Any) -> None:
        """Call all validators on a value that is not empty; raise all their errors at once."""
        if _is_empty(value):
            return
        errors: list[ValidationError] = []
        for validator in self.validators:
            try:
                validator(value)
            except ValidationError as error:
                if error.code in self.error_messages and error.code is not None:
                    error.message = self.error_messages[error.code]
                errors.extend(error.error_list)
        if errors:
            raise ValidationError(errors)

    def error(self, code: str, **params: Any) -> ValidationError:
        """Return the ``ValidationError`` of one of this field's codes."""
        return ValidationError(self.error_messages[code], code=code, params=params or None)

    def get_choices(self, include_blank: bool = True, blank_choice: Any = (("", "---------"),)) -> list[Any]:
        """Return the choices for an input, with a line for the empty value where the field allows one."""
        choices = list(self.choices or [])
        blank_given = any(value in (None, "") for value, _label in self.flatchoices)
        if include_blank and not blank_given:
            return [*blank_choice, *choices]
        return choices

    # ── becoming part of a model

    def contribute_to_class(self, cls: type[Model], name: str, private_only: bool = False) -> None:
        """Join the model ``cls`` under ``name``."""
        self.set_attributes_from_name(name)
        self.model = cls
        options: Options = cls._meta
        options.add_field(self, private=private_only)
        if self.column_type() is not None:
            self._install_descriptor(cls)
        if self._choices is not None:
            display = f"get_{self.name}_display"
            there = next((vars(base)[display] for base in cls.__mro__ if display in vars(base)), None)
            # One that a base wrote itself stays; one made for the base's own field does not.
            if there is None or isinstance(there, partialmethod):
                setattr(cls, display, partialmethod(cast(Any, cls)._get_field_display, field=self))

    def _install_descriptor(self, cls: type[Model]) -> None:
        """Put a descriptor on the class where the plain way cannot work.

        The plain way is no class attribute at all. When a base class defines the name (a method, a property), that
        would answer instead of the field.
        """
        if self.descriptor_class is not None:
            setattr(cls, self.attname, self.descriptor_class(self))
        elif any([self.attname in vars(base) for base in cls.__mro__]):
            setattr(cls, self.attname, FieldDescriptor(self))

    def set_attributes_from_name(self, name: str) -> None:
        """Work out attribute, column and verbose name."""
        self.name = getattr(self, "name", None) or name
        self.attname, self.column = self.get_attname_column()
        if self.verbose_name is None and self.name:
            self.verbose_name = self.name.replace("_", " ")

    def get_attname(self) -> str:
        """Return the attribute that holds the column's value."""
        return self.name

    def get_attname_column(self) -> tuple[str, str]:
        """Return the attribute and the column's name."""
        attname = self.get_attname()
        return attname, self.db_column or attname

    @property
    def cache_name(self) -> str:
        """The attribute that holds a loaded related object; for fields that are relations."""
        return f"_{self.name}_cache"

    # ── being written down, copied and compared

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        """Return name, import path and arguments that make an equal field: what migrations write and compare."""
        kwargs: dict[str, Any] = {}
        values = _read_options(self)
        told = zip(_NAMES, values, _VALUES, strict=True)
        for option, given, default in compress(told, map(operator.is_not, values, _VALUES)):
            value = given
            if option == "validators":
                value = tuple(value)
            elif option == "choices" and (isinstance(value, choosing.ChoicesType) or not callable(value)):
                value = self.choices
            if value is default or (value == default and type(value) is type(default)):
                continue
            kwargs[option] = list(value) if option == "validators" else value
        return getattr(self, "name", None), field_path(type(self)), [], kwargs

    def clone(self) -> Self:
        """Return a fresh field with the same options, bound to no model."""
        _name, _path, args, kwargs = self.deconstruct()
        return type(self)(*args, **kwargs)

    def signature(self) -> Any:
        """Return a hashable value that two fields share when they hold and convert values alike."""
        found = self.__dict__.get("_signature")
        if found is None:
            _name, path, args, kwargs = self.deconstruct()
            ignored = ("verbose_name", "help_text", "validators", "error_messages", "choices", "editable")
            kept = {name: value for name, value in kwargs.items() if name not in ignored}
            found = self._signature = (path, repr(args), repr(sorted(kept.items())))
        return found

    def __copy__(self) -> Self:
        new = object.__new__(type(self))
        state = dict(self.__dict__)
        for made in _MADE:
            state.pop(made, None)
        new.__dict__.update(state)
        return new

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # A field is copied for a class that inherits it: defaults, choices and validators stay the same objects.
        new = copy.copy(self)
        memo[id(self)] = new
        if self.remote_field is not None:
            new.remote_field = copy.copy(self.remote_field)
            if getattr(self.remote_field, "field", None) is self:
                new.remote_field.field = new
        return new

    def __reduce__(self) -> Any:
        model = getattr(self, "model", None)
        if model is None:
            # What was made for a dialect may be a function within a function, which nothing can pickle.
            return _restore_loose, (type(self), {k: v for k, v in self.__dict__.items() if k not in _MADE})
        return _restore_field, (model._meta.app_label, model._meta.object_name, self.name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Field):
            return NotImplemented
        return self.creation_counter == other.creation_counter and getattr(self, "model", None) is getattr(
            other, "model", None
        )

    def __lt__(self, other: Field[Any]) -> bool:
        return self.creation_counter < other.creation_counter

    def __hash__(self) -> int:
        return hash(self.creation_counter)

    def __str__(self) -> str:
        model = getattr(self, "model", None)
        name = getattr(self, "name", None)
        if name is None:
            return f"<{type(self).__name__}>"
        return name if model is None else f"{model._meta.label}.{name}"

    def __repr__(self) -> str:
        name = getattr(self, "name", None)
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return f"<{path}>" if name is None else f"<{path}: {name}>"

    # ── checks

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Return what is wrong with the field as it is declared."""
        return [*declaration.declaration_errors(self)]

    def _error(self, id: str, message: str, hint: str | None = None) -> checks.CheckMessage:
        return checks.Error(message, hint=hint, obj=self, id=f"fields.{id}")


class FieldDescriptor:
    """Stands on the class for a field whose name a base class defines; the instance's own value still comes first.

    It has no ``__set__``: Python then looks into the instance before it asks here, so a loaded value costs nothing.
    """

    __slots__ = ("field",)

    def __init__(self, field: Field[Any]) -> None:
        self.field = field

    def __get__(self, instance: Any, owner: type[Any]) -> Any:
        if instance is None:
            return self.field
        return instance.__getattr__(self.field.attname)


def field_path(cls: type) -> str:
    """Return the public address of a field class: built-in ones are found at ``covet.db.models``."""
    module = cls.__module__
    if module.startswith(("covet.db.models.fields.", "covet.db.models.relations.")):
        module = "covet.db.models"
    return f"{module}.{cls.__qualname__}"


def _unknown_option(cls: type[Any], name: str) -> str:
    constructors = [vars(base)["__init__"] for base in cls.__mro__ if base is not object and "__init__" in vars(base)]
    known = {parameter for constructor in constructors for parameter in signature(constructor).parameters}
    known -= {"self", "args", "kwargs", "options", "unknown"}
    near = suggest(name, known)
    hint = f" Did you mean '{near}'?" if near else f" Options are: {', '.join(sorted(known))}."
    return f"{cls.__name__} has no option '{name}'.{hint}"


def _is_empty(value: Any) -> bool:
    """Whether a value counts as none at all; arrays and the like are not compared."""
    return (
        value is None
        or (isinstance(value, str) and value == "")
        or (isinstance(value, _EMPTY_CONTAINERS) and not value)
    )


def _restore_field(app_label: str, model_name: str, field_name: str) -> Any:
    from covet.apps import apps

    return apps.current().get_model(app_label, model_name)._meta.get_field(field_name)


def _restore_loose(cls: type[Any], state: dict[str, Any]) -> Any:
    new = object.__new__(cls)
    new.__dict__.update(state)
    return new
