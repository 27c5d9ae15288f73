"""Schema: the pydantic model that all of an API's schemas derive from, and how it spells values in JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import core_schema, from_json

from covet.db.models.relations.access import is_absent
from covet.db.sql.dialect import RawJSON
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.schema import foreign
else:
    foreign = late_module(__name__, "covet.schema.foreign")

__all__ = ["OUTPUT", "Schema", "is_plain_json", "spelled_by"]

OUTPUT: Final[dict[str, Any]] = {"covet": "output"}
"""The validation context of answers: what the database holds passes, also where a rule for input has changed since."""

# Methods of a serializer, which are worth a closer look; and what fields of a model have in their schemas.
_SUSPECTS: Final = frozenset({"create", "to_internal_value", "to_representation", "update", "validate"})
_OF_MODELS: Final = frozenset({"format", "readOnly"})


def _model_fields(schema: Any) -> dict[str, Any]:
    """Return the fields in a core schema of a model, through the validators round it."""
    while isinstance(schema, dict):
        if schema.get("type") == "model-fields":
            found: dict[str, Any] = schema["fields"]
            return found
        schema = schema.get("schema")
    return {}


def _from_manager(schema: Any) -> Any:
    kind = schema.get("type")
    if kind in ("default", "nullable"):
        return {**schema, "schema": _from_manager(schema["schema"])}
    if kind != "list" or schema.get("items_schema", {}).get("type") not in ("model", "definition-ref", "definitions"):
        return schema
    # Only what comes from Python pays for the question: JSON holds lists.
    python = core_schema.no_info_before_validator_function(_rows_of, schema)
    return core_schema.json_or_python_schema(json_schema=schema, python_schema=python)


def _from_reverse_one(schema: Any) -> Any:
    """Let a row that is known to be missing be None: the relation's attribute gives one that could be awaited."""
    kind = schema.get("type")
    if kind == "default":
        return {**schema, "schema": _from_reverse_one(schema["schema"])}
    if kind != "nullable" or schema["schema"].get("type") not in ("model", "definition-ref", "definitions"):
        return schema
    python = core_schema.no_info_before_validator_function(_none_if_absent, schema)
    return core_schema.json_or_python_schema(json_schema=schema, python_schema=python)


def _none_if_absent(value: Any) -> Any:
    return None if is_absent(value) else value


def _rows_of(value: Any) -> Any:
    return list(value.all()) if hasattr(value, "all") else value


class Schema(BaseModel):
    """A schema of an API.

    Unknown fields of a request are errors that name the likely field; answers keep the declared fields only. Values are
    read from attributes as well as from mappings, so a model instance can be validated. Bytes are base64, durations
    ISO 8601, and what an answer always has is ``required`` in OpenAPI, with a default or without.
    """

    model_config = ConfigDict(
        extra="forbid",
        from_attributes=True,
        ser_json_bytes="base64",
        val_json_bytes="base64",
        json_schema_serialization_defaults_required=True,
        protected_namespaces=(),
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse what a serializer would have, and a schema would keep in silence."""
        super().__pydantic_init_subclass__(**kwargs)
        extras = [info.json_schema_extra for info in cls.model_fields.values()]
        if any(name in _SUSPECTS or name.startswith(("validate_", "get_")) for name in vars(cls)) or any(
            isinstance(extra, dict) and not extra.keys() <= _OF_MODELS for extra in extras
        ):
            foreign.check_schema(cls)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Let a list of schemas be filled from a relation's manager, whose rows have been loaded before."""
        made = handler(source)
        fields = _model_fields(made)
        model = getattr(cls, "__covet_model__", None)
        # Those of the model's own columns are None where there is nothing.
        own = () if model is None else {field.name for field in model._meta.concrete_fields}
        for name, field in fields.items():
            field["schema"] = _from_manager(field["schema"])
            if name not in own:
                field["schema"] = _from_reverse_one(field["schema"])
            for marker in cls.__pydantic_fields__[name].metadata:
                if getattr(marker, "is_self", False):
                    # Told of the row: what a client sends under the name is not.
                    field["validation_alias"] = [[name], *[[one] for one in marker.reads]]
        return made


def is_plain_json(field: Any) -> bool:
    """Return whether the field's values are spelled in JSON as they are; a project's own may be objects of any kind."""
    return bool(getattr(field, "plain_json", field.from_db_value is None))


# What JSON has itself; a column that holds JSON, or is of a kind that only the project knows, says no more of its values.
_OF_JSON: Final = (str, int, float, bool, list, tuple, dict)


def spelled_by(field: Any, base: Any) -> Callable[[Any, core_schema.ValidationInfo], Any]:
    """Return what makes of an object in an answer what the field's column holds. A body has only what JSON has."""
    plain = _OF_JSON if base is Any else base

    def spell(value: Any, info: core_schema.ValidationInfo) -> Any:
        if info.context is not OUTPUT or value is None or isinstance(value, plain):
            return value
        held = field.get_prep_value(value)
        return from_json(held) if isinstance(held, RawJSON) else held

    return spell
