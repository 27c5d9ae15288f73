"""JSON schemas of types, as pydantic makes them, with what it leaves out: the form of decimals, the names of enumerations."""

from __future__ import annotations

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

__all__ = ["Generator"]


class Generator(GenerateJsonSchema):
    """Says of a text that it is a decimal, of a number how large it may be, and what the values of an ``Enum`` are called."""

    def get_decimal_pattern(self, schema: core_schema.DecimalSchema) -> str | None:
        """Return what a decimal looks like as a text: a number of digits before the point, and of places behind it."""
        sign = r"\+?" if _is_never_below_zero(schema) else "[-+]?"
        digits, places = schema.get("max_digits"), schema.get("decimal_places")
        behind = r"\d*" if places is None else rf"\d{{0,{places}}}0*"
        if digits is None or places is None:
            return rf"^{sign}(\d+(\.{behind})?|\.\d{behind})$" if places != 0 else rf"^{sign}\d+(\.0*)?$"
        whole = max(digits - places, 0)
        before = rf"0*\d{{1,{whole}}}" if whole else "0+"
        return rf"^{sign}({before}(\.{behind})?|\.\d{behind})$" if places else rf"^{sign}{before}(\.0*)?$"

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        """Return the schema of a decimal; as a number it has as many digits as it has as a text."""
        described = super().decimal_schema(schema)
        digits, places = schema.get("max_digits"), schema.get("decimal_places")
        if "anyOf" in described and digits is not None and places is not None:
            number, limit = described["anyOf"][0], 10 ** max(digits - places, 0)
            if not {"maximum", "exclusiveMaximum"} & number.keys():
                number["exclusiveMaximum"] = limit
            if not {"minimum", "exclusiveMinimum"} & number.keys():
                number["exclusiveMinimum"] = -limit
        return described

    def enum_schema(self, schema: core_schema.EnumSchema) -> JsonSchemaValue:
        """Return the schema of an ``Enum``, with the names of its values for clients that are generated."""
        described = super().enum_schema(schema)
        described["x-enum-varnames"] = [member.name for member in schema["members"]]
        return described


def _is_never_below_zero(schema: core_schema.DecimalSchema) -> bool:
    return any(limit is not None and limit >= 0 for limit in (schema.get("ge"), schema.get("gt")))
