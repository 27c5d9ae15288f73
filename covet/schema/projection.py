"""Projection: a schema of plain model fields, as the columns to read and the row plan that writes them.

With one, an answer goes from the database's rows to bytes and no instance is made. A schema that says how values are
written (serializers, aliases, computed or nested fields) has none and goes through pydantic; both write the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, get_args

from pydantic import BaseModel

from covet.accel import RowPlan, encode_rows
from covet.exceptions import FieldDoesNotExist
from covet.schema.base import Schema, is_plain_json
from covet.schema.field_types import python_type

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from covet.accel.plans import Convert, Kind
    from covet.db.models.base import Model

__all__ = ["Projection", "is_left_out", "projection", "spells_plainly", "writes_plainly"]

# Options of pydantic's that change the bytes of an answer.
_BYTES: Final = (
    "json_encoders",
    "ser_json_bytes",
    "ser_json_inf_nan",
    "ser_json_temporal",
    "ser_json_timedelta",
    "serialize_by_alias",
    "use_enum_values",
    "str_to_lower",
    "str_to_upper",
    "str_strip_whitespace",
)


_MAX_PLANS: Final = 32


class Projection:
    """How one model's rows become one schema's JSON.

    Attributes:
        model: The model.
        names: The attributes to read, in the order of the keys: ``author_id`` for a foreign key.
        keys: The names in JSON.
    """

    __slots__ = ("_instances", "_kinds", "_plans", "_read", "keys", "model", "names")

    def __init__(self, model: type[Model], names: Sequence[str], keys: Sequence[str], fields: Sequence[Any]) -> None:
        self.model = model
        self.names = tuple(names)
        self.keys = tuple(keys)
        self._kinds = tuple([_kind_of(field) for field in fields])
        # One plan for each vendor's converters; fields keep theirs, so equal tuples hold the same functions.
        self._plans: dict[tuple[Convert | None, ...], RowPlan] = {}
        # What an instance holds may be whatever the user assigned, so nothing is taken for granted; and one that was just
        # saved is shown as the next read shows it.
        self._instances = RowPlan(self.keys, [field.canonical() for field in fields])
        self._read = _reader(self.names)

    def plan(self, converters: Sequence[Convert | None]) -> RowPlan:
        """Return the row plan for a driver's rows."""
        key = tuple(converters)
        found = self._plans.get(key)
        if found is None:
            if len(self._plans) >= _MAX_PLANS:
                self._plans.clear()
            found = self._plans[key] = RowPlan(self.keys, key, self._kinds)
        return found

    def encode_rows(self, rows: Iterable[Sequence[Any]], converters: Sequence[Convert | None]) -> bytes:
        """Return a JSON array of the rows; their values stand in the order of ``names``."""
        return encode_rows(rows, self.plan(converters))

    def encode_instances(self, instances: Iterable[Model]) -> bytes:
        """Return a JSON array of loaded instances."""
        return encode_rows(map(self._read, instances), self._instances)

    def encode_instance(self, instance: Model) -> bytes:
        """Return one loaded instance as a JSON object.

        Raises:
            NotLoaded: A field that the schema shows was deferred.
        """
        return encode_rows((self._read(instance),), self._instances)[1:-1]


def _reader(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    if not names:
        return lambda instance: ()
    read = attrgetter(names[0])
    return lambda instance: (read(instance),)


def projection(schema: type[Any], model: type[Model] | None = None) -> Projection | None:
    """Return the projection of a schema onto a model, or None when pydantic must write the answer.

    Args:
        schema: A ``Schema``, or any type.
        model: The model; that of a ``ModelSchema`` when left out.
    """
    if not (isinstance(schema, type) and issubclass(schema, Schema)):
        return None
    model = model or getattr(schema, "__covet_model__", None)
    if model is None or not writes_plainly(schema):
        return None
    names: list[str] = []
    fields: list[Any] = []
    origins: dict[str, Any] = getattr(schema, "__covet_fields__", {})
    for key, info in schema.model_fields.items():
        if info.alias is not None or info.serialization_alias is not None or is_left_out(info):
            return None
        field = _column(model, key)
        if field is None or not _says_the_same(info, field, origins.get(key), key):
            return None
        names.append(field.attname)
        fields.append(field)
    return Projection(model, names, list(schema.model_fields), fields)


def writes_plainly(schema: type[BaseModel]) -> bool:
    """Tell whether nothing in a schema changes its values on their way out, be they checked before or not."""
    decorators = schema.__pydantic_decorators__
    # Validators may change what is shown; pydantic runs them on answers too.
    if decorators.field_validators or decorators.model_validators or decorators.validators:
        return False
    if decorators.root_validators or schema.model_config.get("alias_generator") is not None:
        return False
    return spells_plainly(schema)


def spells_plainly(schema: type[BaseModel]) -> bool:
    """Tell whether nothing in a schema but the names of its fields changes how its values are written."""
    decorators = schema.__pydantic_decorators__
    if decorators.field_serializers or decorators.model_serializers or decorators.computed_fields:
        return False
    root = Schema if issubclass(schema, Schema) else BaseModel
    own = schema.__mro__[: schema.__mro__.index(root)]
    if schema.__pydantic_root_model__ or any("__get_pydantic_core_schema__" in vars(base) for base in own):
        return False
    config = schema.model_config
    return all(config.get(name) == root.model_config.get(name) for name in _BYTES)


def is_left_out(info: FieldInfo) -> bool:
    """Tell whether a field is, or may be, missing from answers."""
    return bool(info.exclude) or getattr(info, "exclude_if", None) is not None


def _column(model: type[Model], key: str) -> Any:
    meta = model._meta
    if key == "pk":
        return meta.pk
    for field in meta.concrete_fields:
        if key in (field.name, field.attname):
            return field
    try:
        meta.get_field(key)
    except FieldDoesNotExist:
        return None
    return None  # a many-to-many or reverse relation: its rows stand elsewhere


def _says_the_same(info: FieldInfo, field: Any, origin: Any, key: str) -> bool:
    """Whether the schema's field writes what the column holds: the model's own, or declared with the same type."""
    if not is_plain_json(field):
        return False  # its values have no spelling of their own: pydantic writes what the schema says
    if origin is not None:
        return True
    if field.is_relation and key == field.name:
        return False  # a declared field in a relation's place: a nested schema, or a type of the user's
    expected = python_type(field)
    declared = info.annotation
    if info.metadata and any(not _is_constraint(item) for item in info.metadata):
        return False
    if field.null:
        arguments = get_args(declared)
        return len(arguments) == 2 and type(None) in arguments and expected in arguments
    return declared is expected


def _is_constraint(item: Any) -> bool:
    return type(item).__module__ in {"annotated_types", "pydantic.fields", "pydantic.types"} and not hasattr(
        item, "__get_pydantic_core_schema__"
    )


def _kind_of(field: Any) -> Kind:
    """Return what the row writer may take for granted of a column's values."""
    if type(field).from_db_value is not None:
        return "any"
    expected = python_type(field)
    if expected is float:
        return "float"
    return "plain" if getattr(expected, "__name__", "") in _PLAIN else "any"


_PLAIN: Final = frozenset({"str", "int", "bool", "Decimal", "UUID", "date", "time", "datetime"})
