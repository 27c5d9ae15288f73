"""What goes in and out of an API: pydantic schemas, schemas made from models, and their way from rows to JSON.

Pydantic lives here, in ``covet.rest`` and in ``covet.conf.typed``, and nowhere else.
"""

from typing import TYPE_CHECKING

from covet.loading import late_names
from covet.schema.base import OUTPUT, Schema
from covet.schema.projection import Projection, projection
from covet.schema.relations import Needs, needs
from covet.schema.writer import Writer

if TYPE_CHECKING:
    from covet.schema.model_schema import ModelSchema

__all__ = ["OUTPUT", "ModelSchema", "Needs", "Projection", "Schema", "Writer", "needs", "projection"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = late_names(__name__, {"covet.schema.model_schema": ("ModelSchema",)})
