"""Schema: the pydantic model that all of an API's schemas derive from, and how it spells values in JSON."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, ConfigDict

__all__ = ["OUTPUT", "Schema"]

OUTPUT: Final[dict[str, Any]] = {"covet": "output"}
"""The validation context of answers: what the database holds passes, also where a rule for input has changed since."""


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
