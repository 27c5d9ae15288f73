"""How a range stands in schemas: an object with ``lower``, ``upper`` and ``bounds``, or ``empty``."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from covet.postgres.ranges import Range

__all__ = ["RangeRules", "range_annotation"]

_BOUNDS = ["[)", "[]", "(]", "()"]


def range_annotation(end: Any) -> Any:
    """Return the annotation of a range whose ends are ``end``."""
    return Annotated[Range[Any], RangeRules(end)]


class RangeRules:
    """Reads a range from an object and writes one.

    Args:
        end: The annotation of both ends.
    """

    __slots__ = ("end",)

    def __init__(self, end: Any) -> None:
        self.end = end

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """An object in JSON; in Python a ``Range`` as well."""
        end = core_schema.nullable_schema(handler.generate_schema(self.end))
        field, default = core_schema.typed_dict_field, core_schema.with_default_schema
        described = core_schema.typed_dict_schema(
            {
                "lower": field(default(end, default=None), required=False),
                "upper": field(default(end, default=None), required=False),
                "bounds": field(default(core_schema.literal_schema(_BOUNDS), default="[)"), required=False),
                "empty": field(default(core_schema.bool_schema(), default=False), required=False),
            },
            extra_behavior="forbid",
        )
        made = core_schema.no_info_after_validator_function(_made, described)
        return core_schema.json_or_python_schema(
            json_schema=made,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(Range), made]),
            serialization=core_schema.plain_serializer_function_ser_schema(_written, return_schema=described),
        )


def _made(value: dict[str, Any]) -> Range[Any]:
    try:
        return Range(value["lower"], value["upper"], value["bounds"], value["empty"])
    except (TypeError, ValueError) as error:
        raise PydanticCustomError("bound_ordering", "{message}", {"message": str(error)}) from None


def _written(value: Any) -> dict[str, Any]:
    return {"lower": value.lower, "upper": value.upper, "bounds": value.bounds, "empty": value.isempty}
