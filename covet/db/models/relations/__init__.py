"""Relations between models: ``ForeignKey``, ``OneToOneField``, ``ManyToManyField``, ``ForeignObject``."""

from covet.db.models.relations.access import Related
from covet.db.models.relations.foreign import ForeignKey, OneToOneField
from covet.db.models.relations.foreign_object import ForeignObject
from covet.db.models.relations.many import ManyToManyField
from covet.db.models.relations.peers import FETCH_ONE, FETCH_PEERS, FETCH_RAISE

__all__ = [
    "FETCH_ONE",
    "FETCH_PEERS",
    "FETCH_RAISE",
    "ForeignKey",
    "ForeignObject",
    "ManyToManyField",
    "OneToOneField",
    "Related",
]
