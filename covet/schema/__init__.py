"""What goes in and out of an API: pydantic schemas, schemas made from models, and their way from rows to JSON.

Pydantic lives here, in ``covet.rest`` and in ``covet.conf.sources``, and nowhere else.
"""

from covet.schema.base import OUTPUT, Schema
from covet.schema.model_schema import ModelSchema
from covet.schema.projection import Projection, projection
from covet.schema.relations import Needs, needs
from covet.schema.writer import Writer

__all__ = ["OUTPUT", "ModelSchema", "Needs", "Projection", "Schema", "Writer", "needs", "projection"]
